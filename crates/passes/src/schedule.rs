//! Orders the backward pass: updates as soon as their gradient exists, then the node that releases the most memory.

use std::collections::{BTreeMap, BTreeSet};

use tinytrain_ir::{Graph, Op, TensorId};

pub fn run(graph: &Graph) -> Graph {
    let mut g = graph.clone();
    let forward = g.nodes.iter().take_while(|n| n.op.is_forward()).count();
    let order = backward_order(&g, forward);
    let mut nodes = g.nodes[..forward].to_vec();
    nodes.extend(order.iter().map(|&n| g.nodes[n].clone()));
    g.nodes = nodes;
    g
}

fn backward_order(g: &Graph, forward: usize) -> Vec<usize> {
    let producers = g.producers();
    let mut uses = g.uses();
    // Forward nodes have had their uses when the backward pass begins.
    for t in g.nodes[..forward].iter().flat_map(|n| &n.inputs) {
        uses[t.index()] -= 1;
    }
    let readers = weight_readers(g, forward);
    let mut open: BTreeSet<usize> = (forward..g.nodes.len()).collect();
    let mut order = Vec::with_capacity(open.len());
    while !open.is_empty() {
        tinytrain_stop::check();
        let ready = open.iter().copied().filter(|&n| {
            let data = g.nodes[n].inputs.iter().filter_map(|t| producers[t.index()]).all(|p| !open.contains(&p));
            data && readers.get(&n).is_none_or(|r| r.iter().all(|p| !open.contains(p)))
        });
        // Ties go to the original order, in which the set iterates.
        let next = ready
            .min_by_key(|&n| (!g.nodes[n].op.is_update(), growth(g, &uses, n)))
            .expect("a graph in topological order always has a ready node");
        open.remove(&next);
        g.nodes[next].inputs.iter().for_each(|t| uses[t.index()] -= 1);
        order.push(next);
    }
    order
}

/// For each node that changes weights, the nodes that must read them first.
fn weight_readers(g: &Graph, forward: usize) -> BTreeMap<usize, Vec<usize>> {
    let mut readers = BTreeMap::new();
    for n in forward..g.nodes.len() {
        let reads = |op: &Op| match (&g.nodes[n].op, op) {
            (Op::WeightUpdate(l) | Op::ConvWeightStep(l), Op::ConvInputGrad(m)) => l == m,
            (Op::HeadUpdate, Op::HeadInputGrad) => true,
            _ => false,
        };
        let before: Vec<usize> = (forward..g.nodes.len()).filter(|&m| reads(&g.nodes[m].op)).collect();
        if !before.is_empty() {
            readers.insert(n, before);
        }
    }
    readers
}

/// Bytes by which the live set grows if `n` runs next.
fn growth(g: &Graph, uses: &[usize], n: usize) -> i64 {
    let bytes = |t: &TensorId| g.tensor(*t).bytes() as i64;
    let made: i64 = g.nodes[n].outputs.iter().map(bytes).sum();
    let freed: i64 = g.nodes[n].inputs.iter().filter(|t| uses[t.index()] == 1).map(bytes).sum();
    made - freed
}
