use std::collections::BTreeMap;
use std::sync::Arc;

use tinytrain_spec::arith::Requant;
use tinytrain_spec::params::*;

use crate::{Function, Op};

/// Height, width, channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Shape {
    /// A shape of `h` rows, `w` columns and `c` channels.
    pub fn new(h: usize, w: usize, c: usize) -> Self {
        Self { h, w, c }
    }
    /// Number of elements.
    pub fn len(self) -> usize {
        self.h * self.w * self.c
    }
    /// Whether it has no elements.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }
    /// Rows times columns.
    pub fn pixels(self) -> usize {
        self.h * self.w
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}x{}", self.h, self.w, self.c)
    }
}

/// Quantisation of an int8 tensor: `real = (q - zero) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quant {
    /// Scale.
    pub scale: f64,
    /// Zero point, -128 to 127.
    pub zero: i32,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);
        impl $name {
            /// The id as an index.
            pub fn index(self) -> usize { self.0 as usize }
        }
    )*};
}
ids!(
    /// A tensor of the graph.
    TensorId,
    /// A convolution's parameters; the number is the convolution's place in order of execution, from 0.
    LayerId
);

/// The variable with respect to which a gradient is taken. All gradients with the same `Wrt` share one exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wrt {
    /// The integer values of a tensor.
    Value(TensorId),
    /// The accumulators of a convolution.
    Acc(LayerId),
}

/// The contents of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// int8 values of the forward pass.
    Activation(Quant),
    /// One bit per element of the op's output: 1 where the element was not clamped.
    Mask,
    /// int8 gradient.
    Gradient(Wrt),
    /// The head's error, one int16 per class.
    Error,
    /// int32 sums: a weight or bias gradient that was not fused with its update.
    Sums,
}

/// The position of a node in the model file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Index of the operator.
    pub op: Option<usize>,
    /// Index of the operator's output tensor.
    pub tensor: Option<usize>,
}

/// A tensor.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Name, for people to read.
    pub name: String,
    /// Shape, in elements.
    pub shape: Shape,
    /// Contents.
    pub kind: Kind,
    /// Index of the tensor in the model file.
    pub source: Option<usize>,
}

impl Tensor {
    /// Size in the arena, in bytes.
    pub fn bytes(&self) -> usize {
        match self.kind {
            Kind::Activation(_) | Kind::Gradient(_) => self.shape.len(),
            Kind::Mask => self.shape.len().div_ceil(8),
            Kind::Error => self.shape.len() * 2,
            Kind::Sums => self.shape.len() * 4,
        }
    }
    /// Quantisation, if the tensor is an activation.
    pub fn quant(&self) -> Option<Quant> {
        match self.kind {
            Kind::Activation(q) => Some(q),
            _ => None,
        }
    }
}

/// The trained part of a layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Training {
    /// Channels whose weights are trained, ascending: input channels, or the output channels of a depthwise convolution.
    pub channels: Vec<u16>,
    /// Whether the biases are trained.
    pub bias: bool,
}

/// A convolution's parameters. A fully connected layer is a convolution on a 1x1 map.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Name, for people to read.
    pub name: String,
    /// Geometry, zero points and bounds. `trained` equals `training.channels.len()`.
    pub geo: ConvParams,
    /// Depthwise or full.
    pub depthwise: bool,
    /// int8 weights as imported: OHWI, or HWC for a depthwise convolution.
    pub weights: Arc<[i8]>,
    /// int32 biases as imported.
    pub bias: Arc<[i32]>,
    /// Output scale of each channel.
    pub requant: Vec<Requant>,
    /// Scale of the input.
    pub x_scale: f64,
    /// Scale of each output channel's weights.
    pub w_scales: Vec<f64>,
    /// Per output channel: false if it is never updated, because its output scale is too small or its bias too large.
    pub live: Vec<bool>,
    /// The trained part.
    pub training: Training,
}

impl Layer {
    /// Multiply-accumulates of the forward pass (padding included, as is customary).
    pub fn macs(&self) -> u64 {
        let g = &self.geo;
        let taps = (g.kh * g.kw) as u64 * if self.depthwise { 1 } else { g.in_c as u64 };
        (g.out_h * g.out_w) as u64 * g.out_c as u64 * taps
    }
    /// Number of channels from which a share is selected: input channels, or the output channels of a depthwise convolution.
    pub fn selectable(&self) -> usize {
        if self.depthwise { self.geo.out_c as usize } else { self.geo.in_c as usize }
    }
    /// Number of weights of one selectable channel.
    pub fn weights_per_channel(&self) -> usize {
        (self.geo.kh * self.geo.kw) as usize * if self.depthwise { 1 } else { self.geo.out_c as usize }
    }
    /// The selectable channel to which the weight at flat `index` belongs.
    pub fn channel_of(&self, index: usize) -> usize {
        index % self.selectable()
    }
    /// Number of elements of the input.
    pub fn input_len(&self) -> usize {
        (self.geo.in_h * self.geo.in_w * self.geo.in_c) as usize
    }
}

/// The trainable head.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The feature tensor, 1x1xF.
    pub features: TensorId,
    /// The quantisation of the features.
    pub quant: Quant,
    /// Number of classes.
    pub classes: usize,
    /// Seed of its initial weights.
    pub seed: u64,
    /// What each class starts with; one without a row starts at random.
    pub rows: Vec<Option<HeadRow>>,
}

/// The weights with which a class of the head starts, in the head's own units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeadRow {
    /// One weight per feature, 13 fraction bits.
    pub weights: Vec<i16>,
    /// In units of the features' scale times `2^-13`.
    pub bias: i32,
}

/// The classifier that a model brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classifier {
    /// What it reads.
    pub features: TensorId,
    /// Each of its classes as a class of a head on these features.
    pub rows: Vec<HeadRow>,
}

/// A box of elements that is copied, each row, column and channel at its stride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MovedBox {
    /// Rows, columns, channels of the box.
    pub size: Shape,
    /// Where it is read.
    pub from: Steps,
    /// Where it is written.
    pub to: Steps,
}

/// Places of a box's elements: element `(i, j, k)` lies at `first + i * row + j * column + k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The first element.
    pub first: usize,
    /// From a row to the next.
    pub row: usize,
    /// From a column to the next.
    pub column: usize,
}

/// Elements of a tensor at other places of another: slices, transpositions, enlargement. What no box writes is the zero point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// The operator's name in the model's format, for people.
    pub name: &'static str,
    /// What is copied; no two boxes write the same element.
    pub boxes: Vec<MovedBox>,
    /// Whether several boxes read the same element. Then each box reads every element once.
    pub repeats: bool,
}

impl Movement {
    /// The movement of gradients against one of the boxes, or all of them.
    pub fn reversed(&self, boxes: &[MovedBox]) -> Self {
        let turned = boxes.iter().map(|b| MovedBox { size: b.size, from: b.to, to: b.from });
        Self { name: self.name, boxes: turned.collect(), repeats: false }
    }

    /// Elements that are written.
    pub fn written(&self) -> usize {
        self.boxes.iter().map(|b| b.size.len()).sum()
    }
}

/// A function of int8 values by its tables, both indexed by the value + 128.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// The function.
    pub function: Function,
    /// Its values.
    pub table: [i8; 256],
    /// Its slopes in integer units, as multiples of `2^-SLOPE_BITS`.
    pub slope: [i32; 256],
}

impl Lookup {
    /// Fraction bits of a slope.
    pub const SLOPE_BITS: i32 = 20;
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// The operation.
    pub op: Op,
    /// Tensors it reads.
    pub inputs: Vec<TensorId>,
    /// Tensors it writes.
    pub outputs: Vec<TensorId>,
    /// Its position in the model file.
    pub origin: Origin,
}

/// A graph: nodes in order of execution.
#[derive(Clone, Debug)]
pub struct Graph {
    /// The model's name.
    pub name: String,
    /// All tensors, by id.
    pub tensors: Vec<Tensor>,
    /// Nodes in order of execution.
    pub nodes: Vec<Node>,
    /// Convolutions in order of execution.
    pub layers: Vec<Layer>,
    /// The model's input: one sample.
    pub input: TensorId,
    /// The model's outputs.
    pub outputs: Vec<TensorId>,
    /// The classifier, where the file says which it is. It is then not among the nodes.
    pub classifier: Option<Classifier>,
    /// The trainable head, once it is attached.
    pub head: Option<Head>,
    /// Exponents of gradients relative to the head's error, once calibrated.
    pub exponents: BTreeMap<Wrt, i32>,
}

impl Graph {
    /// The tensor with this id.
    pub fn tensor(&self, id: TensorId) -> &Tensor {
        &self.tensors[id.index()]
    }
    /// The layer with this id.
    pub fn layer(&self, id: LayerId) -> &Layer {
        &self.layers[id.index()]
    }
    /// Appends a tensor and returns its id.
    pub fn push_tensor(&mut self, name: String, shape: Shape, kind: Kind) -> TensorId {
        self.tensors.push(Tensor { name, shape, kind, source: None });
        TensorId(self.tensors.len() as u32 - 1)
    }
    /// For each tensor, the index of the node that writes it, if any.
    pub fn producers(&self) -> Vec<Option<usize>> {
        let mut p = vec![None; self.tensors.len()];
        for (n, node) in self.nodes.iter().enumerate() {
            for o in &node.outputs {
                p[o.index()] = Some(n);
            }
        }
        p
    }
    /// For each tensor, how often it is an input of a node or an output of the graph.
    pub fn uses(&self) -> Vec<usize> {
        let mut u = vec![0; self.tensors.len()];
        for t in self.nodes.iter().flat_map(|n| &n.inputs).chain(&self.outputs) {
            u[t.index()] += 1;
        }
        u
    }
}
