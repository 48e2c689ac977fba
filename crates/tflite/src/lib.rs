//! The tables of the LiteRT (`.tflite`) model format and of its metadata, as planus generates them from `schema/tflite.fbs`, our own description of the
//! part that is read or written.

pub mod mean;
pub mod operator;
#[rustfmt::skip]
#[allow(unsafe_code, dead_code, missing_docs, unused_qualifications, clippy::all)]
mod schema;

pub use planus;
pub use schema::tflite::*;

/// Element types, by the format's numbers.
pub mod dtype {
    /// IEEE single.
    pub const FLOAT32: i8 = 0;
    /// Integers of 32 bits.
    pub const INT32: i8 = 2;
    /// Bytes without a sign.
    pub const UINT8: i8 = 3;
    /// Integers of 64 bits.
    pub const INT64: i8 = 4;
    /// Integers of 16 bits.
    pub const INT16: i8 = 7;
    /// Integers of 8 bits.
    pub const INT8: i8 = 9;
}
