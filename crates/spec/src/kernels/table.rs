//! The rows. `where` says which parameters the kernel takes, in terms of `check.rs`. Then the operands, `name: role type [attribute] = length`: the roles
//! are those of [`Role`], an attribute is `optional` (may be absent), `in_place y` (may be the output `y` itself) or `at_least` (the length is the least
//! that is touched). Scratch has a `Room` for its length. Parameters and operands stand in the order of the C function. Rows
//! with two functions are full and depthwise convolutions, whose operands are the same; `k` is which.

use super::check::*;
use super::*;
use crate::arith::{Real31, residual_bytes};
use crate::packed;
use crate::params::*;
use crate::scratch;
use crate::softmax::LogitScale;

impl Kernel {
    /// Whether it belongs to a depthwise convolution.
    pub fn depthwise(self) -> bool {
        matches!(
            self,
            Self::Depthwise
                | Self::DepthwiseInputGrad
                | Self::DepthwiseWeightStep
                | Self::DepthwiseSquare
                | Self::DepthwiseSquareInputGrad
        )
    }
}

/// Bytes of a mask over `n` elements.
fn mask(n: i64) -> i64 {
    (n + 7) / 8
}

/// Bytes of the residual bits of `n` weights.
fn residuals(n: i64, u: &UpdateParams) -> i64 {
    residual_bytes(n as usize, u.bits as u32) as i64
}

kernels! {
    /// A convolution: see `ConvParams`.
    Conv "tt_conv" | Depthwise "tt_depthwise" as k (p: ConvParams) -> nothing {
        where conv(p, k.depthwise());
        x: read i8 = p.inputs(),
        frozen: constant i8 [optional] = p.weights(k.depthwise(), p.selectable(k.depthwise()) - p.trained),
        trained: state i8 [optional] = p.weights(k.depthwise(), p.trained),
        channels: constant u16 [optional] = p.trained,
        bias: constant i32 = p.out_c,
        offset: state i32 [optional] = p.out_c,
        m: constant i32 = p.out_c,
        shift: constant u8 [optional] = p.out_c,
        y: write i8 = p.outputs(),
        mask: write u8 [optional] = mask(p.outputs()),
        scratch: scratch u8 [optional] = if k.depthwise() { scratch::depthwise(p) } else { scratch::conv(p) },
    }
    /// A convolution's input gradient, the geometry being `ConvParams`: full: `acc[iy][ix][i] = sum over o, ky, kx of g[oy][ox][o] * w[o][ky][kx][i]`
    /// over all `(oy, ox)` that `(iy, ix)` feeds; depthwise likewise with `w[ky][kx][o]`, `i = o / multiplier`. `gx = sat8(round(acc * 2^-shift))`,
    /// `shift = E_x - E_g`, to the left where it is negative. `g` is the gradient of the accumulator (masked and scaled). Reads the int8 weights as
    /// they are before this step's update.
    ConvInputGrad "tt_conv_input_grad" | DepthwiseInputGrad "tt_depthwise_input_grad" as k (p: ConvParams, shift: i32) -> saturated {
        where { conv(p, k.depthwise())?; all(&[(is_shift(*shift), "the shift")]) };
        g: read i8 = p.outputs(),
        frozen: constant i8 [optional] = p.weights(k.depthwise(), p.selectable(k.depthwise()) - p.trained),
        trained: state i8 [optional] = p.weights(k.depthwise(), p.trained),
        channels: constant u16 [optional] = p.trained,
        gx: write i8 = p.inputs(),
        scratch: scratch u8 [optional] =
            if k.depthwise() { scratch::depthwise_input_grad(p) } else { scratch::conv_input_grad(p) },
    }
    /// Weight gradient and update of the trained part `q` with its residual bits `lo` (none for 0 bits), in place: see `UpdateParams`. `x` is the
    /// layer's input; `qas` has one word per output channel, 0 for one that is never updated.
    ConvWeightStep "tt_conv_weight_step" | DepthwiseWeightStep "tt_depthwise_weight_step" as k (p: ConvParams, u: UpdateParams) -> nothing {
        where { conv(p, k.depthwise())?; update(u)?; all(&[(p.trained > 0, "the number of trained channels")]) };
        g: read i8 = p.outputs(),
        x: read i8 = p.inputs(),
        channels: constant u16 [optional] = p.trained,
        qas: constant u32 = p.out_c,
        q: train i8 = p.weights(k.depthwise(), p.trained),
        lo: train u8 [optional] = residuals(p.weights(k.depthwise(), p.trained), u),
        scratch: scratch u8 [optional] =
            if k.depthwise() { scratch::depthwise_weight_step(p) } else { scratch::conv_weight_step(p) },
    }
    /// A convolution with a 1x1 kernel, stride 1, as many pixels out as in, and the bounds of int8: see `ConvParams`. Weights are packed: see
    /// `spec::packed`; those of trained channels are 0 in `packed`, which is absent where every channel is trained.
    Pointwise "tt_pointwise" as k (p: ConvParams) -> nothing {
        where { pointwise(p)?; all(&[(mask.is_none() || p.out_c % 8 == 0, "a mask of so many channels")]) };
        x: read i8 = p.inputs(),
        packed: constant u32 [optional] = packed::packed_words(p),
        trained: state i8 [optional] = p.weights(false, p.trained),
        channels: constant u16 [optional] = p.trained,
        bias: constant i32 = p.out_c,
        offset: state i32 [optional] = p.out_c,
        m: constant i32 = p.out_c,
        y: write i8 = p.outputs(),
        mask: write u8 [optional] = mask(p.outputs()),
        scratch: scratch u8 [optional] = scratch::pointwise(p),
    }
    /// The same over wide weights, none of which is trained: see `spec::packed`.
    PointwiseWide "tt_pointwise_wide" as k (p: ConvParams) -> nothing {
        where { pointwise(p)?; all(&[(p.trained == 0, "the number of trained channels")]) };
        x: read i8 = p.inputs(),
        wide: constant u32 = packed::wide_words(p),
        bias: constant i32 = p.out_c,
        offset: state i32 [optional] = p.out_c,
        m: constant i32 = p.out_c,
        y: write i8 = p.outputs(),
        scratch: scratch u8 [optional] = scratch::pointwise_wide(p),
    }
    /// Input gradient of the convolution that `tt_pointwise` is, like `tt_conv_input_grad`.
    PointwiseInputGrad "tt_pointwise_input_grad" as k (p: ConvParams, shift: i32) -> saturated {
        where { pointwise(p)?; all(&[((2..=32).contains(shift), "the shift"), (p.in_c % 4 == 0, "the number of channels")]) };
        g: read i8 = p.outputs(),
        packed: constant u32 [optional] = packed::packed_words(p),
        trained: state i8 [optional] = p.weights(false, p.trained),
        channels: constant u16 [optional] = p.trained,
        gx: write i8 = p.inputs(),
        scratch: scratch u8 [optional] = scratch::pointwise_input_grad(p),
    }
    /// A convolution of few channels with a window, none of whose weights is trained, with the bounds of int8: see `ConvParams`. Weights are those of a
    /// window: see `spec::packed`.
    Window "tt_window" as k (p: ConvParams) -> nothing {
        where strips(p);
        x: read i8 = p.inputs(),
        wide: constant u32 = packed::window_words(p),
        bias: constant i32 = p.out_c,
        offset: state i32 [optional] = p.out_c,
        m: constant i32 = p.out_c,
        y: write i8 = p.outputs(),
        scratch: scratch u8 [optional] = scratch::window(p),
    }
    /// A depthwise convolution with a kernel of 3x3, 5x5 or 7x7, stride 1 or 2, as many channels out as in, all or none of them trained, and the bounds
    /// of int8: see `ConvParams`.
    DepthwiseSquare "tt_depthwise_square" as k (p: ConvParams) -> nothing {
        where {
            square(p)?;
            let aside = mask.is_some() || p.out_w % 4 != 0;
            all(&[
                ((p.lo, p.hi) == (-128, 127), "a bound"),
                (!aside || p.out_c % 8 == 0, "a mask or a width of so many channels"),
            ])
        };
        x: read i8 = p.inputs(),
        frozen: constant i8 [optional] = p.weights(true, p.out_c - p.trained),
        trained: state i8 [optional] = p.weights(true, p.trained),
        bias: constant i32 = p.out_c,
        offset: state i32 [optional] = p.out_c,
        m: constant i32 = p.out_c,
        y: write i8 = p.outputs(),
        mask: write u8 [optional] = mask(p.outputs()),
        scratch: scratch u8 [optional] = scratch::depthwise_square(p),
    }
    /// Input gradient of the same, like `tt_depthwise_input_grad`.
    DepthwiseSquareInputGrad "tt_depthwise_square_input_grad" as k (p: ConvParams, shift: i32) -> saturated {
        where square_grad(p, *shift);
        g: read i8 = p.outputs(),
        frozen: constant i8 [optional] = p.weights(true, p.out_c - p.trained),
        trained: state i8 [optional] = p.weights(true, p.trained),
        gx: write i8 = p.inputs(),
        scratch: scratch u8 [optional] = scratch::depthwise_square_input_grad(p),
    }
    /// Bias gradient and update: see `UpdateParams`. `layer` is `1 / s_x^2`; `u.bits` is not used (a bias has 8 residual bits). `base` is the imported
    /// bias, `offset` the trained distance from it, in place.
    BiasStep "tt_bias_step" as k (pixels: i32, channels: i32, u: UpdateParams, layer: Real31) -> nothing {
        where { update(u)?; all(&[(is_volume(&[*pixels, *channels]), "a size"), (is_real(layer), "the layer's factor")]) };
        g: read i8 = i64::from(*pixels) * i64::from(*channels),
        qas: constant u32 = *channels,
        base: constant i32 = *channels,
        offset: train i32 = *channels,
    }
    /// Sum of two tensors: see `AddParams`.
    Add "tt_add" as k (p: AddParams) -> nothing {
        where all(&[
            (is_volume(&[p.n]), "a size"),
            // A difference of int8 values times a multiplier is then below 2^39, in 64 bits.
            (is_int8(&[p.zero1, p.zero2, p.y_zero, p.lo, p.hi]) && p.lo <= p.hi, "a zero point or bound"),
        ]);
        a: read i8 [in_place y] = p.n,
        b: read i8 [in_place y] = p.n,
        y: write i8 = p.n,
        mask: write u8 [optional] = mask(p.n.into()),
    }
    /// Another scale, or a narrower range: see `RequantizeParams`.
    Requantize "tt_requantize" as k (p: RequantizeParams) -> nothing {
        where requantise(&[p.n], &[p.x_zero, p.y_zero], [p.lo, p.hi], p.m, p.left);
        x: read i8 [in_place y] = p.n,
        y: write i8 = p.n,
        mask: write u8 [optional] = mask(p.n.into()),
    }
    /// Average pooling: see `PoolParams`.
    AveragePool "tt_average_pool" as k (p: PoolParams) -> nothing {
        where pool(p);
        x: read i8 = p.inputs(),
        y: write i8 = p.outputs(),
        mask: write u8 [optional] = mask(p.outputs()),
    }
    /// Input gradient of average pooling: see `PoolParams`.
    AveragePoolGrad "tt_average_pool_grad" as k (p: PoolParams) -> saturated {
        where pool(p);
        g: read i8 = p.outputs(),
        mask: read u8 [optional] = mask(p.outputs()),
        gx: write i8 = p.inputs(),
    }
    /// Maximum pooling: see `PoolParams`.
    MaxPool "tt_max_pool" as k (p: PoolParams) -> nothing {
        where pool(p);
        x: read i8 = p.inputs(),
        y: write i8 = p.outputs(),
        mask: write u8 [optional] = mask(p.outputs()),
    }
    /// Input gradient of maximum pooling: see `PoolParams`.
    MaxPoolGrad "tt_max_pool_grad" as k (p: PoolParams) -> saturated {
        where pool(p);
        x: read i8 = p.inputs(),
        g: read i8 = p.outputs(),
        mask: read u8 [optional] = mask(p.outputs()),
        gx: write i8 = p.inputs(),
    }
    /// Mean over rows and columns: see `MeanParams`. `x` is `[pixels][c]`.
    Mean "tt_mean" as k (p: MeanParams) -> nothing {
        where {
            requantise(&[p.pixels, p.c], &[p.x_zero, p.y_zero], [p.lo, p.hi], p.m, p.left)?;
            // The sum of all differences must stay within int32.
            all(&[(p.pixels <= 1 << 23, "the number of pixels")])
        };
        x: read i8 = i64::from(p.pixels) * i64::from(p.c),
        y: write i8 = p.c,
        mask: write u8 [optional] = mask(p.c.into()),
    }
    /// SOFTMAX of int8 values: see `SoftmaxParams`. `x` and `y` are `[rows][n]`.
    Softmax "tt_softmax" as k (p: SoftmaxParams) -> nothing {
        where all(&[
            (is_volume(&[p.rows, p.n]), "a size"),
            (p.m >= 0 && is_logit_scale(&LogitScale { cap: p.cap.max(0) as u64, pre: 0, m: p.m as u32, s: p.s }), "the scale"),
        ]);
        x: read i8 = i64::from(p.rows) * i64::from(p.n),
        y: write i8 = i64::from(p.rows) * i64::from(p.n),
    }
    /// A function of single values: see `LookupParams`.
    Lookup "tt_lookup" as k (p: LookupParams) -> nothing {
        where all(&[(is_volume(&[p.n]), "a size"), (is_shift(p.s), "a shift")]);
        x: read i8 [in_place y] = p.n,
        table: constant i8 = 256,
        y: write i8 = p.n,
    }
    /// Input gradient of a function of single values: see `LookupParams`. `x` is the function's input.
    LookupGrad "tt_lookup_grad" as k (p: LookupParams) -> saturated {
        where all(&[(is_volume(&[p.n]), "a size"), (is_shift(p.s), "a shift")]);
        g: read i8 [in_place gx] = p.n,
        x: read i8 = p.n,
        slope: constant i32 = 256,
        gx: write i8 = p.n,
    }
    /// RESIZE_BILINEAR: see `ResizeParams`.
    ResizeBilinear "tt_resize_bilinear" as k (p: ResizeParams) -> nothing {
        where all(&[
            (is_volume(&[p.in_h, p.in_w, p.c]) && is_volume(&[p.out_h, p.out_w, p.c]), "a size"),
            (p.axes().iter().all(|a| a.fits()) && is_shift(p.shift), "a step or shift"),
        ]);
        x: read i8 = p.inputs(),
        y: write i8 = p.outputs(),
    }
    /// Its input gradient: see `ResizeParams`.
    ResizeBilinearGrad "tt_resize_bilinear_grad" as k (p: ResizeParams) -> saturated {
        where all(&[
            (is_volume(&[p.in_h, p.in_w, p.c]) && is_volume(&[p.out_h, p.out_w, p.c]), "a size"),
            (p.axes().iter().all(|a| a.fits()) && is_shift(p.shift), "a step or shift"),
        ]);
        g: read i8 = p.outputs(),
        gx: write i8 = p.inputs(),
    }
    /// Product of two tensors: see `MulParams`.
    Mul "tt_mul" as k (p: MulParams) -> nothing {
        where product(p);
        a: read i8 [in_place y] = p.n,
        b: read i8 = p.c,
        y: write i8 = p.n,
        mask: write u8 [optional] = mask(p.n.into()),
    }
    /// Gradient of a product with respect to `a`: see `MulParams`.
    MulGrad "tt_mul_grad" as k (p: MulParams) -> saturated {
        where product(p);
        g: read i8 [in_place gx] = p.n,
        mask: read u8 [optional] = mask(p.n.into()),
        b: read i8 = p.c,
        gx: write i8 = p.n,
    }
    /// Gradient of a product with respect to `b`: see `MulParams`.
    MulSum "tt_mul_sum" as k (p: MulParams) -> saturated {
        where product(p);
        g: read i8 = p.n,
        mask: read u8 [optional] = mask(p.n.into()),
        a: read i8 = p.n,
        gx: write i8 = p.c,
    }
    /// Copies a box of bytes, forward or as a gradient: see `CopyParams`. Returns 0 for shift 0.
    CopyBox "tt_copy_box" as k (p: CopyParams) -> saturated {
        where copy(p);
        src: read i8 [at_least] = p.reach(p.src_offset, p.src_row, p.src_col),
        dst: update i8 [at_least] = p.reach(p.dst_offset, p.dst_row, p.dst_col),
    }
    /// Fills bytes with one value: see `FillParams`.
    Fill "tt_fill" as k (p: FillParams) -> nothing {
        where all(&[(is_volume(&[p.n]) && is_int8(&[p.value]), "a size or value")]);
        dst: write i8 = p.n,
    }
    /// Logits of the head: see `HeadParams`. `w` is `[classes][features]`.
    HeadLogits "tt_head_logits" as k (p: HeadParams) -> nothing {
        where head(p);
        x: read i8 = p.features,
        w: state i16 = i64::from(p.classes) * i64::from(p.features),
        bias: state i32 = p.classes,
        logits: write i64 = p.classes,
    }
    /// Logits to probabilities in Q0.31, in place, without a label.
    SoftmaxScores "tt_softmax_scores" as k (classes: i32, scale: LogitScale) -> head_result {
        where all(&[(is_volume(&[*classes]), "the number of classes"), (is_logit_scale(scale), "the scale of the logits")]);
        logits: update i64 = *classes,
    }
    /// The same with a label: the loss, the error `e` and its shift. Where the result says that no error is left the backward pass is skipped.
    HeadError "tt_head_error" as k (classes: i32, scale: LogitScale, label: Label) -> head_result {
        where all(&[(is_volume(&[*classes]), "the number of classes"), (is_logit_scale(scale), "the scale of the logits")]);
        logits: update i64 = *classes,
        e: write i16 = *classes,
    }
    /// Input gradient of the head: see `HeadParams`.
    HeadInputGrad "tt_head_input_grad" as k (p: HeadParams) -> saturated {
        where head(p);
        w: state i16 = i64::from(p.classes) * i64::from(p.features),
        e: read i16 = p.classes,
        gx: write i8 = p.features,
    }
    /// Update of the head: see `HeadParams`. `weight_q` is `s_x 2^13`, `bias_q` is `2^13 / s_x`; `w` and `bias` in place.
    HeadUpdate "tt_head_update" as kernel (p: HeadParams, lr: HeadRate, k: ErrorShift, weight_q: Real31, bias_q: Real31) -> nothing {
        where { head(p)?; all(&[(is_real(weight_q) && is_real(bias_q), "a factor of the update")]) };
        x: read i8 = p.features,
        e: read i16 = p.classes,
        w: train i16 = i64::from(p.classes) * i64::from(p.features),
        bias: train i32 = p.classes,
    }
    /// A gradient scaled and masked: see `GradScaleParams`. Without `m` the multiplier is `p->m` and the shift `p->s` for all; without `mask` nothing
    /// was clamped. Ignores `repeat`.
    GradScale "tt_grad_scale" as k (p: GradScaleParams) -> saturated {
        where { grad_scale(p, false)?; all(&[(m.is_some() || shift.is_none(), "shifts without multipliers")]) };
        g: read i8 [in_place gx] = p.n,
        mask: read u8 [optional] = mask(p.n.into()),
        m: constant i32 [optional] = p.channels,
        shift: constant u8 [optional] = p.channels,
        gx: write i8 = p.n,
    }
    /// The same, the `n` results written `repeat` times one after the other.
    GradRepeat "tt_grad_repeat" as k (p: GradScaleParams) -> saturated {
        where { grad_scale(p, true)?; all(&[(m.is_none() && shift.is_none(), "multipliers by channel")]) };
        g: read i8 = p.n,
        mask: read u8 [optional] = mask(p.n.into()),
        m: constant i32 [optional] = p.channels,
        shift: constant u8 [optional] = p.channels,
        gx: write i8 = i64::from(p.n) * i64::from(p.repeat),
    }
    /// Sum of two contributions to a gradient: see `SumParams`.
    Sum "tt_sum" as k (p: SumParams) -> saturated {
        where all(&[(is_volume(&[p.n]), "a size")]);
        a: read i8 [in_place gx] = p.n,
        b: read i8 [in_place gx] = p.n,
        gx: write i8 = p.n,
    }
}

impl CopyParams {
    /// One past the last byte of a box that begins at `offset`.
    fn reach(&self, offset: i32, row: i32, col: i32) -> i64 {
        let [offset, row, col] = [offset, row, col].map(i64::from);
        offset + i64::from(self.h - 1) * row + i64::from(self.w - 1) * col + i64::from(self.c)
    }
}
