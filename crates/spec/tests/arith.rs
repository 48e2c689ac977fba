//! The arithmetic against plain definitions.
use proptest::prelude::*;
use tinytrain_spec::{arith::*, random, softmax::*};

proptest! {
    #[test]
    fn requant_is_nearest_with_halves_up(scale in 1e-9f64..1000.0, acc in any::<i32>()) {
        let r = Requant::from_scale(scale).unwrap();
        let shifted = ((acc as i128) << r.shift).clamp(i32::MIN as i128, i32::MAX as i128);
        prop_assert_eq!(r.apply(acc) as i128, (shifted * r.m as i128 + (1 << 31)).div_euclid(1 << 32));
        prop_assert!((r.scale() - scale).abs() <= scale * 2f64.powi(-30) + 2f64.powi(-33));
    }

    #[test]
    fn real31_round_trips(v in 1e-30f64..1e30) {
        let r = Real31::from_f64(v);
        prop_assert!((1 << 30..1u32 << 31).contains(&r.m));
        prop_assert!((r.to_f64() - v).abs() <= v * 2f64.powi(-31));
        let q = Qas::from_f64(v).real();
        prop_assert!((q.to_f64() - v).abs() <= v * 2f64.powi(-24));
    }

    #[test]
    fn delta_is_rate_times_gradient(lr in 1e-6f64..1.0, q in 1e-3f64..1e9, acc in -1_000_000i32..1_000_000, e in -20i32..0, k in 14i32..45) {
        let (l, q31) = (Real31::from_f64(lr), Real31::from_f64(q));
        let want = acc as f64 * lr * q * 2f64.powi(e - k + 4);
        let got = Rate::new(l, q31, e, k, 4).delta(acc, None) as f64;
        if want.abs() < 1e9 {
            prop_assert!((got - want).abs() <= 0.5 + want.abs() * 1e-8, "{} {}", got, want);
        }
    }

    #[test]
    fn stochastic_rounding_takes_one_of_the_two_neighbours(acc in any::<i32>(), p in 0u32..1 << 31, s in 1i32..=62, r in any::<u64>()) {
        let v = acc as i128 * p as i128;
        let got = Rate { p, s }.delta(acc, Some(r)) as i128;
        let floor = v.div_euclid(1i128 << s);
        let clamp = |v: i128| v.clamp(i32::MIN as i128, i32::MAX as i128);
        prop_assert!(got == clamp(floor) || (got == clamp(floor + 1) && v.rem_euclid(1i128 << s) != 0));
    }

    #[test]
    fn weight_keeps_value_and_residual(w in -127i32 * 256..=127 * 256, delta in any::<i32>(), bits in prop::sample::select(vec![0u32, 2, 4, 8])) {
        let w = w >> (8 - bits);
        let half = if bits == 0 { 0 } else { 1 << (bits - 1) };
        let q = (w + half) >> bits;
        let (q2, lo2) = apply_weight(q as i8, w - (q << bits), delta, bits);
        let want = (w as i64 - delta as i64).clamp(-127i64 << bits, 127i64 << bits) as i32;
        prop_assert_eq!(((q2 as i32) << bits) + lo2, want);
        prop_assert!((-127..=127).contains(&q2));
        let mut plane = vec![0xa5u8; residual_bytes(5, bits)];
        let before: Vec<i32> = (0..5).map(|i| residual_get(&plane, i, bits)).collect();
        residual_set(&mut plane, 3, bits, lo2);
        for i in 0..5 {
            prop_assert_eq!(residual_get(&plane, i, bits), if i == 3 { lo2 } else { before[i] });
        }
    }

    #[test]
    fn bias_moves_like_the_whole(base in -BIAS_LIMIT + 1..BIAS_LIMIT, offset in -1_000_000i32..1_000_000, delta in any::<i32>()) {
        let next = apply_bias(base, offset, delta);
        let whole = (base as i64 * 256 + offset as i64 - delta as i64).clamp(-i32::MAX as i64, i32::MAX as i64);
        let offset = (whole - base as i64 * 256).clamp(-i32::MAX as i64, i32::MAX as i64);
        prop_assert_eq!(next as i64, offset);
        prop_assert_eq!(bias_value(base, next) as i64, (base as i64 * 256 + offset + 128).div_euclid(256));
    }

    #[test]
    fn exponential_is_within_its_bound(u in 0u32..=U_MAX) {
        let want = 2f64.powf(-(u as f64) / (1u32 << U_BITS) as f64);
        prop_assert!((exp2_neg(u) as f64 / 2f64.powi(31) - want).abs() < 2f64.powi(-29));
    }

    #[test]
    fn logarithm_is_within_its_bound(x in 1u64 << 31..1 << 42) {
        let want = (x as f64 / 2f64.powi(31)).log2();
        prop_assert!((log2(x) as f64 / (1u32 << U_BITS) as f64 - want).abs() < 2f64.powi(-23));
    }

    #[test]
    fn error_and_loss_follow_the_float_softmax(
        logits in prop::collection::vec(-40_000_000i64..40_000_000, 2..40), scale in 1e-7f64..1e-5, pick in any::<prop::sample::Index>(),
    ) {
        let label = pick.index(logits.len());
        let mut p = logits.clone();
        let mut e = vec![0i16; p.len()];
        let r = head_error(&mut p, LogitScale::from_unit(scale).unwrap(), label, &mut e);
        let max = *logits.iter().max().unwrap();
        let exps: Vec<f64> = logits.iter().map(|&l| (((l - max) as f64) * scale).exp()).collect();
        let sum: f64 = exps.iter().sum();
        for c in 0..e.len() {
            let want = exps[c] / sum - (c == label) as u8 as f64;
            prop_assert!((p[c] as f64 / 2f64.powi(31) - exps[c] / sum).abs() < 2f64.powi(-26));
            prop_assert!((e[c] as f64 * 2f64.powi(-r.k) - want).abs() < 2f64.powi(-26) + 2f64.powi(-r.k));
        }
        let loss = sum.ln() + (max - logits[label]) as f64 * scale;
        if loss < 27.0 {
            prop_assert!((r.loss as f64 / 65536.0 - loss).abs() < 2f64.powi(-15));
        }
        if r.any {
            prop_assert!(e.iter().any(|&v| v.unsigned_abs() >= 1 << 14));
        }
    }
}

#[test]
fn a_certain_head_has_no_error() {
    let mut p = [1 << 40, 0];
    let mut e = [7i16; 2];
    let r = head_error(&mut p, LogitScale::from_unit(1e-6).unwrap(), 0, &mut e);
    assert_eq!((r.any, r.loss, e), (false, 0, [0, 0]));
}

#[test]
fn the_initial_head_is_uniform_within_its_bound() {
    let bound = random::head_bound(160);
    assert_eq!(bound, 647);
    let draws: Vec<i16> = (0..100_000).map(|i| random::head_init(1, i, bound)).collect();
    assert_eq!(draws.iter().min(), Some(&-647));
    assert_eq!(draws.iter().max(), Some(&647));
    let mean = draws.iter().map(|&d| d as f64).sum::<f64>() / draws.len() as f64;
    assert!(mean.abs() < 5.0, "{mean}");
}
