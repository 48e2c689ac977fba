//! Each operator of a `.tflite`, in a small model of its own, against LiteRT: its reference kernels' outputs are in
//! `operators.json`. To make it again: `TINYTRAIN_WRITE=DIR cargo test -p tinytrain-compile --test operators`, then
//! `python scripts/litert.py DIR crates/compile/tests/operators.json` (needs the Python package ai-edge-litert).

#[path = "../../import/tests/common/mod.rs"]
mod net;

use std::path::Path;
use std::sync::Arc;

use net::*;
use serde_json::Value;
use tinytrain_compile::forward_program;
use tinytrain_exec::Executor;
use tinytrain_tflite::{Add, LeakyRelu, Mul, Options, Pack, Resize, ResizeBilinear, StridedSlice, Sub};

const SCALE: f32 = 1.0 / 32.0;

/// An input of this shape at scale 1/32 and zero point -5.
fn from(dims: &[i32]) -> Net {
    let mut n = Net::new(dims);
    **n.tensor(0).quantisation.as_mut().unwrap() = quantisation(&[SCALE], &[-5], 0);
    n
}

/// One operator on the input.
fn one(code: i32, dims: &[i32], y: (f32, i64), options: Option<Options>) -> Net {
    let mut n = from(dims);
    let y = n.activation(dims, y.0, y.1);
    n.op(code, &[0], &[y], options);
    n
}

/// One operator on the input and a constant, or on a constant and the input.
fn with(code: i32, constant: (&[i32], &[i8]), y: (f32, i64), first: bool, options: Option<Options>) -> Net {
    let dims = [1, 4, 5, 6];
    let mut n = from(&dims);
    let c = n.int8(constant.0, constant.1, 0.02, 7);
    let y = n.activation(&dims, y.0, y.1);
    let inputs = if first { [0, c] } else { [c, 0] };
    n.op(code, &inputs, &[y], options);
    n
}

/// Random weights of a convolution; `all` of int8.
fn weights(n: &mut Net, dims: &[i32], channels: usize, axis: i32) -> i32 {
    let mut r = Random(7);
    let values: Vec<i8> = (0..dims.iter().product()).map(|_: i32| (r.next(256) as i32 - 128) as i8).collect();
    let w = n.int8(dims, &values, 1.0, 0);
    let scales: Vec<f32> = (0..channels).map(|c| 0.004 + 0.001 * c as f32).collect();
    **n.tensor(w).quantisation.as_mut().unwrap() = quantisation(&scales, &vec![0; channels], axis);
    w
}

fn bias(n: &mut Net, values: &[i32]) -> i32 {
    let b = n.bias(values);
    n.tensor(b).quantisation.as_mut().unwrap().dimension = 0;
    b
}

fn dilated(h: i32, w: i32, padding: i8) -> Option<Options> {
    let Some(Options::Conv(mut o)) = conv(padding, 1, 0) else { return None };
    (o.dilation_h, o.dilation_w) = (h, w);
    Some(Options::Conv(o))
}

fn convolution(dims: &[i32], kernel: [i32; 2], y: &[i32], options: Option<Options>) -> Net {
    let mut n = from(dims);
    let w = weights(&mut n, &[3, kernel[0], kernel[1], dims[3]], 3, 0);
    let b = bias(&mut n, &[100, -2000, 30]);
    let y = n.activation(y, 0.06, 3);
    n.op(op::CONV_2D, &[0, w, b], &[y], options);
    n
}

/// A depthwise convolution with dilation as Keras writes it.
fn depthwise_in_blocks() -> Net {
    let mut n = from(&[1, 8, 7, 4]);
    let (block, pads) = (n.ints(&[2], &[2, 2]), n.ints(&[2, 2], &[2, 2, 2, 3]));
    let s = n.activation(&[4, 6, 6, 4], SCALE, -5);
    n.op(op::SPACE_TO_BATCH_ND, &[0, block, pads], &[s], None);
    let w = weights(&mut n, &[1, 3, 3, 4], 4, 3);
    let b = bias(&mut n, &[5, -300, 100, 0]);
    let c = n.activation(&[4, 4, 4, 4], 0.04, 2);
    n.op(op::DEPTHWISE_CONV_2D, &[s, w, b], &[c], depthwise(VALID, 1, 1));
    let crops = n.ints(&[2, 2], &[0, 0, 0, 1]);
    let y = n.activation(&[1, 8, 7, 4], 0.04, 2);
    n.op(op::BATCH_TO_SPACE_ND, &[c, block, crops], &[y], None);
    n
}

/// A one-dimensional convolution with dilation as Keras writes it.
fn series_in_blocks() -> Net {
    let mut n = from(&[1, 20, 3]);
    let (block, pads) = (n.ints(&[1], &[4]), n.ints(&[1, 2], &[8, 0]));
    let s = n.activation(&[4, 7, 3], SCALE, -5);
    n.op(op::SPACE_TO_BATCH_ND, &[0, block, pads], &[s], None);
    let (axis, e) = (n.ints(&[1], &[1]), n.activation(&[4, 1, 7, 3], SCALE, -5));
    n.op(op::EXPAND_DIMS, &[s, axis], &[e], None);
    let w = weights(&mut n, &[3, 1, 3, 3], 3, 0);
    let b = bias(&mut n, &[100, -200, 30]);
    let c = n.activation(&[4, 1, 5, 3], 0.05, 3);
    n.op(op::CONV_2D, &[e, w, b], &[c], conv(VALID, 1, 1));
    let q = n.activation(&[4, 5, 3], 0.05, 3);
    n.op(op::SQUEEZE, &[c], &[q], None);
    let crops = n.ints(&[1, 2], &[0, 0]);
    let y = n.activation(&[1, 20, 3], 0.05, 3);
    n.op(op::BATCH_TO_SPACE_ND, &[q, block, crops], &[y], None);
    n
}

/// SHAPE, STRIDED_SLICE and PACK before RESHAPE, as Keras writes it.
fn computed_shape() -> Net {
    let mut n = from(&[1, 3, 2, 4]);
    let shape = n.other(&[4], INT32);
    n.op(op::SHAPE, &[0], &[shape], None);
    let [begin, end, steps] = [[0], [1], [1]].map(|v| n.ints(&[1], &v));
    let batch = n.other(&[], INT32);
    n.op(op::STRIDED_SLICE, &[shape, begin, end, steps], &[batch], strided(0, 0, 1));
    let rest = n.ints(&[], &[24]);
    let packed = n.other(&[2], INT32);
    n.op(op::PACK, &[batch, rest], &[packed], Some(Options::Pack(Box::new(Pack { count: 2, axis: 0 }))));
    let y = n.activation(&[1, 24], SCALE, -5);
    n.op(op::RESHAPE, &[0, packed], &[y], None);
    n
}

fn strided(begin: i32, end: i32, shrink: i32) -> Option<Options> {
    let masks =
        StridedSlice { begin_mask: begin, end_mask: end, ellipsis_mask: 0, new_axis_mask: 0, shrink_axis_mask: shrink };
    Some(Options::StridedSlice(Box::new(masks)))
}

/// Squeeze and excitation.
fn excited() -> Net {
    let mut n = from(&[1, 6, 5, 4]);
    let m = n.activation(&[1, 1, 1, 4], SCALE, -5);
    n.op(op::AVERAGE_POOL_2D, &[0], &[m], pool(VALID, [6, 5], 1));
    let w = weights(&mut n, &[4, 1, 1, 4], 4, 0);
    let (b, c) = (bias(&mut n, &[9, 8, -7, 60]), n.activation(&[1, 1, 1, 4], 0.05, 1));
    n.op(op::CONV_2D, &[m, w, b], &[c], conv(SAME, 1, 0));
    let g = n.activation(&[1, 1, 1, 4], 1.0 / 256.0, -128);
    n.op(op::LOGISTIC, &[c], &[g], None);
    let y = n.activation(&[1, 6, 5, 4], 0.02, -9);
    n.op(op::MUL, &[0, g], &[y], mul(0));
    n
}

fn mul(activation: i8) -> Option<Options> {
    Some(Options::Mul(Box::new(Mul { activation })))
}

/// The input and a requantised copy of it, for operators on two tensors.
fn pair(code: i32, copy: (f32, i64), y: (f32, i64), options: Option<Options>) -> Net {
    let dims = [1, 4, 5, 6];
    let mut n = from(&dims);
    // Rows in another order, so that the two differ.
    let size = n.ints(&[4], &[1, 2, 5, 6]);
    let halves = [2, 0].map(|row| {
        let (begin, y) = (n.ints(&[4], &[0, row, 0, 0]), n.activation(&[1, 2, 5, 6], SCALE, -5));
        n.op(op::SLICE, &[0, begin, size], &[y], None);
        y
    });
    let turned = n.activation(&dims, SCALE, -5);
    n.op(op::CONCATENATION, &halves, &[turned], concat(1));
    let b = n.activation(&dims, copy.0, copy.1);
    n.op(op::QUANTIZE, &[turned], &[b], None);
    let y = n.activation(&dims, y.0, y.1);
    n.op(code, &[0, b], &[y], options);
    n
}

/// A convolution of uint8, whose weights reach beyond int8 once their zero point is taken off.
fn unsigned(code: i32, zero: i64) -> Net {
    let mut n = Net::new(&[1, 6, 5, 4]);
    let activation = |n: &mut Net, t: i32, scale: f32, zero: i64| {
        n.tensor(t).dtype = UINT8;
        **n.tensor(t).quantisation.as_mut().unwrap() = quantisation(&[scale], &[zero], 0);
    };
    activation(&mut n, 0, SCALE, 120);
    let mut r = Random(3);
    let dims = if code == op::CONV_2D { [4, 3, 3, 4] } else { [1, 3, 3, 4] };
    let values = (0..dims.iter().product()).map(|_: i32| r.next(256) as u8).collect();
    let w = n.uint8(&dims, values, 0.01, zero);
    let b = bias(&mut n, &[50, -60, 700, 8]);
    let y = n.activation(&[1, 3, 3, 4], 0.1, 0);
    activation(&mut n, y, 0.1, 100);
    let options = if code == op::CONV_2D { conv(SAME, 2, 1) } else { depthwise(SAME, 2, 1) };
    n.op(code, &[0, w, b], &[y], options);
    n
}

fn transposed() -> Net {
    let mut n = from(&[1, 3, 5, 4]);
    let (p, t) = (n.ints(&[4], &[0, 3, 1, 2]), n.activation(&[1, 4, 3, 5], SCALE, -5));
    n.op(op::TRANSPOSE, &[0, p], &[t], None);
    let y = n.activation(&[1, 4, 3, 5], 0.04, 3);
    n.op(op::LEAKY_RELU, &[t], &[y], Some(Options::LeakyRelu(Box::new(LeakyRelu { alpha: 0.25 }))));
    n
}

/// Features that a FULLY_CONNECTED reads in another order.
fn transposed_features() -> Net {
    let mut n = from(&[1, 3, 4]);
    let (p, t) = (n.ints(&[3], &[0, 2, 1]), n.activation(&[1, 4, 3], SCALE, -5));
    n.op(op::TRANSPOSE, &[0, p], &[t], None);
    let (s, f) = (n.ints(&[2], &[1, 12]), n.activation(&[1, 12], SCALE, -5));
    n.op(op::RESHAPE, &[t, s], &[f], None);
    let w = weights(&mut n, &[3, 12], 3, 0);
    let (b, y) = (bias(&mut n, &[9, -80, 7]), n.activation(&[1, 3], 0.06, 1));
    n.op(op::FULLY_CONNECTED, &[f, w, b], &[y], fully_connected(false));
    n
}

fn slices() -> Net {
    let mut n = from(&[1, 6, 7, 4]);
    let [begin, end, steps] = [[0, 1, -6, 1], [1, 6, 7, 3], [1, 2, 3, 1]].map(|v: [i32; 4]| n.ints(&[4], &v));
    let s = n.activation(&[1, 3, 2, 2], SCALE, -5);
    n.op(op::STRIDED_SLICE, &[0, begin, end, steps], &[s], strided(0, 0, 0));
    let (begin, size) = (n.ints(&[4], &[0, 1, 0, 1]), n.ints(&[4], &[1, 2, -1, 1]));
    let y = n.activation(&[1, 2, 2, 1], SCALE, -5);
    n.op(op::SLICE, &[s, begin, size], &[y], None);
    n
}

fn parts() -> Net {
    let mut n = from(&[1, 4, 3, 6]);
    let (sizes, axis) = (n.ints(&[3], &[1, 3, 2]), n.ints(&[], &[3]));
    let outs = [1, 3, 2].map(|c| n.activation(&[1, 4, 3, c], SCALE, -5));
    n.op(op::SPLIT_V, &[0, sizes, axis], &outs, None);
    let y = n.activation(&[1, 4, 3, 6], SCALE, -5);
    n.op(op::CONCATENATION, &[outs[2], outs[0], outs[1]], &[y], concat(3));
    n
}

fn enlarged() -> Net {
    let mut n = from(&[1, 3, 2, 4]);
    let (size, y) = (n.ints(&[2], &[6, 6]), n.activation(&[1, 6, 6, 4], SCALE, -5));
    let o = Resize { align_corners: false, half_pixel_centers: false };
    n.op(op::RESIZE_NEAREST_NEIGHBOR, &[0, size], &[y], Some(Options::Resize(Box::new(o))));
    n
}

fn bilinear(n: &mut Net, x: i32, y: &[i32], align_corners: bool, half_pixel_centers: bool) -> i32 {
    let (size, y) = (n.ints(&[2], &[y[1], y[2]]), n.activation(y, SCALE, -5));
    let o = ResizeBilinear { align_corners, half_pixel_centers, ..ResizeBilinear::default() };
    n.op(op::RESIZE_BILINEAR, &[x, size], &[y], Some(Options::ResizeBilinear(Box::new(o))));
    y
}

/// An image of this many rows and columns of three channels in another size.
fn resized(from_size: [i32; 2], to: [i32; 2], align_corners: bool, half_pixel_centers: bool) -> Net {
    let mut n = from(&[1, from_size[0], from_size[1], 3]);
    bilinear(&mut n, 0, &[1, to[0], to[1], 3], align_corners, half_pixel_centers);
    n
}

/// The same of uint8, which LiteRT resizes in floats.
fn resized_unsigned() -> Net {
    let mut n = from(&[1, 5, 4, 3]);
    let y = bilinear(&mut n, 0, &[1, 9, 7, 3], false, true);
    for t in [0, y] {
        n.tensor(t).dtype = UINT8;
        **n.tensor(t).quantisation.as_mut().unwrap() = quantisation(&[SCALE], &[120], 0);
    }
    n
}

fn largest() -> Net {
    let mut n = from(&[1, 3, 5, 4]);
    let (axes, y) = (n.ints(&[2], &[1, 2]), n.activation(&[1, 4], SCALE, -5));
    n.op(op::REDUCE_MAX, &[0, axes], &[y], None);
    n
}

fn maximum_with_one() -> Net {
    let mut n = with(op::MAXIMUM, (&[], &[20]), (SCALE, -5), true, None);
    **n.tensor(1).quantisation.as_mut().unwrap() = quantisation(&[SCALE], &[-5], 0);
    n
}

fn models() -> Vec<(&'static str, Net)> {
    let dims = [1, 8, 8, 4];
    let scalar = (&[][..], &[57i8][..]);
    let channels = (&[1, 1, 1, 6][..], &[-120i8, -3, 0, 7, 40, 127][..]);
    let add = |activation| Some(Options::Add(Box::new(Add { activation, ..Add::default() })));
    let sub = |activation| Some(Options::Sub(Box::new(Sub { activation })));
    let leaky = |alpha| Some(Options::LeakyRelu(Box::new(LeakyRelu { alpha })));
    vec![
        ("logistic", one(op::LOGISTIC, &dims, (1.0 / 256.0, -128), None)),
        ("tanh", one(op::TANH, &dims, (1.0 / 128.0, 0), None)),
        ("hard_swish", one(op::HARD_SWISH, &dims, (0.03, -115), None)),
        ("leaky_relu", one(op::LEAKY_RELU, &dims, (0.027, -60), leaky(0.1))),
        ("abs", one(op::ABS, &dims, (SCALE, -5), None)),
        ("mul_by_one", with(op::MUL, scalar, (0.03, 9), true, mul(0))),
        ("mul_by_channel", with(op::MUL, channels, (0.05, 9), true, mul(1))),
        ("mul_by_channel_first", with(op::MUL, channels, (0.05, 9), false, mul(0))),
        ("add_one", with(op::ADD, scalar, (0.03, 9), true, add(1))),
        ("add_channels", with(op::ADD, channels, (0.04, 9), true, add(0))),
        ("sub_one", with(op::SUB, scalar, (0.03, 9), true, sub(0))),
        ("sub_from_channels", with(op::SUB, channels, (0.04, 9), false, sub(0))),
        ("maximum_with_one", maximum_with_one()),
        ("prelu", with(op::PRELU, (&[1, 1, 6][..], &[-120, -3, 0, 7, 40, 127][..]), (0.04, -20), true, None)),
        ("mul_two", pair(op::MUL, (0.04, 3), (0.08, -20), mul(0))),
        ("sub_two", pair(op::SUB, (0.04, 3), (0.05, -2), sub(0))),
        ("maximum_two", pair(op::MAXIMUM, (SCALE, -5), (SCALE, -5), None)),
        ("minimum_two", pair(op::MINIMUM, (SCALE, -5), (SCALE, -5), None)),
        ("excited", excited()),
        ("dilated_same", convolution(&[1, 9, 8, 2], [3, 3], &[1, 9, 8, 3], dilated(2, 3, SAME))),
        ("dilated_valid", convolution(&[1, 9, 8, 2], [3, 2], &[1, 5, 7, 3], dilated(2, 1, VALID))),
        ("dilated_series", convolution(&[1, 1, 23, 2], [1, 3], &[1, 1, 23, 3], dilated(1, 4, SAME))),
        ("depthwise_in_blocks", depthwise_in_blocks()),
        ("series_in_blocks", series_in_blocks()),
        ("unsigned_conv", unsigned(op::CONV_2D, 97)),
        ("unsigned_depthwise", unsigned(op::DEPTHWISE_CONV_2D, 150)),
        ("transposed", transposed()),
        ("transposed_features", transposed_features()),
        ("slices", slices()),
        ("enlarged", enlarged()),
        ("resized_twice", resized([6, 5], [12, 10], false, true)),
        ("resized_wider", resized([5, 4], [7, 13], false, false)),
        ("resized_smaller", resized([13, 11], [6, 5], false, true)),
        ("resized_much_smaller", resized([16, 15], [3, 4], false, false)),
        ("resized_corners", resized([7, 6], [12, 4], true, false)),
        ("resized_to_a_row", resized([7, 6], [1, 9], true, false)),
        ("resized_from_a_pixel", resized([1, 1], [5, 3], false, true)),
        ("resized_unsigned", resized_unsigned()),
        ("largest", largest()),
    ]
}

/// A network on images with products of both kinds, for `scripts/costs.mjs`.
fn products() -> Net {
    let mut n = Net::new(&[1, 32, 32, 3]);
    let layer = |n: &mut Net, x: i32, in_c: i32, out_c: i32, side: i32, stride: i32| {
        let w = weights(n, &[out_c, 3, 3, in_c], out_c as usize, 0);
        let (b, y) = (bias(n, &vec![0; out_c as usize]), n.activation(&[1, side, side, out_c], 0.5, -100));
        n.op(op::CONV_2D, &[x, w, b], &[y], conv(SAME, stride, 1));
        y
    };
    let a = layer(&mut n, 0, 3, 8, 16, 2);
    let b = layer(&mut n, a, 8, 8, 16, 1);
    let square = n.activation(&[1, 16, 16, 8], 0.6, -90);
    n.op(op::MUL, &[a, b], &[square], mul(0));
    let x = layer(&mut n, square, 8, 16, 8, 2);
    let m = n.activation(&[1, 1, 1, 16], 0.5, -100);
    n.op(op::AVERAGE_POOL_2D, &[x], &[m], pool(VALID, [8, 8], 1));
    let w = weights(&mut n, &[16, 1, 1, 16], 16, 0);
    let (c, g) = (n.activation(&[1, 1, 1, 16], 0.05, 1), n.activation(&[1, 1, 1, 16], 1.0 / 256.0, -128));
    n.op(op::CONV_2D, &[m, w], &[c], conv(SAME, 1, 0));
    n.op(op::LOGISTIC, &[c], &[g], None);
    let y = n.activation(&[1, 8, 8, 16], 0.5, -100);
    n.op(op::MUL, &[x, g], &[y], mul(0));
    let last = layer(&mut n, y, 16, 24, 4, 2);
    let p = n.activation(&[1, 1, 1, 24], 0.5, -100);
    n.op(op::AVERAGE_POOL_2D, &[last], &[p], pool(VALID, [4, 4], 1));
    n
}

/// A network on images that are enlarged and reduced in many ways, for `scripts/costs.mjs`.
fn resizes() -> Net {
    let mut n = Net::new(&[1, 32, 32, 3]);
    let mut x = 0;
    let (mut side, mut in_c) = (32, 3);
    for (i, (c, to)) in
        [(8, 16), (12, 40), (5, 20), (24, 13), (9, 26), (16, 8), (40, 11), (20, 33)].into_iter().enumerate()
    {
        let w = weights(&mut n, &[c, 1, 1, in_c], c as usize, 0);
        let (b, y) = (bias(&mut n, &vec![0; c as usize]), n.activation(&[1, side, side, c], SCALE, -5));
        n.op(op::CONV_2D, &[x, w, b], &[y], conv(SAME, 1, 0));
        x = bilinear(&mut n, y, &[1, to, to, c], i % 3 == 1, i % 3 == 2);
        (side, in_c) = (to, c);
    }
    let w = weights(&mut n, &[8, 3, 3, in_c], 8, 0);
    let (b, y) = (bias(&mut n, &[0; 8]), n.activation(&[1, 1, 1, 8], 0.5, -100));
    let last = n.activation(&[1, 33, 33, 8], 0.5, -100);
    n.op(op::CONV_2D, &[x, w, b], &[last], conv(SAME, 1, 0));
    n.op(op::AVERAGE_POOL_2D, &[last], &[y], pool(VALID, [33, 33], 1));
    n
}

/// A random input for a model: all values of int8 come up.
fn input(len: usize) -> Vec<i8> {
    let mut r = Random(len as u64);
    (0..len).map(|_| (r.next(256) as i32 - 128) as i8).collect()
}

fn ours(name: &str, bytes: &[u8]) -> Vec<i8> {
    let model = tinytrain_import::import(name, bytes, &Default::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(model.left_out.is_empty(), "{name}: {:?}", model.left_out);
    let program = forward_program(&model.graph, false).unwrap();
    let out = program.outputs[0];
    let mut e = Executor::new(Arc::new(program)).unwrap();
    e.forward(&input(model.input.shape.len())).unwrap();
    e.bytes(out).to_vec()
}

#[test]
fn every_operator_agrees_with_litert_to_one_unit() {
    if let Some(dir) = std::env::var_os("TINYTRAIN_WRITE") {
        let dir = Path::new(&dir);
        std::fs::write(dir.join("products.model"), products().bytes()).unwrap();
        std::fs::write(dir.join("resizes.model"), resizes().bytes()).unwrap();
        for (name, n) in models() {
            std::fs::write(dir.join(format!("{name}.tflite")), n.bytes()).unwrap();
            let len =
                tinytrain_import::import(name, &n.bytes(), &Default::default()).map_or(0, |m| m.input.shape.len());
            let input: Vec<u8> = input(len).into_iter().map(|v| v as u8).collect();
            std::fs::write(dir.join(format!("{name}.in")), input).unwrap();
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/operators.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let (mut values, mut differ) = (0, 0);
    let mut wrong = Vec::new();
    for (name, n) in models() {
        // Ops that are LiteRT's to the last unit.
        let exact = name.starts_with("resized") && name != "resized_unsigned";
        let got = ours(name, &n.bytes());
        let want: Vec<i32> = golden[name]
            .as_array()
            .unwrap_or_else(|| panic!("no {name}"))
            .iter()
            .map(|v| v.as_i64().unwrap() as i32)
            .collect();
        assert_eq!(got.len(), want.len(), "{name}");
        let most = if exact { 0 } else { 1 };
        let far = got.iter().zip(&want).filter(|&(&a, &b)| i32::from(a).abs_diff(b) > most).count();
        let off = got.iter().zip(&want).filter(|&(&a, &b)| i32::from(a) != b).count();
        (values, differ) = (values + got.len(), differ + off);
        println!("{name:<24} {off:>4} of {:>4} differ, {far} by more than {most}", got.len());
        if far > 0 {
            wrong.push(name);
        }
    }
    println!("{differ} of {values} values differ by 1");
    assert!(wrong.is_empty(), "differ by more than allowed: {wrong:?}");
    assert!(differ * 50 < values, "{differ} of {values} values differ");
}

/// LiteRT needs options that our description of the format leaves out, so these are compared with what they must yield.
#[test]
fn shapes_that_the_model_computes_and_parts() {
    assert_eq!(ours("computed_shape", &computed_shape().bytes()), input(24));
    let x = input(72);
    let want: Vec<i8> = x.chunks(6).flat_map(|c| [c[4], c[5], c[0], c[1], c[2], c[3]]).collect();
    assert_eq!(ours("parts", &parts().bytes()), want);
}

/// The reference kernels have no ELU of int8.
#[test]
fn elu() {
    let got = ours("elu", &one(op::ELU, &[1, 8, 8, 4], (0.02, -70), None).bytes());
    for (x, y) in input(256).into_iter().zip(got) {
        let real = f64::from(i32::from(x) + 5) * f64::from(SCALE);
        let want = if real < 0.0 { real.exp_m1() } else { real } / f64::from(0.02f32) - 70.0;
        assert!((f64::from(y) - want.clamp(-128.0, 127.0)).abs() <= 0.5001, "{x}: {y} {want}");
    }
}
