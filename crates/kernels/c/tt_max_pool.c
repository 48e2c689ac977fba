/* MAX_POOL_2D and its gradient. */
#include "tt_pool.h"

/* The position of the first of the largest values in a window. */
static int32_t largest(const tt_pool_params *p, const int8_t *x, tt_span r, tt_span s, int32_t c)
{
    int32_t best = (r.from * p->in_w + s.from) * p->c + c;
    for (int32_t iy = r.from; iy < r.to; iy++) {
        for (int32_t ix = s.from; ix < s.to; ix++) {
            int32_t at = (iy * p->in_w + ix) * p->c + c;
            if (x[at] > x[best])
                best = at;
        }
    }
    return best;
}

void tt_max_pool(const tt_pool_params *p, const int8_t *x, int8_t *y, uint8_t *mask)
{
    uint32_t at = 0;
    tt_mask_clear(mask, p->out_h * p->out_w * p->c);
    for (int32_t oy = 0; oy < p->out_h; oy++) {
        tt_span r = tt_pool_span(oy, p->stride_h, p->pad_top, p->kh, p->in_h);
        for (int32_t ox = 0; ox < p->out_w; ox++) {
            tt_span s = tt_pool_span(ox, p->stride_w, p->pad_left, p->kw, p->in_w);
            for (int32_t c = 0; c < p->c; c++, at++)
                y[at] = tt_clamp_mask(x[largest(p, x, r, s, c)], p->lo, p->hi, mask, at);
        }
    }
}

uint32_t tt_max_pool_grad(const tt_pool_params *p, const int8_t *x, const int8_t *g, const uint8_t *mask, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t iy = 0; iy < p->in_h; iy++) {
        tt_span r = tt_windows_of(iy, p->stride_h, p->pad_top, p->kh, p->out_h);
        for (int32_t ix = 0; ix < p->in_w; ix++) {
            tt_span s = tt_windows_of(ix, p->stride_w, p->pad_left, p->kw, p->out_w);
            for (int32_t c = 0; c < p->c; c++) {
                int32_t sum = 0, self = (iy * p->in_w + ix) * p->c + c;
                for (int32_t oy = r.from; oy < r.to; oy++) {
                    tt_span rows = tt_pool_span(oy, p->stride_h, p->pad_top, p->kh, p->in_h);
                    for (int32_t ox = s.from; ox < s.to; ox++) {
                        int32_t at = (oy * p->out_w + ox) * p->c + c;
                        if (g[at] == 0 || !tt_mask_get(mask, (uint32_t)at))
                            continue;
                        if (largest(p, x, rows, tt_pool_span(ox, p->stride_w, p->pad_left, p->kw, p->in_w), c) == self)
                            sum += g[at];
                    }
                }
                gx[self] = tt_grad8(sum, p->shift, &saturated);
            }
        }
    }
    return saturated;
}
