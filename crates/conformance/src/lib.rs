//! One suite of seeded random cases for every runtime of the kernels. The Rust reference says what is expected
//! ([`suite`]); the C kernels run as compiled for the host with sanitizers, and in QEMU's Cortex-M7 with and without
//! DSP instructions ([`runtime`]). Instructions are counted on whole firmware (`test/device/instructions.test.ts`).

pub mod driver;
pub mod header;
pub mod random;
pub mod runtime;
pub mod suite;
