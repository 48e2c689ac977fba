//! Folds padding into the convolutions that read it: a tap in the padding adds nothing, and neither does the zero point.

use tinytrain_ir::{Graph, Op};

use crate::live::sweep;

pub fn run(graph: &Graph) -> Graph {
    let mut g = graph.clone();
    let producers = g.producers();
    for n in 0..g.nodes.len() {
        let Op::Conv(layer) = g.nodes[n].op else { continue };
        while let Some(p) = producers[g.nodes[n].inputs[0].index()] {
            let Op::Pad { top, left } = g.nodes[p].op else { break };
            let source = g.nodes[p].inputs[0];
            let shape = g.tensor(source).shape;
            let geo = &mut g.layers[layer.index()].geo;
            geo.pad_top += top as i32;
            geo.pad_left += left as i32;
            (geo.in_h, geo.in_w) = (shape.h as i32, shape.w as i32);
            g.nodes[n].inputs[0] = source;
        }
    }
    sweep(&mut g, |op| *op == Op::Head);
    g
}
