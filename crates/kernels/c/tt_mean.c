/* MEAN over rows and columns. Its gradient is tt_grad_repeat. */
#include "tt_spec.h"

void tt_mean(const tt_mean_params *p, const int8_t *x, int8_t *y, uint8_t *mask)
{
    tt_mask_clear(mask, p->c);
    for (int32_t c = 0; c < p->c; c++) {
        int32_t sum = -p->pixels * p->x_zero;
        for (int32_t i = 0; i < p->pixels; i++)
            sum += x[i * p->c + c];
        y[c] = tt_clamp_mask(tt_requant(sum, p->m, p->left, p->y_zero), p->lo, p->hi, mask, (uint32_t)c);
    }
}
