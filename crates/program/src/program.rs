use std::any::Any;
use std::ops::Range;

use serde::Serialize;
use tinytrain_spec::kernels::{Call, Element, Role, Scalar};

/// Which memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Region {
    /// Planned by lifetime.
    Arena,
    /// Trainable state, permanent.
    State,
}

/// A range of bytes in RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Slot {
    /// Which memory.
    pub region: Region,
    /// First byte.
    pub offset: u32,
    /// Length in bytes.
    pub bytes: u32,
}

impl Slot {
    /// Whether the two share a byte.
    pub fn overlaps(self, other: Self) -> bool {
        // In 64 bits: ends are checked against regions, but this may run before.
        let ends = |s: Self| (u64::from(s.offset), u64::from(s.offset) + u64::from(s.bytes));
        let ((a0, a1), (b0, b1)) = (ends(self), ends(other));
        self.region == other.region && a0 < b1 && b0 < a1
    }
}

/// Where an operand of a step lies. What the step does with it stands in the kernel table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// In RAM.
    Memory(Slot),
    /// A constant, by index.
    Constant(usize),
}

impl Operand {
    /// The slot, if it is in RAM.
    pub fn slot(self) -> Option<Slot> {
        match self {
            Self::Memory(slot) => Some(slot),
            Self::Constant(_) => None,
        }
    }
}

/// The number of a tensor in the graph that a Program was made from. All schemes of a model share the numbers of its forward tensors.
pub type TensorNumber = u32;

/// A step.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// For people: op and layer.
    pub label: String,
    /// The kernel, its parameters and operands.
    pub call: Call<Operand>,
    /// The bytes of the graph's tensors that are finished when it ends.
    pub finished: Vec<Piece>,
}

/// Bytes of a tensor of the graph: a step over rows finishes some at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The tensor.
    pub tensor: TensorNumber,
    /// The first byte, counted from the tensor's beginning.
    pub from: u32,
    /// Where these bytes lie.
    pub slot: Slot,
}

impl Step {
    /// Whether it reads any of these bytes. A copy writes its box and reads nothing there, though it leaves what lies beside.
    fn reads(&self, slot: Slot) -> bool {
        let mut found = false;
        self.call.operands(&mut |spec, operand, _| {
            let read = spec.role == Role::Read || (spec.role == Role::Update && !matches!(self.call, Call::CopyBox(_)));
            found |= read && operand.and_then(|o| o.slot()).is_some_and(|s| s.overlaps(slot));
        });
        found
    }

    /// Its operands in RAM.
    pub fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        self.call.operands(&mut |_, operand, _| slots.extend(operand.and_then(|o| o.slot())));
        slots
    }
}

macro_rules! data {
    ($($(#[$doc:meta])* $variant:ident: $t:ty),*) => {
        /// Elements of a constant.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Data { $($(#[$doc])* $variant(Vec<$t>)),* }

        impl Data {
            /// The type of its elements.
            pub fn element(&self) -> Element {
                match self { $(Self::$variant(_) => Element::$variant),* }
            }

            /// Number of elements.
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(v) => v.len()),* }
            }

            /// Its elements; none if they are not of this type.
            pub fn elements<T: Scalar>(&self) -> Option<&[T]> {
                let vector: &dyn Any = match self { $(Self::$variant(v) => v),* };
                vector.downcast_ref::<Vec<T>>().map(Vec::as_slice)
            }

            /// Content, little-endian.
            pub fn to_bytes(&self) -> Vec<u8> {
                match self { $(Self::$variant(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect()),* }
            }

            /// From its content; none for a length that is no whole number of elements, and for a type that no constant has.
            pub fn from_bytes(element: Element, bytes: &[u8]) -> Option<Self> {
                match element {
                    $(Element::$variant => {
                        let (whole, rest) = bytes.as_chunks();
                        rest.is_empty().then(|| Self::$variant(whole.iter().map(|&b| <$t>::from_le_bytes(b)).collect()))
                    })*
                    _ => None,
                }
            }
        }
    };
}
data! {
    /// int8.
    I8: i8,
    /// uint8.
    U8: u8,
    /// uint16.
    U16: u16,
    /// int32.
    I32: i32,
    /// uint32.
    U32: u32
}

impl Data {
    /// Size in flash.
    pub fn bytes(&self) -> usize {
        self.len() * self.element().bytes() as usize
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A constant in flash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Const {
    /// A C identifier.
    pub name: String,
    /// Content.
    pub data: Data,
}

/// The role of a state tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
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
    /// The samples of the replay buffer: what the live-in set of its boundary holds, int8.
    ReplaySamples,
    /// Their tags, see `spec::replay`.
    ReplayTags,
    /// Its counts of each class.
    ReplayCounts,
}

impl StateKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Weights,
        Self::Residuals,
        Self::Biases,
        Self::HeadWeights,
        Self::HeadBiases,
        Self::ReplaySamples,
        Self::ReplayTags,
        Self::ReplayCounts,
    ];

    /// The type of its elements.
    pub fn element(self) -> Element {
        match self {
            Self::Weights | Self::ReplaySamples => Element::I8,
            Self::Residuals => Element::U8,
            Self::Biases | Self::HeadBiases => Element::I32,
            Self::HeadWeights => Element::I16,
            Self::ReplayTags => Element::U16,
            Self::ReplayCounts => Element::U32,
        }
    }

    /// Whether it belongs to the replay buffer, which no step reads or writes.
    pub fn is_replay(self) -> bool {
        matches!(self, Self::ReplaySamples | Self::ReplayTags | Self::ReplayCounts)
    }
}

/// The start of a state tensor, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Init {
    /// All zero.
    Zero,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A trainable tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// A C identifier.
    pub name: String,
    /// Its role.
    pub kind: StateKind,
    /// The convolution it belongs to; none for the head.
    pub layer: Option<usize>,
    /// Its place.
    pub slot: Slot,
    /// Its start.
    pub init: Init,
}

/// What a buffer of the arena holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Purpose {
    /// The sample, or lines of it.
    Input,
    /// Values of the forward pass, or lines of them.
    Activation,
    /// Bits that say where a value was not clamped.
    Mask,
    /// A gradient.
    Gradient,
    /// What a kernel needs while it runs.
    Scratch,
    /// Logits and error of the head, and sums.
    Other,
}

impl Purpose {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Input, Self::Activation, Self::Mask, Self::Gradient, Self::Scratch, Self::Other];
}

/// A planned buffer of the arena. What a step does not need of it belongs to others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Placed {
    /// For people.
    pub label: String,
    /// What it holds.
    pub purpose: Purpose,
    /// Bytes.
    pub size: u32,
    /// First byte.
    pub offset: u32,
    /// The live bytes over the steps, ascending and without a gap.
    pub windows: Vec<Window>,
}

/// The live bytes of a buffer in some steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Window {
    /// The first step.
    pub start: u32,
    /// One past the last.
    pub end: u32,
    /// The first live byte, counted from the buffer's beginning.
    pub lo: u32,
    /// One past the last.
    pub hi: u32,
}

impl Placed {
    /// The live bytes in a step; empty where it does not live.
    pub fn live(&self, step: usize) -> Range<u32> {
        let at = self.windows.partition_point(|w| w.end as usize <= step);
        self.windows.get(at).filter(|w| w.start as usize <= step).map_or(0..0, |w| w.lo..w.hi)
    }
}

/// How the planner did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// No arena can be smaller than this: the most bytes that live at once.
    pub lower_bound: u32,
    /// The rule that found the offsets.
    pub heuristic: String,
}

/// A step before which an activation cache may begin: all steps before are frozen, and every tensor is either finished or not begun.
///
/// Its live-in set are the tensors that the steps from there on need of those before, with their places in this Program, by number. The forward pass of all
/// schemes of one model yields the same tensors, so what one Program has computed up to there serves every other that has a boundary with the same set.
///
/// Before step 0 the set is the sample; it is empty where the sample comes in row by row and therefore has no place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boundary {
    /// Steps before it.
    pub steps: usize,
    /// The live-in set.
    pub live: Vec<(TensorNumber, Slot)>,
}

/// The sample that a Program takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Rows, columns, channels.
    pub shape: [u32; 3],
    /// Scale: `real = (q - zero) * scale`.
    pub scale: f64,
    /// Zero point, -128 to 127.
    pub zero: i32,
    /// Where it goes.
    pub place: SamplePlace,
}

/// Where a sample goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SamplePlace {
    /// All of it to one place, before step 0.
    Whole(Slot),
    /// Row by row, ascending: it is nowhere whole unless something keeps it.
    Rows(Vec<SampleRow>),
}

/// A row of the sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleRow {
    /// The step before which it comes in.
    pub step: usize,
    /// Where it goes.
    pub slot: Slot,
}

impl Input {
    /// Bytes of a sample.
    pub fn bytes(&self) -> u32 {
        self.shape.iter().product()
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> u32 {
        self.shape[1] * self.shape[2]
    }

    /// Where the whole sample goes; none if it comes in row by row.
    pub fn whole(&self) -> Option<Slot> {
        match self.place {
            SamplePlace::Whole(slot) => Some(slot),
            SamplePlace::Rows(_) => None,
        }
    }

    /// The rows of a sample that comes in row by row; none of one that comes as a whole.
    pub fn rows(&self) -> &[SampleRow] {
        match &self.place {
            SamplePlace::Whole(_) => &[],
            SamplePlace::Rows(rows) => rows,
        }
    }
}

/// The replay buffer of a Program.
#[derive(Clone, Copy, Debug)]
pub struct Replay<'a> {
    /// The boundary whose live-in set it keeps of a sample: a training step on a kept sample begins there.
    pub boundary: &'a Boundary,
    /// Samples one after the other, each with the tensors of that set.
    pub samples: Slot,
    /// A tag for each.
    pub tags: Slot,
    /// Counts of each class.
    pub counts: Slot,
}

impl Replay<'_> {
    /// Number of samples for which there is a place.
    pub fn places(&self) -> u32 {
        self.tags.bytes / StateKind::ReplayTags.element().bytes()
    }

    /// Where the sample of a place lies.
    pub fn kept(&self, place: usize) -> Slot {
        let bytes = self.samples.bytes / self.places();
        Slot { offset: self.samples.offset + place as u32 * bytes, bytes, ..self.samples }
    }
}

/// A compiled training program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The model's name.
    pub name: String,
    /// The update scheme in the long form of `ir::Scheme`; empty for a program without a head.
    pub scheme: String,
    /// The sample it takes.
    pub input: Input,
    /// All steps.
    pub steps: Vec<Step>,
    /// The first `forward` steps are the forward pass, up to and including the head's error.
    pub forward: usize,
    /// Classes of the head; 0 for a program without one.
    pub classes: usize,
    /// int64 per class: logits, then probabilities in Q0.31.
    pub logits: Option<Slot>,
    /// Tensors that a program without a head yields.
    pub outputs: Vec<Slot>,
    /// Constants.
    pub consts: Vec<Const>,
    /// Trainable tensors in the order of their places.
    pub states: Vec<State>,
    /// Bytes of the arena.
    pub arena_bytes: u32,
    /// Bytes of the state.
    pub state_bytes: u32,
    /// Buffers of the arena.
    pub buffers: Vec<Placed>,
    /// How they were planned.
    pub plan: Plan,
    /// Runs of steps that take turns over rows, or that copy many boxes; C has them as loops.
    pub streams: Vec<Range<usize>>,
    /// Boundaries in the frozen prefix, ascending from step 0.
    pub boundaries: Vec<Boundary>,
    /// Steps before the boundary at which the replay buffer keeps samples, if there is one; its places are tensors of the state.
    pub replay: Option<usize>,
    /// Residual bits of trained weights.
    pub residual_bits: u32,
    /// Seed of the head and of stochastic rounding.
    pub seed: u64,
}

impl Program {
    /// Whether only a training step needs a step of the forward pass: it keeps a copy that no later step of that pass reads.
    pub fn is_for_training(&self, step: usize) -> bool {
        let Call::CopyBox(copy) = &self.steps[step].call else { return false };
        let Some(kept) = copy.dst.slot().filter(|_| step < self.forward) else { return false };
        !self.steps[step + 1..self.forward].iter().any(|s| s.reads(kept))
    }

    /// The steps that take the rows of a sample as they come in, before it is known whether it is to be learned: they are the same for a prediction. None where
    /// it comes in as a whole.
    pub fn fed(&self) -> Range<usize> {
        if self.input.rows().is_empty() { 0..0 } else { self.streams.first().cloned().unwrap_or_default() }
    }

    /// The boundary at the end of the frozen prefix.
    pub fn prefix(&self) -> &Boundary {
        self.boundaries.last().expect("a Program has a boundary before its first step")
    }

    /// The boundary behind `steps` steps, if there is one.
    pub fn boundary(&self, steps: usize) -> Option<&Boundary> {
        self.boundaries.binary_search_by_key(&steps, |b| b.steps).ok().map(|at| &self.boundaries[at])
    }

    /// The replay buffer, if there is one and it is whole.
    pub fn replay(&self) -> Option<Replay<'_>> {
        let boundary = self.boundary(self.replay?)?;
        let place = |kind| self.states.iter().find(|s| s.kind == kind).map(|s| s.slot);
        Some(Replay {
            boundary,
            samples: place(StateKind::ReplaySamples)?,
            tags: place(StateKind::ReplayTags)?,
            counts: place(StateKind::ReplayCounts)?,
        })
    }

    /// Bytes of what an activation cache keeps of a sample for a boundary: the tensors of its live-in set, or the sample itself.
    pub fn boundary_bytes(&self, boundary: &Boundary) -> usize {
        if boundary.steps == 0 {
            return self.input.bytes() as usize;
        }
        boundary.live.iter().map(|(_, s)| s.bytes as usize).sum()
    }

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

    /// The same Program starting with another state; none for a state of another length.
    pub fn with_state(&self, state: &[u8]) -> Option<Self> {
        if state.len() != self.state_bytes as usize {
            return None;
        }
        let mut program = self.clone();
        for s in &mut program.states {
            let bytes = &state[s.slot.offset as usize..][..s.slot.bytes as usize];
            s.init = if bytes.iter().all(|&b| b == 0) { Init::Zero } else { Init::Bytes(bytes.to_vec()) };
        }
        Some(program)
    }

    /// Bytes of state of one kind.
    pub fn state_bytes_of(&self, kind: StateKind) -> u32 {
        self.states.iter().filter(|s| s.kind == kind).map(|s| s.slot.bytes).sum()
    }

    /// First byte of the state in the firmware's context, which begins with the arena.
    pub fn state_offset(&self) -> u32 {
        self.arena_bytes.next_multiple_of(4)
    }

    /// Bytes of the firmware's context as C lays it out: the arena, the state, the counters.
    pub fn context_bytes(&self) -> u32 {
        (self.state_offset() + self.state_bytes).next_multiple_of(8) + COUNTERS_BYTES
    }
}

/// `tt_counters`: steps, the place in a sample that comes in by rows, saturations, the schedule of learning rates, the two words of the seal.
pub const COUNTERS_BYTES: u32 = 48;
