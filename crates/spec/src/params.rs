//! The parameters of each op, and exactly what it computes. The C side mirrors every struct here field by field, all `int32_t`.
//!
//! Conventions: `x` is an op's input, `y` its output, `g` a gradient coming from the output's side, `gx` the gradient an op yields for its input.
//! A *mask* has one bit an element of `y` in row-major order (element `n` is bit `n & 7` of byte `n >> 3`; unused high bits of the last byte are 0),
//! 1 where the value before clamping lay inside the clamp's bounds. Gradients are int8 with a power-of-two exponent `E` of their tensor: the real
//! gradient with respect to the *integer* value is `g * 2^(E - k)`, `k` the shift of the head's error. Every op that rounds to an int8 gradient
//! saturates at -128..127 and counts the elements that saturated.

use crate::kernels::{Param, ParamKind, ParamValue, struct_param};

macro_rules! params {
    ($(#[doc = $doc:literal])* $name:ident $c:literal as $kind:ident { $($(#[doc = $fdoc:literal])* $field:ident),* $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[doc = $fdoc])* pub $field: i32,)* }
        impl $name {
            /// The struct in C and its fields, each with its documentation.
            pub const STRUCT: Struct =
                Struct { c: $c, doc: concat!($($doc),*), fields: &[$(Field { name: stringify!($field), doc: concat!($($fdoc),*) }),*] };

            /// The values of the fields, in the order of the C struct.
            pub fn values(&self) -> [i32; [$(stringify!($field)),*].len()] {
                [$(self.$field),*]
            }

            /// The struct with these values.
            pub fn from_values([$($field),*]: [i32; [$(stringify!($field)),*].len()]) -> Self {
                Self { $($field),* }
            }
        }

        struct_param!($name: $kind);
    };
}

/// A parameter struct of C, all of whose fields are `int32_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Struct {
    /// Its name in C.
    pub c: &'static str,
    /// Documentation.
    pub doc: &'static str,
    /// Its fields, in order.
    pub fields: &'static [Field],
}

/// A field of a parameter struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name, in Rust as in C.
    pub name: &'static str,
    /// Documentation.
    pub doc: &'static str,
}

params! {
    /// A convolution, full or depthwise.
    ///
    /// Full: `acc[o] = bias[o] + sum over ky, kx, i of (x[iy][ix][i] - x_zero) * w[o][ky][kx][i]`, with `iy = oy * stride_h - pad_top + ky` and likewise `ix`;
    /// taps outside the input add nothing. Depthwise (`multiplier = out_c / in_c`): `acc[o] = bias[o] + sum over ky, kx of
    /// (x[iy][ix][o / multiplier] - x_zero) * w[ky][kx][o]`. `y = clamp(requantise(acc, m[o], shift[o]) + y_zero, lo, hi)`. The compiler has checked that no
    /// accumulator can leave int32, whatever the input and whatever a trained weight becomes.
    ///
    /// Weights come in two parts: *frozen* ones in flash and *trained* ones in SRAM. What is trained is a set of input channels (full) or of output channels
    /// (depthwise), ascending in `channels`. The frozen part holds the remaining channels in ascending order, the trained part those of `channels`:
    /// full `[out_c][kh][kw][in_c - t]` and `[out_c][kh][kw][t]`; depthwise `[kh][kw][out_c - t]` and `[kh][kw][t]`. `t = 0` or everything trained are the
    /// ordinary cases of one part being empty.
    ///
    /// The bias is `base[o]`, plus `round(offset[o] / 2^8)` where it is trained (`arith::bias_value`).
    ConvParams "tt_conv_params" as Struct {
        /// Input rows.
        in_h,
        /// Input columns.
        in_w,
        /// Input channels.
        in_c,
        /// Output rows.
        out_h,
        /// Output columns.
        out_w,
        /// Output channels.
        out_c,
        /// Kernel rows.
        kh,
        /// Kernel columns.
        kw,
        /// Vertical stride.
        stride_h,
        /// Horizontal stride.
        stride_w,
        /// Rows of padding above; what lies below follows from the sizes.
        pad_top,
        /// Columns of padding to the left.
        pad_left,
        /// Zero point of the input.
        x_zero,
        /// Zero point of the output.
        y_zero,
        /// Lower bound of the output.
        lo,
        /// Upper bound of the output.
        hi,
        /// How many channels are trained (the length of `channels`).
        trained,
    }
}

params! {
    /// `y = clamp(((d1 m1 + d2 m2 + 2^19) >> 20) + y_zero, lo, hi)`, `d_i = x_i - zero_i`, in 64 bits; `m_i = round(s_i / s_y * 2^20)`.
    AddParams "tt_add_params" as Struct {
        /// Elements.
        n,
        /// Zero point of the first input.
        zero1,
        /// Zero point of the second input.
        zero2,
        /// Multiplier of the first input, Q.20.
        m1,
        /// Multiplier of the second input, Q.20.
        m2,
        /// Zero point of the output.
        y_zero,
        /// Lower bound.
        lo,
        /// Upper bound.
        hi,
    }
}

params! {
    /// Average and maximum pooling. Windows are cut at the input's edges (padding takes no part). Average: `sum / count` of the stored values with halves
    /// away from zero, then clamped. Maximum: the largest stored value, then clamped.
    ///
    /// Gradients, gathered for each input element over the windows it lies in, accumulated in int32, then `gx = sat8(round(acc * 2^-shift))`:
    /// average: `acc += g * mask * round(2^15 / count)`; maximum: `acc += g * mask` where the element is the first of the window's largest, in row-major order.
    /// (`shift` includes the 15 bits of the average's factor.)
    PoolParams "tt_pool_params" as Struct {
        /// Input rows.
        in_h,
        /// Input columns.
        in_w,
        /// Channels.
        c,
        /// Output rows.
        out_h,
        /// Output columns.
        out_w,
        /// Window rows.
        kh,
        /// Window columns.
        kw,
        /// Vertical stride.
        stride_h,
        /// Horizontal stride.
        stride_w,
        /// Rows of padding above.
        pad_top,
        /// Columns of padding to the left.
        pad_left,
        /// Lower bound.
        lo,
        /// Upper bound.
        hi,
        /// Gradient only: right shift; negative shifts to the left.
        shift,
    }
}

params! {
    /// Mean over rows and columns: `y[c] = clamp(requantise(sum(x - x_zero), m, left) + y_zero, lo, hi)`; the multiplier holds `s_x / (s_y pixels)`.
    ///
    /// Gradient: `gx[p][c] = sat8(scale_grad(g[c] * mask, m, s))` for every pixel `p`, with a multiplier of its own ([`GradScaleParams`]).
    MeanParams "tt_mean_params" as Struct {
        /// Rows times columns.
        pixels,
        /// Channels.
        c,
        /// Zero point of the input.
        x_zero,
        /// Zero point of the output.
        y_zero,
        /// Multiplier (`arith::Requant::m`).
        m,
        /// Left shift (`arith::Requant::shift`).
        left,
        /// Lower bound.
        lo,
        /// Upper bound.
        hi,
    }
}

params! {
    /// `y = clamp(requantise(x - x_zero, m, left) + y_zero, lo, hi)`: RELU, RELU6 and QUANTIZE from int8 to int8.
    RequantizeParams "tt_requantize_params" as Struct {
        /// Elements.
        n,
        /// Zero point of the input.
        x_zero,
        /// Zero point of the output.
        y_zero,
        /// Multiplier (`arith::Requant::m`).
        m,
        /// Left shift.
        left,
        /// Lower bound.
        lo,
        /// Upper bound.
        hi,
    }
}

params! {
    /// Copies a box of bytes: `dst[dst_offset + i * dst_row + j * dst_col + l] = src[src_offset + i * src_row + j * src_col + l]` for `i < h`, `j < w`, `l < c`.
    /// PAD and CONCATENATION are made of it (PAD fills its output first), and so are their gradients, for which the copied value is
    /// `sat8(round(v * 2^-shift))` (forward: `shift` 0).
    CopyParams "tt_copy_params" as Struct {
        /// Rows.
        h,
        /// Columns.
        w,
        /// Bytes at each place.
        c,
        /// First byte read.
        src_offset,
        /// Bytes from a row read to the next.
        src_row,
        /// Bytes from a column read to the next.
        src_col,
        /// First byte written.
        dst_offset,
        /// Bytes from a row written to the next.
        dst_row,
        /// Bytes from a column written to the next.
        dst_col,
        /// Right shift; negative shifts to the left, saturating.
        shift,
    }
}

params! {
    /// Fills `n` bytes with `value`.
    FillParams "tt_fill_params" as Struct {
        /// Bytes.
        n,
        /// The int8 value.
        value,
    }
}

params! {
    /// SOFTMAX on int8, LiteRT's output convention (scale 1/256, zero point -128): with `d = max - x`, `u = min(round(d * m * 2^-s), 40)` in Q6.26
    /// (`softmax::LogitScale` with `pre = 0`), `p = exp2_neg(u) / sum`, `y = min(round(256 p) - 128, 127)`, the quotient rounded to nearest.
    SoftmaxParams "tt_softmax_params" as Struct {
        /// Rows, each normalised by itself.
        rows,
        /// Classes.
        n,
        /// Distances from here on count as 40.
        cap,
        /// Mantissa.
        m,
        /// Right shift.
        s,
    }
}

params! {
    /// A function of single values, by a table: `y[n] = table[x[n] + 128]`. LOGISTIC is one.
    ///
    /// Gradient: `gx[n] = sat8(scale_grad(g[n], slope[x[n] + 128], s))`, the slopes being `dy/dx` in integer units as multiples of `2^-f`, `s` the
    /// `f` bits and the shift from the exponent of `g` to that of `gx`.
    LookupParams "tt_lookup_params" as Struct {
        /// Elements.
        n,
        /// Gradient only: right shift; negative shifts to the left.
        s,
    }
}

params! {
    /// RESIZE_BILINEAR: every pixel of the output is a mean of the pixels of the input around its place. Along an axis of `n` inputs, output `o` lies at
    /// `at(o) = min(max(o * step + first, 0), 1024 (n - 1))`, in units of 2^-10 pixels, and input `i` has the weight `w(o, i) = max(1024 - |at(o) - 1024 i|, 0)`
    /// in it: two inputs at most. With `wy` and `wx` those of rows and columns, `y[oy][ox][c] = round(2^-20 * sum over iy, ix of wy(oy, iy) * wx(ox, ix) * x[iy][ix][c])`,
    /// halves away from zero; the sum is below 2^28.
    ///
    /// Gradient, which passes over the rounding: `gx[iy][ix][c] = sat8(round_shift(sum over oy, ox of wy(oy, iy) * wx(ox, ix) * g[oy][ox][c], shift))`, the sum in int64.
    ResizeParams "tt_resize_params" as Struct {
        /// Input rows.
        in_h,
        /// Input columns.
        in_w,
        /// Channels.
        c,
        /// Output rows.
        out_h,
        /// Output columns.
        out_w,
        /// From the place of a row to that of the next.
        step_h,
        /// From the place of a column to that of the next.
        step_w,
        /// The place of row 0, before it is clamped.
        first_h,
        /// The place of column 0, before it is clamped.
        first_w,
        /// Gradient only: right shift, with the 20 bits of the weights; negative shifts to the left.
        shift,
    }
}

/// Rows or columns of a [`ResizeParams`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResizeAxis {
    /// Inputs.
    pub inputs: i32,
    /// Outputs.
    pub outputs: i32,
    /// From the place of an output to that of the next.
    pub step: i32,
    /// The place of output 0, before it is clamped.
    pub first: i32,
}

impl ResizeAxis {
    /// A pixel, and the sum of an output's weights.
    pub const ONE: i32 = 1 << 10;

    /// `outputs` from `inputs` as LiteRT's reference kernel of int8 places them: its `ComputeInterpolationValuesInteger`. With aligned corners the first and the
    /// last outputs are the first and the last inputs; with half-pixel centres pixels are areas, whose centres are scaled.
    pub fn litert(inputs: i32, outputs: i32, align_corners: bool, half_pixel_centers: bool) -> Self {
        let aligned = align_corners && outputs > 1;
        let (from, to) = if aligned { (inputs - 1, outputs - 1) } else { (inputs, outputs) };
        let step = (i64::from(Self::ONE) * i64::from(from) + i64::from(to / 2)) / i64::from(to);
        let step = i32::try_from(step).unwrap_or(i32::MAX);
        Self { inputs, outputs, step, first: if half_pixel_centers { step / 2 - Self::ONE / 2 } else { 0 } }
    }

    /// The place of output `o`.
    pub fn at(self, o: i32) -> i32 {
        (o * self.step + self.first).clamp(0, Self::ONE * (self.inputs - 1))
    }

    /// The weight that input `i` has in output `o`.
    pub fn weight(self, o: i32, i: i32) -> i32 {
        (Self::ONE - (self.at(o) - Self::ONE * i).abs()).max(0)
    }

    /// The inputs of output `o` and their weights, the second of which may be 0.
    pub fn parts(self, o: i32) -> [(usize, i32); 2] {
        let (i, second) = (self.at(o) / Self::ONE, self.at(o) % Self::ONE);
        [(i as usize, Self::ONE - second), ((i + 1).min(self.inputs - 1) as usize, second)]
    }

    /// Whether outputs follow each other and all places fit int32.
    pub fn fits(self) -> bool {
        let reach = i64::from(self.outputs) * i64::from(self.step) + i64::from(self.first).abs();
        (0..=1 << 20).contains(&self.inputs) && self.step >= 0 && reach < 1 << 31
    }
}

impl ResizeParams {
    /// Rows and columns.
    pub fn axes(&self) -> [ResizeAxis; 2] {
        [(self.in_h, self.out_h, self.step_h, self.first_h), (self.in_w, self.out_w, self.step_w, self.first_w)]
            .map(|(inputs, outputs, step, first)| ResizeAxis { inputs, outputs, step, first })
    }

    /// Elements of the input.
    pub fn inputs(&self) -> i64 {
        volume(self.in_h, self.in_w, self.c)
    }

    /// Elements of the output.
    pub fn outputs(&self) -> i64 {
        volume(self.out_h, self.out_w, self.c)
    }
}

params! {
    /// Product of two tensors: `y[i] = clamp(requantise((a[i] - a_zero) * (b[i % c] - b_zero), m, left) + y_zero, lo, hi)`; `m` and `left` represent
    /// `s_a s_b / s_y`. With `c = n` both have the same shape; with fewer, `b` is a vector that multiplies every run of `c` elements of `a`: a weight
    /// for each channel (squeeze and excitation).
    ///
    /// Gradients, `d = g` where the mask is set and 0 elsewhere, `m` and `s` standing for `s_a s_b / s_y` and the shift from the exponent of `g`: with
    /// respect to `a`, `ga[i] = sat8(round_shift(d[i] * (b[i % c] - b_zero) * m, s))`; with respect to `b`,
    /// `gb[j] = sat8(round_shift(m * sum over i = j mod c of d[i] * (a[i] - a_zero), s))`. The sum has at most 2^16 terms, so that it fits int32.
    MulParams "tt_mul_params" as Struct {
        /// Elements of `a`.
        n,
        /// Elements of `b`; divides `n`.
        c,
        /// Zero point of `a`.
        a_zero,
        /// Zero point of `b`.
        b_zero,
        /// Forward only: zero point of the output.
        y_zero,
        /// Multiplier: of the requantisation, or of a gradient.
        m,
        /// Forward only: left shift of the product before the multiplication.
        left,
        /// Forward only: lower bound of the output.
        lo,
        /// Forward only: upper bound of the output.
        hi,
        /// Gradient only: right shift; negative shifts to the left.
        s,
    }
}

params! {
    /// The trainable head, forward: `L[c] = bias[c] + sum over f of (x[f] - x_zero) * w[c][f]` in int64 (`w` int16 Q2.13, `bias` int32 at scale `s_x 2^-13`), then
    /// `softmax::softmax`, or `softmax::head_error` when a label is given. The logit array (int64 a class, scratch) holds the probabilities in Q0.31 afterwards.
    ///
    /// Input gradient: `gx[f] = sat8(round_shift(sum over c of w[c][f] * e[c] * m, s))`, the sum in int64 (below 2^41), `m < 2^22`, standing for `s_x 2^-13 2^-E`.
    ///
    /// Update, after the input gradient: weights `w[c][f] = sat16(w - delta((x[f] - x_zero) * e[c]))`, biases `bias[c] = sat32(bias - delta(e[c]))`, each with
    /// `arith::Rate::new(lr, q, 0, k, 0)`, `q = s_x 2^13` for weights and `2^13 / s_x` for biases (`Real31`), rounded to nearest.
    HeadParams "tt_head_params" as Struct {
        /// Features.
        features,
        /// Classes.
        classes,
        /// Zero point of the features.
        x_zero,
        /// Input gradient: multiplier.
        m,
        /// Input gradient: shift.
        s,
    }
}

params! {
    /// An int8 gradient scaled and masked: `gx[n] = mask[n] ? sat8(scale_grad(g[n], m, s)) : 0`.
    ///
    /// For a convolution (`g_acc = g_y mask m[c]`) the multiplier is a channel's own requantisation multiplier `m[c]` and the shift `s - shift[c]`; element `n` has
    /// channel `n % channels`. Without an array of multipliers `m` and `s` hold for all, as for the inputs of ADD and REQUANTIZE. In place is allowed (`gx == g`).
    /// With `repeat > 1` the `n` results are written `repeat` times one after the other: the gradient of MEAN
    /// (each written element that saturated counts).
    GradScaleParams "tt_grad_scale_params" as Struct {
        /// Elements read.
        n,
        /// Channels, for the arrays of multipliers and shifts.
        channels,
        /// The one multiplier, where there is no array.
        m,
        /// Right shift.
        s,
        /// Copies written.
        repeat,
    }
}

params! {
    /// Sum of two contributions at a fan-out: `gx[n] = sat8(a[n] + b[n])`, both at the tensor's exponent. In place is allowed (`gx == a` or `gx == b`).
    SumParams "tt_sum_params" as Struct {
        /// Elements.
        n,
    }
}

params! {
    /// Weight gradient and update of the trained channels, the geometry being [`ConvParams`]: full: `acc = sum over pixels of g[oy][ox][o] * (x[iy][ix][channels[j]] - x_zero)`
    /// for each `(o, ky, kx, j)`; depthwise with `g[oy][ox][channels[j]]` and `x[iy][ix][channels[j] / multiplier]` for each `(ky, kx, j)`. Then
    /// `delta = Rate::new(lr, qas[o], exponent, k, bits).delta(acc, random)` and `arith::apply_weight`. `random` for `bits < 4`: `random::draw(key, index)` with the flat
    /// index of the weight in its trained array and `key = random::key(seed, step, tensor)`.
    ///
    /// Bias: `acc = sum over pixels of g[..][o]`, `Rate::new(lr * q, qas[o], exponent, k, 8)` with the layer's `q = 1 / s_x^2` (`Real31`), rounded to nearest,
    /// `arith::apply_bias`.
    ///
    /// A channel whose `qas` is 0 is skipped, weights and bias (and the weights of one whose `Rate` comes to 0): its bias may be too large for [`crate::arith::apply_bias`] to leave it alone.
    UpdateParams "tt_update_params" as Update {
        /// Exponent of the gradient tensor `g`.
        exponent,
        /// Residual bits: 0, 2, 4 or 8.
        bits,
        /// Number of the trained tensor, for the generator.
        tensor,
    }
}

/// Windows along one axis: padding is less than the kernel, and the last one holds at least one input.
pub fn windows_touch(inputs: i32, outputs: i32, kernel: i32, stride: i32, pad: i32) -> bool {
    pad >= 0 && pad < kernel && (i64::from(outputs) - 1) * i64::from(stride) - i64::from(pad) < i64::from(inputs)
}

impl ConvParams {
    /// Whether each window holds an element of the input, and not only padding: what kernels take.
    pub fn windows_touch(&self) -> bool {
        windows_touch(self.in_h, self.out_h, self.kh, self.stride_h, self.pad_top)
            && windows_touch(self.in_w, self.out_w, self.kw, self.stride_w, self.pad_left)
    }

    /// Elements of the input.
    pub fn inputs(&self) -> i64 {
        volume(self.in_h, self.in_w, self.in_c)
    }

    /// Elements of the output.
    pub fn outputs(&self) -> i64 {
        volume(self.out_h, self.out_w, self.out_c)
    }

    /// Channels of which some are trained: output channels of a depthwise convolution, input channels of a full one.
    pub fn selectable(&self, depthwise: bool) -> i32 {
        if depthwise { self.out_c } else { self.in_c }
    }

    /// Weights of `channels` of the selectable channels.
    pub fn weights(&self, depthwise: bool, channels: i32) -> i64 {
        volume(self.kh, self.kw, channels) * if depthwise { 1 } else { i64::from(self.out_c) }
    }
}

/// The most elements of a pooling window: their sum of int8 values, and their number, are int32; the average's factor has 15 bits.
pub const MOST_POOLED: usize = 1 << 15;

impl PoolParams {
    /// Elements of the input.
    pub fn inputs(&self) -> i64 {
        volume(self.in_h, self.in_w, self.c)
    }

    /// Elements of the output.
    pub fn outputs(&self) -> i64 {
        volume(self.out_h, self.out_w, self.c)
    }
}

fn volume(h: i32, w: i32, c: i32) -> i64 {
    i64::from(h) * i64::from(w) * i64::from(c)
}
