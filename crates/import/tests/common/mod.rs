//! Shared by the tests: a writer of small `.tflite` files over the generated schema, one of pickles, and the models of
//! ../shared.
#![allow(dead_code)]

pub mod pickled;

use tinytrain_tflite::*;

/// A model of ../shared; says so and yields nothing where the folder is absent.
pub fn shared(file: &str) -> Option<Vec<u8>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/models/").to_string() + file;
    std::fs::read(&path).inspect_err(|_| println!("skipped: {path} is not there")).ok()
}

pub const SHARED: [&str; 6] = [
    "mcunet-5fps.pkl",
    "mbv2-w0.35.pkl",
    "mcunet-vww-80.tflite",
    "person_detect.tflite",
    "vww_96_int8.tflite",
    "pretrainedResnet_quant.tflite",
];

pub const FLOAT32: i8 = 0;
pub const INT32: i8 = 2;
pub const UINT8: i8 = 3;
pub const INT64: i8 = 4;
pub const INT16: i8 = 7;
pub const INT8: i8 = 9;

pub mod op {
    pub const ADD: i32 = 0;
    pub const AVERAGE_POOL_2D: i32 = 1;
    pub const CONCATENATION: i32 = 2;
    pub const CONV_2D: i32 = 3;
    pub const DEPTHWISE_CONV_2D: i32 = 4;
    pub const DEQUANTIZE: i32 = 6;
    pub const FULLY_CONNECTED: i32 = 9;
    pub const LOGISTIC: i32 = 14;
    pub const MAX_POOL_2D: i32 = 17;
    pub const RELU: i32 = 19;
    pub const RELU_N1_TO_1: i32 = 20;
    pub const RELU6: i32 = 21;
    pub const RESHAPE: i32 = 22;
    pub const RESIZE_BILINEAR: i32 = 23;
    pub const SOFTMAX: i32 = 25;
    pub const CUSTOM: i32 = 32;
    pub const PAD: i32 = 34;
    pub const TRANSPOSE: i32 = 39;
    pub const MEAN: i32 = 40;
    pub const PADV2: i32 = 60;
    pub const TRANSPOSE_CONV: i32 = 67;
    pub const MUL: i32 = 18;
    pub const TANH: i32 = 28;
    pub const BATCH_TO_SPACE_ND: i32 = 37;
    pub const SPACE_TO_BATCH_ND: i32 = 38;
    pub const SUB: i32 = 41;
    pub const SQUEEZE: i32 = 43;
    pub const STRIDED_SLICE: i32 = 45;
    pub const EXP: i32 = 47;
    pub const SPLIT: i32 = 49;
    pub const PRELU: i32 = 54;
    pub const MAXIMUM: i32 = 55;
    pub const ARG_MAX: i32 = 56;
    pub const MINIMUM: i32 = 57;
    pub const NEG: i32 = 59;
    pub const SLICE: i32 = 65;
    pub const EXPAND_DIMS: i32 = 70;
    pub const SHAPE: i32 = 77;
    pub const REDUCE_MAX: i32 = 82;
    pub const PACK: i32 = 83;
    pub const RESIZE_NEAREST_NEIGHBOR: i32 = 97;
    pub const LEAKY_RELU: i32 = 98;
    pub const ABS: i32 = 101;
    pub const SPLIT_V: i32 = 102;
    pub const COS: i32 = 108;
    pub const ELU: i32 = 111;
    pub const QUANTIZE: i32 = 114;
    pub const HARD_SWISH: i32 = 117;
}

pub const SAME: i8 = 0;
pub const VALID: i8 = 1;

/// A model under construction. Everything is public: a refusal's test changes what it refuses.
pub struct Net {
    pub model: Model,
}

impl Net {
    /// An int8 input of this shape at scale 1/64 and zero point 3.
    pub fn new(input: &[i32]) -> Self {
        let empty = Buffer { data: None, offset: 0, size: 0 };
        let graph = Subgraph { tensors: Some(vec![]), inputs: Some(vec![0]), outputs: None, operators: Some(vec![]) };
        let model = Model {
            version: 3,
            operator_codes: Some(vec![]),
            subgraphs: Some(vec![graph]),
            description: None,
            buffers: Some(vec![empty]),
            skip5: None,
            metadata: None,
        };
        let mut net = Self { model };
        net.activation(input, 1.0 / 64.0, 3);
        net
    }

    pub fn graph(&mut self) -> &mut Subgraph {
        &mut self.model.subgraphs.as_mut().unwrap()[0]
    }

    pub fn tensor(&mut self, t: i32) -> &mut Tensor {
        &mut self.graph().tensors.as_mut().unwrap()[t as usize]
    }

    pub fn last_op(&mut self) -> &mut Operator {
        self.graph().operators.as_mut().unwrap().last_mut().unwrap()
    }

    fn push(&mut self, dims: &[i32], dtype: i8, data: Option<Vec<u8>>, q: Option<Quantisation>) -> i32 {
        let buffers = self.model.buffers.as_mut().unwrap();
        let buffer = data.map_or(0, |data| {
            buffers.push(Buffer { data: Some(data), offset: 0, size: 0 });
            buffers.len() as u32 - 1
        });
        let tensors = self.graph().tensors.as_mut().unwrap();
        let name = Some(format!("tensor {}", tensors.len()));
        tensors.push(Tensor {
            shape: Some(dims.to_vec()),
            dtype,
            buffer,
            name,
            quantisation: q.map(Box::new),
            is_variable: false,
            sparsity: None,
            shape_signature: None,
        });
        tensors.len() as i32 - 1
    }

    pub fn activation(&mut self, dims: &[i32], scale: f32, zero: i64) -> i32 {
        self.push(dims, INT8, None, Some(quantisation(&[scale], &[zero], 0)))
    }

    /// An activation of another type, without quantisation.
    pub fn other(&mut self, dims: &[i32], dtype: i8) -> i32 {
        self.push(dims, dtype, None, None)
    }

    /// Weights 1, 2, 3, ... at these scales.
    pub fn weights(&mut self, dims: &[i32], scales: &[f32], axis: i32) -> i32 {
        let n: i32 = dims.iter().product();
        let data = (0..n).map(|i| (i % 100 + 1) as u8).collect();
        self.push(dims, INT8, Some(data), Some(quantisation(scales, &vec![0; scales.len()], axis)))
    }

    /// A constant of these int8 values.
    pub fn int8(&mut self, dims: &[i32], values: &[i8], scale: f32, zero: i64) -> i32 {
        let data = values.iter().map(|&v| v as u8).collect();
        self.push(dims, INT8, Some(data), Some(quantisation(&[scale], &[zero], 0)))
    }

    /// A constant of these uint8 values.
    pub fn uint8(&mut self, dims: &[i32], values: Vec<u8>, scale: f32, zero: i64) -> i32 {
        self.push(dims, UINT8, Some(values), Some(quantisation(&[scale], &[zero], 0)))
    }

    pub fn bias(&mut self, values: &[i32]) -> i32 {
        // The dimension is nonsense on purpose, as in person_detect.
        let q = quantisation(&vec![0.001; values.len()], &vec![0; values.len()], 3);
        self.push(&[values.len() as i32], INT32, Some(words(values)), Some(q))
    }

    pub fn ints(&mut self, dims: &[i32], values: &[i32]) -> i32 {
        self.push(dims, INT32, Some(words(values)), None)
    }

    /// Appends an operator; its last output becomes the model's.
    pub fn op(&mut self, code: i32, inputs: &[i32], outputs: &[i32], options: Option<Options>) {
        let codes = self.model.operator_codes.as_mut().unwrap();
        codes.push(OperatorCode { old_code: code.min(127) as i8, custom: None, version: 1, code });
        let code = codes.len() as u32 - 1;
        let graph = self.graph();
        let (inputs, outs) = (Some(inputs.to_vec()), Some(outputs.to_vec()));
        graph.operators.as_mut().unwrap().push(Operator { code, inputs, outputs: outs, options });
        graph.outputs = outputs.last().map(|&t| vec![t]);
    }

    pub fn bytes(&self) -> Vec<u8> {
        // planus 1.3 puts the identifier in front of the root's offset; the format wants it behind.
        let mut bytes = planus::Builder::new().finish(&self.model, Some(*b"TFL3")).to_vec();
        if &bytes[..4] == b"TFL3" {
            let root = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) + 4;
            bytes[..4].copy_from_slice(&root.to_le_bytes());
            bytes[4..8].copy_from_slice(b"TFL3");
        }
        bytes
    }
}

pub fn quantisation(scales: &[f32], zeros: &[i64], dimension: i32) -> Quantisation {
    Quantisation {
        skip0: None,
        skip1: None,
        scale: Some(scales.to_vec()),
        zero_point: Some(zeros.to_vec()),
        details_type: 0,
        skip5: None,
        dimension,
    }
}

fn words(values: &[i32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub fn conv(padding: i8, stride: i32, activation: i8) -> Option<Options> {
    let o = Conv { padding, stride_w: stride, stride_h: stride, activation, dilation_w: 1, dilation_h: 1 };
    Some(Options::Conv(Box::new(o)))
}

pub fn depthwise(padding: i8, stride: i32, multiplier: i32) -> Option<Options> {
    let o = DepthwiseConv {
        padding,
        stride_w: stride,
        stride_h: stride,
        multiplier,
        activation: 0,
        dilation_w: 1,
        dilation_h: 1,
    };
    Some(Options::DepthwiseConv(Box::new(o)))
}

pub fn pool(padding: i8, kernel: [i32; 2], stride: i32) -> Option<Options> {
    let o =
        Pool { padding, stride_w: stride, stride_h: stride, kernel_w: kernel[1], kernel_h: kernel[0], activation: 0 };
    Some(Options::Pool(Box::new(o)))
}

pub fn fully_connected(keep_num_dims: bool) -> Option<Options> {
    Some(Options::FullyConnected(Box::new(FullyConnected { activation: 0, weights_format: 0, keep_num_dims })))
}

pub fn softmax() -> Option<Options> {
    Some(Options::Softmax(Box::new(Softmax { beta: 1.0 })))
}

pub fn concat(axis: i32) -> Option<Options> {
    Some(Options::Concatenation(Box::new(Concatenation { axis, activation: 0 })))
}

/// A small model with most of what there is: the malformed-input tests start from it.
pub fn small() -> Net {
    let mut n = Net::new(&[1, 6, 5, 3]);
    let (w, b) = (n.weights(&[4, 3, 3, 3], &[0.01, 0.02, 0.03, 0.04], 0), n.bias(&[1, 2, 3, 4]));
    let y = n.activation(&[1, 3, 3, 4], 0.5, -128);
    n.op(op::CONV_2D, &[0, w, b], &[y], conv(SAME, 2, 3));
    let (w, b) = (n.weights(&[1, 3, 3, 4], &[0.01; 4], 3), n.bias(&[0; 4]));
    let d = n.activation(&[1, 3, 3, 4], 0.5, -128);
    n.op(op::DEPTHWISE_CONV_2D, &[y, w, b], &[d], depthwise(SAME, 1, 1));
    let s = n.activation(&[1, 3, 3, 4], 0.6, -120);
    n.op(op::ADD, &[y, d], &[s], Some(Options::Add(Box::new(Add { activation: 1, ..Add::default() }))));
    let p = n.activation(&[1, 1, 1, 4], 0.6, -120);
    n.op(op::AVERAGE_POOL_2D, &[s], &[p], pool(VALID, [3, 3], 1));
    let (r, dims) = (n.activation(&[1, 4], 0.6, -120), n.ints(&[2], &[1, 4]));
    n.op(op::RESHAPE, &[p, dims], &[r], None);
    let (w, b) = (n.weights(&[2, 4], &[0.02], 0), n.bias(&[5, -5]));
    let l = n.activation(&[1, 2], 0.1, 7);
    n.op(op::FULLY_CONNECTED, &[r, w, b], &[l], fully_connected(false));
    let y = n.activation(&[1, 2], 1.0 / 256.0, -128);
    n.op(op::SOFTMAX, &[l], &[y], softmax());
    n
}

/// A counter-based generator, so that a failure names its seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below as u64) as usize
    }
}
