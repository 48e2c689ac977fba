//! `schedule`: the backward pass in an order that holds little memory.

mod common;

use std::collections::BTreeSet;

use common::*;
use tinytrain_ir::{Graph, Op, PoolSpec, Scheme, Shape, TensorId};
use tinytrain_passes::{differentiate, specialise};

fn both(g: &Graph, scheme: &str) -> (Graph, Graph) {
    let stages = specialise(g, &Scheme::parse(scheme, g.layers.len()).unwrap()).unwrap();
    (stage(&stages, "gather").clone(), stage(&stages, "schedule").clone())
}

/// Two branches of very different size meet in a fan-out: the order of the backward pass matters for memory.
fn branches() -> Graph {
    let mut b = builder(Shape::new(8, 8, 2));
    let x = b.input();
    let a = pointwise(&mut b, x, 4, quant(1));
    let wide = pointwise(&mut b, a, 32, quant(2));
    let narrow = pointwise(&mut b, wide, 4, quant(3));
    let window = PoolSpec::same(b.shape(a), [3, 3], [1, 1]);
    let depthwise = conv(&mut b, a, true, 4, window, quant(4));
    let sum = b.add(narrow, depthwise, quant(5), BOUNDS).unwrap();
    let wide = pointwise(&mut b, sum, 24, quant(6));
    let last = pointwise(&mut b, wide, 4, quant(7));
    let both = b.add(sum, last, quant(9), BOUNDS).unwrap();
    let g = b.finish(vec![both]).unwrap();
    stage(&differentiate(&g, CLASSES, 0).unwrap(), "autodiff").clone()
}

fn graphs() -> Vec<(Graph, &'static str)> {
    let mut all: Vec<(Graph, &str)> = SCHEMES.into_iter().map(|s| (differentiated(), s)).collect();
    all.extend(["head", "bias:5", "full", "bias:0,1:1/2", "bias:2,0:1,4:1/4"].map(|s| (branches(), s)));
    all
}

#[test]
fn the_same_nodes_and_the_forward_pass_as_it_was() {
    for (g, scheme) in graphs() {
        let (before, after) = both(&g, scheme);
        assert_eq!(texts(&after, forward(&after)), texts(&before, forward(&before)), "{scheme}");
        let set = |g: &Graph| texts(g, backward(g)).into_iter().collect::<BTreeSet<_>>();
        assert_eq!(set(&after), set(&before), "{scheme}");
        assert_eq!(after.nodes.len(), before.nodes.len());
    }
}

/// The state of ordering the backward pass, kept without counting: sets of nodes that have run.
struct Replay<'a> {
    g: &'a Graph,
    done: BTreeSet<usize>,
    forward: usize,
}

impl<'a> Replay<'a> {
    fn new(g: &'a Graph) -> Self {
        Self { g, done: BTreeSet::new(), forward: forward(g).len() }
    }

    fn open(&self) -> Vec<usize> {
        (self.forward..self.g.nodes.len()).filter(|n| !self.done.contains(n)).collect()
    }

    /// Whether everything it reads exists, and whoever must read the weights before it changes them has.
    fn ready(&self, n: usize) -> bool {
        let node = &self.g.nodes[n];
        let open = self.open();
        let data = open.iter().all(|&m| self.g.nodes[m].outputs.iter().all(|t| !node.inputs.contains(t)));
        let reads = |m: &usize| match (&node.op, &self.g.nodes[*m].op) {
            (Op::ConvWeightStep(l), Op::ConvInputGrad(k)) => l == k,
            (Op::HeadUpdate, Op::HeadInputGrad) => true,
            _ => false,
        };
        data && !open.iter().any(reads)
    }

    /// Bytes of the tensors that a backward node still needs or that are made by one and wanted later.
    fn live(&self, done: &BTreeSet<usize>) -> i64 {
        let open: Vec<usize> = (self.forward..self.g.nodes.len()).filter(|n| !done.contains(n)).collect();
        let wanted: BTreeSet<TensorId> = open.iter().flat_map(|&n| self.g.nodes[n].inputs.clone()).collect();
        let exists = |t: &TensorId| !open.iter().any(|&n| self.g.nodes[n].outputs.contains(t));
        wanted.iter().filter(|t| exists(t)).map(|t| self.g.tensor(*t).bytes() as i64).sum()
    }

    /// By how much running `n` next changes what is live.
    fn growth(&self, n: usize) -> i64 {
        let mut after = self.done.clone();
        after.insert(n);
        self.live(&after) - self.live(&self.done)
    }
}

#[test]
fn an_update_as_soon_as_it_can_run_then_whatever_leaves_least_alive() {
    let mut choices = 0;
    for (g, scheme) in graphs() {
        // Numbered in the order before scheduling, which breaks ties.
        let (before, after) = both(&g, scheme);
        let mut replay = Replay::new(&before);
        let numbers = texts(&before, &before.nodes);
        for node in texts(&after, backward(&after)) {
            let chosen = numbers.iter().position(|text| *text == node).unwrap();
            assert!(replay.ready(chosen), "{scheme}: {node} has nothing to work on yet");
            let ready: Vec<usize> = replay.open().into_iter().filter(|&n| replay.ready(n)).collect();
            let key = |n: usize| (!before.nodes[n].op.is_update(), replay.growth(n), n);
            assert_eq!(Some(chosen), ready.iter().copied().min_by_key(|&n| key(n)), "{scheme}: {node}");
            let others = ready.iter().any(|&n| n != chosen && replay.growth(n) != replay.growth(chosen));
            choices += (others && !before.nodes[chosen].op.is_update()) as usize;
            replay.done.insert(chosen);
        }
    }
    // Otherwise the sign of the growth would not matter.
    assert!(choices >= 10, "only {choices} choices between nodes of different growth");
}
