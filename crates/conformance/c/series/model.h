/* What tt_series.h and tt_mel.h need of a model; the sizes come from the command line, the tables from `tests/series.rs`. */
#ifndef TT_MODEL_H
#define TT_MODEL_H

#include <stdint.h>

#define TT_INPUT_BYTES (TT_WINDOW * TT_ROW_VALUES)

#endif
