//! A small network with every op that has a gradient, and what the tests ask of a graph.
#![allow(dead_code)]

use std::collections::BTreeMap;

use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, Kind, Node, Op, PoolSpec, Quant, Scheme, Shape, TensorId};
use tinytrain_passes::{Stage, differentiate, specialise};
use tinytrain_spec::random::mix;

pub const CLASSES: usize = 3;
pub const BOUNDS: (i32, i32) = (-128, 127);

/// Quantisation of a map; each its own.
pub fn quant(n: i32) -> Quant {
    Quant { scale: 0.05 + 0.001 * n as f64, zero: n - 8 }
}

pub fn builder(shape: Shape) -> GraphBuilder {
    GraphBuilder::new("net", shape, quant(0), None).unwrap()
}

/// A convolution with weights that depend on `y` alone.
pub fn conv(b: &mut GraphBuilder, x: TensorId, depthwise: bool, out_c: usize, window: PoolSpec, y: Quant) -> TensorId {
    let taps = window.kernel[0] * window.kernel[1] * if depthwise { 1 } else { b.shape(x).c };
    let weight = |i: usize| (mix(y.scale.to_bits() ^ i as u64) % 255) as i32 - 127;
    let spec = ConvSpec {
        window,
        depthwise,
        weights: (0..taps * out_c).map(|i| weight(i) as i8).collect(),
        bias: (0..out_c as i32).map(|c| 100 * c - 50).collect(),
        w_scales: (0..out_c).map(|c| 0.01 + 0.001 * c as f64).collect(),
        y,
        bounds: BOUNDS,
    };
    b.conv(x, spec).unwrap()
}

pub fn pointwise(b: &mut GraphBuilder, x: TensorId, out_c: usize, y: Quant) -> TensorId {
    let window = PoolSpec::valid(b.shape(x), [1, 1], [1, 1]);
    conv(b, x, false, out_c, window, y)
}

pub const LAYERS: usize = 4;

/// Padding, three kinds of convolution, a fan-out with ADD, REQUANTIZE, both pools, CONCATENATION, RESHAPE, MEAN; then a classifier with SOFTMAX.
pub fn network() -> Graph {
    let mut b = builder(Shape::new(8, 8, 2));
    let x = b.input();
    let padded = b.pad(x, [1, 1, 1, 1]).unwrap();
    let window = PoolSpec::valid(b.shape(padded), [3, 3], [1, 1]);
    let a = conv(&mut b, padded, false, 4, window, quant(1));
    let window = PoolSpec::same(b.shape(a), [3, 3], [1, 1]);
    let d = conv(&mut b, a, true, 4, window, quant(2));
    let p = pointwise(&mut b, d, 4, quant(3));
    let sum = b.add(a, p, quant(4), BOUNDS).unwrap();
    let r = b.requantize(sum, quant(5), (-100, 100)).unwrap();
    let window = PoolSpec::same(b.shape(r), [2, 2], [2, 2]);
    let m = b.pool(r, window, true, BOUNDS).unwrap();
    let v = b.pool(r, window, false, BOUNDS).unwrap();
    let c = b.concat(&[m, v], 2).unwrap();
    let flat = b.reshape(c, Shape::new(2, 8, 8)).unwrap();
    let e = pointwise(&mut b, flat, 6, quant(6));
    let mean = b.mean(e, quant(7)).unwrap();
    let logits = pointwise(&mut b, mean, 5, quant(9));
    let y = b.softmax(logits, 1.0, Quant { scale: 1.0 / 256.0, zero: -128 }).unwrap();
    b.finish(vec![y]).unwrap()
}

pub fn stage<'a>(stages: &'a [Stage], name: &str) -> &'a Graph {
    &stages.iter().find(|s| s.name == name).expect("a stage of this name").graph
}

/// The differentiated network.
pub fn differentiated() -> Graph {
    stage(&differentiate(&network(), CLASSES, 1).unwrap(), "autodiff").clone()
}

/// A stage of the network under a scheme.
pub fn specialised(scheme: &str, name: &str) -> Graph {
    let g = differentiated();
    stage(&specialise(&g, &Scheme::parse(scheme, LAYERS).unwrap()).unwrap(), name).clone()
}

pub const SCHEMES: [&str; 7] = ["head", "bias:1", "bias:4", "full", "bias:0,1:1", "bias:2,0:1/2,3:1/4", "bias:1,2:1/2"];

pub fn names(g: &Graph) -> Vec<&'static str> {
    g.nodes.iter().map(|n| n.op.name()).collect()
}

pub fn forward(g: &Graph) -> &[Node] {
    &g.nodes[..g.nodes.iter().take_while(|n| n.op.is_forward()).count()]
}

pub fn backward(g: &Graph) -> &[Node] {
    &g.nodes[forward(g).len()..]
}

/// A node as text, its tensors by what they are: comparable between graphs.
pub fn text(g: &Graph, n: &Node) -> String {
    let list = |ts: &[TensorId]| ts.iter().map(|t| format!("{} {}", t.0, g.tensor(*t).shape)).collect::<Vec<_>>();
    format!("{:?} {:?} -> {:?}", n.op, list(&n.inputs), list(&n.outputs))
}

pub fn texts(g: &Graph, nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|n| text(g, n)).collect()
}

/// The node that yields a tensor.
pub fn maker(g: &Graph, t: TensorId) -> &Node {
    g.nodes.iter().find(|n| n.outputs.contains(&t)).expect("something yields it")
}

/// How many tensors of the graph are written by nodes, by what they hold.
pub fn made(g: &Graph) -> BTreeMap<&'static str, usize> {
    let mut count = BTreeMap::new();
    for t in g.nodes.iter().flat_map(|n| &n.outputs) {
        let kind = match g.tensor(*t).kind {
            Kind::Activation(_) => "activation",
            Kind::Mask => "mask",
            Kind::Gradient(_) => "gradient",
            Kind::Error => "error",
            Kind::Sums => "sums",
        };
        *count.entry(kind).or_default() += 1;
    }
    count
}

/// Whether a node updates something.
pub fn updates(g: &Graph) -> Vec<String> {
    g.nodes.iter().filter(|n| n.op.is_update()).map(|n| format!("{:?}", n.op)).collect()
}

/// An op that a graph has once.
pub fn only(g: &Graph, wanted: impl Fn(&Op) -> bool) -> &Node {
    let mut found = g.nodes.iter().filter(|n| wanted(&n.op));
    let node = found.next().expect("the op is there");
    assert!(found.next().is_none(), "the op is there more than once");
    node
}
