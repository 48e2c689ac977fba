use prost::Message;
use tinytrain_exec::{Executor, Kernels};
use tinytrain_export::{Functions, Labels};
use tinytrain_ir::{Graph, Quant};

use super::proto::{
    Attribute, Dimension, Graph as ProtoGraph, Model, Node, Tensor, TensorShape, TensorType, Type, ValueInfo,
};
use crate::graph::Op;
use crate::run::run;
use crate::{FloatModel, QuantiseError};

/// A model under construction; every node yields the name of its kind and number.
#[derive(Default)]
struct Net(ProtoGraph);

fn value(name: &str, dims: &[i64]) -> ValueInfo {
    let dims = dims.iter().map(|&value| Dimension { value }).collect();
    let tensor = TensorType { elem_type: 1, shape: Some(TensorShape { dims }) };
    ValueInfo { name: name.into(), r#type: Some(Type { tensor: Some(tensor) }) }
}

fn ints(name: &str, ints: &[i64]) -> Attribute {
    Attribute { name: name.into(), ints: ints.to_vec(), ..Attribute::default() }
}

fn int(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, ..Attribute::default() }
}

impl Net {
    fn new(dims: &[i64]) -> Self {
        Self(ProtoGraph { inputs: vec![value("input", dims)], ..ProtoGraph::default() })
    }

    fn floats(&mut self, dims: &[i64], data: &[f32]) -> String {
        let name = format!("constant {}", self.0.initializers.len());
        let tensor = Tensor {
            dims: dims.to_vec(),
            data_type: 1,
            float_data: data.to_vec(),
            name: name.clone(),
            ..Tensor::default()
        };
        self.0.initializers.push(tensor);
        name
    }

    fn longs(&mut self, dims: &[i64], data: &[i64]) -> String {
        let name = format!("constant {}", self.0.initializers.len());
        let tensor = Tensor {
            dims: dims.to_vec(),
            data_type: 7,
            int64_data: data.to_vec(),
            name: name.clone(),
            ..Tensor::default()
        };
        self.0.initializers.push(tensor);
        name
    }

    /// Weights of a few different values.
    fn weights(&mut self, dims: &[i64]) -> String {
        let n: i64 = dims.iter().product();
        let data: Vec<f32> = (0..n).map(|i| ((i * 37 + n) % 19 - 9) as f32 / 16.0).collect();
        self.floats(dims, &data)
    }

    fn node(&mut self, op: &str, inputs: &[&str], attributes: Vec<Attribute>) -> String {
        let name = format!("{op} {}", self.0.nodes.len());
        let inputs = inputs.iter().map(|&i| i.into()).collect();
        let node = Node { inputs, outputs: vec![name.clone()], op_type: op.into(), attributes, ..Node::default() };
        self.0.nodes.push(node);
        name
    }

    fn bytes(&self, output: &str) -> Vec<u8> {
        let mut graph = self.0.clone();
        graph.outputs = vec![value(output, &[])];
        // The version of the format and the producer, which tell an ONNX from other protobufs.
        [&[0x08, 8, 0x12, 4][..], b"test", &Model { graph: Some(graph) }.encode_to_vec()].concat()
    }

    fn open(&self, output: &str) -> Result<FloatModel, QuantiseError> {
        FloatModel::open("net.onnx", &self.bytes(output), None).map(|m| m.expect("an ONNX model"))
    }

    fn fails(&self, output: &str) -> String {
        self.open(output).expect_err("a model that is refused").to_string()
    }
}

/// A network with most operators: convolutions of both kinds, scales, functions, a gate, pools, a concatenation, a flattened map and two layers behind it.
fn whole() -> (Net, String) {
    let mut n = Net::new(&[0, 2, 9, 8]);
    let (w, s, o) = (n.weights(&[6, 2, 3, 3]), n.weights(&[6]), n.weights(&[6]));
    let v = n.floats(&[6], &[0.5, 1.0, 1.5, 2.0, 0.25, 0.75]);
    let x = n.node(
        "Conv",
        &["input", &w],
        vec![ints("strides", &[2, 1]), ints("pads", &[1, 1, 1, 1]), ints("kernel_shape", &[3, 3])],
    );
    let x = n.node("BatchNormalization", &[&x, &s, &o, &o, &v], vec![]);
    let x = n.node("HardSwish", &[&x], vec![]);
    let (d, b) = (n.weights(&[6, 1, 3, 3]), n.weights(&[6]));
    let y =
        n.node("Conv", &[&x, &d, &b], vec![int("group", 6), ints("dilations", &[2, 1]), ints("pads", &[2, 0, 2, 2])]);
    let (low, high) = (n.floats(&[], &[0.0]), n.floats(&[], &[6.0]));
    let y = n.node("Clip", &[&y, &low, &high], vec![]);
    let g = n.node("GlobalAveragePool", &[&y], vec![]);
    let (gw, gb) = (n.weights(&[6, 6, 1, 1]), n.weights(&[6]));
    let g = n.node("Conv", &[&g, &gw, &gb], vec![]);
    let g = n.node("Sigmoid", &[&g], vec![]);
    let y = n.node("Mul", &[&g, &y], vec![]);
    let y = n.node("Add", &[&y, &x], vec![]);
    let m = n.node("MaxPool", &[&y], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    let a = n.node("AveragePool", &[&y], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])]);
    let y = n.node("Concat", &[&m, &a], vec![int("axis", 1)]);
    let shape = n.node("Shape", &[&y], vec![]);
    let zero = n.longs(&[1], &[0]);
    let batch = n.node("Gather", &[&shape, &zero], vec![]);
    let rest = n.longs(&[1], &[-1]);
    let to = n.node("Concat", &[&batch, &rest], vec![int("axis", 0)]);
    let y = n.node("Reshape", &[&y, &to], vec![]);
    let (w, b) = (n.weights(&[96, 7]), n.weights(&[7]));
    let y = n.node("MatMul", &[&y, &w], vec![]);
    let y = n.node("Add", &[&y, &b], vec![]);
    let y = n.node("Tanh", &[&y], vec![]);
    let (w, b) = (n.weights(&[5, 7]), n.weights(&[5]));
    let y = n.node("Gemm", &[&y, &w, &b], vec![int("transB", 1)]);
    let y = n.node("Softmax", &[&y], vec![]);
    (n, y)
}

#[test]
fn a_flattened_map_meets_its_weights_in_the_order_of_channels_first() {
    let mut n = Net::new(&[1, 2, 2, 3]);
    let w = n.floats(&[12, 1], &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0]);
    let f = n.node("Flatten", &["input"], vec![]);
    let y = n.node("MatMul", &[&f, &w], vec![]);
    let model = n.open(&y).unwrap();
    // Rows, columns, channels in our order: the element of channel c, row h, column w has the weight 2^(6 c + 3 h + w).
    for at in 0..12 {
        let (h, w, c) = (at / 6, at / 2 % 3, at % 2);
        let mut input = vec![0.0; 12];
        input[at] = 1.0;
        assert_eq!(run(&model.net, input)[model.net.output], [f32::from(1u16 << (6 * c + 3 * h + w))]);
    }
}

#[test]
fn an_input_that_is_first_transposed_has_its_channels_last() {
    let mut n = Net::new(&[1, 2, 3, 2]);
    let x = n.node("Transpose", &["input"], vec![ints("perm", &[0, 3, 1, 2])]);
    let w = n.floats(&[1, 2, 1, 1], &[1.0, 100.0]);
    let y = n.node("Conv", &[&x, &w], vec![]);
    let model = n.open(&y).unwrap();
    assert_eq!(model.input(), tinytrain_ir::Shape::new(2, 3, 2));
    let found = run(&model.net, (0..12u8).map(f32::from).collect()).swap_remove(model.net.output);
    assert_eq!(found, [100.0, 302.0, 504.0, 706.0, 908.0, 1110.0]);
}

/// A series: channels, then time. Its convolutions, pools and padding have one dimension.
#[test]
fn an_input_of_three_dimensions_is_a_series() {
    let mut n = Net::new(&[1, 2, 6]);
    // Output 0 is a difference over time of channel 0, output 1 a sum over channel 1.
    let w = n.floats(&[2, 2, 2], &[-1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0]);
    let x = n.node("Conv", &["input", &w], vec![ints("pads", &[1, 0]), ints("strides", &[1])]);
    let x = n.node("MaxPool", &[&x], vec![ints("kernel_shape", &[2]), ints("strides", &[2])]);
    let x = n.node("AveragePool", &[&x], vec![ints("kernel_shape", &[3])]);
    let y = n.node("Flatten", &[&x], vec![]);
    let model = n.open(&y).unwrap();
    assert_eq!(model.input(), tinytrain_ir::Shape::new(1, 6, 2));
    // Moments of two channels: 1 3 2 7 7 0 and 10 20 30 40 50 60. Differences 1 2 -1 5 0 -7, sums 10 30 50 70 90 110.
    let input = vec![1.0, 10.0, 3.0, 20.0, 2.0, 30.0, 7.0, 40.0, 7.0, 50.0, 0.0, 60.0];
    let found = run(&model.net, input).swap_remove(model.net.output);
    assert_eq!(found, [(2.0 + 5.0 + 0.0) / 3.0, (30.0 + 70.0 + 110.0) / 3.0]);
    // Channels last behind a transpose.
    let mut n = Net::new(&[1, 6, 2]);
    let x = n.node("Transpose", &["input"], vec![ints("perm", &[0, 2, 1])]);
    let w = n.floats(&[1, 2, 1], &[1.0, 100.0]);
    let y = n.node("Conv", &[&x, &w], vec![]);
    let model = n.open(&y).unwrap();
    assert_eq!(model.input(), tinytrain_ir::Shape::new(1, 6, 2));
    let found = run(&model.net, (0..12u8).map(f32::from).collect()).swap_remove(model.net.output);
    assert_eq!(found, [100.0, 302.0, 504.0, 706.0, 908.0, 1110.0]);
    // A kernel of another number of dimensions.
    let mut n = Net::new(&[1, 2, 6]);
    let w = n.weights(&[2, 2, 1, 2]);
    let y = n.node("Conv", &["input", &w], vec![]);
    assert!(n.fails(&y).contains("weights of another number of dimensions than its input"), "{}", n.fails(&y));
}

#[test]
fn scales_and_bounds_go_into_the_convolution_before_them() {
    let mut n = Net::new(&[1, 1, 1, 2]);
    let (w, s) = (n.floats(&[1, 1, 1, 1], &[3.0]), n.floats(&[1], &[2.0]));
    let (shift, mean, variance) = (n.floats(&[1], &[0.5]), n.floats(&[1], &[1.0]), n.floats(&[1], &[4.0]));
    let x = n.node("Conv", &["input", &w], vec![]);
    let epsilon = Attribute { name: "epsilon".into(), f: 0.0, ..Attribute::default() };
    let x = n.node("BatchNormalization", &[&x, &s, &shift, &mean, &variance], vec![epsilon]);
    let y = n.node("Relu", &[&x], vec![]);
    let model = n.open(&y).unwrap();
    let [node] = &model.net.nodes[..] else { panic!("{:?}", model.net.nodes) };
    let Op::Conv(c) = &node.op else { panic!("{node:?}") };
    // (3 x - 1) * 2 / 2 + 0.5
    assert_eq!((&c.weights[..], &c.bias[..], node.bounds.low), (&[3.0f32][..], &[-0.5f32][..], 0.0));
    // A value that something else reads stays.
    let z = n.node("Add", &[&x, &y], vec![]);
    let model = n.open(&z).unwrap();
    assert_eq!(run(&model.net, vec![1.0, -1.0])[model.net.output], [5.0, -3.5]);
}

#[test]
fn stated_quantisations_are_kept() {
    let mut n = Net::new(&[1, 1, 2, 2]);
    let (scale, zero) = (n.floats(&[], &[0.25]), "zero".to_string());
    let tensor =
        Tensor { data_type: super::constants::UINT8, int32_data: vec![100], name: zero.clone(), ..Tensor::default() };
    n.0.initializers.push(tensor);
    let q = n.node("QuantizeLinear", &["input", &scale, &zero], vec![]);
    let x = n.node("DequantizeLinear", &[&q, &scale, &zero], vec![]);
    let bytes =
        Tensor { dims: vec![2, 1, 1, 1], data_type: 3, raw_data: vec![5, 0xfe], name: "w".into(), ..Tensor::default() };
    n.0.initializers.push(bytes);
    let (ws, wz) = (n.floats(&[2], &[0.5, 0.125]), n.longs(&[2], &[0, 0]));
    let w = n.node("DequantizeLinear", &["w", &ws, &wz], vec![int("axis", 0)]);
    let y = n.node("Conv", &[&x, &w], vec![]);
    let model = n.open(&y).unwrap();
    assert_eq!(model.stated_input(), Some(Quant { scale: 0.25, zero: -28 }));
    let Op::Conv(c) = &model.net.nodes[0].op else { panic!() };
    assert_eq!(c.weights, [2.5, -0.25]);
}

fn samples(n: usize, length: usize) -> Vec<Vec<i8>> {
    let value = |s: usize, i: usize| ((s * 7919 + i * i * 31 + i * s * 17) % 256) as u8 as i8;
    (0..n).map(|s| (0..length).map(|i| value(s, i)).collect()).collect()
}

fn bits(graph: &Graph, samples: &[Vec<i8>]) -> Vec<Vec<i8>> {
    let program = tinytrain_compile::forward_program(graph, false).unwrap();
    let output = program.outputs[0];
    let mut e = Executor::with_kernels(program.into(), Kernels::best()).unwrap();
    let one = |s: &Vec<i8>| {
        e.forward(s).unwrap();
        e.bytes(output).to_vec()
    };
    samples.iter().map(one).collect()
}

#[test]
fn the_file_that_is_written_has_the_bits_of_the_graph() {
    let (net, output) = whole();
    let model = net.open(&output).unwrap();
    let samples = samples(24, model.input().len());
    let input = Quant { scale: f64::from(1f32 / 127.5), zero: 0 };
    let found = model.quantise("net.onnx", input, &samples, 2).unwrap();
    assert_eq!(found.held_back, 6);
    let labels = Labels { classes: &[], mean: &[127.5], std: &[127.5] };
    let file = tinytrain_export::tflite(&found.graph, &labels, Functions::Operators).unwrap();
    let imported = tinytrain_import::import("net.tflite", &file, &tinytrain_import::ImportOptions::default()).unwrap();
    assert_eq!(imported.input.quant, input);
    assert_eq!(bits(&imported.graph, &samples), bits(&found.graph, &samples));
    // Any number of threads makes the same file.
    let again = model.quantise("net.onnx", input, &samples, 1).unwrap();
    assert_eq!(tinytrain_export::tflite(&again.graph, &labels, Functions::Operators).unwrap(), file);
    // Near the float outputs.
    let q = found.graph.tensor(found.graph.outputs[0]).quant().unwrap();
    for (s, bits) in samples.iter().zip(bits(&found.graph, &samples)) {
        for (a, b) in model.forward(s, input).unwrap().iter().zip(bits) {
            assert!((f64::from(*a) - f64::from(i32::from(b) - q.zero) * q.scale).abs() < 0.05, "{a} {b}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_in_one_sentence() {
    let net = || Net::new(&[1, 1, 4, 4]);
    let mut n = net();
    let y = n.node("Relu", &["nothing"], vec![]);
    assert_eq!(
        n.fails(&y),
        "net.onnx: the file is damaged: operator 0 (Relu): nothing before it yields its input 'nothing'"
    );
    let mut n = net();
    n.node("Relu", &["Relu 1"], vec![]);
    let y = n.node("Relu", &["Relu 0"], vec![]);
    assert!(n.fails(&y).contains("nothing before it yields its input 'Relu 1'"));
    let mut n = net();
    let y = n.node("Einsum", &["input"], vec![]);
    assert!(
        n.fails(&y).starts_with("net.onnx: operator 0 (Einsum): this operator is not supported\n  supported: Add,")
    );
    assert!(net().fails("elsewhere").contains("nothing yields its output 'elsewhere'"));
    let mut n = net();
    let w = n.weights(&[1, 1, 3, 3]);
    n.0.initializers[0].data_location = 1;
    let y = n.node("Conv", &["input", &w], vec![]);
    assert!(n.fails(&y).contains("tensor 'constant 0': its data is in another file"));
    let mut n = net();
    n.weights(&[1, 1, 3, 3]);
    n.0.initializers[0].dims = vec![1, 1, 3, 1 << 40];
    let y = n.node("Conv", &["input", "constant 0"], vec![]);
    assert!(n.fails(&y).contains("9 elements for the dimensions"));
    let mut n = net();
    let w = n.weights(&[1, 1, 3, 3]);
    let y = n.node("Conv", &["input", &w], vec![ints("pads", &[1 << 40, 0, 0, 0])]);
    assert!(n.fails(&y).contains("more than"), "{}", n.fails(&y));
    let mut n = net();
    let w = n.weights(&[1, 1, 5, 5]);
    let y = n.node("Conv", &["input", &w], vec![]);
    assert!(n.fails(&y).contains("its window does not fit its input"));
    // A file of a few bytes that would double a constant forty times.
    let mut n = net();
    let mut c = n.longs(&[1], &[1]);
    for _ in 0..40 {
        c = n.node("Concat", &[&c, &c], vec![int("axis", 0)]);
    }
    let y = n.node("Reshape", &["input", &c], vec![]);
    assert!(n.fails(&y).contains("elements in all its tensors"));
}

/// Bytes of a model changed at random: read or refused, never a panic.
#[test]
fn no_changed_file_makes_the_reader_panic() {
    let rounds: u64 = std::env::var("TINYTRAIN_FUZZ").ok().and_then(|n| n.parse().ok()).unwrap_or(4000);
    let (net, output) = whole();
    let file = net.bytes(&output);
    let (mut accepted, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut at = round << 8;
        let mut draw = |below: u64| {
            at += 1;
            tinytrain_spec::random::mix(at) % below
        };
        let mut changed = file.clone();
        for _ in 0..1 + draw(4) {
            let i = draw(changed.len() as u64) as usize;
            match draw(4) {
                0 => changed[i] ^= 1 << draw(8),
                1 => changed[i] = draw(256) as u8,
                2 => changed.truncate(i.max(8)),
                _ => changed[i] = [0, 1, 127, 128, 255][draw(5) as usize],
            }
        }
        match FloatModel::open("net.onnx", &changed, None) {
            Ok(Some(_)) => accepted += 1,
            _ => refused += 1,
        }
    }
    println!("{accepted} read, {refused} refused");
    assert!(accepted > 50 && refused > 50, "{accepted} read, {refused} refused");
}

/// The seed of fuzzing (`fuzz/seeds`) is what these tests make; `TINYTRAIN_WRITE=1` writes it.
#[test]
fn the_seed_of_fuzzing_is_current() {
    let (net, output) = whole();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/float/net.onnx");
    if std::env::var_os("TINYTRAIN_WRITE").is_some() {
        std::fs::write(&path, net.bytes(&output)).unwrap();
    }
    assert_eq!(std::fs::read(&path).ok(), Some(net.bytes(&output)), "TINYTRAIN_WRITE=1 writes it");
}
