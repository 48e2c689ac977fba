/* Input gradient of the depthwise convolution: the same product with flipped weights, over planes of gradients in
 * which columns are spread by the stride; rows that the stride leaves empty are skipped. */
#include "tt_plane.h"

typedef struct {
    tt_plane plane;
    int32_t multiplier, group, planes, pad_top, band,
        rows; /* input channels at once, planes; rows of gx and of g in a band */
} tt_depthwise_plan;

/* The planes of as many rows as `room` bytes hold, at least as many as a window meets, and their weights. */
static tt_depthwise_plan plan(const tt_conv_params *p, int32_t room)
{
    tt_depthwise_plan s;
    s.plane = tt_plane_new(p->kw, p->in_w, 1, p->stride_w, p->kw - 1 - p->pad_left);
    s.multiplier = p->out_c / p->in_c;
    s.group = s.multiplier == 1 ? tt_min(4, p->in_c) : 1;
    s.planes = s.group * s.multiplier;
    s.pad_top = p->kh - 1 - p->pad_top;
    int32_t rows = (room / (4 * s.planes) - p->kh * s.plane.row) / s.plane.words;
    s.band = rows >= p->out_h ? p->in_h : tt_clamp(rows * p->stride_h - p->kh + 1, 1, p->in_h);
    s.rows = tt_min((s.band - 1 + p->kh - 1) / p->stride_h + 1, p->out_h);
    return s;
}

typedef struct {
    const tt_conv_params *p;
    tt_depthwise_plan plan;
    const uint32_t *planes, *weights;
    int8_t *gx;
    int32_t shift, y0, y1, top; /* rows of gx of the band, its first row of g */
    uint32_t saturated;
} tt_depthwise_job;

/* One input channel of a band, the `i`th of its group; `c` is its index. */
TT_INLINE void channel(tt_depthwise_job *job, int32_t i, int32_t c, int32_t taps, int32_t step)
{
    const tt_conv_params *p = job->p;
    const tt_plane *s = &job->plan.plane;
    const int32_t multiplier = job->plan.multiplier, apart = job->plan.rows * s->words, each = p->kh * s->row,
                  sh = p->stride_h;
    const uint32_t *planes = job->planes + i * multiplier * apart, *weights = job->weights + i * multiplier * each;
    for (int32_t iy = job->y0; iy < job->y1; iy++) {
        /* The first row of gradients at or below this window's top, and its row of the flipped kernel. */
        const int32_t window = iy - job->plan.pad_top, oy = (tt_max(0, window) + sh - 1) / sh, ky = oy * sh - window;
        const int32_t rows = ky < p->kh ? tt_min((p->kh - 1 - ky) / sh + 1, p->out_h - oy) : 0;
        const int32_t from = rows > 0 ? (oy - job->top) * s->words : 0,
                      row = rows > 0 ? tt_plane_row_at(s, p->kh, sh, ky) : 0;
        int8_t *to = job->gx + iy * p->in_w * p->in_c + c;
        for (int32_t ix = 0; ix < p->in_w; ix += 4) {
            tt_quad a = {{0, 0, 0, 0}};
            if (rows > 0)
                for (int32_t r = 0; r < multiplier; r++)
                    a = tt_plane_quad(s, planes + r * apart + from + ix / 2, weights + r * each + row, rows, taps, step,
                                      a);
            to = tt_grad_quad(a, tt_min(4, p->in_w - ix), job->shift, p->in_c, to, &job->saturated);
        }
    }
}

static __attribute__((noinline)) void channel_any(tt_depthwise_job *job, int32_t i, int32_t c)
{
    /* Windows are always one column apart. */
    if (TT_DSP && job->plan.plane.taps == 2)
        channel(job, i, c, 2, 1);
    else if (TT_DSP && job->plan.plane.taps == 3)
        channel(job, i, c, 3, 1);
    else if (TT_DSP && job->plan.plane.taps == 4)
        channel(job, i, c, 4, 1);
    else
        channel(job, i, c, job->plan.plane.taps, 1);
}

uint32_t tt_depthwise_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                                 const int8_t *trained, const uint16_t *channels, int8_t *gx, void *scratch,
                                 int32_t room)
{
    tt_depthwise_job job = {p, plan(p, room), scratch, NULL, gx, shift, 0, 0, 0, 0};
    const tt_depthwise_plan *s = &job.plan;
    const int32_t apart = s->rows * s->plane.words, each = p->kh * s->plane.row, sh = p->stride_h;
    uint32_t *planes = scratch, *weights = planes + s->planes * apart;
    int32_t next = 0;

    job.weights = weights;
    memset(planes, 0, (size_t)(4 * s->planes * apart));
    for (int32_t c = 0; c < p->in_c; c += s->group) {
        int32_t width = tt_min(s->group, p->in_c - c), count = width * s->multiplier, first = c * s->multiplier;
        for (int32_t j = 0; j < count;) {
            tt_taps from = tt_depthwise_weights(p, frozen, trained, channels, first + j, count - j, &next);
            tt_plane_weights(&s->plane, from, p->kh, p->kw, sh, 1, weights + j * each);
            j += from.count;
        }
        for (job.y0 = 0; job.y0 < p->in_h; job.y0 = job.y1) {
            /* Row oy of the gradients lies at row oy * stride of the spread ones, which the window of row iy begins
             * at iy - pad'. */
            job.y1 = tt_min(job.y0 + s->band, p->in_h);
            job.top = (tt_max(0, job.y0 - s->pad_top) + sh - 1) / sh;
            int32_t end = tt_min(p->out_h, (job.y1 - 1 - s->pad_top + p->kh - 1) / sh + 1);
            for (int32_t j = 0; j < count; j += 4)
                tt_plane_widen(&s->plane, g + job.top * p->out_w * p->out_c + first + j, end - job.top, p->out_w,
                               p->out_c, tt_min(4, count - j), 0, planes + j * apart, apart);
            for (int32_t i = 0; i < width; i++)
                channel_any(&job, i, c + i);
        }
    }
    return job.saturated;
}
