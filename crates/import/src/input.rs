use tinytrain_ir::{Quant, Shape};
use tinytrain_spec::arith::round_half_up;

use crate::ImportError;

/// The input normalisation of an image model: `real = (pixel - mean[c]) / std[c]` for a pixel 0..255. Both have one
/// entry for all channels, or one per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalisation {
    /// Mean, in pixel values.
    pub mean: Vec<f64>,
    /// Standard deviation, in pixel values.
    pub std: Vec<f64>,
}

/// How to feed a model.
#[derive(Clone, Debug)]
pub struct Input {
    /// Rows, columns, channels of one image.
    pub shape: Shape,
    /// Quantisation of the graph's input.
    pub quant: Quant,
    /// The tensor's index in a `.tflite`: the output of QUANTIZE, if the file's own input is float or uint8.
    pub source: Option<usize>,
    /// The normalisation from which the tables were computed.
    pub normalisation: Normalisation,
    /// Whether the normalisation was guessed rather than given by the caller.
    pub guessed: bool,
    /// The int8 value of each pixel 0..255, one table per channel (fewer if they are all the same, see
    /// [`Input::table`]).
    pub tables: Vec<[i8; 256]>,
}

impl Normalisation {
    /// The same for all channels.
    pub fn uniform(mean: f64, std: f64) -> Self {
        Self { mean: vec![mean], std: vec![std] }
    }

    /// Guesses the normalisation, which a file does not state, from the range of reals that int8 covers with the
    /// input's quantisation: calibration fits it to the values that were fed to the model. A range within 2 % of -1..1,
    /// 0..1, 0..255 or -128..127 is taken as that convention. Any other range is assumed to correspond to 0..255 too, so
    /// that a pixel becomes `pixel - 128`; callers who know better set it in [`ImportOptions`](crate::ImportOptions).
    pub fn guess(quant: Quant) -> Self {
        let low = (-128 - quant.zero) as f64 * quant.scale;
        let width = 255.0 * quant.scale;
        let is = |l: f64, w: f64| (width / w - 1.0).abs() < 0.02 && (low - l).abs() < 0.02 * w;
        if is(-1.0, 2.0) {
            Self::uniform(127.5, 127.5)
        } else if is(0.0, 1.0) {
            Self::uniform(0.0, 255.0)
        } else if is(0.0, 255.0) {
            Self::uniform(0.0, 1.0)
        } else if is(-128.0, 255.0) {
            Self::uniform(128.0, 1.0)
        } else {
            Self::uniform(-low / quant.scale, 1.0 / quant.scale)
        }
    }

    /// The int8 value of each pixel for channel `c`: `round((pixel - mean) / std / scale) + zero`, saturating; or
    /// `pixel - 128` for all pixels if that differs from the exact value by at most 3/4 everywhere. In that case pixels
    /// and int8 values correspond one to one up to a fraction of a level, and rounding would merge grey levels (one
    /// pair at least; with `pixel - 127.5`, as in -1..1 at zero point 0, perhaps every pair).
    fn table(&self, c: usize, quant: Quant) -> [i8; 256] {
        let pick = |v: &[f64]| v.get(c).or(v.first()).copied().unwrap_or(1.0);
        let (mean, std) = (pick(&self.mean), pick(&self.std));
        let exact = |p: usize| (p as f64 - mean) / std / quant.scale + quant.zero as f64;
        let direct = (0..256).all(|p| (exact(p) - (p as f64 - 128.0)).abs() <= 0.75);
        std::array::from_fn(|p| {
            if direct { (p as i32 - 128) as i8 } else { round_half_up(exact(p).clamp(-128.0, 127.0)) as i8 }
        })
    }

    /// The tables of an input's channels, at least one. If mean and standard deviation are the same for all channels, there
    /// are at most four tables: an input with more channels is not an image, and sharing tables bounds the memory.
    ///
    /// # Errors
    /// The reason, in words, why the normalisation does not match the channels.
    pub fn tables(&self, channels: usize, quant: Quant) -> Result<Vec<[i8; 256]>, String> {
        self.check(channels)?;
        let uniform = self.mean.len() == 1 && self.std.len() == 1;
        Ok(if uniform {
            vec![self.table(0, quant); channels.min(4)]
        } else {
            (0..channels).map(|c| self.table(c, quant)).collect()
        })
    }

    /// Whether it can be that of an input with this number of channels.
    pub(crate) fn suits(&self, channels: usize) -> bool {
        self.check(channels).is_ok()
    }

    fn check(&self, channels: usize) -> Result<(), String> {
        let fits = |v: &[f64]| v.len() == 1 || v.len() == channels;
        if !fits(&self.mean) || !fits(&self.std) {
            return Err(format!(
                "the normalisation has {} means and {} standard deviations; the model has {channels} input channels",
                self.mean.len(),
                self.std.len()
            ));
        }
        match self.mean.iter().all(|m| m.is_finite()) && self.std.iter().all(|s| s.is_finite() && *s > 0.0) {
            true => Ok(()),
            false => Err("the means of the normalisation must be finite and its standard deviations positive".into()),
        }
    }
}

impl Input {
    pub(crate) fn new(
        file: &str,
        shape: Shape,
        quant: Quant,
        source: Option<usize>,
        stated: Option<&Normalisation>,
    ) -> Result<Self, ImportError> {
        let normalisation = stated.cloned().unwrap_or_else(|| Normalisation::guess(quant));
        let tables = normalisation.tables(shape.c, quant);
        let tables = tables.map_err(|what| ImportError::Options { file: file.into(), what })?;
        Ok(Self { shape, quant, source, normalisation, guessed: stated.is_none(), tables })
    }

    /// The table of channel `c`, 256 entries.
    pub fn table(&self, c: usize) -> &[i8; 256] {
        &self.tables[c.min(self.tables.len() - 1)]
    }
}
