/* Bias gradient and update. */
#include "tt_spec.h"

/* The sums of the gradients of four channels, as two pairs; the sum of 256 int8 just fits int16. */
#define AT_ONCE 256

/* The update in 32 bits, where the bias is small enough for them; returns whether it was. */
TT_INLINE int32_t apply(tt_rate rate, int32_t base, int32_t sum, int32_t *offset)
{
    int32_t whole, scaled, next;
    if ((uint32_t)(rate.s - 33) > 29 || __builtin_mul_overflow(base, 256, &scaled) ||
        __builtin_add_overflow(scaled, *offset, &whole))
        return 0;
    if (__builtin_sub_overflow(whole, tt_delta(rate, sum), &whole) || __builtin_sub_overflow(whole, scaled, &next) ||
        whole == INT32_MIN || next == INT32_MIN)
        return 0;
    *offset = next;
    return 1;
}

void tt_bias_step(int32_t pixels, int32_t channels, const tt_update *u, tt_real31 layer, const int8_t *g,
                  const uint32_t *qas, const int32_t *base, int32_t *offset)
{
    const tt_real31 lr = tt_real_mul(u->lr, layer);
    for (int32_t c = 0; c < channels; c += 4) {
        int32_t count = tt_min(4, channels - c), sum[4] = {0, 0, 0, 0};
        const int8_t *from = g + c;
        for (int32_t at = 0; at < pixels; at += AT_ONCE) {
            uint32_t even = 0, odd = 0;
            for (int32_t n = tt_min(AT_ONCE, pixels - at); n > 0; n--, from += channels) {
                uint32_t word = count == 4 ? tt_load4(from) : tt_load_part(from, count);
                even = tt_sxtab16(even, word);
                odd = tt_sxtab16_odd(odd, word);
            }
            sum[0] += (int16_t)even;
            sum[1] += (int16_t)odd;
            sum[2] += (int16_t)(even >> 16);
            sum[3] += (int16_t)(odd >> 16);
        }
        for (int32_t i = 0; i < count; i++) {
            if (qas[c + i] == 0)
                continue;
            tt_rate rate = tt_rate_new(lr, tt_qas_real(qas[c + i]), u->params.exponent, u->k, 8);
            if (apply(rate, base[c + i], sum[i], offset + c + i))
                continue;
            offset[c + i] = tt_apply_bias(base[c + i], offset[c + i], tt_delta(rate, sum[i]));
        }
    }
}
