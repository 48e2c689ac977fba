/* Pointwise convolution over wide weights: as tt_pointwise.c, with nothing to take apart behind the sums. For many pixels and few weights. */
#include "tt_dot.h"
#include "tt_output.h"

void tt_pointwise_wide(const tt_conv_params *p, const int8_t *x, const uint32_t *wide, const int32_t *bias,
                       const int32_t *offset, const int32_t *m, int8_t *y, void *scratch, int32_t room)
{
    const int32_t pixels = p->out_h * p->out_w, k = p->in_c, n = p->out_c, words = tt_column_words(k);
    const int32_t quads = tt_block_quads(room, 4 * words, pixels >> 2), pair = words >> 1;
    const uint32_t add = tt_pair(-p->x_zero, -p->x_zero);
    uint32_t *columns = scratch;
    tt_rows r = {0};
    r.zero = p->y_zero;
    r.n = n;
    r.entry = tt_dot_int16_entry(k);
    for (int32_t from = 0, count; from < pixels; from += 4 * count) {
        count = tt_min(quads, (pixels - from) >> 2);
        if (count == 0) {
            /* The last four pixels: some of them once more. */
            from = pixels - 4;
            count = 1;
        }
        for (int32_t q = 0; q < count; q++)
            tt_columns_dense(x + (from + 4 * q) * k, k, add, columns + q * words);
        r.end = columns + count * words;
        r.w = wide;
        for (int32_t o = 0; o < n; o += 2, r.w += pair) {
            r.w_end = r.w + pair;
            r.b0 = tt_output_bias(bias, offset, o);
            r.b1 = tt_output_bias(bias, offset, o + 1);
            r.m0 = m[o];
            r.m1 = m[o + 1];
            r.out = y + from * n + o;
            tt_dot_int16(&r, columns);
        }
    }
}
