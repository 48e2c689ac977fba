//! The two RAM regions of a Program and typed views of its slots.
#![allow(unsafe_code)]

use tinytrain_lower::{Arg, Const, Data, Kernel, Program, Region, Slot, Step};

use crate::ExecError;

/// Arena and state, each aligned to 8 bytes.
#[derive(Clone)]
pub struct Memory {
    arena: Vec<u64>,
    state: Vec<u64>,
}

/// Elements of slots.
///
/// # Safety
/// Any bytes are a value, and there is no padding.
pub unsafe trait Plain: Copy {}
// SAFETY: plain integers.
unsafe impl Plain for i8 {}
unsafe impl Plain for u8 {}
unsafe impl Plain for i16 {}
unsafe impl Plain for u16 {}
unsafe impl Plain for i32 {}
unsafe impl Plain for u32 {}
unsafe impl Plain for i64 {}

impl Memory {
    /// Zeroed memory for a Program; every slot of its steps is checked here (see [`check`]).
    pub fn new(program: &Program) -> Result<Self, ExecError> {
        check(program)?;
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

    /// Slots of steps are checked when a Program is loaded; others may come from anywhere.
    fn assert<T: Plain>(&self, s: Slot) {
        let words = if s.region == Region::Arena { self.arena.len() } else { self.state.len() };
        let inside = s.offset as usize + s.bytes as usize <= words * 8;
        assert!(inside && (s.offset as usize).is_multiple_of(align_of::<T>()), "a slot outside its region");
    }

    /// A slot's content.
    pub fn read<T: Plain>(&self, s: Slot) -> &[T] {
        self.assert::<T>(s);
        // SAFETY: inside its region and aligned, as asserted; any bytes are a `T`.
        unsafe {
            std::slice::from_raw_parts(
                self.base(s.region).add(s.offset as usize).cast(),
                s.bytes as usize / size_of::<T>(),
            )
        }
    }

    /// A slot's content, to be changed.
    pub fn write<T: Plain>(&mut self, s: Slot) -> &mut [T] {
        let n = s.bytes as usize / size_of::<T>();
        self.assert::<T>(s);
        // SAFETY: as in `read`; the borrow of `self` is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.base_mut(s.region).add(s.offset as usize).cast(), n) }
    }

    /// The views of one step's arguments.
    pub fn step<'a>(&'a mut self, consts: &'a [Const], args: &'a [Arg]) -> Views<'a> {
        Views { arena: self.base_mut(Region::Arena), state: self.base_mut(Region::State), consts, args, _memory: self }
    }

    /// All of the arena, to be poisoned.
    pub fn arena(&mut self) -> &mut [u8] {
        let n = self.arena.len() * 8;
        // SAFETY: the words are initialised and bytes have no alignment.
        unsafe { std::slice::from_raw_parts_mut(self.base_mut(Region::Arena), n) }
    }
}

/// One step's arguments as slices. Several may be taken at once, mutable ones among them: `check` has found that no written slot overlaps another
/// argument of its step, except where a kernel works in place, and for those the caller takes the written one only (see `Views::aliased`).
pub struct Views<'a> {
    arena: *mut u8,
    state: *mut u8,
    consts: &'a [Const],
    args: &'a [Arg],
    _memory: &'a Memory,
}

macro_rules! constant {
    ($name:ident, $t:ty, $variant:ident) => {
        /// Argument `i`, from a constant or a slot; empty if absent.
        pub fn $name(&self, i: usize) -> &'a [$t] {
            match self.args[i] {
                Arg::Const(c) => match &self.consts[c].data {
                    Data::$variant(v) => v,
                    _ => &[],
                },
                other => other.slot().map_or(&[], |s| self.slot(s)),
            }
        }
    };
}

impl<'a> Views<'a> {
    constant!(i8, i8, I8);
    constant!(u8, u8, U8);
    constant!(u16, u16, U16);
    constant!(i32, i32, I32);
    constant!(u32, u32, U32);

    fn pointer(&self, s: Slot) -> *mut u8 {
        let base = match s.region {
            Region::Arena => self.arena,
            Region::State => self.state,
        };
        // SAFETY: `check` found the slot inside its region.
        unsafe { base.add(s.offset as usize) }
    }

    fn slot<T: Plain>(&self, s: Slot) -> &'a [T] {
        // SAFETY: inside its region and aligned (`check`); not written by this step through another view.
        unsafe { std::slice::from_raw_parts(self.pointer(s).cast(), s.bytes as usize / size_of::<T>()) }
    }

    /// Argument `i`, a slot, as elements of `T`; empty if absent.
    pub fn get<T: Plain>(&self, i: usize) -> &'a [T] {
        self.args[i].slot().map_or(&[], |s| self.slot(s))
    }

    /// Argument `i`, a slot, to be written; empty if absent.
    pub fn out<T: Plain>(&self, i: usize) -> &'a mut [T] {
        match self.args[i].slot() {
            // SAFETY: as in `slot`; `check` found no overlap with another argument, and each kernel call below takes each argument once.
            Some(s) => unsafe {
                std::slice::from_raw_parts_mut(self.pointer(s).cast(), s.bytes as usize / size_of::<T>())
            },
            None => &mut [],
        }
    }

    /// An optional mask.
    pub fn mask(&self, i: usize) -> Option<&'a [u8]> {
        self.args[i].slot().map(|s| self.slot(s))
    }

    /// An optional mask to be written.
    pub fn mask_out(&self, i: usize) -> Option<&'a mut [u8]> {
        self.args[i].slot().map(|_| self.out(i))
    }

    /// Whether arguments `i` and `j` are the same bytes.
    pub fn aliased(&self, i: usize, j: usize) -> bool {
        self.args[i].slot() == self.args[j].slot()
    }
}

/// Pairs of (input, output) arguments that a kernel allows to be the same slot.
fn in_place(kernel: &Kernel) -> &'static [(usize, usize)] {
    match kernel {
        Kernel::Add { .. } | Kernel::Sum { .. } => &[(0, 2), (1, 2)],
        Kernel::Requantize { .. } => &[(0, 1)],
        Kernel::GradScale { .. } => &[(0, 4)],
        _ => &[],
    }
}

fn overlap(a: Slot, b: Slot) -> bool {
    a.region == b.region && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
}

/// Checks bounds, alignment and overlap of every argument of every step.
fn check(program: &Program) -> Result<(), ExecError> {
    for (i, step) in program.steps.iter().enumerate() {
        check_step(program, step).map_err(|what| ExecError::Program { step: i, label: step.label.clone(), what })?;
    }
    Ok(())
}

fn check_step(program: &Program, step: &Step) -> Result<(), String> {
    for (i, a) in step.args.iter().enumerate() {
        if matches!(a, Arg::Const(c) if *c >= program.consts.len()) {
            return Err(format!("argument {i} names a constant that does not exist"));
        }
        let Some(s) = a.slot() else { continue };
        let size = if s.region == Region::Arena { program.arena_bytes } else { program.state_bytes };
        if s.offset as u64 + s.bytes as u64 > size as u64 {
            return Err(format!("argument {i} ends beyond its region"));
        }
        let align = match step.kernel {
            Kernel::HeadLogits { .. } if i == 3 => 8,
            Kernel::HeadError { .. } if i == 0 => 8,
            _ => 4,
        };
        if s.offset % align != 0 {
            return Err(format!("argument {i} is not aligned to {align}"));
        }
        if !matches!(a, Arg::Read(_)) {
            for (j, b) in step.args.iter().enumerate() {
                let allowed = in_place(&step.kernel).contains(&(j, i)) && b.slot() == Some(s);
                if i != j && !allowed && b.slot().is_some_and(|b| overlap(s, b)) {
                    return Err(format!("arguments {i} and {j} overlap"));
                }
            }
        }
    }
    Ok(())
}
