//! The ops, each said once: a row of the table names its parameters, the kinds of tensors that its node reads and writes, and the part of a training step
//! that it belongs to; its rule for shapes stands below.

use std::ops::RangeInclusive;
use std::sync::Arc;

use tinytrain_spec::params::*;

use crate::{Graph, Kind, Layer, LayerId, Lookup, Movement, Node, Shape, TensorId, Wrt};

/// The kind of tensor required for an operand of an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Activation,
    Mask,
    /// A gradient with respect to a tensor's values.
    Gradient,
    /// A gradient with respect to the accumulators of the node's own layer.
    Accumulators,
    Error,
    Sums,
}

impl Form {
    pub(crate) fn fits(self, kind: &Kind, layer: Option<LayerId>) -> bool {
        match (self, kind) {
            (Self::Activation, Kind::Activation(_))
            | (Self::Mask, Kind::Mask)
            | (Self::Gradient, Kind::Gradient(Wrt::Value(_)))
            | (Self::Error, Kind::Error)
            | (Self::Sums, Kind::Sums) => true,
            (Self::Accumulators, Kind::Gradient(Wrt::Acc(l))) => Some(*l) == layer,
            _ => false,
        }
    }
}

/// The operands of an op.
pub(crate) struct Signature {
    pub inputs: &'static [Form],
    pub outputs: &'static [Form],
    /// Further inputs like the last one.
    many: bool,
    /// Whether a mask may be a further output.
    mask: bool,
}

impl Signature {
    /// How many inputs and how many outputs a node may have.
    pub fn counts(&self) -> (RangeInclusive<usize>, RangeInclusive<usize>) {
        let most = if self.many { usize::MAX } else { self.inputs.len() };
        (self.inputs.len()..=most, self.outputs.len()..=self.outputs.len() + self.mask as usize)
    }
}

/// The part of a training step that an op belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Forward,
    Backward,
    /// Of the backward pass, and changes trainable state.
    Update,
}

/// Writes the enum and what follows from the rows.
macro_rules! ops {
    ($(
        $(#[doc = $doc:literal])*
        $part:ident $op:ident $(($($ty:ty),*))? $({ $($(#[doc = $fdoc:literal])* $field:ident: $fty:ty),* $(,)? })? $name:literal:
            [$($input:ident),* $(; $many:ident)?] -> [$($output:ident),* $(; $mask:ident)?];
    )*) => {
        /// An operation.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Op {
            $(
                $(#[doc = $doc])*
                #[doc = concat!("\n\n`[", stringify!($($input),*) $(, "; ", stringify!($many))?, "] -> [", stringify!($($output),*) $(, "; ", stringify!($mask))?, "]`")]
                $op $(($($ty),*))? $({ $($(#[doc = $fdoc])* $field: $fty),* })?,
            )*
        }

        impl Op {
            /// The op's name in dumps and error messages.
            pub fn name(&self) -> &'static str {
                match self { $(Self::$op { .. } => $name,)* }
            }

            fn part(&self) -> Part {
                match self { $(Self::$op { .. } => Part::$part,)* }
            }

            /// Its operands.
            pub(crate) fn signature(&self) -> Signature {
                use Form::*;
                match self {$(
                    Self::$op { .. } => Signature {
                        inputs: &[$($input),*],
                        outputs: &[$($output),*],
                        many: [$(stringify!($many)),*].contains(&"many"),
                        mask: [$(stringify!($mask)),*].contains(&"mask"),
                    },
                )*}
            }
        }
    };
}

// `part Variant(parameters) "name": [inputs] -> [outputs]`: after `; many` further inputs like the last one, after `; mask` a mask as a further output, where one
// is wanted.
ops! {
    /// A convolution: `x` to `y`.
    Forward Conv(LayerId) "conv": [Activation] -> [Activation; mask];
    /// A sum: `a`, `b` to `y`; the ratios are `s_i / s_y`.
    Forward Add(AddParams, [f64; 2]) "add": [Activation, Activation] -> [Activation; mask];
    /// Average pooling.
    Forward AveragePool(PoolParams) "average_pool": [Activation] -> [Activation; mask];
    /// Maximum pooling.
    Forward MaxPool(PoolParams) "max_pool": [Activation] -> [Activation; mask];
    /// The mean over rows and columns; the ratio is `s_x / (s_y pixels)`.
    Forward Mean(MeanParams, f64) "mean": [Activation] -> [Activation; mask];
    /// Another scale; the ratio is `s_x / s_y`.
    Forward Requantize(RequantizeParams, f64) "requantize": [Activation] -> [Activation; mask];
    /// `x` surrounded by rows and columns of the zero point.
    Forward Pad {
        /// Rows above.
        top: usize,
        /// Columns to the left.
        left: usize,
    } "pad": [Activation] -> [Activation];
    /// `x0`, `x1`, ... one behind the other along axis 0 (rows), 1 (columns) or 2 (channels).
    Forward Concat(usize) "concat": [Activation; many] -> [Activation];
    /// The same bytes.
    Forward Reshape "reshape": [Activation] -> [Activation];
    /// A product: `a`, `b` to `y`; the ratio is `s_a s_b / s_y`. `b` has the shape of `a`, or one value a channel of it.
    Forward Mul(MulParams, f64) "mul": [Activation, Activation] -> [Activation; mask];
    /// Elements at other places.
    Forward Move(Arc<Movement>) "move": [Activation] -> [Activation];
    /// RESIZE_BILINEAR.
    Forward ResizeBilinear(ResizeParams) "resize_bilinear": [Activation] -> [Activation];
    /// SOFTMAX, last op only.
    Forward Softmax(SoftmaxParams) "softmax": [Activation] -> [Activation];
    /// Each value for itself.
    Forward Lookup(Arc<Lookup>) "lookup": [Activation] -> [Activation];

    /// The features to the error: logits, softmax, loss and error. The parameters are in the graph's [`crate::Head`].
    Forward Head "head": [Activation] -> [Error];
    /// The error to the gradient with respect to the features.
    Backward HeadInputGrad "head_input_grad": [Error] -> [Gradient];
    /// Error and features: updates the head.
    Update HeadUpdate "head_update": [Error, Activation] -> [];
    /// `g`, mask to `gx`: `g mask m[c]` of the layer.
    Backward ConvAccGrad(LayerId) "conv_acc_grad": [Gradient, Mask] -> [Accumulators];
    /// `g` to `gx`, where `g` is the gradient of the accumulators.
    Backward ConvInputGrad(LayerId) "conv_input_grad": [Accumulators] -> [Gradient];
    /// `g`, `x` to the gradient of the weights.
    Backward ConvWeightGrad(LayerId) "conv_weight_grad": [Accumulators, Activation] -> [Sums];
    /// `g` to the gradient of the biases.
    Backward ConvBiasGrad(LayerId) "conv_bias_grad": [Accumulators] -> [Sums];
    /// Updates the weights by their gradient.
    Update WeightUpdate(LayerId) "weight_update": [Sums] -> [];
    /// Updates the biases by their gradient.
    Update BiasUpdate(LayerId) "bias_update": [Sums] -> [];
    /// `g`, `x`: weight gradient and update, fused. Of a full convolution `x` may be its trained channels alone.
    Update ConvWeightStep(LayerId) "conv_weight_step": [Accumulators, Activation] -> [];
    /// `g`: bias gradient and update, fused.
    Update ConvBiasStep(LayerId) "conv_bias_step": [Accumulators] -> [];
    /// `g`, mask to `gx`: `g mask ratio`; with `repeat > 1`, copied to every pixel.
    Backward GradScale {
        /// Real factor.
        ratio: f64,
        /// Number of copies (more than 1 for the gradient of MEAN).
        repeat: usize,
    } "grad_scale": [Gradient, Mask] -> [Gradient];
    /// The sum at a fan-out.
    Backward GradSum "grad_sum": [Gradient, Gradient] -> [Gradient];
    /// `g`, mask to `gx` of an average pooling.
    Backward AveragePoolGrad(PoolParams) "average_pool_grad": [Gradient, Mask] -> [Gradient];
    /// `g`, mask, `x` to `gx` of a maximum pooling.
    Backward MaxPoolGrad(PoolParams) "max_pool_grad": [Gradient, Mask, Activation] -> [Gradient];
    /// The box of `g` that starts at row `at[0]`, column `at[1]`, channel `at[2]` and has the shape of `gx` (PAD, CONCATENATION).
    Backward GradCrop {
        /// Where the box starts.
        at: [usize; 3],
    } "grad_crop": [Gradient] -> [Gradient];
    /// `g`, `x` to `gx` of a function of single values.
    Backward LookupGrad(Arc<Lookup>) "lookup_grad": [Gradient, Activation] -> [Gradient];
    /// `g`, mask, `b` to `ga` of a product.
    Backward MulGrad(MulParams, f64) "mul_grad": [Gradient, Mask, Activation] -> [Gradient];
    /// `g`, mask, `a` to `gb` of a product.
    Backward MulSum(MulParams, f64) "mul_sum": [Gradient, Mask, Activation] -> [Gradient];
    /// `g` to `gx`: elements back at their places; 0 elsewhere.
    Backward MoveGrad(Arc<Movement>) "move_grad": [Gradient] -> [Gradient];
    /// `g` to `gx` of RESIZE_BILINEAR.
    Backward ResizeBilinearGrad(ResizeParams) "resize_bilinear_grad": [Gradient] -> [Gradient];
    /// The same bytes of a gradient.
    Backward GradReshape "grad_reshape": [Gradient] -> [Gradient];
}

impl Op {
    /// Whether the op belongs to the forward pass (the head included).
    pub fn is_forward(&self) -> bool {
        self.part() == Part::Forward
    }

    /// Whether the op changes trainable state: dead-code elimination starts from these.
    pub fn is_update(&self) -> bool {
        self.part() == Part::Update
    }

    /// The layer whose parameters the op reads or changes.
    pub fn layer(&self) -> Option<LayerId> {
        match *self {
            Self::Conv(l)
            | Self::ConvAccGrad(l)
            | Self::ConvInputGrad(l)
            | Self::ConvWeightGrad(l)
            | Self::ConvBiasGrad(l)
            | Self::WeightUpdate(l)
            | Self::BiasUpdate(l)
            | Self::ConvWeightStep(l)
            | Self::ConvBiasStep(l) => Some(l),
            _ => None,
        }
    }
}

impl Graph {
    /// Checks the shapes of a node's operands, of which there are as many as its op has.
    pub(crate) fn check_shapes(&self, node: &Node) -> Result<(), String> {
        let shape = |t: TensorId| self.tensor(t).shape;
        let x = |i: usize| shape(node.inputs[i]);
        let y = || shape(node.outputs[0]);
        if let [y, mask] = node.outputs[..] {
            equal(shape(y), shape(mask))?;
        }
        match &node.op {
            Op::Conv(l) => {
                equal(x(0), self.layer(*l).input())?;
                equal(y(), self.layer(*l).output())
            }
            Op::Add(..) => {
                equal(x(0), x(1))?;
                equal(x(0), y())
            }
            Op::Requantize(..) | Op::Softmax(_) | Op::Lookup(_) => equal(x(0), y()),
            Op::AveragePool(p) | Op::MaxPool(p) => {
                equal(x(0), sizes(p.in_h, p.in_w, p.c))?;
                equal(y(), sizes(p.out_h, p.out_w, p.c))
            }
            Op::Mean(p, _) => {
                require(x(0).pixels() == p.pixels as usize, "takes the mean of another number of pixels")?;
                equal(y(), Shape::new(1, 1, x(0).c))
            }
            Op::Pad { top, left } => inside(x(0), [*top, *left, 0], y()),
            Op::Mul(p, _) => {
                equal(x(0), y())?;
                require(x(0).len() == p.n as usize && x(1).len() == p.c as usize, "multiplies other shapes")
            }
            Op::MulGrad(p, _) => {
                equal(x(0), x(1))?;
                equal(x(0), y())?;
                require(x(0).len() == p.n as usize && x(2).len() == p.c as usize, "multiplies other shapes")
            }
            Op::MulSum(p, _) => {
                equal(x(0), x(1))?;
                equal(x(0), x(2))?;
                require(x(0).len() == p.n as usize && y().len() == p.c as usize, "multiplies other shapes")
            }
            Op::ResizeBilinear(p) => {
                equal(x(0), sizes(p.in_h, p.in_w, p.c))?;
                equal(y(), sizes(p.out_h, p.out_w, p.c))
            }
            Op::ResizeBilinearGrad(p) => {
                equal(x(0), sizes(p.out_h, p.out_w, p.c))?;
                equal(y(), sizes(p.in_h, p.in_w, p.c))
            }
            Op::Move(m) | Op::MoveGrad(m) => m.check(x(0), y()),
            Op::Concat(axis) => self.check_concat(node, *axis),
            Op::Reshape | Op::GradReshape => require(x(0).len() == y().len(), "changes the number of elements"),
            Op::Head => {
                let head = self.head.as_ref().ok_or("stands in a graph without a head")?;
                require(node.inputs[0] == head.features, "reads something else than the features")?;
                equal(y(), Shape::new(1, 1, head.classes))
            }
            Op::HeadInputGrad => {
                let head = self.head.as_ref().ok_or("stands in a graph without a head")?;
                equal(y(), shape(head.features))
            }
            Op::HeadUpdate => Ok(()),
            Op::ConvAccGrad(l) => {
                equal(x(0), x(1))?;
                equal(x(0), y())?;
                equal(y(), self.layer(*l).output())
            }
            Op::LookupGrad(_) => {
                equal(x(0), x(1))?;
                equal(x(0), y())
            }
            Op::ConvInputGrad(l) => equal(y(), self.layer(*l).input()),
            Op::ConvWeightGrad(l) => self.check_sums(y(), self.layer(*l).updated_weights()),
            Op::ConvBiasGrad(l) => self.check_sums(y(), self.layer(*l).bias.len()),
            Op::WeightUpdate(l) => self.check_sums(x(0), self.layer(*l).updated_weights()),
            Op::BiasUpdate(l) => self.check_sums(x(0), self.layer(*l).bias.len()),
            Op::ConvWeightStep(l) => {
                let layer = self.layer(*l);
                let alone = Shape { c: layer.training.channels.len(), ..layer.input() };
                if !layer.depthwise && x(1) == alone { Ok(()) } else { equal(x(1), layer.input()) }
            }
            Op::ConvBiasStep(_) => Ok(()),
            Op::GradScale { repeat, .. } => {
                equal(x(0), x(1))?;
                require(x(0).len() * repeat == y().len(), "yields another number of elements than it repeats")
            }
            Op::GradSum => {
                let kind = |t: TensorId| &self.tensor(t).kind;
                let alike = node.inputs.iter().all(|&t| kind(t) == kind(node.outputs[0]));
                require(alike, "adds gradients of different tensors")?;
                equal(x(0), x(1))?;
                equal(x(0), y())
            }
            Op::AveragePoolGrad(p) | Op::MaxPoolGrad(p) => {
                equal(x(0), sizes(p.out_h, p.out_w, p.c))?;
                equal(x(0), x(1))?;
                equal(y(), sizes(p.in_h, p.in_w, p.c))?;
                node.inputs.get(2).map_or(Ok(()), |x| equal(shape(*x), y()))
            }
            Op::GradCrop { at } => inside(y(), *at, x(0)),
        }
    }

    fn check_concat(&self, node: &Node, axis: usize) -> Result<(), String> {
        let dims = |t: &TensorId| {
            let s = self.tensor(*t).shape;
            [s.h, s.w, s.c]
        };
        require(axis < 3, "joins along an axis that there is not")?;
        let y = dims(&node.outputs[0]);
        let others = |x: [usize; 3]| (0..3).all(|a| a == axis || x[a] == y[a]);
        require(node.inputs.iter().map(dims).all(others), "joins shapes that differ beside its axis")?;
        require(
            node.inputs.iter().map(|t| dims(t)[axis]).sum::<usize>() == y[axis],
            "yields another length than it joins",
        )
    }

    fn check_sums(&self, found: Shape, wanted: usize) -> Result<(), String> {
        require(found.len() == wanted, "has sums that are not one for each value it updates")
    }
}

impl Layer {
    fn input(&self) -> Shape {
        sizes(self.geo.in_h, self.geo.in_w, self.geo.in_c)
    }

    fn output(&self) -> Shape {
        sizes(self.geo.out_h, self.geo.out_w, self.geo.out_c)
    }

    /// Weights that an update changes: of the trained channels once a scheme is chosen, all of them before.
    fn updated_weights(&self) -> usize {
        match self.training.channels.len() {
            0 => self.weights.len(),
            n => n * self.weights_per_channel(),
        }
    }
}

fn sizes(h: i32, w: i32, c: i32) -> Shape {
    Shape::new(h as usize, w as usize, c as usize)
}

pub(crate) fn require(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}

fn equal(a: Shape, b: Shape) -> Result<(), String> {
    if a == b { Ok(()) } else { Err(format!("has shapes {a} and {b} that differ")) }
}

/// Checks that a box of the shape `part` at `at` lies inside `whole`.
fn inside(part: Shape, at: [usize; 3], whole: Shape) -> Result<(), String> {
    let ends = [(part.h, whole.h), (part.w, whole.w), (part.c, whole.c)];
    let fits = ends.iter().zip(at).all(|((n, all), start)| start + n <= *all);
    if fits { Ok(()) } else { Err(format!("has a box of {part} that leaves {whole}")) }
}
