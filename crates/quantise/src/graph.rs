//! A float network: values of rows, columns and channels at batch 1, and the operations that yield them, in order.

use tinytrain_ir::{Function, PoolSpec, Quant, Shape};

/// Index of a value; value 0 is the input.
pub type ValueId = usize;

/// A tensor between two operations.
#[derive(Clone, Debug)]
pub struct Value {
    /// Rows, columns and channels.
    pub shape: Shape,
    /// A quantisation that the file states (QuantizeLinear), or that an operation always has.
    pub stated: Option<Quant>,
}

/// Rows and columns of a window, its strides and dilations, and the padding at the top, left, bottom and right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub dilation: [usize; 2],
    pub pads: [usize; 4],
}

impl Window {
    /// A window of one element.
    pub const ONE: Self = Self { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], pads: [0; 4] };

    /// Rows and columns of the result; none where no window fits.
    pub fn output(&self, shape: Shape) -> Option<[usize; 2]> {
        let along = |i: usize, size: usize| {
            let reach = (self.kernel[i].checked_sub(1)?).checked_mul(self.dilation[i])?.checked_add(1)?;
            let padded = size.checked_add(self.pads[i])?.checked_add(self.pads[i + 2])?;
            Some(padded.checked_sub(reach)?.checked_div(self.stride[i])? + 1)
        };
        Some([along(0, shape.h)?, along(1, shape.w)?])
    }

    /// The padding that SAME has in a `.tflite`.
    pub fn same(&self, shape: Shape) -> [usize; 4] {
        let reach: [usize; 2] = std::array::from_fn(|i| (self.kernel[i] - 1) * self.dilation[i] + 1);
        let PoolSpec { pad: [top, left], out, .. } = PoolSpec::same(shape, reach, self.stride);
        let behind = |i: usize, size: usize, before: usize| {
            ((out[i] - 1) * self.stride[i] + reach[i]).saturating_sub(size + before)
        };
        [top, left, behind(0, shape.h, top), behind(1, shape.w, left)]
    }
}

/// Bounds of a fused activation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    pub low: f32,
    pub high: f32,
}

impl Bounds {
    /// No activation.
    pub const NONE: Self = Self { low: f32::NEG_INFINITY, high: f32::INFINITY };

    /// Both one after the other.
    pub fn and(self, then: Self) -> Self {
        Self { low: self.low.clamp(then.low, then.high), high: self.high.clamp(then.low, then.high) }
    }

    /// A value within them.
    pub fn hold(self, v: f32) -> f32 {
        v.max(self.low).min(self.high)
    }
}

/// A convolution; its weights are rows (output channels) of kernel rows, kernel columns and input channels, or for a depthwise one kernel rows, kernel
/// columns and output channels.
#[derive(Clone, Debug)]
pub struct Conv {
    pub window: Window,
    pub depthwise: bool,
    pub outputs: usize,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
}

impl Conv {
    /// The output channel of a weight.
    pub fn channel(&self, weight: usize) -> usize {
        if self.depthwise { weight % self.outputs } else { weight / (self.weights.len() / self.outputs) }
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub enum Op {
    Conv(Conv),
    /// Every element of the input by every output's weights, outputs first: a FULLY_CONNECTED.
    Dense(Conv),
    Add,
    Mul,
    /// Along rows (0), columns (1) or channels (2).
    Concat(usize),
    MaxPool(Window),
    AveragePool(Window),
    /// Over all pixels.
    Mean,
    /// Zeros at the top, left, bottom and right.
    Pad([usize; 4]),
    Reshape,
    /// Nothing but its activation.
    Bounded,
    Function(Function),
    Softmax,
}

/// An operation with its operands; its fused activation comes last.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    pub inputs: Vec<ValueId>,
    pub output: ValueId,
    pub bounds: Bounds,
}

/// A float network.
#[derive(Clone, Debug)]
pub struct Network {
    pub values: Vec<Value>,
    pub nodes: Vec<Node>,
    pub output: ValueId,
}

/// What a forward pass takes: numbers as `f64`, which no file makes overflow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Work {
    /// Products and gathered elements.
    pub products: f64,
    /// Elements of all values.
    pub elements: f64,
    /// Operations.
    pub operations: usize,
}

impl Network {
    pub fn work(&self) -> Work {
        let volume = |s: Shape| s.h as f64 * s.w as f64 * s.c as f64;
        let (mut products, mut elements) = (0.0, volume(self.values[0].shape));
        for node in &self.nodes {
            let y = self.values[node.output].shape;
            let taps = match &node.op {
                Op::Conv(c) | Op::Dense(c) => c.weights.len() as f64 / c.outputs as f64,
                Op::MaxPool(w) | Op::AveragePool(w) => w.kernel[0] as f64 * w.kernel[1] as f64,
                _ => 1.0,
            };
            products += volume(y) * taps;
            elements += volume(y);
        }
        Work { products, elements, operations: self.nodes.len() }
    }
}
