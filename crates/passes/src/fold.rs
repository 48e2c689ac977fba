//! Folds padding into the convolutions that read it: a tap in the padding adds nothing, and neither does the zero point.
//! Padding that whole windows lie in stays a step of its own: kernels take windows that touch their input.

use tinytrain_ir::{Graph, Op};
use tinytrain_spec::params::ConvParams;

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
            let folded = ConvParams {
                pad_top: geo.pad_top + top as i32,
                pad_left: geo.pad_left + left as i32,
                in_h: shape.h as i32,
                in_w: shape.w as i32,
                ..*geo
            };
            if !folded.windows_touch() {
                break;
            }
            *geo = folded;
            g.nodes[n].inputs[0] = source;
        }
    }
    sweep(&mut g, |op| *op == Op::Head);
    g
}
