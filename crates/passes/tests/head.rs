//! `head`: the classifier goes, a trainable head on the features comes, everything before stays as it was.

mod common;

use common::*;
use tinytrain_ir::{Graph, IrError, Kind, Op, PoolSpec, Quant, Shape, TensorId};
use tinytrain_passes::differentiate;

fn headed(g: &Graph) -> Graph {
    stage(&differentiate(g, CLASSES, 9).unwrap(), "head").clone()
}

fn refused(g: &Graph, classes: usize) -> IrError {
    differentiate(g, classes, 0).err().expect("this graph gets no head")
}

/// Whether the graph is `before` cut behind `features`, then `Head`.
fn cut_behind(before: &Graph, after: &Graph, features: TensorId) {
    let kept = before.nodes.iter().take_while(|n| !n.inputs.contains(&features)).collect::<Vec<_>>();
    let [rest @ .., head] = &after.nodes[..] else { panic!("no node") };
    assert_eq!(texts(after, rest), kept.iter().map(|n| text(before, n)).collect::<Vec<_>>());
    assert_eq!((&head.op, &head.inputs[..]), (&Op::Head, &[features][..]));
}

#[test]
fn the_classifier_on_a_pixel_goes_and_its_input_is_the_features() {
    let before = network();
    let g = headed(&before);
    let features = only(&before, |op| matches!(op, Op::Mean(..))).outputs[0];
    cut_behind(&before, &g, features);
    assert_eq!(g.layers.len(), before.layers.len() - 1);
    assert!(g.outputs.is_empty());
    let head = g.head.as_ref().unwrap();
    assert_eq!((head.features, head.quant, head.classes, head.seed), (features, quant(7), CLASSES, 9));
    let error = g.tensor(g.nodes.last().unwrap().outputs[0]);
    assert_eq!((&error.kind, error.shape), (&Kind::Error, Shape::new(1, 1, CLASSES)));
}

#[test]
fn a_pointwise_convolution_before_softmax_is_a_classifier_even_on_a_map() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 6, quant(1));
    let c = pointwise(&mut b, a, 5, quant(2));
    let window = PoolSpec::valid(b.shape(c), [4, 4], [1, 1]);
    let pooled = b.pool(c, window, false, BOUNDS).unwrap();
    let y = b.softmax(pooled, 1.0, Quant { scale: 1.0 / 256.0, zero: -128 }).unwrap();
    let g = headed(&b.finish(vec![y]).unwrap());
    assert_eq!(names(&g), ["conv", "mean", "head"]);
    assert_eq!(g.layers.len(), 1);
}

#[test]
fn without_softmax_a_convolution_of_a_map_is_no_classifier() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 6, quant(1));
    let g = headed(&b.finish(vec![a]).unwrap());
    assert_eq!(names(&g), ["conv", "mean", "head"]);
}

#[test]
fn a_wide_or_depthwise_convolution_before_softmax_stays() {
    for (depthwise, kernel) in [(false, 3), (true, 1)] {
        let mut b = builder(Shape::new(4, 4, 2));
        let x = b.input();
        let window = PoolSpec::same(b.shape(x), [kernel; 2], [1, 1]);
        let a = conv(&mut b, x, depthwise, 4, window, quant(1));
        let y = b.softmax(a, 1.0, Quant { scale: 1.0 / 256.0, zero: -128 }).unwrap();
        let g = headed(&b.finish(vec![y]).unwrap());
        assert_eq!(names(&g), ["conv", "mean", "head"], "depthwise {depthwise}");
        assert_eq!(only(&g, |op| matches!(op, Op::Mean(..))).inputs, [a]);
    }
}

#[test]
fn a_map_becomes_its_mean_at_its_own_quantisation() {
    let mut b = builder(Shape::new(3, 5, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 6, quant(1));
    let g = headed(&b.finish(vec![a]).unwrap());
    let mean = only(&g, |op| matches!(op, Op::Mean(..)));
    let Op::Mean(p, ratio) = &mean.op else { unreachable!() };
    assert_eq!(*ratio, 1.0 / 15.0);
    assert_eq!((p.pixels, p.c, p.x_zero, p.y_zero), (15, 6, quant(1).zero, quant(1).zero));
    // round(2^32 / 15); the scale is below 1/2, so nothing is shifted.
    assert_eq!((p.m, p.left), (286_331_153, 0));
    assert_eq!(g.tensor(mean.outputs[0]).quant(), Some(quant(1)));
}

#[test]
fn a_vector_is_taken_as_it_is() {
    let mut b = builder(Shape::new(1, 1, 4));
    let x = b.input();
    let window = PoolSpec::same(b.shape(x), [1, 1], [1, 1]);
    let a = conv(&mut b, x, true, 4, window, quant(1));
    let g = headed(&b.finish(vec![a]).unwrap());
    assert_eq!(names(&g), ["conv", "head"]);
    assert_eq!(g.head.unwrap().features, a);
}

#[test]
fn two_to_a_thousand_classes() {
    let g = network();
    for classes in [0, 1, 1001] {
        assert_eq!(refused(&g, classes).code(), "MODEL_UNSUPPORTED", "{classes}");
    }
    for classes in [2, 1000] {
        assert!(differentiate(&g, classes, 0).is_ok(), "{classes}");
    }
}

#[test]
fn of_several_outputs_the_head_takes_what_they_have_in_common() {
    // An output on the way to another does not count.
    let before = network();
    let mut g = before.clone();
    g.outputs.push(g.nodes[0].outputs[0]);
    assert_eq!(texts(&headed(&g), &headed(&g).nodes), texts(&headed(&before), &headed(&before).nodes));
    // Two branches part behind `a`.
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 6, quant(1));
    let (left, right) = (pointwise(&mut b, a, 3, quant(2)), pointwise(&mut b, a, 4, quant(3)));
    let g = headed(&b.finish(vec![left, right]).unwrap());
    assert_eq!(names(&g), ["conv", "mean", "head"]);
    assert_eq!(g.layers.len(), 1);
    // Two networks on the same input.
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let (left, right) = (pointwise(&mut b, x, 3, quant(2)), pointwise(&mut b, x, 4, quant(3)));
    let apart = b.finish(vec![left, right]).unwrap();
    assert!(refused(&apart, CLASSES).to_string().contains("no features in common"));
}

#[test]
fn a_convolution_beside_the_way_to_the_classifier_is_refused() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let _lost = pointwise(&mut b, x, 6, quant(1));
    let a = pointwise(&mut b, x, 6, quant(2));
    let g = b.finish(vec![a]).unwrap();
    assert!(refused(&g, CLASSES).to_string().contains("do not feed the classifier"));
}
