//! Bytes as a network, so that nearly every input of the fuzzer ends in training: written as a `.tflite`, imported, compiled whole or by rows, trained with all kernels.

use tinytrain_compile::{Compiler, Feed, ProgramOptions};
use tinytrain_export::{Functions, Labels, tflite};
use tinytrain_import::{ImportOptions, import};
use tinytrain_ir::{ConvSpec, Function, Graph, GraphBuilder, PoolSpec, Quant, Scheme, Shape, TensorId};
use tinytrain_spec::random::{draw, key};

use crate::{CLASSES, noise, same_on_all_kernels};

/// Operators of a network, at most; its values and products are few as well, so that a chain takes a millisecond.
const MOST_OPERATORS: usize = 12;
const MOST_VALUES: usize = 1500;
const MOST_PRODUCTS: u64 = 200_000;

/// Choices, read from bytes; zeros once they are at their end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(first)
    }

    fn below(&mut self, n: usize) -> usize {
        self.byte() % n
    }

    fn of<T: Copy, const N: usize>(&mut self, values: [T; N]) -> T {
        values[self.below(N)]
    }

    fn quant(&mut self) -> Quant {
        Quant { scale: self.of([0.04, 0.02, 0.1, 0.005, 1.0]), zero: self.byte() as u8 as i8 as i32 }
    }

    /// Of a small shape, what a layer's window may be: padded or not, and every other pixel skipped or not.
    fn window(&mut self, x: Shape) -> Option<PoolSpec> {
        let kernel = [self.of([1, 3, 2, 5, 7]), self.of([1, 3, 2, 5, 7])];
        let stride = [self.of([1, 2, 3]), self.of([1, 2, 3])];
        if self.below(4) > 0 {
            return Some(PoolSpec::same(x, kernel, stride));
        }
        (kernel[0] <= x.h && kernel[1] <= x.w).then(|| PoolSpec::valid(x, kernel, stride))
    }
}

/// Writes the network that `bytes` stand for and gives it to the importer; whether it was trained.
pub fn chain(bytes: &[u8]) -> bool {
    let choices = &mut Choices(bytes);
    let Some(graph) = network(choices) else { return false };
    let classes: Vec<String> = (0..CLASSES).map(|i| i.to_string()).collect();
    let labels = Labels { classes: &classes, mean: &[127.5], std: &[127.5] };
    let Ok(file) = tflite(&graph, &labels, Functions::Operators) else { return false };
    // Elements that change their places are written as GATHER, which is not read.
    let Ok(read) = import("chain.tflite", &file, &ImportOptions::default()) else { return false };
    let length = read.graph.tensor(read.graph.input).shape.len();
    let samples: Vec<(Vec<i8>, usize)> = (0..2).map(|i| (noise(length, i), i as usize)).collect();
    let Ok(compiler) = Compiler::new(&read.graph, CLASSES, 1, &samples, 1) else { return false };
    let (scheme, options) = plan(choices, compiler.layers());
    let Ok(scheme) = Scheme::parse(&scheme, compiler.layers()) else { return false };
    let Ok(program) = compiler.compile(&scheme, options, 0) else { return false };
    program.verify().expect("what is compiled is a Program");
    let written = program.to_bytes();
    let program = tinytrain_program::Program::from_bytes(&written).expect("a Program's file is read");
    assert_eq!(program.to_bytes(), written);
    same_on_all_kernels(program);
    true
}

/// What is trained of some convolutions, and how it is compiled.
fn plan(choices: &mut Choices, layers: usize) -> (String, ProgramOptions) {
    let scheme = match choices.below(4) {
        0 => "full".into(),
        1 => format!("bias:{}", choices.below(layers + 1)),
        2 if layers > 0 => {
            format!("bias:{},{}:1/{}", choices.below(layers + 1), choices.below(layers), 1 + choices.below(4))
        }
        _ => "head".into(),
    };
    let feed = choices.of([Feed::Whole, Feed::Whole, Feed::Whole, Feed::Rows]);
    // The least arena: as many rows as it takes.
    let arena_limit = (feed == Feed::Rows || choices.below(2) > 0).then_some(0);
    let options = ProgramOptions { arena_limit, feed, ..ProgramOptions::of(choices.of([4, 0, 2, 8])) };
    (scheme, options)
}

/// Operators one after the other, each of a value that is there; one that does not fit is left out.
fn network(choices: &mut Choices) -> Option<Graph> {
    let shape =
        Shape::new(1 + choices.below(14), 4 * (1 + choices.below(3)) - choices.of([0, 0, 1]), 1 + choices.below(4));
    let quant = choices.quant();
    let mut b = GraphBuilder::new("chain", shape, quant, None).ok()?;
    let mut values = vec![b.input()];
    for _ in 0..1 + choices.below(MOST_OPERATORS) {
        // Each operator reads the last value, so that all of them count; those of two operands join it with one of before.
        let (x, before) = (*values.last()?, values[choices.below(values.len())]);
        values.extend(operator(&mut b, choices, x, before));
        if b.shape(*values.last()?).len() > MOST_VALUES {
            break;
        }
    }
    let graph = b.finish(vec![*values.last()?]).ok()?;
    (graph.layers.iter().map(|l| l.macs()).sum::<u64>() <= MOST_PRODUCTS).then_some(graph)
}

fn operator(b: &mut GraphBuilder, choices: &mut Choices, x: TensorId, before: TensorId) -> Option<TensorId> {
    const ALL: (i32, i32) = (-128, 127);
    let shape = b.shape(x);
    let unit = Quant { scale: 1.0 / 256.0, zero: -128 };
    match choices.below(14) {
        0..=3 => conv(b, choices, x, false),
        4 | 5 => conv(b, choices, x, true),
        6 => {
            let y = choices.quant();
            b.add(x, before, y, ALL).ok()
        }
        7 => {
            let y = choices.quant();
            b.mul(x, before, y, ALL).ok()
        }
        8 => {
            let window = choices.window(shape)?;
            b.pool(x, window, choices.below(2) > 0, ALL).ok()
        }
        9 => b.mean(x, choices.quant()).ok(),
        10 => match choices.below(4) {
            0 => b.logistic(x, unit).ok(),
            1 => b.function(x, Function::HardSwish, choices.quant(), ALL).ok(),
            2 => b.function(x, Function::Tanh, Quant { scale: 1.0 / 128.0, zero: 0 }, ALL).ok(),
            _ => b.function(x, Function::LeakyRelu { alpha: 0.125 }, choices.quant(), ALL).ok(),
        },
        11 => b.concat(&[x, before], choices.below(3)).ok(),
        12 => b.requantize(x, choices.quant(), ALL).ok(),
        _ => match choices.below(3) {
            0 => b.pad(x, [choices.below(3), choices.below(3), choices.below(3), choices.below(3)]).ok(),
            1 => b.resize_bilinear(x, [1 + choices.below(9), 1 + choices.below(9)], false, choices.below(2) > 0).ok(),
            _ => b.enlarge(x, "RESIZE_NEAREST_NEIGHBOR", [2, 2]).ok(),
        },
    }
}

/// Weights from one byte, of any size; a scale with which outputs spread.
fn conv(b: &mut GraphBuilder, choices: &mut Choices, x: TensorId, depthwise: bool) -> Option<TensorId> {
    let (shape, quant) = (b.shape(x), b.quant(x));
    let window = choices.window(shape)?;
    let out = if depthwise { shape.c * choices.of([1, 1, 2]) } else { choices.of([8, 1, 3, 4, 16, 5, 12]) };
    let fan = window.kernel[0] * window.kernel[1] * if depthwise { 1 } else { shape.c };
    if window.out[0] * window.out[1] * out > MOST_VALUES {
        return None;
    }
    let (seed, y) = (key(choices.byte() as u64, 0, 0xc4a1), choices.quant());
    let mut drawn = (0..).map(|i| draw(seed, i));
    let weights: Vec<i8> = drawn.by_ref().take(fan * out).map(|v| (v as i8).max(-127)).collect();
    let scale = y.scale / (quant.scale * 60.0 * (fan as f64).sqrt()) * choices.of([1.0, 0.1, 4.0]);
    let w_scales: Vec<f64> = drawn.by_ref().take(out).map(|v| scale * (0.5 + (v % 1024) as f64 / 1024.0)).collect();
    let bias: Vec<i32> = drawn.take(out).map(|v| (v % 4001) as i32 - 2000).collect();
    let bounds = choices.of([(-128, 127), (y.zero, 127)]);
    let spec = ConvSpec { window, depthwise, weights: weights.into(), bias: bias.into(), w_scales, y, bounds };
    b.conv(x, spec).ok()
}
