/* Weight gradient and update of the full convolution. The gradient of a weight is a sum over output pixels: the
 * inputs by which the weight is multiplied become a row of int8 (padding is the zero point), and the gradients of
 * four output channels become four columns. The contribution of the zero point, which is the same for an entire
 * column, is subtracted first. If there is room, scratch holds the rows of many weights, so that they are gathered
 * only once for all output channels. */
#include "tt_columns.h"

/* Pixels processed at once. */
#define PIXELS 256

typedef struct {
    int32_t pixels, row, rows, blocks; /* pixels at once, bytes of a row, rows at once, blocks of pixels */
} tt_weight_plan;

/* Four columns, the rows and, if not all pixels are processed at once, the sums so far. */
static tt_weight_plan plan(const tt_conv_params *p, int32_t room)
{
    tt_weight_plan s;
    int32_t all = p->out_h * p->out_w;
    s.pixels = tt_min(all, PIXELS);
    s.row = (s.pixels + 3) & ~3;
    s.blocks = (all + s.pixels - 1) / s.pixels;
    /* An even number, for update_pair. */
    s.rows = tt_clamp((room - 8 * s.row) / (s.row + (s.blocks > 1 ? 16 : 0)), 1, p->kh * p->kw * p->trained);
    s.rows = s.rows > 1 && s.rows < p->kh * p->kw * p->trained ? s.rows & ~1 : s.rows;
    return s;
}

/* The row of weight `r` (ky, kx, channel) for `n` pixels from `from` on. */
static __attribute__((noinline)) void gather(const tt_conv_params *p, const int8_t *x, const uint16_t *channels,
                                             int32_t r, int32_t from, int32_t n, int8_t *row)
{
    if (p->kh == 1 && p->kw == 1 && p->stride_w == 1 && p->stride_h == 1 && p->in_w == p->out_w && p->pad_left == 0 &&
        p->pad_top == 0 && p->in_h >= p->out_h) {
        x += from * p->in_c + (p->trained == p->in_c ? r : channels[r]);
        for (; n > 0; n--, x += p->in_c)
            *row++ = *x;
        return;
    }
    int32_t tap = r / p->trained, j = r - tap * p->trained, ky = tap / p->kw, kx = tap - ky * p->kw;
    int32_t oy = from / p->out_w, ox = from - oy * p->out_w;
    x += p->trained == p->in_c ? j : channels[j];
    int32_t iy = oy * p->stride_h - p->pad_top + ky;
    for (; n > 0; n--) {
        int32_t ix = ox * p->stride_w - p->pad_left + kx;
        int32_t inside = iy >= 0 && iy < p->in_h && ix >= 0 && ix < p->in_w;
        *row++ = inside ? x[(iy * p->in_w + ix) * p->in_c] : (int8_t)p->x_zero;
        if (++ox == p->out_w) {
            ox = 0;
            iy += p->stride_h;
        }
    }
}

/* The sum of a column. */
static __attribute__((noinline)) int32_t column_sum(const uint32_t *c, int32_t words)
{
    int32_t sum = 0;
    for (int32_t i = 0; i < words; i += 4)
        sum = tt_smlad(c[i], 0x00010001, sum);
    return sum;
}

typedef struct {
    const tt_update *u;
    int32_t width, size; /* output channels of the columns, weights of an output channel */
    uint64_t key;
    tt_rate rate[4];
    int8_t *q;
    uint8_t *lo;
} tt_update_job;

/* Weight `index` of the columns' channels, and the same one of the channels after it. */
static __attribute__((noinline)) void update(const tt_update_job *job, const tt_quad *a, int32_t index)
{
    for (int32_t i = 0; i < job->width; i++, index += job->size)
        if (job->rate[i].p)
            tt_weight_update(job->rate[i], job->u->params.bits, job->key, a->v[i], job->q, job->lo, (uint32_t)index);
}

/* Weights `index`, an even number, and `index + 1` of the columns' channels with four residual bits, which share a byte; rates as `usual` says. */
static __attribute__((noinline)) void update_pair(const tt_update_job *job, const tt_quad *a, const tt_quad *b,
                                                  int32_t index)
{
    const int32_t limit = 127 << 4;
    for (int32_t i = 0; i < job->width; i++, index += job->size) {
        const int32_t rate = job->rate[i].p, half = 1 << (job->rate[i].s - 33), down = job->rate[i].s - 32;
        if (!rate)
            continue;
        int8_t *q = job->q + index;
        uint8_t *lo = job->lo + (index >> 1);
        const uint32_t bits = *lo;
        int32_t w0 = q[0] * 16 + ((int32_t)(bits << 28) >> 28), w1 = q[1] * 16 + ((int32_t)(bits << 24) >> 28);
        w0 = tt_clamp(w0 - (tt_smmla(a->v[i], rate, half) >> down), -limit, limit);
        w1 = tt_clamp(w1 - (tt_smmla(b->v[i], rate, half) >> down), -limit, limit);
        q[0] = (int8_t)((w0 + 8) >> 4);
        q[1] = (int8_t)((w1 + 8) >> 4);
        *lo = (uint8_t)((w0 & 15) | (w1 & 15) << 4);
    }
}

/* Whether update_pair serves all of the columns' channels. */
static int32_t usual(const tt_update_job *job)
{
    int32_t good = job->u->params.bits == 4 && (job->size & 1) == 0;
    for (int32_t i = 0; i < job->width; i++)
        good &= job->rate[i].p == 0 || (uint32_t)(job->rate[i].s - 33) <= 29;
    return good;
}

void tt_conv_weight_step(const tt_conv_params *p, const tt_update *u, const int8_t *g, const int8_t *x,
                         const uint16_t *channels, const uint32_t *qas, int8_t *q, uint8_t *lo, void *scratch,
                         int32_t room)
{
    const tt_weight_plan s = plan(p, room);
    const int32_t all = p->out_h * p->out_w, n = p->out_c, size = p->kh * p->kw * p->trained;
    tt_update_job job = {u, 0, size, tt_key(u->seed, u->step, (uint32_t)u->params.tensor), {{0, 0}}, q, lo};
    uint32_t *columns = scratch;
    tt_quad *sums = (tt_quad *)(columns + 2 * s.row);
    int8_t *rows = (int8_t *)(s.blocks > 1 ? sums + s.rows : sums);

    for (int32_t r0 = 0; r0 < size; r0 += s.rows) {
        const int32_t count = tt_min(s.rows, size - r0);
        for (int32_t o = 0; o < n; o += 4) {
            job.width = tt_min(4, n - o);
            for (int32_t i = 0; i < job.width; i++)
                job.rate[i] = tt_rate_new(u->lr, tt_qas_real(qas[o + i]), u->params.exponent, u->k, u->params.bits);
            const int32_t pairs = s.blocks == 1 && usual(&job);
            for (int32_t from = 0; from < all; from += s.pixels) {
                const int32_t len = tt_min(s.pixels, all - from);
                tt_quad zero;
                tt_columns_transpose(g + from * n + o, n, len, job.width, columns);
                for (int32_t i = 0; i < 4; i++)
                    zero.v[i] =
                        (int32_t)(0u - (uint32_t)p->x_zero * (uint32_t)column_sum(columns + i, tt_column_words(len)));
                if (pairs && (count & 1) == 0) {
                    for (int32_t r = 0; r < count; r += 2) {
                        int8_t *row = rows + r * s.row;
                        if (o == 0) {
                            gather(p, x, channels, r0 + r, 0, len, row);
                            gather(p, x, channels, r0 + r + 1, 0, len, row + s.row);
                        }
                        tt_quad a = tt_dot4(row, columns, len, zero), first = a;
                        tt_quad b = tt_dot4(row + s.row, columns, len, zero), second = b;
                        update_pair(&job, &first, &second, o * size + r0 + r);
                    }
                    continue;
                }
                for (int32_t r = 0; r < count; r++) {
                    int8_t *row = rows + r * s.row;
                    if (o == 0 || s.blocks > 1)
                        gather(p, x, channels, r0 + r, from, len, row);
                    tt_quad a = zero;
                    if (from)
                        for (int32_t i = 0; i < 4; i++)
                            a.v[i] = (int32_t)((uint32_t)a.v[i] + (uint32_t)sums[r].v[i]);
                    a = tt_dot4(row, columns, len, a);
                    if (from + len < all) {
                        sums[r] = a;
                    } else {
                        tt_quad copy = a;
                        update(&job, &copy, o * size + r0 + r);
                    }
                }
            }
        }
    }
}
