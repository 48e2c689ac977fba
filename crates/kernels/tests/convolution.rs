//! Convolutions, their gradients and updates against the formulas of `params.rs`, taken literally.

mod common;

use common::{Source, axis, clamp8, packed, with_scratch};
use proptest::prelude::*;
use tinytrain_kernels::{Bias, Scales, Update, Weights, reference};
use tinytrain_spec::arith::{
    Qas, Rate, Real31, Requant, apply_bias, apply_weight, bias_value, residual_bytes, residual_get, residual_set,
    round_shift, sat8,
};
use tinytrain_spec::params::{ConvParams, UpdateParams};
use tinytrain_spec::random;

/// A layer and all operands of its kernels.
struct Case {
    p: ConvParams,
    depthwise: bool,
    x: Vec<i8>,
    g: Vec<i8>,
    channels: Vec<u16>,
    frozen: Vec<i8>,
    trained: Vec<i8>,
    base: Vec<i32>,
    offset: Vec<i32>,
    m: Vec<i32>,
    shift: Vec<u8>,
    source: Source,
}

impl Case {
    fn new([v, h]: [[i32; 5]; 2], in_c: i32, out_c: i32, depthwise: bool, seed: u64) -> Self {
        let mut s = Source::new(seed);
        let channels = s.channels(if depthwise { out_c } else { in_c } as usize);
        let (lo, hi) = s.bounds();
        let p = ConvParams {
            in_h: v[0],
            in_w: h[0],
            in_c,
            out_h: v[4],
            out_w: h[4],
            out_c,
            kh: v[1],
            kw: h[1],
            stride_h: v[2],
            stride_w: h[2],
            pad_top: v[3],
            pad_left: h[3],
            x_zero: s.zero(),
            y_zero: s.zero(),
            lo,
            hi,
            trained: channels.len() as i32,
        };
        let (taps, n) = ((p.kh * p.kw) as usize, out_c as usize);
        let (rows, set) = if depthwise { (taps, n) } else { (taps * n, in_c as usize) };
        let frozen = s.weights(rows * (set - channels.len()));
        let trained = s.weights(rows * channels.len());
        let (base, offset) = biases(&mut s, n);
        let m = (0..n).map(|_| s.multiplier()).collect();
        let shift = if s.bits() & 1 == 0 { vec![] } else { (0..n).map(|_| s.within(0, 31) as u8).collect() };
        let x = s.activations((p.in_h * p.in_w * in_c) as usize);
        let g = s.activations((p.out_h * p.out_w * out_c) as usize);
        Self { p, depthwise, x, g, channels, frozen, trained, base, offset, m, shift, source: s }
    }

    fn weights(&self) -> Weights<'_> {
        Weights { frozen: &self.frozen, trained: &self.trained, channels: &self.channels }
    }

    fn taps(&self) -> usize {
        (self.p.kh * self.p.kw) as usize
    }

    /// The weight of output channel `o`, tap and (for full convolutions) input channel `i`, in whichever part it lies.
    fn weight(&self, o: usize, tap: usize, i: usize) -> i64 {
        let (row, set, c) = if self.depthwise {
            (tap, self.p.out_c as usize, o)
        } else {
            (o * self.taps() + tap, self.p.in_c as usize, i)
        };
        let t = self.channels.len();
        let before = self.channels.iter().filter(|&&j| (j as usize) < c).count();
        match self.channels.iter().position(|&j| j as usize == c) {
            Some(j) => self.trained[row * t + j] as i64,
            None => self.frozen[row * (set - t) + c - before] as i64,
        }
    }

    /// Calls `f` with every product of the layer: output pixel, input pixel, output channel, tap, input channel.
    fn products(&self, mut f: impl FnMut(usize, usize, usize, usize, usize)) {
        let p = &self.p;
        for (oy, ox, ky, kx) in box4(p.out_h, p.out_w, p.kh, p.kw) {
            let (iy, ix) = (oy * p.stride_h - p.pad_top + ky, ox * p.stride_w - p.pad_left + kx);
            if iy < 0 || ix < 0 || iy >= p.in_h || ix >= p.in_w {
                continue;
            }
            let (to, from) = ((oy * p.out_w + ox) as usize, (iy * p.in_w + ix) as usize);
            for o in 0..p.out_c {
                let inputs =
                    if self.depthwise { o / (p.out_c / p.in_c)..o / (p.out_c / p.in_c) + 1 } else { 0..p.in_c };
                for i in inputs {
                    f(to, from, o as usize, (ky * p.kw + kx) as usize, i as usize);
                }
            }
        }
    }

    fn x_at(&self, pixel: usize, i: usize) -> i64 {
        self.x[pixel * self.p.in_c as usize + i] as i64 - self.p.x_zero as i64
    }

    fn forward(&self) -> (Vec<i8>, Vec<u8>) {
        let n = self.p.out_c as usize;
        let mut acc = vec![0i64; self.g.len()];
        self.products(|to, from, o, tap, i| acc[to * n + o] += self.x_at(from, i) * self.weight(o, tap, i));
        let clamped = acc.iter().enumerate().map(|(at, &sum)| {
            let o = at % n;
            let bias = if self.offset.is_empty() { self.base[o] } else { bias_value(self.base[o], self.offset[o]) };
            let acc = i32::try_from(sum + bias as i64).expect("an accumulator fits int32");
            let scale = Requant { m: self.m[o], shift: self.shift.get(o).copied().unwrap_or(0) };
            clamp8(scale.apply(acc) + self.p.y_zero as i64, self.p.lo, self.p.hi)
        });
        let (y, inside): (Vec<_>, Vec<_>) = clamped.unzip();
        (y, packed(&inside))
    }

    fn input_grad(&self, shift: i32) -> (Vec<i8>, u32) {
        let (n, c) = (self.p.out_c as usize, self.p.in_c as usize);
        let mut acc = vec![0i64; self.x.len()];
        self.products(|to, from, o, tap, i| acc[from * c + i] += self.g[to * n + o] as i64 * self.weight(o, tap, i));
        let gx: Vec<_> = acc.iter().map(|&v| sat8(round_shift(v, shift))).collect();
        let saturated = acc.iter().filter(|&&v| !(-128..=127).contains(&round_shift(v, shift))).count();
        (gx, saturated as u32)
    }

    /// Gradient of the trained weights, and the output channel of each.
    fn weight_grad(&self) -> Vec<(i64, usize)> {
        let (n, t) = (self.p.out_c as usize, self.channels.len());
        let mut acc = vec![(0, 0); self.trained.len()];
        self.products(|to, from, o, tap, i| {
            let c = if self.depthwise { o } else { i };
            if let Some(j) = self.channels.iter().position(|&k| k as usize == c) {
                let row = if self.depthwise { tap } else { o * self.taps() + tap };
                acc[row * t + j].0 += self.g[to * n + o] as i64 * self.x_at(from, i);
            }
        });
        for (at, (_, o)) in acc.iter_mut().enumerate() {
            *o = if self.depthwise { self.channels[at % t] as usize } else { at / (self.taps() * t) };
        }
        acc
    }
}

/// Biases near the ends of their range or anywhere; trained ones with an offset.
fn biases(s: &mut Source, n: usize) -> (Vec<i32>, Vec<i32>) {
    match s.within(0, 2) {
        0 => ((0..n).map(|_| (s.pick(&[-1, 1]) * ((1 << 30) - s.within(0, 1000))) as i32).collect(), vec![]),
        1 => ((0..n).map(|_| s.within(-10000, 10000) as i32).collect(), vec![]),
        _ => {
            let base = (0..n).map(|_| s.within(1 - (1 << 23), (1 << 23) - 1) as i32).collect();
            let offset = (0..n)
                .map(|_| {
                    let any = s.within(-(i32::MAX as i64), i32::MAX as i64);
                    s.pick(&[any, any >> 16, i32::MAX as i64, -(i32::MAX as i64), 127, 128, -128, -129]) as i32
                })
                .collect();
            (base, offset)
        }
    }
}

fn box4(a: i32, b: i32, c: i32, d: i32) -> impl Iterator<Item = (i32, i32, i32, i32)> {
    (0..a * b * c * d).map(move |n| (n / d / c / b, n / d / c % b, n / d % c, n % d))
}

fn shifts() -> impl Strategy<Value = i32> {
    prop_oneof![0..20, -40..70, Just(31), Just(32), Just(33), Just(62), Just(63)]
}

/// Full and depthwise layers.
fn case() -> impl Strategy<Value = Case> {
    let full = (1..40i32, 1..40i32).prop_map(|(i, o)| (i, o, false));
    let depthwise = (1..24i32, 1..4i32).prop_map(|(i, multiplier)| (i, i * multiplier, true));
    let one = Just([7, 1, 1, 0, 7]);
    (
        prop_oneof![3 => axis(0), 1 => one],
        prop_oneof![3 => axis(0), 1 => one],
        prop_oneof![full, depthwise],
        any::<u64>(),
    )
        .prop_map(|(v, h, (in_c, out_c, depthwise), seed)| {
            // A pointwise layer is pointwise along both axes.
            let h = if v[1..4] == [1, 1, 0] && seed & 3 != 0 { [h[0], 1, 1, 0, h[0]] } else { h };
            Case::new([v, h], in_c, out_c, depthwise, seed)
        })
}

/// Parameters of an update; occasionally so large that everything saturates.
struct UpdateCase {
    params: UpdateParams,
    lr: Real31,
    k: i32,
    seed: u64,
    step: u32,
}

impl UpdateCase {
    fn new(s: &mut Source, bits: i32) -> Self {
        let params = UpdateParams { exponent: s.within(-30, 10) as i32, bits, tensor: s.within(0, 1000) as i32 };
        let lr = Real31 { m: (1 << 30) + (s.bits() >> 34) as u32, e: s.within(-20, 1) as i32 };
        let lr = if s.within(0, 20) == 0 { Real31::ZERO } else { lr };
        Self { params, lr, k: s.within(14, 45) as i32, seed: s.bits(), step: s.bits() as u32 }
    }

    fn update(&self) -> Update<'_> {
        Update { params: &self.params, lr: self.lr, k: self.k, seed: self.seed, step: self.step }
    }
}

/// QAS words near the one that moves weights by about one unit; some channels are frozen, some far off.
fn scales(s: &mut Source, n: usize, step: &UpdateCase) -> Vec<u32> {
    let about = 2f64.powi(step.k - step.params.exponent - step.lr.e - s.within(0, 18) as i32);
    (0..n)
        .map(|_| match s.within(0, 9) {
            0 => 0,
            1 => Qas::from_f64(2f64.powi(s.within(-120, 120) as i32)).0,
            _ => Qas::from_f64(about * (1.0 + s.within(0, 999) as f64 / 300.0)).0,
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forward(c in case()) {
        let (y, mask) = c.forward();
        let kernel = if c.depthwise { reference::depthwise } else { reference::conv };
        let (b, r) = (Bias { base: &c.base, offset: &c.offset }, Scales { m: &c.m, shift: &c.shift });
        let (mut got, mut got_mask, mut unmasked) = (vec![99; y.len()], vec![0xaa; mask.len()], vec![98; y.len()]);
        with_scratch(|s| kernel(&c.p, &c.x, c.weights(), b, r, &mut got, Some(&mut got_mask), s));
        with_scratch(|s| kernel(&c.p, &c.x, c.weights(), b, r, &mut unmasked, None, s));
        prop_assert_eq!(&got, &y);
        prop_assert_eq!(got_mask, mask);
        prop_assert_eq!(unmasked, y);
    }

    #[test]
    fn input_grad(c in case(), shift in shifts()) {
        let kernel = if c.depthwise { reference::depthwise_input_grad } else { reference::conv_input_grad };
        let mut gx = vec![99; c.x.len()];
        let saturated = with_scratch(|s| kernel(&c.p, shift, &c.g, c.weights(), &mut gx, s));
        prop_assert_eq!((gx, saturated), c.input_grad(shift));
    }

    #[test]
    fn weight_grad(c in case()) {
        let kernel = if c.depthwise { reference::depthwise_weight_grad } else { reference::conv_weight_grad };
        let mut acc = vec![99; c.trained.len()];
        with_scratch(|s| kernel(&c.p, &c.g, &c.x, &c.channels, &mut acc, s));
        let expected: Vec<_> = c.weight_grad().iter().map(|&(v, _)| v as i32).collect();
        prop_assert_eq!(acc, expected);
    }

    #[test]
    fn weight_step(mut c in case(), bits in prop::sample::select(vec![0, 2, 4, 8])) {
        let step = UpdateCase::new(&mut c.source, bits);
        let bits = bits as u32;
        let qas = scales(&mut c.source, c.p.out_c as usize, &step);
        let (mut q, mut lo) = (c.trained.clone(), c.source.bytes(residual_bytes(c.trained.len(), bits)));
        let (mut new_q, mut new_lo) = (q.clone(), lo.clone());
        let key = random::key(step.seed, step.step, step.params.tensor as u32);
        for (i, (acc, o)) in c.weight_grad().into_iter().enumerate() {
            if qas[o] == 0 {
                continue;
            }
            let rate = Rate::new(step.lr, Qas(qas[o]).real(), step.params.exponent, step.k, bits);
            // A rate of 0 leaves a weight alone, a model's -128 among them.
            if rate.p == 0 {
                continue;
            }
            let random = (bits < 4).then(|| random::draw(key, i as u32));
            let delta = rate.delta(acc as i32, random);
            let (high, low) = apply_weight(new_q[i], residual_get(&new_lo, i, bits), delta, bits);
            new_q[i] = high;
            residual_set(&mut new_lo, i, bits, low);
        }
        let kernel = if c.depthwise { reference::depthwise_weight_step } else { reference::conv_weight_step };
        with_scratch(|s| kernel(&c.p, &step.update(), &c.g, &c.x, &c.channels, &qas, &mut q, &mut lo, s));
        prop_assert_eq!(q, new_q);
        prop_assert_eq!(lo, new_lo);
    }

    #[test]
    fn bias_grad_and_step(channels in 1..150usize, pixels in 1..40usize, seed in any::<u64>()) {
        let mut s = Source::new(seed);
        let step = UpdateCase::new(&mut s, 4);
        let g = s.activations(pixels * channels);
        let qas = scales(&mut s, channels, &step);
        let base: Vec<i32> = qas.iter().map(|&q| {
            // A bias of magnitude 2^23 or more is frozen.
            let limit = if q == 0 { i32::MAX as i64 } else { (1 << 23) - 1 };
            s.within(-limit, limit) as i32
        }).collect();
        let offset: Vec<i32> = qas.iter().map(|&q| if q == 0 { 0 } else { s.within(-100000, 100000) as i32 }).collect();
        let layer = Real31::from_f64(2f64.powi(s.within(-4, 12) as i32) * 1.3);

        let sum = |c: usize| g.iter().skip(c).step_by(channels).map(|&g| g as i64).sum();
        let sums: Vec<i64> = (0..channels).map(sum).collect();
        let mut acc = vec![99; channels];
        reference::bias_grad(channels, &g, &mut acc);
        prop_assert_eq!(acc.iter().map(|&v| v as i64).collect::<Vec<_>>(), sums.clone());

        let expected: Vec<i32> = (0..channels).map(|c| {
            if qas[c] == 0 {
                return offset[c];
            }
            let rate = Rate::new(step.lr.times(layer), Qas(qas[c]).real(), step.params.exponent, step.k, 8);
            apply_bias(base[c], offset[c], rate.delta(sums[c] as i32, None))
        }).collect();
        let mut got = offset;
        reference::bias_step(channels, &step.update(), layer, &g, &qas, &base, &mut got);
        prop_assert_eq!(got, expected);
    }
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:?}, depthwise: {}, trained {:?}, x {:?}", self.p, self.depthwise, self.channels, self.x)
    }
}
