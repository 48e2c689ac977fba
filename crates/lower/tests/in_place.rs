//! ADD, REQUANTIZE, the scaling of a gradient and the sum at a fan-out write over what nothing reads any more; and the arena is smaller for it.

use tinytrain_ir::{ConvSpec, Graph, GraphBuilder, Kind, PoolSpec, Quant, Scheme, Shape, TensorId};
use tinytrain_lower::{LowerOptions, lower};
use tinytrain_passes::{differentiate, specialise};
use tinytrain_program::{Program, Step};
use tinytrain_spec::scratch;

/// Rows and columns: large enough that a map is more than any scratch.
const SIDE: usize = 32;
const BOUNDS: (i32, i32) = (-128, 127);

fn quant(n: i32) -> Quant {
    Quant { scale: 0.05 + 0.001 * n as f64, zero: n }
}

fn pointwise(b: &mut GraphBuilder, x: TensorId, out_c: usize, y: Quant) -> TensorId {
    let n = b.shape(x).c * out_c;
    let spec = ConvSpec {
        window: PoolSpec::same(b.shape(x), [1, 1], [1, 1]),
        depthwise: false,
        weights: (0..n).map(|i| (i * 7 % 255) as i8).collect(),
        bias: vec![0; out_c].into(),
        w_scales: vec![0.01; out_c],
        y,
        bounds: BOUNDS,
    };
    b.conv(x, spec).unwrap()
}

/// The Program of a graph, every gradient at exponent 0.
fn program(g: &Graph, scheme: &str) -> Program {
    let mut stages = differentiate(g, 2, 0).unwrap();
    let mut g = stages.pop().unwrap().graph;
    for t in &g.tensors {
        if let Kind::Gradient(wrt) = t.kind {
            g.exponents.insert(wrt, 0);
        }
    }
    let scheme = Scheme::parse(scheme, g.layers.len()).unwrap();
    let scheduled = specialise(&g, &scheme).unwrap().pop().unwrap().graph;
    lower(&scheduled, &LowerOptions::default()).unwrap()
}

/// Where each operand in RAM begins.
fn offsets(step: &Step) -> Vec<u32> {
    step.slots().iter().map(|s| s.offset).collect()
}

/// Where a step puts its result (masks come second).
fn result(step: &Step) -> u32 {
    step.finished[0].slot.offset
}

/// Which of a step's operands its result lies over, counted among those in RAM.
fn over(step: &Step) -> Option<usize> {
    let all = offsets(step);
    let inputs = all.iter().position(|&o| o == result(step)).unwrap();
    let others = all.iter().filter(|&&o| o == result(step)).count();
    (others > 1).then_some(inputs)
}

fn steps<'a>(p: &'a Program, label: &str) -> Vec<&'a Step> {
    p.steps.iter().filter(|s| s.label.split(' ').next() == Some(label)).collect()
}

/// Two maps from one, and their sum: the first ends with the sum, and `first_again` says whether it does not.
fn sums(first_again: bool, swapped: bool) -> Graph {
    let mut b = GraphBuilder::new("sums", Shape::new(SIDE, SIDE, 4), quant(0), None).unwrap();
    let x = b.input();
    let first = pointwise(&mut b, x, 8, quant(1));
    let second = pointwise(&mut b, first, 8, quant(2));
    let (left, right) = if swapped { (second, first) } else { (first, second) };
    let sum = b.add(left, right, quant(3), BOUNDS).unwrap();
    let again = if first_again { b.add(sum, first, quant(4), BOUNDS).unwrap() } else { sum };
    let y = pointwise(&mut b, again, 4, quant(5));
    b.finish(vec![y]).unwrap()
}

#[test]
fn add_writes_over_its_first_operand_that_ends_there() {
    assert_eq!(over(steps(&program(&sums(false, false), "head"), "add")[0]), Some(0));
    // The first operand is read again, the second is not.
    let p = program(&sums(true, false), "head");
    assert_eq!(over(steps(&p, "add")[0]), Some(1));
    assert_eq!(over(steps(&program(&sums(true, true), "head"), "add")[0]), Some(0));
}

#[test]
fn what_is_read_later_is_not_written_over() {
    let mut b = GraphBuilder::new("kept", Shape::new(SIDE, SIDE, 4), quant(0), None).unwrap();
    let x = b.input();
    let a = pointwise(&mut b, x, 8, quant(1));
    // A convolution reads `a` after REQUANTIZE.
    let r = b.requantize(a, quant(2), BOUNDS).unwrap();
    let c = pointwise(&mut b, a, 8, quant(3));
    let sum = b.add(r, c, quant(4), BOUNDS).unwrap();
    // And the weight step of this one reads the sum after ADD to itself.
    let d = pointwise(&mut b, sum, 8, quant(5));
    let y = b.requantize(sum, quant(6), BOUNDS).unwrap();
    let y = b.add(y, d, quant(7), BOUNDS).unwrap();
    let g = b.finish(vec![y]).unwrap();
    let requantize = |scheme: &str| steps(&program(&g, scheme), "requantize").into_iter().map(over).collect::<Vec<_>>();
    assert_eq!(requantize("head"), [None, Some(0)]);
    assert_eq!(requantize("bias:0,2:1"), [None, None]);
}

#[test]
fn requantize_writes_over_what_ends_there() {
    let mut b = GraphBuilder::new("relu", Shape::new(SIDE, SIDE, 4), quant(0), None).unwrap();
    let x = b.input();
    let a = pointwise(&mut b, x, 8, quant(1));
    let r = b.requantize(a, quant(2), (0, 127)).unwrap();
    let y = pointwise(&mut b, r, 8, quant(3));
    let g = b.finish(vec![y]).unwrap();
    assert_eq!(over(steps(&program(&g, "head"), "requantize")[0]), Some(0));
    assert_eq!(over(steps(&program(&g, "full"), "requantize")[0]), Some(0));
}

#[test]
fn gradients_are_scaled_and_summed_in_place() {
    let p = program(&sums(true, false), "full");
    // A sum's operands both end with it; so does a gradient of accumulators' only reader.
    assert!(steps(&p, "grad_sum").iter().all(|s| over(s) == Some(0)));
    assert!(steps(&p, "conv_acc_grad").iter().all(|s| over(s) == Some(0)));
    // The gradient of the mean grows. Of the two that scale one gradient, the second may write over it and the first may not.
    let scales: Vec<Option<usize>> = steps(&p, "grad_scale").into_iter().map(over).collect();
    assert_eq!(scales, [None, None, Some(0), None, Some(0)]);
}

#[test]
fn the_arena_is_smaller_by_what_has_no_place_of_its_own() {
    // Two maps are alive at each ADD, as before each convolution; a third for a result of its own would be the most there is.
    for first_again in [false, true] {
        let g = sums(first_again, false);
        let map = (SIDE * SIDE * 8) as u32;
        let p = program(&g, "head");
        assert_eq!(p.arena_bytes, 2 * map + scratch::conv(&g.layers[1].geo).usual());
        assert!(p.arena_bytes < 3 * map);
        assert!(steps(&p, "add").into_iter().all(|s| over(s).is_some()));
    }
}

#[test]
fn to_keep_every_tensor_nothing_is_in_place() {
    let g = sums(true, false);
    let p = lower(&g, &LowerOptions { keep_all: true, improvement_rounds: 0, ..LowerOptions::default() }).unwrap();
    for step in &p.steps {
        assert_eq!(over(step), None, "{}", step.label);
    }
    let mut places: Vec<u32> = p.steps.iter().map(result).collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), p.steps.len());
}
