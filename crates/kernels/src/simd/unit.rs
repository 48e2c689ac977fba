//! The choice of instruction set: detected once, and enabled where a kernel is entered.

#[cfg(target_arch = "x86_64")]
use super::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use super::avx512::Avx512;
use super::isa::Isa;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
#[cfg(target_arch = "wasm32")]
use super::wasm::Simd128;

/// The implementations of the kernels, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// Plain loops, for any processor.
    Reference,
    /// x86-64 with AVX2.
    Avx2,
    /// x86-64 with AVX-512 VNNI.
    Avx512,
    /// aarch64 with NEON and dot products.
    Neon,
    /// WebAssembly with SIMD.
    Simd128,
}

impl Kernels {
    /// All of them, the fastest last.
    pub const ALL: [Self; 5] = [Self::Reference, Self::Avx2, Self::Avx512, Self::Neon, Self::Simd128];

    /// `reference`, `avx2`, `avx512`, `neon` or `simd128`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Neon => "neon",
            Self::Simd128 => "simd128",
        }
    }

    /// By name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }

    /// Whether this processor has the instructions they need.
    pub fn available(self) -> bool {
        self == Self::Reference || self.unit().is_some()
    }

    /// The fastest that this processor can run.
    pub fn best() -> Self {
        Self::ALL.into_iter().rfind(|k| k.available()).unwrap_or(Self::Reference)
    }

    /// Proof that they can run; none for the reference kernels, which need no proof, and if the processor lacks the
    /// instructions.
    pub fn unit(self) -> Option<Unit> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::found().map(Unit::Avx2),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::found().map(Unit::Avx512),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::found().map(Unit::Neon),
            #[cfg(target_arch = "wasm32")]
            Self::Simd128 => Simd128::found().map(Unit::Simd128),
            _ => None,
        }
    }
}

/// Proof that this processor has an instruction set.
#[derive(Clone, Copy, Debug)]
pub enum Unit {
    #[cfg(target_arch = "x86_64")]
    #[allow(missing_docs)]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    #[allow(missing_docs)]
    Avx512(Avx512),
    #[cfg(target_arch = "aarch64")]
    #[allow(missing_docs)]
    Neon(Neon),
    #[cfg(target_arch = "wasm32")]
    #[allow(missing_docs)]
    Simd128(Simd128),
}

impl Unit {
    /// Number of weights per word.
    pub fn group(self) -> usize {
        fn group<I: Isa>(_: I) -> usize {
            I::GROUP
        }
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(isa) => group(isa),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(isa) => group(isa),
            #[cfg(target_arch = "aarch64")]
            Self::Neon(isa) => group(isa),
            #[cfg(target_arch = "wasm32")]
            Self::Simd128(isa) => group(isa),
        }
    }
}

/// Defines functions that run another one, the *method*, compiled for the instruction set that their first argument
/// proves. The method takes the token as its second argument; the functions it calls must be `#[inline(always)]` to be
/// compiled with the same instructions.
macro_rules! entry {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($first:ident: $first_ty:ty $(, $arg:ident: $ty:ty)* $(,)?) $(-> $ret:ty)? = $method:path;)*) => {$(
        $(#[$meta])*
        #[allow(unsafe_code)]
        $vis fn $name(unit: $crate::simd::Unit, $first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
            match unit {
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Unit::Avx2(isa) => {
                    #[target_feature(enable = "avx2")]
                    fn run(isa: $crate::simd::avx2::Avx2, $first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
                        $method($first, isa $(, $arg)*)
                    }
                    // SAFETY: an `Avx2` exists only where the instructions have been detected.
                    unsafe { run(isa, $first $(, $arg)*) }
                }
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Unit::Avx512(isa) => {
                    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni")]
                    fn run(isa: $crate::simd::avx512::Avx512, $first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
                        $method($first, isa $(, $arg)*)
                    }
                    // SAFETY: an `Avx512` exists only where the instructions have been detected.
                    unsafe { run(isa, $first $(, $arg)*) }
                }
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Unit::Neon(isa) => {
                    #[target_feature(enable = "neon,dotprod")]
                    fn run(isa: $crate::simd::neon::Neon, $first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
                        $method($first, isa $(, $arg)*)
                    }
                    // SAFETY: a `Neon` exists only where the instructions have been detected.
                    unsafe { run(isa, $first $(, $arg)*) }
                }
                #[cfg(target_arch = "wasm32")]
                $crate::simd::Unit::Simd128(isa) => {
                    #[target_feature(enable = "simd128")]
                    fn run(isa: $crate::simd::wasm::Simd128, $first: $first_ty $(, $arg: $ty)*) $(-> $ret)? {
                        $method($first, isa $(, $arg)*)
                    }
                    run(isa, $first $(, $arg)*)
                }
            }
        }
    )*};
}

pub(super) use entry;
