/* See tt_camera.h. Every pixel of the sample gets the mean of its part of the window, exactly: a pixel of the frame counts by how much of it lies in that part,
 * in units of 1 / TT_INPUT_WIDTH of its width and 1 / TT_INPUT_HEIGHT of its height. */
#include "tt_camera.h"

#include <string.h>

_Static_assert(sizeof(tt_camera) == 28 + 4 * TT_ROW_BYTES, "size of a camera, which the plan of app/product.c counts");

#define MOST_PIXELS (1u << 24) /* 255 times as many, and a half of them, stay within 32 bits */

/* Bytes of a pixel; 0 for what is no format of a frame. */
static uint32_t pixel_bytes(tt_format format)
{
    return format == TT_RGB565 ? 2 : format == TT_RGB888 ? 3 : format == TT_GREY ? 1 : 0;
}

static void read_pixel(uint32_t values[TT_INPUT_CHANNELS], const uint8_t *from, tt_format format)
{
    uint32_t red = from[0], green = red, blue = red;
    if (format == TT_RGB565) {
        uint32_t all = red << 8 | from[1];
        /* 31 or 63 becomes 255; rounded to the nearest. */
        red = ((all >> 11) * 510 + 31) / 62;
        green = ((all >> 5 & 63) * 510 + 63) / 126;
        blue = ((all & 31) * 510 + 31) / 62;
    } else if (format == TT_RGB888) {
        green = from[1];
        blue = from[2];
    }
#if TT_INPUT_CHANNELS == 3
    values[0] = red;
    values[1] = green;
    values[2] = blue;
#else
    values[0] = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16;
#endif
}

/* Adds `by_row` units of a row of the frame. */
static void add(tt_camera *camera, const uint8_t *pixels, uint32_t by_row)
{
    const uint32_t columns = camera->view.columns, bytes = pixel_bytes(camera->format);
    const uint8_t *pixel = pixels + camera->view.left * bytes;
    uint32_t *sum = camera->sums;
    uint32_t lacking = columns; /* of a pixel of the sample */
    for (uint32_t column = 0; column < columns; column++, pixel += bytes) {
        uint32_t values[TT_INPUT_CHANNELS];
        read_pixel(values, pixel, camera->format);
        for (uint32_t left = TT_INPUT_WIDTH; left;) {
            const uint32_t part = left < lacking ? left : lacking;
            for (uint32_t c = 0; c < TT_INPUT_CHANNELS; c++)
                sum[c] += by_row * part * values[c];
            left -= part;
            lacking -= part;
            if (!lacking) {
                lacking = columns;
                sum += TT_INPUT_CHANNELS;
            }
        }
    }
}

tt_status tt_camera_begin(tt_camera *camera, const tt_view *view, tt_format format)
{
    if (!camera || !view)
        return TT_E_ARGUMENT;
    if (!pixel_bytes(format))
        return TT_E_FORMAT;
    const uint32_t columns = view->columns, rows = view->rows;
    if (!columns || !rows || view->left + columns > view->width || view->top + rows > view->height ||
        columns > MOST_PIXELS / rows)
        return TT_E_ARGUMENT;
    memset(camera, 0, sizeof *camera);
    camera->view = *view;
    camera->format = format;
    return TT_OK;
}

int tt_camera_row(tt_camera *camera, const void *pixels, void *to)
{
    const tt_view *view = &camera->view;
    if (camera->row >= view->top && camera->row - view->top < view->rows) {
        const uint32_t left = TT_INPUT_HEIGHT - camera->used, lacking = view->rows - camera->filled;
        const uint32_t part = left < lacking ? left : lacking;
        if (part)
            add(camera, pixels, part);
        camera->used += part;
        camera->filled += part;
        if (camera->filled == view->rows) {
            const uint32_t n = (uint32_t)view->columns * view->rows;
            uint8_t *out = to;
            for (uint32_t i = 0; i < TT_ROW_BYTES; i++)
                out[i] = (uint8_t)((camera->sums[i] + n / 2) / n);
            memset(camera->sums, 0, sizeof camera->sums);
            camera->filled = 0;
            return 1;
        }
    }
    camera->used = 0;
    camera->row++;
    return 0;
}

tt_status tt_camera_frame(tt_camera *camera, const tt_view *view, const void *frame, tt_format format, void *to)
{
    if (!frame || !to)
        return TT_E_ARGUMENT;
    tt_status status = tt_camera_begin(camera, view, format);
    if (status != TT_OK)
        return status;
    const uint8_t *row = frame;
    uint8_t *out = to;
    for (uint32_t y = 0; y < view->height; y++, row += view->width * pixel_bytes(format))
        while (tt_camera_row(camera, row, out))
            out += TT_ROW_BYTES;
    return TT_OK;
}
