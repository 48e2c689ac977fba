/* Depthwise convolution with kernels of 3x3, 5x5 or 7x7: four channels at a time become planes in scratch, a band of rows at a time; see tt_square.h.
 * Outputs go to y at once, or, with a mask or where a row of them is no multiple of four, over int16 in scratch, eight channels at a time. Without DSP
 * instructions it is the kernel for all shapes. */
#include "tt_dot.h"
#include "tt_output.h"
#include "tt_square.h"

#if TT_DSP

typedef struct {
    int32_t wide, width; /* outputs over int16; of a row, rounded up to four */
    int32_t words, band, rows; /* words of a row of a plane; rows of outputs and of a plane in a band */
} tt_square_plan;

static tt_square_plan plan(const tt_conv_params *p, const uint8_t *mask, int32_t room)
{
    const int32_t k = p->kh, stride = p->stride_h;
    tt_square_plan s;
    s.width = (p->out_w + 3) & ~3;
    s.wide = mask || s.width != p->out_w;
    s.words = (stride == 1 ? s.width / 2 : s.width) + k / 2;
    /* Bytes in any case, and of a row of outputs. */
    const int32_t always = 16 * (k * tt_square_words(k, stride) + (k - stride) * s.words);
    const int32_t each = 16 * stride * s.words + 12 + (s.wide ? 16 * s.width : 0);
    const int32_t fit = tt_clamp((room - always) / each, 1, p->out_h), bands = (p->out_h + fit - 1) / fit;
    s.band = (p->out_h + bands - 1) / bands;
    s.rows = (s.band - 1) * stride + k;
    return s;
}

static void clear(uint32_t *planes, int32_t apart, int32_t from, int32_t words)
{
    for (int32_t j = 0; j < 4 && words > 0; j++)
        memset(planes + j * apart + from, 0, (size_t)(4 * words));
}

void tt_depthwise_square(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
                         const int32_t *bias, const int32_t *offset, const int32_t *m, int8_t *y, uint8_t *mask,
                         void *scratch, int32_t room)
{
    const tt_square_plan s = plan(p, mask, room);
    const int32_t k = p->kh, stride = p->stride_h, n = p->out_c, apart = s.rows * s.words, three = k == 3;
    const int32_t row = tt_square_words(k, stride), each = k * row;
    const int32_t columns = tt_min(p->in_w, 2 * s.words - p->pad_left);
    const int8_t *const taps = frozen ? frozen : trained;
    const uint32_t add = tt_pair(-p->x_zero, -p->x_zero);
    uint32_t *planes = scratch, *weights = planes + 4 * apart;
    tt_square_row *rows = (tt_square_row *)(void *)(weights + 4 * each);
    uint32_t *wide = (uint32_t *)(void *)(rows + s.band);
    tt_square a = {0};
    a.zero = p->y_zero;
    a.n = n;
    a.row = 4 * s.words;
    a.width = (stride == 1 ? 2 : 4) * s.width;
    a.skip = three ? 4 * s.words * stride - a.width : 0;
    a.rows = rows;
    memset(planes, 0, (size_t)(16 * apart));
    for (int32_t y0 = 0, y1; y0 < p->out_h; y0 = y1) {
        y1 = tt_min(y0 + s.band, p->out_h);
        /* Rows of input from `from` to `end` lie in the plane from its row `from - top` on. */
        const int32_t first = y0 * stride - p->pad_top, last = (y1 - 1) * stride - p->pad_top + k;
        const int32_t top = three ? first : tt_max(0, first), from = tt_max(0, first), end = tt_min(p->in_h, last);
        if (three && y0 > 0) {
            clear(planes, apart, 0, (from - top) * s.words);
            clear(planes, apart, (end - top) * s.words, (last - end) * s.words);
        }
        for (int32_t oy = y0; oy < y1; oy++) {
            const int32_t iy = oy * stride - p->pad_top, at = tt_max(0, iy), inside = tt_min(p->in_h, iy + k) - at;
            rows[oy - y0] =
                (tt_square_row){4 * (at - top) * s.words, 4 * (at - iy) * row, k - inside};
        }
        for (int32_t c = 0; c < n; c += 4) {
            tt_square_weights(taps + c, n, k, stride, 0, weights);
            tt_square_widen(x + from * p->in_w * n + c, end - from, p->in_w, columns, n, add, p->pad_left,
                            planes + (from - top) * s.words, s.words, apart);
            for (int32_t j = 0; j < 4; j++) {
                const int32_t o = c + j;
                a.b = tt_output_bias(bias, offset, o);
                a.m = m[o];
                a.plane = planes + j * apart;
                a.w = weights + j * each;
                a.out = s.wide ? (int8_t *)wide + (o & 4) * 2 + ((o & 1) * 4 | (o & 2)) : y + y0 * p->out_w * n + o;
                a.end = three ? (const void *)(a.plane + (y1 - y0) * stride * s.words) : (const void *)(rows + (y1 - y0));
                tt_square_run(&a, k, stride, s.wide);
            }
            if (s.wide && (c & 4)) {
                const int32_t at = y0 * p->out_w * n + c - 4;
                if (s.width == p->out_w)
                    tt_finish8(wide, (y1 - y0) * p->out_w, y + at, n, mask ? mask + (at >> 3) : NULL);
                else
                    for (int32_t i = 0, to = at; i < y1 - y0; i++, to += p->out_w * n)
                        tt_finish8(wide + i * 4 * s.width, p->out_w, y + to, n, mask ? mask + (to >> 3) : NULL);
            }
        }
    }
}

#else

void tt_depthwise_square(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
                         const int32_t *bias, const int32_t *offset, const int32_t *m, int8_t *y, uint8_t *mask,
                         void *scratch, int32_t room)
{
    tt_depthwise(p, x, frozen, trained, NULL, bias, offset, m, NULL, y, mask, scratch, room);
}

#endif
