/* AVERAGE_POOL_2D and its gradient. */
#include "tt_pool.h"

void tt_average_pool(const tt_pool_params *p, const int8_t *x, int8_t *y, uint8_t *mask)
{
    uint32_t at = 0;
    tt_mask_clear(mask, p->out_h * p->out_w * p->c);
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        tt_span r = tt_pool_span(oy, p->stride_h, p->pad_top, p->kh, p->in_h);
        for (int32_t ox = 0; ox < p->out_w; ox++) {
            tt_span s = tt_pool_span(ox, p->stride_w, p->pad_left, p->kw, p->in_w);
            int32_t count = (r.to - r.from) * (s.to - s.from);
            for (int32_t c = 0; c < p->c; c++, at++) {
                int32_t sum = 0;
                for (int32_t iy = r.from; iy < r.to; iy++)
                    for (int32_t ix = s.from; ix < s.to; ix++)
                        sum += x[(iy * p->in_w + ix) * p->c + c];
                /* Rounds halves away from zero, since C's division truncates. */
                int32_t v = (sum < 0 ? sum - count / 2 : sum + count / 2) / count;
                y[at] = tt_clamp_mask(v, p->lo, p->hi, mask, at);
            }
        }
    }
}

uint32_t tt_average_pool_grad(const tt_pool_params *p, const int8_t *g, const uint8_t *mask, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t iy = 0; iy < p->in_h; iy++) {
        tt_span r = tt_windows_of(iy, p->stride_h, p->pad_top, p->kh, p->out_h);
        for (int32_t ix = 0; ix < p->in_w; ix++) {
            tt_span s = tt_windows_of(ix, p->stride_w, p->pad_left, p->kw, p->out_w);
            for (int32_t c = 0; c < p->c; c++) {
                int32_t sum = 0;
                for (int32_t oy = r.from; oy < r.to; oy++) {
                    tt_span rows = tt_pool_span(oy, p->stride_h, p->pad_top, p->kh, p->in_h);
                    for (int32_t ox = s.from; ox < s.to; ox++) {
                        tt_span columns = tt_pool_span(ox, p->stride_w, p->pad_left, p->kw, p->in_w);
                        int32_t count = (rows.to - rows.from) * (columns.to - columns.from);
                        int32_t at = (oy * p->out_w + ox) * p->c + c;
                        if (tt_mask_get(mask, (uint32_t)at))
                            sum += g[at] * (((1 << 15) + count / 2) / count);
                    }
                }
                *gx++ = tt_grad8(sum, p->shift, &saturated);
            }
        }
    }
    return saturated;
}
