/* Depthwise convolution: four input channels at a time are copied to planes in scratch, one band of rows at a time so
 * that the planes stay small; each output channel is a product over its plane, four neighbouring outputs at once. */
#include "tt_output.h"
#include "tt_plane.h"

typedef struct {
    tt_plane plane;
    int32_t multiplier, group, band, rows; /* input channels at once, rows of output and of input in a band */
} tt_depthwise_plan;

/* The planes of as many rows as `room` bytes hold, at least as many as the kernel has, and the weights of their channels. */
static tt_depthwise_plan plan(const tt_conv_params *p, int32_t room)
{
    tt_depthwise_plan s;
    s.plane = tt_plane_new(p->kw, p->out_w, p->stride_w, 1, p->pad_left);
    s.multiplier = p->out_c / p->in_c;
    s.group = tt_min(4, p->in_c);
    int32_t rows = (room / (4 * s.group) - s.multiplier * p->kh * s.plane.row) / s.plane.words;
    s.band = rows >= p->in_h ? p->out_h : tt_clamp((rows - p->kh) / p->stride_h + 1, 1, p->out_h);
    s.rows = tt_min((s.band - 1) * p->stride_h + p->kh, p->in_h);
    return s;
}

typedef struct {
    const tt_conv_params *p;
    tt_depthwise_plan plan;
    tt_output output;
    int32_t y0, y1, top; /* rows of output of the band, its first row of input */
} tt_depthwise_job;

/* One output channel of a band. */
TT_INLINE void channel(const tt_depthwise_job *job, const uint32_t *plane, const uint32_t *weights, int32_t b,
                       int32_t m, int32_t left, int32_t o, int32_t taps, int32_t step)
{
    const tt_conv_params *p = job->p;
    const tt_plane *s = &job->plan.plane;
    const int32_t words = s->words, width = p->out_w, n = p->out_c, mode = left ? TT_ANY : job->output.mode;
    for (int32_t oy = job->y0; oy < job->y1; oy++) {
        const int32_t iy = oy * p->stride_h - p->pad_top, ky = tt_max(0, -iy), rows = tt_min(p->kh, p->in_h - iy) - ky;
        const uint32_t *x = plane + (iy + ky - job->top) * words, *w = weights + ky * s->row;
        int32_t at = oy * width * n + o;
        for (int32_t rest = width; rest > 0; rest -= 4, x += 2 * step, at += 4 * n) {
            tt_quad a = tt_plane_quad(s, x, w, rows, taps, step, (tt_quad){{b, b, b, b}});
            if (rest >= 4 && mode == TT_PLAIN) {
                tt_output_quad(&job->output, a, m, at, TT_PLAIN);
            } else if (rest >= 4 && mode == TT_MASKED) {
                tt_output_quad(&job->output, a, m, at, TT_MASKED);
            } else {
                tt_quad copy = a;
                tt_output_any(&job->output, &copy, tt_min(4, rest), m, left, at);
            }
        }
    }
}

static __attribute__((noinline)) void channel_any(const tt_depthwise_job *job, const uint32_t *plane,
                                                  const uint32_t *weights, int32_t b, int32_t m, int32_t left,
                                                  int32_t o)
{
    TT_PLANE_CALL(&job->plan.plane, channel, job, plane, weights, b, m, left, o);
}

void tt_depthwise(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
                  const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m,
                  const uint8_t *shift, int8_t *y, uint8_t *mask, void *scratch, int32_t room)
{
    tt_depthwise_job job = {p, plan(p, room), tt_output_new(p, y, mask), 0, 0, 0};
    const tt_depthwise_plan *s = &job.plan;
    const int32_t apart = s->rows * s->plane.words, each = p->kh * s->plane.row;
    uint32_t *planes = scratch, *weights = planes + s->group * apart;
    int32_t next = 0;

    tt_mask_clear(mask, p->out_h * p->out_w * p->out_c);
    memset(planes, 0, (size_t)(4 * s->group * apart));
    for (int32_t c = 0; c < p->in_c; c += s->group) {
        int32_t width = tt_min(s->group, p->in_c - c), outputs = width * s->multiplier, first = c * s->multiplier;
        for (int32_t j = 0; j < outputs;) {
            tt_taps from = tt_depthwise_weights(p, frozen, trained, channels, first + j, outputs - j, &next);
            tt_plane_weights(&s->plane, from, p->kh, p->kw, 1, 0, weights + j * each);
            j += from.count;
        }
        for (job.y0 = 0; job.y0 < p->out_h; job.y0 = job.y1) {
            job.y1 = tt_min(job.y0 + s->band, p->out_h);
            job.top = tt_max(0, job.y0 * p->stride_h - p->pad_top);
            int32_t end = tt_min(p->in_h, (job.y1 - 1) * p->stride_h - p->pad_top + p->kh);
            tt_plane_widen(&s->plane, x + job.top * p->in_w * p->in_c + c, end - job.top, p->in_w, p->in_c, width,
                           p->x_zero, planes, apart);
            for (int32_t j = 0; j < outputs; j++) {
                const int32_t o = first + j;
                channel_any(&job, planes + (j / s->multiplier) * apart, weights + j * each,
                            tt_output_bias(bias, offset, o), m[o], shift ? shift[o] : 0, o);
            }
        }
    }
}
