//! The process timed by `npm run bench`: opens a model, compiles a Program, and answers each line on stdin with a line of JSON.
//!
//! `time MODEL`: the unchanged model. `time MODEL SCHEME SAMPLES SIDE`: a Program that trains, at SIDE x SIDE for a `.pkl`; SAMPLES holds records of
//! a label and int8 pixels, one byte each.
//!
//! | line | answer |
//! | --- | --- |
//! | `inference N` | nanoseconds of each of N forward passes |
//! | `step N` | the same for each of N training steps, over the samples in turn |
//! | `cached N` | the same on a separate state, from each sample's cached activations |
//! | `evaluate N THREADS` | the same for one evaluation of N samples |
//! | `spin THREADS` | the same for a fixed number of multiplications, divided among the threads: the speed of the machine at the moment |
//! | `layers N` | the least time of each of the Program's steps in N runs |
//! | `checksum` | SHA-256 of the states after all `step` and all `cached` so far |

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tinytrain_compile::{CALIBRATION_SAMPLES, Compiler, ProgramOptions, forward_program};
use tinytrain_exec::{Control, ExecError, Executor, Kernels, Rates, SampleSource, checksum, chosen_kernels, evaluate};
use tinytrain_ir::{Graph, Scheme};
use tinytrain_lower::LowerOptions;
use tinytrain_program::Program;
use tinytrain_spec::kernels::Call;
use tinytrain_spec::random::mix;

/// The package's default for trials; the rate does not affect the time.
const RATE: f64 = 1.6e-3;
const CLASSES: usize = 10;
const SEED: u64 = 0;
const SPINS: u64 = 40_000_000;

/// Samples and labels.
type Labelled = Vec<(Vec<i8>, usize)>;
type Failed = Box<dyn std::error::Error>;

/// `n` samples, repeating the available ones.
struct Repeated {
    samples: Arc<Labelled>,
    len: usize,
}

impl SampleSource for Repeated {
    fn len(&self) -> usize {
        self.len
    }
    fn label(&self, i: usize) -> usize {
        self.samples[i % self.samples.len()].1
    }
    fn read(&self, i: usize, out: &mut [i8]) -> Result<(), ExecError> {
        out.copy_from_slice(&self.samples[i % self.samples.len()].0);
        Ok(())
    }
}

/// A state that is trained, and the number of runs so far.
struct Run {
    executor: Executor,
    runs: usize,
}

struct Timed {
    plain: Run,
    cached: Run,
    samples: Arc<Labelled>,
    /// The cached activations of each sample, computed on demand.
    activations: Vec<Vec<i8>>,
}

fn main() -> Result<(), Failed> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let mut timed = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [model] => {
            let graph = open(model, None)?;
            let len = graph.tensor(graph.input).shape.len();
            Timed::new(forward_program(&graph, false)?, random_samples(16, len))?
        }
        [model, scheme, samples, side] => {
            let graph = open(model, Some(side.parse()?))?;
            let samples = read_samples(samples, graph.tensor(graph.input).shape.len())?;
            let sample = &samples[..samples.len().min(CALIBRATION_SAMPLES)];
            let compiler = Compiler::new(&graph, CLASSES, SEED, sample, 1)?;
            let scheme = Scheme::parse(scheme, compiler.layers())?;
            let LowerOptions { residual_bits, improvement_rounds, .. } = LowerOptions::default();
            Timed::new(compiler.compile(&scheme, ProgramOptions::of(residual_bits), improvement_rounds)?, samples)?
        }
        _ => return Err("time MODEL [SCHEME SAMPLES SIDE]".into()),
    };
    answer(&timed.about())?;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, rest) = words.split_first().ok_or("an empty line")?;
        let numbers: Vec<usize> = rest.iter().map(|n| n.parse()).collect::<Result<_, _>>()?;
        answer(&timed.answer(name, &numbers)?)?;
    }
    Ok(())
}

impl Timed {
    fn new(program: Program, samples: Labelled) -> Result<Self, ExecError> {
        let run = Run { executor: Executor::new(Arc::new(program))?, runs: 0 };
        let cached = Run { executor: run.executor.clone(), runs: 0 };
        Ok(Self { plain: run, cached, samples: Arc::new(samples), activations: Vec::new() })
    }

    fn about(&self) -> Value {
        let program = self.plain.executor.program();
        let kernels = chosen_kernels().map_or("none", Kernels::name);
        json!({ "kernels": kernels, "model": program.name, "steps": program.steps.len(), "forward": program.forward, "prefix": program.prefix().steps })
    }

    fn answer(&mut self, name: &str, numbers: &[usize]) -> Result<Value, Failed> {
        Ok(match (name, numbers) {
            ("inference", &[n]) => {
                let (executor, samples) = (&mut self.plain.executor, &self.samples);
                spans(n, |i| executor.forward(&samples[i % samples.len()].0))?
            }
            ("step", &[n]) => {
                let samples = &self.samples;
                self.plain.times(n, |executor, i| {
                    let (sample, label) = &samples[i % samples.len()];
                    executor.train_step(sample, *label, Rates::both(RATE))
                })?
            }
            ("cached", &[n]) => {
                self.keep()?;
                let (samples, activations) = (&self.samples, &self.activations);
                let steps = self.cached.executor.program().prefix().steps;
                self.cached.times(n, |executor, i| {
                    let i = i % samples.len();
                    executor.train_step_from_prefix(steps, &activations[i], samples[i].1, Rates::both(RATE))
                })?
            }
            ("evaluate", &[len, threads]) => {
                let source: Arc<dyn SampleSource> = Arc::new(Repeated { samples: self.samples.clone(), len });
                let executor = &self.plain.executor;
                spans(1, |_| evaluate(executor, &source, threads, &Control::default()))?
            }
            ("spin", &[threads @ 1..=1024]) => spans(1, |_| {
                spin(threads);
                Ok(())
            })?,
            ("layers", &[n]) => self.layers(n)?,
            ("checksum", &[]) => json!({
                "step": checksum(self.plain.executor.state()),
                "cached": checksum(self.cached.executor.state()),
            }),
            _ => return Err(format!("unknown: {name} {numbers:?}").into()),
        })
    }

    /// The least time of each step in `n` runs.
    fn layers(&self, n: usize) -> Result<Value, ExecError> {
        let mut executor = self.plain.executor.clone();
        let program = executor.program().clone();
        executor.profile();
        for (sample, label) in self.samples.iter().cycle().take(n) {
            match program.classes {
                0 => executor.forward(sample)?,
                _ => executor.train_step(sample, *label, Rates::both(RATE)).map(|_| ())?,
            }
        }
        let steps = program.steps.iter().zip(program.record().steps).zip(executor.take_profile());
        let found = steps.map(|((step, record), ns)| {
            json!({ "label": step.label, "shape": record.sizes, "macs": macs(&step.call), "ns": ns })
        });
        Ok(found.collect())
    }

    fn keep(&mut self) -> Result<(), ExecError> {
        let executor = &mut self.cached.executor;
        let steps = executor.program().prefix().steps;
        for (sample, _) in &self.samples[self.activations.len()..] {
            let mut activations = Vec::new();
            executor.prefix(steps, sample, &mut activations)?;
            self.activations.push(activations);
        }
        Ok(())
    }
}

impl Run {
    fn times<T>(
        &mut self,
        n: usize,
        mut step: impl FnMut(&mut Executor, usize) -> Result<T, ExecError>,
    ) -> Result<Value, ExecError> {
        let first = self.runs;
        self.runs += n;
        spans(n, |i| step(&mut self.executor, first + i))
    }
}

/// Nanoseconds of each call.
fn spans<T>(n: usize, mut call: impl FnMut(usize) -> Result<T, ExecError>) -> Result<Value, ExecError> {
    let mut found = Vec::with_capacity(n);
    for i in 0..n {
        let start = Instant::now();
        black_box(call(i)?);
        found.push(start.elapsed().as_nanos() as u64);
    }
    Ok(json!(found))
}

/// Multiply-accumulates of a convolution's step.
fn macs<A>(call: &Call<A>) -> u64 {
    let (p, channels) = match call {
        Call::Conv(c) => (&c.p, c.p.out_c * c.p.in_c),
        Call::Depthwise(c) => (&c.p, c.p.out_c),
        Call::ConvInputGrad(c) => (&c.p, c.p.out_c * c.p.in_c),
        Call::DepthwiseInputGrad(c) => (&c.p, c.p.out_c),
        Call::ConvWeightStep(c) => (&c.p, c.p.out_c * c.p.trained),
        Call::DepthwiseWeightStep(c) => (&c.p, c.p.trained),
        _ => return 0,
    };
    (p.out_h * p.out_w * p.kh * p.kw) as u64 * channels as u64
}

/// Accesses no memory, and keeps the multiplier fully occupied: two threads that share a core gain nothing.
fn spin(threads: usize) {
    let chains = || {
        let mut x = [1u64, 2, 3, 4, 5, 6, 7, 8];
        for i in 0..black_box(SPINS / threads as u64) {
            x.iter_mut().for_each(|v| *v = v.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ i);
        }
        black_box(x)
    };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(chains))));
}

/// The file's classifier is replaced when a Program trains; the rest of the graph is the same.
fn open(path: &str, side: Option<usize>) -> Result<Graph, Failed> {
    let options = tinytrain_import::ImportOptions { input: side.map(|s| [s, s]), ..Default::default() };
    Ok(tinytrain_import::import(path, &std::fs::read(path)?, &options)?.graph)
}

fn read_samples(path: &str, len: usize) -> Result<Labelled, Failed> {
    let bytes = std::fs::read(path)?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(1 + len) {
        return Err(format!("{path}: {} bytes are not samples of {len} bytes with a label each", bytes.len()).into());
    }
    let record = |r: &[u8]| (r[1..].iter().map(|&b| b as i8).collect(), usize::from(r[0]));
    Ok(bytes.chunks_exact(1 + len).map(record).collect())
}

fn random_samples(n: u64, len: usize) -> Labelled {
    let sample = |p: u64| (0..len as u64).map(|i| mix(p * len as u64 + i + 1) as i8).collect();
    (0..n).map(|p| (sample(p), 0)).collect()
}

fn answer(value: &Value) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    out.flush()
}
