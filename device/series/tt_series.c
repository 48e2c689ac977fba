/* See tt_series.h. */
#include "tt_series.h"

#include <string.h>

_Static_assert(TT_INPUT_BYTES == TT_WINDOW * TT_ROW_VALUES, "a sample is the rows of a window");
_Static_assert(TT_ROW_VALUES % TT_SERIES_COLUMNS == 0, "the values of a row belong to the columns in turn");
_Static_assert(sizeof(tt_series) == (12 + TT_INPUT_BYTES + 3) / 4 * 4, "size of a series, which the plan counts");

static int8_t quantise(int16_t raw, const tt_column *column)
{
    const int64_t q = (raw * column->factor + column->offset) >> column->shift;
    return (int8_t)(q < -128 ? -128 : q > 127 ? 127 : q);
}

void tt_series_begin(tt_series *series)
{
    series->place = 0;
    series->rows = 0;
    series->lacking = TT_WINDOW;
}

/* One row further. */
static int advance(tt_series *series)
{
    series->place = series->place + 1 == TT_WINDOW ? 0 : series->place + 1;
    series->rows += series->rows < TT_WINDOW;
    if (--series->lacking)
        return 0;
    series->lacking = TT_HOP;
    return 1;
}

int tt_series_push(tt_series *series, const int16_t *row)
{
    int8_t *to = series->ring + series->place * TT_ROW_VALUES;
    const tt_column *column = tt_columns;
    for (uint32_t i = 0; i < TT_ROW_VALUES; i++) {
        to[i] = quantise(row[i], column);
        column = column + 1 == tt_columns + TT_SERIES_COLUMNS ? tt_columns : column + 1;
    }
    return advance(series);
}

int tt_series_end(tt_series *series)
{
    if (!series->rows || series->rows == TT_WINDOW)
        return 0;
    const int8_t *last = series->ring + (series->rows - 1) * TT_ROW_VALUES;
    do
        memcpy(series->ring + series->place * TT_ROW_VALUES, last, TT_ROW_VALUES);
    while (!advance(series));
    return 1;
}

void tt_series_copy(const tt_series *series, uint32_t first, uint32_t count, int8_t *to)
{
    /* The window begins where the next row will be written. */
    uint32_t from = series->place * TT_ROW_VALUES + first;
    if (from >= TT_INPUT_BYTES)
        from -= TT_INPUT_BYTES;
    const uint32_t straight = TT_INPUT_BYTES - from < count ? TT_INPUT_BYTES - from : count;
    memcpy(to, series->ring + from, straight);
    memcpy(to + straight, series->ring, count - straight);
}
