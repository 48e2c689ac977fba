//! Applies a gradient as it is computed: `gradient -> sums -> update` becomes one node, and the int32 sums never exist as a tensor.

use tinytrain_ir::{Graph, Op};

pub fn run(graph: &Graph) -> Graph {
    let mut g = graph.clone();
    let producers = g.producers();
    let mut dead = vec![false; g.nodes.len()];
    for n in 0..g.nodes.len() {
        let fused = match g.nodes[n].op {
            Op::WeightUpdate(l) => Op::ConvWeightStep(l),
            Op::BiasUpdate(l) => Op::ConvBiasStep(l),
            _ => continue,
        };
        let Some(source) = producers[g.nodes[n].inputs[0].index()] else { continue };
        g.nodes[n].inputs = g.nodes[source].inputs.clone();
        g.nodes[n].op = fused;
        dead[source] = true;
    }
    let mut at = 0;
    g.nodes.retain(|_| {
        at += 1;
        !dead[at - 1]
    });
    g
}
