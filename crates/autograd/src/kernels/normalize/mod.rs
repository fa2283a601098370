//! The loops of normalisation: of channels over planes (`channels.rs`), and of rows (`rows.rs`).
//!
//! Sums are added up in lanes, at most [`DEEP`] numbers each, then in `f64`, in an order that the number of threads
//! does not change. So they are accurate, and no result depends on the number of threads.

mod channels;
mod rows;

pub(crate) use channels::{Channels, Then};

/// Lanes of a sum.
const LANES: usize = 16;
/// Numbers that a lane adds up before its sum goes to `f64`.
const DEEP: usize = 64;

macro_rules! compiled {
    ($t:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) use channels::$t::{gradient_by_input, gradient_sums, normalize, statistics};
            pub(crate) use rows::$t::{normalize_rows, rows_by_affine, rows_by_input, rows_statistics};

            /// The sums of `u(x, y)` and of `v(x, y)` over a plane.
            #[inline(always)]
            pub(super) fn sums(x: &[$t], y: &[$t], u: impl Fn($t, $t) -> $t, v: impl Fn($t, $t) -> $t) -> [f64; 2] {
                let mut total = [0.0; 2];
                for (x, y) in x.chunks(DEEP * LANES).zip(y.chunks(DEEP * LANES)) {
                    let (mut a, mut b) = ([0.0; LANES], [0.0; LANES]);
                    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
                    for (x, y) in x.iter().zip(y) {
                        for l in 0..LANES {
                            a[l] += u(x[l], y[l]);
                        }
                        for l in 0..LANES {
                            b[l] += v(x[l], y[l]);
                        }
                    }
                    for (l, (&x, &y)) in x_rest.iter().zip(y_rest).enumerate() {
                        a[l] += u(x, y);
                        b[l] += v(x, y);
                    }
                    // what becomes of the sums must not decide how the compiler lays them out in the loop
                    let (a, b) = (std::hint::black_box(a), std::hint::black_box(b));
                    for (total, lanes) in total.iter_mut().zip([a, b]) {
                        let mut lanes: [f64; LANES] = lanes.map(|x| x as f64);
                        let mut width = LANES / 2;
                        while width > 0 {
                            for l in 0..width {
                                lanes[l] += lanes[l + width];
                            }
                            width /= 2;
                        }
                        *total += lanes[0];
                    }
                }
                total
            }
        }
    };
}
compiled!(f32);
compiled!(f64);
