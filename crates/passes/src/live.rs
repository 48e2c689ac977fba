use tinytrain_ir::{Graph, Op};

/// Dead-code elimination: keeps the nodes for which `root` holds and those that they depend on. Optional masks that no node reads are dropped.
pub fn sweep(graph: &mut Graph, root: impl Fn(&Op) -> bool) {
    let mut wanted = vec![false; graph.tensors.len()];
    for t in &graph.outputs {
        wanted[t.index()] = true;
    }
    let mut keep = vec![false; graph.nodes.len()];
    for (n, node) in graph.nodes.iter().enumerate().rev() {
        keep[n] = root(&node.op) || node.outputs.iter().any(|t| wanted[t.index()]);
        if keep[n] {
            node.inputs.iter().for_each(|t| wanted[t.index()] = true);
        }
    }
    let mut at = 0;
    graph.nodes.retain(|_| {
        at += 1;
        keep[at - 1]
    });
    for node in &mut graph.nodes {
        if node.op.is_forward() && node.outputs.len() == 2 && !wanted[node.outputs[1].index()] {
            node.outputs.pop();
        }
    }
}
