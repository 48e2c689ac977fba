//! Which channels a scheme trains, held against the rule said plainly.

use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, PoolSpec, Quant, Scheme, Shape};
use tinytrain_spec::random::mix;

const Y: Quant = Quant { scale: 0.1, zero: 3 };

/// One convolution with the given weights: OHWI, or HWC for a depthwise one.
fn single(in_c: usize, out_c: usize, kernel: [usize; 2], depthwise: bool, weights: Vec<i8>) -> Graph {
    let mut b = GraphBuilder::new("one", Shape::new(6, 6, in_c), Y, None).unwrap();
    let x = b.input();
    let spec = ConvSpec {
        window: PoolSpec::same(b.shape(x), kernel, [1, 1]),
        depthwise,
        weights: weights.into(),
        bias: vec![0; out_c].into(),
        w_scales: vec![0.01; out_c],
        y: Y,
        bounds: (-128, 127),
    };
    let y = b.conv(x, spec).unwrap();
    b.finish(vec![y]).unwrap()
}

fn trained(g: &Graph, share: &str) -> Vec<u16> {
    Scheme::parse(&format!("0:{share}"), 1).unwrap().training(g, 0).channels
}

/// A channel is trained if fewer than `count` others come before it: by a larger sum of squared weights, or an equal one and a lower index.
fn by_the_rule(squares: &[i64], count: usize) -> Vec<u16> {
    let before = |a: usize, b: usize| squares[a] > squares[b] || (squares[a] == squares[b] && a < b);
    let rank = |c: usize| (0..squares.len()).filter(|&other| before(other, c)).count();
    (0..squares.len()).filter(|&c| rank(c) < count).map(|c| c as u16).collect()
}

#[test]
fn the_largest_in_magnitude_whatever_the_sign_ties_to_the_lower_index() {
    // Sums of squares 4, 9, 1, 9 over one output channel: -3 is larger than 2.
    let g = single(4, 1, [1, 1], false, vec![2, -3, 1, 3]);
    assert_eq!(trained(&g, "1/4"), [1]);
    assert_eq!(trained(&g, "1/2"), [1, 3]);
    assert_eq!(trained(&g, "3/4"), [0, 1, 3]);
    assert_eq!(trained(&g, "1"), [0, 1, 2, 3]);
    // Squares and not magnitudes: 5^2 is more than 3^2 + 3^2.
    let g = single(2, 2, [1, 1], false, vec![3, 5, 3, 0]);
    assert_eq!(trained(&g, "1/2"), [1]);
    // All alike: the first ones.
    let g = single(8, 1, [1, 1], false, vec![7; 8]);
    assert_eq!(trained(&g, "3/8"), [0, 1, 2]);
}

#[test]
fn a_share_is_rounded_down_and_at_least_one_channel() {
    let g = single(5, 1, [1, 1], false, vec![1, 2, 3, 4, 5]);
    for (share, count) in [("1/8", 1), ("1/5", 1), ("2/5", 2), ("1/2", 2), ("4/5", 4), ("9/10", 4), ("1", 5)] {
        assert_eq!(trained(&g, share).len(), count, "{share}");
    }
}

#[test]
fn input_channels_of_a_full_convolution_and_a_depthwise_ones_own() {
    for seed in 0..200u64 {
        let at = |n: u64| mix(seed * 1000 + n);
        let size = |n: u64, most: u64| (1 + at(n) % most) as usize;
        let (kh, kw, in_c) = (size(1, 4), size(2, 4), size(3, 12));
        let depthwise = seed % 2 == 1;
        let out_c = if depthwise { in_c * size(4, 3) } else { size(4, 6) };
        let inner = if depthwise { 1 } else { in_c };
        // Few different values, so that sums often tie.
        let spread = 1 + at(5) % 3;
        let weights: Vec<i8> =
            (0..kh * kw * out_c * inner).map(|i| (at(10 + i as u64) % (2 * spread + 1)) as i8 - spread as i8).collect();
        let selectable = if depthwise { out_c } else { in_c };
        let mut squares = vec![0i64; selectable];
        for ky in 0..kh {
            for kx in 0..kw {
                for o in 0..out_c {
                    for i in 0..inner {
                        let (w, channel) = match depthwise {
                            true => (weights[(ky * kw + kx) * out_c + o], o),
                            false => (weights[((o * kh + ky) * kw + kx) * in_c + i], i),
                        };
                        squares[channel] += (w as i64).pow(2);
                    }
                }
            }
        }
        let g = single(in_c, out_c, [kh, kw], depthwise, weights);
        for (share, num, den) in [("1/8", 1, 8), ("1/3", 1, 3), ("1/2", 1, 2), ("3/4", 3, 4), ("1", 1, 1)] {
            let count = (selectable * num / den).max(1);
            assert_eq!(trained(&g, share), by_the_rule(&squares, count), "seed {seed}, share {share}");
        }
    }
}

#[test]
fn biases_are_those_of_the_last_convolutions() {
    let mut b = GraphBuilder::new("three", Shape::new(2, 2, 1), Y, None).unwrap();
    let mut x = b.input();
    for _ in 0..3 {
        let spec = ConvSpec {
            window: PoolSpec::same(b.shape(x), [1, 1], [1, 1]),
            depthwise: false,
            weights: vec![1].into(),
            bias: vec![0].into(),
            w_scales: vec![0.5],
            y: Y,
            bounds: (-128, 127),
        };
        x = b.conv(x, spec).unwrap();
    }
    let g = b.finish(vec![x]).unwrap();
    for (text, wanted) in [
        ("head", [false; 3]),
        ("bias:1", [false, false, true]),
        ("bias:2,0:1", [false, true, true]),
        ("full", [true; 3]),
    ] {
        let scheme = Scheme::parse(text, 3).unwrap();
        assert_eq!([0, 1, 2].map(|i| scheme.training(&g, i).bias), wanted, "{text}");
    }
    let scheme = Scheme::parse("bias:2,0:1", 3).unwrap();
    assert_eq!([0, 1, 2].map(|i| scheme.training(&g, i).channels.len()), [1, 0, 0]);
}
