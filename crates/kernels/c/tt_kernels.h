/* Generated from the kernel table (crates/spec/src/kernels/table.rs) by crates/conformance/src/header.rs; do not edit. */

/* The device's kernels: every op of a Program, bit for bit what `tinytrain-spec` documents and the host's reference
 * computes.
 *
 * Layouts (row-major, batch 1): activations and gradients int8 HWC; convolution weights [out_c][kh][kw][in_c];
 * depthwise weights [kh][kw][out_c]; head weights int16 [classes][features]. Weights come in two parts, frozen and
 * trained, and `channels` (ascending) says which channels the trained part holds: input channels of a convolution,
 * output channels of a depthwise one. The frozen part holds the others, in ascending order. NULL stands for
 * whatever is absent: an empty part with its `channels` (which may also be absent where every channel is trained),
 * `offset` where no bias is trained, `shift` where every shift is 0, `mask` where no mask is wanted or everything lay
 * inside. `channels` means the same in forward pass, input gradient and weight step. Every window holds at least one
 * input, padding is less than the kernel, and the `out_c` of a depthwise convolution is a multiple of its `in_c`.
 *
 * Masks have one bit an element of the output, element n at bit (n & 7) of byte (n >> 3); unused bits of the last
 * byte are written 0.
 *
 * Scratch is the caller's, 8-byte aligned, of `room` bytes: at least as many as `spec::scratch` says; more save work. Its
 * content means nothing before and after.
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

/* Parameters: the structs of `spec::params`. */

/* A convolution, full or depthwise. Full: `acc[o] = bias[o] + sum over ky, kx, i of (x[iy][ix][i] - x_zero) *
 * w[o][ky][kx][i]`, with `iy = oy * stride_h - pad_top + ky` and likewise `ix`; taps outside the input add nothing.
 * Depthwise (`multiplier = out_c / in_c`): `acc[o] = bias[o] + sum over ky, kx of (x[iy][ix][o / multiplier] -
 * x_zero) * w[ky][kx][o]`. `y = clamp(requantise(acc, m[o], shift[o]) + y_zero, lo, hi)`. The compiler has checked
 * that no accumulator can leave int32, whatever the input and whatever a trained weight becomes. Weights come in two
 * parts: *frozen* ones in flash and *trained* ones in SRAM. What is trained is a set of input channels (full) or of
 * output channels (depthwise), ascending in `channels`. The frozen part holds the remaining channels in ascending
 * order, the trained part those of `channels`: full `[out_c][kh][kw][in_c - t]` and `[out_c][kh][kw][t]`; depthwise
 * `[kh][kw][out_c - t]` and `[kh][kw][t]`. `t = 0` or everything trained are the ordinary cases of one part being
 * empty. The bias is `base[o]`, plus `round(offset[o] / 2^8)` where it is trained (`arith::bias_value`). */
typedef struct {
    int32_t in_h; /* Input rows. */
    int32_t in_w; /* Input columns. */
    int32_t in_c; /* Input channels. */
    int32_t out_h; /* Output rows. */
    int32_t out_w; /* Output columns. */
    int32_t out_c; /* Output channels. */
    int32_t kh; /* Kernel rows. */
    int32_t kw; /* Kernel columns. */
    int32_t stride_h; /* Vertical stride. */
    int32_t stride_w; /* Horizontal stride. */
    int32_t pad_top; /* Rows of padding above; what lies below follows from the sizes. */
    int32_t pad_left; /* Columns of padding to the left. */
    int32_t x_zero; /* Zero point of the input. */
    int32_t y_zero; /* Zero point of the output. */
    int32_t lo; /* Lower bound of the output. */
    int32_t hi; /* Upper bound of the output. */
    int32_t trained; /* How many channels are trained (the length of `channels`). */
} tt_conv_params;

/* Weight gradient and update of the trained channels, the geometry being [`ConvParams`]: full: `acc = sum over
 * pixels of g[oy][ox][o] * (x[iy][ix][channels[j]] - x_zero)` for each `(o, ky, kx, j)`; depthwise with
 * `g[oy][ox][channels[j]]` and `x[iy][ix][channels[j] / multiplier]` for each `(ky, kx, j)`. Then `delta =
 * Rate::new(lr, qas[o], exponent, k, bits).delta(acc, random)` and `arith::apply_weight`. `random` for `bits < 4`:
 * `random::draw(key, index)` with the flat index of the weight in its trained array and `key = random::key(seed,
 * step, tensor)`. Bias: `acc = sum over pixels of g[..][o]`, `Rate::new(lr * q, qas[o], exponent, k, 8)` with the
 * layer's `q = 1 / s_x^2` (`Real31`), rounded to nearest, `arith::apply_bias`. A channel whose `qas` is 0 is
 * skipped, weights and bias (and the weights of one whose `Rate` comes to 0): its bias may be too large for
 * [`crate::arith::apply_bias`] to leave it alone. */
typedef struct {
    int32_t exponent; /* Exponent of the gradient tensor `g`. */
    int32_t bits; /* Residual bits: 0, 2, 4 or 8. */
    int32_t tensor; /* Number of the trained tensor, for the generator. */
} tt_update_params;

/* `y = clamp(((d1 m1 + d2 m2 + 2^19) >> 20) + y_zero, lo, hi)`, `d_i = x_i - zero_i`, in 64 bits; `m_i = round(s_i /
 * s_y * 2^20)`. */
typedef struct {
    int32_t n; /* Elements. */
    int32_t zero1; /* Zero point of the first input. */
    int32_t zero2; /* Zero point of the second input. */
    int32_t m1; /* Multiplier of the first input, Q.20. */
    int32_t m2; /* Multiplier of the second input, Q.20. */
    int32_t y_zero; /* Zero point of the output. */
    int32_t lo; /* Lower bound. */
    int32_t hi; /* Upper bound. */
} tt_add_params;

/* `y = clamp(requantise(x - x_zero, m, left) + y_zero, lo, hi)`: RELU, RELU6 and QUANTIZE from int8 to int8. */
typedef struct {
    int32_t n; /* Elements. */
    int32_t x_zero; /* Zero point of the input. */
    int32_t y_zero; /* Zero point of the output. */
    int32_t m; /* Multiplier (`arith::Requant::m`). */
    int32_t left; /* Left shift. */
    int32_t lo; /* Lower bound. */
    int32_t hi; /* Upper bound. */
} tt_requantize_params;

/* Average and maximum pooling. Windows are cut at the input's edges (padding takes no part). Average: `sum / count`
 * of the stored values with halves away from zero, then clamped. Maximum: the largest stored value, then clamped.
 * Gradients, gathered for each input element over the windows it lies in, accumulated in int32, then `gx =
 * sat8(round(acc * 2^-shift))`: average: `acc += g * mask * round(2^15 / count)`; maximum: `acc += g * mask` where
 * the element is the first of the window's largest, in row-major order. (`shift` includes the 15 bits of the
 * average's factor.) */
typedef struct {
    int32_t in_h; /* Input rows. */
    int32_t in_w; /* Input columns. */
    int32_t c; /* Channels. */
    int32_t out_h; /* Output rows. */
    int32_t out_w; /* Output columns. */
    int32_t kh; /* Window rows. */
    int32_t kw; /* Window columns. */
    int32_t stride_h; /* Vertical stride. */
    int32_t stride_w; /* Horizontal stride. */
    int32_t pad_top; /* Rows of padding above. */
    int32_t pad_left; /* Columns of padding to the left. */
    int32_t lo; /* Lower bound. */
    int32_t hi; /* Upper bound. */
    int32_t shift; /* Gradient only: right shift; negative shifts to the left. */
} tt_pool_params;

/* Mean over rows and columns: `y[c] = clamp(requantise(sum(x - x_zero), m, left) + y_zero, lo, hi)`; the multiplier
 * holds `s_x / (s_y pixels)`. Gradient: `gx[p][c] = sat8(scale_grad(g[c] * mask, m, s))` for every pixel `p`, with a
 * multiplier of its own ([`GradScaleParams`]). */
typedef struct {
    int32_t pixels; /* Rows times columns. */
    int32_t c; /* Channels. */
    int32_t x_zero; /* Zero point of the input. */
    int32_t y_zero; /* Zero point of the output. */
    int32_t m; /* Multiplier (`arith::Requant::m`). */
    int32_t left; /* Left shift (`arith::Requant::shift`). */
    int32_t lo; /* Lower bound. */
    int32_t hi; /* Upper bound. */
} tt_mean_params;

/* SOFTMAX on int8, LiteRT's output convention (scale 1/256, zero point -128): with `d = max - x`, `u = min(round(d *
 * m * 2^-s), 40)` in Q6.26 (`softmax::LogitScale` with `pre = 0`), `p = exp2_neg(u) / sum`, `y = min(round(256 p) -
 * 128, 127)`, the quotient rounded to nearest. */
typedef struct {
    int32_t rows; /* Rows, each normalised by itself. */
    int32_t n; /* Classes. */
    int32_t cap; /* Distances from here on count as 40. */
    int32_t m; /* Mantissa. */
    int32_t s; /* Right shift. */
} tt_softmax_params;

/* A function of single values, by a table: `y[n] = table[x[n] + 128]`. LOGISTIC is one. Gradient: `gx[n] =
 * sat8(scale_grad(g[n], slope[x[n] + 128], s))`, the slopes being `dy/dx` in integer units as multiples of `2^-f`,
 * `s` the `f` bits and the shift from the exponent of `g` to that of `gx`. */
typedef struct {
    int32_t n; /* Elements. */
    int32_t s; /* Gradient only: right shift; negative shifts to the left. */
} tt_lookup_params;

/* RESIZE_BILINEAR: every pixel of the output is a mean of the pixels of the input around its place. Along an axis of
 * `n` inputs, output `o` lies at `at(o) = min(max(o * step + first, 0), 1024 (n - 1))`, in units of 2^-10 pixels,
 * and input `i` has the weight `w(o, i) = max(1024 - |at(o) - 1024 i|, 0)` in it: two inputs at most. With `wy` and
 * `wx` those of rows and columns, `y[oy][ox][c] = round(2^-20 * sum over iy, ix of wy(oy, iy) * wx(ox, ix) *
 * x[iy][ix][c])`, halves away from zero; the sum is below 2^28. Gradient, which passes over the rounding:
 * `gx[iy][ix][c] = sat8(round_shift(sum over oy, ox of wy(oy, iy) * wx(ox, ix) * g[oy][ox][c], shift))`, the sum in
 * int64. */
typedef struct {
    int32_t in_h; /* Input rows. */
    int32_t in_w; /* Input columns. */
    int32_t c; /* Channels. */
    int32_t out_h; /* Output rows. */
    int32_t out_w; /* Output columns. */
    int32_t step_h; /* From the place of a row to that of the next. */
    int32_t step_w; /* From the place of a column to that of the next. */
    int32_t first_h; /* The place of row 0, before it is clamped. */
    int32_t first_w; /* The place of column 0, before it is clamped. */
    int32_t shift; /* Gradient only: right shift, with the 20 bits of the weights; negative shifts to the left. */
} tt_resize_params;

/* Product of two tensors: `y[i] = clamp(requantise((a[i] - a_zero) * (b[i % c] - b_zero), m, left) + y_zero, lo,
 * hi)`; `m` and `left` represent `s_a s_b / s_y`. With `c = n` both have the same shape; with fewer, `b` is a vector
 * that multiplies every run of `c` elements of `a`: a weight for each channel (squeeze and excitation). Gradients,
 * `d = g` where the mask is set and 0 elsewhere, `m` and `s` standing for `s_a s_b / s_y` and the shift from the
 * exponent of `g`: with respect to `a`, `ga[i] = sat8(round_shift(d[i] * (b[i % c] - b_zero) * m, s))`; with respect
 * to `b`, `gb[j] = sat8(round_shift(m * sum over i = j mod c of d[i] * (a[i] - a_zero), s))`. The sum has at most
 * 2^16 terms, so that it fits int32. */
typedef struct {
    int32_t n; /* Elements of `a`. */
    int32_t c; /* Elements of `b`; divides `n`. */
    int32_t a_zero; /* Zero point of `a`. */
    int32_t b_zero; /* Zero point of `b`. */
    int32_t y_zero; /* Forward only: zero point of the output. */
    int32_t m; /* Multiplier: of the requantisation, or of a gradient. */
    int32_t left; /* Forward only: left shift of the product before the multiplication. */
    int32_t lo; /* Forward only: lower bound of the output. */
    int32_t hi; /* Forward only: upper bound of the output. */
    int32_t s; /* Gradient only: right shift; negative shifts to the left. */
} tt_mul_params;

/* Copies a box of bytes: `dst[dst_offset + i * dst_row + j * dst_col + l] = src[src_offset + i * src_row + j *
 * src_col + l]` for `i < h`, `j < w`, `l < c`. PAD and CONCATENATION are made of it (PAD fills its output first),
 * and so are their gradients, for which the copied value is `sat8(round(v * 2^-shift))` (forward: `shift` 0). */
typedef struct {
    int32_t h; /* Rows. */
    int32_t w; /* Columns. */
    int32_t c; /* Bytes at each place. */
    int32_t src_offset; /* First byte read. */
    int32_t src_row; /* Bytes from a row read to the next. */
    int32_t src_col; /* Bytes from a column read to the next. */
    int32_t dst_offset; /* First byte written. */
    int32_t dst_row; /* Bytes from a row written to the next. */
    int32_t dst_col; /* Bytes from a column written to the next. */
    int32_t shift; /* Right shift; negative shifts to the left, saturating. */
} tt_copy_params;

/* Fills `n` bytes with `value`. */
typedef struct {
    int32_t n; /* Bytes. */
    int32_t value; /* The int8 value. */
} tt_fill_params;

/* The trainable head, forward: `L[c] = bias[c] + sum over f of (x[f] - x_zero) * w[c][f]` in int64 (`w` int16 Q2.13,
 * `bias` int32 at scale `s_x 2^-13`), then `softmax::softmax`, or `softmax::head_error` when a label is given. The
 * logit array (int64 a class, scratch) holds the probabilities in Q0.31 afterwards. Input gradient: `gx[f] =
 * sat8(round_shift(sum over c of w[c][f] * e[c] * m, s))`, the sum in int64 (below 2^41), `m < 2^22`, standing for
 * `s_x 2^-13 2^-E`. Update, after the input gradient: weights `w[c][f] = sat16(w - delta((x[f] - x_zero) * e[c]))`,
 * biases `bias[c] = sat32(bias - delta(e[c]))`, each with `arith::Rate::new(lr, q, 0, k, 0)`, `q = s_x 2^13` for
 * weights and `2^13 / s_x` for biases (`Real31`), rounded to nearest. */
typedef struct {
    int32_t features; /* Features. */
    int32_t classes; /* Classes. */
    int32_t x_zero; /* Zero point of the features. */
    int32_t m; /* Input gradient: multiplier. */
    int32_t s; /* Input gradient: shift. */
} tt_head_params;

/* An int8 gradient scaled and masked: `gx[n] = mask[n] ? sat8(scale_grad(g[n], m, s)) : 0`. For a convolution
 * (`g_acc = g_y mask m[c]`) the multiplier is a channel's own requantisation multiplier `m[c]` and the shift `s -
 * shift[c]`; element `n` has channel `n % channels`. Without an array of multipliers `m` and `s` hold for all, as
 * for the inputs of ADD and REQUANTIZE. In place is allowed (`gx == g`). With `repeat > 1` the `n` results are
 * written `repeat` times one after the other: the gradient of MEAN (each written element that saturated counts). */
typedef struct {
    int32_t n; /* Elements read. */
    int32_t channels; /* Channels, for the arrays of multipliers and shifts. */
    int32_t m; /* The one multiplier, where there is no array. */
    int32_t s; /* Right shift. */
    int32_t repeat; /* Copies written. */
} tt_grad_scale_params;

/* Sum of two contributions at a fan-out: `gx[n] = sat8(a[n] + b[n])`, both at the tensor's exponent. In place is
 * allowed (`gx == a` or `gx == b`). */
typedef struct {
    int32_t n; /* Elements. */
} tt_sum_params;

/* `arith::Real31`: m * 2^(e - 31), m in [2^30, 2^31) or 0. */
typedef struct {
    uint32_t m;
    int32_t e;
} tt_real31;

/* What an update needs: the compiled parameters, and of this step the rate of the backbone, the shift of the head's error and the
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

/* Kernels. */

/* A convolution: see `ConvParams`. May be NULL: `frozen`, `trained`, `channels`, `offset`, `shift`, `mask`. */
void tt_conv(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
             const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m,
             const uint8_t *shift, int8_t *y, uint8_t *mask, void *scratch, int32_t room);

/* A convolution: see `ConvParams`. May be NULL: `frozen`, `trained`, `channels`, `offset`, `shift`, `mask`. */
void tt_depthwise(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
                  const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m,
                  const uint8_t *shift, int8_t *y, uint8_t *mask, void *scratch, int32_t room);

/* A convolution's input gradient, the geometry being `ConvParams`: full: `acc[iy][ix][i] = sum over o, ky, kx of
 * g[oy][ox][o] * w[o][ky][kx][i]` over all `(oy, ox)` that `(iy, ix)` feeds; depthwise likewise with `w[ky][kx][o]`,
 * `i = o / multiplier`. `gx = sat8(round(acc * 2^-shift))`, `shift = E_x - E_g`, to the left where it is negative.
 * `g` is the gradient of the accumulator (masked and scaled). Reads the int8 weights as they are before this step's
 * update. May be NULL: `frozen`, `trained`, `channels`. */
uint32_t tt_conv_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                            const int8_t *trained, const uint16_t *channels, int8_t *gx, void *scratch, int32_t room);

/* A convolution's input gradient, the geometry being `ConvParams`: full: `acc[iy][ix][i] = sum over o, ky, kx of
 * g[oy][ox][o] * w[o][ky][kx][i]` over all `(oy, ox)` that `(iy, ix)` feeds; depthwise likewise with `w[ky][kx][o]`,
 * `i = o / multiplier`. `gx = sat8(round(acc * 2^-shift))`, `shift = E_x - E_g`, to the left where it is negative.
 * `g` is the gradient of the accumulator (masked and scaled). Reads the int8 weights as they are before this step's
 * update. May be NULL: `frozen`, `trained`, `channels`. */
uint32_t tt_depthwise_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                                 const int8_t *trained, const uint16_t *channels, int8_t *gx,
                                 void *scratch, int32_t room);

/* Weight gradient and update of the trained part `q` with its residual bits `lo` (none for 0 bits), in place: see
 * `UpdateParams`. `x` is the layer's input; `qas` has one word per output channel, 0 for one that is never updated.
 * May be NULL: `channels`, `lo`. */
void tt_conv_weight_step(const tt_conv_params *p, const tt_update *u, const int8_t *g, const int8_t *x,
                         const uint16_t *channels, const uint32_t *qas, int8_t *q, uint8_t *lo,
                         void *scratch, int32_t room);

/* Weight gradient and update of the trained part `q` with its residual bits `lo` (none for 0 bits), in place: see
 * `UpdateParams`. `x` is the layer's input; `qas` has one word per output channel, 0 for one that is never updated.
 * May be NULL: `channels`, `lo`. */
void tt_depthwise_weight_step(const tt_conv_params *p, const tt_update *u, const int8_t *g, const int8_t *x,
                              const uint16_t *channels, const uint32_t *qas, int8_t *q, uint8_t *lo,
                              void *scratch, int32_t room);

/* A convolution with a 1x1 kernel, stride 1, as many pixels out as in, and the bounds of int8: see `ConvParams`.
 * Weights are packed: see `spec::packed`; those of trained channels are 0 in `packed`, which is absent where every
 * channel is trained. May be NULL: `packed`, `trained`, `channels`, `offset`, `mask`. */
void tt_pointwise(const tt_conv_params *p, const int8_t *x, const uint32_t *packed, const int8_t *trained,
                  const uint16_t *channels, const int32_t *bias, const int32_t *offset, const int32_t *m, int8_t *y,
                  uint8_t *mask, void *scratch, int32_t room);

/* The same over wide weights, none of which is trained: see `spec::packed`. May be NULL: `offset`. */
void tt_pointwise_wide(const tt_conv_params *p, const int8_t *x, const uint32_t *wide, const int32_t *bias,
                       const int32_t *offset, const int32_t *m, int8_t *y, void *scratch, int32_t room);

/* Input gradient of the convolution that `tt_pointwise` is, like `tt_conv_input_grad`. May be NULL: `packed`,
 * `trained`, `channels`. */
uint32_t tt_pointwise_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const uint32_t *packed,
                                 const int8_t *trained, const uint16_t *channels, int8_t *gx,
                                 void *scratch, int32_t room);

/* A convolution of few channels with a window, none of whose weights is trained, with the bounds of int8: see
 * `ConvParams`. Weights are those of a window: see `spec::packed`. May be NULL: `offset`. */
void tt_window(const tt_conv_params *p, const int8_t *x, const uint32_t *wide, const int32_t *bias,
               const int32_t *offset, const int32_t *m, int8_t *y, void *scratch, int32_t room);

/* A depthwise convolution with a kernel of 3x3, 5x5 or 7x7, stride 1 or 2, as many channels out as in, all or none
 * of them trained, and the bounds of int8: see `ConvParams`. May be NULL: `frozen`, `trained`, `offset`, `mask`. */
void tt_depthwise_square(const tt_conv_params *p, const int8_t *x, const int8_t *frozen, const int8_t *trained,
                         const int32_t *bias, const int32_t *offset, const int32_t *m, int8_t *y, uint8_t *mask,
                         void *scratch, int32_t room);

/* Input gradient of the same, like `tt_depthwise_input_grad`. May be NULL: `frozen`, `trained`. */
uint32_t tt_depthwise_square_input_grad(const tt_conv_params *p, int32_t shift, const int8_t *g, const int8_t *frozen,
                                        const int8_t *trained, int8_t *gx, void *scratch, int32_t room);

/* Bias gradient and update: see `UpdateParams`. `layer` is `1 / s_x^2`; `u->params.bits` is not used (a bias has 8
 * residual bits). `base` is the imported bias, `offset` the trained distance from it, in place. */
void tt_bias_step(int32_t pixels, int32_t channels, const tt_update *u, tt_real31 layer, const int8_t *g,
                  const uint32_t *qas, const int32_t *base, int32_t *offset);

/* Sum of two tensors: see `AddParams`. May be NULL: `mask`. In place (y == a or y == b). */
void tt_add(const tt_add_params *p, const int8_t *a, const int8_t *b, int8_t *y, uint8_t *mask);

/* Another scale, or a narrower range: see `RequantizeParams`. May be NULL: `mask`. In place (y == x). */
void tt_requantize(const tt_requantize_params *p, const int8_t *x, int8_t *y, uint8_t *mask);

/* Average pooling: see `PoolParams`. May be NULL: `mask`. */
void tt_average_pool(const tt_pool_params *p, const int8_t *x, int8_t *y, uint8_t *mask);

/* Input gradient of average pooling: see `PoolParams`. May be NULL: `mask`. */
uint32_t tt_average_pool_grad(const tt_pool_params *p, const int8_t *g, const uint8_t *mask, int8_t *gx);

/* Maximum pooling: see `PoolParams`. May be NULL: `mask`. */
void tt_max_pool(const tt_pool_params *p, const int8_t *x, int8_t *y, uint8_t *mask);

/* Input gradient of maximum pooling: see `PoolParams`. May be NULL: `mask`. */
uint32_t tt_max_pool_grad(const tt_pool_params *p, const int8_t *x, const int8_t *g, const uint8_t *mask, int8_t *gx);

/* Mean over rows and columns: see `MeanParams`. `x` is `[pixels][c]`. May be NULL: `mask`. */
void tt_mean(const tt_mean_params *p, const int8_t *x, int8_t *y, uint8_t *mask);

/* SOFTMAX of int8 values: see `SoftmaxParams`. `x` and `y` are `[rows][n]`. */
void tt_softmax(const tt_softmax_params *p, const int8_t *x, int8_t *y);

/* A function of single values: see `LookupParams`. In place (y == x). */
void tt_lookup(const tt_lookup_params *p, const int8_t *x, const int8_t *table, int8_t *y);

/* Input gradient of a function of single values: see `LookupParams`. `x` is the function's input. In place (gx ==
 * g). */
uint32_t tt_lookup_grad(const tt_lookup_params *p, const int8_t *g, const int8_t *x, const int32_t *slope, int8_t *gx);

/* RESIZE_BILINEAR: see `ResizeParams`. */
void tt_resize_bilinear(const tt_resize_params *p, const int8_t *x, int8_t *y);

/* Its input gradient: see `ResizeParams`. */
uint32_t tt_resize_bilinear_grad(const tt_resize_params *p, const int8_t *g, int8_t *gx);

/* Product of two tensors: see `MulParams`. May be NULL: `mask`. In place (y == a). */
void tt_mul(const tt_mul_params *p, const int8_t *a, const int8_t *b, int8_t *y, uint8_t *mask);

/* Gradient of a product with respect to `a`: see `MulParams`. May be NULL: `mask`. In place (gx == g). */
uint32_t tt_mul_grad(const tt_mul_params *p, const int8_t *g, const uint8_t *mask, const int8_t *b, int8_t *gx);

/* Gradient of a product with respect to `b`: see `MulParams`. May be NULL: `mask`. */
uint32_t tt_mul_sum(const tt_mul_params *p, const int8_t *g, const uint8_t *mask, const int8_t *a, int8_t *gx);

/* Copies a box of bytes, forward or as a gradient: see `CopyParams`. Returns 0 for shift 0. */
uint32_t tt_copy_box(const tt_copy_params *p, const int8_t *src, int8_t *dst);

/* Fills bytes with one value: see `FillParams`. */
void tt_fill(const tt_fill_params *p, int8_t *dst);

/* Logits of the head: see `HeadParams`. `w` is `[classes][features]`. */
void tt_head_logits(const tt_head_params *p, const int8_t *x, const int16_t *w, const int32_t *bias, int64_t *logits);

/* Logits to probabilities in Q0.31, in place, without a label. */
void tt_softmax_scores(int32_t classes, const tt_logit_scale *scale, int64_t *logits, tt_head_result *result);

/* The same with a label: the loss, the error `e` and its shift. Where the result says that no error is left the
 * backward pass is skipped. */
void tt_head_error(int32_t classes, const tt_logit_scale *scale, int32_t label, int64_t *logits, int16_t *e,
                   tt_head_result *result);

/* Input gradient of the head: see `HeadParams`. */
uint32_t tt_head_input_grad(const tt_head_params *p, const int16_t *w, const int16_t *e, int8_t *gx);

/* Update of the head: see `HeadParams`. `weight_q` is `s_x 2^13`, `bias_q` is `2^13 / s_x`; `w` and `bias` in place. */
void tt_head_update(const tt_head_params *p, tt_real31 lr, int32_t k, tt_real31 weight_q, tt_real31 bias_q,
                    const int8_t *x, const int16_t *e, int16_t *w, int32_t *bias);

/* A gradient scaled and masked: see `GradScaleParams`. Without `m` the multiplier is `p->m` and the shift `p->s` for
 * all; without `mask` nothing was clamped. Ignores `repeat`. May be NULL: `mask`, `m`, `shift`. In place (gx == g). */
uint32_t tt_grad_scale(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                       const uint8_t *shift, int8_t *gx);

/* The same, the `n` results written `repeat` times one after the other. May be NULL: `mask`, `m`, `shift`. */
uint32_t tt_grad_repeat(const tt_grad_scale_params *p, const int8_t *g, const uint8_t *mask, const int32_t *m,
                        const uint8_t *shift, int8_t *gx);

/* Sum of two contributions to a gradient: see `SumParams`. In place (gx == a or gx == b). */
uint32_t tt_sum(const tt_sum_params *p, const int8_t *a, const int8_t *b, int8_t *gx);

#endif
