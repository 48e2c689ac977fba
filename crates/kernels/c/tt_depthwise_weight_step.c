/* Weight gradient and update of the depthwise convolution: one channel at a time, input and gradient are copied to
 * int16 planes of a band of rows, and the sum of each weight runs over these rows. */
#include "tt_plane.h"

typedef struct {
    int32_t gw, xw, band, rows; /* words of a row of gradients and of input; rows of gradients and of input in a band */
} tt_depthwise_plan;

/* The two planes of as many rows as `room` bytes hold, and the sums of the weights of a channel. */
static tt_depthwise_plan plan(const tt_conv_params *p, int32_t room)
{
    tt_depthwise_plan s;
    s.gw = (p->out_w + 1) / 2;
    s.xw = ((2 * s.gw - 1) * p->stride_w + p->kw + 1) / 2;
    const int32_t words = room / 4 - p->kh * p->kw, all = tt_min((p->out_h - 1) * p->stride_h + p->kh, p->in_h);
    if (p->out_h * s.gw + all * s.xw <= words)
        s.band = p->out_h;
    else
        s.band = tt_clamp((words - p->kh * s.xw - s.gw) / (s.gw + p->stride_h * s.xw) + 1, 1, p->out_h);
    s.rows = tt_min((s.band - 1) * p->stride_h + p->kh, p->in_h);
    return s;
}

/* Widens `n` values, `stride` bytes apart. */
static void widen(const int8_t *x, int32_t n, int32_t stride, int32_t zero, char *to)
{
    for (; n > 0; n--, x += stride, to += 2) {
        int16_t v = (int16_t)(*x - zero);
        memcpy(to, &v, 2);
    }
}

/* sum + gradients . inputs, where the inputs of successive gradients are `step` columns apart. */
static int32_t dot(const uint32_t *g, const char *x, int32_t words, int32_t step, int32_t sum)
{
    for (; words > 0; words--, x += 4 * step) {
        uint32_t pair = tt_load4(x);
        if (step != 1) {
            uint16_t second;
            memcpy(&second, x + 2 * step, 2);
            pair = tt_lows(pair, second);
        }
        sum = tt_smlad(*g++, pair, sum);
    }
    return sum;
}

void tt_depthwise_weight_step(const tt_conv_params *p, const tt_update *u, const int8_t *g, const int8_t *x,
                              const uint16_t *channels, const uint32_t *qas, int8_t *q, uint8_t *lo, void *scratch,
                              int32_t room)
{
    const tt_depthwise_plan s = plan(p, room);
    const int32_t multiplier = p->out_c / p->in_c, taps = p->kh * p->kw, bits = u->params.bits;
    const uint64_t key = tt_key(u->seed, u->step, (uint32_t)u->params.tensor);
    uint32_t *gs = scratch, *xs = gs + s.band * s.gw;
    int32_t *sums = (int32_t *)(xs + s.rows * s.xw);
    /* The input columns that windows reach; the last word may begin with one of them. */
    const int32_t columns = tt_min(p->in_w, 2 * s.xw - p->pad_left);

    memset(scratch, 0, (size_t)(4 * (s.band * s.gw + s.rows * s.xw)));
    for (int32_t j = 0; j < p->trained; j++) {
        int32_t o = p->trained == p->out_c ? j : channels[j], i = o / multiplier;
        if (qas[o] == 0)
            continue;
        memset(sums, 0, (size_t)(4 * taps));
        for (int32_t y0 = 0; y0 < p->out_h; y0 += s.band) {
            int32_t y1 = tt_min(y0 + s.band, p->out_h);
            int32_t top = tt_max(0, y0 * p->stride_h - p->pad_top);
            int32_t end = tt_min(p->in_h, (y1 - 1) * p->stride_h - p->pad_top + p->kh);
            for (int32_t oy = y0; oy < y1; oy++)
                widen(g + oy * p->out_w * p->out_c + o, p->out_w, p->out_c, 0, (char *)(gs + (oy - y0) * s.gw));
            for (int32_t iy = top; iy < end; iy++)
                widen(x + iy * p->in_w * p->in_c + i, columns, p->in_c, p->x_zero,
                      (char *)(xs + (iy - top) * s.xw) + 2 * p->pad_left);
            for (int32_t ky = 0; ky < p->kh; ky++) {
                for (int32_t kx = 0; kx < p->kw; kx++) {
                    int32_t sum = sums[ky * p->kw + kx];
                    for (int32_t oy = y0; oy < y1; oy++) {
                        int32_t iy = oy * p->stride_h - p->pad_top + ky;
                        if (iy >= 0 && iy < p->in_h)
                            sum = dot(gs + (oy - y0) * s.gw, (const char *)(xs + (iy - top) * s.xw) + 2 * kx, s.gw,
                                      p->stride_w, sum);
                    }
                    sums[ky * p->kw + kx] = sum;
                }
            }
        }
        tt_rate rate = tt_rate_new(u->lr, tt_qas_real(qas[o]), u->params.exponent, u->k, bits);
        for (int32_t tap = 0; rate.p != 0 && tap < taps; tap++)
            tt_weight_update(rate, bits, key, sums[tap], q, lo, (uint32_t)(tap * p->trained + j));
    }
}
