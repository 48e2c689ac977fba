//! The verifier: graphs that the passes made are right, and each way to spoil one is refused with the node and the rule.

mod common;

use common::*;
use tinytrain_ir::{Graph, Kind, LayerId, Op, Scheme, Shape, TensorId, Wrt};
use tinytrain_passes::specialise;

fn differentiated_and_fused() -> [Graph; 2] {
    [specialised("full", "prune"), specialised("bias:4,1:1/2,3:1/4", "schedule")]
}

fn rejection(g: &Graph) -> String {
    let error = g.verify("spoiled").expect_err("a broken graph is refused");
    assert_eq!(error.code(), "INTERNAL");
    error.to_string()
}

/// Spoils the first node of this name, and expects to be told which node it was and `says`.
fn spoiled(name: &str, says: &str, spoil: impl Fn(&mut Graph, usize)) {
    let mut met = false;
    for mut g in differentiated_and_fused() {
        g.verify("before").unwrap();
        let Some(n) = g.nodes.iter().position(|n| n.op.name() == name) else { continue };
        spoil(&mut g, n);
        let text = rejection(&g);
        assert!(text.contains(says) && text.contains(&format!("({name})")), "{name}: {text}");
        met = true;
    }
    assert!(met, "no graph has {name}");
}

fn nowhere(g: &Graph) -> TensorId {
    TensorId(g.tensors.len() as u32)
}

/// A tensor like another, and written by nothing; put in its place.
fn replaced(g: &mut Graph, t: TensorId, change: impl Fn(&mut tinytrain_ir::Tensor)) -> TensorId {
    let mut tensor = g.tensor(t).clone();
    change(&mut tensor);
    g.tensors.push(tensor);
    TensorId(g.tensors.len() as u32 - 1)
}

const OPS: [&str; 28] = [
    "conv",
    "add",
    "average_pool",
    "max_pool",
    "mean",
    "requantize",
    "pad",
    "concat",
    "reshape",
    "move",
    "softmax",
    "head",
    "head_input_grad",
    "head_update",
    "conv_acc_grad",
    "conv_input_grad",
    "conv_weight_grad",
    "conv_bias_grad",
    "weight_update",
    "bias_update",
    "conv_weight_step",
    "conv_bias_step",
    "grad_scale",
    "grad_sum",
    "average_pool_grad",
    "max_pool_grad",
    "grad_crop",
    "grad_reshape",
];

/// Graphs in which each op stands somewhere: as imported, differentiated, scheduled.
fn every() -> Vec<Graph> {
    let mut all = vec![network()];
    all.extend(differentiated_and_fused());
    all
}

/// Every node of every graph spoiled in one way, each refused; the ops it was done to.
fn each_node(spoil: impl Fn(&mut Graph, usize) -> bool) -> std::collections::BTreeSet<&'static str> {
    let mut met = std::collections::BTreeSet::new();
    for good in every() {
        for n in 0..good.nodes.len() {
            let mut g = good.clone();
            if spoil(&mut g, n) {
                rejection(&g);
                met.insert(good.nodes[n].op.name());
            }
        }
    }
    met
}

#[test]
fn every_op_stands_in_one_of_the_graphs() {
    let found = each_node(|g, n| {
        g.nodes[n].inputs.clear();
        true
    });
    assert_eq!(found, OPS.into_iter().collect());
}

#[test]
fn a_tensor_is_read_before_it_is_written() {
    spoiled("conv", "before it is written", |g, n| g.nodes.swap(n, n + 1));
    let unwritten = each_node(|g, n| {
        let x = g.nodes[n].inputs[0];
        g.nodes[n].inputs[0] = replaced(g, x, |_| {});
        true
    });
    assert_eq!(unwritten.len(), OPS.len());
}

#[test]
fn a_tensor_does_not_exist() {
    spoiled("conv", "reads a tensor that does not exist", |g, n| g.nodes[n].inputs[0] = nowhere(g));
    spoiled("conv", "writes a tensor that does not exist", |g, n| g.nodes[n].outputs[0] = nowhere(g));
    let mut g = network();
    g.outputs = vec![nowhere(&g)];
    assert!(rejection(&g).contains("is never written"));
    g.input = nowhere(&g);
    assert!(rejection(&g).contains("the input"));
}

#[test]
fn a_tensor_is_written_twice() {
    spoiled("conv", "a second time", |g, n| g.nodes[n].outputs[0] = g.input);
    each_node(|g, n| {
        let again = g.nodes[n].clone();
        let writes = !again.outputs.is_empty();
        g.nodes.insert(n, again);
        writes
    });
}

#[test]
fn an_output_is_never_written() {
    let mut g = network();
    let classifier = g.nodes.pop().unwrap();
    assert_eq!(g.outputs, classifier.outputs);
    assert!(rejection(&g).contains("is never written"));
}

#[test]
fn a_layer_does_not_exist() {
    spoiled("conv", "names layer 4 of 4", |g, n| g.nodes[n].op = Op::Conv(LayerId(4)));
}

#[test]
fn weights_are_read_after_their_update() {
    for mut g in differentiated_and_fused() {
        let at = |g: &Graph, name: &str, l: u32| {
            g.nodes.iter().position(|n| n.op.name() == name && n.op.layer() == Some(LayerId(l)))
        };
        let update = at(&g, "weight_update", 3).or(at(&g, "conv_weight_step", 3)).unwrap();
        let update = g.nodes.remove(update);
        let read = at(&g, "conv_input_grad", 3).unwrap();
        // As far forward as what it reads allows: behind the gradient of the accumulators, or of the weights.
        let made = |t: &TensorId| g.nodes.iter().position(|n| n.outputs.contains(t)).unwrap();
        let first = update.inputs.iter().map(made).max().unwrap() + 1;
        if first > read {
            let reader = g.nodes.remove(read);
            g.nodes.insert(first - 1, update);
            g.nodes.insert(first, reader);
        } else {
            g.nodes.insert(first, update);
        }
        assert!(rejection(&g).contains("reads weights after their update"), "{}", rejection(&g));
    }
}

#[test]
fn the_head_is_read_after_its_update() {
    spoiled("head_input_grad", "head's weights after their update", |g, n| {
        let update = g.nodes.iter().position(|n| n.op == Op::HeadUpdate).unwrap();
        let update = g.nodes.remove(update);
        g.nodes.insert(n, update);
    });
}

#[test]
fn a_forward_op_stands_behind_the_backward_pass() {
    let mut g = specialised("head", "schedule");
    let x = g.nodes[0].outputs[0];
    let y = replaced(&mut g, x, |_| {});
    let mut late = g.nodes[0].clone();
    late.outputs = vec![y];
    g.nodes.push(late);
    assert!(rejection(&g).contains("comes after the backward pass"));
}

#[test]
fn an_op_has_too_few_or_too_many_tensors() {
    each_node(|g, n| {
        g.nodes[n].inputs.clear();
        true
    });
    let more = each_node(|g, n| {
        let first = g.nodes[n].inputs[0];
        g.nodes[n].inputs.push(first);
        g.nodes[n].op.name() != "concat"
    });
    assert_eq!(more.len(), OPS.len() - 1);
    let outputs = each_node(|g, n| {
        let x = g.nodes[n].inputs[0];
        let yields = g.nodes[n].outputs.len();
        for _ in 0..3 - yields {
            let extra = replaced(g, x, |_| {});
            g.nodes[n].outputs.push(extra);
        }
        true
    });
    assert_eq!(outputs.len(), OPS.len());
    each_node(|g, n| !std::mem::take(&mut g.nodes[n].outputs).is_empty());
}

#[test]
fn a_tensor_is_of_another_kind() {
    let kinds =
        [Kind::Mask, Kind::Error, Kind::Sums, Kind::Activation(quant(0)), Kind::Gradient(Wrt::Value(TensorId(0)))];
    for kind in kinds {
        let met = each_node(|g, n| {
            let Some(&y) = g.nodes[n].outputs.first() else { return false };
            let differs = std::mem::discriminant(&g.tensor(y).kind) != std::mem::discriminant(&kind);
            g.tensors[y.index()].kind = kind.clone();
            differs
        });
        assert!(met.len() > 10, "{kind:?}");
    }
    // Gradients of accumulators belong to a layer.
    spoiled("conv_acc_grad", "Accumulators", |g, n| {
        let y = g.nodes[n].outputs[0];
        g.tensors[y.index()].kind = Kind::Gradient(Wrt::Acc(LayerId(0)));
    });
    spoiled("conv", "Mask", |g, n| {
        let mask = g.nodes[n].outputs[1];
        g.tensors[mask.index()].kind = Kind::Activation(quant(0));
    });
}

#[test]
fn a_shape_does_not_fit() {
    for (h, w, c) in [(1, 0, 0), (0, 1, 0), (0, 0, 1)] {
        let met = each_node(|g, n| {
            let Some(&y) = g.nodes[n].outputs.first() else { return false };
            let s = g.tensor(y).shape;
            g.tensors[y.index()].shape = Shape::new(s.h + h, s.w + w, s.c + c);
            // PAD may leave more room below and to the right than it says it fills.
            g.nodes[n].op.name() != "pad" || c > 0
        });
        let yields = OPS.iter().filter(|op| !op.contains("update") && !op.contains("step")).count();
        assert_eq!(met.len(), if c > 0 { yields } else { yields - 1 });
    }
    spoiled("conv", "that differ", |g, n| {
        let mask = g.nodes[n].outputs[1];
        g.tensors[mask.index()].shape.h += 1;
    });
    spoiled("conv_weight_step", "that differ", |g, n| g.nodes[n].inputs[1] = g.input);
}

#[test]
fn a_box_leaves_what_it_is_cut_from() {
    for axis in 0..3 {
        spoiled("grad_crop", "that leaves", |g, n| {
            let Op::GradCrop { at } = &mut g.nodes[n].op else { unreachable!() };
            at[axis] += 5;
        });
    }
    let mut g = network();
    g.nodes[0].op = Op::Pad { top: 3, left: 1 };
    assert!(rejection(&g).contains("that leaves"));
}

#[test]
fn concatenation_along_no_axis() {
    spoiled("concat", "along an axis", |g, n| g.nodes[n].op = Op::Concat(3));
    spoiled("concat", "differ beside", |g, n| g.nodes[n].op = Op::Concat(0));
}

#[test]
fn a_head_that_is_not_the_graphs() {
    spoiled("head", "without a head", |g, _| g.head = None);
    spoiled("head", "something else than the features", |g, _| g.head.as_mut().unwrap().features = g.input);
    spoiled("head", "that differ", |g, _| g.head.as_mut().unwrap().classes += 1);
}

#[test]
fn a_sum_of_gradients_of_different_tensors() {
    spoiled("grad_sum", "different tensors", |g, n| {
        let x = g.nodes[n].inputs[1];
        g.tensors[x.index()].kind = Kind::Gradient(Wrt::Value(g.input));
    });
}

#[test]
fn trained_channels_that_are_no_set_of_the_layers() {
    let good = || specialised("bias:4,1:1/2,3:1/4", "schedule");
    for (says, channels) in [
        ("not that of their list", vec![1]),
        ("ascending", vec![2, 1]),
        ("ascending", vec![1, 1]),
        ("does not exist", vec![0, 4]),
    ] {
        let mut g = good();
        assert_eq!(g.layers[1].training.channels.len(), 2);
        g.layers[1].training.channels = channels;
        let text = rejection(&g);
        assert!(text.contains(says) && text.contains("layer 1"), "{text}");
    }
}

#[test]
fn the_passes_name_themselves_in_the_refusal() {
    let mut g = differentiated();
    let n = g.nodes.iter().position(|n| n.op == Op::GradSum).unwrap();
    let y = g.nodes[n].outputs[0];
    g.tensors[y.index()].shape.h += 1;
    let error = specialise(&g, &Scheme::parse("full", LAYERS).unwrap()).err().unwrap();
    assert!(error.to_string().contains("after pass 'prune'"), "{error}");
}
