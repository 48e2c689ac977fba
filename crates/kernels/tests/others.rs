//! All other ops against the formulas of `params.rs`, taken literally.

mod common;

use common::{Source, axis, clamp8, kept, packed};
use proptest::prelude::*;
use tinytrain_kernels::reference;
use tinytrain_spec::arith::{Rate, Real31, Requant, round_shift, sat8, sat32, scale_grad};
use tinytrain_spec::params::*;
use tinytrain_spec::softmax::{LogitScale, exp2_neg};

/// Clamped values and their mask.
fn clamped(values: impl Iterator<Item = i64>, lo: i32, hi: i32) -> (Vec<i8>, Vec<u8>) {
    let (y, inside): (Vec<_>, Vec<_>) = values.map(|v| clamp8(v, lo, hi)).unzip();
    (y, packed(&inside))
}

/// Saturated values and their number.
fn saturated(values: impl Iterator<Item = i64>) -> (Vec<i8>, u32) {
    let values: Vec<_> = values.collect();
    let count = values.iter().filter(|v| !(-128..=127).contains(*v)).count();
    (values.iter().map(|&v| sat8(v)).collect(), count as u32)
}

/// Runs a forward kernel with and without a mask, on memory filled with garbage.
fn outputs(n: usize, mut kernel: impl FnMut(&mut [i8], Option<&mut [u8]>)) -> (Vec<i8>, Vec<u8>) {
    let (mut y, mut mask, mut unmasked) = (vec![99; n], vec![0xaa; n.div_ceil(8)], vec![98; n]);
    kernel(&mut y, Some(&mut mask));
    kernel(&mut unmasked, None);
    assert_eq!(y, unmasked);
    (y, mask)
}

fn shifts() -> impl Strategy<Value = i32> {
    prop_oneof![0..40, -40..70, Just(16), Just(17), Just(46), Just(47), Just(62), Just(63)]
}

fn pool() -> impl Strategy<Value = (PoolParams, Source)> {
    // Each window touches the input: the padding is smaller than the window.
    let some_channels = prop_oneof![3 => 1..20i32, 1 => 60..140i32];
    (axis(1), axis(1), some_channels, shifts(), any::<u64>()).prop_map(|(v, h, c, shift, seed)| {
        let mut s = Source::new(seed);
        let (lo, hi) = s.bounds();
        let p = PoolParams {
            in_h: v[0],
            in_w: h[0],
            c,
            out_h: v[4],
            out_w: h[4],
            kh: v[1],
            kw: h[1],
            stride_h: v[2],
            stride_w: h[2],
            pad_top: v[3],
            pad_left: h[3],
            lo,
            hi,
            shift,
        };
        (p, s)
    })
}

/// Input pixels of the window of each output pixel, in row-major order.
fn windows(p: &PoolParams) -> Vec<Vec<usize>> {
    let mut all = Vec::new();
    for o in 0..p.out_h * p.out_w {
        let mut window = Vec::new();
        for k in 0..p.kh * p.kw {
            let iy = o / p.out_w * p.stride_h - p.pad_top + k / p.kw;
            let ix = o % p.out_w * p.stride_w - p.pad_left + k % p.kw;
            if (0..p.in_h).contains(&iy) && (0..p.in_w).contains(&ix) {
                window.push((iy * p.in_w + ix) as usize);
            }
        }
        all.push(window);
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn add(n in 0..300usize, wide in any::<bool>(), seed in any::<u64>()) {
        let mut s = Source::new(seed);
        let (lo, hi) = s.bounds();
        let most = if wide { s.pick(&[i32::MAX as i64, (1 << 21) + 1, 1 << 22, 1 << 23]) } else { 1 << 21 };
        let (m1, m2) = (s.within(0, most), s.within(0, most));
        let (m1, m2) = (s.pick(&[m1, most, most]) as i32, s.pick(&[m2, m2 >> 3, most, most]) as i32);
        let p = AddParams { n: n as i32, zero1: s.zero(), zero2: s.zero(), m1, m2, y_zero: s.zero(), lo, hi };
        let (a, b) = (s.activations(n), s.activations(n));
        let values = a.iter().zip(&b).map(|(&a, &b)| {
            let (d1, d2) = (a as i64 - p.zero1 as i64, b as i64 - p.zero2 as i64);
            ((d1 * m1 as i64 + d2 * m2 as i64 + (1 << 19)) >> 20) + p.y_zero as i64
        });
        prop_assert_eq!(outputs(n, |y, mask| reference::add(&p, &a, &b, y, mask)), clamped(values, lo, hi));
    }

    #[test]
    fn requantize(n in 0..600usize, left in 0..32i32, seed in any::<u64>()) {
        let mut s = Source::new(seed);
        let (lo, hi) = s.bounds();
        let p = RequantizeParams { n: n as i32, x_zero: s.zero(), y_zero: s.zero(), m: s.multiplier(), left, lo, hi };
        let x = s.activations(n);
        let scale = Requant { m: p.m, shift: left as u8 };
        let values = x.iter().map(|&x| scale.apply(x as i32 - p.x_zero) + p.y_zero as i64);
        prop_assert_eq!(outputs(n, |y, mask| reference::requantize(&p, &x, y, mask)), clamped(values, lo, hi));
    }

    #[test]
    fn mean(pixels in 1..60usize, c in 1..150usize, left in 0..12i32, seed in any::<u64>()) {
        let mut s = Source::new(seed);
        let (lo, hi) = s.bounds();
        let (x_zero, y_zero) = (s.zero(), s.zero());
        let p = MeanParams { pixels: pixels as i32, c: c as i32, x_zero, y_zero, m: s.multiplier(), left, lo, hi };
        let x = s.activations(pixels * c);
        let scale = Requant { m: p.m, shift: left as u8 };
        let values = (0..c).map(|c0| {
            let sum: i64 = x.iter().skip(c0).step_by(c).map(|&x| x as i64 - x_zero as i64).sum();
            scale.apply(sum as i32) + y_zero as i64
        });
        prop_assert_eq!(outputs(c, |y, mask| reference::mean(&p, &x, y, mask)), clamped(values, lo, hi));
    }

    #[test]
    fn softmax(rows in 1..4usize, n in 1..60usize, scale in -20.0..8.0f64, seed in any::<u64>()) {
        let mut s = Source::new(seed);
        let scale = LogitScale::from_unit(scale.exp2()).expect("in range");
        prop_assert_eq!(scale.pre, 0);
        let p = SoftmaxParams { rows: rows as i32, n: n as i32, cap: scale.cap as i32, m: scale.m as i32, s: scale.s };
        let x = s.activations(rows * n);
        let mut expected = Vec::new();
        for x in x.chunks(n) {
            let largest = *x.iter().max().expect("not empty") as i64;
            let e: Vec<i128> = x.iter().map(|&x| exp2_neg(scale.u((largest - x as i64) as u64)) as i128).collect();
            let sum: i128 = e.iter().sum();
            // floor(256 e / sum + 1/2), over the common denominator 2 sum.
            expected.extend(e.iter().map(|e| ((512 * e + sum).div_euclid(2 * sum) - 128).min(127) as i8));
        }
        let mut y = vec![99; x.len()];
        reference::softmax(&p, &x, &mut y);
        prop_assert_eq!(y, expected);
    }

    #[test]
    fn pooling((p, mut s) in pool()) {
        let (c, windows) = (p.c as usize, windows(&p));
        let x = s.activations((p.in_h * p.in_w) as usize * c);
        let values = |w: &[usize], i: usize| w.iter().map(|&pixel| x[pixel * c + i] as i64).collect::<Vec<_>>();
        let each = || windows.iter().flat_map(|w| (0..c).map(move |i| values(w, i)));
        let averages = each().map(|v| {
            let (sum, count) = (v.iter().sum::<i64>(), v.len() as i64);
            // Halves away from zero: the magnitude is rounded up.
            sum.signum() * ((2 * sum.abs() + count) / (2 * count))
        });
        let n = windows.len() * c;
        let average = outputs(n, |y, mask| reference::average_pool(&p, &x, y, mask));
        prop_assert_eq!(average, clamped(averages, p.lo, p.hi));
        let maxima = each().map(|v| *v.iter().max().expect("not empty"));
        let max = outputs(n, |y, mask| reference::max_pool(&p, &x, y, mask));
        prop_assert_eq!(max, clamped(maxima, p.lo, p.hi));
    }

    #[test]
    fn pooling_grads((p, mut s) in pool()) {
        let (c, windows) = (p.c as usize, windows(&p));
        let x = s.activations((p.in_h * p.in_w) as usize * c);
        let g = s.activations(windows.len() * c);
        let mask = s.mask(g.len());
        let (mut average, mut max) = (vec![0i64; x.len()], vec![0i64; x.len()]);
        for (o, w) in windows.iter().enumerate() {
            for i in (0..c).filter(|&i| kept(&mask, o * c + i)) {
                let g = g[o * c + i] as i64;
                let factor = (32768.0 / w.len() as f64 + 0.5).floor() as i64;
                w.iter().for_each(|&pixel| average[pixel * c + i] += g * factor);
                let mut first = w[0];
                w.iter().for_each(|&pixel| if x[pixel * c + i] > x[first * c + i] { first = pixel });
                max[first * c + i] += g;
            }
        }
        let mut gx = vec![99; x.len()];
        let count = reference::average_pool_grad(&p, &g, mask.as_deref(), &mut gx);
        prop_assert_eq!((gx, count), saturated(average.iter().map(|&v| round_shift(v, p.shift))));
        let mut gx = vec![99; x.len()];
        let count = reference::max_pool_grad(&p, &x, &g, mask.as_deref(), &mut gx);
        prop_assert_eq!((gx, count), saturated(max.iter().map(|&v| round_shift(v, p.shift))));
    }

    #[test]
    fn grad_scale(
        pixels in 1..20usize, channels in 1..150usize, s in shifts(), manner in 0..4, seed in any::<u64>(),
    ) {
        let mut source = Source::new(seed);
        let n = pixels * channels;
        let p = GradScaleParams { n: n as i32, channels: channels as i32, m: source.multiplier(), s, repeat: 1 };
        let m: Vec<i32> = if manner == 0 { vec![] } else { (0..channels).map(|_| source.multiplier()).collect() };
        let shift: Vec<u8> = match manner {
            0 | 1 => vec![],
            2 => vec![0; channels],
            _ => (0..channels).map(|_| source.within(0, 31) as u8).collect(),
        };
        let (g, mask) = (source.activations(n), source.mask(n));
        let expected = saturated(g.iter().enumerate().map(|(at, &g)| {
            let c = at % channels;
            let m = if manner == 0 { p.m } else { m[c] };
            let s = s - shift.get(c).copied().unwrap_or(0) as i32;
            if kept(&mask, at) { scale_grad(g, m, s) } else { 0 }
        }));
        let mut buf = g;
        let count = reference::grad_scale(&p, &m, &shift, mask.as_deref(), &mut buf);
        prop_assert_eq!((buf, count), expected);
    }

    #[test]
    fn grad_repeat(n in 1..100usize, repeat in 1..20usize, s in shifts(), seed in any::<u64>()) {
        let mut source = Source::new(seed);
        let p = GradScaleParams { n: n as i32, channels: n as i32, m: source.multiplier(), s, repeat: repeat as i32 };
        let (g, mask) = (source.activations(n), source.mask(n));
        let expected = saturated((0..n * repeat).map(|at| {
            if kept(&mask, at % n) { scale_grad(g[at % n], p.m, s) } else { 0 }
        }));
        let mut gx = vec![99; n * repeat];
        let count = reference::grad_repeat(&p, mask.as_deref(), &g, &mut gx);
        prop_assert_eq!((gx, count), expected);
    }

    #[test]
    fn sum(n in 0..200usize, seed in any::<u64>()) {
        let mut s = Source::new(seed);
        let (mut acc, other) = (s.activations(n), s.activations(n));
        let expected = saturated(acc.iter().zip(&other).map(|(&a, &b)| a as i64 + b as i64));
        let count = reference::sum(&mut acc, &other);
        prop_assert_eq!((acc, count), expected);
    }

    #[test]
    fn copy_box(
        (h, w, c) in (0..5i32, 0..5i32, 0..9i32), extra in prop::array::uniform6(0..5i32),
        shift in prop_oneof![Just(0), -9..12], seed in any::<u64>(),
    ) {
        let mut s = Source::new(seed);
        let p = CopyParams {
            h, w, c,
            src_offset: extra[0], src_col: c + extra[1], src_row: w * (c + extra[1]) + extra[2],
            dst_offset: extra[3], dst_col: c + extra[4], dst_row: w * (c + extra[4]) + extra[5],
            shift,
        };
        let src = s.activations((p.src_offset + h * p.src_row + 1) as usize);
        let mut dst = s.activations((p.dst_offset + h * p.dst_row + 1) as usize);
        let (mut expected, mut count) = (dst.clone(), 0);
        for (i, j, l) in (0..h).flat_map(|i| (0..w).flat_map(move |j| (0..c).map(move |l| (i, j, l)))) {
            let v = src[(p.src_offset + i * p.src_row + j * p.src_col + l) as usize] as i64;
            let v = if shift == 0 { v } else { round_shift(v, shift) };
            expected[(p.dst_offset + i * p.dst_row + j * p.dst_col + l) as usize] = sat8(v);
            count += !(-128..=127).contains(&v) as u32;
        }
        prop_assert_eq!(reference::copy_box(&p, &src, &mut dst), count);
        prop_assert_eq!(dst, expected);
    }

    #[test]
    fn fill(n in 0..50usize, value in -128..128i32) {
        let mut dst = vec![1; n + 3];
        reference::fill(&FillParams { n: n as i32, value }, &mut dst);
        prop_assert!(dst[..n].iter().all(|&v| v as i32 == value) && dst[n..] == [1; 3]);
    }

    #[test]
    fn head(features in 1..300usize, classes in 1..20usize, s in shifts(), seed in any::<u64>()) {
        let mut source = Source::new(seed);
        let m = source.within(0, (1 << 22) - 1) as i32;
        let p = HeadParams { features: features as i32, classes: classes as i32, x_zero: source.zero(), m, s };
        let x = source.activations(features);
        let manner = source.within(0, 2);
        let mut int16s = |n: usize| -> Vec<i16> {
            (0..n).map(|_| if manner == 0 { source.pick(&[-32768, 32767]) } else { source.bits() as i16 }).collect()
        };
        let (mut w, e) = (int16s(features * classes), int16s(classes));
        let mut b: Vec<i32> = (0..classes).map(|_| source.bits() as i32).collect();

        let at = |w: &[i16], c: usize, f: usize| w[c * features + f] as i64;
        let d = |f: usize| x[f] as i64 - p.x_zero as i64;
        let mut logits = vec![99; classes];
        reference::head_logits(&p, &x, &w, &b, &mut logits);
        for c in 0..classes {
            let sum: i64 = (0..features).map(|f| d(f) * at(&w, c, f)).sum();
            prop_assert_eq!(logits[c], b[c] as i64 + sum);
        }

        let mut gx = vec![99; features];
        let count = reference::head_input_grad(&p, &w, &e, &mut gx);
        let values = (0..features).map(|f| {
            let sum: i64 = (0..classes).map(|c| at(&w, c, f) * e[c] as i64).sum();
            round_shift(sum * m as i64, s)
        });
        prop_assert_eq!((gx, count), saturated(values));

        let k = source.within(14, 45) as i32;
        let real = |s: &mut Source, e: i64| {
            Real31 { m: (1 << 30) + (s.bits() >> 34) as u32, e: s.within(e - 6, e + 6) as i32 }
        };
        let (lr, qw, qb) = (real(&mut source, -8), real(&mut source, k as i64 - 10), real(&mut source, k as i64));
        let (rw, rb) = (Rate::new(lr, qw, 0, k, 0), Rate::new(lr, qb, 0, k, 0));
        let mut new_w = w.clone();
        for (i, w) in new_w.iter_mut().enumerate() {
            let delta = rw.delta((d(i % features) * e[i / features] as i64) as i32, None);
            *w = (*w as i64 - delta as i64).clamp(-32768, 32767) as i16;
        }
        let new_b: Vec<_> = (0..classes).map(|c| sat32(b[c] as i64 - rb.delta(e[c] as i32, None) as i64)).collect();
        reference::head_update(&p, lr, qw, qb, k, &x, &e, &mut w, &mut b);
        prop_assert_eq!(w, new_w);
        prop_assert_eq!(b, new_b);
    }
}

/// Places as LiteRT has them, and any others.
fn resize() -> impl Strategy<Value = (ResizeParams, Source)> {
    let axis = || (1..9i32, 1..14i32);
    let litert = prop_oneof![Just((false, false)), Just((true, false)), Just((false, true))];
    let places = prop_oneof![3 => Just(None), 1 => (0..5000i32, -3000..3000i32).prop_map(Some)];
    let channels = prop_oneof![3 => 1..9i32, 1 => 60..70i32];
    let shifts = prop_oneof![3 => 16..24i32, 1 => shifts()];
    (axis(), axis(), channels, litert, places, shifts, any::<u64>()).prop_map(
        |((in_h, out_h), (in_w, out_w), c, (corners, centers), places, shift, seed)| {
            let of = |inputs, outputs| {
                let a = ResizeAxis::litert(inputs, outputs, corners, centers);
                places.unwrap_or((a.step, a.first))
            };
            let ((step_h, first_h), (step_w, first_w)) = (of(in_h, out_h), of(in_w, out_w));
            let p = ResizeParams { in_h, in_w, c, out_h, out_w, step_h, step_w, first_h, first_w, shift };
            (p, Source::new(seed))
        },
    )
}

proptest! {
    #[test]
    fn resize_bilinear_and_its_gradient((p, mut s) in resize()) {
        let weight = |(step, first, n): (i32, i32, i32), o: i32, i: i32| {
            let at = (o * step + first).max(0).min(1024 * (n - 1));
            i64::from((1024 - (at - 1024 * i).abs()).max(0))
        };
        let (rows, columns) = ((p.step_h, p.first_h, p.in_h), (p.step_w, p.first_w, p.in_w));
        let (x, g) = (s.activations(p.inputs() as usize), s.activations(p.outputs() as usize));
        let place = |n: usize, w: i32| (n as i32 / p.c / w, n as i32 / p.c % w, n % p.c as usize);
        let wanted = (0..g.len()).map(|n| {
            let (oy, ox, c) = place(n, p.out_w);
            let terms = (0..x.len()).step_by(p.c as usize).map(|at| {
                let (iy, ix, _) = place(at, p.in_w);
                weight(rows, oy, iy) * weight(columns, ox, ix) * i64::from(x[at + c])
            });
            // Exact: the sum has 28 bits. Halves go away from zero.
            (terms.sum::<i64>() as f64 / 1048576.0).round() as i8
        });
        let mut y = vec![99; g.len()];
        reference::resize_bilinear(&p, &x, &mut y);
        prop_assert_eq!(y, wanted.collect::<Vec<_>>());
        let wanted = saturated((0..x.len()).map(|n| {
            let (iy, ix, c) = place(n, p.in_w);
            let terms = (0..g.len()).step_by(p.c as usize).map(|at| {
                let (oy, ox, _) = place(at, p.out_w);
                weight(rows, oy, iy) * weight(columns, ox, ix) * i64::from(g[at + c])
            });
            round_shift(terms.sum(), p.shift)
        }));
        let mut gx = vec![99; x.len()];
        let count = reference::resize_bilinear_grad(&p, &g, &mut gx);
        prop_assert_eq!((gx, count), wanted);
    }
}

#[test]
fn a_product_and_its_gradients() {
    for (seed, (c, rows)) in [(1, 1), (1, 9), (5, 1), (64, 4), (70, 3), (200, 1)].into_iter().enumerate() {
        let mut s = Source::new(seed as u64);
        let n = (c * rows) as usize;
        let (a, b, g) = (s.activations(n), s.activations(c as usize), s.activations(n));
        let r = Requant::from_scale(0.004).unwrap();
        let left = i32::from(r.shift);
        let p = MulParams { n: n as i32, c, a_zero: -9, b_zero: 20, y_zero: 3, m: r.m, left, lo: -90, hi: 100, s: 39 };
        let over = |v: i8, zero: i32| i64::from(v) - i64::from(zero);
        let product = |i: usize| over(a[i], p.a_zero) * over(b[i % c as usize], p.b_zero);
        let (y, mask) = outputs(n, |y, mask| reference::mul(&p, &a, &b, y, mask));
        assert_eq!((y, mask.clone()), clamped((0..n).map(|i| r.apply(product(i) as i32) + 3), p.lo, p.hi));
        for mask in [None, Some(mask)] {
            let passed = |i: usize| i64::from(g[i]) * i64::from(kept(&mask, i));
            let given = mask.as_deref();
            let wanted = saturated((0..n).map(|i| {
                let d = passed(i) * over(b[i % c as usize], p.b_zero);
                round_shift(d * i64::from(p.m), p.s)
            }));
            let mut ga = g.clone();
            let count = reference::mul_grad(&p, given, &b, &mut ga);
            assert_eq!((ga, count), wanted);
            let wanted = saturated((0..c as usize).map(|j| {
                let sum: i64 = (j..n).step_by(c as usize).map(|i| passed(i) * over(a[i], p.a_zero)).sum();
                round_shift(sum * i64::from(p.m), p.s)
            }));
            let mut gb = vec![99; c as usize];
            let count = reference::mul_sum(&p, &g, given, &a, &mut gb);
            assert_eq!((gb, count), wanted);
        }
    }
}

#[test]
fn a_function_by_its_table() {
    for n in [1, 7, 64, 300] {
        // Every value of int8, and products beyond its bounds.
        let bytes = |factor: usize, n: usize| (0..n).map(|i| (i * factor) as i8).collect::<Vec<_>>();
        let (x, g, table) = (bytes(37, n), bytes(101, n), bytes(59, 256));
        let slope: Vec<i32> = (0..256).map(|i| (i - 128) << 12).collect();
        let p = LookupParams { n: n as i32, s: 18 };
        let at = |v: i8| (i32::from(v) + 128) as usize;
        let mut y = x.clone();
        reference::lookup(&p, &table, &mut y);
        assert_eq!(y, x.iter().map(|&v| table[at(v)]).collect::<Vec<_>>());
        let mut gx = g.clone();
        let count = reference::lookup_grad(&p, &x, &slope, &mut gx);
        let wanted = saturated(g.iter().zip(&x).map(|(&g, &x)| scale_grad(g, slope[at(x)], p.s)));
        assert_eq!((gx, count), wanted);
    }
}
