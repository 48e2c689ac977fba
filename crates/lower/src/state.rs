//! Trainable state and constants of the layers and the head.

use std::collections::BTreeMap;

use tinytrain_ir::{Graph, Head, Layer};
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, Qas, exp2i, residual_bytes, round_half_up, sat32};
use tinytrain_spec::random::{head_bound, head_init};

use crate::{Arg, Const, Data, Init, Region, Slot, State, StateKind};

/// Alignment of a state tensor in bytes.
const ALIGN: u32 = 4;

#[derive(Default)]
pub struct Memory {
    pub consts: Vec<Const>,
    pub states: Vec<State>,
    pub bytes: u32,
    layers: BTreeMap<usize, LayerArgs>,
}

/// What the steps of one layer share. Read-only as they stand; a step that updates turns them into `Update`.
#[derive(Clone, Copy)]
pub struct LayerArgs {
    pub frozen: Arg,
    pub trained: Arg,
    pub channels: Arg,
    pub bias: Arg,
    pub offset: Arg,
    pub m: Arg,
    pub shift: Arg,
    pub qas: Arg,
    pub residuals: Arg,
}

impl Memory {
    fn constant(&mut self, name: String, data: Data) -> Arg {
        if data.bytes() == 0 {
            return Arg::None;
        }
        self.consts.push(Const { name, data });
        Arg::Const(self.consts.len() - 1)
    }

    fn state(&mut self, name: String, kind: StateKind, layer: Option<usize>, bytes: usize, init: Init) -> Arg {
        if bytes == 0 {
            return Arg::None;
        }
        let slot = Slot { region: Region::State, offset: self.bytes, bytes: bytes as u32 };
        self.bytes += slot.bytes.next_multiple_of(ALIGN);
        self.states.push(State { name, kind, layer, slot, init });
        Arg::Read(slot)
    }

    pub fn layer(&mut self, graph: &Graph, index: usize, bits: u32) -> LayerArgs {
        if let Some(args) = self.layers.get(&index) {
            return *args;
        }
        let layer = &graph.layers[index];
        let training = &layer.training;
        let (frozen, trained) = split(layer);
        let count = trained.len();
        let name = |what: &str| format!("conv{index}_{what}");
        let shifts: Vec<u8> = layer.requant.iter().map(|r| r.shift).collect();
        let updated = count > 0 || training.bias;
        let offsets = if training.bias { layer.bias.len() * 4 } else { 0 };
        let args = LayerArgs {
            frozen: self.constant(name("weights"), Data::I8(frozen)),
            trained: self.state(
                name("trained"),
                StateKind::Weights,
                Some(index),
                count,
                Init::Bytes(trained.iter().map(|&w| w as u8).collect()),
            ),
            channels: self.constant(name("channels"), Data::U16(training.channels.clone())),
            bias: self.constant(name("bias"), Data::I32(layer.bias.to_vec())),
            offset: self.state(name("bias_offset"), StateKind::Biases, Some(index), offsets, Init::Zero),
            m: self.constant(name("m"), Data::I32(layer.requant.iter().map(|r| r.m).collect())),
            shift: self.constant(name("shift"), Data::U8(if shifts.iter().any(|&s| s != 0) { shifts } else { vec![] })),
            qas: self.constant(name("qas"), Data::U32(if updated { qas(layer) } else { vec![] })),
            residuals: self.state(
                name("residuals"),
                StateKind::Residuals,
                Some(index),
                residual_bytes(count, bits),
                Init::Zero,
            ),
        };
        self.layers.insert(index, args);
        args
    }

    /// The head's weights and biases, drawn from the seed.
    pub fn head(&mut self, head: &Head, features: usize) -> (Arg, Arg) {
        let bound = head_bound(features as u32);
        let n = head.classes * features;
        let draw = |i: usize| head_init(head.seed, i as u32, bound);
        let weights = (0..n).flat_map(|i| draw(i).to_le_bytes()).collect();
        // The draw is in 2^-13; a bias is kept in s_x 2^-13.
        let bias = |i: usize| sat32(round_half_up(draw(n + i) as f64 / head.quant.scale) as i64);
        let biases = (0..head.classes).flat_map(|c| bias(c).to_le_bytes()).collect();
        (
            self.state("head_weights".into(), StateKind::HeadWeights, None, n * 2, Init::Bytes(weights)),
            self.state("head_bias".into(), StateKind::HeadBiases, None, head.classes * 4, Init::Bytes(biases)),
        )
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

/// `s_x 2^13`: what a head weight's gradient is scaled by.
pub fn head_weight_rate(head: &Head) -> f64 {
    head.quant.scale * exp2i(HEAD_FRACTION_BITS)
}

/// `2^13 / s_x`: what a head bias's gradient is scaled by.
pub fn head_bias_rate(head: &Head) -> f64 {
    exp2i(HEAD_FRACTION_BITS) / head.quant.scale
}
