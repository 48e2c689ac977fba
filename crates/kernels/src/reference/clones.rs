//! One loop, compiled twice: for any processor, and for those with AVX2.

/// Defines functions whose body is also compiled for AVX2, chosen at run time. The same safe code with the same
/// integers as result, only in wider registers. What a body calls must be `#[inline(always)]` to share in it.
macro_rules! cloned {
    ($($(#[$meta:meta])* $vis:vis fn $name:ident($($arg:ident: $ty:ty),* $(,)?) $(-> $ret:ty)? $body:block)*) => {$(
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) $(-> $ret)? {
            #[inline(always)]
            fn plain($($arg: $ty),*) $(-> $ret)? $body
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                #[target_feature(enable = "avx2")]
                fn avx2($($arg: $ty),*) $(-> $ret)? {
                    plain($($arg),*)
                }
                // SAFETY: the line above has found AVX2, all that this call asks for.
                #[allow(unsafe_code)]
                return unsafe { avx2($($arg),*) };
            }
            plain($($arg),*)
        }
    )*};
}

pub(crate) use cloned;
