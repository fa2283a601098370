//! The functions of f32. The standard library's take 5 to 25 ns a number; these, in a loop, about one.

use super::{FMA, PRECISE};

#[inline(always)]
fn fma<const MODE: u8>(a: f32, b: f32, c: f32) -> f32 {
    if MODE == FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `c₀ + x (c₁ + x (c₂ + …))`
#[inline(always)]
fn polynomial<const MODE: u8, const N: usize>(x: f32, c: [f32; N]) -> f32 {
    let mut sum = c[N - 1];
    for k in (0..N - 1).rev() {
        sum = fma::<MODE>(sum, x, c[k]);
    }
    sum
}

/// Adding this to a small number rounds it to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³

/// 2ⁿ for −126 ≤ n ≤ 127.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) << 23) as u32)
}

/// `(n, eʳ − 1)` with `x = n ln 2 + r`, |r| ≤ ½ ln 2.
///
/// The polynomial is Cephes' `expf` (S. Moshier, <https://www.netlib.org/cephes>), as is the split of ln 2.
#[inline(always)]
fn exp_parts<const MODE: u8>(x: f32) -> (i32, f32) {
    let rounded = fma::<MODE>(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = fma::<MODE>(n, -0.693_359_4, x);
    let r = fma::<MODE>(n, 2.121_944_4e-4, r);
    let c = [0.5, 1.666_666_5e-1, 4.166_579_6e-2, 8.333_452e-3, 1.398_2e-3, 1.987_569_1e-4];
    let q = polynomial::<MODE, 6>(r, c);
    (rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i32, fma::<MODE>(r * r, q, r))
}

/// Holds x within the range where the result is neither 0 nor infinite, NaN passing through.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// eˣ within 1 ulp, gradual underflow included.
#[inline(always)]
pub(crate) fn exp<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.exp();
    }
    // a product that underflows takes far longer on some processors, so what is 0 is not multiplied
    let is_zero = x < -104.0;
    let held = if x > 89.0 { 89.0 } else { x };
    let held = if is_zero { 0.0 } else { held };
    let (n, e) = exp_parts::<MODE>(held);
    // in two steps, since 2ⁿ alone may overflow or underflow where the product does not
    let half = n >> 1;
    let y = (e + 1.0) * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    if is_zero { 0.0 } else { y }
}

/// eˣ − 1 within 2 ulp, also for tiny x.
#[inline(always)]
pub(crate) fn exp_m1<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.exp_m1();
    }
    let (n, e) = exp_parts::<MODE>(clamp(x, -40.0, 89.0));
    // 2ⁿ eʳ − 1 = 2ⁿ (eʳ − 1) + (2ⁿ − 1); the last power is taken out, since 2¹²⁸ overflows
    let half = power_of_two(n.wrapping_sub(1));
    let y = 2.0 * fma::<MODE>(e, half, half - 0.5);
    if x == 0.0 { x } else { y }
}

/// ln x within 1 ulp: −∞ at 0, NaN below.
///
/// The polynomial is Cephes' `logf`.
#[inline(always)]
pub(crate) fn ln<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.ln();
    }
    let subnormal = x < f32::MIN_POSITIVE;
    let scaled = if subnormal { x * 8_388_608.0 } else { x };
    let bits = scaled.to_bits() as i32;
    // mantissa in [√½, √2), so that ln of it is small when x is near 1
    let n = bits.wrapping_sub(0x3f35_04f3) >> 23;
    let m = f32::from_bits(bits.wrapping_sub(n << 23) as u32) - 1.0;
    let n = n as f32 - if subnormal { 23.0 } else { 0.0 };
    let c = [
        3.333_333e-1,
        -2.499_999_4e-1,
        2.000_071_5e-1,
        -1.666_805_7e-1,
        1.424_932_3e-1,
        -1.242_014_1e-1,
        1.167_699_9e-1,
        -1.151_461e-1,
        7.037_683_6e-2,
    ];
    let square = m * m;
    let y = polynomial::<MODE, 9>(m, c) * m * square;
    let y = fma::<MODE>(n, -2.121_944_4e-4, y);
    let y = fma::<MODE>(square, -0.5, y) + m;
    let y = fma::<MODE>(n, 0.693_359_4, y);
    let y = if x == f32::INFINITY { x } else { y };
    let y = if x == 0.0 { f32::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f32::NAN } else { y }
}

/// ln(1 + x) within 2 ulp, also for tiny x.
#[inline(always)]
pub(crate) fn ln_1p<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.ln_1p();
    }
    let u = 1.0 + x;
    // what the rounding of 1 + x lost, to first order
    let lost = x - (u - 1.0);
    let y = ln::<MODE>(u) + lost / u;
    let y = if u == 0.0 || u == f32::INFINITY { ln::<MODE>(u) } else { y };
    if x == 0.0 { x } else { y }
}

/// tanh x within 2.5 ulp: `(e²ˣ − 1) / (e²ˣ + 1)`.
#[inline(always)]
pub(crate) fn tanh<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.tanh();
    }
    let e = exp_m1::<MODE>(2.0 * clamp(x.abs(), 0.0, 10.0));
    (e / (e + 2.0)).copysign(x)
}

/// `(−1)ⁿ sin(x − nπ)`, n an integer or, for the cosine, a half more.
#[inline(always)]
fn sin_reduced<const MODE: u8>(x: f32, n: f32, odd: u32) -> f32 {
    // π in three parts of few bits (Cephes), so that n times the first two is exact
    let r = fma::<MODE>(n, -3.140_625, x);
    let r = fma::<MODE>(n, -9.675_026e-4, r);
    let r = fma::<MODE>(n, -1.509_958e-7, r);
    let s = r * r;
    let c = [-1.666_665_7e-1, 8.333_025e-3, -1.980_741_4e-4, 2.601_903e-6];
    let y = fma::<MODE>(polynomial::<MODE, 4>(s, c) * s, r, r);
    f32::from_bits(y.to_bits() ^ (odd << 31))
}

/// sin x within 1.5 ulp, or 1.5·10⁻⁷ where that is more, for |x| ≤ 8192.
#[inline(always)]
pub(crate) fn sin<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.sin();
    }
    let rounded = fma::<MODE>(x, std::f32::consts::FRAC_1_PI, ROUND);
    sin_reduced::<MODE>(x, rounded - ROUND, rounded.to_bits() & 1)
}

/// cos x within 1.5 ulp, or 1.5·10⁻⁷ where that is more, for |x| ≤ 8192: `sin(x + π/2)`, the half turn taken into the
/// reduction.
#[inline(always)]
pub(crate) fn cos<const MODE: u8>(x: f32) -> f32 {
    if MODE == PRECISE {
        return x.cos();
    }
    let rounded = fma::<MODE>(x, std::f32::consts::FRAC_1_PI, -0.5) + ROUND;
    let n = rounded - ROUND + 0.5;
    sin_reduced::<MODE>(x, n, (rounded.to_bits() & 1) ^ 1)
}

/// erf x = 2/√π ∫₀ˣ e^(−t²) dt within 1.5 ulp.
///
/// Minimax coefficients by N. Juffa (<https://stackoverflow.com/a/35148199>).
#[inline(always)]
pub(crate) fn erf<const MODE: u8>(x: f32) -> f32 {
    let t = clamp(x.abs(), 0.0, 5.0);
    let s = t * t;
    let far_high = fma::<MODE>(-1.728_534_7e-5, t, 3.831_974_6e-4);
    let far_low = fma::<MODE>(-3.883_963_7e-3, t, 2.425_462_3e-2);
    let far = fma::<MODE>(far_high, s, far_low);
    let far = fma::<MODE>(far, t, -1.067_778_8e-1);
    let far = fma::<MODE>(far, t, -6.348_467e-1);
    let far = fma::<MODE>(far, t, -1.287_175_1e-1);
    let far = 1.0 - exp::<MODE>(fma::<MODE>(far, t, -t));
    let c = [1.283_791_7e-1, -3.761_253_4e-1, 1.128_199_2e-1, -2.676_813_5e-2, 4.991_194_2e-3, -5.967_617e-4];
    let near = fma::<MODE>(polynomial::<MODE, 6>(s, c), t, t);
    (if t > 0.927_734_4 { far } else { near }).copysign(x)
}
