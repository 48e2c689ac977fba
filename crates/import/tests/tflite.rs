//! Each operator and each refusal, on small files made here.

mod common;

use common::*;
use tinytrain_import::{ImportError, ImportOptions, Imported, Normalisation, import, supported_ops};
use tinytrain_ir::{Op, Quant, Shape};
use tinytrain_tflite::*;

fn open(net: &Net) -> Result<Imported, ImportError> {
    import("nets/tiny.tflite", &net.bytes(), &ImportOptions::default())
}

/// The message and the code of a refusal.
fn rejection(net: &Net) -> (String, &'static str) {
    let e = open(net).map(|m| m.graph.dump()).expect_err("it was imported");
    (e.to_string(), e.code())
}

#[track_caller]
fn assert_rejected(net: &Net, code: &str, says: &str) {
    let (message, actual) = rejection(net);
    assert!(message.starts_with("nets/tiny.tflite: ") && message.contains(says), "{message}");
    assert_eq!(actual, code, "{message}");
}

/// Input, one operator of these options, output.
fn single(input: &[i32], output: &[i32], code: i32, options: Option<Options>) -> Net {
    let mut n = Net::new(input);
    let y = n.activation(output, 1.0 / 64.0, 3);
    n.op(code, &[0], &[y], options);
    n
}

fn conv_net(padding: i8, stride: i32, activation: i8, output: &[i32]) -> Net {
    let mut n = Net::new(&[1, 7, 6, 2]);
    let (w, b) = (n.weights(&[4, 3, 2, 2], &[0.1, 0.2, 0.3, 0.4], 0), n.bias(&[1, -2, 3, -4]));
    let y = n.activation(output, 0.05, -20);
    n.op(op::CONV_2D, &[0, w, b], &[y], conv(padding, stride, activation));
    n
}

fn ops(m: &Imported) -> Vec<&'static str> {
    m.graph.nodes.iter().map(|n| n.op.name()).collect()
}

#[test]
fn a_small_model_comes_through_whole() {
    let m = open(&small()).unwrap();
    assert_eq!(ops(&m), ["conv", "conv", "add", "average_pool", "reshape", "conv", "softmax"]);
    assert_eq!((m.graph.name.as_str(), m.format), ("tiny", "tflite"));
    assert_eq!((m.input.shape, m.input.quant), (Shape::new(6, 5, 3), Quant { scale: 1.0 / 64.0, zero: 3 }));
    // Every activation carries the file's index and name, and every node its operator.
    for t in &m.graph.tensors {
        let source = t.source.unwrap();
        assert!(m.tensors.iter().any(|f| f.source == Some(source) && f.name == format!("tensor {source}")));
    }
    assert!(m.graph.nodes.iter().enumerate().all(|(i, n)| n.origin.op == Some(i)));
}

#[test]
fn a_convolution_keeps_kernel_padding_scales_and_bounds() {
    let m = open(&conv_net(SAME, 2, 3, &[1, 4, 3, 4])).unwrap();
    let l = &m.graph.layers[0];
    assert_eq!((l.geo.kh, l.geo.kw, l.geo.pad_top, l.geo.pad_left), (3, 2, 1, 0));
    assert_eq!((l.geo.lo, l.geo.hi, l.geo.x_zero, l.geo.y_zero), (-20, 100, 3, -20));
    assert_eq!(l.w_scales, [0.1f32, 0.2, 0.3, 0.4].map(|s| s as f64));
    assert_eq!((&l.bias[..], &l.weights[..3]), (&[1, -2, 3, -4][..], &[1, 2, 3][..]));

    let m = open(&conv_net(VALID, 1, 1, &[1, 5, 5, 4])).unwrap();
    assert_eq!((m.graph.layers[0].geo.lo, m.graph.layers[0].geo.hi), (-20, 127));
    let m = open(&conv_net(VALID, 1, 2, &[1, 5, 5, 4])).unwrap();
    assert_eq!((m.graph.layers[0].geo.lo, m.graph.layers[0].geo.hi), (-40, 0));
}

#[test]
fn a_bias_may_be_missing_and_a_scale_hold_for_all() {
    let mut n = Net::new(&[1, 4, 4, 1]);
    let w = n.weights(&[2, 1, 1, 1], &[0.25], 0);
    let y = n.activation(&[1, 4, 4, 2], 0.05, 0);
    n.op(op::CONV_2D, &[0, w, -1], &[y], conv(SAME, 1, 0));
    let m = open(&n).unwrap();
    assert_eq!((&m.graph.layers[0].bias[..], &m.graph.layers[0].w_scales[..]), (&[0, 0][..], &[0.25, 0.25][..]));
}

#[test]
fn depthwise_takes_a_multiplier() {
    for multiplier in [0, 3] {
        let mut n = Net::new(&[1, 4, 4, 2]);
        let (w, b) = (n.weights(&[1, 3, 3, 6], &[0.1; 6], 3), n.bias(&[0; 6]));
        let y = n.activation(&[1, 4, 4, 6], 0.5, 0);
        n.op(op::DEPTHWISE_CONV_2D, &[0, w, b], &[y], depthwise(SAME, 1, multiplier));
        let m = open(&n).unwrap();
        assert!(m.graph.layers[0].depthwise && m.graph.layers[0].geo.out_c == 6);
    }
}

#[test]
fn fully_connected_is_a_convolution_on_one_pixel() {
    let build = |keep: bool, features: i32, out: &[i32]| {
        let mut n = Net::new(&[1, 2, 3, 4]);
        let w = n.weights(&[5, features], &[0.1; 5], 0);
        let y = n.activation(out, 0.5, 0);
        n.op(op::FULLY_CONNECTED, &[0, w], &[y], fully_connected(keep));
        n
    };
    let m = open(&build(false, 24, &[1, 5])).unwrap();
    assert_eq!(ops(&m), ["reshape", "conv"]);
    let sources: Vec<_> = m.graph.tensors.iter().map(|t| t.source).collect();
    assert_eq!(sources, [Some(0), None, Some(2)]);
    let m = open(&build(true, 4, &[1, 2, 3, 5])).unwrap();
    assert_eq!(ops(&m), ["conv"]);
    assert_rejected(&build(false, 4, &[6, 5]), "MODEL_UNSUPPORTED", "batch size 6");
    assert_rejected(&build(false, 4, &[1, 5]), "MODEL_UNSUPPORTED", "4 features");
}

#[test]
fn pools_and_means() {
    for (code, name) in [(op::AVERAGE_POOL_2D, "average_pool"), (op::MAX_POOL_2D, "max_pool")] {
        let m = open(&single(&[1, 5, 4, 3], &[1, 3, 2, 3], code, pool(SAME, [3, 2], 2))).unwrap();
        assert_eq!(ops(&m), [name]);
    }
    let mean = |input: &[i32], axes: &[i32], output: &[i32]| {
        let mut n = Net::new(input);
        let a = n.ints(&[axes.len() as i32], axes);
        let y = n.activation(output, 1.0 / 64.0, 3);
        n.op(op::MEAN, &[0, a], &[y], None);
        n
    };
    for (axes, output, nodes) in [
        (&[1, 2][..], &[1, 3][..], &["mean"][..]),
        (&[-2, -3], &[1, 1, 1, 3], &["mean"]),
        (&[1], &[1, 5, 3], &["reshape", "mean", "reshape"]),
        (&[2], &[1, 4, 3], &["average_pool", "reshape"]),
        (&[2], &[1, 4, 1, 3], &["average_pool"]),
    ] {
        let m = open(&mean(&[1, 4, 5, 3], axes, output)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(ops(&m), nodes, "{axes:?}");
        assert!(m.graph.tensor(m.graph.outputs[0]).source == Some(2));
    }
    assert_rejected(&mean(&[1, 4, 4, 3], &[2], &[1, 4, 3]), "MODEL_UNSUPPORTED", "even number of columns (4)");
    assert_rejected(&mean(&[1, 4, 5, 3], &[3], &[1, 4, 5]), "MODEL_UNSUPPORTED", "MEAN over the axes [3]");
    assert_rejected(&mean(&[1, 4, 5, 3], &[1, 7], &[1, 3]), "MODEL_MALFORMED", "its axes are [1, 7]");
    assert_rejected(&mean(&[1, 4, 5, 3], &[1, 2], &[1, 4]), "MODEL_MALFORMED", "declared");
}

#[test]
fn transposes_that_move_nothing_or_lead_to_a_mean() {
    let build = |perm: &[i32], output: &[i32]| {
        let mut n = Net::new(&[1, 3, 5, 4]);
        let p = n.ints(&[4], perm);
        let y = n.activation(output, 1.0 / 64.0, 3);
        n.op(op::TRANSPOSE, &[0, p], &[y], None);
        (n, y)
    };
    let (mut n, y) = build(&[0, 3, 1, 2], &[1, 4, 3, 5]);
    assert_eq!(ops(&open(&n).unwrap()), ["move"]);
    let axes = n.ints(&[2], &[2, 3]);
    let z = n.activation(&[1, 4], 0.02, 0);
    n.op(op::MEAN, &[y, axes], &[z], None);
    assert_eq!(ops(&open(&n).unwrap()), ["mean"]);
    let (n, _) = build(&[0, 1, 2, 2], &[1, 3, 5, 5]);
    assert_rejected(&n, "MODEL_MALFORMED", "its permutation");
    let mut n = Net::new(&[1, 1, 1, 4]);
    let p = n.ints(&[4], &[0, 3, 1, 2]);
    let y = n.activation(&[1, 4, 1, 1], 1.0 / 64.0, 3);
    n.op(op::TRANSPOSE, &[0, p], &[y], None);
    assert_eq!(ops(&open(&n).unwrap()), ["reshape"]);
}

#[test]
fn pad_is_spatial_and_constant() {
    let build = |pads: &[i32], output: &[i32]| {
        let mut n = Net::new(&[1, 3, 4, 2]);
        let p = n.ints(&[4, 2], pads);
        let y = n.activation(output, 1.0 / 64.0, 3);
        n.op(op::PAD, &[0, p], &[y], None);
        n
    };
    let m = open(&build(&[0, 0, 1, 2, 3, 0, 0, 0], &[1, 6, 7, 2])).unwrap();
    assert_eq!(m.graph.nodes[0].op, Op::Pad { top: 1, left: 3 });
    assert_rejected(&build(&[0, 0, 1, 2, 3, 0, 0, 1], &[1, 6, 7, 3]), "MODEL_UNSUPPORTED", "PAD of the batch");
    assert_rejected(&build(&[0, 0, -1, 2, 3, 0, 0, 0], &[1, 4, 7, 2]), "MODEL_MALFORMED", "paddings");
    let mut n = build(&[0; 8], &[1, 3, 4, 2]);
    let constant = n.tensor(1).buffer;
    n.tensor(1).buffer = 0;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "not constant");
    n.tensor(1).buffer = constant;
    n.model.operator_codes.as_mut().unwrap()[0].code = op::PADV2;
    assert_eq!(ops(&open(&n).unwrap()), ["pad"]);
    let value = n.int8(&[1], &[4], 1.0 / 64.0, 3);
    n.last_op().inputs.as_mut().unwrap().push(value);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "other than the zero point");
}

#[test]
fn reshape_add_and_concatenation() {
    let mut n = Net::new(&[1, 2, 3, 4]);
    let (dims, r) = (n.ints(&[2], &[-1, 24]), n.activation(&[1, 24], 1.0 / 64.0, 3));
    n.op(op::RESHAPE, &[0, dims], &[r], None);
    let c = n.activation(&[1, 48], 1.0 / 64.0, 3);
    n.op(op::CONCATENATION, &[r, r], &[c], concat(-1));
    let a = n.activation(&[1, 48], 0.1, 0);
    n.op(op::ADD, &[c, c], &[a], None);
    let m = open(&n).unwrap();
    assert_eq!(ops(&m), ["reshape", "concat", "add"]);
    assert_eq!(m.graph.nodes[1].op, Op::Concat(2));

    let axis = |axis, out: &[i32]| {
        let mut n = Net::new(&[1, 2, 3, 4]);
        let y = n.activation(out, 1.0 / 64.0, 3);
        n.op(op::CONCATENATION, &[0, 0], &[y], concat(axis));
        n
    };
    assert_eq!(open(&axis(1, &[1, 4, 3, 4])).unwrap().graph.nodes[0].op, Op::Concat(0));
    assert_eq!(open(&axis(-2, &[1, 2, 6, 4])).unwrap().graph.nodes[0].op, Op::Concat(1));
    assert_rejected(&axis(0, &[2, 2, 3, 4]), "MODEL_UNSUPPORTED", "batch");
    assert_rejected(&axis(9, &[1, 2, 3, 8]), "MODEL_MALFORMED", "axis");
    let mut n = axis(3, &[1, 2, 3, 8]);
    n.tensor(1).quantisation = Some(Box::new(quantisation(&[0.5], &[0], 0)));
    assert_rejected(&n, "MODEL_UNSUPPORTED", "quantised differently");
}

#[test]
fn activations_of_their_own_and_requantisation() {
    for (code, bounds) in
        [(op::RELU, (3, 127)), (op::RELU6, (3, 127)), (op::RELU_N1_TO_1, (-61, 67)), (op::QUANTIZE, (-128, 127))]
    {
        let m = open(&single(&[1, 2, 2, 2], &[1, 2, 2, 2], code, None)).unwrap();
        let Op::Requantize(p, ratio) = &m.graph.nodes[0].op else { panic!() };
        assert_eq!(((p.lo, p.hi), *ratio), (bounds, 1.0));
    }
}

#[test]
fn float_and_uint8_edges_are_dropped() {
    for edge in [FLOAT32, UINT8] {
        let mut n = Net::new(&[1, 2, 2, 2]);
        *n.tensor(0) = Tensor { shape: Some(vec![1, 2, 2, 2]), dtype: edge, ..Tensor::default() };
        let q = n.activation(&[1, 2, 2, 2], 1.0 / 255.0, -128);
        n.op(op::QUANTIZE, &[0], &[q], None);
        let r = n.activation(&[1, 2, 2, 2], 1.0 / 255.0, -128);
        n.op(op::RELU, &[q], &[r], None);
        let out = n.other(&[1, 2, 2, 2], edge);
        n.op(if edge == FLOAT32 { op::DEQUANTIZE } else { op::QUANTIZE }, &[r], &[out], None);
        let m = open(&n).unwrap();
        assert_eq!(ops(&m), ["requantize"]);
        assert_eq!((m.input.source, m.graph.tensor(m.graph.outputs[0]).source), (Some(q as usize), Some(r as usize)));
        assert_eq!(m.input.normalisation, Normalisation::uniform(0.0, 255.0));
        // The same in the middle.
        let back = n.activation(&[1, 2, 2, 2], 1.0, 0);
        n.op(op::QUANTIZE, &[out], &[back], None);
        let says = if edge == FLOAT32 { "only at the end" } else { "tensor 3 has no quantisation" };
        assert_rejected(&n, "MODEL_UNSUPPORTED", says);
    }
}

#[test]
fn softmax_comes_last() {
    let mut n = small();
    let last = n.graph().outputs.as_ref().unwrap()[0];
    let f = n.other(&[1, 2], FLOAT32);
    n.op(op::DEQUANTIZE, &[last], &[f], None);
    assert!(open(&n).is_ok());
    let mut n = small();
    let y = n.activation(&[1, 2], 1.0 / 256.0, -128);
    n.op(op::RELU, &[last], &[y], None);
    assert_eq!(left_out(&n), ["SOFTMAX", "RELU"]);
    let mut n = small();
    n.tensor(last).quantisation.as_mut().unwrap().zero_point = Some(vec![0]);
    assert_eq!(left_out(&n), ["SOFTMAX"]);
}

fn left_out(n: &Net) -> Vec<String> {
    open(n).unwrap().left_out.into_iter().map(|o| o.name).collect()
}

#[test]
fn what_follows_the_features_may_be_unknown() {
    // Scores, their logarithms and the class: the graph ends with the scores that SOFTMAX reads.
    let mut n = small();
    let logits = n.graph().operators.as_ref().unwrap()[5].outputs.as_ref().unwrap()[0];
    let class = n.other(&[1], INT64);
    n.op(op::ARG_MAX, &[logits], &[class], None);
    n.graph().outputs = Some(vec![class]);
    assert_eq!(left_out(&n), ["ARG_MAX"]);
    let m = open(&n).unwrap();
    assert!(m.graph.outputs.iter().any(|&t| m.graph.tensor(t).source == Some(logits as usize)));
    // One classifier may be left out, but no more: the rest would be lost without a word.
    let mut n = Net::new(&[1, 4]);
    let layer = |n: &mut Net, x: i32| {
        let (w, y) = (n.weights(&[4, 4], &[0.1], 0), n.activation(&[1, 4], 0.5, 1));
        n.op(op::FULLY_CONNECTED, &[x, w], &[y], fully_connected(false));
        y
    };
    let first = layer(&mut n, 0);
    let odd = n.activation(&[1, 4], 0.5, 1);
    n.op(op::COS, &[first], &[odd], None);
    let second = layer(&mut n, odd);
    assert_eq!(left_out(&n), ["COS", "FULLY_CONNECTED"]);
    layer(&mut n, second);
    assert_rejected(&n, "MODEL_OPERATOR", "operator 1 (COS");
}

#[test]
fn an_unknown_operator_is_named_with_its_place_and_with_what_is_known() {
    let mut n = small();
    let y = n.activation(&[1, 2], 1.0, 0);
    n.op(op::TRANSPOSE_CONV, &[3], &[y], None);
    let e = open(&n).unwrap_err();
    let expected = format!(
        "nets/tiny.tflite: operator 7 (TRANSPOSE_CONV, tensors 3 -> {y}) is not supported\n  supported: {}",
        supported_ops().join(", ")
    );
    assert_eq!(e.to_string(), expected);
    assert_eq!(e.operator().map(|o| (o.index, o.name.as_str())), Some((7, "TRANSPOSE_CONV")));

    let codes = n.model.operator_codes.as_mut().unwrap();
    *codes.last_mut().unwrap() =
        OperatorCode { old_code: 32, custom: Some("Evil\n\u{1b}[2J".into()), version: 1, code: op::CUSTOM };
    assert_rejected(&n, "MODEL_OPERATOR", "CUSTOM 'Evil\\n\\u{1b}[2J'");
    n.model.operator_codes.as_mut().unwrap().last_mut().unwrap().code = 4000;
    assert_rejected(&n, "MODEL_OPERATOR", "number 4000");
}

#[test]
fn types_other_than_int8_are_rejected() {
    for (dtype, says) in [(FLOAT32, "computes in float32"), (INT16, "int16"), (INT32, "")] {
        let mut n = single(&[1, 2, 2, 2], &[1, 2, 2, 2], op::RELU, None);
        n.tensor(1).dtype = dtype;
        assert_rejected(&n, "MODEL_UNSUPPORTED", says);
        n.tensor(0).dtype = dtype;
        assert_rejected(&n, "MODEL_UNSUPPORTED", says);
    }
    let mut n = conv_net(SAME, 2, 3, &[1, 4, 3, 4]);
    n.tensor(2).dtype = INT64;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "its biases, tensor 2, are int64");
    n.tensor(1).dtype = UINT8;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "its weights, tensor 1, are uint8 without one zero point");
}

#[test]
fn shapes_are_fixed_and_the_batch_is_one() {
    let base = || single(&[1, 2, 2, 2], &[1, 2, 2, 2], op::RELU, None);
    let mut n = base();
    n.tensor(0).shape_signature = Some(vec![-1, 2, 2, 2]);
    assert!(open(&n).is_ok(), "a dynamic batch of 1");
    n.tensor(0).shape_signature = Some(vec![-1, -1, 2, 2]);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "dynamic shape");
    for (dims, says) in [
        (&[1, -1, 2, 2][..], "dynamic shape"),
        (&[4, 2, 2, 2], "batch size 4"),
        (&[1, 0, 2, 2], "has the shape"),
        (&[1, i32::MAX, i32::MAX, i32::MAX], "has the shape"),
        (&[1, 1, 2, 2, 2], "5 dimensions"),
        (&[1; 9], "9 dimensions"),
    ] {
        let mut n = base();
        n.tensor(0).shape = Some(dims.to_vec());
        assert_rejected(&n, "MODEL_UNSUPPORTED", says);
    }
}

#[test]
fn convolutions_outside_the_arithmetic_are_rejected() {
    let base = || conv_net(SAME, 2, 3, &[1, 4, 3, 4]);
    fn options(n: &mut Net) -> &mut Conv {
        match &mut n.last_op().options {
            Some(Options::Conv(c)) => c,
            _ => unreachable!(),
        }
    }
    let mut n = base();
    options(&mut n).dilation_w = 2;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "a dilated convolution with a stride");
    let mut n = base();
    options(&mut n).activation = 4;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "fused activation 4");
    let mut n = base();
    options(&mut n).stride_h = 0;
    assert_rejected(&n, "MODEL_MALFORMED", "its stride is 0");
    let mut n = base();
    options(&mut n).padding = 2;
    assert_rejected(&n, "MODEL_MALFORMED", "its padding");
    let mut n = base();
    n.tensor(1).sparsity = Some(Box::new(Unread {}));
    assert_rejected(&n, "MODEL_UNSUPPORTED", "sparse");
    let mut n = base();
    n.tensor(1).buffer = 0;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "not constant");
    let mut n = base();
    n.tensor(1).quantisation.as_mut().unwrap().zero_point = Some(vec![0, 0, 1, 0]);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "zero point other than 0");
    let mut n = base();
    n.tensor(1).quantisation.as_mut().unwrap().dimension = 3;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "along dimension 3");
    let mut n = base();
    n.tensor(1).quantisation.as_mut().unwrap().scale = Some(vec![0.1, f32::NAN, 0.1, 0.1]);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "operator 0 (CONV_2D, tensors 0 -> 3): channel 1");
    let mut n = base();
    n.model.buffers.as_mut().unwrap()[1].data.as_mut().unwrap()[5] = 0x80;
    assert_eq!(open(&n).unwrap().graph.layers[0].weights[5], -128);
    let mut n = base();
    n.model.buffers.as_mut().unwrap()[2].data = Some([0xff, 0xff, 0xff, 0x7f].repeat(4));
    assert_rejected(&n, "MODEL_UNSUPPORTED", "beyond 32 bits");
    let mut n = base();
    n.model.buffers.as_mut().unwrap()[1].offset = 4096;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "2 GB");
    let mut n = base();
    n.tensor(0).shape = Some(vec![1, 7, 6, 4]);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "grouped convolution (2 groups)");
    let mut n = base();
    n.last_op().options = None;
    assert_rejected(&n, "MODEL_MALFORMED", "options");
}

#[test]
fn an_inconsistent_file_is_rejected() {
    let base = || conv_net(SAME, 2, 3, &[1, 4, 3, 4]);
    assert_rejected(&conv_net(SAME, 2, 3, &[1, 4, 4, 4]), "MODEL_MALFORMED", "declared as 4x4x4");
    let mut n = base();
    n.tensor(1).shape = Some(vec![4, 3, 3, 2]);
    assert_rejected(&n, "MODEL_MALFORMED", "its weights, tensor 1, have the shape [4, 3, 3, 2] and 48 bytes");
    let mut n = base();
    n.tensor(1).buffer = 77;
    assert_rejected(&n, "MODEL_MALFORMED", "buffer 77 of 3");
    let mut n = base();
    n.last_op().code = 9;
    assert_rejected(&n, "MODEL_MALFORMED", "operator code 9 of 1");
    let mut n = base();
    n.last_op().inputs = Some(vec![0, 1, 900]);
    assert_rejected(&n, "MODEL_MALFORMED", "tensor 900 of 4");
    let mut n = base();
    n.last_op().inputs = Some(vec![3, 1, 2]);
    assert_rejected(&n, "MODEL_MALFORMED", "tensor 3 is read before");
    let mut n = base();
    n.last_op().outputs = Some(vec![0]);
    assert_rejected(&n, "MODEL_MALFORMED", "writes tensor 0");
    let mut n = base();
    n.last_op().inputs = Some(vec![-1, 1, 2]);
    assert_rejected(&n, "MODEL_MALFORMED", "its input 0 is missing");
    let mut n = base();
    n.graph().outputs = Some(vec![]);
    assert_rejected(&n, "MODEL_MALFORMED", "no output");
    let mut n = base();
    n.graph().inputs = Some(vec![0, 0]);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "2 inputs");
    let mut n = base();
    let second = n.graph().clone();
    n.model.subgraphs.as_mut().unwrap().push(second);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "2 subgraphs");
    let mut n = base();
    n.model.version = 2;
    assert_rejected(&n, "MODEL_UNSUPPORTED", "format version 2");
}

#[test]
fn the_caller_may_state_the_normalisation_but_not_the_size() {
    let n = single(&[1, 2, 3, 3], &[1, 2, 3, 3], op::RELU, None);
    let stated = Normalisation { mean: vec![120.0, 110.0, 100.0], std: vec![60.0, 60.0, 30.0] };
    let choice = ImportOptions { normalisation: Some(stated), input: Some([2, 3]) };
    let m = import("a.tflite", &n.bytes(), &choice).unwrap();
    assert!(!m.input.guessed && m.input.tables.len() == 3);
    // (120 - 120) / 60 * 64 + 3, and a whole deviation above it.
    assert_eq!((m.input.table(0)[120], m.input.table(0)[180], m.input.table(2)[130]), (3, 67, 67));
    assert_eq!((m.input.table(2)[0], m.input.table(2)[255]), (-128, 127));
    for bad in [
        ImportOptions { input: Some([3, 3]), ..ImportOptions::default() },
        ImportOptions {
            normalisation: Some(Normalisation { mean: vec![0.0; 2], std: vec![1.0] }),
            ..ImportOptions::default()
        },
        ImportOptions { normalisation: Some(Normalisation::uniform(0.0, 0.0)), ..ImportOptions::default() },
    ] {
        assert_eq!(import("a.tflite", &n.bytes(), &bad).unwrap_err().code(), "MODEL_OPTIONS");
    }
}

#[test]
fn logistic_becomes_a_table_of_its_values() {
    let mut n = Net::new(&[1, 16, 16, 3]);
    let (w, b) = (n.weights(&[8, 3, 3, 3], &[0.01; 8], 0), n.bias(&[0; 8]));
    let y = n.activation(&[1, 16, 16, 8], 0.1, -20);
    n.op(op::CONV_2D, &[0, w, b], &[y], conv(SAME, 1, 0));
    let l = n.activation(&[1, 16, 16, 8], 1.0 / 256.0, -128);
    n.op(op::LOGISTIC, &[y], &[l], None);
    let (w, b) = (n.weights(&[8, 3, 3, 8], &[0.01; 8], 0), n.bias(&[0; 8]));
    let z = n.activation(&[1, 8, 8, 8], 0.5, 10);
    n.op(op::CONV_2D, &[l, w, b], &[z], conv(SAME, 2, 0));
    let m = n.activation(&[1, 8, 8, 8], 1.0 / 256.0, -128);
    n.op(op::LOGISTIC, &[z], &[m], None);
    let p = n.activation(&[1, 1, 1, 8], 1.0 / 256.0, -128);
    n.op(op::AVERAGE_POOL_2D, &[m], &[p], pool(VALID, [8, 8], 1));
    let graph = open(&n).unwrap().graph;
    let tables: Vec<_> =
        graph.nodes.iter().filter_map(|n| if let Op::Lookup(l) = &n.op { Some(l) } else { None }).collect();
    assert_eq!(tables.len(), 2);
    for (l, (scale, zero)) in tables.iter().zip([(0.1f64, -20), (0.5, 10)]) {
        for q in -128..=127i32 {
            let real = 1.0 / (1.0 + (-f64::from(q - zero) * f64::from(scale as f32)).exp());
            let at = (q + 128) as usize;
            assert!((f64::from(l.table[at]) - (real * 256.0 - 128.0).min(127.0)).abs() <= 0.51, "{q}");
            let slope = real * (1.0 - real) * f64::from(scale as f32) * 256.0;
            assert!((f64::from(l.slope[at]) / 1_048_576.0 - slope).abs() < 1e-5, "{q}");
        }
    }
    if let Some(p) = std::env::var_os("LOGISTIC_FILE") {
        std::fs::write(p, n.bytes()).unwrap();
    }
}

#[test]
fn models_of_other_frameworks_are_named_and_told_how_to_be_exported() {
    let zip = |entry: &[u8]| [b"PK\x03\x04................", entry].concat();
    let cases: [(&str, Vec<u8>, &str, &str); 7] = [
        ("a.keras", zip(b"metadata.json"), "a Keras model (.keras)", "from_keras_model"),
        ("a.zip", zip(b"model.weights.h5"), "a Keras model (.keras)", "from_keras_model"),
        ("a.h5", b"\x89HDF\r\n\x1a\n....".to_vec(), "a Keras model in HDF5", "from_keras_model"),
        ("a.pth", zip(b"model/data.pkl"), "a PyTorch model", "torch.onnx.export"),
        ("a.pt", vec![0x80, 2, 0x8a], "an old PyTorch model", "torch.onnx.export"),
        ("a.onnx", b"\x08\x09\x12\x07pytorch".to_vec(), "an .onnx model", "train --model model.onnx"),
        ("model.cc", b"unsigned char model[] = { 0x1c, 0x00 };".to_vec(), "as xxd writes it", "xxd -r -p"),
    ];
    for (path, bytes, what, help) in cases {
        let e = import(path, &bytes, &ImportOptions::default()).map(|_| ()).unwrap_err();
        let text = e.to_string();
        let (first, rest) = text.split_once('\n').unwrap();
        assert!(first.contains(what) && rest.contains(help), "{text}");
        assert_eq!(e.code(), "MODEL_FORMAT");
    }
}

#[test]
fn supported_operators_are_in_order_and_the_format_has_them() {
    let supported = supported_ops();
    assert!(supported.is_sorted_by(|a, b| a < b) && supported.len() > 40, "{supported:?}");
    assert!(supported.iter().all(|name| operator::code(name).is_some()), "{supported:?}");
}

fn resize_bilinear(size: Option<&[i32]>, y: &[i32], options: ResizeBilinear) -> Net {
    let mut n = Net::new(&[1, 8, 6, 3]);
    let (x, q) = (0, n.tensor(0).quantisation.clone());
    let size = match size {
        Some(size) => n.ints(&[size.len() as i32], size),
        None => n.other(&[2], dtype::INT32),
    };
    let y = n.activation(y, 1.0, 0);
    n.tensor(y).quantisation = q;
    n.op(op::RESIZE_BILINEAR, &[x, size], &[y], Some(Options::ResizeBilinear(Box::new(options))));
    n
}

#[test]
fn resize_bilinear_takes_a_constant_size() {
    let plain = ResizeBilinear::default;
    let corners = || ResizeBilinear { align_corners: true, ..plain() };
    let centers = || ResizeBilinear { half_pixel_centers: true, ..plain() };
    for (options, steps, first) in
        [(plain(), (512, 1536), (0, 0)), (corners(), (478, 1707), (0, 0)), (centers(), (512, 1536), (-256, 256))]
    {
        let graph = open(&resize_bilinear(Some(&[16, 4]), &[1, 16, 4, 3], options)).unwrap().graph;
        let Op::ResizeBilinear(p) = graph.nodes[0].op else { panic!("{}", graph.dump()) };
        assert_eq!(((p.step_h, p.step_w), (p.first_h, p.first_w)), (steps, first));
        assert_eq!(
            (graph.tensors[1].shape, graph.tensors[1].quant()),
            (Shape::new(16, 4, 3), graph.tensors[0].quant())
        );
    }
    let both = ResizeBilinear { align_corners: true, ..centers() };
    let refused =
        |size, y: &[i32], options, code, says| assert_rejected(&resize_bilinear(size, y, options), code, says);
    refused(Some(&[16, 4]), &[1, 16, 4, 3], both, "MODEL_UNSUPPORTED", "both aligned corners and half-pixel centres");
    refused(Some(&[16, 5]), &[1, 16, 4, 3], plain(), "MODEL_MALFORMED", "[16, 5] rows and columns");
    refused(Some(&[16]), &[1, 16, 4, 3], plain(), "MODEL_MALFORMED", "[16] rows and columns");
    refused(
        None,
        &[1, 16, 4, 3],
        plain(),
        "MODEL_UNSUPPORTED",
        "its rows and columns, tensor 1, are not constant; they must be in the file",
    );
    let mut n = resize_bilinear(Some(&[16, 4]), &[1, 16, 4, 3], plain());
    n.tensor(2).shape_signature = Some(vec![1, -1, -1, 3]);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "tensor 2 has a dynamic shape");
    let mut n = resize_bilinear(Some(&[16, 4]), &[1, 16, 4, 3], plain());
    **n.tensor(2).quantisation.as_mut().unwrap() = quantisation(&[0.5], &[0], 0);
    assert_rejected(&n, "MODEL_UNSUPPORTED", "quantised differently");
}
