//! Float models to int8 graphs, by post-training quantisation with samples.
//!
//! A file is read (`onnx`, `tflite`) into a network of few operations (`build`, `simplify`), which runs in float on some samples (`run`). From
//! the ranges of its values (`ranges`) follow the scales, and from those the int8 graph (`lower`), the same as an importer builds from an int8 file:
//! whatever is behind it, export to a `.tflite` included, does not know where a graph came from.
//!
//! Which part of a range int8 covers is decided once for the network: each [`Method`] is tried, and the one whose outputs are nearest to those of the float
//! network on samples that gave no range is taken. Where a file states quantisations (QuantizeLinear), these are kept.
//!
//! The float pass exists to find scales. No accuracy that is reported comes from it, but for the comparison with the model as it was.
#![warn(missing_docs)]

mod build;
mod error;
#[allow(missing_docs)]
mod graph;
mod lower;
mod onnx;
mod ranges;
mod run;
mod simplify;
mod tflite;

use error::Fault;
pub use error::QuantiseError;
use graph::Network;
pub use graph::Work;
pub use ranges::Method;
use tinytrain_compile::forward_program;
use tinytrain_exec::{Executor, Kernels};
use tinytrain_import::tflite_file;
use tinytrain_ir::{Graph, Quant, Shape};

/// A float model.
#[derive(Clone, Debug)]
pub struct FloatModel {
    /// The file's name without folders and extension.
    pub name: String,
    /// `"onnx"` or `"tflite"`.
    pub format: &'static str,
    net: Network,
}

/// A quantised model.
#[derive(Clone, Debug)]
pub struct Quantised {
    /// The int8 graph.
    pub graph: Graph,
    /// Which part of the ranges int8 covers.
    pub method: Method,
    /// Held-back samples to which the float model and the graph give the same class.
    pub agreeing: usize,
    /// Held-back samples.
    pub held_back: usize,
}

/// The operators of each format that are read.
pub fn supported() -> [(&'static str, &'static [&'static str]); 2] {
    [("onnx", onnx::SUPPORTED), ("tflite", tflite::SUPPORTED)]
}

/// The index of the largest element, the first of several.
fn largest<T: PartialOrd>(v: &[T]) -> usize {
    (1..v.len()).fold(0, |best, i| if v[i] > v[best] { i } else { best })
}

impl FloatModel {
    /// Reads a float model; `None` if the bytes are none. `path` is for messages and the name; `size` gives rows and columns where an ONNX leaves them
    /// open.
    ///
    /// # Errors
    /// A damaged file, or one with what is not supported.
    pub fn open(path: &str, bytes: &[u8], size: Option<[usize; 2]>) -> Result<Option<Self>, QuantiseError> {
        let at = |f: Fault| f.at(path);
        let (net, format) = if bytes.get(4..8) == Some(b"TFL3") {
            // What is wrong with the file in general, the importer says.
            let Ok(file) = tflite_file::File::open(path, bytes) else { return Ok(None) };
            if !tflite::is(&file) {
                return Ok(None);
            }
            (tflite::read(&file).map_err(at)?, "tflite")
        } else if onnx::is(bytes) {
            (onnx::read(bytes, size).map_err(at)?, "onnx")
        } else {
            return Ok(None);
        };
        let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
        let name = file.rsplit_once('.').map_or(file, |(stem, _)| stem).to_string();
        Ok(Some(Self { name, format, net }))
    }

    /// Rows, columns and channels of its input.
    pub fn input(&self) -> Shape {
        self.net.values[0].shape
    }

    /// What a forward pass takes, from the shapes alone.
    pub fn work(&self) -> Work {
        self.net.work()
    }

    /// The quantisation that the file states for its input.
    pub fn stated_input(&self) -> Option<Quant> {
        self.net.values[0].stated
    }

    /// Its outputs for an int8 sample.
    ///
    /// # Errors
    /// A sample of another length.
    pub fn forward(&self, sample: &[i8], input: Quant) -> Result<Vec<f32>, QuantiseError> {
        Ok(run::run(&self.net, self.real(sample, input)?).swap_remove(self.net.output))
    }

    /// The index of the largest output for each sample.
    ///
    /// # Errors
    /// A sample of another length.
    pub fn classes(&self, input: Quant, samples: &[Vec<i8>], threads: usize) -> Result<Vec<usize>, QuantiseError> {
        let class = |i: usize| self.forward(&samples[i], input).map(|output| largest(&output));
        ranges::each(samples.len(), threads, class).into_iter().collect()
    }

    fn real(&self, sample: &[i8], q: Quant) -> Result<Vec<f32>, QuantiseError> {
        if sample.len() != self.input().len() {
            return Err(QuantiseError::Samples(format!(
                "a sample of {} values for an input of {}",
                sample.len(),
                self.input().len()
            )));
        }
        Ok(sample.iter().map(|&v| ((i32::from(v) - q.zero) as f64 * q.scale) as f32).collect())
    }

    /// Quantises with int8 samples of the quantisation `input`. Of eight samples and more every fourth is held back for the choice of a method. The
    /// same for any number of threads.
    ///
    /// # Errors
    /// No sample, one of another length, or a network that int8 cannot hold.
    pub fn quantise(
        &self,
        path: &str,
        input: Quant,
        samples: &[Vec<i8>],
        threads: usize,
    ) -> Result<Quantised, QuantiseError> {
        let real: Vec<Vec<f32>> = samples.iter().map(|s| self.real(s, input)).collect::<Result<_, _>>()?;
        let held = |i: &usize| samples.len() < 8 || i % 4 == 3;
        let judged: Vec<usize> = (0..samples.len()).filter(held).collect();
        if judged.is_empty() {
            return Err(QuantiseError::Samples("no samples to quantise with".into()));
        }
        let ranged: Vec<Vec<f32>> =
            (0..samples.len()).filter(|i| samples.len() < 8 || !held(i)).map(|i| real[i].clone()).collect();
        let ranges = ranges::histograms(&self.net, &ranged, threads);
        let wanted = ranges::each(judged.len(), threads, |i| {
            run::run(&self.net, real[judged[i]].clone()).swap_remove(self.net.output)
        });
        let mut best: Option<(f64, Quantised)> = None;
        for method in Method::ALL {
            let graph = lower::lowered(&self.name, &self.net, input, &ranges, method).map_err(|f| f.at(path))?;
            let found = outputs(&graph, judged.iter().map(|&i| &samples[i][..]))
                .map_err(|what| Fault::Unsupported(what).at(path))?;
            let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
            let lost = wanted.iter().zip(&found).flat_map(|(a, b)| a.iter().zip(b)).map(square).sum();
            if best.as_ref().is_none_or(|(least, _)| lost < *least) {
                let agreeing = wanted.iter().zip(&found).filter(|(a, b)| largest(a) == largest(b)).count();
                best = Some((lost, Quantised { graph, method, agreeing, held_back: judged.len() }));
            }
        }
        Ok(best.expect("there are methods").1)
    }
}

/// Real outputs of an int8 graph.
fn outputs<'s>(graph: &Graph, samples: impl Iterator<Item = &'s [i8]>) -> Result<Vec<Vec<f32>>, String> {
    let program = forward_program(graph, false).map_err(|e| e.to_string())?;
    let q = graph.tensor(graph.outputs[0]).quant().expect("a forward graph holds activations only");
    let output = program.outputs[0];
    let mut executor = Executor::with_kernels(program.into(), Kernels::best()).map_err(|e| e.to_string())?;
    let real = |v: &i8| ((i32::from(*v) - q.zero) as f64 * q.scale) as f32;
    samples
        .map(|s| {
            executor.forward(s).map_err(|e| e.to_string())?;
            Ok(executor.bytes(output).iter().map(real).collect())
        })
        .collect()
}
