/* Runs frames of a camera through device/camera, as a whole and row by row, and compares every byte. The layout of the cases: `tests/camera.rs`. */
#include "cases.h"
#include "port.h"
#include "tt_camera.h"

#include <string.h>

static uint8_t *copied(const uint8_t *from, uint32_t n)
{
    uint8_t *block = port_take(n);
    memcpy(block, from, n);
    return block;
}

/* A frame row by row, each row in memory of its own; -1 unless exactly all rows of the sample come out. */
static int by_rows(const tt_view *view, tt_format format, const uint8_t *frame, uint32_t row_bytes, uint8_t *to)
{
    static tt_camera camera;
    uint32_t rows = 0;
    if (tt_camera_begin(&camera, view, format) != TT_OK)
        return -1;
    /* Rows after the last one change nothing. */
    for (uint32_t y = 0; y < view->height + 2u; y++) {
        uint8_t *row = copied(frame + (y < view->height ? y : 0) * row_bytes, row_bytes);
        uint8_t *out = port_take(TT_ROW_BYTES);
        while (tt_camera_row(&camera, row, out)) {
            if (rows == TT_INPUT_HEIGHT)
                return -1;
            memcpy(to + rows++ * TT_ROW_BYTES, out, TT_ROW_BYTES);
        }
        port_give(out);
        port_give(row);
    }
    return rows == TT_INPUT_HEIGHT ? 0 : -1;
}

int main(int argc, char **argv)
{
    static tt_camera camera;
    uint32_t failures = 0;
    cursor = port_cases(argc, argv);
    if (!cursor)
        return 2;
    const uint32_t cases = word();
    for (uint32_t i = 0; i < cases; i++) {
        tt_view view;
        view.width = (uint16_t)word();
        view.height = (uint16_t)word();
        view.left = (uint16_t)word();
        view.top = (uint16_t)word();
        view.columns = (uint16_t)word();
        view.rows = (uint16_t)word();
        const tt_format format = (tt_format)word();
        const tt_status status = (tt_status)word();
        const uint32_t n = word();
        const uint8_t *given = bytes(n);
        uint8_t *frame = copied(given, n), *sample = port_take(TT_INPUT_BYTES);
        memset(sample, 0xa5, TT_INPUT_BYTES);
        int wrong = tt_camera_frame(&camera, &view, frame, format, sample) != status;
        if (status == TT_OK) {
            const uint8_t *expected = bytes(TT_INPUT_BYTES);
            wrong |= memcmp(sample, expected, TT_INPUT_BYTES) != 0;
            memset(sample, 0xa5, TT_INPUT_BYTES);
            wrong |= by_rows(&view, format, frame, n / view.height, sample) != 0;
            wrong |= memcmp(sample, expected, TT_INPUT_BYTES) != 0;
        }
        wrong |= memcmp(frame, given, n) != 0;
        port_give(sample);
        port_give(frame);
        if (wrong) {
            port_print("case ");
            port_print_number(i);
            port_print(" differs\n");
            failures++;
        }
    }
    port_print_number(cases);
    port_print(" frames\n");
    return failures != 0;
}
