/* Full convolution with any kernel: the inputs of four output pixels become four columns in scratch, in the order of
 * the weights (those of the frozen part, then those of the trained part); each output channel is one row times these
 * columns. */
#include "tt_output.h"

typedef struct {
    int32_t frozen, trained; /* elements of a row in each part */
    int32_t direct;          /* the inputs of a pixel are contiguous in `x`, in the order of the weights */
    int32_t words, quads;    /* words of four columns; groups of four pixels that are held at once */
} tt_conv_plan;

/* The columns of as many pixels as `room` bytes hold, and, unless the inputs are already contiguous, the int8 inputs of one pixel. */
static tt_conv_plan plan(const tt_conv_params *p, int32_t room)
{
    tt_conv_plan s;
    s.trained = p->kh * p->kw * p->trained;
    s.frozen = p->kh * p->kw * p->in_c - s.trained;
    s.direct = p->kh == 1 && p->kw == 1 && p->pad_top == 0 && p->pad_left == 0 && (s.frozen == 0 || s.trained == 0) &&
               (p->out_h - 1) * p->stride_h < p->in_h && (p->out_w - 1) * p->stride_w < p->in_w;
    s.words = tt_column_words(s.frozen) + tt_column_words(s.trained);
    s.quads = tt_clamp((room - (s.direct ? 0 : s.words / 2)) / (4 * s.words), 1, (p->out_h * p->out_w + 3) / 4);
    return s;
}

/* Copies `n` bytes; runs are so short that a call would cost more. */
TT_INLINE int8_t *copy(int8_t *to, const int8_t *from, int32_t n)
{
    for (; n >= 4; n -= 4, to += 4, from += 4)
        tt_store4(to, tt_load4(from));
    for (; n > 0; n--)
        *to++ = *from++;
    return to;
}

/* Gathers the inputs of one output pixel as int8 in the order of the weights; padding is the zero point. */
static __attribute__((noinline)) void gather(const tt_conv_params *p, const int8_t *x, const uint16_t *channels,
                                             int32_t oy, int32_t ox, int8_t *frozen, int8_t *trained)
{
    const int32_t t = p->trained, c = p->in_c;
    const int32_t iy = oy * p->stride_h - p->pad_top, ix = ox * p->stride_w - p->pad_left;
    const int8_t *row = x + (iy * p->in_w + ix) * c;
    if ((t == 0 || t == c) && iy >= 0 && iy + p->kh <= p->in_h && ix >= 0 && ix + p->kw <= p->in_w) {
        /* Entire rows of the kernel are contiguous. */
        int8_t *to = t ? trained : frozen;
        for (int32_t ky = p->kh; ky > 0; ky--, row += p->in_w * c)
            to = copy(to, row, p->kw * c);
        return;
    }
    for (int32_t ky = 0; ky < p->kh; ky++, row += p->in_w * c) {
        const int8_t *from = row;
        for (int32_t kx = 0; kx < p->kw; kx++, from += c) {
            if (iy + ky < 0 || iy + ky >= p->in_h || ix + kx < 0 || ix + kx >= p->in_w) {
                memset(frozen, p->x_zero, (size_t)(c - t));
                memset(trained, p->x_zero, (size_t)t);
                frozen += c - t;
                trained += t;
            } else if (t == c) {
                trained = copy(trained, from, c);
            } else {
                int32_t i = 0;
                for (int32_t j = 0; j < t; j++) {
                    while (i < channels[j])
                        *frozen++ = from[i++];
                    *trained++ = from[i++];
                }
                frozen = copy(frozen, from + i, c - i);
            }
        }
    }
}

typedef struct {
    tt_conv_plan plan;
    const int8_t *frozen, *trained;
    const int32_t *bias, *offset, *m;
    const uint8_t *shift;
    tt_output output;
} tt_conv_job;

/* All output channels of `count` groups of four pixels whose inputs are in the columns; `at` is the first element of
 * the first pixel. `mode` is that of the output, a constant where that pays off; `single` means that the weights have
 * only one part and that there is no shift. */
TT_INLINE void quads(const tt_conv_job *job, const uint32_t *columns, int32_t count, int32_t at, int32_t mode,
                     int32_t single)
{
    /* If only one part exists, it comes first. */
    const int32_t swap = job->plan.frozen == 0;
    const int32_t step = swap ? job->plan.trained : job->plan.frozen, more = single || swap ? 0 : job->plan.trained;
    const int8_t *row = swap ? job->trained : job->frozen, *row2 = job->trained;
    const int32_t n = job->output.channels, words = job->plan.words, first = tt_column_words(step);
    for (int32_t o = 0; o < n; o++, row += step, row2 += more) {
        const int32_t b = tt_output_bias(job->bias, job->offset, o), m = job->m[o],
                      left = !single && job->shift ? job->shift[o] : 0;
        const uint32_t *c = columns;
        int32_t to = at + o;
        for (int32_t i = count; i > 0; i--, c += words, to += 4 * n) {
            tt_quad a = tt_dot4(row, c, step, (tt_quad){{b, b, b, b}});
            if (more)
                a = tt_dot4(row2, c + first, more, a);
            if (left) {
                tt_quad copy = a;
                tt_output_any(&job->output, &copy, 4, m, left, to);
            } else {
                tt_output_quad(&job->output, a, m, to, mode);
            }
        }
    }
}

static __attribute__((noinline)) void quads_plain(const tt_conv_job *job, const uint32_t *columns, int32_t count,
                                                  int32_t at)
{
    quads(job, columns, count, at, TT_PLAIN, 1);
}

static __attribute__((noinline)) void quads_masked(const tt_conv_job *job, const uint32_t *columns, int32_t count,
                                                   int32_t at)
{
    quads(job, columns, count, at, TT_MASKED, 1);
}

static __attribute__((noinline)) void quads_general(const tt_conv_job *job, const uint32_t *columns, int32_t count,
                                                    int32_t at)
{
    quads(job, columns, count, at, job->output.mode, 0);
}

/* The same for up to four pixels and any mask. */
static __attribute__((noinline)) void pixels(const tt_conv_job *job, const uint32_t *columns, int32_t count, int32_t at)
{
    const tt_conv_plan *s = &job->plan;
    const uint32_t *second = columns + tt_column_words(s->frozen);
    for (int32_t o = 0; o < job->output.channels; o++) {
        const int32_t b = tt_output_bias(job->bias, job->offset, o);
        tt_quad a;
        for (int32_t j = 0; j < count; j++) {
            a.v[j] = tt_dot1(job->frozen + o * s->frozen, columns + j, s->frozen, b);
            a.v[j] = tt_dot1(job->trained + o * s->trained, second + j, s->trained, a.v[j]);
        }
        tt_output_any(&job->output, &a, count, job->m[o], job->shift ? job->shift[o] : 0, at + o);
    }
}

/* Fills columns with the inputs of `count` pixels from `at` on; `patch` has room for one pixel. */
static __attribute__((noinline)) void fill(const tt_conv_params *p, const tt_conv_plan *s, const int8_t *x,
                                           const uint16_t *channels, int32_t at, int32_t count, uint32_t *columns,
                                           int8_t *patch)
{
    const uint32_t add = tt_pair(-p->x_zero, -p->x_zero);
    const int32_t dense = s->direct && p->stride_h == 1 && p->stride_w == 1 && p->in_w == p->out_w;
    const int32_t first = tt_column_words(s->frozen);
    int32_t j = 0, oy, ox;
    if (dense)
        for (x += at * p->in_c; j + 4 <= count; j += 4, columns += s->words, x += 4 * p->in_c)
            tt_columns_widen(x, p->in_c, p->in_c, add, columns);
    for (oy = at / p->out_w, ox = at - oy * p->out_w; j < count; j++) {
        uint32_t *to = columns + (j & 3);
        if (dense) {
            tt_column_widen(x, p->in_c, add, to);
            x += p->in_c;
        } else if (s->direct) {
            tt_column_widen(x + (oy * p->stride_h * p->in_w + ox * p->stride_w) * p->in_c, p->in_c, add, to);
        } else {
            gather(p, x, channels, oy, ox, patch, patch + first / 2);
            tt_column_widen(patch, s->frozen, add, to);
            tt_column_widen(patch + first / 2, s->trained, add, to + first);
        }
        if ((j & 3) == 3)
            columns += s->words;
        if (++ox == p->out_w) {
            ox = 0;
            oy++;
        }
    }
}

void tt_conv(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
             const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m,
             const uint8_t *shift, int8_t *y, uint8_t *mask, void *scratch, int32_t room)
{
    const tt_conv_job job = {plan(p, room), frozen, trained, bias, offset, m, shift, tt_output_new(p, y, mask)};
    const tt_conv_plan *s = &job.plan;
    const int32_t all = p->out_h * p->out_w, single = !shift && (s->frozen == 0 || s->trained == 0);
    uint32_t *columns = scratch;

    tt_mask_clear(mask, all * p->out_c);
    for (int32_t at = 0; at < all; at += 4 * s->quads) {
        const int32_t count = tt_min(4 * s->quads, all - at), whole = job.output.mode == TT_ANY ? 0 : count >> 2;
        fill(p, s, x, channels, at, count, columns, (int8_t *)(columns + s->quads * s->words));
        if (whole && !single)
            quads_general(&job, columns, whole, at * p->out_c);
        else if (whole && mask)
            quads_masked(&job, columns, whole, at * p->out_c);
        else if (whole)
            quads_plain(&job, columns, whole, at * p->out_c);
        for (int32_t j = 4 * whole; j < count; j += 4)
            pixels(&job, columns + (j >> 2) * s->words, tt_min(4, count - j), (at + j) * p->out_c);
    }
}
