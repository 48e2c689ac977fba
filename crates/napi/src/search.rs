//! Operations of the search: activation caches, trials, and the costs of many candidates at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use tinytrain_compile::ProgramOptions;
use tinytrain_exec::{CachedSamples, ExecError, Executor, Schedule};

use crate::error::Failure;
use crate::samples::Dataset;
use crate::target::{named, within};
use crate::task::{on_thread, stoppable};
use crate::trainer::{Augmentation, augmentation, order};
use crate::{Compiler, Control, Program};

/// The activations of samples after the first, frozen steps of a Program. Can be used by every Program of the same model that trains nothing in these
/// steps.
#[napi]
pub struct ActivationCache {
    inner: Arc<tinytrain_exec::ActivationCache>,
}

#[napi]
impl ActivationCache {
    /// Runs the first `steps` steps for as many samples as fit into `bytes` bytes; the others are computed again in every training step.
    #[napi(catch_unwind, ts_return_type = "Promise<ActivationCache>")]
    pub fn compute<'e>(
        env: &'e Env,
        program: &Program,
        samples: &Dataset,
        steps: u32,
        bytes: f64,
        threads: u32,
        control: &Control,
    ) -> Result<Object<'e>> {
        let (program, control) = (program.inner.clone(), control.inner.clone());
        let samples = samples.fitting(program.input.bytes() as usize)?;
        on_thread(env, move || {
            let executor = Executor::new(program)?;
            let cache = tinytrain_exec::ActivationCache::compute(
                &executor,
                steps as usize,
                &samples,
                bytes as usize,
                threads as usize,
                &control,
            )?;
            let inner = cache.ok_or(ExecError::Aborted(0))?;
            Ok(Self { inner: Arc::new(inner) })
        })
    }
}

/// Number of steps at the start of a Program that an activation cache makes unnecessary: those that training does not change or, with a replay buffer,
/// those before what it keeps.
#[napi(catch_unwind)]
pub fn frozen_steps(program: &Program) -> u32 {
    let program = &program.inner;
    program.replay.unwrap_or(program.prefix().steps) as u32
}

/// Mean of `1 + |f|^2` over samples, `f` being the features in real units that the head of a Program in its initial state reads.
#[napi(catch_unwind, ts_return_type = "Promise<number>")]
pub fn feature_power<'e>(
    env: &'e Env,
    program: &Program,
    samples: &Dataset,
    threads: u32,
    control: &Control,
) -> Result<Object<'e>> {
    let (program, control) = (program.inner.clone(), control.inner.clone());
    let samples = samples.fitting(program.input.bytes() as usize)?;
    on_thread(env, move || Ok(tinytrain_exec::feature_power(program, &samples, threads as usize, &control)?))
}

/// Options of a trial.
#[napi(object)]
pub struct TrialOptions {
    /// The highest learning rate of the head.
    pub head_rate: f64,
    /// The highest learning rate of the backbone.
    pub backbone_rate: f64,
    /// Number of training steps, one sample each.
    pub steps: f64,
    /// Seed for the order of samples and for augmentation.
    pub seed: f64,
    /// How samples are changed at random.
    pub augment: Augmentation,
    /// Whether all classes are drawn equally often.
    pub balance: bool,
}

/// The result of a trial.
#[napi(object)]
pub struct TrialResult {
    /// Number of samples classified correctly after training.
    pub correct: u32,
    /// Sum of their losses, with 16 fraction bits.
    pub loss: f64,
    /// SHA-256 over all trainable state, in hexadecimal.
    pub checksum: String,
}

/// Trains a Program from its initial state and evaluates it on other samples, all on one thread.
#[napi(catch_unwind, ts_return_type = "Promise<TrialResult>")]
pub fn trial<'e>(
    env: &'e Env,
    program: &Program,
    train: (&Dataset, Option<&ActivationCache>),
    measured: (&Dataset, Option<&ActivationCache>),
    options: TrialOptions,
    control: &Control,
) -> Result<Object<'e>> {
    let length = program.inner.input.bytes() as usize;
    let cached = |(samples, cache): (&Dataset, Option<&ActivationCache>)| -> std::result::Result<_, Failure> {
        Ok(CachedSamples { samples: samples.fitting(length)?, cache: cache.map(|c| c.inner.clone()) })
    };
    let (train, measured) = (cached(train)?, cached(measured)?);
    let (program, control) = (program.inner.clone(), control.inner.clone());
    let schedule = Schedule { head: options.head_rate, backbone: options.backbone_rate, steps: options.steps as u64 };
    let options = tinytrain_exec::TrialOptions {
        schedule,
        order: order(options.balance),
        augment: augmentation(options.augment)?,
        seed: options.seed as u64,
    };
    on_thread(env, move || {
        let result = tinytrain_exec::trial(program, &train, &measured, options, &control)?;
        Ok(TrialResult { correct: result.correct as u32, loss: result.loss as f64, checksum: result.checksum })
    })
}

/// The total cost of a candidate on a board.
#[napi(object)]
pub struct CandidateCost {
    /// Bytes of SRAM.
    pub sram: u32,
    /// Bytes of flash, at most.
    pub flash: u32,
    /// Predicted instructions of a training step.
    pub instructions: f64,
    /// Likely milliseconds of a training step, as modelled; infinite where no cycles are known of the core.
    pub milliseconds: f64,
}

/// The costs of schemes within `sram` bytes of a board: the totals of each Program's memory table and its predicted instructions. Compiles on several
/// threads.
#[napi(catch_unwind, ts_return_type = "Promise<Array<CandidateCost>>")]
pub fn candidate_costs<'e>(
    env: &'e Env,
    compiler: &Compiler,
    schemes: Vec<String>,
    residual_bits: Vec<u32>,
    rounds: u32,
    target: String,
    sram: u32,
    by_rows: bool,
    pixel_tables: u32,
    costs_json: Option<String>,
    threads: u32,
    control: &Control,
) -> Result<Object<'e>> {
    let schemes = schemes.iter().map(|s| compiler.scheme(s)).collect::<std::result::Result<Vec<_>, _>>()?;
    let asked: Vec<_> = schemes.into_iter().zip(residual_bits).collect();
    let compiler = compiler.inner.clone();
    let target = named(&target)?;
    let costs = crate::target::costs(&target, costs_json.as_deref())?;
    let feed = crate::program::feed(by_rows);
    stoppable(env, control, move || {
        let next = AtomicUsize::new(0);
        let worker = || -> std::result::Result<Vec<(usize, CandidateCost)>, Failure> {
            let mut found = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some((scheme, bits)) = asked.get(i) else { return Ok(found) };
                let options = ProgramOptions { feed, ..ProgramOptions::of(*bits) };
                let attempt = |arena_limit| compiler.attempt(scheme, ProgramOptions { arena_limit, ..options }, rounds);
                let program = within(&target, sram, attempt)?;
                let memory = target.memory(&program, pixel_tables)?;
                let step = costs.training_step(&program)?;
                let time = step.cycles.map(|cycles| crate::target::milliseconds(&target, cycles));
                let cost = CandidateCost {
                    sram: memory.sram.total,
                    flash: memory.flash.total,
                    instructions: step.instructions.round(),
                    milliseconds: time.map_or(f64::INFINITY, |ms| ms.likely),
                };
                found.push((i, cost));
            }
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let stop = tinytrain_stop::current();
            let under = |stop| move || tinytrain_stop::under(stop, worker);
            let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(under(stop.clone()))).collect();
            handles.into_iter().map(|h| tinytrain_stop::joined(h.join())).collect()
        });
        let parts = parts.into_iter().collect::<std::result::Result<Vec<_>, Failure>>()?;
        let mut found: Vec<_> = parts.into_iter().flatten().collect();
        found.sort_unstable_by_key(|(i, _)| *i);
        Ok(found.into_iter().map(|(_, cost)| cost).collect::<Vec<_>>())
    })
}
