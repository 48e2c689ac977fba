//! Prints what the reference kernels do on one core, for shapes as in MCUNet: `cargo run --release -p tinytrain-kernels
//! --example speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};
use tinytrain_kernels::{Bias, Scales, Scratch, Update, Weights, reference};
use tinytrain_spec::arith::{Qas, Real31, residual_bytes};
use tinytrain_spec::params::{ConvParams, GradScaleParams, UpdateParams};
use tinytrain_spec::random;

/// Time of one call, the best of many.
fn best(mut f: impl FnMut()) -> Duration {
    let end = Instant::now() + Duration::from_millis(150);
    let mut least = Duration::MAX;
    while Instant::now() < end {
        let start = Instant::now();
        f();
        least = least.min(start.elapsed());
    }
    least
}

fn bytes(n: usize, seed: u64) -> Vec<i8> {
    (0..n).map(|i| (random::draw(seed, i as u32) as i8).max(-127)).collect()
}

/// A square layer, padded to keep its size; `groups` is 1, or the number of channels.
fn layer(size: i32, in_c: i32, out_c: i32, kernel: i32, stride: i32, trained: i32) -> ConvParams {
    let out = (size + stride - 1) / stride;
    ConvParams {
        in_h: size,
        in_w: size,
        in_c,
        out_h: out,
        out_w: out,
        out_c,
        kh: kernel,
        kw: kernel,
        stride_h: stride,
        stride_w: stride,
        pad_top: (kernel - 1) / 2,
        pad_left: (kernel - 1) / 2,
        x_zero: -3,
        y_zero: 5,
        lo: -128,
        hi: 127,
        trained,
    }
}

fn measure(name: &str, p: &ConvParams, depthwise: bool) {
    let pixels = (p.out_h * p.out_w) as usize;
    let (out_c, t, taps) = (p.out_c as usize, p.trained as usize, (p.kh * p.kw) as usize);
    let (depth, set) = if depthwise { (1, p.out_c) } else { (p.in_c as usize, p.in_c) };
    let channels: Vec<u16> = (0..p.trained).map(|i| (i * set / p.trained) as u16).collect();
    let rows = if depthwise { taps } else { out_c * taps };
    let frozen = bytes(rows * (set as usize - t), 1);
    let mut trained = bytes(rows * t, 2);
    let x = bytes((p.in_h * p.in_w * p.in_c) as usize, 3);
    let g = bytes(pixels * out_c, 4);
    let (mut y, mut gx) = (g.clone(), x.clone());
    let mut mask = vec![0; y.len().div_ceil(8)];
    let (base, m) = (vec![100; out_c], vec![1 << 20; out_c]);
    let b = Bias { base: &base, offset: &[] };
    let r = Scales { m: &m, shift: &[] };
    let qas = vec![Qas::from_f64(1000.0).0; out_c];
    let mut lo = vec![0; residual_bytes(trained.len(), 4)];
    let u = UpdateParams { exponent: -12, bits: 4, tensor: 1 };
    let u = Update { params: &u, lr: Real31::from_f64(1e-3), k: 15, seed: 1, step: 1 };
    let s = &mut Scratch::default();
    let macs = (pixels * out_c * taps * depth) as f64;
    let trained_macs = (pixels * taps * t * if depthwise { 1 } else { out_c }) as f64;
    let mut acc = vec![0; trained.len()];

    let report = |what: &str, macs: f64, time: Duration| {
        let micros = time.as_secs_f64() * 1e6;
        println!("{name:34} {what:15} {micros:9.1} us {:7.2} GMAC/s", macs / micros * 1e-3);
    };
    let w = Weights { frozen: &frozen, trained: &trained, channels: &channels };
    let forward = if depthwise { reference::depthwise } else { reference::conv };
    report("forward", macs, best(|| forward(p, &x, w, b, r, black_box(&mut y), None, s)));
    report("forward, mask", macs, best(|| forward(p, &x, w, b, r, black_box(&mut y), Some(&mut mask), s)));
    let back = if depthwise { reference::depthwise_input_grad } else { reference::conv_input_grad };
    report("input gradient", macs, best(|| _ = black_box(back(p, 8, &g, w, &mut gx, s))));
    let grad = if depthwise { reference::depthwise_weight_grad } else { reference::conv_weight_grad };
    report("weight gradient", trained_macs, best(|| grad(p, &g, &x, &channels, black_box(&mut acc), s)));
    let step = if depthwise { reference::depthwise_weight_step } else { reference::conv_weight_step };
    let time = best(|| step(p, &u, &g, &x, &channels, &qas, black_box(&mut trained), &mut lo, s));
    report("weight step", trained_macs, time);
}

fn measure_grad_scale(n: i32, channels: i32) {
    let p = GradScaleParams { n, channels, m: 0, s: 30, repeat: 1 };
    let m = vec![1 << 25; channels as usize];
    let mask = vec![0x5a; n as usize / 8];
    let mut g = bytes(n as usize, 1);
    let time = best(|| _ = black_box(reference::grad_scale(&p, &m, &[], Some(&mask), &mut g)));
    let micros = time.as_secs_f64() * 1e6;
    println!("gradient scale, {n} by {channels}: {micros:.1} us, {:.2} G/s", n as f64 / micros * 1e-3);
}

fn main() {
    measure("3x3 s2 128x128 3->32", &layer(128, 3, 32, 3, 2, 3), false);
    measure("1x1 64x64 16->48", &layer(64, 16, 48, 1, 1, 16), false);
    measure("1x1 16x16 240->40", &layer(16, 240, 40, 1, 1, 120), false);
    measure("1x1 8x8 96->384", &layer(8, 96, 384, 1, 1, 48), false);
    measure("1x1 8x8 384->96, all trained", &layer(8, 384, 96, 1, 1, 384), false);
    measure("3x3 16x16 32->64", &layer(16, 32, 64, 3, 1, 32), false);
    measure("depthwise 7x7 8x8x480", &layer(8, 480, 480, 7, 1, 240), true);
    measure("depthwise 5x5 s2 32x32x96", &layer(32, 96, 96, 5, 2, 96), true);
    measure("depthwise 3x3 64x64x48", &layer(64, 48, 48, 3, 1, 48), true);
    measure_grad_scale(64 * 64 * 48, 48);
    measure_grad_scale(8 * 8 * 384, 384);
}
