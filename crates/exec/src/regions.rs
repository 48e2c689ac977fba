//! The two RAM regions of a Program and typed views of its slots.
#![allow(unsafe_code)]

use tinytrain_program::{Const, Operand, Program, Region, Slot};
use tinytrain_spec::kernels::{self, Scalar};

use crate::ExecError;

/// Arena and state, each aligned to 8 bytes.
#[derive(Clone)]
pub struct Regions {
    arena: Vec<u64>,
    state: Vec<u64>,
}

impl Regions {
    /// Zeroed memory for a Program, which is verified here.
    pub fn new(program: &Program) -> Result<Self, ExecError> {
        program.verify()?;
        let words = |bytes: u32| vec![0u64; (bytes as usize).div_ceil(8)];
        Ok(Self { arena: words(program.arena_bytes), state: words(program.state_bytes) })
    }

    fn base(&self, region: Region) -> *const u8 {
        match region {
            Region::Arena => self.arena.as_ptr().cast(),
            Region::State => self.state.as_ptr().cast(),
        }
    }

    fn base_mut(&mut self, region: Region) -> *mut u8 {
        match region {
            Region::Arena => self.arena.as_mut_ptr().cast(),
            Region::State => self.state.as_mut_ptr().cast(),
        }
    }

    /// Slots of steps are verified when a Program is loaded; others may come from anywhere.
    fn assert<T: Scalar>(&self, s: Slot) {
        let words = if s.region == Region::Arena { self.arena.len() } else { self.state.len() };
        let inside = s.offset as usize + s.bytes as usize <= words * 8;
        assert!(inside && (s.offset as usize).is_multiple_of(align_of::<T>()), "a slot outside its region");
    }

    /// The content of a slot.
    pub fn read<T: Scalar>(&self, s: Slot) -> &[T] {
        self.assert::<T>(s);
        // SAFETY: inside its region and aligned, as asserted; any bytes are a `T`.
        unsafe {
            std::slice::from_raw_parts(
                self.base(s.region).add(s.offset as usize).cast(),
                s.bytes as usize / size_of::<T>(),
            )
        }
    }

    /// The content of a slot, to be changed.
    pub fn write<T: Scalar>(&mut self, s: Slot) -> &mut [T] {
        let n = s.bytes as usize / size_of::<T>();
        self.assert::<T>(s);
        // SAFETY: as in `read`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.base_mut(s.region).add(s.offset as usize).cast(), n) }
    }

    /// Two slots that share no byte, to be changed together.
    pub fn pair<A: Scalar, B: Scalar>(&mut self, a: Slot, b: Slot) -> (&mut [A], &mut [B]) {
        assert!(!a.overlaps(b), "two slots that share bytes");
        let (first, count): (*mut A, usize) = {
            let slice = self.write(a);
            (slice.as_mut_ptr(), slice.len())
        };
        // SAFETY: inside its region and aligned, as `write` asserted; the borrow of `self` is exclusive, and the other slot shares no byte with this one.
        (unsafe { std::slice::from_raw_parts_mut(first, count) }, self.write(b))
    }

    /// The memory as one step's call sees it.
    pub fn step<'m>(&'m mut self, consts: &'m [Const]) -> StepRegions<'m> {
        StepRegions {
            arena: self.base_mut(Region::Arena),
            state: self.base_mut(Region::State),
            consts,
            _borrow: std::marker::PhantomData,
        }
    }

    /// All of the arena, to be poisoned.
    pub fn arena(&mut self) -> &mut [u8] {
        let n = self.arena.len() * 8;
        // SAFETY: the words are initialised and bytes have no alignment.
        unsafe { std::slice::from_raw_parts_mut(self.base_mut(Region::Arena), n) }
    }
}

/// The operands of one step as slices. Several may be taken at once, mutable ones among them: the verifier has found that no written operand overlaps
/// another of its step, except where a kernel works in place, and there `views` asks for the written one only.
pub struct StepRegions<'m> {
    arena: *mut u8,
    state: *mut u8,
    consts: &'m [Const],
    _borrow: std::marker::PhantomData<&'m mut Regions>,
}

impl StepRegions<'_> {
    fn pointer(&self, s: Slot) -> *mut u8 {
        let base = match s.region {
            Region::Arena => self.arena,
            Region::State => self.state,
        };
        // SAFETY: the verifier found the slot inside its region.
        unsafe { base.add(s.offset as usize) }
    }
}

impl<'m> kernels::OperandSource<'m, Operand> for StepRegions<'m> {
    fn read<T: Scalar>(&self, operand: &Operand) -> &'m [T] {
        match *operand {
            Operand::Constant(i) => self.consts[i].data.elements().unwrap_or_default(),
            // SAFETY: inside its region and aligned, as verified; not written by this step through another view.
            Operand::Memory(s) => unsafe {
                std::slice::from_raw_parts(self.pointer(s).cast(), s.bytes as usize / size_of::<T>())
            },
        }
    }

    fn write<T: Scalar>(&self, operand: &Operand) -> &'m mut [T] {
        match *operand {
            Operand::Constant(_) => &mut [],
            // SAFETY: as in `read`; the verifier found no overlap with another operand, and `views` takes each operand once.
            Operand::Memory(s) => unsafe {
                std::slice::from_raw_parts_mut(self.pointer(s).cast(), s.bytes as usize / size_of::<T>())
            },
        }
    }
}
