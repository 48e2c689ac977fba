//! Replaces the classifier by a trainable head.

use std::collections::BTreeSet;

use tinytrain_ir::{Function, Graph, Head, HeadRow, IrError, Kind, Layer, LayerId, Node, Op, Origin, Shape, TensorId};
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, Requant, exp2i, round_half_up, sat32};
use tinytrain_spec::params::MeanParams;

use crate::live::sweep;

/// Fewest and most classes of a head.
const CLASSES: std::ops::RangeInclusive<usize> = 2..=1000;
/// Most features: int64 logits and the products of the update have room for many more, but a device does not.
const MAX_FEATURES: usize = 1 << 16;

pub fn run(graph: &Graph, classes: usize, seed: u64) -> Result<Graph, IrError> {
    if !CLASSES.contains(&classes) {
        return Err(unsupported(format!("{classes} classes; a head has {} to {}", CLASSES.start(), CLASSES.end())));
    }
    let mut g = graph.clone();
    let map = feature_map(graph)?;
    let features = as_vector(&mut g, map);
    let shape = g.tensor(features).shape;
    if shape.c > MAX_FEATURES {
        return Err(unsupported(format!("a head on {} features; at most {MAX_FEATURES} are supported", shape.c)));
    }
    let quant = g.tensor(features).quant().expect("a forward graph holds activations only");
    let error = g.push_tensor("error".into(), Shape::new(1, 1, classes), Kind::Error);
    g.nodes.push(Node { op: Op::Head, inputs: vec![features], outputs: vec![error], origin: Origin::default() });
    g.outputs.clear();
    sweep(&mut g, |op| *op == Op::Head);
    let remaining = layers_of(&g)?;
    g.layers.truncate(remaining);
    g.head = Some(Head { features, quant, classes, seed, rows: vec![None; classes] });
    Ok(g)
}

/// Number of convolutions that remain when a head replaces the classifier: the first ones of the model.
pub fn backbone(graph: &Graph) -> Result<usize, IrError> {
    let mut g = graph.clone();
    g.outputs = vec![feature_map(graph)?];
    sweep(&mut g, |_| false);
    layers_of(&g)
}

/// Number of convolutions to which the nodes of a graph refer. Layers are numbered in order of execution and the classifier comes last, so dropped
/// layers are at the end.
fn layers_of(g: &Graph) -> Result<usize, IrError> {
    let remaining: BTreeSet<_> = g.nodes.iter().filter_map(|n| n.op.layer()).collect();
    if remaining.iter().enumerate().any(|(i, l)| i != l.index()) {
        return Err(unsupported("convolutions that do not feed the classifier".into()));
    }
    Ok(remaining.len())
}

fn unsupported(what: String) -> IrError {
    IrError::Unsupported { place: "classifier".into(), what }
}

/// The tensors that a tensor is computed from, itself included.
fn sources(graph: &Graph, t: TensorId) -> BTreeSet<TensorId> {
    let mut found = BTreeSet::from([t]);
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|t| found.contains(t)) {
            found.extend(&node.inputs);
        }
    }
    found
}

/// The last tensor on which all outputs depend: the output itself, if there is one; of several, where their paths part. An output from which another
/// is computed (features beside the scores) does not count.
fn common(graph: &Graph) -> Result<TensorId, IrError> {
    let inner: BTreeSet<TensorId> =
        graph.outputs.iter().flat_map(|&o| sources(graph, o).into_iter().filter(move |&t| t != o)).collect();
    // Tensors still wanted after a node, from the last node backwards. Where there is one, everything behind depends on it.
    let mut wanted: BTreeSet<TensorId> = graph.outputs.iter().copied().filter(|o| !inner.contains(o)).collect();
    if let (1, Some(&output)) = (wanted.len(), wanted.first()) {
        return Ok(output);
    }
    for node in graph.nodes.iter().rev() {
        if !node.outputs.iter().any(|t| wanted.contains(t)) {
            continue;
        }
        if let (1, Some(&t)) = (wanted.len(), wanted.first()) {
            return Ok(t);
        }
        node.outputs.iter().for_each(|t| _ = wanted.remove(t));
        wanted.extend(&node.inputs);
    }
    Err(unsupported(format!("a model with {} outputs that have no features in common", graph.outputs.len())))
}

/// What a model's classifier reads, and its convolution if it has one.
struct Found {
    features: TensorId,
    layer: Option<LayerId>,
}

/// Where the head is placed. Ignoring SOFTMAX, LOGISTIC, RESHAPE and pooling at the end, the last convolution is a classifier if it is 1x1 and either
/// reads a single pixel or is followed by SOFTMAX; the head then takes its input. Otherwise there is no classifier and the head takes the model's
/// output. Of several outputs, the end is the last tensor on which all depend.
fn find(graph: &Graph) -> Result<Found, IrError> {
    if let Some(classifier) = &graph.classifier {
        return Ok(Found { features: classifier.features, layer: None });
    }
    let output = common(graph)?;
    let producers = graph.producers();
    let (mut t, mut softmax, mut plain) = (output, false, output);
    while let Some(n) = producers[t.index()] {
        let node = &graph.nodes[n];
        match &node.op {
            Op::Softmax(_) => {
                softmax = true;
                plain = node.inputs[0];
            }
            Op::Lookup(l) if l.function == Function::Logistic => {}
            Op::Reshape | Op::Mean(..) | Op::AveragePool(_) => {}
            Op::Conv(l) => {
                let geo = &graph.layer(*l).geo;
                let single = geo.in_h * geo.in_w == 1;
                let pointwise = geo.kh * geo.kw == 1 && !graph.layer(*l).depthwise;
                let classifies = pointwise && (single || softmax);
                return Ok(if classifies {
                    Found { features: node.inputs[0], layer: Some(*l) }
                } else {
                    Found { features: plain, layer: None }
                });
            }
            _ => break,
        }
        t = node.inputs[0];
    }
    Ok(Found { features: plain, layer: None })
}

fn feature_map(graph: &Graph) -> Result<TensorId, IrError> {
    Ok(find(graph)?.features)
}

/// The model's own classifier as rows of a head, one for each of its classes; none if it has no classifier.
///
/// # Errors
/// A model that cannot have a head.
pub fn classifier(graph: &Graph) -> Result<Option<Vec<HeadRow>>, IrError> {
    if let Some(classifier) = &graph.classifier {
        return Ok(Some(classifier.rows.clone()));
    }
    Ok(find(graph)?.layer.map(|l| rows_of(graph.layer(l))))
}

/// A convolution of single pixels as rows of a head. Its int8 weights get the 13 fraction bits of the head's; where some would leave int16, all logits are
/// halved until none does, which changes no order of classes.
fn rows_of(layer: &Layer) -> Vec<HeadRow> {
    let features = layer.geo.in_c as usize;
    let weight = |o: usize, w: i8| f64::from(w) * layer.w_scales[o] * exp2i(HEAD_FRACTION_BITS);
    let own = |o: usize| &layer.weights[o * features..][..features];
    let largest =
        (0..layer.bias.len()).flat_map(|o| own(o).iter().map(move |&w| weight(o, w).abs())).fold(0.0, f64::max);
    let unit =
        (0..).map(|n| exp2i(-n)).find(|u| largest * u <= 32767.0).expect("a finite number is halved below any bound");
    let row = |o: usize| HeadRow {
        weights: own(o).iter().map(|&w| round_half_up(weight(o, w) * unit) as i16).collect(),
        // The head's unit is the features' scale times 2^-13.
        bias: sat32(
            round_half_up(f64::from(layer.bias[o]) * layer.w_scales[o] * exp2i(HEAD_FRACTION_BITS) * unit) as i64
        ),
    };
    (0..layer.bias.len()).map(row).collect()
}

/// The mean of a map over rows and columns, with the map's own quantisation and rounded to nearest; a vector is returned unchanged.
fn as_vector(g: &mut Graph, map: TensorId) -> TensorId {
    let tensor = g.tensor(map);
    let (shape, quant) = (tensor.shape, tensor.quant().expect("a forward graph holds activations only"));
    if shape.pixels() == 1 {
        return map;
    }
    let ratio = 1.0 / shape.pixels() as f64;
    let r = Requant::from_scale(ratio).expect("a mean's scale is at most 1");
    let params = MeanParams {
        pixels: shape.pixels() as i32,
        c: shape.c as i32,
        x_zero: quant.zero,
        y_zero: quant.zero,
        m: r.m,
        left: r.shift as i32,
        lo: -128,
        hi: 127,
    };
    let y = g.push_tensor("features".into(), Shape::new(1, 1, shape.c), Kind::Activation(quant));
    g.nodes.push(Node { op: Op::Mean(params, ratio), inputs: vec![map], outputs: vec![y], origin: Origin::default() });
    y
}
