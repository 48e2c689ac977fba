//! Trainable state and constants of the layers and the head, and where they lie.

use std::collections::BTreeMap;

use tinytrain_ir::{Graph, Head, Layer};
use tinytrain_spec::arith::{Qas, residual_bytes, round_half_up, sat32};
use tinytrain_spec::random::{head_bound, head_init};

use tinytrain_program::{Const, Data, Init, Operand, Region, Slot, State, StateKind};

use crate::LowerError;

/// Alignment of a state tensor in bytes.
const ALIGN: u32 = 4;
/// Bytes of the largest replay buffer: half of the largest region of a Program.
const LARGEST_REPLAY: u64 = 1 << 29;

/// Constants and trainable tensors as steps ask for them, each laid out once.
#[derive(Default)]
pub struct Storage {
    pub consts: Vec<Const>,
    pub states: Vec<State>,
    pub state_bytes: u32,
    layers: BTreeMap<usize, LayerOperands>,
    head: Option<HeadOperands>,
}

/// Operands that the steps of one layer share.
#[derive(Clone, Copy)]
pub struct LayerOperands {
    pub frozen: Option<Operand>,
    pub trained: Option<Operand>,
    pub channels: Option<Operand>,
    pub bias: Operand,
    pub offset: Option<Operand>,
    pub m: Operand,
    pub shift: Option<Operand>,
    pub qas: Option<Operand>,
    pub residuals: Option<Operand>,
}

/// Operands that the steps of the head share.
#[derive(Clone, Copy)]
pub struct HeadOperands {
    pub weights: Operand,
    pub bias: Operand,
}

impl Storage {
    /// A constant.
    pub fn constant(&mut self, name: String, data: Data) -> Operand {
        self.consts.push(Const { name, data });
        Operand::Constant(self.consts.len() - 1)
    }

    /// A constant that is absent where it would be empty.
    fn optional(&mut self, name: String, data: Data) -> Option<Operand> {
        if data.is_empty() { None } else { Some(self.constant(name, data)) }
    }

    fn state(&mut self, name: String, kind: StateKind, layer: Option<usize>, bytes: usize, init: Init) -> Operand {
        let slot = Slot { region: Region::State, offset: self.state_bytes, bytes: bytes as u32 };
        self.state_bytes += slot.bytes.next_multiple_of(ALIGN);
        self.states.push(State { name, kind, layer, slot, init });
        Operand::Memory(slot)
    }

    /// The operands of layer `index`, whose trained weights keep `bits` residual bits.
    pub fn layer(&mut self, graph: &Graph, index: usize, bits: u32) -> LayerOperands {
        if let Some(operands) = self.layers.get(&index) {
            return *operands;
        }
        let layer = &graph.layers[index];
        let training = &layer.training;
        let (frozen, trained) = split(layer);
        let count = trained.len();
        let name = |what: &str| format!("conv{index}_{what}");
        let shifts: Vec<u8> = layer.requant.iter().map(|r| r.shift).collect();
        let updated = count > 0 || training.bias;
        let offsets = if training.bias { layer.bias.len() * 4 } else { 0 };
        let mut state = |name: String, kind: StateKind, bytes: usize, init: Init| {
            (bytes > 0).then(|| self.state(name, kind, Some(index), bytes, init))
        };
        // The order of the fields is that of the places in the state.
        let init = Init::Bytes(trained.iter().map(|&w| w as u8).collect());
        let trained = state(name("trained"), StateKind::Weights, count, init);
        let offset = state(name("bias_offset"), StateKind::Biases, offsets, Init::Zero);
        let residuals = state(name("residuals"), StateKind::Residuals, residual_bytes(count, bits), Init::Zero);
        let operands = LayerOperands {
            frozen: self.optional(name("weights"), Data::I8(frozen)),
            trained,
            channels: self.optional(name("channels"), Data::U16(training.channels.clone())),
            bias: self.constant(name("bias"), Data::I32(layer.bias.to_vec())),
            offset,
            m: self.constant(name("m"), Data::I32(layer.requant.iter().map(|r| r.m).collect())),
            shift: self.optional(name("shift"), Data::U8(if shifts.iter().any(|&s| s != 0) { shifts } else { vec![] })),
            qas: self.optional(name("qas"), Data::U32(if updated { qas(layer) } else { vec![] })),
            residuals,
        };
        self.layers.insert(index, operands);
        operands
    }

    /// The operands of the head. What its classes do not start with is drawn from the seed.
    pub fn head(&mut self, head: &Head, features: usize) -> HeadOperands {
        if let Some(operands) = self.head {
            return operands;
        }
        let bound = head_bound(features as u32);
        let n = head.classes * features;
        let draw = |i: usize| head_init(head.seed, i as u32, bound);
        // The draw is in 2^-13; a bias is kept in s_x 2^-13.
        let drawn_bias = |c: usize| sat32(round_half_up(draw(n + c) as f64 / head.quant.scale) as i64);
        let weight = |i: usize| head.rows[i / features].as_ref().map_or_else(|| draw(i), |r| r.weights[i % features]);
        let bias = |c: usize| head.rows[c].as_ref().map_or_else(|| drawn_bias(c), |r| r.bias);
        let weights = (0..n).flat_map(|i| weight(i).to_le_bytes()).collect();
        let biases = (0..head.classes).flat_map(|c| bias(c).to_le_bytes()).collect();
        let operands = HeadOperands {
            weights: self.state("head_weights".into(), StateKind::HeadWeights, None, n * 2, Init::Bytes(weights)),
            bias: self.state("head_bias".into(), StateKind::HeadBiases, None, head.classes * 4, Init::Bytes(biases)),
        };
        self.head = Some(operands);
        operands
    }

    /// The replay buffer: places for `samples` samples of `bytes` bytes, empty.
    pub fn replay(&mut self, bytes: usize, samples: u32, classes: usize) -> Result<(), LowerError> {
        let all = bytes as u64 * u64::from(samples);
        if all > LARGEST_REPLAY {
            return Err(LowerError::Replay { samples, bytes });
        }
        let kinds = [
            ("replay_samples", StateKind::ReplaySamples, all as usize),
            ("replay_tags", StateKind::ReplayTags, samples as usize),
            ("replay_counts", StateKind::ReplayCounts, 2 * classes),
        ];
        for (name, kind, elements) in kinds {
            self.state(name.into(), kind, None, elements * kind.element().bytes() as usize, Init::Zero);
        }
        Ok(())
    }
}

/// Weights in two parts: of the frozen channels and of the trained ones, each in the order of the whole.
fn split(layer: &Layer) -> (Vec<i8>, Vec<i8>) {
    let mut trained = vec![false; layer.selectable()];
    layer.training.channels.iter().for_each(|&c| trained[c as usize] = true);
    let part = |want: bool| {
        let of_part = |&(i, _): &(usize, &i8)| trained[layer.channel_of(i)] == want;
        layer.weights.iter().enumerate().filter(of_part).map(|(_, &w)| w).collect()
    };
    (part(false), part(true))
}

/// `1 / s_w^2` of each output channel; frozen for a dead one.
fn qas(layer: &Layer) -> Vec<u32> {
    let of = |c: usize| {
        if layer.live[c] { Qas::from_f64(1.0 / (layer.w_scales[c] * layer.w_scales[c])) } else { Qas::FROZEN }
    };
    (0..layer.w_scales.len()).map(|c| of(c).0).collect()
}
