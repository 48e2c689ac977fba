use napi::Result;
use napi::bindgen_prelude::{Int8Array, Int16Array};
use napi_derive::napi;
use tinytrain_spec::series;

use crate::error::Failure;

/// How raw values of a column of a series become int8: see `spec::series`.
#[napi(object)]
#[derive(Clone, Copy)]
pub struct SeriesColumn {
    /// The value of one step of a raw sample.
    pub unit: f64,
    /// See `spec::series::Column`.
    pub factor: i32,
    /// See `spec::series::Column`.
    pub offset: f64,
    /// See `spec::series::Column`.
    pub shift: u32,
}

/// The integers of a series' columns; mean and standard deviation are one number, or one a column, as `units` are.
#[napi(catch_unwind)]
pub fn series_columns(
    units: Vec<f64>,
    mean: Vec<f64>,
    std: Vec<f64>,
    scale: f64,
    zero: i32,
) -> Result<Vec<SeriesColumn>> {
    let pick = |list: &[f64], c: usize| list.get(c).or(list.first()).copied().unwrap_or(f64::NAN);
    let column = |(c, &unit): (usize, &f64)| {
        let n = series::Normalisation { mean: pick(&mean, c), std: pick(&std, c), unit, scale, zero };
        let series::Column { factor, offset, shift } = series::Column::new(n).map_err(|why| {
            Failure::new("INPUT_INVALID", format!("the normalisation cannot be carried out in integers: {why}"))
        })?;
        Ok(SeriesColumn { unit, factor, offset: offset as f64, shift })
    };
    units.iter().enumerate().map(column).collect()
}

/// The int8 values of the raw values of a series, which belong to the columns in turn.
#[napi(catch_unwind)]
pub fn series_quantised(raw: Int16Array, columns: Vec<SeriesColumn>) -> Int8Array {
    let columns: Vec<series::Column> = columns
        .iter()
        .map(|c| series::Column { factor: c.factor, offset: c.offset as i64, shift: c.shift.min(63) })
        .collect();
    let mut out = vec![0; raw.len()];
    series::quantise(&raw, &columns, &mut out);
    Int8Array::new(out)
}
