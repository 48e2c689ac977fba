use serde::Serialize;
use tinytrain_ir::{Quant, Shape, TensorId};
use tinytrain_plan::{Buffer, Plan};
use tinytrain_spec::arith::Real31;
use tinytrain_spec::params::*;
use tinytrain_spec::softmax::LogitScale;

/// Which memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Region {
    /// Planned by lifetime.
    Arena,
    /// Trainable state, permanent.
    State,
}

/// A range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Slot {
    /// Which memory.
    pub region: Region,
    /// First byte.
    pub offset: u32,
    /// Length in bytes.
    pub bytes: u32,
}

/// One argument of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Arg {
    /// Read.
    Read(Slot),
    /// Written, every byte.
    Write(Slot),
    /// Read and written.
    Update(Slot),
    /// Scratch of the kernel.
    Scratch(Slot),
    /// A constant, by index.
    Const(usize),
    /// Absent: a null pointer.
    None,
}

impl Arg {
    /// The slot, if it is in RAM.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Read(s) | Self::Write(s) | Self::Update(s) | Self::Scratch(s) => Some(s),
            Self::Const(_) | Self::None => None,
        }
    }
}

/// A kernel and its parameters. The comment lists the arguments, in the order of the C function's pointers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "name")]
pub enum Kernel {
    /// x, frozen, trained, channels, bias, offset, m, shift, y, mask, scratch
    Conv {
        /// Depthwise or full.
        depthwise: bool,
        /// Parameters.
        p: ConvParams,
    },
    /// g, frozen, trained, channels, gx, scratch
    ConvInputGrad {
        /// Depthwise or full.
        depthwise: bool,
        /// Parameters.
        p: ConvParams,
        /// Right shift.
        shift: i32,
    },
    /// g, x, channels, qas, q, lo, scratch
    ConvWeightStep {
        /// Depthwise or full.
        depthwise: bool,
        /// Parameters.
        p: ConvParams,
        /// Of the update.
        u: UpdateParams,
    },
    /// g, qas, base, offset
    BiasStep {
        /// Output pixels.
        pixels: i32,
        /// Output channels.
        channels: i32,
        /// Of the update.
        u: UpdateParams,
        /// `1 / s_x^2`.
        layer: Real31,
    },
    /// a, b, y, mask
    Add {
        /// Parameters.
        p: AddParams,
    },
    /// x, y, mask
    Requantize {
        /// Parameters.
        p: RequantizeParams,
    },
    /// x, y, mask
    AveragePool {
        /// Parameters.
        p: PoolParams,
    },
    /// g, mask, gx
    AveragePoolGrad {
        /// Parameters.
        p: PoolParams,
    },
    /// x, y, mask
    MaxPool {
        /// Parameters.
        p: PoolParams,
    },
    /// x, g, mask, gx
    MaxPoolGrad {
        /// Parameters.
        p: PoolParams,
    },
    /// x, y, mask
    Mean {
        /// Parameters.
        p: MeanParams,
    },
    /// x, y
    Softmax {
        /// Parameters.
        p: SoftmaxParams,
    },
    /// src, dst
    CopyBox {
        /// Parameters.
        p: CopyParams,
    },
    /// dst
    Fill {
        /// Parameters.
        p: FillParams,
    },
    /// x, w, bias, logits
    HeadLogits {
        /// Parameters.
        p: HeadParams,
    },
    /// logits, e
    HeadError {
        /// Classes.
        classes: i32,
        /// Scale of the logits.
        scale: LogitScale,
    },
    /// w, e, gx
    HeadInputGrad {
        /// Parameters.
        p: HeadParams,
    },
    /// x, e, w, bias
    HeadUpdate {
        /// Parameters.
        p: HeadParams,
        /// `s_x 2^13`.
        weight_q: Real31,
        /// `2^13 / s_x`.
        bias_q: Real31,
    },
    /// g, mask, m, shift, gx
    GradScale {
        /// Parameters.
        p: GradScaleParams,
    },
    /// g, mask, m, shift, gx
    GradRepeat {
        /// Parameters.
        p: GradScaleParams,
    },
    /// a, b, gx
    Sum {
        /// Parameters.
        p: SumParams,
    },
}

/// A step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// For people: op and layer.
    pub label: String,
    /// What runs.
    pub kernel: Kernel,
    /// On what.
    pub args: Vec<Arg>,
    /// The graph's tensors it has finished when it ends, with their place.
    #[serde(skip)]
    pub finished: Vec<(TensorId, Slot)>,
}

/// Elements of a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// int8.
    I8(Vec<i8>),
    /// uint8.
    U8(Vec<u8>),
    /// uint16.
    U16(Vec<u16>),
    /// int32.
    I32(Vec<i32>),
    /// uint32.
    U32(Vec<u32>),
}

impl Data {
    /// Size in flash.
    pub fn bytes(&self) -> usize {
        match self {
            Self::I8(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::U16(v) => v.len() * 2,
            Self::I32(v) => v.len() * 4,
            Self::U32(v) => v.len() * 4,
        }
    }
}

/// A constant in flash.
#[derive(Clone, Debug)]
pub struct Const {
    /// A C identifier.
    pub name: String,
    /// Content.
    pub data: Data,
}

/// What a state tensor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum StateKind {
    /// int8 weights of a layer's trained channels.
    Weights,
    /// Their residual bits.
    Residuals,
    /// int32 bias offsets.
    Biases,
    /// int16 head weights.
    HeadWeights,
    /// int32 head biases.
    HeadBiases,
}

/// What a state tensor starts as, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// All zero.
    Zero,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A trainable tensor.
#[derive(Clone, Debug)]
pub struct State {
    /// A C identifier.
    pub name: String,
    /// What it is.
    pub kind: StateKind,
    /// The convolution it belongs to; none for the head.
    pub layer: Option<usize>,
    /// Where.
    pub slot: Slot,
    /// What it starts as.
    pub init: Init,
}

/// A planned buffer of the arena, for maps and for poisoning.
#[derive(Clone, Debug)]
pub struct Placed {
    /// For people.
    pub label: String,
    /// Lifetime in steps and size.
    pub buffer: Buffer,
    /// First byte.
    pub offset: u32,
}

/// What the steps behind a place in the forward pass need of those before it: tensors and where this Program has them, by id.
///
/// The forward steps of all schemes of one model are the same, so a frontier names the same tensors in each of their Programs: what one has computed
/// up to there serves another that changes nothing before it.
pub type Frontier = Vec<(TensorId, Slot)>;

/// A compiled training program.
#[derive(Clone, Debug)]
pub struct Program {
    /// The model's name.
    pub name: String,
    /// Shape of the sample.
    pub input_shape: Shape,
    /// Quantisation of the sample.
    pub input_quant: Quant,
    /// Where the sample goes before step 0.
    pub input: Slot,
    /// All steps.
    pub steps: Vec<Step>,
    /// The first so many are the forward pass, up to and including [`Kernel::HeadError`].
    pub forward: usize,
    /// Classes of the head; 0 for a program without one.
    pub classes: usize,
    /// int64 a class: logits, then probabilities in Q0.31.
    pub logits: Option<Slot>,
    /// Tensors that a program without a head yields.
    pub outputs: Vec<Slot>,
    /// Constants.
    pub consts: Vec<Const>,
    /// Trainable tensors in order of their place.
    pub states: Vec<State>,
    /// Bytes of the arena.
    pub arena_bytes: u32,
    /// Bytes of the state.
    pub state_bytes: u32,
    /// Buffers of the arena.
    pub buffers: Vec<Placed>,
    /// What the planner said of them.
    pub plan: Plan,
    /// The frozen prefix: how many first steps no training changes.
    pub prefix: usize,
    /// The frontiers behind 0, 1, ... steps, up to the end of the prefix.
    pub frontiers: Vec<Frontier>,
    /// Residual bits of trained weights.
    pub residual_bits: u32,
    /// Seed of the head and of stochastic rounding.
    pub seed: u64,
}

impl Program {
    /// The state a program starts with.
    pub fn initial_state(&self) -> Vec<u8> {
        let mut state = vec![0; self.state_bytes as usize];
        for s in &self.states {
            if let Init::Bytes(b) = &s.init {
                state[s.slot.offset as usize..][..b.len()].copy_from_slice(b);
            }
        }
        state
    }

    /// Bytes of state of one kind.
    pub fn state_bytes_of(&self, kind: StateKind) -> u32 {
        self.states.iter().filter(|s| s.kind == kind).map(|s| s.slot.bytes).sum()
    }
}
