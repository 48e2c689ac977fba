//! Constants of the file, and what nodes make of constants alone (the shapes that exporters compute).

use super::proto;
use crate::build::{Constant, Data};
use crate::error::{Fault, malformed, unsupported};

pub const UINT8: i32 = 2;

/// A tensor's content, its length held against its dimensions.
pub fn constant(t: &proto::Tensor) -> Result<Constant, Fault> {
    if t.data_location != 0 {
        return unsupported(
            "its data is in another file; save the model with its weights in one (onnx.save does by default)",
        );
    }
    let dims: Vec<usize> = t
        .dims
        .iter()
        .map(|&d| usize::try_from(d).or_else(|_| malformed("a dimension below 0")))
        .collect::<Result<_, _>>()?;
    let n = dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let raw = &t.raw_data[..];
    let ints = |width: usize, of: &dyn Fn(&[u8]) -> i64| match raw.is_empty() {
        true => t.int32_data.iter().map(|&v| v.into()).collect(),
        false => raw.chunks_exact(width).map(of).collect(),
    };
    let data = match t.data_type {
        1 if raw.is_empty() => Data::Float(t.float_data.clone()),
        1 => Data::Float(raw.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect()),
        11 if raw.is_empty() => Data::Float(t.double_data.iter().map(|&v| v as f32).collect()),
        11 => Data::Float(raw.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect()),
        UINT8 | 9 => Data::Int(ints(1, &|b| b[0].into())),
        3 => Data::Int(ints(1, &|b| (b[0] as i8).into())),
        6 => Data::Int(ints(4, &|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]).into())),
        7 if raw.is_empty() => Data::Int(t.int64_data.clone()),
        7 => Data::Int(raw.as_chunks().0.iter().map(|&b| i64::from_le_bytes(b)).collect()),
        other => {
            return unsupported(format!(
                "elements of type {other}; float, double, int8, uint8, int32 and int64 are supported"
            ));
        }
    };
    let found = match &data {
        Data::Float(v) => v.len(),
        Data::Int(v) => v.len(),
    };
    if n != Some(found) {
        return malformed(format!("{found} elements for the dimensions {dims:?}"));
    }
    if let Data::Float(v) = &data
        && v.iter().any(|v| !v.is_finite())
    {
        return unsupported("weights that are not finite");
    }
    Ok(Constant { dims, data })
}

pub fn ints(v: Vec<i64>) -> Constant {
    Constant { dims: vec![v.len()], data: Data::Int(v) }
}

/// Dequantised: a scale and zero point for all elements, or for each index of a dimension.
pub fn dequantised(q: &Constant, scale: &[f32], zero: Option<&[i64]>, axis: usize) -> Result<Constant, Fault> {
    let values = q.ints()?;
    let inner: usize = q.dims.iter().skip(axis + 1).product();
    let channels = q.dims.get(axis).copied().unwrap_or(1);
    let at = |i: usize, n: usize| if n == 1 { 0 } else { i / inner.max(1) % channels.max(1) };
    let zeros = zero.unwrap_or(&[0]);
    if [scale.len(), zeros.len()].iter().any(|&n| n != 1 && n != channels) {
        return malformed("scales of another number than channels");
    }
    let real = |(i, &v): (usize, &i64)| (v - zeros[at(i, zeros.len())]) as f32 * scale[at(i, scale.len())];
    Ok(Constant { dims: q.dims.clone(), data: Data::Float(values.iter().enumerate().map(real).collect()) })
}

/// A sum, difference, product or quotient of constants, element by element or with one element.
pub fn calculated(op: &str, a: &Constant, b: &Constant) -> Result<Constant, Fault> {
    let long = if a.dims.iter().product::<usize>() >= b.dims.iter().product() { a } else { b };
    fn each<T: Copy>(a: &[T], b: &[T], f: impl Fn(T, T) -> Option<T>) -> Result<Vec<T>, Fault> {
        let n = a.len().max(b.len());
        if [a.len(), b.len()].iter().any(|&m| m != n && m != 1) {
            return unsupported("constants of different shapes");
        }
        let pick = |v: &[T], i: usize| v[if v.len() == 1 { 0 } else { i }];
        let all: Option<Vec<T>> = (0..n).map(|i| f(pick(a, i), pick(b, i))).collect();
        all.map_or_else(|| malformed("a constant beyond its type"), Ok)
    }
    let data = match (&a.data, &b.data) {
        (Data::Int(x), Data::Int(y)) => Data::Int(each(x, y, |x, y| match op {
            "Add" => x.checked_add(y),
            "Sub" => x.checked_sub(y),
            "Mul" => x.checked_mul(y),
            _ => x.checked_div(y),
        })?),
        (Data::Float(x), Data::Float(y)) => Data::Float(each(x, y, |x, y| {
            Some(match op {
                "Add" => x + y,
                "Sub" => x - y,
                "Mul" => x * y,
                _ => x / y,
            })
        })?),
        _ => return unsupported("floats and integers together"),
    };
    Ok(Constant { dims: long.dims.clone(), data })
}
