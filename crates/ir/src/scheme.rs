use std::collections::BTreeMap;
use std::fmt;

use crate::{Graph, IrError, Layer, Training};

/// A share of a layer's channels: `num / den`, more than 0 and at most 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Numerator.
    pub num: u32,
    /// Denominator.
    pub den: u32,
}

impl Share {
    /// All channels.
    pub const ALL: Self = Self { num: 1, den: 1 };

    fn parse(text: &str) -> Option<Self> {
        let (num, den) = match text.split_once('/') {
            Some((n, d)) => (n.parse().ok()?, d.parse().ok()?),
            None => (text.parse().ok()?, 1),
        };
        (num >= 1 && num <= den).then_some(Self { num, den })
    }

    /// `max(1, floor(share * channels))`.
    pub fn of(self, channels: usize) -> usize {
        ((channels as u64 * self.num as u64 / self.den as u64) as usize).max(1)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

/// The parameters that are trained besides the head: the biases of the last `bias` convolutions, and a share of the weights of some convolutions.
/// Convolutions are counted from 0 in order of execution.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scheme {
    /// Number of convolutions, counted from the last, whose biases are trained.
    pub bias: usize,
    /// Per convolution, the share of its channels whose weights are trained.
    pub weights: BTreeMap<usize, Share>,
}

impl Scheme {
    /// Reads `head`, `full`, `bias:N` or `bias:N,I:SHARE,...` (the `bias` part may be left out) for a model with `layers` convolutions.
    pub fn parse(text: &str, layers: usize) -> Result<Self, IrError> {
        let fail = |what: String| IrError::Scheme { scheme: text.into(), what };
        let form = "a scheme is 'head', 'full', 'bias:N' or 'bias:N,LAYER:SHARE,...' such as bias:22,21:1,36:1/8";
        let mut scheme = Self::default();
        match text {
            "head" => return Ok(scheme),
            "full" => {
                return Ok(Self { bias: layers, weights: (0..layers).map(|i| (i, Share::ALL)).collect() });
            }
            _ => {}
        }
        let mut bias_seen = false;
        for part in text.split(',') {
            let (key, value) =
                part.split_once(':').ok_or_else(|| fail(format!("'{part}' is not understood; {form}")))?;
            if key == "bias" {
                if std::mem::replace(&mut bias_seen, true) {
                    return Err(fail("'bias' is given twice".into()));
                }
                scheme.bias =
                    value.parse().map_err(|_| fail(format!("'{value}' is not a number of convolutions; {form}")))?;
                if scheme.bias > layers {
                    return Err(fail(format!(
                        "it trains the biases of the last {} convolutions, but the model has only {layers}",
                        scheme.bias
                    )));
                }
                continue;
            }
            let layer: usize = key
                .parse()
                .map_err(|_| fail(format!("'{key}' is neither 'bias' nor the number of a convolution; {form}")))?;
            if layer >= layers {
                return Err(fail(format!(
                    "convolution {layer} does not exist: the model has {layers}, counted from 0 (npx tinytrain inspect MODEL lists them)"
                )));
            }
            let share = Share::parse(value)
                .ok_or_else(|| fail(format!("'{value}' is not a share such as 1, 1/2 or 1/8; {form}")))?;
            if scheme.weights.insert(layer, share).is_some() {
                return Err(fail(format!("convolution {layer} is given twice")));
            }
        }
        Ok(scheme)
    }

    /// The trained part of convolution `index` of `graph`: the selectable channels with the largest sum of squared int8 weights; of equal ones, those
    /// with the lower index.
    pub fn training(&self, graph: &Graph, index: usize) -> Training {
        let layer = &graph.layers[index];
        let bias = index + self.bias >= graph.layers.len();
        let channels = self.weights.get(&index).map_or_else(Vec::new, |share| largest_channels(layer, *share));
        Training { channels, bias }
    }
}

fn largest_channels(layer: &Layer, share: Share) -> Vec<u16> {
    let mut squares = vec![0i64; layer.selectable()];
    for (i, &w) in layer.weights.iter().enumerate() {
        squares[layer.channel_of(i)] += w as i64 * w as i64;
    }
    let mut order: Vec<u16> = (0..squares.len() as u32).map(|c| c as u16).collect();
    order.sort_by_key(|&c| (std::cmp::Reverse(squares[c as usize]), c));
    order.truncate(share.of(squares.len()));
    order.sort_unstable();
    order
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.weights.is_empty() && self.bias == 0 {
            return write!(f, "head");
        }
        write!(f, "bias:{}", self.bias)?;
        self.weights.iter().try_for_each(|(i, s)| write!(f, ",{i}:{s}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, canonical) in [
            ("head", "head"),
            ("bias:2", "bias:2"),
            ("2:1/2,bias:1,0:1", "bias:1,0:1,2:1/2"),
            ("full", "bias:3,0:1,1:1,2:1"),
        ] {
            assert_eq!(Scheme::parse(text, 3).unwrap().to_string(), canonical);
        }
        for bad in
            ["", "bias", "bias:x", "bias:4", "3:1", "1:2", "1:0", "1:1/0", "1:1,1:1", "bias:1,bias:2", "x:1", "1:-1"]
        {
            assert_eq!(Scheme::parse(bad, 3).unwrap_err().code(), "SCHEME_INVALID", "{bad}");
        }
        assert_eq!(Share { num: 1, den: 8 }.of(5), 1);
        assert_eq!(Share { num: 1, den: 4 }.of(11), 2);
    }
}
