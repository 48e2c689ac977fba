use napi::Result;
use napi::bindgen_prelude::{Int8Array, Int16Array, Int32Array, Uint16Array};
use napi_derive::napi;
use tinytrain_spec::{mel, series};

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

/// The front end of a sound: see `spec::mel`.
#[napi(object)]
pub struct MelFront {
    /// See `spec::mel::Front`.
    pub rate: u32,
    /// See `spec::mel::Front`.
    pub length: u32,
    /// See `spec::mel::Front`.
    pub stride: u32,
    /// See `spec::mel::Front`.
    pub channels: u32,
    /// See `spec::mel::Front`.
    pub low: u32,
    /// See `spec::mel::Front`.
    pub high: u32,
}

impl MelFront {
    fn spec(&self) -> Result<(mel::Front, mel::Tables)> {
        let Self { rate, length, stride, channels, low, high } = *self;
        let front = mel::Front { rate, length, stride, channels, low, high };
        let tables = front
            .tables()
            .map_err(|why| Failure::new("INPUT_INVALID", format!("no spectrogram can be made: {why}")))?;
        Ok((front, tables))
    }
}

/// What a device needs to compute the features of a frame: see `spec::mel`.
#[napi(object)]
pub struct MelTables {
    /// Points of the transform.
    pub points: u32,
    /// See `spec::mel::Tables`.
    pub first: u32,
    /// See `spec::mel::Tables`.
    pub window: Int32Array,
    /// See `spec::mel::Tables`.
    pub cosines: Int32Array,
    /// See `spec::mel::Tables`.
    pub ends: Uint16Array,
    /// See `spec::mel::Tables`.
    pub weights: Uint16Array,
}

/// The tables of a front end; throws for one that is none.
#[napi(catch_unwind)]
pub fn mel_tables(front: MelFront) -> Result<MelTables> {
    let (front, mel::Tables { window, cosines, first, ends, weights }) = front.spec()?;
    Ok(MelTables {
        points: front.points(),
        first,
        window: window.into(),
        cosines: cosines.into(),
        ends: ends.into(),
        weights: weights.into(),
    })
}

/// The features of all whole frames of a sound, frame after frame.
#[napi(catch_unwind)]
pub fn mel_features(front: MelFront, sound: Int16Array) -> Result<Int16Array> {
    let (front, tables) = front.spec()?;
    Ok(mel::features(&front, &tables, &sound).into())
}
