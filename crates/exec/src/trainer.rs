use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sha2::{Digest, Sha256};
use tinytrain_program::Program;

use crate::{Augment, ExecError, Executor, Kept, SampleSource, Schedule, permutation};

/// Progress of a long run, readable from any thread.
#[derive(Default)]
pub struct Progress {
    /// Units done.
    pub done: AtomicU64,
    /// Units in all.
    pub total: AtomicU64,
}

/// What a caller holds of a long run.
#[derive(Clone, Default)]
pub struct Control {
    /// Set to stop: polled before each step.
    pub abort: Arc<AtomicBool>,
    /// How far it is.
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

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct TrainOptions {
    /// Learning rate and number of steps of the whole run.
    pub schedule: Schedule,
    /// Seed of the order of samples and of augmentation.
    pub seed: u64,
    /// Augmentation.
    pub augment: Augment,
    /// Memory for what the frozen prefix makes of the samples, in bytes; what does not fit is computed at every visit. Changes no bit.
    pub cache_bytes: usize,
    /// Threads for filling that memory.
    pub threads: usize,
}

/// What a stretch of training found.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// Steps done.
    pub steps: u64,
    /// Sum of losses before each update, Q.16.
    pub loss: i64,
    /// How many samples were classified right before their update.
    pub correct: u64,
}

/// What an evaluation found, sample by sample.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Class of each sample, in order.
    pub predicted: Vec<u32>,
    /// How many are right.
    pub correct: usize,
    /// Sum of losses, Q.16.
    pub loss: i64,
}

/// Trains a Program on samples.
pub struct Trainer {
    executor: Executor,
    options: TrainOptions,
    samples: Arc<dyn SampleSource>,
    /// Visits so far, which is also the next step of the schedule.
    visit: u64,
    epoch: Option<(u32, Vec<u32>)>,
    kept: Option<Arc<Kept>>,
}

impl Trainer {
    /// A run from the Program's initial state.
    pub fn new(
        program: Arc<Program>,
        samples: Arc<dyn SampleSource>,
        options: TrainOptions,
    ) -> Result<Self, ExecError> {
        if program.classes == 0 {
            return Err(ExecError::Usage("a program without a trainable head cannot be trained"));
        }
        if samples.is_empty() {
            return Err(ExecError::Usage("there is no sample to train on"));
        }
        Ok(Self { executor: Executor::new(program)?, options, samples, visit: 0, epoch: None, kept: None })
    }

    /// The executor: state, counters.
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Visits so far.
    pub fn visits(&self) -> u64 {
        self.visit
    }

    /// Continues from a checkpoint: state, visits, saturation counters.
    pub fn restore(&mut self, state: &[u8], visit: u64, saturated: &[u64]) -> Result<(), ExecError> {
        self.executor.restore(state, visit as u32)?;
        self.executor.set_saturated(saturated)?;
        self.visit = visit;
        Ok(())
    }

    /// Trains for up to `steps` further steps, at most to the schedule's end. On an abort the steps done so far stand, and the report counts them.
    pub fn run(&mut self, steps: u64, control: &Control) -> Result<RunReport, ExecError> {
        let program = self.executor.program().clone();
        let end = self.visit.saturating_add(steps).min(self.options.schedule.steps);
        self.prepare(control)?;
        control.start(end - self.visit);
        let shape = program.input.shape.map(|n| n as usize);
        let zero = program.input.zero as i8;
        let mut sample = vec![0i8; program.input.slot.bytes as usize];
        let mut report = RunReport::default();
        while self.visit < end && !control.stopped() {
            let index = self.index_of(self.visit);
            let label = self.samples.label(index);
            let lr = self.options.schedule.rate(self.visit);
            let kept = self.kept.as_ref().and_then(|k| Some((k.steps(), k.sample(index)?)));
            let found = match kept {
                Some((steps, kept)) => self.executor.train_step_kept(steps, kept, label, lr)?,
                None => {
                    self.samples.read(index, &mut sample)?;
                    self.options.augment.apply(&mut sample, shape, zero, self.options.seed, self.visit);
                    self.executor.train_step(&sample, label, lr)?
                }
            };
            self.visit += 1;
            report.steps += 1;
            report.loss += found.loss as i64;
            report.correct += (found.predicted as usize == label) as u64;
            control.advance();
        }
        Ok(report)
    }

    /// The sample of a visit: epochs are seeded permutations.
    fn index_of(&mut self, visit: u64) -> usize {
        let n = self.samples.len() as u64;
        let epoch = (visit / n) as u32;
        if self.epoch.as_ref().is_none_or(|(e, _)| *e != epoch) {
            self.epoch = Some((epoch, permutation(self.options.seed, epoch, n as usize)));
        }
        self.epoch.as_ref().map_or(0, |(_, order)| order[(visit % n) as usize] as usize)
    }

    /// Keeps what the frozen prefix makes of the samples, where that pays: most are used again. Done once; [`Trainer::run`] does it where the caller has not.
    pub fn prepare(&mut self, control: &Control) -> Result<(), ExecError> {
        let remaining = self.options.schedule.steps.saturating_sub(self.visit);
        let pays = remaining > self.samples.len() as u64 && self.options.augment.is_off();
        let steps = self.executor.program().prefix;
        if self.kept.is_none() && pays && steps > 0 && self.options.cache_bytes > 0 {
            let (limit, threads) = (self.options.cache_bytes, self.options.threads);
            self.kept = Kept::compute(&self.executor, steps, &self.samples, limit, threads, control)?.map(Arc::new);
        }
        Ok(())
    }

    /// Takes over what was kept for another scheme of the same model and the same samples.
    pub fn use_kept(&mut self, kept: Arc<Kept>) -> Result<(), ExecError> {
        if !kept.fits(&self.executor) || !self.options.augment.is_off() {
            return Err(ExecError::Usage(
                "activations kept for another model, for other layers, or under augmentation",
            ));
        }
        self.kept = Some(kept);
        Ok(())
    }

    /// Classifies samples with the state as it is, on several threads; the result does not depend on how many.
    pub fn evaluate(
        &self,
        samples: &Arc<dyn SampleSource>,
        threads: usize,
        control: &Control,
    ) -> Result<Evaluation, ExecError> {
        evaluate(&self.executor, samples, threads, control)
    }

    /// SHA-256 over every trainable byte, in hexadecimal.
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
        let mut sample = vec![0i8; executor.program().input.slot.bytes as usize];
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

/// Runs `work` on so many threads, each with an executor of its own in the same state.
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
