//! What the search asks for: what frozen layers make of samples, whole trials, and the bytes of many candidates at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use tinytrain_exec::{ExecError, Executor, Known, Schedule};

use crate::error::Failure;
use crate::samples::Dataset;
use crate::target::named;
use crate::task::on_thread;
use crate::{Compiler, Control, Program};

/// What the first, frozen steps of a Program make of samples. Serves every Program of the same model that changes nothing before.
#[napi]
pub struct Kept {
    inner: Arc<tinytrain_exec::Kept>,
}

#[napi]
impl Kept {
    /// Runs the first `steps` steps over as many of the samples as fit into so many bytes; the others are run again at every visit.
    #[napi(ts_return_type = "Promise<Kept>")]
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
        let samples = samples.fitting(program.input.bytes as usize)?;
        on_thread(env, move || {
            let executor = Executor::new(program)?;
            let kept = tinytrain_exec::Kept::compute(
                &executor,
                steps as usize,
                &samples,
                bytes as usize,
                threads as usize,
                &control,
            )?;
            let inner = kept.ok_or(ExecError::Aborted(0))?;
            Ok(Self { inner: Arc::new(inner) })
        })
    }
}

/// First steps of a Program that no training changes.
#[napi]
pub fn frozen_steps(program: &Program) -> u32 {
    program.inner.prefix as u32
}

/// How a trial trains.
#[napi(object)]
pub struct TrialOptions {
    /// The highest learning rate.
    pub lr: f64,
    /// Training steps, a sample each.
    pub steps: f64,
    /// Seed of the order of samples.
    pub seed: f64,
}

/// What a trial found.
#[napi(object)]
pub struct TrialFound {
    /// Samples that are classified right after the training.
    pub correct: u32,
    /// Sum of losses on them, Q.16.
    pub loss: f64,
    /// SHA-256 over every trainable byte, in hexadecimal.
    pub checksum: String,
}

/// Trains a Program from its initial state and measures it on other samples, all on one thread.
#[napi(ts_return_type = "Promise<TrialFound>")]
pub fn trial<'e>(
    env: &'e Env,
    program: &Program,
    train: (&Dataset, Option<&Kept>),
    measured: (&Dataset, Option<&Kept>),
    options: TrialOptions,
    control: &Control,
) -> Result<Object<'e>> {
    let length = program.inner.input.bytes as usize;
    let known = |(samples, kept): (&Dataset, Option<&Kept>)| -> std::result::Result<Known, Failure> {
        Ok(Known { samples: samples.fitting(length)?, kept: kept.map(|k| k.inner.clone()) })
    };
    let (train, measured) = (known(train)?, known(measured)?);
    let (program, control) = (program.inner.clone(), control.inner.clone());
    let schedule = Schedule { peak: options.lr, steps: options.steps as u64 };
    on_thread(env, move || {
        let found = tinytrain_exec::trial(program, &train, &measured, schedule, options.seed as u64, &control)?;
        Ok(TrialFound { correct: found.correct as u32, loss: found.loss as f64, checksum: found.checksum })
    })
}

/// What a candidate takes on a board, all in.
#[napi(object)]
pub struct CandidateCost {
    /// Bytes of SRAM.
    pub sram: u32,
    /// Bytes of flash, at most.
    pub flash: u32,
    /// Instructions of a training step, as predicted.
    pub instructions: f64,
}

/// What schemes take on a board: the sums of the memory table of each one's Program, compiled on several threads, and its instructions.
#[napi(ts_return_type = "Promise<Array<CandidateCost>>")]
pub fn candidate_costs<'e>(
    env: &'e Env,
    compiler: &Compiler,
    schemes: Vec<String>,
    residual_bits: Vec<u32>,
    rounds: u32,
    target: String,
    pixel_tables: u32,
    costs_json: Option<String>,
    threads: u32,
) -> Result<Object<'e>> {
    let schemes = schemes.iter().map(|s| compiler.scheme(s)).collect::<std::result::Result<Vec<_>, _>>()?;
    let asked: Vec<_> = schemes.into_iter().zip(residual_bits).collect();
    let compiler = compiler.inner.clone();
    let target = named(&target)?;
    let costs = crate::target::costs(&target, costs_json.as_deref())?;
    on_thread(env, move || {
        let next = AtomicUsize::new(0);
        let worker = || -> std::result::Result<Vec<(usize, CandidateCost)>, Failure> {
            let mut found = Vec::new();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some((scheme, bits)) = asked.get(i) else { return Ok(found) };
                let program = compiler.compile(scheme, *bits, rounds)?;
                let memory = target.memory(&program, pixel_tables)?;
                let instructions = costs.training_step(&program)?.round();
                found.push((i, CandidateCost { sram: memory.sram.total, flash: memory.flash.total, instructions }));
            }
        };
        let parts: Vec<_> = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(worker)).collect();
            handles.into_iter().map(|h| h.join().expect("a thread of the planner panicked")).collect()
        });
        let parts = parts.into_iter().collect::<std::result::Result<Vec<_>, Failure>>()?;
        let mut found: Vec<_> = parts.into_iter().flatten().collect();
        found.sort_unstable_by_key(|(i, _)| *i);
        Ok(found.into_iter().map(|(_, cost)| cost).collect::<Vec<_>>())
    })
}
