//! `prune`: what the scheme trains is updated, and nothing is computed that no update needs.

mod common;

use std::collections::BTreeSet;

use common::*;
use tinytrain_ir::{Graph, Op, Scheme, TensorId};

fn scheme(text: &str) -> Scheme {
    Scheme::parse(text, LAYERS).unwrap()
}

#[test]
fn what_is_updated_is_what_the_scheme_trains() {
    let g = differentiated();
    for text in SCHEMES {
        let mut wanted = BTreeSet::from(["HeadUpdate".to_string()]);
        for index in 0..LAYERS {
            let training = scheme(text).training(&g, index);
            if !training.channels.is_empty() {
                wanted.insert(format!("WeightUpdate(LayerId({index}))"));
            }
            if training.bias {
                wanted.insert(format!("BiasUpdate(LayerId({index}))"));
            }
        }
        let found = updates(&specialised(text, "prune"));
        assert_eq!(found.len(), wanted.len(), "{text}");
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted, "{text}");
    }
}

/// Restated the other way round: starting from the roots, whatever yields something that is needed is needed.
fn needed(g: &Graph, roots: &[usize]) -> Vec<usize> {
    let mut nodes: BTreeSet<usize> = roots.iter().copied().collect();
    loop {
        let read: BTreeSet<TensorId> = nodes.iter().flat_map(|&n| g.nodes[n].inputs.clone()).collect();
        let makers = (0..g.nodes.len()).filter(|&n| g.nodes[n].outputs.iter().any(|t| read.contains(t)));
        let before = nodes.len();
        nodes.extend(makers.collect::<Vec<_>>());
        if nodes.len() == before {
            return nodes.into_iter().collect();
        }
    }
}

#[test]
fn nothing_else_is_computed_and_nothing_needed_is_missing() {
    let g = differentiated();
    for text in SCHEMES {
        let pruned = specialised(text, "prune");
        let trained = |op: &Op| match op {
            Op::Head | Op::HeadUpdate => true,
            Op::WeightUpdate(l) => !scheme(text).training(&g, l.index()).channels.is_empty(),
            Op::BiasUpdate(l) => scheme(text).training(&g, l.index()).bias,
            _ => false,
        };
        let roots: Vec<usize> = (0..g.nodes.len()).filter(|&n| trained(&g.nodes[n].op)).collect();
        let wanted: Vec<String> = needed(&g, &roots).into_iter().map(|n| format!("{:?}", g.nodes[n].op)).collect();
        let found: Vec<String> = pruned.nodes.iter().map(|n| format!("{:?}", n.op)).collect();
        assert_eq!(found, wanted, "{text}");
        // A mask is there exactly where something reads it.
        let read: BTreeSet<TensorId> = pruned.nodes.iter().flat_map(|n| n.inputs.clone()).collect();
        for node in forward(&pruned) {
            assert!(node.outputs[1..].iter().all(|mask| read.contains(mask)), "{text}: {}", node.op.name());
        }
        let masks = |g: &Graph| -> usize { forward(g).iter().map(|n| n.outputs.len() - 1).sum() };
        let full: BTreeSet<TensorId> = forward(&g).iter().flat_map(|n| n.outputs[1..].to_vec()).collect();
        assert_eq!(masks(&pruned), full.intersection(&read).count(), "{text}");
    }
}

#[test]
fn the_head_alone_needs_no_gradient_and_no_mask() {
    let g = specialised("head", "prune");
    let made = made(&g);
    assert_eq!((made.get("gradient"), made.get("mask"), made.get("sums")), (None, None, None));
    assert_eq!(backward(&g).len(), 1);
}

#[test]
fn sums_are_of_the_trained_channels_alone() {
    let g = specialised("bias:2,0:1/2,3:1/4", "prune");
    for (index, trained, sums) in [(0, 1, 9 * 4), (3, 2, 6 * 2)] {
        let node = only(&g, |op| matches!(op, Op::ConvWeightGrad(l) if l.index() == index));
        assert_eq!(g.layers[index].geo.trained, trained);
        assert_eq!(g.layers[index].training.channels.len(), trained as usize);
        assert_eq!(g.tensor(node.outputs[0]).shape.len(), sums);
    }
    for index in [1, 2] {
        assert_eq!((g.layers[index].geo.trained, g.layers[index].training.channels.len()), (0, 0));
    }
}

#[test]
fn the_forward_pass_is_that_of_every_scheme() {
    let g = differentiated();
    for text in SCHEMES {
        let pruned = specialised(text, "prune");
        let plain =
            |g: &Graph| forward(g).iter().map(|n| (n.op.clone(), n.inputs.clone(), n.outputs[0])).collect::<Vec<_>>();
        assert_eq!(plain(&pruned), plain(&g), "{text}");
    }
}

#[test]
fn the_scheme_it_is_not_given_does_not_stick() {
    let stages = tinytrain_passes::specialise(&specialised("full", "prune"), &scheme("bias:1")).unwrap();
    let g = stage(&stages, "prune");
    assert!(g.layers.iter().all(|l| l.geo.trained == 0 && l.training.channels.is_empty()));
}
