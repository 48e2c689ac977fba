//! Verified parsing of `.tflite` and `.pkl` models into a [`Graph`].
//!
//! # Trust boundary
//! A model file may come from anywhere; this crate is where it stops being untrusted. Everything downstream (passes,
//! planner, kernels, firmware) may assert the following properties, which are checked here and not again:
//! - every offset, length and shape product of the file lies inside the file, and the data copied out of it stays below
//!   eight times its size, however often it refers to the same bytes (module `budget`);
//! - the model is int8 throughout (or uint8, which is int8 with other zero points), its batch is 1, its shapes are fixed, each tensor is yielded once and before it is
//!   read, and each operator's declared output shape is the one that its parameters imply;
//! - scales are finite and positive, zero points fit int8, and no accumulator can overflow
//!   int32 (the accumulators are checked by [`GraphBuilder`](tinytrain_ir::GraphBuilder), which contains all scale
//!   arithmetic);
//! - a pickle is data: the interpreter accepts four names and never calls anything.
//!
//! A malformed file yields an error or, where the damage affects nothing that is checked (a weight, a bias), another
//! valid model; never a panic.
//!
//! # Formats
//! `.tflite` is read through accessors that planus generates (crate `tflite`); every access is checked against the buffer. `.pkl` is a zip with one stored pickle (rawzip, no
//! decompression). The interpreter is our own because `serde-pickle` replaces an object by the state that BUILD gives
//! it, which loses the element type of an array.
//!
//! The file's floats are read as float32 or float64 and widened; multipliers are derived from their product in float64.
#![warn(missing_docs)]

mod budget;
mod error;
mod input;
mod pkl;
mod tflite;

pub use error::{ImportError, Operator};
pub use input::{Input, Normalisation};
pub use tflite::file as tflite_file;
use tinytrain_ir::{Graph, TensorId};

/// Choices that the file leaves to the caller.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// Rows and columns of the input. Only a `.pkl` can be built for a size other than its own; for a `.tflite` they
    /// must equal the file's.
    pub input: Option<[usize; 2]>,
    /// The real values that the model expects for the pixels 0..255; guessed from the input's quantisation if absent
    /// (see [`Normalisation::guess`]).
    pub normalisation: Option<Normalisation>,
}

/// A model, ready for the passes.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The forward graph, including the file's own classifier. A tensor's `source` is its index in a `.tflite`, given
    /// only where its bytes equal those in the file: helper nodes and transposed values have none.
    pub graph: Graph,
    /// `"tflite"` or `"pkl"`.
    pub format: &'static str,
    /// How to feed it.
    pub input: Input,
    /// Operators of a `.tflite` behind the features that are not supported and were left out: a head replaces them.
    pub left_out: Vec<Operator>,
    /// Names of the classes, in the order of the file's own classifier; empty if the file does not say them (only the metadata of a `.tflite` does).
    pub labels: Vec<String>,
    /// The file's names for activations of the graph; a `.pkl` names modules instead (`blocks[3].depthwise`).
    pub tensors: Vec<FileTensor>,
}

/// An activation as it appears in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileTensor {
    /// The tensor in the graph.
    pub tensor: TensorId,
    /// Index in the file (`.tflite` only).
    pub source: Option<usize>,
    /// Name in the file, cut at 120 characters, printable.
    pub name: String,
}

/// Parses a model and builds its graph. `path` is used only in messages and for the graph's name.
///
/// # Errors
/// A file that has neither format, is damaged, or uses something unsupported; see [`ImportError`].
pub fn import(path: &str, bytes: &[u8], options: &ImportOptions) -> Result<Imported, ImportError> {
    if tflite::is(bytes) {
        tflite::import(path, bytes, options)
    } else if let Some((what, help)) = foreign(path, bytes) {
        Err(ImportError::Format { file: path.into(), what: format!("{what}{help}") })
    } else if pkl::is(bytes) {
        pkl::import(path, bytes, options)
    } else {
        Err(ImportError::Format { file: path.into(), what: tell_format(bytes) })
    }
}

/// The `.tflite` operators that [`import`] supports, sorted; for `inspect --ops`.
pub fn supported_ops() -> &'static [&'static str] {
    tflite::supported()
}

/// The lines of TensorFlow that export a float model.
const FROM_KERAS: &str = "\n  export it with TensorFlow; it is quantised here, with your samples:\
    \n  converter = tf.lite.TFLiteConverter.from_keras_model(tf.keras.models.load_model(\"model.keras\"))\
    \n  open(\"model.tflite\", \"wb\").write(converter.convert())\
    \n  npx tinytrain train --model model.tflite --data DIR";

/// The lines that lead from PyTorch to a float model.
const FROM_ONNX: &str = "\n  export it as ONNX; it is quantised here, with your samples:\
    \n  torch.onnx.export(model.eval(), torch.zeros(1, 3, 96, 96), \"model.onnx\")  # the shape of your input\
    \n  npx tinytrain train --model model.onnx --data DIR";

/// Whether some of the first bytes are these.
fn begins_within(bytes: &[u8], n: usize, what: &[u8]) -> bool {
    bytes.windows(what.len()).take(n).any(|w| w == what)
}

/// A model of another framework: what it is, and the lines that export it.
fn foreign(path: &str, bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let extension = path.rsplit_once('.').map_or(String::new(), |(_, e)| e.to_ascii_lowercase());
    let zip = pkl::is(bytes);
    // ONNX is a protobuf without a mark of its own: the version of its format, then the producer's name.
    let onnx = matches!(bytes, [0x08, 1..=20, 0x12 | 0x3a | 0x42, ..])
        && (extension == "onnx" || begins_within(bytes, 256, b"onnx"));
    match () {
        _ if zip && (extension == "keras" || begins_within(bytes, 4096, b"model.weights.h5")) => {
            Some(("a Keras model (.keras)", FROM_KERAS))
        }
        _ if bytes.starts_with(b"\x89HDF\r\n\x1a\n") => Some(("a Keras model in HDF5 (.h5)", FROM_KERAS)),
        _ if zip && matches!(&extension[..], "pt" | "pth" | "ckpt") => Some(("a PyTorch model", FROM_ONNX)),
        _ if matches!((&extension[..], bytes), ("pt" | "pth" | "ckpt", [0x80, 2..=5, ..])) => {
            Some(("an old PyTorch model", FROM_ONNX))
        }
        _ if onnx => Some(("an .onnx model", FROM_ONNX)),
        _ if begins_within(bytes, 4096, b"unsigned char") || begins_within(bytes, 4096, b"uint8_t") => Some((
            "C source of an array, as xxd writes it",
            "\n  give the .tflite that it was made from, or turn it back:\
             \n  grep -o '0x[0-9a-fA-F]*' model.cc | xxd -r -p > model.tflite",
        )),
        _ => None,
    }
}

/// Describes a file that is not a model, judging by its first bytes.
fn tell_format(bytes: &[u8]) -> String {
    let seen = match bytes {
        [] => "the file is empty".into(),
        [0x80, 2..=5, ..] => "a bare pickle; a .pkl model is a zip around one (torch.save writes it)".into(),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => "a Git LFS pointer; fetch the file itself".into(),
        _ => format!("its first bytes are {:02x?}", &bytes[..bytes.len().min(8)]),
    };
    format!("{seen}; a .tflite has 'TFL3' at byte 4, a .pkl begins with 'PK'")
}

/// The file's name without folders and extension: the graph's name.
fn stem(path: &str) -> &str {
    let name = path.rsplit(['/', '\\']).next().unwrap_or(path);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}
