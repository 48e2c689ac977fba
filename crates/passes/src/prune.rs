//! Keeps the updates that a scheme asks for and the nodes that they depend on.

use tinytrain_ir::{Graph, IrError, Op, Scheme};

use crate::live::sweep;

pub fn run(graph: &Graph, scheme: &Scheme) -> Result<Graph, IrError> {
    let mut g = graph.clone();
    for i in 0..g.layers.len() {
        let training = scheme.training(graph, i);
        g.layers[i].geo.trained = training.channels.len() as i32;
        g.layers[i].training = training;
    }
    let layers = &g.layers;
    g.nodes.retain(|n| match n.op {
        Op::WeightUpdate(l) => !layers[l.index()].training.channels.is_empty(),
        Op::BiasUpdate(l) => layers[l.index()].training.bias,
        _ => true,
    });
    for n in 0..g.nodes.len() {
        // A weight gradient now covers the trained channels only.
        if let Op::ConvWeightGrad(l) = g.nodes[n].op {
            let layer = g.layer(l);
            let trained = layer.training.channels.len() * layer.weights_per_channel();
            let sums = g.nodes[n].outputs[0];
            g.tensors[sums.index()].shape.c = trained;
        }
    }
    sweep(&mut g, |op| op.is_update() || *op == Op::Head);
    Ok(g)
}
