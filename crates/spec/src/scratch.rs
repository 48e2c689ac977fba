//! Bytes of scratch that each C kernel needs, 8-byte aligned: pure functions of its parameters, so that the plan counts
//! what the device uses. The host's kernels keep scratch of their own, which nobody counts. The C files hold the same
//! formulas (`tt_<kernel>_scratch`) beside the code that they are about; a conformance test holds the two together.
//! Kernels that are not named here need none.

use crate::params::ConvParams;

/// Bytes of input that a depthwise kernel widens at a time, unless a single window needs more.
const BAND_BYTES: i32 = 3072;
/// Bytes of columns that a convolution holds, unless four need more.
const COLUMN_BYTES: i32 = 2048;
/// Output pixels over which a weight gradient sums at a time.
pub const PIXELS: i32 = 256;
/// Bytes of gathered input that a weight gradient holds at a time.
pub const ROW_BYTES: i32 = 3072;

fn up4(n: i32) -> i32 {
    (n + 3) & !3
}

fn ceil_div(a: i32, b: i32) -> i32 {
    (a + b - 1) / b
}

/// Four columns of `n` int16, in words.
fn column_words(n: i32) -> i32 {
    2 * up4(n)
}

/// Full convolution: columns of inputs, four at least; unless a pixel's inputs lie together in the order of the
/// weights, also one pixel's as int8.
pub fn conv(p: &ConvParams) -> u32 {
    let trained = p.kh * p.kw * p.trained;
    let frozen = p.kh * p.kw * p.in_c - trained;
    let direct = p.kh == 1
        && p.kw == 1
        && p.pad_top == 0
        && p.pad_left == 0
        && (frozen == 0 || trained == 0)
        && (p.out_h - 1) * p.stride_h < p.in_h
        && (p.out_w - 1) * p.stride_w < p.in_w;
    let words = column_words(frozen) + column_words(trained);
    let quads = (COLUMN_BYTES / (4 * words)).clamp(1, ceil_div(p.out_h * p.out_w, 4));
    (4 * words * quads + if direct { 0 } else { words / 2 }) as u32
}

/// Input gradient of a full convolution: four columns of weights over all taps and output channels.
pub fn conv_input_grad(p: &ConvParams) -> u32 {
    (4 * p.kh * p.kw * column_words(p.out_c)) as u32
}

/// Weight step of a full convolution: four columns of gradients, rows of inputs, and the sums so far where the pixels
/// do not fit at once.
pub fn conv_weight_step(p: &ConvParams) -> u32 {
    let all = p.out_h * p.out_w;
    let row = up4(all.min(PIXELS));
    let rows = (p.kh * p.kw * p.trained).min(ROW_BYTES / row);
    (8 * row + rows * row + if all > PIXELS { 16 * rows } else { 0 }) as u32
}

/// Words of weights of a kernel row and words of a plane's row, for outputs whose windows lie `step` columns apart.
fn plane(kw: i32, outputs: i32, step: i32) -> (i32, i32) {
    let taps = kw / 2 + 1;
    (if step & 1 == 1 { 2 * taps } else { taps }, ((step * (up4(outputs) - 1)) >> 1) + taps)
}

/// Rows of output that a band serves.
fn band(planes: i32, words: i32, kh: i32, stride: i32, outputs: i32) -> i32 {
    ((BAND_BYTES / (4 * planes * words) - kh) / stride + 1).clamp(1, outputs)
}

/// Depthwise convolution: the planes of a band of rows, and their weights.
pub fn depthwise(p: &ConvParams) -> u32 {
    let (row, words) = plane(p.kw, p.out_w, p.stride_w);
    let group = p.in_c.min(4);
    let band = band(group, words, p.kh, p.stride_h, p.out_h);
    let rows = ((band - 1) * p.stride_h + p.kh).min(p.in_h);
    (4 * group * (rows * words + p.out_c / p.in_c * p.kh * row)) as u32
}

/// Input gradient of a depthwise convolution: planes of gradients and their weights.
pub fn depthwise_input_grad(p: &ConvParams) -> u32 {
    let (row, words) = plane(p.kw, p.in_w, 1);
    let multiplier = p.out_c / p.in_c;
    let planes = if multiplier == 1 { p.in_c.min(4) } else { multiplier };
    let band = band(planes, words, ceil_div(p.kh, p.stride_h), 1, p.in_h);
    let rows = ((band + p.kh - 2) / p.stride_h + 1).min(p.out_h);
    (4 * planes * (rows * words + p.kh * row)) as u32
}

/// Weight step of a depthwise convolution: a band of one channel's gradient and input, and the sums of its weights.
pub fn depthwise_weight_step(p: &ConvParams) -> u32 {
    let gw = ceil_div(p.out_w, 2);
    let xw = ((2 * gw - 1) * p.stride_w + p.kw + 1) / 2;
    let band = ((BAND_BYTES / 4 - p.kh * xw) / (gw + p.stride_h * xw) + 1).clamp(1, p.out_h);
    let rows = ((band - 1) * p.stride_h + p.kh).min(p.in_h);
    (4 * (band * gw + rows * xw + p.kh * p.kw)) as u32
}
