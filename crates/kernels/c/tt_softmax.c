/* SOFTMAX on int8. The exponentials are computed twice, so that they need no array. */
#include "tt_exp.h"

void tt_softmax(const tt_softmax_params *p, const int8_t *x, int8_t *y)
{
    const tt_logit_scale scale = {(uint64_t)p->cap, 0, (uint32_t)p->m, p->s};
    for (int32_t row = 0; row < p->rows; row++, x += p->n, y += p->n) {
        int32_t largest = -128;
        uint64_t sum = 0;
        for (int32_t i = 0; i < p->n; i++)
            largest = tt_max(largest, x[i]);
        for (int32_t i = 0; i < p->n; i++)
            sum += tt_exp2_neg(tt_logit_u(&scale, (uint64_t)(largest - x[i])));
        for (int32_t i = 0; i < p->n; i++) {
            uint64_t v = tt_exp2_neg(tt_logit_u(&scale, (uint64_t)(largest - x[i])));
            y[i] = (int8_t)tt_min((int32_t)((v * 256 + sum / 2) / sum) - 128, 127);
        }
    }
}
