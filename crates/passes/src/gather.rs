//! Keeps of a tensor for the backward pass only what a weight update reads: the trained channels of a convolution's input, copied while the input is there.

use std::sync::Arc;

use tinytrain_ir::{Graph, LayerId, MovedBox, Movement, Node, Op, Shape, Steps, TensorId};

/// A copy pays where it leaves out at least this share of the channels, one in so many: the input lives beside it for some steps.
const LEFT_OUT: usize = 2;

pub fn run(graph: &Graph) -> Graph {
    let mut g = graph.clone();
    for step in 0..graph.nodes.len() {
        if let Op::ConvWeightStep(l) = graph.nodes[step].op {
            gather(&mut g, l);
        }
    }
    g
}

fn gather(g: &mut Graph, l: LayerId) {
    let reads = |n: &Node, t: TensorId| n.inputs.contains(&t);
    let is_step = |n: &Node| n.op == Op::ConvWeightStep(l);
    let Some(step) = g.nodes.iter().position(is_step) else { return };
    let layer = g.layer(l);
    let (x, channels) = (g.nodes[step].inputs[1], layer.training.channels.clone());
    let shape = g.tensor(x).shape;
    // The channels of a depthwise convolution are as many for its gradient, which is read as well.
    if layer.depthwise || channels.len() * LEFT_OUT > shape.c || x == g.input || g.outputs.contains(&x) {
        return;
    }
    let others = g.nodes.iter().filter(|n| !n.op.is_forward() && reads(n, x));
    if others.count() > 1 {
        return;
    }
    let Some(conv) = g.nodes.iter().position(|n| n.op == Op::Conv(l)) else { return };
    let last = g.nodes.iter().rposition(|n| n.op.is_forward() && reads(n, x)).unwrap_or(conv);
    // As late as the whole input is there anyway: before its last reader, which may work in place, and never before the convolution, up to which another
    // scheme may have computed the same.
    let at = last.max(conv + 1);
    let kept = Shape::new(shape.h, shape.w, channels.len());
    let name = format!("{} of {} channels of {}", kept.c, shape.c, g.tensor(x).name);
    let kind = g.tensor(x).kind.clone();
    let y = g.push_tensor(name, kept, kind);
    let op = Op::Move(Arc::new(Movement { name: "GATHER", boxes: boxes(&channels, shape, kept), repeats: false }));
    let origin = g.nodes[conv].origin;
    g.nodes[step].inputs[1] = y;
    g.nodes.insert(at, Node { op, inputs: vec![x], outputs: vec![y], origin });
}

/// One box for each run of neighbouring channels.
fn boxes(channels: &[u16], from: Shape, to: Shape) -> Vec<MovedBox> {
    let mut at = 0;
    let runs = channels.chunk_by(|a, b| a + 1 == *b).map(|run| {
        let size = Shape::new(from.h, from.w, run.len());
        let moved =
            MovedBox { size, from: Steps::dense(from, [0, 0, run[0].into()]), to: Steps::dense(to, [0, 0, at]) };
        at += run.len();
        moved
    });
    runs.collect()
}
