//! `autodiff`: for each op its gradient, summed at a fan-out in reverse order of execution, none for the sample.

mod common;

use std::collections::BTreeMap;

use common::*;
use tinytrain_ir::{Graph, Kind, Node, Op, PoolSpec, Quant, Shape, TensorId, Wrt};
use tinytrain_passes::differentiate;
use tinytrain_spec::params::PoolParams;

fn wrt(g: &Graph, t: TensorId) -> Option<Wrt> {
    match g.tensor(t).kind {
        Kind::Gradient(wrt) => Some(wrt),
        _ => None,
    }
}

/// The nodes that yield a contribution to the gradient of `t`, in order.
fn contributions(g: &Graph, t: TensorId) -> Vec<&Node> {
    let yields = |n: &&Node| n.op != Op::GradSum && n.outputs.iter().any(|o| wrt(g, *o) == Some(Wrt::Value(t)));
    g.nodes.iter().filter(yields).collect()
}

/// The forward nodes that read `t`, the last first.
fn readers(g: &Graph, t: TensorId) -> Vec<&Node> {
    forward(g).iter().rev().filter(|n| n.inputs.contains(&t)).collect()
}

#[test]
fn every_tensor_but_the_sample_has_a_gradient_from_each_of_its_readers() {
    let g = differentiated();
    for t in forward(&g).iter().flat_map(|n| &n.outputs) {
        if g.tensor(*t).quant().is_none() {
            continue;
        }
        let (found, wanted) = (contributions(&g, *t), readers(&g, *t));
        assert_eq!(found.len(), wanted.len(), "{}", g.tensor(*t).name);
        for node in &found {
            assert_eq!(g.tensor(node.outputs[0]).shape, g.tensor(*t).shape);
        }
    }
    assert!(contributions(&g, g.input).is_empty());
    assert!(readers(&g, g.input).len() == 1, "the sample is read");
}

#[test]
fn a_fan_out_is_summed_in_reverse_order_of_execution() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 4, quant(1));
    let first = b.requantize(a, quant(2), BOUNDS).unwrap();
    let second = b.requantize(a, quant(2), BOUNDS).unwrap();
    let third = b.requantize(a, quant(2), BOUNDS).unwrap();
    let y = b.concat(&[first, second, third], 0).unwrap();
    let g = differentiate(&b.finish(vec![y]).unwrap(), CLASSES, 0).unwrap().pop().unwrap().graph;
    let from: Vec<TensorId> = contributions(&g, a).iter().map(|n| n.outputs[0]).collect();
    let of =
        |t: TensorId| g.nodes.iter().find(|n| n.inputs.first().is_some_and(|i| wrt(&g, *i) == Some(Wrt::Value(t))));
    let order: Vec<TensorId> = [third, second, first].map(|t| of(t).expect("a gradient").outputs[0]).to_vec();
    assert_eq!(from, order);
    let sums: Vec<&Node> = g.nodes.iter().filter(|n| n.op == Op::GradSum).collect();
    assert_eq!(sums[0].inputs, [from[0], from[1]]);
    assert_eq!(sums[1].inputs, [sums[0].outputs[0], from[2]]);
    // The sum, and no contribution, is what the convolution differentiates.
    assert_eq!(only(&g, |op| matches!(op, Op::ConvAccGrad(_))).inputs[0], sums[1].outputs[0]);
}

#[test]
fn add_of_a_tensor_to_itself_contributes_twice_the_second_operand_first() {
    let mut b = builder(Shape::new(2, 2, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 4, quant(1));
    let c = pointwise(&mut b, x, 4, quant(5));
    let one = b.add(a, c, quant(2), BOUNDS).unwrap();
    let two = b.add(one, one, quant(3), BOUNDS).unwrap();
    let g = differentiate(&b.finish(vec![two]).unwrap(), CLASSES, 0).unwrap().pop().unwrap().graph;
    assert_eq!(contributions(&g, one).len(), 2);
    let scale = |t: TensorId| match contributions(&g, t)[..] {
        [Node { op: Op::GradScale { ratio, repeat: 1 }, .. }] => *ratio,
        _ => panic!("one scaled gradient"),
    };
    assert_eq!(scale(a), quant(1).scale / quant(2).scale);
    assert_eq!(scale(c), quant(5).scale / quant(2).scale);
    let position =
        |t: TensorId| g.nodes.iter().position(|n| n.outputs.first() == Some(&contributions(&g, t)[0].outputs[0]));
    assert!(position(c) < position(a));
}

#[test]
fn each_op_has_its_own_gradient() {
    let g = differentiated();
    let of = |name: &str| forward(&g).iter().find(|n| n.op.name() == name).expect("the op is in the network");
    let by = |name: &str| contributions(&g, of(name).inputs[0]);
    let mask = |name: &str| of(name).outputs[1];

    let mean = by("mean")[0];
    let ratio = quant(6).scale / (quant(7).scale * 16.0);
    assert_eq!(mean.op, Op::GradScale { ratio, repeat: 16 });
    assert_eq!(mean.inputs[1], mask("mean"));

    assert_eq!(by("reshape")[0].op, Op::GradReshape);
    let [maximum, average] = [of("max_pool"), of("average_pool")];
    for (node, pool) in contributions(&g, of("requantize").outputs[0]).into_iter().zip([average, maximum]) {
        let (Op::MaxPool(p) | Op::AveragePool(p)) = pool.op else { unreachable!() };
        let p = PoolParams { shift: 0, ..p };
        let (want, inputs) = match pool.op {
            Op::MaxPool(_) => (Op::MaxPoolGrad(p), vec![pool.outputs[1], pool.inputs[0]]),
            _ => (Op::AveragePoolGrad(p), vec![pool.outputs[1]]),
        };
        assert_eq!((&node.op, &node.inputs[1..]), (&want, &inputs[..]));
    }
    assert_eq!(by("requantize")[0].op, Op::GradScale { ratio: quant(4).scale / quant(5).scale, repeat: 1 });
    assert_eq!(by("requantize")[0].inputs[1], mask("requantize"));

    let crops: BTreeMap<TensorId, [usize; 3]> = of("concat")
        .inputs
        .iter()
        .map(|x| match contributions(&g, *x)[0].op {
            Op::GradCrop { at } => (*x, at),
            ref op => panic!("{}", op.name()),
        })
        .collect();
    assert_eq!(crops.into_values().collect::<Vec<_>>(), [[0, 0, 0], [0, 0, 4]]);
}

#[test]
fn padding_before_a_pool_crops_its_gradient() {
    let mut b = builder(Shape::new(4, 4, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 4, quant(1));
    let padded = b.pad(a, [2, 1, 3, 0]).unwrap();
    let window = PoolSpec::valid(b.shape(padded), [2, 2], [1, 1]);
    let y = b.pool(padded, window, false, BOUNDS).unwrap();
    let g = differentiate(&b.finish(vec![y]).unwrap(), CLASSES, 0).unwrap().pop().unwrap().graph;
    assert_eq!(contributions(&g, a)[0].op, Op::GradCrop { at: [2, 3, 0] });
}

#[test]
fn concatenation_along_rows_and_columns_crops_where_each_part_begins() {
    for axis in 0..2 {
        let mut b = builder(Shape::new(2, 3, 2));
        let x = b.input();
        let parts: Vec<TensorId> = (0..3).map(|_| pointwise(&mut b, x, 4, quant(1))).collect();
        let y = b.concat(&parts, axis).unwrap();
        let g = differentiate(&b.finish(vec![y]).unwrap(), CLASSES, 0).unwrap().pop().unwrap().graph;
        for (i, part) in parts.iter().enumerate() {
            let mut at = [0; 3];
            at[axis] = i * [2, 3][axis];
            assert_eq!(contributions(&g, *part)[0].op, Op::GradCrop { at });
        }
    }
}

#[test]
fn a_convolution_is_masked_and_scaled_first_and_then_serves_four() {
    let g = differentiated();
    for (index, layer) in g.layers.iter().enumerate() {
        let of = |name: &str| {
            let own = |n: &&Node| n.op.name() == name && n.op.layer().is_some_and(|l| l.index() == index);
            g.nodes.iter().find(own)
        };
        let (conv, acc) = (of("conv").unwrap(), of("conv_acc_grad").unwrap());
        assert_eq!(acc.inputs[1], conv.outputs[1]);
        assert_eq!(wrt(&g, acc.inputs[0]), Some(Wrt::Value(conv.outputs[0])));
        let a = acc.outputs[0];
        assert_eq!(of("conv_weight_grad").unwrap().inputs, [a, conv.inputs[0]]);
        assert_eq!(of("conv_bias_grad").unwrap().inputs, [a]);
        assert_eq!(of("weight_update").unwrap().inputs, of("conv_weight_grad").unwrap().outputs);
        assert_eq!(of("bias_update").unwrap().inputs, of("conv_bias_grad").unwrap().outputs);
        let sums = |name: &str| g.tensor(of(name).unwrap().outputs[0]).shape.len();
        assert_eq!((sums("conv_weight_grad"), sums("conv_bias_grad")), (layer.weights.len(), layer.bias.len()));
        // The first convolution reads the sample, which has no gradient.
        assert_eq!(of("conv_input_grad").map(|n| n.inputs.clone()), (index > 0).then(|| vec![a]));
    }
}

#[test]
fn the_head_reads_its_weights_before_it_changes_them() {
    let g = differentiated();
    let at = |op: Op| g.nodes.iter().position(|n| n.op == op).unwrap();
    let error = g.nodes[at(Op::Head)].outputs[0];
    let features = g.head.as_ref().unwrap().features;
    assert!(at(Op::HeadInputGrad) < at(Op::HeadUpdate));
    assert_eq!(g.nodes[at(Op::HeadInputGrad)].inputs, [error]);
    assert_eq!(g.nodes[at(Op::HeadUpdate)].inputs, [error, features]);
}

#[test]
fn softmax_inside_a_model_and_sums_beyond_32_bits_are_refused() {
    let mut b = builder(Shape::new(2, 2, 4));
    let x = b.input();
    let a = pointwise(&mut b, x, 4, quant(1));
    let s = b.softmax(a, 1.0, Quant { scale: 1.0 / 256.0, zero: -128 }).unwrap();
    let window = PoolSpec::same(b.shape(s), [3, 3], [1, 1]);
    let y = conv(&mut b, s, false, 4, window, quant(2));
    let error = differentiate(&b.finish(vec![y]).unwrap(), CLASSES, 0).err().unwrap();
    assert!(error.to_string().contains("softmax inside a model"), "{error}");

    // 66,000 products of at most 127 * 255 and a bias below 2^23 stay in 32 bits; 66,564 might not.
    let mut b = builder(Shape::new(258, 258, 1));
    let x = b.input();
    let window = PoolSpec::valid(b.shape(x), [258, 258], [1, 1]);
    let y = conv(&mut b, x, false, 2, window, quant(2));
    let error = differentiate(&b.finish(vec![y]).unwrap(), CLASSES, 0).err().unwrap();
    assert!(error.to_string().contains("66564 products"), "{error}");
}

#[test]
fn nothing_of_the_forward_pass_changes_but_for_masks() {
    let stages = differentiate(&network(), CLASSES, 1).unwrap();
    let (before, after) = (stage(&stages, "fold"), stage(&stages, "autodiff"));
    assert_eq!(before.nodes.len(), forward(after).len());
    for (b, a) in before.nodes.iter().zip(forward(after)) {
        assert_eq!((&b.op, &b.inputs, b.outputs[0]), (&a.op, &a.inputs, a.outputs[0]));
        for mask in &a.outputs[1..] {
            assert_eq!(after.tensor(*mask).kind, Kind::Mask);
        }
    }
}

#[test]
fn a_resized_tensor_gets_its_gradient_by_the_same_places() {
    let mut b = builder(Shape::new(6, 5, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 4, quant(1));
    let y = b.resize_bilinear(a, [9, 3], false, true).unwrap();
    let e = pointwise(&mut b, y, 4, quant(2));
    let g = b.finish(vec![e]).unwrap();
    let g = stage(&differentiate(&g, CLASSES, 1).unwrap(), "autodiff").clone();
    let [forward] = readers(&g, a).into_iter().filter(|n| n.op.is_forward()).collect::<Vec<_>>()[..] else { panic!() };
    let [back] = contributions(&g, a)[..] else { panic!() };
    let (Op::ResizeBilinear(p), Op::ResizeBilinearGrad(q)) = (&forward.op, &back.op) else {
        panic!("{}", back.op.name())
    };
    assert_eq!((p, p.shift), (q, 0));
    assert_eq!(back.inputs, [contributions(&g, y)[0].outputs[0]]);
}
