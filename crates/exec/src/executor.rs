use std::sync::Arc;
use std::time::Instant;

use tinytrain_kernels::Scratch;
use tinytrain_kernels::call::{self, Context};
use tinytrain_kernels::simd::{Kernels, PackedConv};
use tinytrain_program::{Boundary, Operand, Program, Region, Replay, Slot, TensorNumber};
use tinytrain_spec::kernels::Call;
use tinytrain_spec::replay;
use tinytrain_spec::softmax::HeadResult;

use crate::ExecError;
use crate::fast::{Fast, chosen_kernels, require};
use crate::regions::{Regions, StepRegions};
use crate::schedule::Rates;

/// The outcome of one training step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StepResult {
    /// Class with the largest logit before the update.
    pub predicted: u32,
    /// Loss before the update, Q15.16.
    pub loss: i32,
    /// Gradient elements that saturated.
    pub saturated: u64,
}

/// The inputs of a step besides its operands.
#[derive(Clone, Copy)]
struct StepInputs {
    label: Option<usize>,
    rates: Rates,
}

/// Bytes of a tensor that a step finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The tensor.
    pub tensor: TensorNumber,
    /// The first byte, counted from the tensor's beginning.
    pub from: usize,
    /// The bytes.
    pub bytes: Vec<i8>,
}

/// A Program in memory of its own.
#[derive(Clone)]
pub struct Executor {
    program: Arc<Program>,
    /// What runs: the Program over int8 weights, in which every step has the same places.
    plain: Arc<Program>,
    memory: Regions,
    /// The sample, while its rows come in one by one.
    sample: Vec<i8>,
    /// None where the reference kernels run.
    fast: Option<Fast>,
    scratch: Scratch,
    /// Training steps so far: part of the state, since stochastic rounding depends on it.
    step: u32,
    /// Gradient elements that saturated, for each step of the Program.
    saturated: Vec<u64>,
    result: HeadResult,
    keeps: bool,
    poison: bool,
    trace: Option<Vec<Traced>>,
    /// Least nanoseconds of each step so far.
    profile: Option<Vec<u64>>,
}

impl Executor {
    /// Loads a Program: memory is set aside, the Program verified, the state set to its start, weights packed for the kernels of
    /// [`chosen_kernels`].
    pub fn new(program: Arc<Program>) -> Result<Self, ExecError> {
        Self::with_kernels(program, chosen_kernels()?)
    }

    /// [`Executor::new`] with kernels of one's own choice. All give the same bits.
    pub fn with_kernels(program: Arc<Program>, kernels: Kernels) -> Result<Self, ExecError> {
        require(kernels)?;
        let mut memory = Regions::new(&program)?;
        let plain = Arc::new(program.plain());
        let fast = kernels.unit().map(|unit| Fast::new(unit, &plain, &mut memory));
        let saturated = vec![0; program.steps.len()];
        let mut e = Self {
            memory,
            sample: Vec::new(),
            fast,
            scratch: Scratch::default(),
            step: 0,
            saturated,
            result: HeadResult::default(),
            keeps: true,
            poison: false,
            trace: None,
            profile: None,
            program,
            plain,
        };
        e.restore(&e.program.initial_state(), 0)?;
        Ok(e)
    }

    /// Debug mode: bytes of the arena are overwritten as their buffer dies, and everything before a sample comes in.
    pub fn poison(&mut self, on: bool) {
        self.poison = on;
    }

    /// Whether training steps keep samples in the replay buffer, if there is one; they do at first. What they keep changes nothing but
    /// [`Executor::replay_step`].
    pub fn keep(&mut self, on: bool) {
        self.keeps = on;
    }

    /// See [`Executor::keep`].
    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// Debug mode: all bytes of tensors of the graph that a step finishes are kept, to be taken with [`Executor::take_trace`].
    pub fn trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    /// What was kept since [`Executor::trace`], in the order it was made.
    pub fn take_trace(&mut self) -> Vec<Traced> {
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
        Slot { region: Region::State, offset: 0, bytes: self.program.state_bytes }
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
        self.run(0, self.program.forward, StepInputs { label: None, rates: Rates::ZERO });
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
        let last = self.program.forward.checked_sub(1).map(|i| &self.program.steps[i].call);
        let slot = if let Some(Call::HeadError(c)) = last { c.e.slot() } else { None };
        (slot.map_or(&[], |s| self.memory.read(s)), self.result.k)
    }

    /// The forward pass with a label: loss and error, but no update.
    pub fn evaluate(&mut self, input: &[i8], label: usize) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load(input)?;
        self.run(0, self.program.forward, StepInputs { label: Some(label), rates: Rates::ZERO });
        Ok(self.found(0))
    }

    /// One training step: forward, loss, backward, update in place. The replay buffer may keep the sample.
    pub fn train_step(&mut self, input: &[i8], label: usize, rates: Rates) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load(input)?;
        self.train_from(0, label, rates)
    }

    /// One training step on a sample of the replay buffer, and its class; none while it is empty or if there is none.
    pub fn replay_step(&mut self, rates: Rates) -> Result<Option<(usize, StepResult)>, ExecError> {
        let program = self.program.clone();
        let Some(replay) = program.replay() else { return Ok(None) };
        let step = self.step;
        let Some((place, label)) = self.replay_of(&replay).again(program.seed, step) else { return Ok(None) };
        let sample = self.memory.read::<i8>(replay.kept(place)).to_vec();
        self.load_activations(replay.boundary.steps, &sample)?;
        self.train_behind(replay.boundary.steps, label, rates).map(|found| Some((label, found)))
    }

    fn replay_of(&mut self, replay: &Replay) -> replay::Replay<'_> {
        let (tags, counts) = self.memory.pair(replay.tags, replay.counts);
        replay::Replay { tags, counts }
    }

    /// Keeps what the arena holds at the boundary of the replay buffer, if the sample gets a place.
    fn keep_sample(&mut self, replay: &Replay, label: usize) {
        let (seed, step) = (self.program.seed, self.step);
        let Some(place) = self.replay_of(replay).keep(label, seed, step) else { return };
        let mut slot = replay.kept(place);
        for (_, live) in &replay.boundary.live {
            slot.bytes = live.bytes;
            let bytes = self.memory.read::<i8>(*live).to_vec();
            self.memory.write(slot).copy_from_slice(&bytes);
            slot.offset += live.bytes;
        }
    }

    /// Appends to `activations` what the first `steps` steps make of a sample: the tensors of the live-in set of the boundary behind them, one after the
    /// other.
    pub fn prefix(&mut self, steps: usize, input: &[i8], activations: &mut Vec<i8>) -> Result<(), ExecError> {
        let program = self.program.clone();
        let boundary = boundary(&program, steps)?;
        self.load(input)?;
        self.run(0, steps, StepInputs { label: None, rates: Rates::ZERO });
        match steps {
            0 => activations.extend_from_slice(input),
            _ => boundary.live.iter().for_each(|(_, s)| activations.extend_from_slice(self.memory.read(*s))),
        }
        Ok(())
    }

    /// [`Executor::train_step`] from the activations of [`Executor::prefix`], of this Program or of another scheme of the same model. Gives the same bits.
    pub fn train_step_from_prefix(
        &mut self,
        steps: usize,
        activations: &[i8],
        label: usize,
        rates: Rates,
    ) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load_activations(steps, activations)?;
        self.train_from(steps, label, rates)
    }

    /// [`Executor::evaluate`] from the activations of [`Executor::prefix`]. Gives the same bits.
    pub fn evaluate_from_prefix(
        &mut self,
        steps: usize,
        activations: &[i8],
        label: usize,
    ) -> Result<StepResult, ExecError> {
        self.check_label(label)?;
        self.load_activations(steps, activations)?;
        self.run(steps, self.program.forward, StepInputs { label: Some(label), rates: Rates::ZERO });
        Ok(self.found(0))
    }

    fn load_activations(&mut self, steps: usize, activations: &[i8]) -> Result<(), ExecError> {
        let program = self.program.clone();
        let boundary = boundary(&program, steps)?;
        size("activations of a prefix in bytes", activations.len(), program.boundary_bytes(boundary))?;
        if steps == 0 {
            return self.load(activations);
        }
        if self.poison {
            self.memory.arena().fill(POISON);
        }
        let mut rest = activations;
        for (_, slot) in &boundary.live {
            let (tensor, tail) = rest.split_at(slot.bytes as usize);
            self.memory.write(*slot).copy_from_slice(tensor);
            rest = tail;
        }
        Ok(())
    }

    fn train_from(&mut self, first: usize, label: usize, rates: Rates) -> Result<StepResult, ExecError> {
        let program = self.program.clone();
        let Some(replay) = program.replay().filter(|_| self.keeps) else {
            return self.train_behind(first, label, rates);
        };
        let boundary = replay.boundary.steps;
        if first > boundary {
            return Err(ExecError::Usage("these steps begin behind the place at which samples are kept"));
        }
        self.run(first, boundary, StepInputs { label: Some(label), rates });
        self.keep_sample(&replay, label);
        self.train_behind(boundary, label, rates)
    }

    fn train_behind(&mut self, first: usize, label: usize, rates: Rates) -> Result<StepResult, ExecError> {
        let (forward, all) = (self.program.forward, self.program.steps.len());
        let inputs = StepInputs { label: Some(label), rates };
        self.run(first, forward, inputs);
        let saturated = if self.result.any { self.run(forward, all, inputs) } else { 0 };
        let program = self.program.clone();
        if let Some(replay) = program.replay() {
            self.replay_of(&replay).trained(label);
        }
        self.step += 1;
        Ok(self.found(saturated))
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
        size("sample in bytes", input.len(), self.program.input.bytes() as usize)?;
        if self.poison {
            self.memory.arena().fill(POISON);
        }
        match self.program.input.whole() {
            Some(slot) => self.memory.write(slot).copy_from_slice(input),
            None => {
                self.sample.clear();
                self.sample.extend_from_slice(input);
            }
        }
        Ok(())
    }

    /// Copies the rows of the sample that come in before a step, if it comes in row by row. `next` counts them.
    fn feed(&mut self, program: &Program, step: usize, next: &mut usize) {
        let row = program.input.row_bytes() as usize;
        while let Some(fed) = program.input.rows().get(*next).filter(|r| r.step <= step) {
            self.memory.write(fed.slot).copy_from_slice(&self.sample[*next * row..][..row]);
            *next += 1;
        }
    }

    /// Runs steps `from..to`; returns how many gradient elements saturated.
    fn run(&mut self, from: usize, to: usize, inputs: StepInputs) -> u64 {
        let program = self.plain.clone();
        let mut total = 0;
        let mut row = program.input.rows().partition_point(|r| r.step < from);
        for i in from..to {
            tinytrain_stop::check();
            self.feed(&program, i, &mut row);
            let step = &program.steps[i];
            let memory = self.memory.step(&program.consts);
            let context = Context {
                label: inputs.label,
                head_rate: inputs.rates.head,
                backbone_rate: inputs.rates.backbone,
                seed: program.seed,
                step: self.step,
                result: &mut self.result,
                scratch: &mut self.scratch,
            };
            let unit = self.fast.as_ref().map(|f| f.unit);
            let start = self.profile.is_some().then(Instant::now);
            let saturated = match self.fast.as_mut().and_then(|f| f.layer(i)) {
                Some((layer, part)) => packed(layer, part, &step.call, &memory, context),
                None => call::run(unit, &step.call, &memory, context),
            } as u64;
            if let (Some(profile), Some(start)) = (&mut self.profile, start) {
                profile[i] = profile[i].min(start.elapsed().as_nanos() as u64);
            }
            self.saturated[i] += saturated;
            total += saturated;
            if let Some(trace) = &mut self.trace {
                trace.extend(step.finished.iter().map(|p| Traced {
                    tensor: p.tensor,
                    from: p.from as usize,
                    bytes: self.memory.read(p.slot).to_vec(),
                }));
            }
            if self.poison {
                self.poison_dead(&program, i);
            }
        }
        total
    }

    /// Overwrites the bytes that die with a step.
    fn poison_dead(&mut self, program: &Program, step: usize) {
        for b in &program.buffers {
            let (was, is) = (b.live(step), b.live(step + 1));
            let kept = is.start.clamp(was.start, was.end)..is.end.clamp(was.start, was.end);
            let dead = if kept.is_empty() {
                [was.clone(), was.end..was.end]
            } else {
                [was.start..kept.start, kept.end..was.end]
            };
            for bytes in dead {
                let (first, end) = (b.offset + bytes.start, b.offset + bytes.end);
                self.memory.arena()[first as usize..end as usize].fill(POISON);
            }
        }
    }
}

/// Overwrites dead bytes in debug mode; any value would do.
const POISON: u8 = 0xa5;

fn boundary(program: &Program, steps: usize) -> Result<&Boundary, ExecError> {
    program.boundary(steps).ok_or(ExecError::Usage("no boundary of the frozen prefix lies behind these steps"))
}

fn size(what: &'static str, found: usize, expected: usize) -> Result<(), ExecError> {
    if found == expected { Ok(()) } else { Err(ExecError::Size { what, found, expected }) }
}

/// One call of a convolution's kernels over packed weights.
fn packed(layer: &mut PackedConv, part: usize, call: &Call<Operand>, memory: &StepRegions, c: Context) -> u32 {
    match call {
        Call::Conv(k) | Call::Depthwise(k) => {
            let v = k.views(memory);
            layer.run(part, v.x, v.offset.unwrap_or_default(), v.y, v.mask, c.scratch);
        }
        Call::ConvInputGrad(k) | Call::DepthwiseInputGrad(k) => {
            let v = k.views(memory);
            return layer.input_grad(part, k.shift, v.g, v.gx, c.scratch);
        }
        Call::ConvWeightStep(k) | Call::DepthwiseWeightStep(k) => {
            let v = k.views(memory);
            layer.weight_step(part, &c.update(&k.u), v.g, v.x, v.qas, v.q, v.lo.unwrap_or_default(), c.scratch);
        }
        _ => unreachable!("only convolutions are packed"),
    }
    0
}
