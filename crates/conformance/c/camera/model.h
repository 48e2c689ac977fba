/* What tt_camera.h needs of a model; the sizes come from the command line. */
#ifndef TT_MODEL_H
#define TT_MODEL_H

#include <stdint.h>

#define TT_ROW_BYTES (TT_INPUT_WIDTH * TT_INPUT_CHANNELS)
#define TT_INPUT_BYTES (TT_INPUT_HEIGHT * TT_ROW_BYTES)

typedef enum { TT_OK = 0, TT_E_ARGUMENT = 1, TT_E_FORMAT = 2 } tt_status;
typedef enum { TT_INT8 = 0, TT_RGB888 = 1, TT_RGB565 = 3, TT_GREY = 4 } tt_format;

#endif
