//! The numbers that decide bits, each held against the real number it stands for: shifts between exponents, ratios of scales, quantisation-aware scales, the
//! first values of the head.

use std::collections::BTreeSet;

use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, Kind, Node, Op, PoolSpec, Quant, Scheme, Shape, TensorId, Wrt};
use tinytrain_lower::{LowerOptions, lower};
use tinytrain_passes::{differentiate, specialise};
use tinytrain_program::{Const, Data, Init, Operand, Program, StateKind, Step};
use tinytrain_spec::arith::{Qas, round_half_up};
use tinytrain_spec::kernels::{Call, Fill, HeadError, HeadInputGrad, HeadUpdate};
use tinytrain_spec::random::{head_bound, head_init, mix};
use tinytrain_spec::softmax::LogitScale;

const BOUNDS: (i32, i32) = (-128, 127);
const CLASSES: usize = 3;
const SEED: u64 = 0x1_2345_6789;
const RESIDUAL_BITS: u32 = 2;

fn quant(n: i32) -> Quant {
    Quant { scale: 0.031 + 0.007 * n as f64, zero: 5 * n - 17 }
}

fn conv(b: &mut GraphBuilder, x: TensorId, depthwise: bool, out_c: usize, kernel: usize, y: Quant) -> TensorId {
    let taps = kernel * kernel * if depthwise { 1 } else { b.shape(x).c };
    // The scales of the weights differ a thousandfold, and one channel is dead.
    let scale = |c: usize| if c == 2 { 1e-9 } else { 0.00001 * 1.9f64.powi(c as i32) };
    let spec = ConvSpec {
        window: PoolSpec::same(b.shape(x), [kernel; 2], [1, 1]),
        depthwise,
        weights: (0..taps * out_c).map(|i| (mix(i as u64) % 255) as u8 as i8).map(|w| w.max(-127)).collect(),
        bias: (0..out_c).map(|c| 10 * c as i32).collect(),
        w_scales: (0..out_c).map(scale).collect(),
        y,
        bounds: BOUNDS,
    };
    b.conv(x, spec).unwrap()
}

/// Every op with a gradient, padding in front of a pool among them.
fn imported() -> Graph {
    let mut b = GraphBuilder::new("scales", Shape::new(6, 6, 2), quant(0), None).unwrap();
    let x = b.input();
    let a = conv(&mut b, x, false, 4, 3, quant(1));
    let d = conv(&mut b, a, true, 4, 3, quant(2));
    let sum = b.add(a, d, quant(3), BOUNDS).unwrap();
    let r = b.requantize(sum, quant(4), BOUNDS).unwrap();
    let padded = b.pad(r, [1, 0, 1, 0]).unwrap();
    let window = PoolSpec::valid(b.shape(padded), [3, 3], [2, 2]);
    let m = b.pool(padded, window, true, BOUNDS).unwrap();
    let v = b.pool(padded, window, false, BOUNDS).unwrap();
    let c = b.concat(&[m, v], 2).unwrap();
    let e = conv(&mut b, c, false, 6, 1, quant(5));
    let y = b.mean(e, quant(6)).unwrap();
    b.finish(vec![y]).unwrap()
}

fn scheduled(scheme: &str) -> Graph {
    let mut g = differentiate(&imported(), CLASSES, SEED).unwrap().pop().unwrap().graph;
    let gradients: BTreeSet<Wrt> =
        g.tensors.iter().filter_map(|t| if let Kind::Gradient(wrt) = t.kind { Some(wrt) } else { None }).collect();
    // Between -8 and 14, and few alike.
    g.exponents = gradients.into_iter().zip((0..).map(|i| (13 * i) % 23 - 8)).collect();
    let scheme = Scheme::parse(scheme, g.layers.len()).unwrap();
    specialise(&g, &scheme).unwrap().pop().unwrap().graph
}

fn compiled() -> (Graph, Program) {
    let g = scheduled("full");
    let p = lower(&g, &LowerOptions { residual_bits: RESIDUAL_BITS, ..LowerOptions::default() }).unwrap();
    (g, p)
}

fn exponent(g: &Graph, t: TensorId) -> i32 {
    match g.tensor(t).kind {
        Kind::Gradient(wrt) => g.exponents[&wrt],
        _ => panic!("no gradient"),
    }
}

/// Steps of an op with the nodes they came from.
fn steps<'a>(g: &'a Graph, p: &'a Program, name: &str) -> Vec<(&'a Node, &'a Step)> {
    let label = |n: &Node| n.op.layer().map_or(name.to_string(), |l| format!("{name} {}", l.0));
    let nodes: Vec<&Node> = g.nodes.iter().filter(|n| n.op.name() == name).collect();
    let mut found = Vec::new();
    for node in nodes {
        let own = |s: &&Step| {
            s.label == label(node) && s.finished.iter().map(|f| f.tensor).eq(node.outputs.iter().map(|t| t.0))
        };
        found.extend(p.steps.iter().filter(own).map(|s| (node, s)));
    }
    assert!(!found.is_empty(), "{name}");
    found
}

fn close(found: f64, wanted: f64, bits: i32) {
    assert!((found / wanted - 1.0).abs() < 2f64.powi(-bits), "{found} for {wanted}");
}

/// Right shift from the exponent of a node's input to that of its output.
fn exponent_shift(g: &Graph, n: &Node) -> i32 {
    exponent(g, n.outputs[0]) - exponent(g, n.inputs[0])
}

#[test]
fn shifts_lead_from_exponent_to_exponent() {
    let (g, p) = compiled();
    for (n, s) in steps(&g, &p, "conv_acc_grad") {
        let Call::GradScale(c) = &s.call else { panic!() };
        assert_eq!((c.p.s, c.p.m), (32 + exponent_shift(&g, n), 0));
    }
    for (n, s) in steps(&g, &p, "conv_input_grad") {
        let (Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c)) = &s.call else { panic!() };
        assert_eq!(c.shift, exponent_shift(&g, n));
    }
    for (n, s) in steps(&g, &p, "average_pool_grad") {
        let Call::AveragePoolGrad(c) = &s.call else { panic!() };
        assert_eq!(c.p.shift, 15 + exponent_shift(&g, n));
    }
    for (n, s) in steps(&g, &p, "max_pool_grad") {
        let Call::MaxPoolGrad(c) = &s.call else { panic!() };
        assert_eq!(c.p.shift, exponent_shift(&g, n));
    }
    for (n, s) in steps(&g, &p, "grad_crop") {
        let Call::CopyBox(c) = &s.call else { panic!() };
        assert_eq!(c.p.shift, exponent_shift(&g, n));
    }
}

#[test]
fn ratios_are_kept_to_31_bits() {
    let (g, p) = compiled();
    for (n, s) in steps(&g, &p, "grad_scale") {
        let p = match &s.call {
            Call::GradScale(c) => &c.p,
            Call::GradRepeat(c) => &c.p,
            _ => panic!(),
        };
        let Op::GradScale { ratio, repeat } = n.op else { panic!() };
        close(p.m as f64 * 2f64.powi(-p.s), ratio * 2f64.powi(-exponent_shift(&g, n)), 29);
        assert_eq!(p.repeat as usize, repeat);
    }
    for (n, s) in steps(&g, &p, "head_input_grad") {
        let Call::HeadInputGrad(HeadInputGrad { p, .. }) = &s.call else { panic!() };
        let wanted = quant(6).scale * 2f64.powi(-13 - exponent(&g, n.outputs[0]));
        close(p.m as f64 * 2f64.powi(-p.s), wanted, 20);
        assert!(p.m < 1 << 22);
    }
}

#[test]
fn an_update_knows_the_exponent_of_its_gradient() {
    let (g, p) = compiled();
    for name in ["conv_weight_step", "conv_bias_step"] {
        for (n, s) in steps(&g, &p, name) {
            let u = match &s.call {
                Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) => &c.u,
                Call::BiasStep(c) => &c.u,
                _ => panic!(),
            };
            let l = n.op.layer().unwrap();
            assert_eq!(exponent(&g, n.inputs[0]), g.exponents[&Wrt::Acc(l)]);
            assert_eq!((u.exponent, u.bits, u.tensor), (g.exponents[&Wrt::Acc(l)], RESIDUAL_BITS as i32, l.0 as i32));
            if let Call::BiasStep(c) = &s.call {
                close(c.layer.to_f64(), 1.0 / g.layer(l).x_scale.powi(2), 29);
            }
        }
    }
    for (_, s) in steps(&g, &p, "head_update") {
        let Call::HeadUpdate(HeadUpdate { weight_q, bias_q, .. }) = &s.call else { panic!() };
        close(weight_q.to_f64(), quant(6).scale * 8192.0, 29);
        close(bias_q.to_f64(), 8192.0 / quant(6).scale, 29);
    }
}

fn constant<'a>(p: &'a Program, name: &str) -> &'a Data {
    let of = |c: &&Const| c.name == name;
    &p.consts.iter().find(of).unwrap_or_else(|| panic!("no {name}")).data
}

#[test]
fn a_gradient_is_divided_by_the_square_of_its_weights_scale() {
    let (g, p) = compiled();
    for (i, layer) in g.layers.iter().enumerate() {
        let Data::U32(qas) = constant(&p, &format!("conv{i}_qas")) else { panic!() };
        assert_eq!(qas.len(), layer.w_scales.len());
        assert!(layer.live.iter().any(|live| !live));
        for (c, &q) in qas.iter().enumerate() {
            match layer.live[c] {
                true => close(Qas(q).real().to_f64(), layer.w_scales[c].powi(-2), 22),
                false => assert_eq!(Qas(q), Qas::FROZEN),
            }
        }
        let Data::I32(m) = constant(&p, &format!("conv{i}_m")) else { panic!() };
        assert_eq!(*m, layer.requant.iter().map(|r| r.m).collect::<Vec<_>>());
        assert_eq!(constant(&p, &format!("conv{i}_bias")), &Data::I32(layer.bias.to_vec()));
    }
}

#[test]
fn padding_is_the_zero_point_all_around_what_is_copied() {
    let (g, p) = compiled();
    let Call::Fill(Fill { p: fill, .. }) = &p.steps.iter().find(|s| s.label == "pad").unwrap().call else { panic!() };
    // The padded map of ADD and REQUANTIZE: 7 x 7 x 4.
    assert_eq!((fill.n, fill.value), (7 * 7 * 4, quant(4).zero));
    let copies = p.steps.iter().filter(|s| s.label == "pad").filter_map(|s| match &s.call {
        Call::CopyBox(c) => Some(&c.p),
        _ => None,
    });
    let [copy] = copies.collect::<Vec<_>>()[..] else { panic!() };
    assert_eq!((copy.h, copy.w, copy.c, copy.src_offset, copy.src_row, copy.src_col), (6, 6, 4, 0, 24, 4));
    assert_eq!((copy.dst_offset, copy.dst_row, copy.dst_col, copy.shift), ((7 + 1) * 4, 28, 4, 0));
    let concat: Vec<_> = steps(&g, &p, "concat").into_iter().map(|(_, s)| &s.call).collect();
    let places: Vec<i32> =
        concat.into_iter().map(|k| if let Call::CopyBox(c) = k { c.p.dst_offset } else { -1 }).collect();
    assert_eq!(places, [0, 4]);
}

#[test]
fn the_head_starts_from_its_seed() {
    let (_, p) = compiled();
    let features = 6;
    let bound = head_bound(features);
    assert_eq!((p.seed, bound), (SEED, 3344));
    let bytes = |kind: StateKind| match &p.states.iter().find(|s| s.kind == kind).unwrap().init {
        Init::Bytes(b) => b.clone(),
        Init::Zero => panic!("zeros"),
    };
    let n = CLASSES as u32 * features;
    let weights: Vec<i16> = bytes(StateKind::HeadWeights).chunks(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    assert_eq!(weights, (0..n).map(|i| head_init(SEED, i, bound)).collect::<Vec<_>>());
    // A bias is drawn in 2^-13 and kept in 2^-13 of the features' scale, rounded.
    let bias = |c: u32| round_half_up(head_init(SEED, n + c, bound) as f64 / quant(6).scale) as i32;
    let found: Vec<i32> =
        bytes(StateKind::HeadBiases).chunks(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(found, (0..CLASSES as u32).map(bias).collect::<Vec<_>>());
}

#[test]
fn logits_are_compared_in_their_own_unit() {
    let (_, p) = compiled();
    let Call::HeadError(HeadError { classes, scale, .. }) = &p.steps[p.forward - 1].call else { panic!() };
    assert_eq!(*classes as usize, CLASSES);
    assert_eq!(Some(*scale), LogitScale::from_unit(quant(6).scale / 8192.0));
    // One natural logarithm's worth of logits is log2(e) in Q6.26.
    let one = (8192.0 / quant(6).scale).round() as u64;
    close(scale.u(one) as f64, std::f64::consts::LOG2_E * 2f64.powi(26), 12);
}

#[test]
fn trained_state_has_its_sizes_and_frozen_weights_none() {
    let (g, p) = compiled();
    for (i, layer) in g.layers.iter().enumerate() {
        let bytes = |kind: StateKind| {
            p.states
                .iter()
                .filter(|s| s.layer == Some(i) && s.kind == kind)
                .map(|s| s.slot.bytes as usize)
                .sum::<usize>()
        };
        assert_eq!(bytes(StateKind::Weights), layer.weights.len());
        assert_eq!(bytes(StateKind::Residuals), (layer.weights.len() * RESIDUAL_BITS as usize).div_ceil(8));
        assert_eq!(bytes(StateKind::Biases), layer.bias.len() * 4);
        assert!(p.consts.iter().all(|c| c.name != format!("conv{i}_weights")));
    }
    let Call::Conv(conv) = &p.steps.iter().find(|s| s.label == "conv 0").unwrap().call else { panic!() };
    assert!(conv.frozen.is_none());
    assert!(p.states.iter().any(|t| conv.trained == Some(Operand::Memory(t.slot))));
}

#[test]
fn the_prefix_ends_before_the_first_mask_or_trained_value() {
    let program = |scheme: &str| lower(&scheduled(scheme), &LowerOptions::default()).unwrap();
    let at = |p: &Program, label: &str| p.steps.iter().position(|s| s.label == label).unwrap();
    let (head, last, depthwise, full) = (program("head"), program("bias:1"), program("bias:2"), program("full"));
    assert_eq!(head.prefix().steps, head.forward - 2);
    assert_eq!(last.prefix().steps, at(&last, "conv 2"));
    assert_eq!(depthwise.prefix().steps, at(&depthwise, "conv 1"));
    assert_eq!(full.prefix().steps, 0);
    // Between nodes, not within one that takes two steps.
    let steps: Vec<usize> = head.boundaries.iter().map(|b| b.steps).collect();
    let labels: Vec<&str> = head.steps.iter().map(|s| s.label.as_str()).collect();
    let between = |&at: &usize| at == 0 || labels[at - 1] != labels[at];
    assert_eq!(steps, (0..=head.forward - 2).filter(between).collect::<Vec<_>>());
}
