//! Elementwise loops of the reference kernels, compiled for an instruction set.

use super::unit::entry;
use crate::reference;
use tinytrain_spec::arith::Real31;
use tinytrain_spec::params::*;

/// A reference kernel as a method of its first argument; the token is not used.
macro_rules! plain {
    ($($name:ident($first:ident: $first_ty:ty $(, $arg:ident: $ty:ty)* $(,)?) $(-> $ret:ty)?;)*) => {
        mod body {
            use super::*;
            $(
                #[inline(always)]
                pub fn $name<I>($first: $first_ty, _: I $(, $arg: $ty)*) $(-> $ret)? {
                    reference::$name($first $(, $arg)*)
                }
            )*
        }
        entry! {
            $(
                #[doc = concat!("See [`reference::", stringify!($name), "`].")]
                pub fn $name($first: $first_ty $(, $arg: $ty)*) $(-> $ret)? = body::$name;
            )*
        }
    };
}

plain! {
    requantize(p: &RequantizeParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>);
    average_pool(p: &PoolParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>);
    average_pool_grad(p: &PoolParams, g: &[i8], mask: Option<&[u8]>, gx: &mut [i8]) -> u32;
    max_pool(p: &PoolParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>);
    max_pool_grad(p: &PoolParams, x: &[i8], g: &[i8], mask: Option<&[u8]>, gx: &mut [i8]) -> u32;
    mean(p: &MeanParams, x: &[i8], y: &mut [i8], mask: Option<&mut [u8]>);
    grad_repeat(p: &GradScaleParams, mask: Option<&[u8]>, g: &[i8], gx: &mut [i8]) -> u32;
    sum(acc: &mut [i8], other: &[i8]) -> u32;
    mul(p: &MulParams, a: &[i8], b: &[i8], y: &mut [i8], mask: Option<&mut [u8]>);
    mul_grad(p: &MulParams, mask: Option<&[u8]>, b: &[i8], buf: &mut [i8]) -> u32;
    mul_sum(p: &MulParams, g: &[i8], mask: Option<&[u8]>, a: &[i8], gx: &mut [i8]) -> u32;
    resize_bilinear(p: &ResizeParams, x: &[i8], y: &mut [i8]);
    resize_bilinear_grad(p: &ResizeParams, g: &[i8], gx: &mut [i8]) -> u32;
    lookup(p: &LookupParams, table: &[i8], buf: &mut [i8]);
    lookup_grad(p: &LookupParams, x: &[i8], slope: &[i32], buf: &mut [i8]) -> u32;
    head_logits(p: &HeadParams, x: &[i8], w: &[i16], b: &[i32], logits: &mut [i64]);
    head_input_grad(p: &HeadParams, w: &[i16], e: &[i16], gx: &mut [i8]) -> u32;
    head_update(
        p: &HeadParams, lr: Real31, qw: Real31, qb: Real31, k: i32, x: &[i8], e: &[i16], w: &mut [i16], b: &mut [i32],
    );
}
