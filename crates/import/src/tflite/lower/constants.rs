//! Integers that are known before the model runs: shapes, which are fixed, and what a model computes from them (Keras writes
//! SHAPE, STRIDED_SLICE and PACK before a RESHAPE).

use super::shape::strided_places;
use super::{Constant, Lowering, words};
use crate::error::{Fault, malformed, unsupported};
use crate::tflite::file::{Op, Tensor, dtype};
use crate::tflite::names;
use tinytrain_tflite::OptionsRef;

/// Most integers of a constant that is computed.
const MOST: usize = 64;

impl<'a> Lowering<'a> {
    /// A constant's description and content; `None` if the optional input is omitted.
    pub(super) fn constant(&self, op: &Op<'_>, n: usize, what: &str) -> Result<Option<Constant<'a>>, Fault> {
        let Some(&Some(t)) = op.inputs.get(n) else { return Ok(None) };
        let tensor = &self.file.tensors[t];
        if tensor.sparse {
            return unsupported(format!("its {what}, tensor {t}, are sparse; only dense ones are supported"));
        }
        match tensor.data {
            Some(data) => Ok(Some((t, tensor, data))),
            None => unsupported(format!("its {what}, tensor {t}, are not constant; they must be in the file")),
        }
    }

    /// A small constant of int32 or int64, in the file or computed from shapes: axes, paddings, a shape.
    pub(super) fn integers(
        &self,
        op: &Op<'_>,
        n: usize,
        what: &str,
    ) -> Result<Option<(Vec<i64>, &'a Tensor<'a>)>, Fault> {
        if let Some(&Some(t)) = op.inputs.get(n)
            && let Some(known) = &self.known[t]
        {
            return Ok(Some((known.clone(), &self.file.tensors[t])));
        }
        let Some((t, tensor, data)) = self.constant(op, n, what)? else { return Ok(None) };
        if data.len() > 8 * MOST {
            return malformed(format!("its {what}, tensor {t}, take {} bytes", data.len()));
        }
        let values = match tensor.dtype {
            dtype::INT32 => words(data).map(|v| v as i64).collect(),
            dtype::INT64 => {
                data.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap_or_default())).collect()
            }
            other => return unsupported(format!("its {what}, tensor {t}, are {}", names::dtype(other))),
        };
        Ok(Some((values, tensor)))
    }

    fn all(&self, op: &Op<'_>, n: usize) -> Result<Vec<i64>, Fault> {
        match self.integers(op, n, "inputs")? {
            Some((values, _)) => Ok(values),
            None => malformed(format!("its input {n} is missing")),
        }
    }

    /// What an operator on known integers yields. Nothing computes with integers that depend on a sample.
    pub(super) fn folded(&self, name: &str, op: &Op<'_>) -> Result<Vec<i64>, Fault> {
        let pairs = |f: fn(i64, i64) -> Option<i64>| {
            let (a, b) = (self.all(op, 0)?, self.all(op, 1)?);
            let n = a.len().max(b.len());
            let at = |v: &[i64], i: usize| v.get(if v.len() == 1 { 0 } else { i }).copied();
            let values: Option<Vec<i64>> = (0..n).map(|i| f(at(&a, i)?, at(&b, i)?)).collect();
            values.ok_or_else(|| Fault::Unsupported(format!("{name} of {a:?} and {b:?}")))
        };
        let values = match name {
            "SHAPE" => match op.inputs.first() {
                Some(&Some(t)) => {
                    let tensor = &self.file.tensors[t];
                    if tensor.dynamic {
                        return unsupported(format!("tensor {t} has a dynamic shape"));
                    }
                    tensor.dims.iter().map(|&d| i64::from(d)).collect()
                }
                _ => return malformed("its input 0 is missing"),
            },
            "STRIDED_SLICE" => {
                let Some(OptionsRef::StridedSlice(o)) = op.options else { return super::missing_options() };
                let [x, begin, end, strides] = [self.all(op, 0)?, self.all(op, 1)?, self.all(op, 2)?, self.all(op, 3)?];
                if o.ellipsis_mask()? != 0 || o.new_axis_mask()? != 0 {
                    return unsupported("STRIDED_SLICE with an ellipsis or a new axis is not supported");
                }
                let masks = [o.begin_mask()?, o.end_mask()?, o.shrink_axis_mask()?];
                let places = strided_places(x.len(), [&begin, &end, &strides], masks)?;
                places.into_iter().map(|i| x[i]).collect()
            }
            "PACK" | "CONCATENATION" => {
                let parts = (0..op.inputs.len()).map(|n| self.all(op, n)).collect::<Result<Vec<_>, _>>()?;
                parts.concat()
            }
            "RESHAPE" | "SQUEEZE" | "EXPAND_DIMS" => self.all(op, 0)?,
            "ADD" => pairs(i64::checked_add)?,
            "SUB" => pairs(i64::checked_sub)?,
            "MUL" => pairs(i64::checked_mul)?,
            "MAXIMUM" => pairs(|a, b| Some(a.max(b)))?,
            "MINIMUM" => pairs(|a, b| Some(a.min(b)))?,
            _ => return unsupported(format!("{name} of integers is not supported")),
        };
        match values.len() {
            n if n <= MOST => Ok(values),
            n => unsupported(format!("{name} of {n} integers")),
        }
    }
}
