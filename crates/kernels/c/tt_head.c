/* The trainable head: logits, probabilities, loss and error, input gradient, update. */
#include "tt_exp.h"

void tt_head_logits(const tt_head_params *p, const int8_t *x, const int16_t *w, const int32_t *bias, int64_t *logits)
{
    for (int32_t c = 0; c < p->classes; c++) {
        int64_t sum = bias[c];
        for (int32_t f = 0; f < p->features; f++)
            sum += (x[f] - p->x_zero) * *w++;
        logits[c] = sum;
    }
}

/* `label` < 0: no label. */
static void scores(int32_t classes, const tt_logit_scale *scale, int32_t label, int64_t *logits, tt_head_result *result)
{
    int32_t predicted = 0;
    for (int32_t c = 1; c < classes; c++)
        if (logits[c] > logits[predicted])
            predicted = c;
    const int64_t largest = logits[predicted];
    uint32_t u = label < 0 ? 0 : tt_logit_u(scale, (uint64_t)largest - (uint64_t)logits[label]);
    uint64_t sum = 0;
    for (int32_t c = 0; c < classes; c++) {
        logits[c] = tt_exp2_neg(tt_logit_u(scale, (uint64_t)largest - (uint64_t)logits[c]));
        sum += (uint64_t)logits[c];
    }
    for (int32_t c = 0; c < classes; c++)
        logits[c] = (int64_t)((((uint64_t)logits[c] << 31) + sum / 2) / sum);
    result->predicted = (uint32_t)predicted;
    /* 2977044472: ln 2 in Q0.32. */
    result->loss = label < 0 ? 0 : (int32_t)((((uint64_t)u + tt_log2(sum)) * 2977044472u + ((uint64_t)1 << 41)) >> 42);
    result->k = 0;
    result->any = 0;
}

void tt_softmax_scores(int32_t classes, const tt_logit_scale *scale, int64_t *logits, tt_head_result *result)
{
    scores(classes, scale, -1, logits, result);
}

void tt_head_error(int32_t classes, const tt_logit_scale *scale, int32_t label, int64_t *logits, int16_t *e,
                   tt_head_result *result)
{
    const int64_t one = (int64_t)1 << 31;
    scores(classes, scale, label, logits, result);
    uint64_t largest = 0;
    for (int32_t c = 0; c < classes; c++) {
        uint64_t v = (uint64_t)(c == label ? one - logits[c] : logits[c]);
        largest = v > largest ? v : largest;
    }
    if (largest) {
        /* Moves its highest bit to bit 14. */
        result->any = 1;
        result->k = 31 + 14;
        while (largest >>= 1)
            result->k--;
    }
    for (int32_t c = 0; c < classes; c++) {
        int64_t v = tt_round_shift(c == label ? logits[c] - one : logits[c], 31 - result->k);
        e[c] = (int16_t)(result->any ? tt_clamp(tt_sat32(v), -32768, 32767) : 0);
    }
}

uint32_t tt_head_input_grad(const tt_head_params *p, const int16_t *w, const int16_t *e, int8_t *gx)
{
    uint32_t saturated = 0;
    for (int32_t f = 0; f < p->features; f++, w++) {
        int64_t sum = 0;
        for (int32_t c = 0; c < p->classes; c++)
            sum += w[c * p->features] * e[c];
        gx[f] = tt_grad8(sum * p->m, p->s, &saturated);
    }
    return saturated;
}

void tt_head_update(const tt_head_params *p, tt_real31 lr, int32_t k, tt_real31 weight_q, tt_real31 bias_q,
                    const int8_t *x, const int16_t *e, int16_t *w, int32_t *bias)
{
    const tt_rate weight = tt_rate_new(lr, weight_q, 0, k, 0), offset = tt_rate_new(lr, bias_q, 0, k, 0);
    for (int32_t c = 0; c < p->classes; c++) {
        for (int32_t f = 0; f < p->features; f++, w++) {
            int64_t v = (int64_t)*w - tt_delta(weight, (x[f] - p->x_zero) * e[c]);
            *w = (int16_t)(v < -32768 ? -32768 : v > 32767 ? 32767 : v);
        }
        bias[c] = tt_sat32((int64_t)bias[c] - tt_delta(offset, e[c]));
    }
}
