//! `fuse`: a gradient of weights or biases is applied where it is made, and no sums exist.

mod common;

use common::*;
use tinytrain_ir::{Graph, Node, Op, Scheme};
use tinytrain_passes::specialise;

fn both(scheme: &str) -> (Graph, Graph) {
    let stages = specialise(&differentiated(), &Scheme::parse(scheme, LAYERS).unwrap()).unwrap();
    (stage(&stages, "prune").clone(), stage(&stages, "fuse").clone())
}

#[test]
fn an_update_reads_what_its_gradient_read_and_the_rest_stays_in_place() {
    for scheme in SCHEMES {
        let (before, after) = both(scheme);
        let fused = |n: &Node| -> Option<Node> {
            let op = match n.op {
                Op::ConvWeightGrad(_) | Op::ConvBiasGrad(_) => return None,
                Op::WeightUpdate(l) => Op::ConvWeightStep(l),
                Op::BiasUpdate(l) => Op::ConvBiasStep(l),
                _ => return Some(n.clone()),
            };
            Some(Node { op, inputs: maker(&before, n.inputs[0]).inputs.clone(), ..n.clone() })
        };
        let wanted: Vec<Node> = before.nodes.iter().filter_map(fused).collect();
        assert_eq!(texts(&after, &after.nodes), texts(&before, &wanted), "{scheme}");
        assert_eq!(made(&after).get("sums"), None, "{scheme}");
    }
}

#[test]
fn weights_and_biases_of_a_layer_each_have_their_step() {
    let (_, g) = both("bias:1,3:1/2");
    assert_eq!(updates(&g), ["HeadUpdate", "ConvWeightStep(LayerId(3))", "ConvBiasStep(LayerId(3))"]);
    let weights = only(&g, |op| matches!(op, Op::ConvWeightStep(_)));
    let biases = only(&g, |op| matches!(op, Op::ConvBiasStep(_)));
    assert_eq!(weights.inputs[..1], biases.inputs[..]);
}
