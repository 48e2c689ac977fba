use std::sync::OnceLock;

use tinytrain_kernels::simd::{Geometries, Kernels, PackedConv, Unit};
use tinytrain_kernels::{Scales, Weights};
use tinytrain_program::{Operand, Program, Slot, Step};
use tinytrain_spec::kernels::{Call, Conv};
use tinytrain_spec::params::ConvParams;

use crate::ExecError;
use crate::regions::Regions;

/// Names a family of kernels ([`Kernels::name`]), in place of the fastest that the processor has.
pub const KERNELS_VARIABLE: &str = "TINYTRAIN_KERNELS";

/// The family that runs in this process: the fastest, or the one that [`KERNELS_VARIABLE`] names.
pub fn chosen_kernels() -> Result<Kernels, ExecError> {
    static CHOSEN: OnceLock<Result<Kernels, String>> = OnceLock::new();
    let choose = || match std::env::var_os(KERNELS_VARIABLE).map(|name| name.to_string_lossy().into_owned()) {
        None => Ok(Kernels::best()),
        Some(name) => Kernels::named(&name).filter(|k| k.available()).ok_or(name),
    };
    CHOSEN.get_or_init(choose).clone().map_err(|name| {
        let what = if Kernels::named(&name).is_some() {
            "need instructions that this processor lacks"
        } else {
            "do not exist"
        };
        unavailable(&format!("{KERNELS_VARIABLE}={name}: these kernels {what}"))
    })
}

/// An error unless the processor has what kernels need.
pub fn require(kernels: Kernels) -> Result<(), ExecError> {
    let missing = || unavailable(&format!("{} kernels need instructions that this processor lacks", kernels.name()));
    if kernels.available() { Ok(()) } else { Err(missing()) }
}

fn unavailable(what: &str) -> ExecError {
    let here: Vec<_> = Kernels::ALL.into_iter().filter(|k| k.available()).map(Kernels::name).collect();
    ExecError::Kernels(format!("{what} (here: {})", here.join(", ")))
}

/// A Program's convolutions, packed for the processor.
#[derive(Clone)]
pub struct Fast {
    /// Proof of the processor's instructions.
    pub unit: Unit,
    layers: Vec<PackedConv>,
    /// Where each layer's trained weights lie.
    trained: Vec<Option<Slot>>,
    /// The layer of each step and its part among those of its kind; none for other steps, and for convolutions that only the reference does.
    of: Vec<Option<(usize, usize)>>,
}

impl Fast {
    /// Packs what frozen weights there are. Trained ones follow with [`Fast::restore`].
    pub fn new(unit: Unit, program: &Program, memory: &mut Regions) -> Self {
        let mut fast = Self { unit, layers: Vec::new(), trained: Vec::new(), of: vec![None; program.steps.len()] };
        let mut seen = vec![false; program.steps.len()];
        for (i, step) in program.steps.iter().enumerate() {
            let (Call::Conv(c) | Call::Depthwise(c)) = &step.call else { continue };
            if seen[i] {
                continue;
            }
            let users: Vec<usize> =
                (i..program.steps.len()).filter(|&j| uses(&program.steps[j].call, &step.call)).collect();
            users.iter().for_each(|&j| seen[j] = true);
            if let Some(layer) = fast.layer_of(program, memory, c, &users) {
                fast.layers.push(layer);
                fast.trained.push(c.trained.and_then(Operand::slot));
            }
        }
        fast
    }

    /// The layer of a convolution and of the steps that use it, which are noted.
    fn layer_of(
        &mut self,
        program: &Program,
        memory: &mut Regions,
        c: &Conv<Operand>,
        users: &[usize],
    ) -> Option<PackedConv> {
        let steps = &program.steps;
        // Packed weights are a copy: no other step may know the trained ones.
        let trained = c.trained.and_then(Operand::slot);
        let knows = |s: &Step| trained.is_some() && s.slots().iter().any(|&slot| Some(slot) == trained);
        if steps.iter().enumerate().any(|(j, s)| knows(s) && !users.contains(&j)) {
            return None;
        }
        let mut parts: [Vec<ConvParams>; 3] = Default::default();
        let mut noted = Vec::new();
        for &j in users {
            let (kind, p) = geometry(&steps[j].call)?;
            let parts = &mut parts[kind as usize];
            let part = parts.iter().position(|known| known == p).unwrap_or_else(|| {
                parts.push(*p);
                parts.len() - 1
            });
            noted.push((j, part));
        }
        let [forward, weight_steps, input_grads] = &parts;
        let parts = Geometries { forward, weight_steps, input_grads };
        let v = c.views(&memory.step(&program.consts));
        let w = Weights {
            frozen: v.frozen.unwrap_or_default(),
            trained: v.trained.unwrap_or_default(),
            channels: v.channels.unwrap_or_default(),
        };
        let scales = Scales { m: v.m, shift: v.shift.unwrap_or_default() };
        let depthwise = steps[users[0]].call.kernel().depthwise();
        let layer = PackedConv::new(self.unit, parts, depthwise, w, v.bias, scales)?;
        for (j, part) in noted {
            self.of[j] = Some((self.layers.len(), part));
        }
        Some(layer)
    }

    /// Takes over the trained weights as they are in memory.
    pub fn restore(&mut self, memory: &Regions) {
        for (layer, trained) in self.layers.iter_mut().zip(&self.trained) {
            if let Some(slot) = trained {
                layer.restore(memory.read(*slot));
            }
        }
    }

    /// The layer of a step and its part.
    pub fn layer(&mut self, step: usize) -> Option<(&mut PackedConv, usize)> {
        self.of[step].map(|(i, part)| (&mut self.layers[i], part))
    }
}

/// What a call of a convolution computes.
#[derive(Clone, Copy)]
enum Kind {
    Forward,
    WeightStep,
    InputGrad,
}

/// The geometry of a convolution's call.
fn geometry(call: &Call<Operand>) -> Option<(Kind, &ConvParams)> {
    match call {
        Call::Conv(c) | Call::Depthwise(c) => Some((Kind::Forward, &c.p)),
        Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) => Some((Kind::WeightStep, &c.p)),
        Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => Some((Kind::InputGrad, &c.p)),
        _ => None,
    }
}

/// Whether a call belongs to the layer of a convolution, or is of it: the same weights, over any rows.
fn uses(call: &Call<Operand>, of: &Call<Operand>) -> bool {
    let (Call::Conv(conv) | Call::Depthwise(conv)) = of else { return false };
    let Some((_, p)) = geometry(call) else { return false };
    if call.kernel().depthwise() != of.kernel().depthwise() {
        return false;
    }
    let same = p.same_columns(&conv.p);
    let weights = (conv.frozen, conv.trained, conv.channels);
    match call {
        Call::Conv(c) | Call::Depthwise(c) => {
            let scales = (c.bias, c.m, c.shift) == (conv.bias, conv.m, conv.shift);
            same && scales && (c.frozen, c.trained, c.channels) == weights
        }
        Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => same && (c.frozen, c.trained, c.channels) == weights,
        Call::DepthwiseWeightStep(c) => same && (Some(c.q), c.channels) == (conv.trained, conv.channels),
        Call::ConvWeightStep(c) => {
            // Of the trained channels alone, or of all channels.
            let alone = p.in_c == conv.p.trained && ConvParams { in_c: conv.p.in_c, ..*p }.same_columns(&conv.p);
            Some(c.q) == conv.trained && (same && c.channels == conv.channels || alone && c.channels.is_none())
        }
        _ => false,
    }
}
