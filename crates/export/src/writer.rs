//! The file's tables: tensors, buffers and operators as they are appended, and their layout in the end.

use tinytrain_ir::Quant;
use tinytrain_tflite::planus::{Builder, Offset, WriteAsOffset};
use tinytrain_tflite::{
    Buffer, Model, NamedBuffer, Operator, OperatorCode, Options, Quantisation, Subgraph, Tensor, operator,
};

/// A builtin operator: its number in the format, and the version whose types are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code(i32, i32);

impl Code {
    /// A version of the operator with this name.
    pub fn of(name: &str, version: i32) -> Self {
        Self(operator::code(name).expect("an operator of the format"), version)
    }
}

/// Index of a tensor in the file.
pub type TensorIndex = i32;

/// Bytes at a multiple of which the content of every buffer begins, as the format wants it.
const ALIGN: usize = 16;
const IDENTIFIER: [u8; 4] = *b"TFL3";
/// Offset of the root and identifier.
const HEADER: usize = 8;

/// A model under construction.
pub struct Writer {
    tensors: Vec<Tensor>,
    /// Content by number. By convention the first one is empty.
    buffers: Vec<Vec<u8>>,
    operators: Vec<Operator>,
    codes: Vec<Code>,
    pub inputs: Vec<TensorIndex>,
    pub outputs: Vec<TensorIndex>,
}

impl Default for Writer {
    fn default() -> Self {
        let buffers = vec![Vec::new()];
        Self { tensors: vec![], buffers, operators: vec![], codes: vec![], inputs: vec![], outputs: vec![] }
    }
}

/// One scale and zero point for a whole tensor.
pub fn whole(quant: Quant) -> Option<Box<Quantisation>> {
    quantisation(&[quant.scale], quant.zero, 0)
}

/// Scales along a dimension, with one zero point.
pub fn quantisation(scales: &[f64], zero: i32, dimension: i32) -> Option<Box<Quantisation>> {
    let scale = scales.iter().map(|&s| s as f32).collect();
    let zero_point = vec![i64::from(zero); scales.len()];
    let values =
        Quantisation { scale: Some(scale), zero_point: Some(zero_point), dimension, ..Quantisation::default() };
    Some(Box::new(values))
}

impl Writer {
    fn tensor(
        &mut self,
        name: &str,
        shape: &[i32],
        dtype: i8,
        buffer: u32,
        q: Option<Box<Quantisation>>,
    ) -> TensorIndex {
        let (shape, name) = (Some(shape.to_vec()), Some(name.to_string()));
        self.tensors.push(Tensor { shape, dtype, buffer, name, quantisation: q, ..Tensor::default() });
        self.tensors.len() as TensorIndex - 1
    }

    /// A tensor that an operator yields, or the input.
    pub fn value(&mut self, name: &str, shape: &[i32], dtype: i8, q: Option<Box<Quantisation>>) -> TensorIndex {
        self.tensor(name, shape, dtype, 0, q)
    }

    /// A constant; `data` is little-endian.
    pub fn constant(
        &mut self,
        name: &str,
        shape: &[i32],
        dtype: i8,
        data: Vec<u8>,
        q: Option<Box<Quantisation>>,
    ) -> TensorIndex {
        self.buffers.push(data);
        self.tensor(name, shape, dtype, self.buffers.len() as u32 - 1, q)
    }

    /// Appends an operator with one output.
    pub fn op(&mut self, code: Code, inputs: &[TensorIndex], output: TensorIndex, options: Option<Options>) {
        let at = self.codes.iter().position(|&c| c == code).unwrap_or_else(|| {
            self.codes.push(code);
            self.codes.len() - 1
        });
        let (inputs, outputs) = (Some(inputs.to_vec()), Some(vec![output]));
        self.operators.push(Operator { code: at as u32, inputs, outputs, options });
    }

    /// The file, with `metadata` in a buffer of its own.
    pub fn finish(mut self, description: &str, metadata: Vec<u8>) -> Vec<u8> {
        self.buffers.push(metadata);
        let named = NamedBuffer { name: Some("TFLITE_METADATA".into()), buffer: self.buffers.len() as u32 - 1 };
        let codes: Vec<OperatorCode> = self
            .codes
            .iter()
            // Old readers know the byte alone.
            .map(|&Code(code, version)| OperatorCode { old_code: code.min(127) as i8, custom: None, version, code })
            .collect();
        let graph = Subgraph {
            tensors: Some(self.tensors),
            inputs: Some(self.inputs),
            outputs: Some(self.outputs),
            operators: Some(self.operators),
        };
        let graph = [graph];
        // The first element of 8 bytes, which is among the tables, decides on the file's length modulo 8. Buffers are placed from the file's end: it has
        // to be a multiple of 16, and where it is not, 4 bytes before that element make it one.
        let write = |shifted: bool| {
            let mut builder = Builder::new();
            let buffers: Vec<Offset<Buffer>> = self.buffers.iter().map(|data| buffer(&mut builder, data)).collect();
            if shifted {
                nothing(&mut builder);
            }
            let model = Model::create(&mut builder, 3u32, &codes, &graph, description, buffers, (), [&named]);
            fill(&mut builder, HEADER);
            builder.finish(model, Some(IDENTIFIER)).to_vec()
        };
        let file = [false, true].into_iter().map(write).find(|file| file.len().is_multiple_of(ALIGN));
        identified(file.expect("a file's length is a multiple of 4"), IDENTIFIER)
    }
}

/// planus 1.3 puts the identifier in front of the root's offset; the format wants it behind.
pub fn identified(mut file: Vec<u8>, identifier: [u8; 4]) -> Vec<u8> {
    if file[..4] == identifier {
        let root = u32::from_le_bytes([file[4], file[5], file[6], file[7]]) + 4;
        file[..4].copy_from_slice(&root.to_le_bytes());
        file[4..8].copy_from_slice(&identifier);
    }
    file
}

fn buffer(builder: &mut Builder, data: &[u8]) -> Offset<Buffer> {
    if data.is_empty() {
        return Buffer::create(builder, (), 0u64, 0u64);
    }
    fill(builder, data.len());
    let data: Offset<[u8]> = data.prepare(builder);
    Buffer::create(builder, data, 0u64, 0u64)
}

/// Fills up with empty vectors, so that `bytes` that are written next begin at a multiple of [`ALIGN`] from the file's end: files are written from
/// there, and planus aligns to 8 bytes at most.
fn fill(builder: &mut Builder, bytes: usize) {
    while !(builder.len() + bytes).next_multiple_of(4).is_multiple_of(ALIGN) {
        nothing(builder);
    }
}

/// An empty vector, 4 bytes.
fn nothing(builder: &mut Builder) {
    let nothing: &[u8] = &[];
    let _: Offset<[u8]> = nothing.prepare(builder);
}
