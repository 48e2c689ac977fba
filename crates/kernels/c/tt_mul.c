/* Product of two tensors, of the same shape or with a vector of channels, and its gradients. */
#include "tt_spec.h"

void tt_mul(const tt_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y, uint8_t *mask)
{
    tt_mask_clear(mask, p->n);
    for (int32_t i = 0, j = 0; i < p->n; i++) {
        int32_t product = (a[i] - p->a_zero) * (b[j] - p->b_zero);
        y[i] = tt_clamp_mask(tt_requant(product, p->m, p->left, p->y_zero), p->lo, p->hi, mask, (uint32_t)i);
        if (++j == p->c)
            j = 0;
    }
}

uint32_t tt_mul_grad(const tt_mul_params *p, const int8_t *g, const uint8_t *mask, const int8_t *b, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t i = 0, j = 0; i < p->n; i++) {
        int32_t product = tt_mask_get(mask, (uint32_t)i) ? g[i] * (b[j] - p->b_zero) : 0;
        gx[i] = tt_grad8((int64_t)product * p->m, p->s, &saturated);
        if (++j == p->c)
            j = 0;
    }
    return saturated;
}

uint32_t tt_mul_sum(const tt_mul_params *p, const int8_t *g, const uint8_t *mask, const int8_t *a, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t j = 0; j < p->c; j++) {
        int32_t sum = 0;
        for (int32_t i = j; i < p->n; i += p->c)
            if (tt_mask_get(mask, (uint32_t)i))
                sum += g[i] * (a[i] - p->a_zero);
        gx[j] = tt_grad8((int64_t)sum * p->m, p->s, &saturated);
    }
    return saturated;
}
