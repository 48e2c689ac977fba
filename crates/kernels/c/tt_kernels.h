/* The device's kernels: every op of a Program, bit for bit what `tinytrain-spec` documents and the host's reference
 * computes.
 *
 * Layouts (row-major, batch 1): activations and gradients int8 HWC; convolution weights [out_c][kh][kw][in_c];
 * depthwise weights [kh][kw][out_c]; head weights int16 [classes][features]. Weights come in two parts, frozen and
 * trained, and `channels` (ascending) says which channels the trained part holds: input channels of a convolution,
 * output channels of a depthwise one. The frozen part holds the others, in ascending order. NULL stands for
 * whatever is absent: an empty part with its `channels`, `offset` where no bias is trained, `shift` where every
 * shift is 0, `mask` where no mask is wanted or everything lay inside. `bias` and `m` are never NULL.
 *
 * Masks have one bit an element of the output, element n at bit (n & 7) of byte (n >> 3); unused bits of the last
 * byte are written 0.
 *
 * Scratch is the caller's, 8-byte aligned, of exactly `tt_<kernel>_scratch(p)` bytes (the same formulas as
 * `spec::scratch`); its content means nothing before and after. Where the formula yields 0 it may be NULL.
 *
 * Arrays of int8 and uint8 need no alignment (kernels read them by unaligned words, never behind their end); others
 * have that of their elements. Nothing but the arguments is read or written, and nothing is kept between calls.
 *
 * Aliasing: no output may overlap an input or the scratch unless a kernel says "in place".
 *
 * Ranges are the compiler's to check (no accumulator leaves int32, no shift its range): nothing is validated again
 * here. Kernels that round to int8 gradients return how many elements saturated. */
#ifndef TT_KERNELS_H
#define TT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/* Parameters: field by field the structs of `spec::params`, whose documentation defines every op. */

typedef struct {
    int32_t in_h, in_w, in_c, out_h, out_w, out_c, kh, kw, stride_h, stride_w, pad_top, pad_left;
    int32_t x_zero, y_zero, lo, hi;
    int32_t trained; /* length of `channels` */
} tt_conv_params;

typedef struct {
    int32_t n, zero1, zero2, m1, m2, y_zero, lo, hi;
} tt_add_params;

typedef struct {
    int32_t in_h, in_w, c, out_h, out_w, kh, kw, stride_h, stride_w, pad_top, pad_left, lo, hi;
    int32_t shift; /* gradient only */
} tt_pool_params;

typedef struct {
    int32_t pixels, c, x_zero, y_zero, m, left, lo, hi;
} tt_mean_params;

typedef struct {
    int32_t n, x_zero, y_zero, m, left, lo, hi;
} tt_requantize_params;

typedef struct {
    int32_t h, w, c, src_offset, src_row, src_col, dst_offset, dst_row, dst_col;
    int32_t shift; /* gradient only */
} tt_copy_params;

typedef struct {
    int32_t n, value;
} tt_fill_params;

typedef struct {
    int32_t rows, n, cap, m, s;
} tt_softmax_params;

typedef struct {
    int32_t features, classes, x_zero;
    int32_t m, s; /* input gradient only */
} tt_head_params;

typedef struct {
    int32_t n, channels, m, s, repeat;
} tt_grad_scale_params;

typedef struct {
    int32_t n;
} tt_sum_params;

typedef struct {
    int32_t exponent, bits, tensor;
} tt_update_params;

/* `arith::Real31`: m * 2^(e - 31), m in [2^30, 2^31) or 0. */
typedef struct {
    uint32_t m;
    int32_t e;
} tt_real31;

/* What an update needs: the compiled parameters, and of this step the rate, the shift of the head's error and the
 * generator's inputs. */
typedef struct {
    tt_update_params params;
    tt_real31 lr;
    int32_t k;
    uint32_t step;
    uint64_t seed;
} tt_update;

/* `softmax::LogitScale`. */
typedef struct {
    uint64_t cap;
    uint32_t pre, m;
    int32_t s;
} tt_logit_scale;

/* `softmax::HeadResult`. */
typedef struct {
    uint32_t predicted;
    int32_t loss, k;
    uint32_t any; /* 0 or 1 */
} tt_head_result;

/* Convolutions.
 *
 * `channels` means the same in forward pass, input gradient and weight step; it may be NULL also where every channel is
 * trained. Every window holds at least one input, padding is less than the kernel, and a depthwise `out_c` is a
 * multiple of `in_c`. */

uint32_t tt_conv_scratch(const tt_conv_params *p);
void tt_conv(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
             const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m,
             const uint8_t *shift, int8_t *y, uint8_t *mask, void *scratch);

uint32_t tt_depthwise_scratch(const tt_conv_params *p);
void tt_depthwise(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
                  const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m,
                  const uint8_t *shift, int8_t *y, uint8_t *mask, void *scratch);

/* `g` [out_h][out_w][out_c] is the gradient of the accumulator; `gx` [in_h][in_w][in_c]. `shift`: InputGradParams. */
uint32_t tt_conv_input_grad_scratch(const tt_conv_params *p);
uint32_t tt_conv_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                            const int8_t *trained, const uint16_t *channels, int8_t *gx, void *scratch);

uint32_t tt_depthwise_input_grad_scratch(const tt_conv_params *p);
uint32_t tt_depthwise_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                                 const int8_t *trained, const uint16_t *channels, int8_t *gx, void *scratch);

/* Weight gradient and update of the trained part `q` (int8) with its residual plane `lo` (NULL for 0 bits), in place.
 * `x` is the layer's input, `qas` has one word an output channel, 0 for one that is never updated. */
uint32_t tt_conv_weight_step_scratch(const tt_conv_params *p);
void tt_conv_weight_step(const tt_conv_params *p, const tt_update *u, const int8_t *g, const int8_t *x,
                         const uint16_t *channels, const uint32_t *qas, int8_t *q, uint8_t *lo, void *scratch);

uint32_t tt_depthwise_weight_step_scratch(const tt_conv_params *p);
void tt_depthwise_weight_step(const tt_conv_params *p, const tt_update *u, const int8_t *g, const int8_t *x,
                              const uint16_t *channels, const uint32_t *qas, int8_t *q, uint8_t *lo, void *scratch);

/* Bias gradient and update. `layer` is 1 / s_x^2; `u->params.bits` is not used (a bias has 8 residual bits). `base`
 * is the imported bias, `offset` the trained distance from it, in place. */
void tt_bias_step(int32_t pixels, int32_t channels, const tt_update *u, tt_real31 layer, const int8_t *g,
                  const uint32_t *qas, const int32_t *base, int32_t *offset);

/* Elementwise and pooling ops. Each pooling window holds at least one input. */

/* In place (y == a or y == b). */
void tt_add(const tt_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, uint8_t *mask);
/* In place (y == x). */
void tt_requantize(const tt_requantize_params *p, const int8_t *x, int8_t *y, uint8_t *mask);
void tt_average_pool(const tt_pool_params *p, const int8_t *x, int8_t *y, uint8_t *mask);
uint32_t tt_average_pool_grad(const tt_pool_params *p, const int8_t *g, const uint8_t *mask, int8_t *gx);
void tt_max_pool(const tt_pool_params *p, const int8_t *x, int8_t *y, uint8_t *mask);
uint32_t tt_max_pool_grad(const tt_pool_params *p, const int8_t *x, const int8_t *g, const uint8_t *mask, int8_t *gx);
/* `x` [pixels][c], `y` [c]. */
void tt_mean(const tt_mean_params *p, const int8_t *x, int8_t *y, uint8_t *mask);
/* `x` and `y` [rows][n]; in place (y == x). */
void tt_softmax(const tt_softmax_params *p, const int8_t *x, int8_t *y);
/* Returns 0 for shift 0. */
uint32_t tt_copy_box(const tt_copy_params *p, const int8_t *src, int8_t *dst);
void tt_fill(const tt_fill_params *p, int8_t *dst);

/* Head. `w` int16 [classes][features], `bias` int32 [classes], `logits` int64 [classes], `e` int16 [classes]. */

void tt_head_logits(const tt_head_params *p, const int8_t *x, const int16_t *w, const int32_t *bias, int64_t *logits);
/* Logits to probabilities in Q0.31, in place. */
void tt_softmax_scores(int32_t classes, const tt_logit_scale *scale, int64_t *logits, tt_head_result *result);
/* The same with loss, error `e` and its shift `result->k`. When `result->any` is 0 the backward pass is skipped. */
void tt_head_error(int32_t classes, const tt_logit_scale *scale, int32_t label, int64_t *logits, int16_t *e,
                   tt_head_result *result);
uint32_t tt_head_input_grad(const tt_head_params *p, const int16_t *w, const int16_t *e, int8_t *gx);
/* `weight_q` = s_x 2^13, `bias_q` = 2^13 / s_x; `w` and `bias` in place. */
void tt_head_update(const tt_head_params *p, tt_real31 lr, int32_t k, tt_real31 weight_q, tt_real31 bias_q,
                    const int8_t *x, const int16_t *e, int16_t *w, int32_t *bias);

/* Gradients on their way. */

/* `m` NULL: p->m and p->s for all; `mask` NULL: nothing was clamped. Ignores `repeat`. In place (gx == g). */
uint32_t tt_grad_scale(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                       const uint8_t *shift, int8_t *gx);
/* The same, the n results written `repeat` times one after the other; not in place. */
uint32_t tt_grad_repeat(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                        const uint8_t *shift, int8_t *gx);
/* In place (gx == a or gx == b). */
uint32_t tt_sum(const tt_sum_params *p, const int8_t *a, const int8_t *b, int8_t *gx);

#endif
