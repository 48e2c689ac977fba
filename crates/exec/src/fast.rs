use std::sync::OnceLock;

use tinytrain_kernels::simd::{Kernels, Layer, Unit};
use tinytrain_kernels::{Scales, Weights};
use tinytrain_lower::{Arg, Kernel, Program, Slot, Step};

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
            let Kernel::Conv { depthwise, p } = &step.kernel else { continue };
            let users: Vec<usize> = (i..program.steps.len()).filter(|&j| uses(&program.steps[j], step)).collect();
            let input_grad = users.iter().any(|&j| matches!(program.steps[j].kernel, Kernel::ConvInputGrad { .. }));
            let v = memory.step(&program.consts, &step.args);
            let w = Weights { frozen: v.i8(1), trained: v.get(2), channels: v.u16(3) };
            let scales = Scales { m: v.i32(6), shift: v.u8(7) };
            if let Some(layer) = Layer::new(unit, p, *depthwise, w, v.i32(4), scales, input_grad) {
                for j in users {
                    debug_assert!(fast.of[j].is_none(), "a step works with one layer");
                    fast.of[j] = Some(fast.layers.len());
                }
                fast.layers.push(layer);
                fast.trained.push(step.args[2].slot());
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

/// Whether a step works with the weights of a convolution's forward step.
fn uses(step: &Step, conv: &Step) -> bool {
    let same = |i: usize, j: usize| match (step.args[i], conv.args[j]) {
        (Arg::Const(a), Arg::Const(b)) => a == b,
        (Arg::None, Arg::None) => true,
        (a, b) => a.slot().is_some() && a.slot() == b.slot(),
    };
    match &step.kernel {
        Kernel::Conv { .. } => std::ptr::eq(step, conv),
        Kernel::ConvInputGrad { .. } => same(1, 1) && same(2, 2),
        Kernel::ConvWeightStep { .. } => step.args[4].slot().is_some() && step.args[4].slot() == conv.args[2].slot(),
        _ => false,
    }
}
