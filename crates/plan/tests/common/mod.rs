//! Random problems.

use proptest::prelude::*;
use tinytrain_plan::Buffer;

/// Up to 24 buffers, some empty, in few enough steps that many meet; all aligned to `1 << log_align`.
pub fn problem(log_align: impl Strategy<Value = u32> + Clone) -> impl Strategy<Value = Vec<Buffer>> {
    let size = prop_oneof![1 => Just(0), 4 => 1..40u32, 4 => 1..5000u32];
    let buffer = (any::<usize>(), 0..20u32, 1..12u32, size, log_align);
    let buffer = buffer
        .prop_map(|(id, start, steps, size, log_align)| Buffer::whole(id, start, start + steps, size, 1 << log_align));
    prop::collection::vec(buffer, 0..24)
}
