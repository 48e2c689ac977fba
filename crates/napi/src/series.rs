use napi::Result;
use napi::bindgen_prelude::{Int8Array, Int16Array, Int32Array, Uint16Array};
use napi_derive::napi;
use tinytrain_spec::{mel, micro, series};

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

/// The micro front end of a sound: see `spec::micro`.
#[napi(object)]
pub struct MicroFront {
    /// See `spec::micro::Front`.
    pub frames: MelFront,
    /// See `spec::micro::Front`.
    pub smoothing: u32,
    /// See `spec::micro::Front`.
    pub even: f64,
    /// See `spec::micro::Front`.
    pub odd: f64,
    /// See `spec::micro::Front`.
    pub remaining: f64,
    /// See `spec::micro::Gain`.
    pub gain: Option<MicroGain>,
    /// See `spec::micro::Front`.
    pub scale: u32,
}

/// See `spec::micro::Gain`.
#[napi(object)]
pub struct MicroGain {
    /// See `spec::micro::Gain`.
    pub strength: f64,
    /// See `spec::micro::Gain`.
    pub offset: f64,
    /// See `spec::micro::Gain`.
    pub bits: u32,
}

impl MicroFront {
    fn spec(self) -> Result<(micro::Front, micro::Tables)> {
        let Self { frames, smoothing, even, odd, remaining, gain, scale } = self;
        let MelFront { rate, length, stride, channels, low, high } = frames;
        let frames = mel::Front { rate, length, stride, channels, low, high };
        let gain = gain.map(|MicroGain { strength, offset, bits }| micro::Gain { strength, offset, bits });
        let front = micro::Front { frames, smoothing, even, odd, remaining, gain, scale };
        let tables =
            front.tables().map_err(|why| Failure::new("INPUT_INVALID", format!("no features can be made: {why}")))?;
        Ok((front, tables))
    }
}

/// What a device needs to compute the features of a frame: see `spec::micro`.
#[napi(object)]
pub struct MicroTables {
    /// Points of the transform.
    pub points: u32,
    /// See `spec::micro::Front::correction`.
    pub correction: u32,
    /// See `spec::micro::Tables`.
    pub first: u32,
    /// See `spec::micro::Tables`.
    pub window: Int16Array,
    /// See `spec::micro::Tables`.
    pub cosines: Int16Array,
    /// See `spec::micro::Tables`.
    pub ends: Uint16Array,
    /// See `spec::micro::Tables`.
    pub weights: Uint16Array,
    /// See `spec::micro::Tables`.
    pub shares: Vec<u32>,
    /// See `spec::micro::Tables`.
    pub gains: Int16Array,
    /// See `spec::micro::Tables`.
    pub gain_shift: u32,
    /// See `spec::micro::Tables`.
    pub logs: Uint16Array,
}

/// The tables of a micro front end; throws for one that is none.
#[napi(catch_unwind)]
pub fn micro_tables(front: MicroFront) -> Result<MicroTables> {
    let (front, micro::Tables { window, cosines, first, ends, weights, shares, gains, gain_shift, logs }) =
        front.spec()?;
    Ok(MicroTables {
        points: front.points(),
        correction: front.correction(),
        first,
        window: window.into(),
        cosines: cosines.into(),
        ends: ends.into(),
        weights: weights.into(),
        shares: shares.map(u32::from).to_vec(),
        gains: gains.into(),
        gain_shift,
        logs: logs.into(),
    })
}

/// The features of all whole frames of a sound, frame after frame.
#[napi(catch_unwind)]
pub fn micro_features(front: MicroFront, sound: Int16Array) -> Result<Int16Array> {
    let (front, tables) = front.spec()?;
    Ok(micro::features(&front, &tables, &sound).into())
}
