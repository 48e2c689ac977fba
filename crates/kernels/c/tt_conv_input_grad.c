/* Input gradient of the full convolution: the transposed weights of four input channels become four columns in
 * scratch, and the gradient of an output pixel (a row over the output channels) is multiplied by these columns, once
 * for each tap through which it reaches the input. */
#include "tt_columns.h"

typedef struct {
    const tt_conv_params *p;
    const int8_t *g;
    const uint32_t *columns;
    int32_t shift, count, channel[4]; /* input channels of the columns */
    uint32_t saturated;
} tt_grad_job;

/* The four sums of one input pixel. */
static __attribute__((noinline)) void put(tt_grad_job *job, const tt_quad *a, int8_t *gx)
{
    if (job->count == 4 && job->channel[3] == job->channel[0] + 3)
        tt_grad_quad(*a, 4, job->shift, 1, gx + job->channel[0], &job->saturated);
    else
        for (int32_t j = 0; j < job->count; j++)
            gx[job->channel[j]] = tt_grad8(a->v[j], job->shift, &job->saturated);
}

/* All pixels of a pointwise convolution. */
static __attribute__((noinline)) void pointwise(tt_grad_job *job, int8_t *gx)
{
    const int32_t n = job->p->out_c, in_c = job->p->in_c;
    const int8_t *g = job->g;
    for (int32_t i = job->p->in_h * job->p->in_w; i > 0; i--, g += n, gx += in_c) {
        tt_quad a = tt_dot4(g, job->columns, n, (tt_quad){{0, 0, 0, 0}});
        put(job, &a, gx);
    }
}

/* All pixels of any convolution. */
static __attribute__((noinline)) void general(tt_grad_job *job, int8_t *gx)
{
    const tt_conv_params *p = job->p;
    const int32_t words = tt_column_words(p->out_c);
    for (int32_t iy = 0; iy < p->in_h; iy++) {
        for (int32_t ix = 0; ix < p->in_w; ix++, gx += p->in_c) {
            tt_quad a = {{0, 0, 0, 0}};
            for (int32_t ky = 0; ky < p->kh; ky++) {
                int32_t y = iy + p->pad_top - ky, oy = y / p->stride_h;
                if (y < 0 || oy >= p->out_h || oy * p->stride_h != y)
                    continue;
                for (int32_t kx = 0; kx < p->kw; kx++) {
                    int32_t x = ix + p->pad_left - kx, ox = x / p->stride_w;
                    if (x < 0 || ox >= p->out_w || ox * p->stride_w != x)
                        continue;
                    const int8_t *row = job->g + (oy * p->out_w + ox) * p->out_c;
                    a = tt_dot4(row, job->columns + (ky * p->kw + kx) * words, p->out_c, a);
                }
            }
            put(job, &a, gx);
        }
    }
}

uint32_t tt_conv_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                            const int8_t *trained, const uint16_t *channels, int8_t *gx, void *scratch, int32_t room)
{
    (void)room;
    const int32_t words = tt_column_words(p->out_c), taps = p->kh * p->kw;
    const int32_t same = taps == 1 && p->stride_h == 1 && p->stride_w == 1 && p->in_w == p->out_w &&
                         p->in_h == p->out_h && p->pad_top == 0 && p->pad_left == 0;
    tt_grad_job job = {p, g, scratch, shift, 0, {0, 0, 0, 0}, 0};
    for (int32_t part = 0; part < 2; part++) {
        const int8_t *w = part ? trained : frozen;
        int32_t n = part ? p->trained : p->in_c - p->trained;
        int32_t next = 0,
                skipped = 0; /* of the frozen part: the next channel, and the number of trained ones before it */
        for (int32_t i = 0; i < n; i += 4) {
            job.count = tt_min(4, n - i);
            for (int32_t j = 0; j < job.count; j++) {
                if (part) {
                    job.channel[j] = p->trained == p->in_c ? i + j : channels[i + j];
                } else {
                    while (skipped < p->trained && channels[skipped] == next) {
                        skipped++;
                        next++;
                    }
                    job.channel[j] = next++;
                }
            }
            for (int32_t tap = 0; tap < taps; tap++)
                tt_columns_transpose(w + tap * n + i, taps * n, p->out_c, job.count, (uint32_t *)scratch + tap * words);
            if (same)
                pointwise(&job, gx);
            else
                general(&job, gx);
        }
    }
    return job.saturated;
}
