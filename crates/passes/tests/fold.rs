//! `fold`: padding becomes part of the convolutions that read it, and stays for whoever else does.

mod common;

use common::*;
use tinytrain_ir::{Graph, GraphBuilder, Op, PoolSpec, Shape, TensorId};
use tinytrain_passes::differentiate;

fn folded(b: GraphBuilder, y: TensorId) -> Graph {
    stage(&differentiate(&b.finish(vec![y]).unwrap(), CLASSES, 0).unwrap(), "fold").clone()
}

#[test]
fn padding_becomes_the_convolutions() {
    let mut b = builder(Shape::new(6, 5, 2));
    let x = b.input();
    let padded = b.pad(x, [1, 1, 1, 1]).unwrap();
    let window = PoolSpec::padded(b.shape(padded), [3, 3], [2, 2], [1, 0, 0, 0]);
    let a = conv(&mut b, padded, false, 4, window, quant(1));
    let before = b.shape(a);
    let g = folded(b, a);
    assert_eq!(names(&g), ["conv", "mean", "head"]);
    assert_eq!(g.nodes[0].inputs, [x]);
    let geo = &g.layers[0].geo;
    assert_eq!((geo.in_h, geo.in_w, geo.pad_top, geo.pad_left), (6, 5, 1 + 1, 1));
    // What is computed is what was: nothing else about the convolution changes.
    assert_eq!((geo.out_h as usize, geo.out_w as usize), (before.h, before.w));
    assert_eq!((geo.kh, geo.kw, geo.stride_h, geo.stride_w, geo.in_c), (3, 3, 2, 2, 2));
}

#[test]
fn padding_on_padding_becomes_the_convolutions_too() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let once = b.pad(x, [1, 0, 0, 1]).unwrap();
    let twice = b.pad(once, [1, 1, 1, 1]).unwrap();
    let window = PoolSpec::valid(b.shape(twice), [3, 3], [1, 1]);
    let a = conv(&mut b, twice, true, 4, window, quant(1));
    let g = folded(b, a);
    assert_eq!(names(&g), ["conv", "mean", "head"]);
    assert_eq!((g.layers[0].geo.pad_top, g.layers[0].geo.pad_left), (2, 1));
    assert_eq!((g.layers[0].geo.in_h, g.layers[0].geo.in_w), (4, 4));
}

#[test]
fn padding_that_holds_a_whole_window_stays() {
    for (pad, stays) in [([2, 0, 0, 0], false), ([3, 0, 0, 0], true), ([0, 2, 0, 0], false), ([0, 3, 0, 0], true)] {
        let mut b = builder(Shape::new(4, 4, 2));
        let x = b.input();
        let padded = b.pad(x, pad).unwrap();
        let window = PoolSpec::valid(b.shape(padded), [3, 3], [1, 1]);
        let a = conv(&mut b, padded, false, 4, window, quant(1));
        let expected: &[&str] = if stays { &["pad", "conv", "mean", "head"] } else { &["conv", "mean", "head"] };
        assert_eq!(names(&folded(b, a)), expected, "{pad:?}");
    }
}

#[test]
fn padding_that_a_pool_reads_stays_for_the_pool() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let padded = b.pad(x, [1, 1, 1, 1]).unwrap();
    let window = PoolSpec::valid(b.shape(padded), [3, 3], [1, 1]);
    let a = conv(&mut b, padded, true, 2, window, quant(0));
    let m = b.pool(padded, window, true, BOUNDS).unwrap();
    let sum = b.add(a, m, quant(2), BOUNDS).unwrap();
    let g = folded(b, sum);
    assert_eq!(names(&g), ["pad", "conv", "max_pool", "add", "mean", "head"]);
    assert_eq!(only(&g, |op| matches!(op, Op::Conv(_))).inputs, [x]);
    assert_eq!(only(&g, |op| matches!(op, Op::MaxPool(_))).inputs, [padded]);
}

#[test]
fn a_graph_without_padding_is_left_alone() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let window = PoolSpec::same(b.shape(x), [3, 3], [2, 2]);
    let a = conv(&mut b, x, false, 4, window, quant(1));
    let stages = differentiate(&b.finish(vec![a]).unwrap(), CLASSES, 0).unwrap();
    let (head, fold) = (stage(&stages, "head"), stage(&stages, "fold"));
    assert_eq!(texts(head, &head.nodes), texts(fold, &fold.nodes));
    assert_eq!(head.layers[0].geo, fold.layers[0].geo);
}
