//! The kernel table: every kernel of a Program, said once.
//!
//! A row (`table.rs`) names a kernel, its C function, its parameters, the values of them that it is defined for, and its operands: for each operand its
//! role, the type of its elements, its length as a function of the parameters, whether it may be absent, whether it may stand on the output's bytes.
//! Everything that has to know a kernel follows from its row:
//!
//! * [`Call`]: a kernel with its parameters and operands *by name*, over any type of operand: tensors of a graph while lowering, places in memory in a
//!   Program, buffers in a test. What runs is matched on it, so the compiler names every place that a new kernel must fill.
//! * `views`: its operands as typed slices, for a runtime.
//! * [`Call::check`]: whether its parameters are ones that the kernel takes, for a Program that comes from a file.
//! * [`Call::operands`], [`Call::params`]: the same as data, for what treats all kernels alike: the Program file and its verifier, the record that C is
//!   printed from, the conformance suite, the C header.
//! * [`Kernel::spec`]: the row itself.
//!
//! Parameters that each training step gives anew (the learning rate, the label) stand in the row where C takes them, as types without a value.

use core::fmt::{Debug, Error, Formatter};

use crate::scratch::Room;

mod check;
mod param;
mod table;

pub(crate) use param::struct_param;
pub use param::{ErrorShift, GivenValue, HeadRate, Label, Param, ParamKind, ParamSpec, ParamValue};
pub use table::*;

/// The type of an operand's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// int8
    I8,
    /// uint8
    U8,
    /// int16
    I16,
    /// uint16
    U16,
    /// int32
    I32,
    /// uint32
    U32,
    /// int64
    I64,
}

impl Element {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::I8, Self::U8, Self::I16, Self::U16, Self::I32, Self::U32, Self::I64];

    /// Size in bytes, which is also its alignment.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 => 4,
            Self::I64 => 8,
        }
    }

    /// Its name; C's is this with `_t` behind it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::I8 => "int8",
            Self::U8 => "uint8",
            Self::I16 => "int16",
            Self::U16 => "uint16",
            Self::I32 => "int32",
            Self::U32 => "uint32",
            Self::I64 => "int64",
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type of elements. Sealed: all are plain integers, so any bytes are a value and there is no padding.
pub trait Scalar: Copy + Default + sealed::Sealed + 'static {
    /// Which it is.
    const ELEMENT: Element;
}

macro_rules! scalar {
    ($($t:ty: $e:ident),*) => {$(
        impl sealed::Sealed for $t {}
        impl Scalar for $t {
            const ELEMENT: Element = Element::$e;
        }
    )*};
}
scalar!(i8: I8, u8: U8, i16: I16, u16: U16, i32: I32, u32: U32, i64: I64);

/// The use that a kernel makes of an operand, and the memory it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Read, in the arena.
    Read,
    /// Written, every byte, in the arena.
    Write,
    /// Read and written, or written in part, in the arena.
    Update,
    /// Scratch in the arena: its content means nothing before and after. C is also told how many bytes it has.
    Scratch,
    /// Read, in flash.
    Constant,
    /// Read, in the trainable state.
    State,
    /// Read and written, in the trainable state.
    Train,
}

impl Role {
    /// Whether the kernel writes it.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Update | Self::Scratch | Self::Train)
    }

    /// Whether it lies in the arena.
    pub const fn in_arena(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Update | Self::Scratch)
    }
}

/// An operand of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperandSpec {
    /// Its name, in Rust as in C.
    pub name: &'static str,
    /// The use made of it.
    pub role: Role,
    /// The type of its elements.
    pub element: Element,
    /// Whether it may be absent (NULL in C).
    pub optional: bool,
    /// The output whose bytes it may be: the kernel works in place then.
    pub in_place: Option<&'static str>,
}

impl OperandSpec {
    /// Alignment of its first byte.
    pub const fn align(&self) -> u32 {
        // C kernels lay words and double words into scratch.
        if matches!(self.role, Role::Scratch) { 8 } else { self.element.bytes() }
    }
}

/// How many elements an operand has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length {
    /// Elements.
    pub elements: i64,
    /// Exactly these, or at least.
    pub exact: bool,
}

/// The return value of a C function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing.
    Nothing,
    /// How many gradient elements saturated.
    Saturated,
    /// Nothing; a `tt_head_result` is written through a last pointer.
    HeadResult,
}

/// A row of the table.
#[derive(Debug)]
pub struct KernelSpec {
    /// Its name, in snake case.
    pub name: &'static str,
    /// The C function.
    pub c: &'static str,
    /// Documentation.
    pub doc: &'static str,
    /// Parameters, in the order of C.
    pub params: &'static [ParamSpec],
    /// Operands, in the order of C, behind the parameters.
    pub operands: &'static [OperandSpec],
    /// Its return value.
    pub returns: Returns,
}

impl Kernel {
    /// The kernel of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.spec().name == name)
    }
}

/// Where a runtime has the operands of a call.
///
/// An implementation must hand out slices that do not overlap for operands that do not; `views` asks for each operand of a call once, and not for one
/// that stands on the output's bytes.
pub trait OperandSource<'m, A> {
    /// An operand to be read.
    fn read<T: Scalar>(&self, operand: &A) -> &'m [T];
    /// An operand to be written.
    fn write<T: Scalar>(&self, operand: &A) -> &'m mut [T];
}

/// Writes the table's types from its rows.
macro_rules! kernels {
    ($(
        $(#[doc = $doc:literal])*
        $first:ident $c:literal $(| $other:ident $other_c:literal)* as $k:ident ($($param:ident: $pty:ty),* $(,)?) -> $returns:ident {
            where $check:expr;
            $($operand:ident: $role:ident $ty:ident $([$($attr:tt)*])? = $len:expr),* $(,)?
        }
    )*) => {
        /// A kernel.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kernel { $($(#[doc = $doc])* $first, $(#[doc = concat!("Depthwise: see [`Kernel::", stringify!($first), "`].")] $other,)*)* }

        impl Kernel {
            /// All kernels, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$first, $(Self::$other,)*)*];

            /// Its row.
            pub fn spec(self) -> &'static KernelSpec {
                match self {$(
                    Self::$first => &const { $first::<()>::row($c) },
                    $(Self::$other => &const { $first::<()>::row($other_c) },)*
                )*}
            }

            /// A call of this kernel from the words of its parameters and from its operands, both in the order of its row.
            pub fn call<A, E>(
                self,
                word: &mut dyn FnMut() -> Result<u32, E>,
                operand: &mut dyn FnMut(&'static OperandSpec) -> Result<Option<A>, E>,
                missing: &dyn Fn(&'static OperandSpec) -> E,
            ) -> Result<Call<A>, E> {
                let mut specs = self.spec().operands.iter();
                let mut next = || specs.next().expect("a row has as many operands as its struct");
                match self {$(
                    Self::$first $(| Self::$other)* => {
                        let call = $first {
                            $($param: <$pty as Param>::from_words(word)?,)*
                            $($operand: { let spec = next(); take!([$($($attr)*)?] operand(spec)?, spec, missing) },)*
                        };
                        #[allow(unreachable_patterns)]
                        Ok(match self { $(Self::$other => Call::$other(call),)* _ => Call::$first(call) })
                    }
                )*}
            }
        }

        $(
            $(#[doc = $doc])*
            #[allow(missing_docs)]
            pub struct $first<A> {
                $(pub $param: $pty,)*
                $(pub $operand: holder!([$($($attr)*)?] A),)*
            }

            // Written out, since `derive` takes no types that a macro makes.
            impl<A: Clone> Clone for $first<A> {
                fn clone(&self) -> Self {
                    Self { $($param: self.$param.clone(),)* $($operand: self.$operand.clone(),)* }
                }
            }

            impl<A: PartialEq> PartialEq for $first<A> {
                fn eq(&self, other: &Self) -> bool {
                    true $(&& self.$param == other.$param)* $(&& self.$operand == other.$operand)*
                }
            }

            impl<A: Debug> Debug for $first<A> {
                fn fmt(&self, f: &mut Formatter<'_>) -> Result<(), Error> {
                    f.debug_struct(stringify!($first))
                        $(.field(stringify!($param), &self.$param))*
                        $(.field(stringify!($operand), &self.$operand))*
                        .finish()
                }
            }

            impl $first<()> {
                const fn row(c: &'static str) -> KernelSpec {
                    KernelSpec {
                        name: c.split_at(PREFIX.len()).1,
                        c,
                        doc: concat!($($doc, "\n"),*),
                        params: &[$(ParamSpec { name: stringify!($param), kind: <$pty as Param>::KIND }),*],
                        operands: &[$(OperandSpec {
                            name: stringify!($operand),
                            role: role!($role),
                            element: <$ty as Scalar>::ELEMENT,
                            optional: optional!([$($($attr)*)?]),
                            in_place: in_place!([$($($attr)*)?]),
                        }),*],
                        returns: returns!($returns),
                    }
                }
            }
        )*

        /// A kernel with its parameters and its operands.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum Call<A> { $($first($first<A>), $($other($first<A>),)*)* }

        impl<A> Call<A> {
            /// Which kernel.
            pub fn kernel(&self) -> Kernel {
                match self { $(Self::$first(_) => Kernel::$first, $(Self::$other(_) => Kernel::$other,)*)* }
            }

            /// The values of its parameters, in the order of its row.
            pub fn params(&self, f: &mut dyn FnMut(&'static ParamSpec, ParamValue)) {
                let specs = self.kernel().spec().params;
                let mut i = 0;
                match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        $(call.$param.value(&mut |v| f(&specs[i], v)); i += 1;)*
                    }
                )*}
                debug_assert!(i == specs.len());
            }

            /// Whether the kernel is defined for these parameters; the error names what is not.
            pub fn check(&self) -> Result<(), &'static str> {
                let kernel = self.kernel();
                match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        let $k = kernel;
                        let _ = $k;
                        $(let $param = &call.$param; let _ = $param;)*
                        $(let $operand = given!([$($($attr)*)?] call.$operand); let _ = $operand;)*
                        $check
                    }
                )*}
            }

            /// Its operands, in the order of its row, each with the length that its parameters ask for. Parameters are to be checked before
            /// ([`Call::check`]) where they come from outside.
            pub fn operands(&self, f: &mut dyn FnMut(&'static OperandSpec, Option<&A>, Length)) {
                let kernel = self.kernel();
                let mut specs = kernel.spec().operands.iter();
                let mut next = || specs.next().expect("a row has as many operands as its struct");
                match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        let $k = kernel;
                        let _ = $k;
                        $(let $param = &call.$param; let _ = $param;)*
                        $(f(next(), given!([$($($attr)*)?] call.$operand), length!($role [$($($attr)*)?] $len));)*
                    }
                )*}
            }

            /// The same call over other operands.
            pub fn map<B, E>(&self, f: &mut dyn FnMut(&'static OperandSpec, &A) -> Result<B, E>) -> Result<Call<B>, E> {
                let mut specs = self.kernel().spec().operands.iter();
                let mut next = || specs.next().expect("a row has as many operands as its struct");
                Ok(match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        let mapped = $first {
                            $($param: call.$param.clone(),)*
                            $($operand: { let spec = next(); mapped!([$($($attr)*)?] call.$operand, f, spec) },)*
                        };
                        #[allow(unreachable_patterns)]
                        match self { $(Self::$other(_) => Call::$other(mapped),)* _ => Call::$first(mapped) }
                    }
                )*})
            }

            /// The scratch that the kernel takes.
            pub fn room(&self) -> Option<Room> {
                let kernel = self.kernel();
                match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        let $k = kernel;
                        let _ = $k;
                        $(let $param = &call.$param; let _ = $param;)*
                        [$(room!($role $len)),*].into_iter().flatten().next()
                    }
                )*}
            }

            /// Where its scratch lies.
            pub fn scratch(&self) -> Option<&A> {
                match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        let _ = call;
                        [$(scratch_of!($role call.$operand)),*].into_iter().flatten().next()
                    }
                )*}
            }

            /// Sets the scratch of a kernel that takes some.
            pub fn set_scratch(&mut self, f: &mut dyn FnMut(Room) -> A) {
                let kernel = self.kernel();
                match self {$(
                    Self::$first(call) $(| Self::$other(call))* => {
                        let $k = kernel;
                        let _ = $k;
                        $(let $param = &call.$param.clone(); let _ = $param;)*
                        $(set_scratch!($role call.$operand, f, $len);)*
                    }
                )*}
                let _ = f;
            }
        }

        /// Operands of calls as slices.
        pub mod views {
            use super::*;

            $(
                #[doc = concat!("Operands of [`super::", stringify!($first), "`]: absent ones are `None`, and so is an input that is the output itself.")]
                #[allow(missing_docs)]
                pub struct $first<'m> {
                    $(pub $operand: view_type!($role $ty [$($($attr)*)?] 'm),)*
                }

                impl<A: PartialEq> super::$first<A> {
                    /// Its operands in a runtime's memory.
                    pub fn views<'m>(&self, memory: &impl OperandSource<'m, A>) -> $first<'m> {
                        $first { $($operand: view!($role $ty [$($($attr)*)?] self, $operand, memory),)* }
                    }
                }
            )*
        }
    };
}

/// The prefix of the C functions of kernels.
const PREFIX: &str = "tt_";

#[rustfmt::skip]
macro_rules! role {
    (read) => { Role::Read };
    (write) => { Role::Write };
    (update) => { Role::Update };
    (scratch) => { Role::Scratch };
    (constant) => { Role::Constant };
    (state) => { Role::State };
    (train) => { Role::Train };
}
#[rustfmt::skip]
macro_rules! returns {
    (nothing) => { Returns::Nothing };
    (saturated) => { Returns::Saturated };
    (head_result) => { Returns::HeadResult };
}
#[rustfmt::skip]
macro_rules! optional {
    ([optional]) => { true };
    ([$($other:tt)*]) => { false };
}
#[rustfmt::skip]
macro_rules! in_place {
    ([in_place $y:ident]) => { Some(stringify!($y)) };
    ([$($other:tt)*]) => { None };
}
#[rustfmt::skip]
macro_rules! holder {
    ([optional] $a:ident) => { Option<$a> };
    ([$($other:tt)*] $a:ident) => { $a };
}
#[rustfmt::skip]
macro_rules! take {
    ([optional] $operand:expr, $spec:ident, $missing:ident) => { $operand };
    ([$($other:tt)*] $operand:expr, $spec:ident, $missing:ident) => { $operand.ok_or_else(|| $missing($spec))? };
}
#[rustfmt::skip]
macro_rules! given {
    ([optional] $operand:expr) => { $operand.as_ref() };
    ([$($other:tt)*] $operand:expr) => { Some(&$operand) };
}
#[rustfmt::skip]
macro_rules! length {
    (scratch [$($other:tt)*] $len:expr) => { Length { elements: i64::from($len.least), exact: false } };
    ($role:ident [at_least] $len:expr) => { Length { elements: i64::from($len), exact: false } };
    ($role:ident [$($other:tt)*] $len:expr) => { Length { elements: i64::from($len), exact: true } };
}
#[rustfmt::skip]
macro_rules! room {
    (scratch $len:expr) => { Some($len) };
    ($role:ident $len:expr) => { None::<Room> };
}
#[rustfmt::skip]
macro_rules! scratch_of {
    (scratch $operand:expr) => { $operand.as_ref() };
    ($role:ident $operand:expr) => { None };
}
#[rustfmt::skip]
macro_rules! mapped {
    ([optional] $operand:expr, $f:ident, $spec:ident) => { match &$operand { Some(a) => Some($f($spec, a)?), None => None } };
    ([$($other:tt)*] $operand:expr, $f:ident, $spec:ident) => { $f($spec, &$operand)? };
}
#[rustfmt::skip]
macro_rules! set_scratch {
    (scratch $operand:expr, $f:ident, $len:expr) => { $operand = Some($f($len)) };
    ($role:ident $operand:expr, $f:ident, $len:expr) => {};
}
#[rustfmt::skip]
macro_rules! view_type {
    (write $ty:ident [optional] $m:lifetime) => { Option<&$m mut [$ty]> };
    (write $ty:ident [$($other:tt)*] $m:lifetime) => { &$m mut [$ty] };
    (update $ty:ident [$($other:tt)*] $m:lifetime) => { &$m mut [$ty] };
    (train $ty:ident [optional] $m:lifetime) => { Option<&$m mut [$ty]> };
    (train $ty:ident [$($other:tt)*] $m:lifetime) => { &$m mut [$ty] };
    (scratch $ty:ident [$($other:tt)*] $m:lifetime) => { () };
    ($role:ident $ty:ident [optional] $m:lifetime) => { Option<&$m [$ty]> };
    ($role:ident $ty:ident [in_place $y:ident] $m:lifetime) => { Option<&$m [$ty]> };
    ($role:ident $ty:ident [$($other:tt)*] $m:lifetime) => { &$m [$ty] };
}
#[rustfmt::skip]
macro_rules! view {
    (write $ty:ident [optional] $s:ident, $o:ident, $m:ident) => { $s.$o.as_ref().map(|a| $m.write(a)) };
    (write $ty:ident [$($other:tt)*] $s:ident, $o:ident, $m:ident) => { $m.write(&$s.$o) };
    (update $ty:ident [$($other:tt)*] $s:ident, $o:ident, $m:ident) => { $m.write(&$s.$o) };
    (train $ty:ident [optional] $s:ident, $o:ident, $m:ident) => { $s.$o.as_ref().map(|a| $m.write(a)) };
    (train $ty:ident [$($other:tt)*] $s:ident, $o:ident, $m:ident) => { $m.write(&$s.$o) };
    (scratch $ty:ident [$($other:tt)*] $s:ident, $o:ident, $m:ident) => { () };
    ($role:ident $ty:ident [optional] $s:ident, $o:ident, $m:ident) => { $s.$o.as_ref().map(|a| $m.read(a)) };
    ($role:ident $ty:ident [in_place $y:ident] $s:ident, $o:ident, $m:ident) => { if $s.$o == $s.$y { None } else { Some($m.read(&$s.$o)) } };
    ($role:ident $ty:ident [$($other:tt)*] $s:ident, $o:ident, $m:ident) => { $m.read(&$s.$o) };
}

pub(crate) use {
    given, holder, in_place, kernels, length, mapped, optional, returns, role, room, scratch_of, set_scratch, take,
    view, view_type,
};
