//! Arithmetic on numbers where they stand.

use super::loops::each;
use super::simd::dispatch;

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) fn add_assign(x: &mut [$t], y: &[$t]) {
                dispatch!(_MODE => each!(x, y => { *x += y; }))
            }
            pub(crate) fn mul_assign(x: &mut [$t], y: &[$t]) {
                dispatch!(_MODE => each!(x, y => { *x *= y; }))
            }
            pub(crate) fn add_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each!(x => { *x += c; }))
            }
            pub(crate) fn sub_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each!(x => { *x -= c; }))
            }
            pub(crate) fn mul_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each!(x => { *x *= c; }))
            }
            pub(crate) fn div_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each!(x => { *x /= c; }))
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
