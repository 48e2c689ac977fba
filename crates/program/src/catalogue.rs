//! A Program that calls every kernel with every operand present, for measuring what compiled code takes: stack, size, callees. Made from the kernel table
//! alone, it is to be compiled and never to be run: its parameters mean nothing.

use tinytrain_spec::kernels::{Element, Kernel, OperandSpec, ParamKind, Returns, Role};

use crate::{Const, Data, Init, Input, Operand, Plan, Program, Region, Slot, State, StateKind, Step};

/// Bytes of every operand.
const BYTES: u32 = 64;
/// From one place in the arena to the next: too far for the offset of a load or store.
const FAR: u32 = 4104;

impl Program {
    /// The Program. Its hash, its constants and its initial state are as good as any.
    pub fn catalogue() -> Self {
        let elements = [Element::I8, Element::U8, Element::U16, Element::I32, Element::U32];
        let constant = |e: Element| {
            let data = Data::from_bytes(e, &[1; BYTES as usize]).expect("whole elements of a constant's type");
            Const { name: format!("c_{}", e.name()), data }
        };
        let states: Vec<State> = (0u32..)
            .zip(StateKind::ALL)
            .map(|(i, kind)| State {
                name: format!("s_{i}"),
                kind,
                layer: None,
                slot: Slot { region: Region::State, offset: BYTES * i, bytes: BYTES },
                init: Init::Bytes(vec![1; BYTES as usize]),
            })
            .collect();
        let mut maker = Maker { elements: &elements, states: &states, place: FAR, word: 70_000 };
        let all = || Kernel::ALL.iter().copied().filter(|&k| k != Kernel::SoftmaxScores);
        let forward = all().filter(|&k| is_forward(k) && k != Kernel::HeadError).chain([Kernel::HeadError]);
        let mut steps: Vec<Step> = forward.map(|k| maker.step(k)).collect();
        let forward = steps.len();
        // Two of each kernel that updates: then their constant parameters differ, and the compiler keeps nothing in registers.
        let backward = all().filter(|&k| !is_forward(k)).flat_map(|k| [k, k]);
        steps.extend(backward.map(|k| maker.step(k)));
        let arena_bytes = maker.place + FAR;
        let input = Slot { region: Region::Arena, offset: 0, bytes: 48 };
        let logits = Slot { region: Region::Arena, offset: 2 * FAR, bytes: 80 };
        Self {
            name: "every kernel".into(),
            scheme: String::new(),
            input: Input { shape: [4, 4, 3], scale: 1.0, zero: 0, slot: input },
            steps,
            forward,
            classes: 10,
            logits: Some(logits),
            outputs: Vec::new(),
            consts: elements.map(constant).to_vec(),
            state_bytes: BYTES * states.len() as u32,
            states,
            arena_bytes,
            buffers: Vec::new(),
            plan: Plan { lower_bound: arena_bytes, heuristic: String::new() },
            prefix: 0,
            live_in: vec![Vec::new()],
            residual_bits: 4,
            seed: u64::MAX,
        }
    }
}

/// Whether a forward pass may call it: it counts nothing and needs nothing of a training step.
fn is_forward(kernel: Kernel) -> bool {
    let spec = kernel.spec();
    let given = spec.params.iter().any(|p| matches!(p.kind, ParamKind::Given(_) | ParamKind::Update(_)));
    kernel == Kernel::HeadError
        || spec.returns == Returns::Nothing && !given && spec.operands.iter().all(|o| o.role != Role::Train)
}

struct Maker<'a> {
    elements: &'a [Element],
    states: &'a [State],
    place: u32,
    word: u32,
}

impl Maker<'_> {
    fn step(&mut self, kernel: Kernel) -> Step {
        let (mut word, mut place) = (self.word, self.place);
        let call = kernel.call(
            &mut || {
                word += 1;
                Ok(word)
            },
            &mut |spec| {
                place += FAR;
                Ok(Some(self.operand(spec, place)))
            },
            &|spec| unreachable!("{} is present", spec.name),
        );
        (self.word, self.place) = (word, place);
        let call = call.unwrap_or_else(|never: std::convert::Infallible| match never {});
        Step { label: kernel.spec().name.replace('_', " "), call, finished: Vec::new() }
    }

    fn operand(&self, spec: &OperandSpec, place: u32) -> Operand {
        match spec.role {
            Role::Constant => {
                let found = self.elements.iter().position(|&e| e == spec.element);
                Operand::Constant(found.expect("a constant of every type that kernels read"))
            }
            Role::State | Role::Train => {
                let found = self.states.iter().find(|s| s.kind.element() == spec.element);
                Operand::Memory(found.expect("a state of every type that kernels train").slot)
            }
            _ => Operand::Memory(Slot { region: Region::Arena, offset: place, bytes: BYTES }),
        }
    }
}
