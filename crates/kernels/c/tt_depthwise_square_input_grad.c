/* Input gradient of the depthwise convolutions of tt_depthwise_square.c: at stride 1 the same product with flipped weights; at stride 2 the four parities
 * of an input's row and column are four products at stride 1 with every second weight, at most 4x4. Rounding by 2^shift is a multiplication by
 * 2^(32 - shift). Without DSP instructions it is the kernel for all shapes. */
#include "tt_square.h"

#if TT_DSP

typedef struct {
    const tt_conv_params *p;
    const int8_t *g, *w;
    int8_t *gx;
    int32_t shift, room;
    uint32_t *scratch;
} tt_square_grad;

/* How many gradients of a channel saturated in rows y0 to y1: only asked where one did. */
static __attribute__((noinline)) uint32_t recount(const tt_square_grad *job, int32_t c, int32_t y0, int32_t y1)
{
    const tt_conv_params *p = job->p;
    const int32_t n = p->out_c, stride = p->stride_h;
    uint32_t count = 0;
    for (int32_t iy = y0; iy < y1; iy++) {
        for (int32_t ix = 0; ix < p->in_w; ix++) {
            int32_t sum = 0;
            for (int32_t ky = 0; ky < p->kh; ky++) {
                for (int32_t kx = 0; kx < p->kw; kx++) {
                    const int32_t y = iy + p->pad_top - ky, x = ix + p->pad_left - kx, oy = y / stride, ox = x / stride;
                    if (y >= 0 && x >= 0 && oy * stride == y && ox * stride == x && oy < p->out_h && ox < p->out_w)
                        sum += job->g[(oy * p->out_w + ox) * n + c] * job->w[(ky * p->kw + kx) * n + c];
                }
            }
            tt_grad8(sum, job->shift, &count);
        }
    }
    return count;
}

static __attribute__((noinline)) uint32_t stride_1(const tt_square_grad *job)
{
    const tt_conv_params *p = job->p;
    const int32_t k = p->kh, n = p->out_c, row = tt_square_words(k, 1), each = k * row, three = k == 3;
    const int32_t words = p->in_w / 2 + k / 2, pad_top = k - 1 - p->pad_top, pad_left = k - 1 - p->pad_left;
    const int32_t fit = tt_clamp((job->room - 16 * (each + (k - 1) * words)) / (16 * words + 12), 1, p->in_h);
    const int32_t bands = (p->in_h + fit - 1) / fit, band = (p->in_h + bands - 1) / bands, apart = (band - 1 + k) * words;
    const int32_t columns = tt_min(p->out_w, 2 * words - pad_left);
    uint32_t *planes = job->scratch, *weights = planes + 4 * apart, saturated = 0;
    tt_square_row *rows = (tt_square_row *)(void *)(weights + 4 * each);
    tt_square a = {0};
    a.m = 1 << (32 - job->shift);
    a.n = n;
    a.row = 4 * words;
    a.width = 2 * p->in_w;
    a.skip = three ? 4 * words - a.width : 0;
    a.rows = rows;
    for (int32_t y0 = 0, y1; y0 < p->in_h; y0 = y1) {
        y1 = tt_min(y0 + band, p->in_h);
        const int32_t first = y0 - pad_top, top = three ? first : tt_max(0, first), from = tt_max(0, first);
        const int32_t end = tt_max(from, tt_min(p->out_h, y1 - 1 - pad_top + k));
        memset(planes, 0, (size_t)(16 * apart));
        for (int32_t iy = y0; iy < y1; iy++) {
            const int32_t oy = iy - pad_top, at = tt_max(0, oy), inside = tt_max(0, tt_min(p->out_h, oy + k) - at);
            rows[iy - y0] = (tt_square_row){4 * (at - top) * words, 4 * (at - oy) * row, k - inside};
        }
        for (int32_t c = 0; c < n; c += 4) {
            tt_square_weights(job->w + c, n, k, 1, 1, weights);
            tt_square_widen(job->g + from * p->out_w * n + c, end - from, p->out_w, columns, n, 0, pad_left,
                            planes + (from - top) * words, words, apart);
            for (int32_t j = 0; j < 4; j++) {
                a.plane = planes + j * apart;
                a.w = weights + j * each;
                a.out = job->gx + y0 * p->in_w * n + c + j;
                a.end = three ? (const void *)(a.plane + (y1 - y0) * words) : (const void *)(rows + (y1 - y0));
                if (tt_square_run(&a, k, 1, 0))
                    saturated += recount(job, c + j, y0, y1);
            }
        }
    }
    return saturated;
}

/* The weights `from`, `from + 2`... of a kernel row or column serve inputs of parity `parity`, as a kernel of `taps` with `pad`. */
typedef struct {
    int32_t from, parity, taps, pad;
} tt_phase;

static tt_phase phase(int32_t k, int32_t pad, int32_t from)
{
    tt_phase f = {from, (from + pad) & 1, (k - from + 1) / 2, 0};
    f.pad = f.taps - 1 - (f.parity + pad - from) / 2;
    return f;
}

static __attribute__((noinline)) void phase_weights(const tt_conv_params *p, const int8_t *w, const tt_phase *fy,
                                                    const tt_phase *fx, int32_t at, uint32_t *to)
{
    for (int32_t t = 0; t < fy->taps; t++, to += 3) {
        const int32_t ky = fy->from + 2 * (fy->taps - 1 - t);
        uint32_t e[4] = {0}, o[4] = {0};
        for (int32_t s = 0; s < fx->taps; s++) {
            uint32_t v = tt_load4(w + (ky * p->kw + fx->from + 2 * (fx->taps - 1 - s)) * p->out_c);
            e[s + at] = tt_sxtb16(v);
            o[s + at] = tt_sxtb16_odd(v);
        }
        for (int32_t i = 0; i < 3; i++) {
            const int32_t first = i == 2 ? 1 : 2 * i;
            to[i] = tt_lows(e[first], e[first + 1]);
            to[i + 12] = tt_lows(o[first], o[first + 1]);
            to[i + 24] = tt_highs(e[first], e[first + 1]);
            to[i + 36] = tt_highs(o[first], o[first + 1]);
        }
    }
}

static __attribute__((noinline)) uint32_t stride_2(const tt_square_grad *job)
{
    const tt_conv_params *p = job->p;
    const int32_t n = p->out_c, words = p->out_w / 2 + 2, h = p->out_h, apart = h * words;
    const tt_phase fx[2] = {phase(p->kw, p->pad_left, 0), phase(p->kw, p->pad_left, 1)};
    const tt_phase fy[2] = {phase(p->kh, p->pad_top, 0), phase(p->kh, p->pad_top, 1)};
    const int32_t pad = tt_max(fx[0].pad, fx[1].pad);
    uint32_t *planes = job->scratch, *weights = planes + 4 * apart, saturated = 0;
    tt_square_row *rows = (tt_square_row *)(void *)(weights + 4 * 12);
    tt_square a = {0};
    a.m = 1 << (32 - job->shift);
    a.n = 2 * n;
    a.row = 4 * words;
    a.width = 2 * p->out_w;
    a.skip = p->in_w * n;
    a.rows = rows;
    a.end = rows + h;
    memset(planes, 0, (size_t)(16 * apart));
    for (int32_t c = 0; c < n; c += 4) {
        uint32_t some = 0;
        tt_square_widen(job->g + c, h, p->out_w, p->out_w, n, 0, pad, planes, words, apart);
        for (int32_t y = 0; y < 2; y++) {
            const tt_phase *f = &fy[y];
            for (int32_t i = 0; i < h; i++) {
                const int32_t first = i - f->pad, from = tt_max(0, first);
                const int32_t inside = tt_max(0, tt_min(h, first + f->taps) - from);
                rows[i] = (tt_square_row){4 * from * words, 12 * (from - first), 4 - inside};
            }
            for (int32_t x = 0; x < 2; x++) {
                phase_weights(p, job->w + c, f, &fx[x], pad - fx[x].pad, weights);
                for (int32_t j = 0; j < 4; j++) {
                    a.out = job->gx + (f->parity * p->in_w + fx[x].parity) * n + c + j;
                    a.plane = planes + j * apart;
                    a.w = weights + 12 * j;
                    some |= tt_square_4(&a);
                }
            }
        }
        for (int32_t j = 0; j < 4 && some; j++)
            saturated += recount(job, c + j, 0, p->in_h);
    }
    return saturated;
}

uint32_t tt_depthwise_square_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                                        const int8_t *trained, int8_t *gx, void *scratch, int32_t room)
{
    const tt_square_grad job = {p, g, frozen ? frozen : trained, gx, shift, room, scratch};
    return p->stride_h == 1 ? stride_1(&job) : stride_2(&job);
}

#else

uint32_t tt_depthwise_square_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                                        const int8_t *trained, int8_t *gx, void *scratch, int32_t room)
{
    return tt_depthwise_input_grad(p, shift, g, frozen, trained, NULL, gx, scratch, room);
}

#endif
