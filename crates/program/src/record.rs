//! A Program as plain data, for everything that prints it: the emitter of C, tables, maps. TypeScript's types of it (`ts/program/record.ts`) are made
//! from these by a test of this crate.

use serde::Serialize;
use tinytrain_spec::kernels::{Call, ParamValue, Returns, Role};
use tinytrain_spec::params::Struct;

use crate::{Init, Operand, Placed, Plan, Program, Region, Slot, State, StateKind, Stream};

/// A Program: all but the content of constants and of the initial state.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ProgramRecord {
    /// The model's name.
    pub name: String,
    /// The update scheme, in its long form.
    pub scheme: String,
    /// SHA-256 over its file.
    pub hash: String,
    /// The sample it takes.
    pub input: InputRecord,
    /// Classes of the head; 0 without one.
    pub classes: usize,
    /// The first `forward` steps are the forward pass.
    pub forward: usize,
    /// Bytes of the arena.
    pub arena_bytes: u32,
    /// Bytes of the trainable state.
    pub state_bytes: u32,
    /// First byte of the state in the firmware's context.
    pub state_offset: u32,
    /// Bytes of the firmware's context.
    pub context_bytes: u32,
    /// Residual bits of a trained weight.
    pub residual_bits: u32,
    /// Seed of the head and of stochastic rounding, in decimal.
    pub seed: String,
    /// int64 per class: logits, then probabilities in Q0.31.
    pub logits: Option<Slot>,
    /// All steps.
    pub steps: Vec<StepRecord>,
    /// Constants.
    pub constants: Vec<ConstantRecord>,
    /// Trainable tensors.
    pub states: Vec<StateRecord>,
    /// Runs of steps that take turns over rows, as loops.
    pub streams: Vec<Stream>,
    /// Buffers of the arena.
    pub buffers: Vec<Placed>,
    /// How they were planned.
    pub plan: Plan,
    /// The first steps that no training changes.
    pub prefix: PrefixRecord,
    /// The replay buffer, if there is one.
    pub replay: Option<ReplayRecord>,
}

/// The replay buffer of a Program.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ReplayRecord {
    /// Steps before its boundary: what they make of a sample is kept.
    pub steps: usize,
    /// Samples for which there is a place.
    pub places: u32,
    /// Bytes of a kept sample.
    pub sample_bytes: u32,
    /// Where the tensors of a kept sample lie in the arena at that boundary.
    pub live: Vec<Slot>,
}

/// The sample a Program takes.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct InputRecord {
    /// First byte in the arena; none for a sample that comes in row by row.
    pub offset: Option<u32>,
    /// Length in bytes.
    pub bytes: u32,
    /// Rows, columns, channels.
    pub shape: [u32; 3],
    /// Scale: `real = (q - zero) * scale`.
    pub scale: f64,
    /// Zero point.
    pub zero: i32,
}

/// A step: a call of a kernel.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StepRecord {
    /// Op and layer, for people.
    pub label: String,
    /// Sizes, for people.
    pub sizes: String,
    /// The C function.
    pub function: &'static str,
    /// Whether it returns how many gradient elements saturated.
    pub saturates: bool,
    /// Whether it finishes bytes of a tensor; one that moves lines or only begins a tensor does not.
    pub finishes: bool,
    /// Whether only a training step needs it: a step of the forward pass that a prediction leaves out.
    pub training: bool,
    /// Parameters, in the order of C.
    pub params: Vec<ParamRecord>,
    /// Operands, in the order of C, behind the parameters.
    pub operands: Vec<OperandRecord>,
}

/// A parameter of a kernel, by how C takes it.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", tag = "kind")]
pub enum ParamRecord {
    /// A pointer to a constant struct.
    Struct(StructRecord),
    /// A pointer to a `tt_update` that holds this constant struct.
    Update(StructRecord),
    /// A number by value.
    Int {
        /// Its value.
        value: i32,
    },
    /// A `tt_real31` by value.
    Real(RealRecord),
    /// A pointer to a constant `tt_logit_scale`.
    LogitScale {
        /// Its name in the kernel table.
        name: &'static str,
        /// Distances from here on count as 40; in decimal, as it has 64 bits.
        cap: String,
        /// Bits dropped before the product.
        pre: u32,
        /// Mantissa.
        m: u32,
        /// Right shift.
        s: i32,
    },
    /// A value that each step gives anew.
    Given {
        /// Its name in the kernel table.
        name: &'static str,
    },
}

/// A constant struct of `int32_t` fields.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StructRecord {
    /// Its name in the kernel table.
    pub name: &'static str,
    /// Its type in C.
    pub r#type: &'static str,
    /// Its fields, in order.
    pub fields: Vec<(&'static str, i32)>,
}

/// A constant `tt_real31`.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RealRecord {
    /// Its name in the kernel table.
    pub name: &'static str,
    /// Mantissa.
    pub m: u32,
    /// Exponent.
    pub e: i32,
}

/// An operand of a kernel, by where it lies.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", tag = "place")]
pub enum OperandRecord {
    /// In the arena.
    Arena {
        /// Its name in the kernel table.
        name: &'static str,
        /// The type of its elements in C without `_t`; `void` for scratch.
        element: &'static str,
        /// First byte.
        offset: u32,
        /// Length.
        bytes: u32,
        /// Whether the step writes it.
        written: bool,
        /// Whether the kernel can do without it.
        optional: bool,
    },
    /// A trainable tensor.
    State {
        /// Its name in the kernel table.
        name: &'static str,
        /// Its index among `states`.
        index: usize,
        /// Whether the step writes it.
        written: bool,
    },
    /// A constant.
    Constant {
        /// Its name in the kernel table.
        name: &'static str,
        /// Its index among `constants`.
        index: usize,
    },
    /// Absent.
    None {
        /// Its name in the kernel table.
        name: &'static str,
    },
}

/// A constant in flash.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ConstantRecord {
    /// A C identifier.
    pub name: String,
    /// The type of its elements in C without `_t`.
    pub element: &'static str,
    /// Number of elements.
    pub length: usize,
    /// Bytes.
    pub bytes: usize,
}

/// A trainable tensor.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct StateRecord {
    /// A C identifier.
    pub name: String,
    /// Its role.
    pub kind: StateKind,
    /// The type of its elements in C without `_t`.
    pub element: &'static str,
    /// Number of elements.
    pub length: u32,
    /// Number of its convolution; null for the head.
    pub layer: Option<usize>,
    /// First byte in the state.
    pub offset: u32,
    /// Bytes.
    pub bytes: u32,
    /// Whether it starts as zeros.
    pub zero: bool,
}

/// The frozen prefix.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct PrefixRecord {
    /// How many first steps no training changes.
    pub steps: usize,
    /// Their live-in set: what the rest needs of them.
    pub live: Vec<Slot>,
}

impl Program {
    /// The whole Program as plain data, but the content of constants and of the initial state.
    pub fn record(&self) -> ProgramRecord {
        ProgramRecord {
            name: self.name.clone(),
            scheme: self.scheme.clone(),
            hash: self.hash(),
            input: InputRecord {
                offset: self.input.whole().map(|slot| slot.offset),
                bytes: self.input.bytes(),
                shape: self.input.shape,
                scale: self.input.scale,
                zero: self.input.zero,
            },
            classes: self.classes,
            forward: self.forward,
            arena_bytes: self.arena_bytes,
            state_bytes: self.state_bytes,
            state_offset: self.state_offset(),
            context_bytes: self.context_bytes(),
            residual_bits: self.residual_bits,
            seed: self.seed.to_string(),
            logits: self.logits,
            steps: (0..self.steps.len()).map(|i| step(self, i)).collect(),
            constants: (self.consts.iter())
                .map(|c| ConstantRecord {
                    name: c.name.clone(),
                    element: c.data.element().name(),
                    length: c.data.len(),
                    bytes: c.data.bytes(),
                })
                .collect(),
            states: self.states.iter().map(state).collect(),
            streams: self.loops(),
            buffers: self.buffers.clone(),
            plan: self.plan.clone(),
            prefix: PrefixRecord {
                steps: self.prefix().steps,
                live: self.prefix().live.iter().map(|(_, slot)| *slot).collect(),
            },
            replay: self.replay().map(|r| ReplayRecord {
                steps: r.boundary.steps,
                places: r.places(),
                sample_bytes: r.kept(0).bytes,
                live: r.boundary.live.iter().map(|(_, slot)| *slot).collect(),
            }),
        }
    }
}

fn state(s: &State) -> StateRecord {
    let element = s.kind.element();
    StateRecord {
        name: s.name.clone(),
        kind: s.kind,
        element: element.name(),
        length: s.slot.bytes / element.bytes(),
        layer: s.layer,
        offset: s.slot.offset,
        bytes: s.slot.bytes,
        zero: s.init == Init::Zero,
    }
}

fn step(program: &Program, index: usize) -> StepRecord {
    let step = &program.steps[index];
    let spec = step.call.kernel().spec();
    let mut params = Vec::new();
    step.call.params(&mut |spec, value| params.push(param(spec.name, value)));
    let mut operands = Vec::new();
    step.call.operands(&mut |spec, operand, _| {
        let name = spec.name;
        operands.push(match operand {
            None => OperandRecord::None { name },
            Some(&Operand::Constant(index)) => OperandRecord::Constant { name, index },
            Some(&Operand::Memory(slot)) if slot.region == Region::State => OperandRecord::State {
                name,
                index: program
                    .states
                    .iter()
                    .position(|s| s.slot == slot)
                    .expect("a verified Program's operand is a tensor"),
                written: spec.role.writes(),
            },
            Some(&Operand::Memory(slot)) => OperandRecord::Arena {
                name,
                element: if spec.role == Role::Scratch { "void" } else { spec.element.name() },
                offset: slot.offset,
                bytes: slot.bytes,
                written: spec.role.writes(),
                optional: spec.optional,
            },
        });
    });
    StepRecord {
        label: step.label.clone(),
        sizes: sizes(&step.call),
        function: spec.c,
        saturates: spec.returns == Returns::Saturated,
        finishes: !step.finished.is_empty(),
        training: program.is_for_training(index),
        params,
        operands,
    }
}

fn param(name: &'static str, value: ParamValue) -> ParamRecord {
    let of = |s: &'static Struct, values: &[i32]| StructRecord {
        name,
        r#type: s.c,
        fields: s.fields.iter().map(|f| f.name).zip(values.iter().copied()).collect(),
    };
    match value {
        ParamValue::Struct(s, values) => ParamRecord::Struct(of(s, values)),
        ParamValue::Update(s, values) => ParamRecord::Update(of(s, values)),
        ParamValue::Int(value) => ParamRecord::Int { value },
        ParamValue::Real(r) => ParamRecord::Real(RealRecord { name, m: r.m, e: r.e }),
        ParamValue::LogitScale(s) => {
            ParamRecord::LogitScale { name, cap: s.cap.to_string(), pre: s.pre, m: s.m, s: s.s }
        }
        ParamValue::Given => ParamRecord::Given { name },
    }
}

/// The sizes of a call, for people.
fn sizes(call: &Call<Operand>) -> String {
    let window = |[kh, kw, stride]: [i32; 3], from: [i32; 3], to: [i32; 3]| {
        let strided = if stride > 1 { format!(" stride {stride}") } else { String::new() };
        let [from, to] = [from, to].map(|d| d.map(|n| n.to_string()).join("x"));
        format!("{kh}x{kw}{strided}, {from} -> {to}")
    };
    let conv = |p: &tinytrain_spec::params::ConvParams| {
        let kind = if call.kernel().depthwise() { "depthwise " } else { "" };
        let of = window([p.kh, p.kw, p.stride_h], [p.in_h, p.in_w, p.in_c], [p.out_h, p.out_w, p.out_c]);
        format!("{kind}{of}")
    };
    let pool = |p: &tinytrain_spec::params::PoolParams| {
        window([p.kh, p.kw, p.stride_h], [p.in_h, p.in_w, p.c], [p.out_h, p.out_w, p.c])
    };
    match call {
        Call::Conv(c) | Call::Depthwise(c) => conv(&c.p),
        Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => conv(&c.p),
        Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) => conv(&c.p),
        Call::Pointwise(c) => conv(&c.p),
        Call::PointwiseWide(c) => conv(&c.p),
        Call::Window(c) => conv(&c.p),
        Call::DepthwiseSquare(c) => conv(&c.p),
        Call::DepthwiseSquareInputGrad(c) => conv(&c.p),
        Call::PointwiseInputGrad(c) => conv(&c.p),
        Call::AveragePool(c) => pool(&c.p),
        Call::AveragePoolGrad(c) => pool(&c.p),
        Call::MaxPool(c) => pool(&c.p),
        Call::MaxPoolGrad(c) => pool(&c.p),
        _ => {
            let mut parts = Vec::new();
            call.operands(&mut |spec, operand, length| {
                if operand.is_some() && spec.role.in_arena() && spec.role != Role::Scratch {
                    parts.push(format!("{} {}", spec.name, length.elements));
                }
            });
            parts.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ts_rs::TS;

    use super::*;
    use crate::{CallNumber, Part, Purpose, Varying, Window};

    /// TypeScript's types of the record. `TINYTRAIN_WRITE=1 cargo test -p tinytrain-program` writes them anew.
    #[test]
    fn the_types_of_typescript_are_those_of_this_module() {
        fn declaration<T: TS>() -> String {
            format!("export {}\n", T::decl())
        }
        let types = [
            declaration::<Region>(),
            declaration::<Slot>(),
            declaration::<StateKind>(),
            declaration::<Window>(),
            declaration::<Purpose>(),
            declaration::<CallNumber>(),
            declaration::<Varying>(),
            declaration::<Part>(),
            declaration::<Stream>(),
            declaration::<Placed>(),
            declaration::<Plan>(),
            declaration::<InputRecord>(),
            declaration::<StructRecord>(),
            declaration::<RealRecord>(),
            declaration::<ParamRecord>(),
            declaration::<OperandRecord>(),
            declaration::<StepRecord>(),
            declaration::<ConstantRecord>(),
            declaration::<StateRecord>(),
            declaration::<PrefixRecord>(),
            declaration::<ReplayRecord>(),
            declaration::<ProgramRecord>(),
        ];
        let text =
            format!("// Generated from crates/program/src/record.rs by its test; do not edit.\n\n{}", types.join("\n"));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ts/program/record.ts");
        if std::env::var_os("TINYTRAIN_WRITE").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert!(
            std::fs::read_to_string(&path).unwrap() == text,
            "ts/program/record.ts is stale: TINYTRAIN_WRITE=1 cargo test -p tinytrain-program"
        );
    }
}
