/* Series of raw values as samples: what a sensor yields becomes int8 by the normalisation that the training recordings got, in integers, and the rows of a
 * window lie in a ring. docs/data.md defines the integers; `train` computes the same on the host. */
#ifndef TT_SERIES_H
#define TT_SERIES_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How the raw values of a column become int8: (raw * factor + offset) >> shift, held within int8. model/series.c has one for each column. */
typedef struct {
    int64_t offset;
    int16_t factor;
    uint16_t shift;
} tt_column;

extern const tt_column tt_columns[TT_SERIES_COLUMNS];

/* The last TT_WINDOW rows of a recording that is coming in. */
typedef struct {
    uint32_t place;              /* in the ring, of the next row */
    uint32_t rows;               /* that have come in, as far as they are fewer than a window has */
    uint32_t lacking;            /* until the next window is whole */
    int8_t ring[TT_INPUT_BYTES]; /* rows of TT_ROW_VALUES */
} tt_series;

/* Begins a recording. */
void tt_series_begin(tt_series *series);

/* Goes on with its next row, TT_ROW_VALUES raw values: what lies between two values of a column is the unit of that column, which is 1 where the recordings
 * held integers. Returns 1 if a window ends with this row: the first one after TT_WINDOW rows, each further one TT_HOP rows later. */
int tt_series_push(tt_series *series, const int16_t *row);

/* The recording has ended. One that was shorter than a window is continued with its last row, as in training; returns 1 if that gives a window. */
int tt_series_end(tt_series *series);

/* Copies `count` bytes of the window's sample, from byte `first` on. All of it, or with `--feed rows` row by row:
 *
 *     if (tt_series_push(&series, row)) {
 *         tt_series_copy(&series, 0, TT_INPUT_BYTES, tt_input(&network));
 *         tt_predict(&network, tt_input(&network), TT_INT8, &predicted);
 *     }
 */
void tt_series_copy(const tt_series *series, uint32_t first, uint32_t count, int8_t *to);

#ifdef __cplusplus
}
#endif

#endif
