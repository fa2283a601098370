//! Arithmetic on numbers where they stand.

use super::each::each;
use super::simd::dispatch;

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) fn add_assign(x: &mut [$t], y: &[$t]) {
                dispatch!(_MODE => each([y], [], x, |[y], [], x| *x += y))
            }
            pub(crate) fn mul_assign(x: &mut [$t], y: &[$t]) {
                dispatch!(_MODE => each([y], [], x, |[y], [], x| *x *= y))
            }
            pub(crate) fn add_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each::<$t, $t, 0, 0>([], [], x, |[], [], x| *x += c))
            }
            pub(crate) fn sub_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each::<$t, $t, 0, 0>([], [], x, |[], [], x| *x -= c))
            }
            pub(crate) fn mul_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each::<$t, $t, 0, 0>([], [], x, |[], [], x| *x *= c))
            }
            pub(crate) fn div_number(x: &mut [$t], c: $t) {
                dispatch!(_MODE => each::<$t, $t, 0, 0>([], [], x, |[], [], x| *x /= c))
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
