//! How large the features are that the head reads: what its learning rate has to be measured against.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tinytrain_program::{Operand, Program};
use tinytrain_spec::arith::{HEAD_FRACTION_BITS, exp2i};
use tinytrain_spec::kernels::Call;

use crate::trainer::parallel;
use crate::{Control, ExecError, Executor, SampleSource};

/// Mean of `1 + |f|^2` over samples, `f` being the features in real units and the 1 the input of the head's bias, with the Program's initial state. A step
/// of the head at the rate `r` changes the logits of its own sample by `r (1 + |f|^2)` times their error, so rates measured in the inverse of this mean are
/// alike for all models.
///
/// The sum is one of integers: it depends neither on the number of threads nor on the kernels.
///
/// # Errors
/// A Program without a head, no samples, or a caller's stop.
pub fn feature_power(
    program: Arc<Program>,
    samples: &Arc<dyn SampleSource>,
    threads: usize,
    control: &Control,
) -> Result<f64, ExecError> {
    let head =
        program.steps.iter().find_map(|s| if let Call::HeadLogits(c) = &s.call { Some(c.clone()) } else { None });
    let update =
        program.steps.iter().find_map(|s| if let Call::HeadUpdate(c) = &s.call { Some(c.weight_q) } else { None });
    let (Some(head), Some(update)) = (head, update) else {
        return Err(ExecError::Usage("a program without a trainable head has no features to learn from"));
    };
    let Operand::Memory(slot) = head.x else { return Err(ExecError::Usage("the features are a constant")) };
    if samples.is_empty() {
        return Err(ExecError::Usage("there is no sample to measure features with"));
    }
    let zero = i64::from(head.p.x_zero);
    let next = AtomicUsize::new(0);
    let total = Mutex::new(0i64);
    control.start(samples.len() as u64);
    parallel(&Executor::new(program)?, threads, |executor| {
        let mut sample = vec![0i8; executor.program().input.bytes() as usize];
        while !control.stopped() {
            let i = next.fetch_add(1, Ordering::Relaxed);
            if i >= samples.len() {
                break;
            }
            samples.read(i, &mut sample)?;
            executor.forward(&sample)?;
            let squares = executor.bytes(slot).iter().map(|&x| (i64::from(x) - zero).pow(2)).sum::<i64>();
            *total.lock().unwrap_or_else(|e| e.into_inner()) += squares;
            control.advance();
        }
        Ok(())
    })?;
    if control.stopped() {
        return Err(ExecError::Aborted(next.load(Ordering::Relaxed) as u64));
    }
    let scale = update.to_f64() * exp2i(-HEAD_FRACTION_BITS);
    let total = total.into_inner().unwrap_or_else(|e| e.into_inner());
    Ok(1.0 + total as f64 * scale * scale / samples.len() as f64)
}
