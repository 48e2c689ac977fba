/* RELU, RELU6, QUANTIZE from int8 to int8. */
#include "tt_spec.h"

void tt_requantize(const tt_requantize_params *p, const int8_t *x, int8_t *y, uint8_t *mask)
{
    tt_mask_clear(mask, p->n);
    for (int32_t i = 0; i < p->n; i++)
        y[i] = tt_clamp_mask(tt_requant(x[i] - p->x_zero, p->m, p->left, p->y_zero), p->lo, p->hi, mask, (uint32_t)i);
}
