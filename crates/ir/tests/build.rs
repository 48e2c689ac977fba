//! From scales to integers: what `GraphBuilder` makes of an importer's numbers, and what it refuses.

use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, IrError, Layer, Op, PoolSpec, Quant, Shape};

const X: Quant = Quant { scale: 0.5, zero: -3 };
const Y: Quant = Quant { scale: 0.25, zero: 4 };

/// A pointwise convolution of one input channel on a pixel, an output channel for each weight, scale and bias.
fn pointwise(weights: &[i8], scales: &[f64], bias: &[i32], y: Quant) -> Result<Layer, IrError> {
    let mut b = GraphBuilder::new("one", Shape::new(1, 1, 1), X, None)?;
    let x = b.input();
    let spec = ConvSpec {
        window: PoolSpec::same(b.shape(x), [1, 1], [1, 1]),
        depthwise: false,
        weights: weights.into(),
        bias: bias.into(),
        w_scales: scales.to_vec(),
        y,
        bounds: (-128, 127),
    };
    let t = b.conv(x, spec)?;
    Ok(b.finish(vec![t])?.layers.remove(0))
}

fn only(g: Graph) -> Op {
    g.nodes.into_iter().next().unwrap().op
}

#[test]
fn a_scale_becomes_a_multiplier_of_32_fraction_bits() {
    // 0.5 * s / 0.25 = 2 s.
    let layer = pointwise(&[1, 1, 1], &[0.125, 0.25, 1.5], &[7, -8, 9], Y).unwrap();
    let found: Vec<(i32, u8)> = layer.requant.iter().map(|r| (r.m, r.shift)).collect();
    // 1/4; 1/2 does not fit 31 bits and is shifted once; 3 is 3/8 shifted three times.
    assert_eq!(found, [(1 << 30, 0), (1 << 30, 1), (3 << 29, 3)]);
    assert_eq!((layer.geo.x_zero, layer.geo.y_zero), (-3, 4));
    assert_eq!((&layer.bias[..], &layer.live[..]), (&[7, -8, 9][..], &[true; 3][..]));
}

#[test]
fn a_dead_channel_keeps_its_constant_and_is_never_updated() {
    // 2 s = 4e-10: 1.717986918 in units of 2^-32, rounded up to 2, and the bias scaled by their ratio.
    let layer = pointwise(&[1, 1], &[2e-10, 0.1], &[1_000_000_000, 5], Y).unwrap();
    assert_eq!((layer.requant[0].m, layer.requant[0].shift), (2, 0));
    assert_eq!(layer.bias[..], [858_993_459, 5]);
    assert_eq!(layer.live, [false, true]);
    let constant = layer.bias[0] as f64 * layer.requant[0].m as f64 / 4294967296.0;
    assert!((constant - 1e9 * 4e-10).abs() < 1e-9);
    // The bound itself is alive.
    let at = |scale: f64| pointwise(&[1], &[scale], &[0], Y).unwrap().live[0];
    assert_eq!([0.5e-6, 0.4999e-6].map(at), [true, false]);
}

#[test]
fn a_bias_without_room_for_residual_bits_is_frozen() {
    let live = |bias: i32| pointwise(&[1], &[0.1], &[bias], Y).unwrap().live[0];
    assert_eq!([(1 << 23) - 1, 1 << 23, -(1 << 23) + 1, -(1 << 23)].map(live), [true, false, true, false]);
}

#[test]
fn an_accumulator_that_could_leave_32_bits_is_refused() {
    // x - zero lies in -125 ..= 130: with a weight of 1 the sum reaches bias + 130 and bias - 125.
    let accepted = |bias: i32, weight: i8| pointwise(&[weight], &[0.1], &[bias], Y).is_ok();
    assert!(accepted(i32::MAX - 130, 1) && !accepted(i32::MAX - 129, 1));
    assert!(accepted(i32::MIN + 125, 1) && !accepted(i32::MIN + 124, 1));
    assert!(accepted(i32::MAX - 125, -1) && !accepted(i32::MAX - 124, -1));
    assert!(accepted(i32::MIN + 130, -1) && !accepted(i32::MIN + 129, -1));
}

#[test]
fn add_has_20_fraction_bits() {
    let mut b = GraphBuilder::new("add", Shape::new(1, 2, 3), X, None).unwrap();
    let x = b.input();
    let r = b.requantize(x, Quant { scale: 0.3, zero: 9 }, (-128, 127)).unwrap();
    let y = b.add(x, r, Quant { scale: 0.7, zero: -5 }, (-100, 90)).unwrap();
    let mut g = b.finish(vec![y]).unwrap();
    let Op::Add(p, ratios) = g.nodes.remove(1).op else { unreachable!() };
    assert_eq!(ratios, [0.5 / 0.7, 0.3 / 0.7]);
    // 748982.857 and 449389.714
    assert_eq!((p.m1, p.m2, p.n), (748_983, 449_390, 6));
    assert_eq!((p.zero1, p.zero2, p.y_zero, p.lo, p.hi), (-3, 9, -5, -100, 90));
}

#[test]
fn a_mean_holds_its_number_of_pixels() {
    let mut b = GraphBuilder::new("mean", Shape::new(2, 5, 3), X, None).unwrap();
    let x = b.input();
    let y = b.mean(x, Y).unwrap();
    let Op::Mean(p, ratio) = only(b.finish(vec![y]).unwrap()) else { unreachable!() };
    assert_eq!(ratio, 0.5 / (0.25 * 10.0));
    // 0.2 * 2^32
    assert_eq!((p.pixels, p.c, p.m, p.left, p.x_zero, p.y_zero), (10, 3, 858_993_459, 0, -3, 4));
}

#[test]
fn windows_as_litert_lays_them() {
    let input = Shape::new(7, 8, 1);
    let same = PoolSpec::same(input, [3, 3], [2, 2]);
    // Rows: 4 outputs reach over 9, one row of padding on each side. Columns: 4 outputs reach over 9, the odd one to the right.
    assert_eq!((same.out, same.pad), ([4, 4], [1, 0]));
    let valid = PoolSpec::valid(input, [3, 3], [2, 2]);
    assert_eq!((valid.out, valid.pad), ([3, 3], [0, 0]));
    let padded = PoolSpec::padded(input, [3, 3], [1, 1], [1, 0, 0, 2]);
    assert_eq!((padded.out, padded.pad), ([6, 8], [1, 0]));
    assert_eq!(PoolSpec::valid(input, [9, 1], [1, 1]).out[0], 0);
}
