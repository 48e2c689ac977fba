//! Scratch of the C kernels: how many bytes each takes, as pure functions of its parameters. A kernel is told how many it has, and works with any number
//! from the least on; more save it repeated work, up to the most. The compiler chooses. The host's kernels keep scratch of their own, which nobody counts.
//! Kernels that are not named here take none.

use crate::params::ConvParams;

/// Bytes of scratch that a kernel can work with. Its scratch is 8-byte aligned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// It needs these.
    pub least: u32,
    /// More than these save nothing.
    pub most: u32,
}

/// Bytes from which on more scratch pays little, so that no arena should grow for it.
const USUAL: u32 = 2048;

impl Room {
    /// A share for every unit of work that is held at once, from one unit to all, beside what is needed in any case.
    fn shares(always: i32, share: i32, units: i32) -> Self {
        let [always, share, units] = [always, share, units].map(i64::from);
        Self::between(always + share, always + share * units)
    }

    /// Sizes that no memory has are all one.
    fn between(least: i64, most: i64) -> Self {
        let bytes = |n: i64| u32::try_from(n).unwrap_or(u32::MAX);
        Self { least: bytes(least), most: bytes(most) }
    }

    /// At least the least of another kernel.
    fn max(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.max(other.least) }
    }

    /// Bytes that a planned arena sets aside for it.
    pub fn usual(self) -> u32 {
        self.most.min(self.least.max(USUAL))
    }
}

/// Output pixels over which a weight gradient sums at a time.
pub const PIXELS: i32 = 256;

fn up4(n: i32) -> i32 {
    (n + 3) & !3
}

fn long(a: i32, b: i32) -> i64 {
    i64::from(a) * i64::from(b)
}

fn ceil_div(a: i32, b: i32) -> i32 {
    (a + b - 1) / b
}

/// Bytes of four columns of `n` int16.
fn columns(n: i32) -> i32 {
    8 * up4(n)
}

/// Full convolution: columns of inputs, four at least; unless a pixel's inputs lie together in the order of the
/// weights, also one pixel's as int8.
pub fn conv(p: &ConvParams) -> Room {
    let trained = p.kh * p.kw * p.trained;
    let frozen = p.kh * p.kw * p.in_c - trained;
    let direct = p.kh == 1
        && p.kw == 1
        && p.pad_top == 0
        && p.pad_left == 0
        && (frozen == 0 || trained == 0)
        && (p.out_h - 1) * p.stride_h < p.in_h
        && (p.out_w - 1) * p.stride_w < p.in_w;
    let quad = columns(frozen) + columns(trained);
    Room::shares(if direct { 0 } else { quad / 8 }, quad, ceil_div(p.out_h * p.out_w, 4))
}

/// Input gradient of a full convolution: four columns of weights over all taps and output channels.
pub fn conv_input_grad(p: &ConvParams) -> Room {
    Room::shares(0, p.kh * p.kw * columns(p.out_c), 1)
}

/// Weight step of a full convolution: four columns of gradients, rows of inputs, and the sums so far where the pixels
/// do not fit at once.
pub fn conv_weight_step(p: &ConvParams) -> Room {
    let all = p.out_h * p.out_w;
    let row = up4(all.min(PIXELS));
    Room::shares(8 * row, row + if all > PIXELS { 16 } else { 0 }, (p.kh * p.kw * p.trained).max(1))
}

/// Rows of inputs that a weight step holds at once in `room` bytes.
pub fn weight_step_rows(p: &ConvParams, room: u32) -> i32 {
    let Room { least, most } = conv_weight_step(p);
    let weights = (p.kh * p.kw * p.trained).max(1);
    let share = if weights > 1 { (most - least) / (weights as u32 - 1) } else { 1 };
    (1 + (room.max(least) - least) / share).min(weights as u32) as i32
}

/// Words of weights of a kernel row and words of a plane's row, for outputs whose windows lie `step` columns apart.
fn plane(kw: i32, outputs: i32, step: i32) -> (i32, i32) {
    let taps = kw / 2 + 1;
    (if step & 1 == 1 { 2 * taps } else { taps }, ((step * (up4(outputs) - 1)) >> 1) + taps)
}

/// Depthwise convolution: the planes of a band of rows, and their weights.
pub fn depthwise(p: &ConvParams) -> Room {
    let (row, words) = plane(p.kw, p.out_w, p.stride_w);
    let group = p.in_c.min(4);
    let rows = |band: i32| (long(band - 1, p.stride_h) + i64::from(p.kh)).min(p.in_h.into()) as i32;
    let bytes = |band: i32| 4 * i64::from(group) * (long(rows(band), words) + long(p.out_c / p.in_c * p.kh, row));
    Room::between(bytes(1), bytes(p.out_h))
}

/// Input gradient of a depthwise convolution: planes of gradients and their weights.
pub fn depthwise_input_grad(p: &ConvParams) -> Room {
    let (row, words) = plane(p.kw, p.in_w, 1);
    let multiplier = p.out_c / p.in_c;
    let planes = if multiplier == 1 { p.in_c.min(4) } else { multiplier };
    let rows = |band: i32| ((band + p.kh - 2) / p.stride_h + 1).min(p.out_h);
    let bytes = |band: i32| 4 * i64::from(planes) * (long(rows(band), words) + long(p.kh, row));
    Room::between(bytes(1), bytes(p.in_h))
}

/// Weight step of a depthwise convolution: a band of one channel's gradient and input, and the sums of its weights.
pub fn depthwise_weight_step(p: &ConvParams) -> Room {
    let gw = ceil_div(p.out_w, 2);
    let xw = ((2 * gw - 1) * p.stride_w + p.kw + 1) / 2;
    let rows = |band: i32| (long(band - 1, p.stride_h) + i64::from(p.kh)).min(p.in_h.into()) as i32;
    let bytes = |band: i32| 4 * (long(band, gw) + long(rows(band), xw) + long(p.kh, p.kw));
    Room::between(bytes(1), bytes(p.out_h))
}

/// Pointwise convolution over packed weights: columns of inputs, four at least, with a mask eight outputs of each pixel as int16; where weights are
/// trained, a pair of rows.
pub fn pointwise(p: &ConvParams) -> Room {
    let row = if p.trained > 0 { 2 * up4(p.in_c) } else { 0 };
    Room::shares((row + 7) & !7, columns(p.in_c) + 64, p.out_h * p.out_w / 4)
}

/// Pointwise convolution over int16 weights: columns of inputs.
pub fn pointwise_wide(p: &ConvParams) -> Room {
    Room::shares(0, columns(p.in_c), p.out_h * p.out_w / 4)
}

/// Input gradient of a pointwise convolution: columns of gradients, and the weights of four input channels.
pub fn pointwise_input_grad(p: &ConvParams) -> Room {
    Room::shares(columns(p.out_c), columns(p.out_c), p.out_h * p.out_w / 4)
}

/// Words of a kernel row's weights in the order in which the square depthwise kernels multiply them.
fn square_words(k: i32, stride: i32) -> i32 {
    match (k, stride) {
        (3, _) => 2,
        (5, 1) | (7, 2) => 4,
        (5, _) => 3,
        _ => 6,
    }
}

/// Depthwise convolution with a square kernel: the planes of a band of rows, a row of the table of where each output row begins, eight channels of
/// outputs as int16, the weights of four channels. As much as the kernel for all shapes at least, which stands in where a core has no DSP instructions.
pub fn depthwise_square(p: &ConvParams) -> Room {
    let (k, stride, width) = (p.kh, p.stride_h, up4(p.out_w));
    let words = if stride == 1 { width / 2 } else { width } + k / 2;
    let always = 16 * (k * square_words(k, stride) + (k - stride) * words);
    let room = Room::shares(always, 16 * stride * words + 12 + 16 * width, p.out_h);
    room.max(depthwise(p))
}

/// Its input gradient: the planes of a band of rows, or at stride 2 of all of them.
pub fn depthwise_square_input_grad(p: &ConvParams) -> Room {
    let k = p.kh;
    let room = if p.stride_h == 1 {
        let words = p.in_w / 2 + k / 2;
        Room::shares(16 * (k * square_words(k, 1) + (k - 1) * words), 16 * words + 12, p.in_h)
    } else {
        Room::shares(0, 16 * (p.out_h * (p.out_w / 2 + 2) + 48) + 12 * p.out_h, 1)
    };
    room.max(depthwise_input_grad(p))
}

/// Convolution of few channels with a window: a strip of int16 for each row of the kernel, and columns of four pixels at least.
pub fn window(p: &ConvParams) -> Room {
    let reach = long((p.out_w - 1) * p.stride_w + p.kw, p.in_c) + 1;
    let strip = (reach.max(long(p.pad_left + p.in_w, p.in_c)) + 3) / 2;
    let strips = 4 * i64::from(p.kh) * strip;
    let quad = 16 * long(p.kh, (p.kw * p.in_c + 1) / 2);
    Room::between(strips + quad, strips + quad * i64::from(p.out_w / 4))
}
