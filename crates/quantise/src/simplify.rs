//! Fewer operations of the same function: scales and shifts go into the weights before them, bounds into the operation that yields what they bound.

use crate::graph::{Bounds, Conv, Network, Node, Op, ValueId, Window};

/// A depthwise convolution of one element: a scale and a shift for each channel.
fn affine(op: &Op) -> Option<&Conv> {
    match op {
        Op::Conv(c) if c.depthwise && c.window == Window::ONE && c.weights.len() == c.outputs => Some(c),
        _ => None,
    }
}

/// `then` of what `op` yields, as one operation.
fn scaled(op: &Op, then: &Conv) -> Option<Op> {
    let fold = |c: &Conv| {
        let mut c = c.clone();
        for i in 0..c.weights.len() {
            c.weights[i] *= then.weights[c.channel(i)];
        }
        for ((b, s), t) in c.bias.iter_mut().zip(&then.weights).zip(&then.bias) {
            *b = *b * s + t;
        }
        c
    };
    match op {
        Op::Conv(c) => Some(Op::Conv(fold(c))),
        Op::Dense(c) => Some(Op::Dense(fold(c))),
        _ => None,
    }
}

/// Whether a `.tflite` has a fused activation for the operation.
fn bounds_fuse(op: &Op) -> bool {
    matches!(op, Op::Conv(_) | Op::Dense(_) | Op::Add | Op::Mul | Op::MaxPool(_) | Op::AveragePool(_) | Op::Bounded)
}

/// One operation in place of two, if the second can go into the first.
fn merged(first: &Node, second: &Node) -> Option<Node> {
    if second.op_is_bounds() && bounds_fuse(&first.op) {
        return Some(Node { bounds: first.bounds.and(second.bounds), output: second.output, ..first.clone() });
    }
    let then = affine(&second.op)?;
    let op = (first.bounds == Bounds::NONE).then(|| scaled(&first.op, then))??;
    Some(Node { op, inputs: first.inputs.clone(), output: second.output, bounds: second.bounds })
}

impl Node {
    fn op_is_bounds(&self) -> bool {
        matches!(self.op, Op::Bounded)
    }
}

/// The same function with fewer operations; values keep their numbers.
pub fn simplified(mut net: Network) -> Network {
    let mut needed = vec![false; net.values.len()];
    needed[net.output] = true;
    for node in net.nodes.iter().rev() {
        if needed[node.output] {
            node.inputs.iter().for_each(|&i| needed[i] = true);
        }
    }
    net.nodes.retain(|n| needed[n.output]);
    let mut at = 0;
    while at < net.nodes.len() {
        match merge_at(&net, at) {
            // The one before may have merged with what this one was: nodes keep their order.
            Some((first, node)) => {
                net.nodes[at] = node;
                net.nodes.remove(first);
                at = at.saturating_sub(1);
            }
            None => at += 1,
        }
    }
    net
}

fn merge_at(net: &Network, at: usize) -> Option<(usize, Node)> {
    let second = &net.nodes[at];
    let &[x] = &second.inputs[..] else { return None };
    let readers = |v: ValueId| net.nodes.iter().flat_map(|n| &n.inputs).filter(|&&i| i == v).count();
    // What the file has quantised, others read or the caller gets stays a value.
    if net.values[x].stated.is_some() || x == net.output || readers(x) != 1 {
        return None;
    }
    let first = net.nodes[..at].iter().position(|n| n.output == x)?;
    Some((first, merged(&net.nodes[first], second)?))
}
