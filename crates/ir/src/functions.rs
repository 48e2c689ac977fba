//! Functions of single values, by their tables. No libm takes part: every machine makes the same tables.

use std::sync::Arc;

use tinytrain_spec::arith::{exp2i, round_half_up};
use tinytrain_spec::softmax::{U_MAX, exp2_neg};

use crate::{GraphBuilder, IrError, Lookup, Op, Quant, TensorId};

/// A function of a real number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// `1 / (1 + e^-x)`
    Logistic,
    /// `(1 - e^-2x) / (1 + e^-2x)`
    Tanh,
    /// `x min(max(x + 3, 0), 6) / 6`
    HardSwish,
    /// `x` where it is positive, `e^x - 1` elsewhere.
    Elu,
    /// `x` where it is positive, `alpha x` elsewhere.
    LeakyRelu {
        /// The slope of the negative side.
        alpha: f64,
    },
    /// `factor x + term`: MUL, ADD and SUB by a constant.
    Linear {
        /// Multiplies.
        factor: f64,
        /// Is added.
        term: f64,
    },
    /// `max(x, bound)`
    Maximum {
        /// The least value.
        bound: f64,
    },
    /// `min(x, bound)`
    Minimum {
        /// The largest value.
        bound: f64,
    },
    /// `|x|`
    Abs,
    /// `e^x`
    Exp,
}

/// `e^-v` for `v >= 0`, by the integer exponential of the head: it takes Q6.26 and yields Q1.31.
fn exp_neg(v: f64) -> f64 {
    let u = round_half_up(v * std::f64::consts::LOG2_E * 67_108_864.0).min(f64::from(U_MAX));
    f64::from(exp2_neg(u as u32)) / 2_147_483_648.0
}

fn logistic(x: f64) -> f64 {
    let e = exp_neg(x.abs());
    if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
}

impl Function {
    /// Its name in the `.tflite` format, or what it is there.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logistic => "LOGISTIC",
            Self::Tanh => "TANH",
            Self::HardSwish => "HARD_SWISH",
            Self::Elu => "ELU",
            Self::LeakyRelu { .. } => "LEAKY_RELU",
            Self::Linear { .. } => "LINEAR",
            Self::Maximum { .. } => "MAXIMUM",
            Self::Minimum { .. } => "MINIMUM",
            Self::Abs => "ABS",
            Self::Exp => "EXP",
        }
    }

    /// Its value.
    pub fn value(self, x: f64) -> f64 {
        match self {
            Self::Logistic => logistic(x),
            Self::Tanh => 2.0 * logistic(2.0 * x) - 1.0,
            Self::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Elu if x < 0.0 => exp_neg(-x) - 1.0,
            Self::Elu => x,
            Self::LeakyRelu { alpha } if x < 0.0 => alpha * x,
            Self::LeakyRelu { .. } => x,
            Self::Linear { factor, term } => factor * x + term,
            Self::Maximum { bound } => x.max(bound),
            Self::Minimum { bound } => x.min(bound),
            Self::Abs => x.abs(),
            Self::Exp if x < 0.0 => exp_neg(-x),
            Self::Exp => 1.0 / exp_neg(x),
        }
    }

    /// The derivative; where there is none, the right one.
    fn slope(self, x: f64) -> f64 {
        match self {
            Self::Logistic => self.value(x) * (1.0 - self.value(x)),
            Self::Tanh => 4.0 * Self::Logistic.slope(2.0 * x),
            Self::HardSwish if x < -3.0 => 0.0,
            Self::HardSwish if x < 3.0 => (2.0 * x + 3.0) / 6.0,
            Self::HardSwish => 1.0,
            Self::Elu | Self::Exp if x < 0.0 => exp_neg(-x),
            Self::Exp => self.value(x),
            Self::Elu => 1.0,
            Self::LeakyRelu { alpha } if x < 0.0 => alpha,
            Self::LeakyRelu { .. } => 1.0,
            Self::Linear { factor, .. } => factor,
            Self::Maximum { bound } => f64::from(u8::from(x >= bound)),
            Self::Minimum { bound } => f64::from(u8::from(x <= bound)),
            Self::Abs if x < 0.0 => -1.0,
            Self::Abs => 1.0,
        }
    }

    /// Whether its values approach bounds. Its slopes then need no clamp: near the bounds they are next to nothing.
    fn saturates(self) -> bool {
        matches!(self, Self::Logistic | Self::Tanh)
    }
}

impl GraphBuilder {
    /// A function of each value, clamped to `bounds`. A clamped value passes no gradient on, as everywhere.
    pub fn function(&mut self, x: TensorId, f: Function, y: Quant, bounds: (i32, i32)) -> Result<TensorId, IrError> {
        self.check_quant(y)?;
        let (xs, xq) = (self.shape(x), self.quant(x));
        let at = |i: usize| f64::from(i as i32 - 128 - xq.zero) * xq.scale;
        let whole = |i: usize| round_half_up(f.value(at(i)) / y.scale) + f64::from(y.zero);
        let unit = exp2i(Lookup::SLOPE_BITS) * xq.scale / y.scale;
        let (lo, hi) = (f64::from(bounds.0), f64::from(bounds.1));
        let slope = |i: usize| {
            let inside = f.saturates() || (lo..=hi).contains(&whole(i));
            if inside { round_half_up(f.slope(at(i)) * unit) } else { 0.0 }
        };
        // Values and slopes that no table holds: not a number, or too steep.
        let fits = |i: usize| whole(i).abs() < 2f64.powi(50) && slope(i).abs() < 2f64.powi(31);
        if !(0..256).all(fits) {
            return Err(self.unsupported(format!("{} from scale {} into {}", f.name(), xq.scale, y.scale)));
        }
        let table: [i8; 256] = std::array::from_fn(|i| whole(i).clamp(lo, hi) as i8);
        let slope: [i32; 256] = std::array::from_fn(|i| slope(i) as i32);
        let same = (0..256).all(|i| i32::from(table[i]) == i as i32 - 128 && slope[i] == 1 << Lookup::SLOPE_BITS);
        if same {
            // The same bytes, read as other reals: nothing is computed.
            return self.push(Op::Reshape, vec![x], xs, y);
        }
        self.push(Op::Lookup(Arc::new(Lookup { function: f, table, slope })), vec![x], xs, y)
    }

    /// LOGISTIC: `1 / (1 + e^-x)`.
    pub fn logistic(&mut self, x: TensorId, y: Quant) -> Result<TensorId, IrError> {
        self.function(x, Function::Logistic, y, (-128, 127))
    }

    /// `-x` at the same scale, exactly: `q` becomes `-1 - q`.
    pub fn negated(&mut self, x: TensorId) -> Result<TensorId, IrError> {
        let q = self.quant(x);
        let y = Quant { scale: q.scale, zero: -1 - q.zero };
        self.function(x, Function::Linear { factor: -1.0, term: 0.0 }, y, (-128, 127))
    }
}
