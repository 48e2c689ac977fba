/* RESIZE_BILINEAR and its gradient. */
#include "tt_spec.h"

/* Units of a pixel, and of the sum of an output's weights along one axis. */
#define ONE 1024
/* Channels whose gradients are summed up at a time. */
#define CHANNELS 8

/* Rows or columns. */
typedef struct {
    int32_t inputs, outputs, step, first;
} axis;

/* The place of output `o` among the inputs, in units of 1/ONE. */
static int32_t place(const axis *a, int32_t o)
{
    return tt_min(tt_max(o * a->step + a->first, 0), ONE * (a->inputs - 1));
}

/* The weight that input `i` has in an output at `at`, which lies less than a pixel away. */
static int32_t weight(int32_t at, int32_t i)
{
    int32_t d = at - ONE * i;
    return ONE - (d < 0 ? -d : d);
}

void tt_resize_bilinear(const tt_resize_params *p, const int8_t *x, int8_t *y)
{
    axis v = {p->in_h, p->out_h, p->step_h, p->first_h}, h = {p->in_w, p->out_w, p->step_w, p->first_w};
    for (int32_t oy = 0; oy < v.outputs; oy++) {
        int32_t at = place(&v, oy), below = at & (ONE - 1);
        const int8_t *upper = x + (at / ONE) * h.inputs * p->c;
        const int8_t *lower = below ? upper + h.inputs * p->c : upper;
        for (int32_t ox = 0; ox < h.outputs; ox++) {
            int32_t across = place(&h, ox), behind = across & (ONE - 1), left = across / ONE * p->c;
            int32_t right = behind ? left + p->c : left;
            for (int32_t c = 0; c < p->c; c++) {
                int32_t u = (ONE - behind) * upper[left + c] + behind * upper[right + c];
                int32_t l = (ONE - behind) * lower[left + c] + behind * lower[right + c];
                int32_t sum = (ONE - below) * u + below * l;
                /* Rounds halves away from zero, since C's division truncates. */
                *y++ = (int8_t)((sum + (sum > 0 ? ONE * ONE / 2 : -(ONE * ONE / 2))) / (ONE * ONE));
            }
        }
    }
}

/* Outputs [from, to) that take from an input. */
typedef struct {
    int32_t from, to;
} span;

/* Those of input `i`; `s` holds those of the one before, or nothing. */
static void take(const axis *a, int32_t i, span *s)
{
    while (s->from < a->outputs && place(a, s->from) <= ONE * (i - 1))
        s->from++;
    for (s->to = s->from; s->to < a->outputs && place(a, s->to) < ONE * (i + 1);)
        s->to++;
}

uint32_t tt_resize_bilinear_grad(const tt_resize_params *p, const int8_t *g, int8_t *gx)
{
    axis v = {p->in_h, p->out_h, p->step_h, p->first_h}, h = {p->in_w, p->out_w, p->step_w, p->first_w};
    span rows = {0, 0};
    uint32_t saturated = 0;
    for (int32_t iy = 0; iy < v.inputs; iy++) {
        span columns = {0, 0};
        take(&v, iy, &rows);
        for (int32_t ix = 0; ix < h.inputs; ix++) {
            take(&h, ix, &columns);
            for (int32_t c = 0; c < p->c; c += CHANNELS) {
                int64_t sums[CHANNELS] = {0};
                int32_t n = tt_min(CHANNELS, p->c - c);
                for (int32_t oy = rows.from; oy < rows.to; oy++) {
                    int32_t wy = weight(place(&v, oy), iy);
                    for (int32_t ox = columns.from; ox < columns.to; ox++) {
                        int32_t w = wy * weight(place(&h, ox), ix);
                        const int8_t *from = g + (oy * h.outputs + ox) * p->c + c;
                        for (int32_t k = 0; k < n; k++)
                            sums[k] += w * from[k];
                    }
                }
                for (int32_t k = 0; k < n; k++)
                    *gx++ = tt_grad8(sums[k], p->shift, &saturated);
            }
        }
    }
    return saturated;
}
