/* Runs recordings through device/series, value by value, and compares every feature and every window. The layout of the cases: `tests/series.rs`. */
#include "cases.h"
#include "port.h"
#include "tt_front.h"
#include "tt_series.h"

#include <string.h>

/* Whether the window that has ended is the expected one, copied as a whole and in rows, into memory of its own. */
static int is_window(const tt_series *series, const uint8_t *expected)
{
    int8_t *sample = (int8_t *)port_take(TT_INPUT_BYTES);
    tt_series_copy(series, 0, TT_INPUT_BYTES, sample);
    int same = !memcmp(sample, expected, TT_INPUT_BYTES);
    memset(sample, 0xa5, TT_INPUT_BYTES);
    for (uint32_t first = 0; first < TT_INPUT_BYTES; first += 5) {
        const uint32_t count = TT_INPUT_BYTES - first < 5 ? TT_INPUT_BYTES - first : 5;
        tt_series_copy(series, first, count, sample + first);
    }
    same &= !memcmp(sample, expected, TT_INPUT_BYTES);
    port_give((uint8_t *)sample);
    return same;
}

int main(int argc, char **argv)
{
    static tt_series series;
    uint32_t failures = 0, found = 0;
    cursor = port_cases(argc, argv);
    if (!cursor)
        return 2;
    const uint32_t cases = word();
    for (uint32_t i = 0; i < cases; i++) {
        const uint32_t values = word(), rows = word(), windows = word();
        const uint8_t *raw = bytes(2 * values), *expected_rows = bytes(2 * rows * TT_ROW_VALUES);
        uint32_t row = 0, window = 0;
        int wrong = 0;
        int16_t *one = (int16_t *)(void *)port_take(2 * TT_ROW_VALUES);
        tt_series_begin(&series);
#ifdef TT_FRONT
        static tt_front sound;
        tt_front_begin(&sound);
        for (uint32_t at = 0; at < values; at++) {
            int16_t value;
            memcpy(&value, raw + 2 * at, 2);
            memset(one, 0xa5, 2 * TT_ROW_VALUES);
            if (!tt_front_push(&sound, value, one))
                continue;
            wrong |= row >= rows || memcmp(one, expected_rows + 2 * row * TT_ROW_VALUES, 2 * TT_ROW_VALUES);
#else
        for (uint32_t at = 0; at < values; at += TT_ROW_VALUES) {
            memcpy(one, raw + 2 * at, 2 * TT_ROW_VALUES);
            wrong |= row >= rows || memcmp(one, expected_rows + 2 * row * TT_ROW_VALUES, 2 * TT_ROW_VALUES);
#endif
            row++;
            if (tt_series_push(&series, one))
                wrong |= window++ >= windows || !is_window(&series, bytes(TT_INPUT_BYTES));
        }
        if (tt_series_end(&series))
            wrong |= window++ >= windows || !is_window(&series, bytes(TT_INPUT_BYTES));
        wrong |= tt_series_end(&series);
        port_give((uint8_t *)one);
        wrong |= row != rows || window != windows;
        found += window;
        if (wrong) {
            port_print("case ");
            port_print_number(i);
            port_print(" differs\n");
            failures++;
            break; /* what follows may begin elsewhere */
        }
    }
    port_print_number(cases);
    port_print(" recordings, ");
    port_print_number(found);
    port_print(" windows\n");
    return failures != 0;
}
