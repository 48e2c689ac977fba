use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use tinytrain_program::Program;

use crate::{ActivationCache, Augment, ExecError, Executor, Order, SampleSource, Schedule, epoch_order};

/// Progress of a long run, readable from any thread.
#[derive(Default)]
pub struct Progress {
    /// Units of work done.
    pub done: AtomicU64,
    /// Units of work in total.
    pub total: AtomicU64,
}

/// A caller's handle on a long run.
#[derive(Clone, Default)]
pub struct Control {
    /// Set it to stop the run; polled before each step.
    pub abort: Arc<AtomicBool>,
    /// How far the run is.
    pub progress: Arc<Progress>,
}

impl Control {
    pub(crate) fn start(&self, total: u64) {
        self.progress.done.store(0, Ordering::Relaxed);
        self.progress.total.store(total, Ordering::Relaxed);
    }
    pub(crate) fn stopped(&self) -> bool {
        self.abort.load(Ordering::Relaxed)
    }
    pub(crate) fn advance(&self) {
        self.progress.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// Parameters of a training run.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// Learning rates and number of steps of the whole run.
    pub schedule: Schedule,
    /// Order of the samples.
    pub order: Order,
    /// Training steps on samples of the replay buffer behind each one on a new sample. They are steps of the schedule like others.
    pub replay_steps: u64,
    /// Seed of the order of samples and of augmentation.
    pub seed: u64,
    /// Augmentation.
    pub augment: Augment,
    /// Memory for the activation cache, in bytes; samples that do not fit are computed again in every step. Does not affect results.
    pub cache_bytes: usize,
    /// Number of threads that fill the cache.
    pub threads: usize,
}

/// The result of a part of a training run.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// Steps done.
    pub steps: u64,
    /// Sum of the losses before each update, with 16 fraction bits.
    pub loss: i64,
    /// Number of samples that were classified correctly before their update.
    pub correct: u64,
}

/// The result of an evaluation.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Predicted class of each sample, in order.
    pub predicted: Vec<u32>,
    /// Number of correct predictions.
    pub correct: usize,
    /// Sum of the losses, with 16 fraction bits.
    pub loss: i64,
}

/// Trains a Program on samples.
pub struct Trainer {
    executor: Executor,
    options: TrainOptions,
    samples: Arc<dyn SampleSource>,
    /// Steps so far, which is also the index of the next step in the schedule.
    step: u64,
    epoch: Option<(u32, Vec<u32>)>,
    /// Activations, and the steps that they make unnecessary.
    cache: Option<(usize, Arc<ActivationCache>)>,
}

impl Trainer {
    /// A run that starts from the Program's initial state.
    ///
    /// # Errors
    /// A Program without a head, or no samples.
    pub fn new(
        program: Arc<Program>,
        samples: Arc<dyn SampleSource>,
        options: TrainOptions,
    ) -> Result<Self, ExecError> {
        if program.classes == 0 {
            return Err(ExecError::Usage("a program without a trainable head cannot be trained"));
        }
        if options.replay_steps > 0 && program.replay.is_none() {
            return Err(ExecError::Usage("a program without a replay buffer cannot train on kept samples"));
        }
        if samples.is_empty() {
            return Err(ExecError::Usage("there is no sample to train on"));
        }
        Ok(Self { executor: Executor::new(program)?, options, samples, step: 0, epoch: None, cache: None })
    }

    /// The executor: state, counters.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// See [`Executor::keep`].
    pub fn keep(&mut self, on: bool) {
        self.executor.keep(on);
    }

    /// Steps so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// Continues from a checkpoint: state, steps so far and saturation counters.
    pub fn restore(&mut self, state: &[u8], step: u64, saturated: &[u64]) -> Result<(), ExecError> {
        self.executor.restore(state, step as u32)?;
        self.executor.set_saturated(saturated)?;
        self.step = step;
        Ok(())
    }

    /// Changes the peak rates for the steps to come.
    pub fn set_rates(&mut self, head: f64, backbone: f64) {
        self.options.schedule = Schedule { head, backbone, ..self.options.schedule };
    }

    /// Trains for up to `steps` further steps, at most to the end of the schedule. If the run is stopped, the steps done so far remain in effect and
    /// the report counts them.
    pub fn run(&mut self, steps: u64, control: &Control) -> Result<RunReport, ExecError> {
        let program = self.executor.program().clone();
        let end = self.step.saturating_add(steps).min(self.options.schedule.steps);
        self.prepare(control)?;
        control.start(end - self.step);
        let shape = program.input.shape.map(|n| n as usize);
        let zero = program.input.zero as i8;
        let mut sample = vec![0i8; program.input.bytes() as usize];
        let mut report = RunReport::default();
        let turn = self.options.replay_steps + 1;
        while self.step < end && !control.stopped() {
            let rates = self.options.schedule.rates(self.step);
            let again = if self.step.is_multiple_of(turn) { None } else { self.executor.replay_step(rates)? };
            let (label, result) = match again {
                Some(again) => again,
                None => {
                    let index = self.index_of(self.step / turn);
                    let label = self.samples.label(index);
                    let cached = self.cache.as_ref().and_then(|(steps, c)| Some((*steps, c.sample(index)?)));
                    let result = match cached {
                        Some((steps, activations)) => {
                            self.executor.train_step_from_prefix(steps, activations, label, rates)?
                        }
                        None => {
                            self.samples.read(index, &mut sample)?;
                            self.options.augment.apply(&mut sample, shape, zero, self.options.seed, self.step);
                            self.executor.train_step(&sample, label, rates)?
                        }
                    };
                    (label, result)
                }
            };
            self.step += 1;
            report.steps += 1;
            report.loss += result.loss as i64;
            report.correct += (result.predicted as usize == label) as u64;
            control.advance();
        }
        Ok(report)
    }

    /// The sample that comes in as number `turn`.
    fn index_of(&mut self, turn: u64) -> usize {
        let n = self.samples.len() as u64;
        let epoch = (turn / n) as u32;
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            self.epoch = Some((epoch, epoch_order(self.options.order, self.options.seed, epoch, &*self.samples)));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[(turn % n) as usize] as usize)
    }

    /// Fills the activation cache if that pays off, which requires that samples are used more than once. Done once; [`Trainer::run`] does it where the
    /// caller has not.
    pub fn prepare(&mut self, control: &Control) -> Result<(), ExecError> {
        let remaining = self.options.schedule.steps.saturating_sub(self.step) / (self.options.replay_steps + 1);
        let pays = remaining > self.samples.len() as u64 && self.options.augment.is_off();
        let program = self.executor.program();
        // What the replay buffer keeps is made at its boundary.
        let steps = program.replay.unwrap_or(program.prefix().steps);
        if self.cache.is_none() && pays && steps > 0 && self.options.cache_bytes > 0 {
            let (limit, threads) = (self.options.cache_bytes, self.options.threads);
            let cache = ActivationCache::compute(&self.executor, steps, &self.samples, limit, threads, control)?;
            self.cache = cache.map(|c| (steps, Arc::new(c)));
        }
        Ok(())
    }

    /// The steps that a cache makes unnecessary here, if it can be used.
    pub(crate) fn steps_in(&self, cache: &ActivationCache) -> Option<usize> {
        let kept = self.executor.program().replay.filter(|_| self.executor.keeps());
        let steps = cache.steps(&self.executor).filter(|_| self.options.augment.is_off())?;
        kept.is_none_or(|boundary| steps <= boundary).then_some(steps)
    }

    /// Uses a cache that was computed from the same samples for another scheme of the same model.
    ///
    /// # Errors
    /// A cache that does not match the Program, or a run with augmentation.
    pub fn use_cache(&mut self, cache: Arc<ActivationCache>) -> Result<(), ExecError> {
        let steps = self.steps_in(&cache).ok_or(ExecError::Usage(
            "the activation cache belongs to another model or to other layers, or training uses augmentation",
        ))?;
        self.cache = Some((steps, cache));
        Ok(())
    }

    /// Classifies samples with the current state, on several threads; the result does not depend on their number.
    pub fn evaluate(
        &self,
        samples: &Arc<dyn SampleSource>,
        threads: usize,
        control: &Control,
    ) -> Result<Evaluation, ExecError> {
        evaluate(&self.executor, samples, threads, control)
    }

    /// SHA-256 over all trainable state, in hexadecimal.
    pub fn checksum(&self) -> String {
        checksum(self.executor.state())
    }
}

/// SHA-256 over bytes, in hexadecimal.
pub fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// See [`Trainer::evaluate`].
pub fn evaluate(
    executor: &Executor,
    samples: &Arc<dyn SampleSource>,
    threads: usize,
    control: &Control,
) -> Result<Evaluation, ExecError> {
    let n = samples.len();
    control.start(n as u64);
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![(0u32, 0i32); n]);
    parallel(executor, threads, |executor| {
        let mut sample = vec![0i8; executor.program().input.bytes() as usize];
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= n || control.stopped() {
                return Ok(());
            }
            samples.read(i, &mut sample)?;
            let r = executor.evaluate(&sample, samples.label(i))?;
            found.lock().unwrap_or_else(|e| e.into_inner())[i] = (r.predicted, r.loss);
            control.advance();
        }
    })?;
    if control.stopped() {
        return Err(ExecError::Aborted(control.progress.done.load(Ordering::Relaxed)));
    }
    let found = found.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok(Evaluation {
        correct: found.iter().enumerate().filter(|(i, f)| f.0 as usize == samples.label(*i)).count(),
        loss: found.iter().map(|f| f.1 as i64).sum(),
        predicted: found.iter().map(|f| f.0).collect(),
    })
}

/// Runs `work` on `threads` threads, each with its own copy of the executor.
pub(crate) fn parallel(
    executor: &Executor,
    threads: usize,
    work: impl Fn(&mut Executor) -> Result<(), ExecError> + Sync,
) -> Result<(), ExecError> {
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads.max(1))
            .map(|_| {
                let mut own = executor.clone();
                let work = &work;
                scope.spawn(move || work(&mut own))
            })
            .collect();
        handles.into_iter().try_for_each(|h| h.join().expect("a worker thread panicked"))
    })
}
