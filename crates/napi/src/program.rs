use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use napi::bindgen_prelude::{Float64Array, Int8Array, Int16Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Result};
use napi_derive::napi;
use serde_json::json;
use tinytrain_compile::{CALIBRATION_SAMPLES, Feed, ProgramOptions};
use tinytrain_exec::{ExecError, Executor, SampleSource, Schedule, permutation};
use tinytrain_ir::Scheme;
use tinytrain_spec::arith::Real31;

use crate::error::Failure;
use crate::samples::Dataset;
use crate::target::{SramLimit, keeping, named, within};
use crate::task::{on_thread, stoppable};
use crate::{Control, Model};

/// A model with a head, differentiated and calibrated, from which Programs for any scheme are compiled.
#[napi]
pub struct Compiler {
    pub(crate) inner: tinytrain_compile::Compiler,
}

/// The weights with which a class of the head starts.
#[napi(object)]
pub struct HeadRow {
    /// One weight per feature, 13 fraction bits.
    pub weights: Int16Array,
    /// In units of the features' scale times `2^-13`.
    pub bias: i32,
}

/// The graph after a pass.
#[napi(object)]
pub struct StageDump {
    /// Name of the pass.
    pub name: String,
    /// The graph as text, one node per line.
    pub text: String,
}

#[napi]
impl Compiler {
    /// Differentiates a model for as many classes as there are rows, each of which starts with its row or at random, and calibrates it on a few samples
    /// of a data set, chosen by the seed.
    #[napi(catch_unwind, ts_return_type = "Promise<Compiler>")]
    pub fn create<'e>(
        env: &'e Env,
        model: &Model,
        rows: Vec<Option<HeadRow>>,
        seed: f64,
        threads: u32,
        samples: Option<&Dataset>,
        control: &Control,
    ) -> Result<Object<'e>> {
        let row = |r: HeadRow| tinytrain_ir::HeadRow { weights: r.weights.to_vec(), bias: r.bias };
        let rows: Vec<_> = rows.into_iter().map(|r| r.map(row)).collect();
        let (graph, seed) = (model.graph(), seed as u64);
        let length = graph.tensor(graph.input).shape.len();
        let source = samples.map(|p| p.fitting(length)).transpose()?;
        stoppable(env, control, move || {
            let chosen = source.map_or(Ok(Vec::new()), |s| choose(&*s, length, seed))?;
            let inner = tinytrain_compile::Compiler::with_rows(&graph, &rows, seed, &chosen, threads as usize)?;
            Ok(Self { inner })
        })
    }

    /// Number of convolutions of the backbone.
    #[napi(catch_unwind, getter)]
    pub fn layers(&self) -> u32 {
        self.inner.layers() as u32
    }

    /// The Program of a scheme, planned in `rounds` rounds of improvement; without it, in as many as a Program that is handed over. Above `limit` it
    /// runs over rows as far as it must. With `by_rows` the sample comes in row by row; `replay` is the number of samples that are kept for training on them
    /// again.
    #[napi(catch_unwind, ts_return_type = "Promise<Program>")]
    pub fn compile<'e>(
        &self,
        env: &'e Env,
        scheme: String,
        residual_bits: u32,
        rounds: Option<u32>,
        limit: Option<SramLimit>,
        by_rows: bool,
        replay: u32,
        control: &Control,
    ) -> Result<Object<'e>> {
        let scheme = self.scheme(&scheme)?;
        let limit = limit.map(|l| Ok::<_, Failure>((keeping(named(&l.target)?, l.store)?, l.bytes))).transpose()?;
        let rounds = rounds.unwrap_or_else(tinytrain_compile::planner_rounds);
        let compiler = self.inner.clone();
        let options = ProgramOptions { residual_bits, arena_limit: None, feed: feed(by_rows), replay };
        stoppable(env, control, move || {
            let compile = |arena_limit| compiler.compile(&scheme, ProgramOptions { arena_limit, ..options }, rounds);
            let program = match limit {
                Some((target, bytes)) => within(&target, bytes, compile)?,
                None => compile(None)?,
            };
            Ok(Program::new(program))
        })
    }

    /// The graph after each pass.
    #[napi(catch_unwind)]
    pub fn stages(&self, scheme: String) -> Result<Vec<StageDump>> {
        let stages = self.inner.stages(&self.scheme(&scheme)?).map_err(Failure::from)?;
        Ok(stages.into_iter().map(|(name, graph)| StageDump { name: name.into(), text: graph.dump() }).collect())
    }

    pub(crate) fn scheme(&self, text: &str) -> std::result::Result<Scheme, Failure> {
        Ok(Scheme::parse(text, self.inner.layers())?)
    }
}

/// How the sample comes in.
pub(crate) fn feed(by_rows: bool) -> Feed {
    if by_rows { Feed::Rows } else { Feed::Whole }
}

/// The samples for calibration: the first ones of an epoch that no training run reaches.
fn choose(
    source: &dyn SampleSource,
    length: usize,
    seed: u64,
) -> std::result::Result<Vec<(Vec<i8>, usize)>, ExecError> {
    let order = permutation(seed, u32::MAX, source.len()).into_iter().take(CALIBRATION_SAMPLES);
    let read = |i: u32| {
        let mut sample = vec![0; length];
        source.read(i as usize, &mut sample)?;
        Ok((sample, source.label(i as usize)))
    };
    order.map(read).collect()
}

/// A compiled Program.
#[napi]
pub struct Program {
    pub(crate) inner: Arc<tinytrain_program::Program>,
}

impl Program {
    fn new(program: tinytrain_program::Program) -> Self {
        Self { inner: Arc::new(program) }
    }
}

#[napi]
impl Program {
    /// Reads a Program file. Nothing in it is trusted: a file that is damaged, modified or of another version is rejected.
    #[napi(catch_unwind, ts_return_type = "Promise<Program>")]
    pub fn load<'e>(env: &'e Env, bytes: Uint8Array) -> Result<Object<'e>> {
        let bytes = bytes.to_vec();
        on_thread(env, move || Ok(Self::new(tinytrain_program::Program::from_bytes(&bytes)?)))
    }

    /// The Program file.
    #[napi(catch_unwind)]
    pub fn to_bytes(&self) -> Uint8Array {
        self.inner.to_bytes().into()
    }

    /// The Program as JSON (`ts/program/record.ts`): everything except the content of constants and of the initial state.
    #[napi(catch_unwind)]
    pub fn describe(&self) -> String {
        json!(self.inner.record()).to_string()
    }

    /// Its scheme in canonical form.
    #[napi(catch_unwind, getter)]
    pub fn scheme(&self) -> String {
        self.inner.scheme.clone()
    }

    /// SHA-256 over everything that determines its results.
    #[napi(catch_unwind, getter)]
    pub fn hash(&self) -> String {
        self.inner.hash()
    }

    /// SHA-256 over everything that determines its results except the state at the start.
    #[napi(catch_unwind, getter)]
    pub fn family(&self) -> String {
        self.inner.family()
    }

    /// The same Program starting with another state.
    #[napi(catch_unwind)]
    pub fn with_state(&self, state: Uint8Array) -> Result<Program> {
        let program = self.inner.with_state(&state).ok_or_else(|| {
            let (found, expected) = (state.len(), self.inner.state_bytes);
            let what = format!("{found} bytes of state for a program that has {expected}");
            Failure::new("SIZE_MISMATCH", what).with(json!({ "found": found, "expected": expected }))
        })?;
        Ok(Self::new(program))
    }

    /// The memory it takes on a board, item by item, as JSON, with `pixel_tables` tables of pixel values in flash, with a
    /// store or without.
    #[napi(catch_unwind)]
    pub fn memory(&self, target: String, pixel_tables: u32, store: bool) -> Result<String> {
        let table = keeping(named(&target)?, store)?.memory(&self.inner, pixel_tables).map_err(Failure::from)?;
        Ok(json!(table).to_string())
    }

    /// The C files of the kernels that the Program needs on a board.
    #[napi(catch_unwind)]
    pub fn kernel_files(&self, target: String) -> Result<Vec<String>> {
        Ok(named(&target)?.kernel_files(&self.inner).map_err(Failure::from)?)
    }

    /// Bytes of stack that the Program takes on the board that QEMU emulates as a stand-in; none if there is no such board.
    #[napi(catch_unwind)]
    pub fn stand_in_stack(&self, target: String, store: bool) -> Result<Option<u32>> {
        let stand_in = named(&target)?.stand_in().map(|t| keeping(t, store)).transpose()?;
        let memory = stand_in.map(|t| t.memory(&self.inner, 0)).transpose().map_err(Failure::from)?;
        Ok(memory.map(|m| m.stack))
    }

    /// The work of each step, in the terms of a cost table, as JSON.
    #[napi(catch_unwind)]
    pub fn work(&self) -> String {
        json!(self.inner.work()).to_string()
    }

    /// The work of a training step beside its steps, as JSON.
    #[napi(catch_unwind)]
    pub fn rest_work(&self) -> String {
        json!(self.inner.rest()).to_string()
    }

    /// Predicted instructions and milliseconds of a prediction, of a training step and of each of its steps on a board, as JSON. `costs` is a cost table
    /// as JSON whose entries replace those of the core.
    #[napi(catch_unwind)]
    pub fn estimate(&self, target: String, costs: Option<String>) -> Result<String> {
        let target = named(&target)?;
        let costs = crate::target::costs(&target, costs.as_deref())?;
        Ok(crate::target::estimate(&target, &costs, &self.inner)?.to_string())
    }

    /// The bytes of a constant, little-endian.
    #[napi(catch_unwind)]
    pub fn constant(&self, index: u32) -> Result<Uint8Array> {
        let c = self.inner.consts.get(index as usize);
        let c = c.ok_or_else(|| Failure::new("SIZE_MISMATCH", format!("there is no constant {index}")))?;
        Ok(c.data.to_bytes().into())
    }

    /// The initial trainable state.
    #[napi(catch_unwind)]
    pub fn initial_state(&self) -> Uint8Array {
        self.inner.initial_state().into()
    }
}

/// The result of one training step.
#[napi(object)]
pub struct StepResult {
    /// The class with the largest logit, before the update.
    pub predicted: u32,
    /// Loss before the update, Q15.16.
    pub loss: i32,
    /// Number of gradient elements that saturated.
    pub saturated: f64,
}

/// The result of a training step on a sample of the replay buffer.
#[napi(object)]
pub struct ReplayResult {
    /// Its class.
    pub label: u32,
    /// The class with the largest logit, before the update.
    pub predicted: u32,
    /// Loss before the update, Q15.16.
    pub loss: i32,
    /// Number of gradient elements that saturated.
    pub saturated: f64,
}

/// Predictions of many samples.
#[napi(object)]
pub struct Predictions {
    /// The class of each sample.
    pub predicted: Uint32Array,
    /// Probabilities in Q0.31, `[samples][classes]`.
    pub scores: Float64Array,
}

/// A Program in its own memory, run one sample at a time.
#[napi]
pub struct Session {
    inner: Arc<Mutex<Executor>>,
}

#[napi]
impl Session {
    /// A Program in its initial state.
    #[napi(catch_unwind, constructor)]
    pub fn new(program: &Program) -> Result<Self> {
        let executor = Executor::new(program.inner.clone()).map_err(Failure::from)?;
        Ok(Self { inner: Arc::new(Mutex::new(executor)) })
    }

    /// The class of a sample.
    #[napi(catch_unwind)]
    pub fn predict(&self, sample: Int8Array) -> Result<u32> {
        Ok(self.lock()?.predict(&sample).map_err(Failure::from)?)
    }

    /// Probabilities of the last prediction, in Q0.31.
    #[napi(catch_unwind)]
    pub fn scores(&self) -> Result<Vec<f64>> {
        Ok(self.lock()?.scores().iter().map(|&s| s as f64).collect())
    }

    /// One training step with learning rates from [`learning_rate`].
    #[napi(catch_unwind)]
    pub fn train_step(&self, sample: Int8Array, label: u32, rates: Rates) -> Result<StepResult> {
        let result = self.lock()?.train_step(&sample, label as usize, rates.fixed()).map_err(Failure::from)?;
        Ok(StepResult { predicted: result.predicted, loss: result.loss, saturated: result.saturated as f64 })
    }

    /// One training step on a sample of the replay buffer; none while that is empty.
    #[napi(catch_unwind)]
    pub fn replay_step(&self, rates: Rates) -> Result<Option<ReplayResult>> {
        let found = self.lock()?.replay_step(rates.fixed()).map_err(Failure::from)?;
        Ok(found.map(|(label, r)| ReplayResult {
            label: label as u32,
            predicted: r.predicted,
            loss: r.loss,
            saturated: r.saturated as f64,
        }))
    }

    /// The trainable state.
    #[napi(catch_unwind)]
    pub fn state(&self) -> Result<Uint8Array> {
        Ok(self.lock()?.state().to_vec().into())
    }

    /// Replaces the trainable state and the number of steps so far.
    #[napi(catch_unwind)]
    pub fn restore(&self, state: Uint8Array, steps: u32) -> Result<()> {
        Ok(self.lock()?.restore(&state, steps).map_err(Failure::from)?)
    }

    /// Classes and probabilities of all samples of a data set.
    #[napi(catch_unwind, ts_return_type = "Promise<Predictions>")]
    pub fn predict_all<'e>(&self, env: &'e Env, samples: &Dataset, control: &Control) -> Result<Object<'e>> {
        let (inner, control) = (self.inner.clone(), control.inner.clone());
        let length = self.lock()?.program().input.bytes() as usize;
        let samples = samples.fitting(length)?;
        on_thread(env, move || {
            let mut executor = lock(&inner)?;
            let mut sample = vec![0; length];
            let (mut predicted, mut scores) = (Vec::new(), Vec::new());
            control.progress.total.store(samples.len() as u64, std::sync::atomic::Ordering::Relaxed);
            for i in 0..samples.len() {
                if control.abort.load(std::sync::atomic::Ordering::Relaxed) {
                    return Err(ExecError::Aborted(i as u64).into());
                }
                samples.read(i, &mut sample)?;
                predicted.push(executor.predict(&sample)?);
                scores.extend(executor.scores().iter().map(|&s| s as f64));
                control.progress.done.store(i as u64 + 1, std::sync::atomic::Ordering::Relaxed);
            }
            Ok(Predictions { predicted: predicted.into(), scores: scores.into() })
        })
    }

    fn lock(&self) -> std::result::Result<MutexGuard<'_, Executor>, Failure> {
        lock(&self.inner)
    }
}

/// Locks without waiting: the main thread must never block on work in another thread.
pub fn lock<T>(mutex: &Mutex<T>) -> std::result::Result<MutexGuard<'_, T>, Failure> {
    match mutex.try_lock() {
        Ok(guard) => Ok(guard),
        Err(TryLockError::Poisoned(e)) => Ok(e.into_inner()),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new("BUSY", "another operation is in progress; wait until it has ended"))
        }
    }
}

/// A learning rate in fixed point: `mantissa * 2^(exponent - 31)`.
#[napi(object)]
pub struct Rate {
    /// Mantissa, 31 bits.
    pub mantissa: u32,
    /// Exponent of two.
    pub exponent: i32,
}

/// The learning rates of a step.
#[napi(object)]
pub struct Rates {
    /// That of the head.
    pub head: Rate,
    /// That of the backbone: of the weights and biases of convolutions.
    pub backbone: Rate,
}

impl Rates {
    fn fixed(&self) -> tinytrain_exec::Rates {
        let real = |rate: &Rate| Real31 { m: rate.mantissa, e: rate.exponent };
        tinytrain_exec::Rates { head: real(&self.head), backbone: real(&self.backbone) }
    }
}

/// The learning rate of step `step` in a run of `steps` steps.
#[napi(catch_unwind)]
pub fn learning_rate(peak: f64, steps: f64, step: f64) -> Rate {
    let rate = Schedule { head: peak, backbone: peak, steps: steps as u64 }.rates(step as u64).head;
    Rate { mantissa: rate.m, exponent: rate.e }
}
