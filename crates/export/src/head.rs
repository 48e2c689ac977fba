//! The head: a fully connected layer of int16 weights, which the format does not have, as the sum of two with int8 weights.
//!
//! With `w = 256 high + low`, both halves in -128..=127, `x w = x (256 high) + x low` is exact: each half is a layer of int8 weights on the features as
//! int16 (their values less the zero point), whose logits are int16. Adding them and the softmax are of int16 too; only the probabilities are rounded
//! to int8.

use tinytrain_ir::{Head, HeadRow, Quant};
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, exp2i};
use tinytrain_tflite::{Add, Options, Softmax, dtype};

use crate::writer::{Code, TensorIndex, Writer, whole};

/// The larger half of -32768..=32767 that does not leave int8, and what it is worth.
const HALF: i32 = 256;
/// Values of int16.
const MOST: f64 = 32767.0;

/// `w` as `256 high + low`; `low` is one short at the upper end, where `high` would leave int8.
fn halves(w: i16) -> [i8; 2] {
    let high = ((i32::from(w) + HALF / 2).div_euclid(HALF)).min(127);
    [high as i8, (i32::from(w) - HALF * high).min(127) as i8]
}

/// Appends the head's operators to the features; yields the probabilities.
pub fn write(w: &mut Writer, head: &Head, rows: &[&HeadRow], features: TensorIndex) -> TensorIndex {
    let (classes, count) = (rows.len() as i32, rows[0].weights.len() as i32);
    let unit = head.quant.scale * exp2i(-HEAD_FRACTION_BITS);
    let wide = w.value("features int16", &[1, count], dtype::INT16, whole(Quant { scale: head.quant.scale, zero: 0 }));
    w.op(Code::of("QUANTIZE", 2), &[features], wide, None);
    let mut bounds = Vec::new();
    let mut parts = Vec::new();
    for (part, name) in ["high", "low"].into_iter().enumerate() {
        let factor = if part == 0 { HALF } else { 1 };
        let weights: Vec<i8> = rows.iter().flat_map(|r| r.weights.iter().map(|&v| halves(v)[part])).collect();
        let biases: Vec<i64> = rows.iter().map(|r| if part == 0 { 0 } else { i64::from(r.bias) }).collect();
        let bound = rows.iter().enumerate().map(|(c, _)| {
            let own = &weights[c * count as usize..][..count as usize];
            largest(own, biases[c], head.quant.zero) * unit * f64::from(factor)
        });
        bounds.push(bound.fold(unit, f64::max));
        let scale = exp2i(-HEAD_FRACTION_BITS) * f64::from(factor);
        let data = weights.iter().map(|&v| v as u8).collect();
        let q = whole(Quant { scale, zero: 0 });
        let weights = w.constant(&format!("head weights {name}"), &[classes, count], dtype::INT8, data, q);
        let data = biases.iter().flat_map(|b| b.to_le_bytes()).collect();
        let q = whole(Quant { scale: head.quant.scale * scale, zero: 0 });
        let bias = w.constant(&format!("head bias {name}"), &[classes], dtype::INT64, data, q);
        let logits = int16(w, &format!("logits {name}"), classes, bounds[part]);
        let options = Options::FullyConnected(Box::default());
        w.op(Code::of("FULLY_CONNECTED", 7), &[wide, weights, bias], logits, Some(options));
        parts.push(logits);
    }
    let logits = int16(w, "logits", classes, bounds.iter().sum());
    let options = Options::Add(Box::new(Add { power_of_two_int16: false, ..Add::default() }));
    w.op(Code::of("ADD", 3), &parts, logits, Some(options));
    let wide = w.value("probabilities int16", &[1, classes], dtype::INT16, whole(Quant { scale: exp2i(-15), zero: 0 }));
    w.op(Code::of("SOFTMAX", 3), &[logits], wide, Some(Options::Softmax(Box::new(Softmax { beta: 1.0 }))));
    let quant = Quant { scale: exp2i(-8), zero: -128 };
    let output = w.value("probabilities", &[1, classes], dtype::INT8, whole(quant));
    w.op(Code::of("QUANTIZE", 2), &[wide], output, None);
    output
}

/// A vector of int16 whose largest real value is `bound`.
fn int16(w: &mut Writer, name: &str, n: i32, bound: f64) -> TensorIndex {
    w.value(name, &[1, n], dtype::INT16, whole(Quant { scale: bound / MOST, zero: 0 }))
}

/// The largest magnitude that a class's sum can reach on int8 features.
fn largest(weights: &[i8], bias: i64, zero: i32) -> f64 {
    let ends = |w: i8| [(-128 - zero) * i32::from(w), (127 - zero) * i32::from(w)];
    let (mut low, mut high) = (bias, bias);
    for &w in weights {
        let [a, b] = ends(w);
        low += i64::from(a.min(b));
        high += i64::from(a.max(b));
    }
    low.abs().max(high.abs()) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact_but_at_the_upper_end() {
        for w in i16::MIN..=i16::MAX {
            let [high, low] = halves(w);
            let sum = i32::from(high) * HALF + i32::from(low);
            // Above 127 * 256 + 127 the two halves do not reach.
            assert_eq!(sum, i32::from(w).min(127 * HALF + 127));
        }
    }
}
