use std::sync::OnceLock;

use tinytrain_kernels::simd::{Kernels, Layer, Unit};
use tinytrain_kernels::{Scales, Weights};
use tinytrain_program::{Operand, Program, Slot, Step};
use tinytrain_spec::kernels::{Call, Conv};

use crate::ExecError;
use crate::memory::Memory;

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
    layers: Vec<Layer>,
    /// Where each layer's trained weights lie.
    trained: Vec<Option<Slot>>,
    /// The layer of each step; none for other steps, and for convolutions that only the reference does.
    of: Vec<Option<usize>>,
}

impl Fast {
    /// Packs what frozen weights there are. Trained ones follow with [`Fast::restore`].
    pub fn new(unit: Unit, program: &Program, memory: &mut Memory) -> Self {
        let mut fast = Self { unit, layers: Vec::new(), trained: Vec::new(), of: vec![None; program.steps.len()] };
        for (i, step) in program.steps.iter().enumerate() {
            let (Call::Conv(c) | Call::Depthwise(c)) = &step.call else { continue };
            let others = || program.steps.iter().enumerate().filter(|&(j, _)| j != i);
            let users: Vec<usize> = others().filter(|(_, s)| uses(&s.call, c)).map(|(j, _)| j).collect();
            // Packed weights are a copy: no other step may know the trained ones.
            let trained = c.trained.and_then(Operand::slot);
            let knows = |s: &Step| s.slots().iter().any(|&slot| Some(slot) == trained);
            if others().any(|(j, s)| knows(s) && !users.contains(&j)) {
                continue;
            }
            let is_input_grad =
                |&j: &usize| matches!(program.steps[j].call, Call::ConvInputGrad(_) | Call::DepthwiseInputGrad(_));
            let input_grad = users.iter().any(is_input_grad);
            let v = c.views(&memory.step(&program.consts));
            let w = Weights {
                frozen: v.frozen.unwrap_or_default(),
                trained: v.trained.unwrap_or_default(),
                channels: v.channels.unwrap_or_default(),
            };
            let scales = Scales { m: v.m, shift: v.shift.unwrap_or_default() };
            let depthwise = step.call.kernel().depthwise();
            if let Some(layer) = Layer::new(unit, &c.p, depthwise, w, v.bias, scales, input_grad) {
                for j in users.into_iter().chain([i]) {
                    debug_assert!(fast.of[j].is_none(), "a step works with one layer");
                    fast.of[j] = Some(fast.layers.len());
                }
                fast.layers.push(layer);
                fast.trained.push(trained);
            }
        }
        fast
    }

    /// Takes over the trained weights as they are in memory.
    pub fn restore(&mut self, memory: &Memory) {
        for (layer, trained) in self.layers.iter_mut().zip(&self.trained) {
            if let Some(slot) = trained {
                layer.restore(memory.read(*slot));
            }
        }
    }

    /// The layer of a step.
    pub fn layer(&mut self, step: usize) -> Option<&mut Layer> {
        self.of[step].map(|i| &mut self.layers[i])
    }
}

/// Whether a gradient or update belongs to the layer of a convolution: the same weights, in the same geometry.
fn uses(call: &Call<Operand>, conv: &Conv<Operand>) -> bool {
    match call {
        Call::ConvInputGrad(c) | Call::DepthwiseInputGrad(c) => {
            (c.p, c.frozen, c.trained, c.channels) == (conv.p, conv.frozen, conv.trained, conv.channels)
        }
        Call::ConvWeightStep(c) | Call::DepthwiseWeightStep(c) => {
            (c.p, Some(c.q), c.channels) == (conv.p, conv.trained, conv.channels)
        }
        _ => false,
    }
}
