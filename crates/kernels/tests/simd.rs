//! Every implementation of the kernels that this processor can run, against the reference: equal bits on random layers of all shapes,
//! with accumulators up to int32's bounds.

mod common;

use std::cell::RefCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use common::{Source, with_scratch};
use tinytrain_kernels::simd::{self, Geometries, Kernels, PackedConv, Unit};
use tinytrain_kernels::{Bias, Scales, Scratch, Update, Weights, reference};
use tinytrain_spec::arith::{BIAS_LIMIT, Qas, Real31, Requant, apply_bias, apply_weight, residual_bytes, residual_set};
use tinytrain_spec::params::*;

/// The implementations that can run here. Those that cannot are reported once.
fn units() -> &'static [Unit] {
    static UNITS: OnceLock<Vec<Unit>> = OnceLock::new();
    UNITS.get_or_init(|| {
        let (here, missing): (Vec<_>, Vec<_>) =
            Kernels::ALL.into_iter().filter(|&k| k != Kernels::Reference).partition(|k| k.available());
        let names = |of: Vec<Kernels>| of.into_iter().map(Kernels::name).collect::<Vec<_>>().join(", ");
        eprintln!("compared with the reference: {}", names(here.clone()));
        eprintln!("skipped, since this processor lacks the instructions: {}", names(missing));
        here.into_iter().filter_map(Kernels::unit).collect()
    })
}

/// A function that fills an output and its mask.
type Masked<'a> = dyn Fn(&mut [i8], Option<&mut [u8]>) + 'a;

/// Sometimes the padding exceeds the kernel, as after a PAD before a convolution.
const BEYOND: [i32; 8] = [0, 0, 0, 0, 0, 0, 0, 1];

/// Input, output, kernel, stride and padding along one axis, the padding less than the kernel plus one of `beyond`.
fn axis(s: &mut Source, largest: i64, kernels: &[i32], beyond: &[i32]) -> [i32; 5] {
    let (input, k, stride) = (s.within(1, largest) as i32, s.pick(kernels), s.pick(&[1, 1, 1, 1, 2, 2, 2, 3, 4]));
    let pad = s.within(0, k as i64 - 1) as i32 + s.pick(beyond);
    let out = (input - 1 + pad) / stride + 1;
    let fewer = s.within(1, out as i64) as i32;
    [input, s.pick(&[out, out, fewer]), k, stride, pad]
}

struct Case {
    p: ConvParams,
    depthwise: bool,
    frozen: Vec<i8>,
    trained: Vec<i8>,
    channels: Vec<u16>,
    base: Vec<i32>,
    offset: Vec<i32>,
    m: Vec<i32>,
    shift: Vec<u8>,
}

impl Case {
    fn new(s: &mut Source, depthwise: bool) -> Self {
        let pointwise = !depthwise && s.within(0, 1) == 0;
        let kernels: &[i32] = match (depthwise, pointwise) {
            (true, _) => &[1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 9],
            (_, true) => &[1],
            _ => &[1, 2, 3, 3, 4, 5],
        };
        let largest = s.pick(&[4, 9, 20]);
        let ([in_h, out_h, kh, stride_h, pad_top], [in_w, out_w, kw, stride_w, pad_left]) =
            (axis(s, largest, kernels, &BEYOND), axis(s, largest, kernels, &BEYOND));
        let c = s.within(1, 70) as i32;
        let in_c = if depthwise && s.within(0, 7) == 0 { 1 } else { c };
        let out_c = if !depthwise { s.within(1, 50) as i32 } else { in_c * s.pick(&[1, 1, 1, 1, 1, 1, 2, 8]) };
        let set = if depthwise { out_c } else { in_c } as usize;
        let run = s.within(0, set as i64 - 1) as u16..s.within(1, set as i64) as u16;
        // Any channels, consecutive ones, or a few far apart.
        let channels = match s.within(0, 3) {
            0 if !run.is_empty() => run.collect(),
            1 => (0..set as u16).filter(|_| s.within(0, 19) == 0).collect(),
            _ => s.channels(set),
        };
        let (lo, hi) = s.bounds();
        let (x_zero, y_zero, trained) = (s.zero(), s.zero(), channels.len() as i32);
        #[rustfmt::skip]
        let p = ConvParams {
            in_h, in_w, in_c, out_h, out_w, out_c, kh, kw, stride_h, stride_w, pad_top, pad_left,
            x_zero, y_zero, lo, hi, trained,
        };
        let each = (kh * kw * if depthwise { 1 } else { out_c }) as usize;
        let (frozen, trained) = (s.weights(each * (set - channels.len())), s.weights(each * channels.len()));
        let n = out_c as usize;
        // The largest sum of one channel for any input; the bias fills the rest of int32.
        let worst = (if depthwise { kh * kw } else { kh * kw * in_c }) as i64 * 128 * 255;
        let room = i32::MAX as i64 - worst;
        let base: Vec<i32> = (0..n)
            .map(|_| {
                let near = s.within(-20000, 20000);
                s.pick(&[-room, room, near, near, near]) as i32
            })
            .collect();
        let moved = s.within(0, 1) == 0;
        let offset = base.iter().map(|&b| {
            let delta = s.bits() as i32 >> s.within(0, 20);
            if b.abs() < BIAS_LIMIT { apply_bias(b, 0, delta) } else { 0 }
        });
        let offset = if moved { offset.collect() } else { Vec::new() };
        let shifted = s.within(0, 4) == 0;
        let m = (0..n).map(|_| s.pick(&[1, i32::MAX, 1 << 30]).min(s.multiplier().max(1))).collect();
        let shift = if shifted { (0..n).map(|_| s.pick(&[0, 0, 1, 5, 17, 31])).collect() } else { Vec::new() };
        Self { p, depthwise, frozen, trained, channels, base, offset, m, shift }
    }

    fn weights(&self) -> Weights<'_> {
        Weights { frozen: &self.frozen, trained: &self.trained, channels: &self.channels }
    }

    fn inputs(&self) -> usize {
        (self.p.in_h * self.p.in_w * self.p.in_c) as usize
    }

    fn outputs(&self) -> usize {
        (self.p.out_h * self.p.out_w * self.p.out_c) as usize
    }

    fn layer(&self, unit: Unit, input_grad: bool) -> Option<PackedConv> {
        let scales = Scales { m: &self.m, shift: &self.shift };
        let forward: Vec<ConvParams> = self.parts().into_iter().map(|(p, _, _)| p).collect();
        let weight_steps: Vec<ConvParams> = [self.p].into_iter().chain(self.gathered()).collect();
        let input_grads: Vec<ConvParams> = self.grad_parts().into_iter().map(|(p, _, _)| p).collect();
        let input_grads: &[ConvParams] = if input_grad { &input_grads } else { &[] };
        let parts = Geometries { forward: &forward, weight_steps: &weight_steps, input_grads };
        PackedConv::new(unit, parts, self.depthwise, self.weights(), &self.base, scales)
    }

    /// The weight step over the trained channels of the input alone.
    fn gathered(&self) -> Option<ConvParams> {
        let some = !self.depthwise && self.p.trained > 0;
        some.then_some(ConvParams { in_c: self.p.trained, ..self.p })
    }

    /// Of input gradients: the whole, the first row, the last, and some in the middle, each with its rows of input and output.
    fn grad_parts(&self) -> Vec<(ConvParams, Range<i32>, Range<i32>)> {
        let h = self.p.in_h;
        let whole = (self.p, 0..h, 0..self.p.out_h);
        let rows = [0..1, h - 1..h, h / 3..(h / 3 + 2).min(h)].into_iter();
        std::iter::once(whole).chain(rows.filter_map(|x| self.p.input_rows(&x).map(|(p, y)| (p, x, y)))).collect()
    }

    /// The whole, the first row, the last, and some in the middle, each with its rows of output and input.
    fn parts(&self) -> Vec<(ConvParams, Range<i32>, Range<i32>)> {
        let h = self.p.out_h;
        let whole = (self.p, 0..h, 0..self.p.in_h);
        let rows = [0..1, h - 1..h, h / 3..(h / 3 + 2).min(h)].into_iter();
        std::iter::once(whole).chain(rows.filter_map(|y| self.p.rows(&y).map(|(p, x)| (p, y, x)))).collect()
    }

    /// Forward pass and mask, by the reference kernel and by a layer, whole and over rows.
    fn forward(&self, layer: &mut PackedConv, x: &[i8], masked: bool) {
        let row = (self.p.in_w * self.p.in_c) as usize;
        let mut whole = Vec::new();
        for (part, (p, rows, from)) in self.parts().into_iter().enumerate() {
            let y = self.forward_part(layer, part, &p, &x[from.start as usize * row..from.end as usize * row], masked);
            let row = (p.out_w * p.out_c) as usize;
            if part == 0 {
                whole = y;
            } else {
                assert_eq!(
                    y,
                    whole[rows.start as usize * row..rows.end as usize * row],
                    "rows {rows:?} of {:?}",
                    self.p
                );
            }
        }
    }

    fn forward_part(&self, layer: &mut PackedConv, part: usize, p: &ConvParams, x: &[i8], masked: bool) -> Vec<i8> {
        let outputs = (p.out_h * p.out_w * p.out_c) as usize;
        let run = |of: &Masked| {
            let (mut y, mut mask) = (vec![99; outputs], vec![0xa5; outputs.div_ceil(8)]);
            of(&mut y, masked.then_some(&mut mask));
            (y, mask)
        };
        let bias = Bias { base: &self.base, offset: &self.offset };
        let scales = Scales { m: &self.m, shift: &self.shift };
        let expected = run(&|y, mask| {
            let kernel = if self.depthwise { reference::depthwise } else { reference::conv };
            with_scratch(|s| kernel(p, x, self.weights(), bias, scales, y, mask, s));
        });
        let layer = RefCell::new(layer);
        let found = run(&|y, mask| with_scratch(|s| layer.borrow_mut().run(part, x, &self.offset, y, mask, s)));
        assert_eq!(expected, found, "forward {p:?}, depthwise {}", self.depthwise);
        found.0
    }

    fn input_grad(&self, layer: &mut PackedConv, shift: i32, g: &[i8]) {
        let kernel = if self.depthwise { reference::depthwise_input_grad } else { reference::conv_input_grad };
        let [row, from] = [self.p.in_w * self.p.in_c, self.p.out_w * self.p.out_c].map(|n| n as usize);
        let mut whole = Vec::new();
        for (part, (p, x, y)) in self.grad_parts().into_iter().enumerate() {
            let g = &g[y.start as usize * from..y.end as usize * from];
            let len = (x.end - x.start) as usize * row;
            let (mut expected, mut found) = (vec![99; len], vec![98; len]);
            let n = with_scratch(|s| kernel(&p, shift, g, self.weights(), &mut expected, s));
            let m = with_scratch(|s| layer.input_grad(part, shift, g, &mut found, s));
            assert_eq!(
                (n, &expected),
                (m, &found),
                "input gradient {p:?}, depthwise {}, shift {shift}",
                self.depthwise
            );
            if part == 0 {
                whole = found;
            } else {
                let rows = x.start as usize * row..x.end as usize * row;
                assert_eq!(found, whole[rows], "gradient of rows {x:?} of {:?}", self.p);
            }
        }
    }

    /// One update by the reference kernel and by a layer; both continue with the new weights.
    fn weight_step(&mut self, layer: &mut PackedConv, s: &mut Source, bits: i32, lo: &mut Vec<u8>) {
        let (g, x) = (s.activations(self.outputs()), s.activations(self.inputs()));
        let params = UpdateParams { exponent: s.within(-12, 4) as i32, bits, tensor: s.within(0, 9) as i32 };
        let rate = 0.001 * (1 << s.within(0, 8)) as f64;
        let u = Update { params: &params, lr: Real31::from_f64(rate), k: s.within(0, 20) as i32, seed: 5, step: 7 };
        let qas: Vec<u32> = (0..self.p.out_c)
            .map(|_| {
                let scale = 2f64.powi(s.within(-6, 12) as i32) * 1.37;
                if s.within(0, 6) == 0 { Qas::FROZEN.0 } else { Qas::from_f64(scale).0 }
            })
            .collect();
        let (mut q, mut low) = (self.trained.clone(), lo.clone());
        let kernel = if self.depthwise { reference::depthwise_weight_step } else { reference::conv_weight_step };
        with_scratch(|s| kernel(&self.p, &u, &g, &x, &self.channels, &qas, &mut self.trained, lo, s));
        let Some(gathered) = self.gathered().filter(|_| s.within(0, 1) == 1) else {
            with_scratch(|s| layer.weight_step(0, &u, &g, &x, &qas, &mut q, &mut low, s));
            assert_eq!((&self.trained, &*lo), (&q, &low), "update {:?}, depthwise {}, {u:?}", self.p, self.depthwise);
            return;
        };
        let pixels = x.chunks_exact(self.p.in_c as usize);
        let x: Vec<i8> = pixels.flat_map(|x| self.channels.iter().map(|&c| x[c as usize])).collect();
        let (mut alone, mut alone_low) = (q.clone(), low.clone());
        with_scratch(|s| kernel(&gathered, &u, &g, &x, &[], &qas, &mut alone, &mut alone_low, s));
        assert_eq!((&self.trained, &*lo), (&alone, &alone_low), "update by the trained channels alone {:?}", self.p);
        with_scratch(|s| layer.weight_step(1, &u, &g, &x, &qas, &mut q, &mut low, s));
        assert_eq!((&self.trained, &*lo), (&q, &low), "update {gathered:?}, {u:?}");
    }
}

fn convolutions(depthwise: bool, cases: u64) {
    let mut done = 0;
    for &unit in units() {
        for seed in 0..cases {
            let s = &mut Source::new(seed * 2 + depthwise as u64);
            let mut case = Case::new(s, depthwise);
            let Some(mut layer) = case.layer(unit, false) else { continue };
            let x = s.activations(case.inputs());
            case.forward(&mut layer, &x, seed % 2 == 0);
            done += 1;
            let Some(mut layer) = case.layer(unit, true) else { continue };
            let g = s.activations(case.outputs());
            let any = s.pick(&[-100, -9, -8, -1, 0, 1, 31, 32, 33, 63]);
            for shift in [any, s.within(3, 14) as i32] {
                case.input_grad(&mut layer, shift, &g);
            }
            if case.channels.is_empty() {
                continue;
            }
            let bits = s.pick(&[0, 2, 4, 4, 8]);
            let mut lo = vec![0; residual_bytes(case.trained.len(), bits as u32)];
            for i in 0..case.trained.len() {
                let (high, low) = apply_weight(0, 0, s.within(-127 << bits, 127 << bits) as i32, bits as u32);
                // A model may bring -128, which no update leaves.
                let (high, low) = if s.within(0, 8) == 0 { (-128, 0) } else { (high, low) };
                case.trained[i] = high;
                residual_set(&mut lo, i, bits as u32, low);
            }
            layer.restore(&case.trained);
            for _ in 0..2 {
                case.weight_step(&mut layer, s, bits, &mut lo);
                // The packed weights must equal those of a fresh layer.
                let mut fresh = case.layer(unit, true).expect("a layer as before");
                for layer in [&mut layer, &mut fresh] {
                    case.forward(layer, &x, true);
                    case.input_grad(layer, 7, &g);
                }
                assert!(format!("{layer:?}") == format!("{fresh:?}"), "packed weights of {:?}", case.p);
            }
        }
    }
    assert!(done >= cases as usize / 2 * units().len(), "too few layers have a fast kernel: {done}");
}

#[test]
fn full_convolutions() {
    convolutions(false, 400);
}

#[test]
fn depthwise_convolutions() {
    convolutions(true, 400);
}

#[test]
fn two_rows_that_share_what_they_read() {
    for &unit in units() {
        for seed in 0..60 {
            let s = &mut Source::new(5000 + seed);
            let mut case = Case::new(s, false);
            let (k, stride) = s.pick(&[(3, 1), (3, 2), (5, 1), (4, 3)]);
            let (h, w) = (s.within(k as i64, 12) as i32, s.within(k as i64, 40) as i32);
            let (in_c, out_c) = (s.within(1, 9) as i32, s.pick(&[16, 16, 7]));
            let out = |n: i32| (n - k) / stride + 1;
            #[rustfmt::skip]
            let p = ConvParams {
                in_h: h, in_w: w, in_c, out_h: out(h), out_w: out(w), out_c, kh: k, kw: k, stride_h: stride,
                stride_w: stride, pad_top: 0, pad_left: 0, trained: 0, ..case.p
            };
            let n = out_c as usize;
            (case.p, case.channels, case.trained) = (p, Vec::new(), Vec::new());
            case.frozen = s.weights((k * k * in_c * out_c) as usize);
            (case.base, case.offset, case.shift) = (vec![-77; n], Vec::new(), Vec::new());
            case.m = (0..n).map(|_| s.multiplier().max(1)).collect();
            let mut layer = case.layer(unit, false).expect("a plain layer");
            let x = s.activations(case.inputs());
            case.forward(&mut layer, &x, seed % 2 == 0);
        }
    }
}

#[test]
#[cfg_attr(not(panic = "unwind"), ignore = "a panic ends the program")]
fn wrong_lengths_panic() {
    for &unit in units() {
        for depthwise in [false, true] {
            let mut s = Source::new(77);
            let case = loop {
                let case = Case::new(&mut s, depthwise);
                if case.layer(unit, true).is_some() && !case.channels.is_empty() {
                    break case;
                }
            };
            let (inputs, outputs) = (case.inputs(), case.outputs());
            let panics = |what: &str, f: &dyn Fn(&mut PackedConv, &mut Scratch)| {
                let mut layer = case.layer(unit, true).expect("a layer");
                let run = AssertUnwindSafe(|| f(&mut layer, &mut Scratch::default()));
                assert!(catch_unwind(run).is_err(), "{what}, depthwise {depthwise}");
            };
            panics("a short input", &|l, s| {
                l.run(0, &vec![0; inputs - 1], &case.offset, &mut vec![0; outputs], None, s)
            });
            panics("a short output", &|l, s| {
                l.run(0, &vec![0; inputs], &case.offset, &mut vec![0; outputs - 1], None, s)
            });
            panics("a long output", &|l, s| {
                l.run(0, &vec![0; inputs], &case.offset, &mut vec![0; outputs + 1], None, s)
            });
            panics("a long mask", &|l, s| {
                let mask = &mut vec![0; outputs.div_ceil(8) + 1];
                l.run(0, &vec![0; inputs], &case.offset, &mut vec![0; outputs], Some(mask), s);
            });
            panics("a short gradient", &|l, s| {
                l.input_grad(0, 7, &vec![0; outputs - 1], &mut vec![0; inputs], s);
            });
            panics("a short input gradient", &|l, s| {
                l.input_grad(0, 7, &vec![0; outputs], &mut vec![0; inputs - 1], s);
            });
            panics("fewer weights", &|l, _| l.restore(&case.trained[1..]));
            let scales = Scales { m: &case.m[1..], shift: &[] };
            let parts = Geometries { forward: &[case.p], ..Geometries::default() };
            let fewer = || PackedConv::new(unit, parts, depthwise, case.weights(), &case.base, scales);
            assert!(catch_unwind(AssertUnwindSafe(fewer)).is_err(), "fewer scales");
        }
    }
}

/// Runs the same op with the reference and with each implementation, and compares the results.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, expected: &dyn Fn() -> T, found: &dyn Fn(Unit) -> T) {
    for &unit in units() {
        assert_eq!(expected(), found(unit), "{what}, {unit:?}");
    }
}

#[test]
fn single_elements() {
    for seed in 0..200 {
        let s = &mut Source::new(1000 + seed);
        let n = s.within(1, 300) as usize;
        let (a, b, (lo, hi)) = (s.activations(n), s.activations(n), s.bounds());
        let masked = s.within(0, 1) == 1;
        let out = |of: &Masked| {
            let (mut y, mut mask) = (vec![1; n], vec![0xa5; n.div_ceil(8)]);
            of(&mut y, masked.then_some(&mut mask));
            (y, mask)
        };
        let (m1, m2) = (s.multiplier() >> s.within(0, 12), s.multiplier() >> s.within(0, 12));
        let p = AddParams { n: n as i32, zero1: s.zero(), zero2: s.zero(), m1, m2, y_zero: s.zero(), lo, hi };
        same("add", &|| out(&|y, mask| reference::add(&p, &a, &b, y, mask)), &|u| {
            out(&|y, mask| simd::add(u, &p, &a, &b, y, mask))
        });
        let scale = Requant { m: s.multiplier(), shift: s.within(0, 3) as u8 };
        let (m, left) = (scale.m, scale.shift as i32);
        let p = RequantizeParams { n: n as i32, x_zero: s.zero(), y_zero: s.zero(), m, left, lo, hi };
        same("requantize", &|| out(&|y, mask| reference::requantize(&p, &a, y, mask)), &|u| {
            out(&|y, mask| simd::requantize(u, &p, &a, y, mask))
        });
        let total = || {
            let mut acc = a.clone();
            (reference::sum(&mut acc, &b), acc)
        };
        same("sum", &total, &|u| {
            let mut acc = a.clone();
            (simd::sum(u, &mut acc, &b), acc)
        });
        let p = LookupParams { n: n as i32, s: s.within(-3, 40) as i32 };
        let table = s.activations(256);
        let slope: Vec<i32> = (0..256).map(|_| s.multiplier() >> s.within(0, 20)).collect();
        let looked_up = |of: &dyn Fn(&mut [i8]) -> u32| {
            let mut buf = a.clone();
            (of(&mut buf), buf)
        };
        let forward = |buf: &mut [i8]| {
            reference::lookup(&p, &table, buf);
            0
        };
        same("lookup", &|| looked_up(&forward), &|u| {
            looked_up(&|buf| {
                simd::lookup(u, &p, &table, buf);
                0
            })
        });
        same("lookup_grad", &|| looked_up(&|buf| reference::lookup_grad(&p, &b, &slope, buf)), &|u| {
            looked_up(&|buf| simd::lookup_grad(u, &p, &b, &slope, buf))
        });
        let c = [n, 1][s.within(0, 1) as usize];
        let (a_zero, b_zero, y_zero) = (s.zero(), s.zero(), s.zero());
        let back = s.within(20, 44) as i32;
        let p = MulParams { n: n as i32, c: c as i32, a_zero, b_zero, y_zero, m, left, lo, hi, s: back };
        let (vector, mask) = (&b[..c], s.mask(n));
        same("mul", &|| out(&|y, mask| reference::mul(&p, &a, vector, y, mask)), &|u| {
            out(&|y, mask| simd::mul(u, &p, &a, vector, y, mask))
        });
        same("mul_grad", &|| looked_up(&|buf| reference::mul_grad(&p, mask.as_deref(), vector, buf)), &|u| {
            looked_up(&|buf| simd::mul_grad(u, &p, mask.as_deref(), vector, buf))
        });
        let summed = |of: &dyn Fn(&mut [i8]) -> u32| {
            let mut gx = vec![0; c];
            (of(&mut gx), gx)
        };
        same("mul_sum", &|| summed(&|gx| reference::mul_sum(&p, &b, mask.as_deref(), &a, gx)), &|u| {
            summed(&|gx| simd::mul_sum(u, &p, &b, mask.as_deref(), &a, gx))
        });
        grad_scale(s);
        pools(s);
        resize(s);
        head(s);
    }
}

fn resize(s: &mut Source) {
    let mut axis = || {
        let (inputs, outputs) = (s.within(1, 9) as i32, s.within(1, 14) as i32);
        ResizeAxis::litert(inputs, outputs, s.within(0, 1) == 1, s.within(0, 1) == 1)
    };
    let (v, h) = (axis(), axis());
    let p = ResizeParams {
        in_h: v.inputs,
        in_w: h.inputs,
        c: s.within(1, 90) as i32,
        out_h: v.outputs,
        out_w: h.outputs,
        step_h: v.step,
        step_w: h.step,
        first_h: v.first,
        first_w: h.first,
        shift: s.within(14, 26) as i32,
    };
    let (x, g) = (s.activations(p.inputs() as usize), s.activations(p.outputs() as usize));
    let made = |n: usize, of: &dyn Fn(&mut [i8]) -> u32| {
        let mut to = vec![1; n];
        (of(&mut to), to)
    };
    let forward = |of: &dyn Fn(&mut [i8])| {
        made(g.len(), &|y| {
            of(y);
            0
        })
    };
    same("resize_bilinear", &|| forward(&|y| reference::resize_bilinear(&p, &x, y)), &|u| {
        forward(&|y| simd::resize_bilinear(u, &p, &x, y))
    });
    same("resize_bilinear_grad", &|| made(x.len(), &|gx| reference::resize_bilinear_grad(&p, &g, gx)), &|u| {
        made(x.len(), &|gx| simd::resize_bilinear_grad(u, &p, &g, gx))
    });
}

fn grad_scale(s: &mut Source) {
    let (channels, pixels) = (s.within(1, 90) as usize, s.within(1, 20) as usize);
    let n = channels * pixels;
    let (g, mask) = (s.activations(n), s.mask(n));
    let each = s.within(0, 2) > 0;
    let m: Vec<i32> = if each { (0..channels).map(|_| s.multiplier()).collect() } else { Vec::new() };
    let shifted = each && s.within(0, 2) == 0;
    let shift: Vec<u8> = if shifted { (0..channels).map(|_| s.within(0, 5) as u8).collect() } else { Vec::new() };
    let exponent = s.pick(&[-3, 0, 7, 8, 10, 16, 17, 25, 32, 33, 39, 46, 47, 62, 63, 70]);
    let p = GradScaleParams {
        n: n as i32,
        channels: channels as i32,
        m: s.multiplier(),
        s: exponent,
        repeat: s.within(1, 4) as i32,
    };
    same(
        "grad_scale",
        &|| {
            let mut buf = g.clone();
            (reference::grad_scale(&p, &m, &shift, mask.as_deref(), &mut buf), buf)
        },
        &|u| {
            let mut buf = g.clone();
            (simd::grad_scale(u, &p, &m, &shift, mask.as_deref(), &mut buf), buf)
        },
    );
    let copies = || vec![7; n * p.repeat as usize];
    same(
        "grad_repeat",
        &|| {
            let mut gx = copies();
            (reference::grad_repeat(&p, mask.as_deref(), &g, &mut gx), gx)
        },
        &|u| {
            let mut gx = copies();
            (simd::grad_repeat(u, &p, mask.as_deref(), &g, &mut gx), gx)
        },
    );
    let params = UpdateParams { exponent: s.within(-12, 4) as i32, bits: 4, tensor: 3 };
    let u = Update { params: &params, lr: Real31::from_f64(0.01), k: s.within(0, 20) as i32, seed: 1, step: 2 };
    let qas: Vec<u32> = (0..channels).map(|_| Qas::from_f64((s.within(-500, 5000) as f64).max(0.0)).0).collect();
    let base: Vec<i32> = (0..channels)
        .map(|_| {
            let near = s.within(-20000, 20000) as i32;
            s.pick(&[1 - BIAS_LIMIT, BIAS_LIMIT - 1, near])
        })
        .collect();
    let moved: Vec<i32> = base.iter().map(|&b| apply_bias(b, 0, s.bits() as i32 >> s.within(0, 20))).collect();
    let layer = Real31::from_f64(12.5);
    same(
        "bias_step",
        &|| {
            let mut offset = moved.clone();
            reference::bias_step(channels, &u, layer, &g, &qas, &base, &mut offset);
            offset
        },
        &|unit| {
            let mut offset = moved.clone();
            simd::bias_step(unit, channels, &u, layer, &g, &qas, &base, &mut offset);
            offset
        },
    );
}

fn pools(s: &mut Source) {
    let ([in_h, out_h, kh, stride_h, pad_top], [in_w, out_w, kw, stride_w, pad_left]) =
        (axis(s, 9, &[1, 2, 3], &[0]), axis(s, 9, &[1, 2, 3], &[0]));
    let (c, (lo, hi), shift) = (s.within(1, 70) as i32, s.bounds(), s.within(0, 18) as i32);
    #[rustfmt::skip]
    let p = PoolParams {
        in_h, in_w, c, out_h, out_w, kh, kw, stride_h, stride_w, pad_top, pad_left, lo, hi, shift,
    };
    let (inputs, outputs) = ((in_h * in_w * c) as usize, (out_h * out_w * c) as usize);
    let (x, g, mask) = (s.activations(inputs), s.activations(outputs), s.mask(outputs));
    let forward = |of: &Masked| {
        let (mut y, mut mask) = (vec![1; outputs], vec![0xa5; outputs.div_ceil(8)]);
        of(&mut y, Some(&mut mask));
        (y, mask)
    };
    let backward = |of: &dyn Fn(&mut [i8]) -> u32| {
        let mut gx = vec![1; inputs];
        (of(&mut gx), gx)
    };
    same("average", &|| forward(&|y, m| reference::average_pool(&p, &x, y, m)), &|u| {
        forward(&|y, m| simd::average_pool(u, &p, &x, y, m))
    });
    same("max", &|| forward(&|y, m| reference::max_pool(&p, &x, y, m)), &|u| {
        forward(&|y, m| simd::max_pool(u, &p, &x, y, m))
    });
    let mask = mask.as_deref();
    same("average grad", &|| backward(&|gx| reference::average_pool_grad(&p, &g, mask, gx)), &|u| {
        backward(&|gx| simd::average_pool_grad(u, &p, &g, mask, gx))
    });
    same("max grad", &|| backward(&|gx| reference::max_pool_grad(&p, &x, &g, mask, gx)), &|u| {
        backward(&|gx| simd::max_pool_grad(u, &p, &x, &g, mask, gx))
    });
    let scale = Requant::from_scale(0.9 / (in_h * in_w) as f64).expect("a scale");
    let p = MeanParams {
        pixels: in_h * in_w,
        c,
        x_zero: s.zero(),
        y_zero: s.zero(),
        m: scale.m,
        left: scale.shift as i32,
        lo,
        hi,
    };
    let mean = |of: &Masked| {
        let (mut y, mut mask) = (vec![1; c as usize], vec![0xa5; (c as usize).div_ceil(8)]);
        of(&mut y, Some(&mut mask));
        (y, mask)
    };
    same("mean", &|| mean(&|y, m| reference::mean(&p, &x, y, m)), &|u| mean(&|y, m| simd::mean(u, &p, &x, y, m)));
}

fn head(s: &mut Source) {
    let (features, classes) = (s.within(1, 300) as usize, s.within(2, 40) as usize);
    let p = HeadParams {
        features: features as i32,
        classes: classes as i32,
        x_zero: s.zero(),
        m: (s.bits() >> 42) as i32,
        s: s.within(20, 50) as i32,
    };
    let int16 = |s: &mut Source| s.bits() as i16;
    let (x, w) = (s.activations(features), (0..features * classes).map(|_| int16(s)).collect::<Vec<_>>());
    let (e, b) = ((0..classes).map(|_| int16(s)).collect::<Vec<_>>(), vec![77; classes]);
    let logits = |of: &dyn Fn(&mut [i64])| {
        let mut logits = vec![0; classes];
        of(&mut logits);
        logits
    };
    same("logits", &|| logits(&|l| reference::head_logits(&p, &x, &w, &b, l)), &|u| {
        logits(&|l| simd::head_logits(u, &p, &x, &w, &b, l))
    });
    let grad = |of: &dyn Fn(&mut [i8]) -> u32| {
        let mut gx = vec![0; features];
        (of(&mut gx), gx)
    };
    same("head input gradient", &|| grad(&|gx| reference::head_input_grad(&p, &w, &e, gx)), &|u| {
        grad(&|gx| simd::head_input_grad(u, &p, &w, &e, gx))
    });
    let (lr, qw, qb) = (Real31::from_f64(0.01), Real31::from_f64(300.0), Real31::from_f64(1e5));
    let k = s.within(0, 20) as i32;
    let update = |of: &dyn Fn(&mut [i16], &mut [i32])| {
        let (mut w, mut b) = (w.clone(), b.clone());
        of(&mut w, &mut b);
        (w, b)
    };
    same("head update", &|| update(&|w, b| reference::head_update(&p, lr, qw, qb, k, &x, &e, w, b)), &|u| {
        update(&|w, b| simd::head_update(u, &p, lr, qw, qb, k, &x, &e, w, b))
    });
}
