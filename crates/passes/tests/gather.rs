//! `gather`: of an input of which a weight update reads few channels, these alone are kept.

mod common;

use common::*;
use tinytrain_ir::{Graph, Node, Op, Scheme, TensorId};
use tinytrain_passes::specialise;

fn both(scheme: &str) -> (Graph, Graph) {
    let stages = specialise(&differentiated(), &Scheme::parse(scheme, LAYERS).unwrap()).unwrap();
    (stage(&stages, "fuse").clone(), stage(&stages, "gather").clone())
}

/// The movements that the pass added, with their places.
fn added<'a>(before: &Graph, after: &'a Graph) -> Vec<(usize, &'a Node)> {
    let new = |t: &TensorId| t.index() >= before.tensors.len();
    after.nodes.iter().enumerate().filter(|(_, n)| n.outputs.iter().any(new)).collect()
}

#[test]
fn the_trained_channels_are_copied_once_the_convolution_has_run() {
    let mut copies = 0;
    for scheme in ["bias:2,0:1/2,3:1/4", "bias:1,2:1/2", "bias:4,2:1/4,3:1/2"] {
        let (before, after) = both(scheme);
        for (at, copy) in added(&before, &after) {
            copies += 1;
            let (x, y) = (copy.inputs[0], copy.outputs[0]);
            let step = only_reader(&after, y);
            let Op::ConvWeightStep(l) = step.op else { panic!("{scheme}: {:?} reads what was copied", step.op) };
            let channels = &after.layer(l).training.channels;
            assert!(2 * channels.len() <= after.tensor(x).shape.c && !after.layer(l).depthwise);
            assert_eq!(after.tensor(y).shape.c, channels.len());
            // Another scheme may share what comes before the convolution.
            let conv = after.nodes.iter().position(|n| n.op == Op::Conv(l)).unwrap();
            assert!(at > conv && after.nodes[conv].inputs[0] == x && copy.op.is_forward());
            assert!(!after.nodes[at + 1..].iter().any(|n| !n.op.is_forward() && n.inputs.contains(&x)));
            let values: Vec<usize> = (0..after.tensor(x).shape.len()).collect();
            let (shape, kept) = (after.tensor(x).shape, after.tensor(y).shape);
            let wanted: Vec<usize> =
                values.chunks(shape.c).flat_map(|pixel| channels.iter().map(|&c| pixel[c as usize])).collect();
            assert_eq!(moved(copy, &values, kept.len()), wanted, "{scheme}");
        }
    }
    assert!(copies >= 4, "{copies}");
}

/// What a movement makes of values.
fn moved(node: &Node, values: &[usize], len: usize) -> Vec<usize> {
    let Op::Move(movement) = &node.op else { panic!("{:?} is no movement", node.op) };
    let mut to = vec![usize::MAX; len];
    for b in &movement.boxes {
        for (i, j, k) in
            (0..b.size.h).flat_map(|i| (0..b.size.w).flat_map(move |j| (0..b.size.c).map(move |k| (i, j, k))))
        {
            to[b.to.first + i * b.to.row + j * b.to.column + k] =
                values[b.from.first + i * b.from.row + j * b.from.column + k];
        }
    }
    to
}

fn only_reader(g: &Graph, t: TensorId) -> &Node {
    let mut readers = g.nodes.iter().filter(|n| n.inputs.contains(&t));
    let node = readers.next().expect("something reads it");
    assert!(readers.next().is_none(), "several nodes read it");
    node
}

#[test]
fn nothing_else_changes() {
    for scheme in SCHEMES {
        let (before, after) = both(scheme);
        let new: Vec<usize> = added(&before, &after).iter().map(|(at, _)| *at).collect();
        let kept = after.nodes.iter().enumerate().filter(|(i, _)| !new.contains(i)).map(|(_, n)| n);
        let changed = before.nodes.iter().zip(kept).filter(|(a, b)| text(&before, a) != text(&after, b));
        let changed: Vec<_> = changed.map(|(a, b)| (a.op.clone(), b.op.clone())).collect();
        assert_eq!(changed.len(), new.len(), "{scheme}");
        assert!(changed.iter().all(|(a, b)| a == b && matches!(a, Op::ConvWeightStep(_))), "{scheme}");
    }
}

#[test]
fn nothing_is_copied_that_must_be_kept_anyway() {
    // All channels, the sample, a depthwise convolution, and a map that the maximum pool's gradient reads.
    for scheme in ["head", "full", "bias:4", "bias:2,0:1/2", "bias:0,1:1/2"] {
        let (before, after) = both(scheme);
        assert!(added(&before, &after).is_empty(), "{scheme}");
    }
}
