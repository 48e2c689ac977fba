//! The head as `export` writes it: int16 weights as the sum of two fully connected layers of int8 weights. It is read back bit for bit.

use tinytrain_ir::HeadRow;
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, exp2i};
use tinytrain_tflite::dtype;

use super::file::{File, Op, Tensor};
use tinytrain_tflite::operator;

/// What the upper half of a weight is worth.
const HALF: i32 = 256;

/// A head that was found.
pub(super) struct Own {
    /// The tensor it reads.
    pub features: usize,
    /// Its operators.
    pub ops: Vec<usize>,
    /// Its classes.
    pub rows: Vec<HeadRow>,
}

/// The head at a model's end, if it is one of ours.
pub(super) fn head(file: &File<'_>) -> Option<Own> {
    let [output] = file.outputs[..] else { return None };
    let mut ops = Vec::new();
    let wide = back(file, &mut ops, output, "QUANTIZE", dtype::INT16)?;
    let logits = back(file, &mut ops, wide, "SOFTMAX", dtype::INT16)?;
    let add = made(file, logits, "ADD")?;
    let [Some(high), Some(low)] = file.ops[add].inputs[..] else { return None };
    let (high_op, low_op) = (made(file, high, "FULLY_CONNECTED")?, made(file, low, "FULLY_CONNECTED")?);
    ops.extend([add, high_op, low_op]);
    let high = half(file, &file.ops[high_op], f64::from(HALF))?;
    let low = half(file, &file.ops[low_op], 1.0)?;
    if (high.x, high.count) != (low.x, low.count) || high.bias.iter().any(|&b| b != 0) {
        return None;
    }
    let features = back(file, &mut ops, high.x, "QUANTIZE", dtype::INT8)?;
    let quantised = |t: usize| file.tensors[t].scales.and_then(|s| s.first());
    let single = matches!(file.tensors[features].dims[..], [1, 1, 1, c] if c as usize == high.count);
    if !single || quantised(features) != quantised(high.x) {
        return None;
    }
    let rows = high.weights.chunks_exact(high.count).zip(low.weights.chunks_exact(high.count)).zip(low.bias);
    let row = |((high, low), bias): ((&[u8], &[u8]), i64)| {
        let weight = |(&h, &l): (&u8, &u8)| i16::try_from(i32::from(h as i8) * HALF + i32::from(l as i8)).ok();
        let weights: Option<Vec<i16>> = high.iter().zip(low).map(weight).collect();
        Some(HeadRow { weights: weights?, bias: i32::try_from(bias).ok()? })
    };
    Some(Own { features, ops, rows: rows.map(row).collect::<Option<_>>()? })
}

/// The operator of this name that writes a tensor.
fn made(file: &File<'_>, t: usize, name: &str) -> Option<usize> {
    let op = file.ops.iter().position(|op| op.outputs[..] == [t])?;
    (operator::name(file.ops[op].code) == Some(name)).then_some(op)
}

/// What the operator of this name reads that writes a tensor, if it has this type.
fn back(file: &File<'_>, ops: &mut Vec<usize>, t: usize, name: &str, dtype: i8) -> Option<usize> {
    let op = made(file, t, name)?;
    let x = file.ops[op].inputs.first().copied().flatten().filter(|&x| file.tensors[x].dtype == dtype)?;
    ops.push(op);
    Some(x)
}

/// One half of the weights.
struct Half<'a> {
    x: usize,
    /// Number of features.
    count: usize,
    weights: &'a [u8],
    bias: Vec<i64>,
}

fn half<'a>(file: &File<'a>, op: &Op<'_>, worth: f64) -> Option<Half<'a>> {
    let [Some(x), Some(w), Some(b)] = op.inputs[..] else { return None };
    let (weights, bias): (&Tensor<'a>, &Tensor<'a>) = (&file.tensors[w], &file.tensors[b]);
    let &[classes, count] = &weights.dims[..] else { return None };
    let (classes, count) = (usize::try_from(classes).ok()?, usize::try_from(count).ok()?);
    let typed = weights.dtype == dtype::INT8 && bias.dtype == dtype::INT64 && file.tensors[x].dtype == dtype::INT16;
    let scale = weights.scales.and_then(|s| s.first()).map(f64::from);
    let (content, bias) =
        (weights.data?, bias.data?.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect::<Vec<_>>());
    let fits = count > 0 && content.len() == classes.checked_mul(count)? && bias.len() == classes;
    let ours = typed && fits && scale == Some(exp2i(-HEAD_FRACTION_BITS) * worth);
    ours.then_some(Half { x, count, weights: content, bias })
}
