//! Parameters of kernels: how a Program stores them and how C takes them.

use crate::arith::Real31;
use crate::params::Struct;
use crate::softmax::LogitScale;

/// How C takes a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// A pointer to a constant struct.
    Struct(&'static Struct),
    /// A pointer to a `tt_update`, whose `params` are constant; the rest of it each step gives anew.
    Update(&'static Struct),
    /// An `int32_t`.
    Int,
    /// A `tt_real31`.
    Real,
    /// A pointer to a constant `tt_logit_scale`.
    LogitScale,
    /// A value that each step gives anew.
    Given(GivenValue),
}

/// A value that each step gives anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenValue {
    /// The learning rate of the head, a `tt_real31`. That of the backbone is part of a `tt_update`.
    HeadRate,
    /// The shift of the head's error, an `int32_t`.
    ErrorShift,
    /// The class of the sample, an `int32_t`.
    Label,
}

/// A parameter of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParamSpec {
    /// Its name, in Rust as in C.
    pub name: &'static str,
    /// How C takes it.
    pub kind: ParamKind,
}

/// The value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamValue<'a> {
    /// The fields of a struct.
    Struct(&'static Struct, &'a [i32]),
    /// The fields of `tt_update_params`.
    Update(&'static Struct, &'a [i32]),
    /// An integer.
    Int(i32),
    /// A real number.
    Real(Real31),
    /// The scale of logits.
    LogitScale(LogitScale),
    /// Not known before the step.
    Given,
}

impl ParamValue<'_> {
    /// The words that a Program stores of it.
    pub fn words(&self, f: &mut dyn FnMut(u32)) {
        match self {
            Self::Struct(_, values) | Self::Update(_, values) => values.iter().for_each(|&v| f(v as u32)),
            Self::Int(v) => f(*v as u32),
            Self::Real(r) => [r.m, r.e as u32].into_iter().for_each(f),
            Self::LogitScale(s) => {
                [s.cap as u32, (s.cap >> 32) as u32, s.pre, s.m, s.s as u32].into_iter().for_each(f);
            }
            Self::Given => {}
        }
    }

    /// Bytes of the constant in flash that it is in C; 0 for what is passed by value or given by each step.
    pub fn flash_bytes(&self) -> u32 {
        match self {
            Self::Struct(_, values) | Self::Update(_, values) => 4 * values.len() as u32,
            Self::Real(_) => 8,
            Self::LogitScale(_) => 24,
            Self::Int(_) | Self::Given => 0,
        }
    }
}

/// A type of parameters.
pub trait Param: Sized + Clone {
    /// How C takes it.
    const KIND: ParamKind;
    /// Hands out its value.
    fn value(&self, f: &mut dyn FnMut(ParamValue));
    /// Reads it from its words.
    fn from_words<E>(word: &mut dyn FnMut() -> Result<u32, E>) -> Result<Self, E>;
}

/// Makes a parameter struct a [`Param`], passed to C as this kind.
macro_rules! struct_param {
    ($t:ident: $kind:ident) => {
        impl Param for $t {
            const KIND: ParamKind = ParamKind::$kind(&Self::STRUCT);
            fn value(&self, f: &mut dyn FnMut(ParamValue)) {
                f(ParamValue::$kind(&Self::STRUCT, &self.values()));
            }
            fn from_words<E>(word: &mut dyn FnMut() -> Result<u32, E>) -> Result<Self, E> {
                let mut values = Self::default().values();
                for v in &mut values {
                    *v = word()? as i32;
                }
                Ok(Self::from_values(values))
            }
        }
    };
}
pub(crate) use struct_param;

impl Param for i32 {
    const KIND: ParamKind = ParamKind::Int;
    fn value(&self, f: &mut dyn FnMut(ParamValue)) {
        f(ParamValue::Int(*self));
    }
    fn from_words<E>(word: &mut dyn FnMut() -> Result<u32, E>) -> Result<Self, E> {
        Ok(word()? as i32)
    }
}

impl Param for Real31 {
    const KIND: ParamKind = ParamKind::Real;
    fn value(&self, f: &mut dyn FnMut(ParamValue)) {
        f(ParamValue::Real(*self));
    }
    fn from_words<E>(word: &mut dyn FnMut() -> Result<u32, E>) -> Result<Self, E> {
        Ok(Self { m: word()?, e: word()? as i32 })
    }
}

impl Param for LogitScale {
    const KIND: ParamKind = ParamKind::LogitScale;
    fn value(&self, f: &mut dyn FnMut(ParamValue)) {
        f(ParamValue::LogitScale(*self));
    }
    fn from_words<E>(word: &mut dyn FnMut() -> Result<u32, E>) -> Result<Self, E> {
        let cap = u64::from(word()?) | u64::from(word()?) << 32;
        Ok(Self { cap, pre: word()?, m: word()?, s: word()? as i32 })
    }
}

macro_rules! given_param {
    ($($(#[$doc:meta])* $t:ident),*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $t;
        impl Param for $t {
            const KIND: ParamKind = ParamKind::Given(GivenValue::$t);
            fn value(&self, f: &mut dyn FnMut(ParamValue)) {
                f(ParamValue::Given);
            }
            fn from_words<E>(_: &mut dyn FnMut() -> Result<u32, E>) -> Result<Self, E> {
                Ok(Self)
            }
        }
    )*};
}
given_param!(
    /// The learning rate of the head in a step.
    HeadRate,
    /// The shift of the head's error in a step.
    ErrorShift,
    /// The class of a step's sample.
    Label
);
