//! Float `.tflite` files whose weights alone are int8 ("dynamic range"): the network is that of the real weights.

#[path = "../../import/tests/common/mod.rs"]
mod common;

use common::{FLOAT32, Net, VALID, conv, depthwise, fully_connected, op};
use tinytrain_ir::Quant;
use tinytrain_quantise::FloatModel;

/// The file with a float input.
fn float_net(dims: &[i32]) -> Net {
    let mut n = Net::new(dims);
    n.tensor(0).dtype = FLOAT32;
    n.tensor(0).quantisation = None;
    n
}

/// A sample of small integers, and what the quantisation says of them.
const SAMPLE: [i8; 8] = [1, -2, 3, 4, -5, 6, 7, 0];
const INPUT: Quant = Quant { scale: 0.5, zero: 1 };

fn forward(n: &Net) -> Vec<f32> {
    let model = FloatModel::open("net.tflite", &n.bytes(), None).unwrap().expect("a float model");
    model.forward(&SAMPLE, INPUT).unwrap()
}

/// A convolution of 2 to 2 channels, a depthwise one and a fully connected layer; with `behind`, the weights come out of a DEQUANTIZE each.
fn net(behind: bool) -> Net {
    let mut n = float_net(&[1, 2, 2, 2]);
    let weights = |n: &mut Net, dims: &[i32], scales: &[f32], axis: i32| {
        let w = n.weights(dims, scales, axis);
        if !behind {
            return w;
        }
        let real = n.other(dims, FLOAT32);
        n.op(op::DEQUANTIZE, &[w], &[real], None);
        real
    };
    let w = weights(&mut n, &[2, 1, 1, 2], &[0.5, 2.0], 0);
    let y = n.other(&[1, 2, 2, 2], FLOAT32);
    n.op(op::CONV_2D, &[0, w, -1], &[y], conv(VALID, 1, 0));
    let w = weights(&mut n, &[1, 2, 2, 2], &[0.25, 0.5], 3);
    let d = n.other(&[1, 1, 1, 2], FLOAT32);
    n.op(op::DEPTHWISE_CONV_2D, &[y, w, -1], &[d], depthwise(VALID, 1, 1));
    let w = weights(&mut n, &[2, 2], &[0.125], 0);
    let z = n.other(&[1, 2], FLOAT32);
    n.op(op::FULLY_CONNECTED, &[d, w, -1], &[z], fully_connected(false));
    n
}

#[test]
fn int8_weights_have_the_scales_of_their_channels() {
    let x: Vec<f32> = SAMPLE.iter().map(|&v| f32::from(v - 1) * 0.5).collect();
    // Weights are 1, 2, 3, ... in the file's order, times the scale of their channel. All values here are exact in float.
    let y: Vec<f32> = x.chunks(2).flat_map(|p| [(p[0] + 2.0 * p[1]) * 0.5, (3.0 * p[0] + 4.0 * p[1]) * 2.0]).collect();
    let d = [0, 1].map(|c| (0..4).map(|i| y[2 * i + c] * (2 * i + c + 1) as f32 * [0.25, 0.5][c]).sum::<f32>());
    let wanted = [(d[0] + 2.0 * d[1]) * 0.125, (3.0 * d[0] + 4.0 * d[1]) * 0.125];
    assert_eq!(forward(&net(false)), wanted);
    assert_eq!(forward(&net(true)), wanted);
}

#[test]
fn weights_whose_scales_do_not_fit_are_refused() {
    let mut n = float_net(&[1, 2, 2, 2]);
    let w = n.weights(&[2, 1, 1, 2], &[0.5, 2.0, 1.0], 0);
    let y = n.other(&[1, 2, 2, 2], FLOAT32);
    n.op(op::CONV_2D, &[0, w, -1], &[y], conv(VALID, 1, 0));
    let error = FloatModel::open("net.tflite", &n.bytes(), None).unwrap_err().to_string();
    assert!(error.contains("int8 weights without a scale for all or for each channel"), "{error}");
    let mut n = float_net(&[1, 2, 2, 2]);
    let w = n.int8(&[2, 1, 1, 2], &[1, 2, 3, 4], 0.5, 3);
    let y = n.other(&[1, 2, 2, 2], FLOAT32);
    n.op(op::CONV_2D, &[0, w, -1], &[y], conv(VALID, 1, 0));
    assert!(FloatModel::open("net.tflite", &n.bytes(), None).unwrap_err().to_string().contains("with a zero point"));
}
