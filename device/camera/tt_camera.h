/* Frames of a camera as samples: a window of each, in the size of the network's input. docs/images.md defines the integers; `train --camera` computes the same
 * on the host. A frame comes as a whole or, as cameras deliver it, row by row; nothing holds more than a row of the sample. */
#ifndef TT_CAMERA_H
#define TT_CAMERA_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A frame of a camera, and the window of it that the network sees; in pixels. The window lies in the frame and has at most 2^24 pixels. TT_VIEW (model.h) is
 * that of `--camera`, if the samples were frames. */
typedef struct {
    uint16_t width, height;            /* of a frame */
    uint16_t left, top, columns, rows; /* the window */
} tt_view;

/* A frame that is coming in. */
typedef struct {
    tt_view view;
    tt_format format;
    uint32_t row;                /* of the frame */
    uint32_t used, filled;       /* what has been added of it, and to the sample's current row */
    uint32_t sums[TT_ROW_BYTES]; /* of that row */
} tt_camera;

/* Begins a frame. TT_RGB565, TT_RGB888 and TT_GREY (a byte a pixel) are formats of a frame, whatever the number of the network's channels: for one channel
 * colours become grey. TT_E_FORMAT for another one, TT_E_ARGUMENT for a window that is none. */
tt_status tt_camera_begin(tt_camera *camera, const tt_view *view, tt_format format);

/* Goes on with the next row of the frame, all `width` pixels of it. Returns 1 if that completes a row of the sample, which is then in `to`, TT_ROW_BYTES bytes of
 * format TT_RGB888: call it again with the same row of the frame, which may complete another one. Returns 0 once it is done with this row. After the last row of
 * the window all TT_INPUT_HEIGHT rows have come out, and nothing is written any more:
 *
 *     while (tt_camera_row(&camera, pixels, tt_row(&network)))    with `--feed rows`
 *         tt_row_written(&network, TT_RGB888);
 */
int tt_camera_row(tt_camera *camera, const void *pixels, void *to);

/* The same for a frame that lies in memory: writes the sample, TT_INPUT_BYTES bytes of format TT_RGB888, which must not overlap it:
 *
 *     tt_camera_frame(&camera, &view, frame, TT_RGB565, tt_input(&network));
 *     tt_predict(&network, tt_input(&network), TT_RGB888, &predicted);
 */
tt_status tt_camera_frame(tt_camera *camera, const tt_view *view, const void *frame, tt_format format, void *to);

#ifdef __cplusplus
}
#endif

#endif
