use std::sync::Arc;
use std::time::Instant;

use tinytrain_ir::TensorId;
use tinytrain_kernels::simd::{self, Kernels, Layer, Unit};
use tinytrain_kernels::{Bias, Scales, Scratch, Update, Weights, reference};
use tinytrain_lower::{Frontier, Kernel, Program, Slot};
use tinytrain_spec::arith::Real31;
use tinytrain_spec::params::UpdateParams;
use tinytrain_spec::softmax::{self, HeadResult};

use crate::ExecError;
use crate::fast::{Fast, chosen_kernels, require};
use crate::memory::{Memory, Views};

/// What one training step found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepResult {
    /// Class with the largest logit before the update.
    pub predicted: u32,
    /// Loss before the update, Q15.16.
    pub loss: i32,
    /// Gradient elements that saturated.
    pub saturated: u64,
}

/// What a step is given besides its operands.
#[derive(Clone, Copy)]
struct Given {
    label: Option<usize>,
    lr: Real31,
}

/// A Program in memory of its own.
#[derive(Clone)]
pub struct Executor {
    program: Arc<Program>,
    memory: Memory,
    /// None where the reference kernels run.
    fast: Option<Fast>,
    scratch: Scratch,
    /// Operands of a step that works in place, which its kernel wants apart.
    copies: [Vec<i8>; 2],
    /// Training steps so far: part of the state, since stochastic rounding depends on it.
    step: u32,
    /// Gradient elements that saturated, for each step of the Program.
    saturated: Vec<u64>,
    result: HeadResult,
    poison: bool,
    trace: Option<Vec<(TensorId, Vec<i8>)>>,
    /// Least nanoseconds of each step so far.
    profile: Option<Vec<u64>>,
}

impl Executor {
    /// Loads a Program: memory is set aside, every slot checked, the state set to its start, weights packed for the kernels of
    /// [`chosen_kernels`].
    pub fn new(program: Arc<Program>) -> Result<Self, ExecError> {
        Self::with_kernels(program, chosen_kernels()?)
    }

    /// [`Executor::new`] with kernels of one's own choice. All give the same bits.
    pub fn with_kernels(program: Arc<Program>, kernels: Kernels) -> Result<Self, ExecError> {
        require(kernels)?;
        let mut memory = Memory::new(&program)?;
        let fast = kernels.unit().map(|unit| Fast::new(unit, &program, &mut memory));
        let saturated = vec![0; program.steps.len()];
        let mut e = Self {
            memory,
            fast,
            scratch: Scratch::default(),
            copies: Default::default(),
            step: 0,
            saturated,
            result: HeadResult::default(),
            poison: false,
            trace: None,
            profile: None,
            program,
        };
        e.restore(&e.program.initial_state(), 0)?;
        Ok(e)
    }

    /// Debug mode: bytes of the arena are overwritten as their buffer dies, and everything before a sample comes in.
    pub fn poison(&mut self, on: bool) {
        self.poison = on;
    }

    /// Debug mode: every tensor that a step of the graph finishes is kept, to be taken with [`Executor::take_trace`].
    pub fn trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// The tensors kept since [`Executor::trace`], in the order they were made.
    pub fn take_trace(&mut self) -> Vec<(TensorId, Vec<i8>)> {
        self.trace.take().unwrap_or_default()
    }

    /// Debug mode: the time of each step is taken from here on.
    pub fn profile(&mut self) {
        self.profile = Some(vec![u64::MAX; self.program.steps.len()]);
    }

    /// Nanoseconds of each step since [`Executor::profile`], the least of all its runs.
    pub fn take_profile(&mut self) -> Vec<u64> {
        self.profile.take().unwrap_or_default()
    }

    /// The Program.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// Every trainable byte.
    pub fn state(&self) -> &[u8] {
        self.memory.read(self.whole_state())
    }

    fn whole_state(&self) -> Slot {
        Slot { region: tinytrain_lower::Region::State, offset: 0, bytes: self.program.state_bytes }
    }

    /// Training steps so far.
    pub fn steps(&self) -> u32 {
        self.step
    }

    /// Takes over a state and its number of steps.
    pub fn restore(&mut self, state: &[u8], step: u32) -> Result<(), ExecError> {
        let slot = self.whole_state();
        size("trainable state in bytes", state.len(), slot.bytes as usize)?;
        self.memory.write::<u8>(slot).copy_from_slice(state);
        if let Some(fast) = &mut self.fast {
            fast.restore(&self.memory);
        }
        self.step = step;
        Ok(())
    }

    /// Gradient elements that saturated so far, for each step of the Program.
    pub fn saturated(&self) -> &[u64] {
        &self.saturated
    }

    /// Sets the counters of saturated elements, when a run is resumed.
    pub fn set_saturated(&mut self, counts: &[u64]) -> Result<(), ExecError> {
        size("saturation counters", counts.len(), self.saturated.len())?;
        self.saturated.copy_from_slice(counts);
        Ok(())
    }

    /// A slot's bytes as they are now.
    pub fn bytes(&self, slot: Slot) -> &[i8] {
        self.memory.read(slot)
    }

    /// Runs the forward pass of a program without a head.
    pub fn forward(&mut self, input: &[i8]) -> Result<(), ExecError> {
        self.load(input)?;
        self.run(0, self.program.forward, Given { label: None, lr: Real31::ZERO });
        Ok(())
    }

    /// The class of a sample; the probabilities are in [`Executor::scores`] until the next call.
    pub fn predict(&mut self, input: &[i8]) -> Result<u32, ExecError> {
        self.forward(input)?;
        Ok(self.result.predicted)
    }

    /// Probabilities of the last prediction, Q0.31.
    pub fn scores(&self) -> &[i64] {
        self.program.logits.map_or(&[], |s| self.memory.read(s))
    }

    /// The error of the last labelled forward pass and its shift.
    pub fn error(&self) -> (&[i16], i32) {
        let step = &self.program.steps[self.program.forward - 1];
        (step.args[1].slot().map_or(&[], |s| self.memory.read(s)), self.result.k)
    }

    /// The forward pass with a label: loss and error, but no update.
    pub fn evaluate(&mut self, input: &[i8], label: usize) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load(input)?;
        self.run(0, self.program.forward, Given { label: Some(label), lr: Real31::ZERO });
        Ok(self.found(0))
    }

    /// One training step: forward, loss, backward, update in place.
    pub fn train_step(&mut self, input: &[i8], label: usize, lr: Real31) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load(input)?;
        Ok(self.train_from(0, label, lr))
    }

    /// Keeps what the first `steps` steps make of a sample: the tensors of that frontier, one after the other. At most `program.prefix` steps.
    pub fn prefix(&mut self, steps: usize, input: &[i8], out: &mut Vec<i8>) -> Result<(), ExecError> {
        let program = self.program.clone();
        let frontier = frontier(&program, steps)?;
        self.load(input)?;
        self.run(0, steps, Given { label: None, lr: Real31::ZERO });
        frontier.iter().for_each(|(_, s)| out.extend_from_slice(self.memory.read(*s)));
        Ok(())
    }

    /// [`Executor::train_step`] from what [`Executor::prefix`] kept, of this Program or of another scheme of the same model. Gives the same bits.
    pub fn train_step_kept(
        &mut self,
        steps: usize,
        kept: &[i8],
        label: usize,
        lr: Real31,
    ) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load_kept(steps, kept)?;
        Ok(self.train_from(steps, label, lr))
    }

    /// [`Executor::evaluate`] from what [`Executor::prefix`] kept. Gives the same bits.
    pub fn evaluate_kept(&mut self, steps: usize, kept: &[i8], label: usize) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load_kept(steps, kept)?;
        self.run(steps, self.program.forward, Given { label: Some(label), lr: Real31::ZERO });
        Ok(self.found(0))
    }

    fn load_kept(&mut self, steps: usize, kept: &[i8]) -> Result<(), ExecError> {
        let program = self.program.clone();
        let frontier = frontier(&program, steps)?;
        size("kept activations in bytes", kept.len(), frontier_bytes(frontier))?;
        if self.poison {
            self.memory.arena().fill(POISON);
        }
        let mut rest = kept;
        for (_, slot) in frontier {
            let (tensor, tail) = rest.split_at(slot.bytes as usize);
            self.memory.write(*slot).copy_from_slice(tensor);
            rest = tail;
        }
        Ok(())
    }

    fn train_from(&mut self, first: usize, label: usize, lr: Real31) -> StepResult {
        let (forward, all) = (self.program.forward, self.program.steps.len());
        let given = Given { label: Some(label), lr };
        self.run(first, forward, given);
        let saturated = if self.result.any { self.run(forward, all, given) } else { 0 };
        self.step += 1;
        self.found(saturated)
    }

    fn found(&self, saturated: u64) -> StepResult {
        StepResult { predicted: self.result.predicted, loss: self.result.loss, saturated }
    }

    fn check_label(&self, label: usize) -> Result<(), ExecError> {
        if self.program.classes == 0 {
            return Err(ExecError::Usage("a program without a trainable head has no labels"));
        }
        if label >= self.program.classes {
            return Err(ExecError::Size { what: "label", found: label, expected: self.program.classes - 1 });
        }
        Ok(())
    }

    fn load(&mut self, input: &[i8]) -> Result<(), ExecError> {
        let slot = self.program.input;
        size("sample in bytes", input.len(), slot.bytes as usize)?;
        if self.poison {
            self.memory.arena().fill(POISON);
        }
        self.memory.write(slot).copy_from_slice(input);
        Ok(())
    }

    /// Runs steps `from..to`; returns how many gradient elements saturated.
    fn run(&mut self, from: usize, to: usize, given: Given) -> u64 {
        let program = self.program.clone();
        let mut total = 0;
        for i in from..to {
            let step = &program.steps[i];
            let views = self.memory.step(&program.consts, &step.args);
            let context = Context {
                given,
                result: &mut self.result,
                seed: program.seed,
                step: self.step,
                scratch: &mut self.scratch,
                copies: &mut self.copies,
            };
            let unit = self.fast.as_ref().map(|f| f.unit);
            let start = self.profile.is_some().then(Instant::now);
            let saturated = match self.fast.as_mut().and_then(|f| f.layer(i)) {
                Some(layer) => packed(layer, &step.kernel, &views, context),
                None => dispatch(unit, &step.kernel, &views, context),
            } as u64;
            if let (Some(profile), Some(start)) = (&mut self.profile, start) {
                profile[i] = profile[i].min(start.elapsed().as_nanos() as u64);
            }
            self.saturated[i] += saturated;
            total += saturated;
            if let Some(trace) = &mut self.trace {
                trace.extend(step.finished.iter().map(|(t, slot)| (*t, self.memory.read(*slot).to_vec())));
            }
            if self.poison {
                for b in program.buffers.iter().filter(|b| b.buffer.end as usize == i + 1) {
                    self.memory.arena()[b.offset as usize..][..b.buffer.size as usize].fill(POISON);
                }
            }
        }
        total
    }
}

/// Overwrites dead bytes in debug mode; any value would do.
const POISON: u8 = 0xa5;

fn frontier(program: &Program, steps: usize) -> Result<&Frontier, ExecError> {
    program.frontiers.get(steps).ok_or(ExecError::Size {
        what: "steps of a frozen prefix",
        found: steps,
        expected: program.prefix,
    })
}

/// Bytes of a frontier's tensors.
pub fn frontier_bytes(frontier: &Frontier) -> usize {
    frontier.iter().map(|(_, s)| s.bytes as usize).sum()
}

fn size(what: &'static str, found: usize, expected: usize) -> Result<(), ExecError> {
    if found == expected { Ok(()) } else { Err(ExecError::Size { what, found, expected }) }
}

struct Context<'a> {
    given: Given,
    result: &'a mut HeadResult,
    seed: u64,
    step: u32,
    scratch: &'a mut Scratch,
    copies: &'a mut [Vec<i8>; 2],
}

impl Context<'_> {
    fn update<'p>(&self, params: &'p UpdateParams) -> Update<'p> {
        Update { params, lr: self.given.lr, k: self.result.k, seed: self.seed, step: self.step }
    }
}

/// A copy in a buffer that is allocated once.
fn copied<'c>(from: &[i8], to: &'c mut Vec<i8>) -> &'c [i8] {
    to.clear();
    to.extend_from_slice(from);
    to
}

/// One call of a convolution's kernels over packed weights; argument numbers are those listed with [`Kernel`].
fn packed(layer: &mut Layer, kernel: &Kernel, v: &Views, c: Context) -> u32 {
    match kernel {
        Kernel::Conv { .. } => layer.run(v.get(0), v.get(5), v.out(8), v.mask_out(9), c.scratch),
        Kernel::ConvInputGrad { shift, .. } => return layer.input_grad(*shift, v.get(0), v.out(4), c.scratch),
        Kernel::ConvWeightStep { u, .. } => {
            layer.weight_step(&c.update(u), v.get(0), v.get(1), v.u32(3), v.out(4), v.out(5), c.scratch);
        }
        _ => unreachable!("only convolutions are packed"),
    }
    0
}

/// One kernel call: argument numbers are those listed with [`Kernel`]. Loops over single elements run as compiled for `unit`, if there is one.
fn dispatch(unit: Option<Unit>, kernel: &Kernel, v: &Views, c: Context) -> u32 {
    macro_rules! k {
        ($name:ident($($arg:expr),* $(,)?)) => {
            match unit {
                Some(unit) => simd::$name(unit, $($arg),*),
                None => reference::$name($($arg),*),
            }
        };
    }
    let weights = |first: usize| Weights { frozen: v.i8(first), trained: v.get(first + 1), channels: v.u16(first + 2) };
    match kernel {
        Kernel::Conv { depthwise, p } => {
            let (bias, scales) = (Bias { base: v.i32(4), offset: v.get(5) }, Scales { m: v.i32(6), shift: v.u8(7) });
            let run = if *depthwise { reference::depthwise } else { reference::conv };
            run(p, v.get(0), weights(1), bias, scales, v.out(8), v.mask_out(9), c.scratch);
        }
        Kernel::ConvInputGrad { depthwise, p, shift } => {
            let run = if *depthwise { reference::depthwise_input_grad } else { reference::conv_input_grad };
            return run(p, *shift, v.get(0), weights(1), v.out(4), c.scratch);
        }
        Kernel::ConvWeightStep { depthwise, p, u } => {
            let run = if *depthwise { reference::depthwise_weight_step } else { reference::conv_weight_step };
            run(p, &c.update(u), v.get(0), v.get(1), v.u16(2), v.u32(3), v.out(4), v.out(5), c.scratch);
        }
        Kernel::BiasStep { channels, u, layer, .. } => {
            k!(bias_step(*channels as usize, &c.update(u), *layer, v.get(0), v.u32(1), v.i32(2), v.out(3)));
        }
        Kernel::Add { p } if v.aliased(0, 2) || v.aliased(1, 2) => {
            let [a, b] = c.copies;
            k!(add(p, copied(v.get(0), a), copied(v.get(1), b), v.out(2), v.mask_out(3)));
        }
        Kernel::Add { p } => k!(add(p, v.get(0), v.get(1), v.out(2), v.mask_out(3))),
        Kernel::Requantize { p } => {
            k!(requantize(p, copied(v.get(0), &mut c.copies[0]), v.out(1), v.mask_out(2)));
        }
        Kernel::AveragePool { p } => k!(average_pool(p, v.get(0), v.out(1), v.mask_out(2))),
        Kernel::AveragePoolGrad { p } => return k!(average_pool_grad(p, v.get(0), v.mask(1), v.out(2))),
        Kernel::MaxPool { p } => k!(max_pool(p, v.get(0), v.out(1), v.mask_out(2))),
        Kernel::MaxPoolGrad { p } => return k!(max_pool_grad(p, v.get(0), v.get(1), v.mask(2), v.out(3))),
        Kernel::Mean { p } => k!(mean(p, v.get(0), v.out(1), v.mask_out(2))),
        Kernel::Softmax { p } => reference::softmax(p, v.get(0), v.out(1)),
        Kernel::CopyBox { p } => return reference::copy_box(p, v.get(0), v.out(1)),
        Kernel::Fill { p } => reference::fill(p, v.out(0)),
        Kernel::HeadLogits { p } => k!(head_logits(p, v.get(0), v.get(1), v.get(2), v.out(3))),
        Kernel::HeadError { scale, .. } => {
            *c.result = match c.given.label {
                Some(label) => softmax::head_error(v.out(0), *scale, label, v.out(1)),
                None => softmax::softmax(v.out(0), *scale),
            };
        }
        Kernel::HeadInputGrad { p } => return k!(head_input_grad(p, v.get(0), v.get(1), v.out(2))),
        Kernel::HeadUpdate { p, weight_q, bias_q } => {
            let (lr, kk) = (c.given.lr, c.result.k);
            k!(head_update(p, lr, *weight_q, *bias_q, kk, v.get(0), v.get(1), v.out(2), v.out(3)));
        }
        Kernel::GradScale { p } => {
            if !v.aliased(0, 4) {
                v.out::<i8>(4).copy_from_slice(v.get(0));
            }
            return k!(grad_scale(p, v.i32(2), v.u8(3), v.mask(1), v.out(4)));
        }
        Kernel::GradRepeat { p } => return k!(grad_repeat(p, v.mask(1), v.get(0), v.out(4))),
        Kernel::Sum { .. } => {
            if v.aliased(0, 2) && v.aliased(1, 2) {
                let doubled = copied(v.get(0), &mut c.copies[0]);
                return k!(sum(v.out(2), doubled));
            }
            // The sum commutes, so it goes into whichever input the output stands on.
            let other = if v.aliased(1, 2) { 0 } else { 1 };
            if !v.aliased(0, 2) && !v.aliased(1, 2) {
                v.out::<i8>(2).copy_from_slice(v.get(0));
            }
            return k!(sum(v.out(2), v.get(other)));
        }
    }
    0
}
