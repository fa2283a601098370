//! The functions of f64. The standard library's are called number by number; a loop over these vectorises.

use super::{FMA, PRECISE};

#[inline(always)]
fn fma<const MODE: u8>(a: f64, b: f64, c: f64) -> f64 {
    if MODE == FMA { a.mul_add(b, c) } else { a * b + c }
}

/// `c₀ + x (c₁ + x (c₂ + …))`
#[inline(always)]
fn polynomial<const MODE: u8, const N: usize>(x: f64, c: [f64; N]) -> f64 {
    let mut sum = c[N - 1];
    for k in (0..N - 1).rev() {
        sum = fma::<MODE>(sum, x, c[k]);
    }
    sum
}

/// Adding this to a small number rounds it to an integer, which then stands in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²

/// ln 2 in two parts, the first of so few bits that an exponent times it is exact.
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];

/// 2ⁿ for −1022 ≤ n ≤ 1023.
#[inline(always)]
fn power_of_two(n: i64) -> f64 {
    f64::from_bits((n.wrapping_add(1023) << 52) as u64)
}

/// `(n, eʳ − 1)` with `x = n ln 2 + r`, |r| ≤ ½ ln 2, where the Taylor series to r¹³ is exact.
#[inline(always)]
fn exp_parts<const MODE: u8>(x: f64) -> (i64, f64) {
    let rounded = fma::<MODE>(x, std::f64::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = fma::<MODE>(n, -LN_2[0], x);
    let r = fma::<MODE>(n, -LN_2[1], r);
    let c = [
        0.5,
        1.666_666_666_666_666_6e-1,
        4.166_666_666_666_666_4e-2,
        8.333_333_333_333_333e-3,
        1.388_888_888_888_889e-3,
        1.984_126_984_126_984e-4,
        2.480_158_730_158_73e-5,
        2.755_731_922_398_589_3e-6,
        2.755_731_922_398_589e-7,
        2.505_210_838_544_172e-8,
        2.087_675_698_786_81e-9,
        1.605_904_383_682_161_3e-10,
    ];
    let q = polynomial::<MODE, 12>(r, c);
    (rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i64, fma::<MODE>(r * r, q, r))
}

/// Holds x within the range where the result is neither 0 nor infinite, NaN passing through.
#[inline(always)]
fn clamp(x: f64, low: f64, high: f64) -> f64 {
    let x = if x > high { high } else { x };
    if x < low { low } else { x }
}

/// eˣ within 1 ulp, gradual underflow included.
#[inline(always)]
pub(crate) fn exp<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.exp();
    }
    // a product that underflows takes far longer on some processors, so what is 0 is not multiplied
    let is_zero = x < -746.0;
    let held = if x > 710.0 { 710.0 } else { x };
    let held = if is_zero { 0.0 } else { held };
    let (n, e) = exp_parts::<MODE>(held);
    // in two steps, since 2ⁿ alone may overflow or underflow where the product does not
    let half = n >> 1;
    let y = (e + 1.0) * power_of_two(half) * power_of_two(n.wrapping_sub(half));
    if is_zero { 0.0 } else { y }
}

/// eˣ − 1 within 2 ulp, also for tiny x.
#[inline(always)]
pub(crate) fn exp_m1<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.exp_m1();
    }
    let (n, e) = exp_parts::<MODE>(clamp(x, -60.0, 710.0));
    // 2ⁿ eʳ − 1 = 2ⁿ (eʳ − 1) + (2ⁿ − 1); the last power is taken out, since 2¹⁰²⁴ overflows
    let half = power_of_two(n.wrapping_sub(1));
    let y = 2.0 * fma::<MODE>(e, half, half - 0.5);
    if x == 0.0 { x } else { y }
}

/// ln x within 1 ulp: −∞ at 0, NaN below. With `s = (m − 1)/(m + 1)`, `ln m = 2 artanh s`, as in FreeBSD's `e_log.c`.
#[inline(always)]
pub(crate) fn ln<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.ln();
    }
    let subnormal = x < f64::MIN_POSITIVE;
    let scaled = if subnormal { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits() as i64;
    // mantissa in [√½, √2), so that ln of it is small when x is near 1
    let n = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd) >> 52;
    let f = f64::from_bits(bits.wrapping_sub(n << 52) as u64) - 1.0;
    let n = f64::from_bits(ROUND.to_bits().wrapping_add(n as u64)) - ROUND - if subnormal { 54.0 } else { 0.0 };
    let s = f / (f + 2.0);
    let z = s * s;
    let c = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    let r = polynomial::<MODE, 7>(z, c) * z;
    let half_square = 0.5 * f * f;
    let low = fma::<MODE>(n, LN_2[1], s * (half_square + r));
    let y = fma::<MODE>(n, LN_2[0], f - (half_square - low));
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f64::NAN } else { y }
}

/// ln(1 + x) within 2 ulp, also for tiny x.
#[inline(always)]
pub(crate) fn ln_1p<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.ln_1p();
    }
    let u = 1.0 + x;
    // what the rounding of 1 + x lost, to first order
    let lost = x - (u - 1.0);
    let y = ln::<MODE>(u) + lost / u;
    let y = if u == 0.0 || u == f64::INFINITY { ln::<MODE>(u) } else { y };
    if x == 0.0 { x } else { y }
}

/// tanh x within 2.5 ulp: `(e²ˣ − 1) / (e²ˣ + 1)`.
#[inline(always)]
pub(crate) fn tanh<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.tanh();
    }
    let e = exp_m1::<MODE>(2.0 * clamp(x.abs(), 0.0, 20.0));
    (e / (e + 2.0)).copysign(x)
}

/// `(−1)ⁿ sin(x − nπ)`, n an integer or, for the cosine, a half more; the Taylor series to r²¹ is exact.
#[inline(always)]
fn sin_reduced<const MODE: u8>(x: f64, n: f64, odd: u64) -> f64 {
    // π in three parts, the first two of so few bits that n times them is exact
    let r = fma::<MODE>(n, -3.141_592_653_584_666_6, x);
    let r = fma::<MODE>(n, -5.126_688_303_167_911_6e-12, r);
    let r = fma::<MODE>(n, -2.112_599_813_397_485_5e-23, r);
    let s = r * r;
    let c = [
        -1.666_666_666_666_666_6e-1,
        8.333_333_333_333_333e-3,
        -1.984_126_984_126_984e-4,
        2.755_731_922_398_589_3e-6,
        -2.505_210_838_544_172e-8,
        1.605_904_383_682_161_3e-10,
        -7.647_163_731_819_816e-13,
        2.811_457_254_345_520_6e-15,
        -8.220_635_246_624_33e-18,
        1.957_294_106_339_126_3e-20,
    ];
    let y = fma::<MODE>(polynomial::<MODE, 10>(s, c) * s, r, r);
    f64::from_bits(y.to_bits() ^ (odd << 63))
}

/// sin x within 1.5 ulp, or 2·10⁻¹⁶ where that is more, for |x| ≤ 8192.
#[inline(always)]
pub(crate) fn sin<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.sin();
    }
    let rounded = fma::<MODE>(x, std::f64::consts::FRAC_1_PI, ROUND);
    sin_reduced::<MODE>(x, rounded - ROUND, rounded.to_bits() & 1)
}

/// cos x within 1.5 ulp, or 2·10⁻¹⁶ where that is more, for |x| ≤ 8192: `sin(x + π/2)`, the half turn taken into the
/// reduction.
#[inline(always)]
pub(crate) fn cos<const MODE: u8>(x: f64) -> f64 {
    if MODE == PRECISE {
        return x.cos();
    }
    let rounded = fma::<MODE>(x, std::f64::consts::FRAC_1_PI, -0.5) + ROUND;
    let n = rounded - ROUND + 0.5;
    sin_reduced::<MODE>(x, n, (rounded.to_bits() & 1) ^ 1)
}

/// The rational functions of FreeBSD's `s_erf.c`, by power: of x² below 0.84375, of |x| − 1 to 1.25, of 1/x² to 1/0.35
/// and beyond.
const ERF_NUMERATOR: [[f64; 4]; 8] = [
    [0.12837916709551256, -0.0023621185607526594, -0.009864944034847148, -0.0098649429247001],
    [-0.3250421072470015, 0.41485611868374833, -0.6938585727071818, -0.799283237680523],
    [-0.02848174957559851, -0.3722078760357013, -10.558626225323291, -17.757954917754752],
    [-0.005770270296489442, 0.31834661990116175, -62.375332450326006, -160.63638485582192],
    [-2.3763016656650163e-05, -0.11089469428239668, -162.39666946257347, -637.5664433683896],
    [0.0, 0.035478304325618236, -184.60509290671104, -1025.0951316110772],
    [0.0, -0.002166375594868791, -81.2874355063066, -483.5191916086514],
    [0.0, 0.0, -9.814329344169145, 0.0],
];
const ERF_DENOMINATOR: [[f64; 4]; 9] = [
    [1.0, 1.0, 1.0, 1.0],
    [0.39791722395915535, 0.10642088040084423, 19.651271667439257, 30.33806074348246],
    [0.0650222499887673, 0.540397917702171, 137.65775414351904, 325.7925129965739],
    [0.005081306281875766, 0.07182865441419627, 434.56587747522923, 1536.729586084437],
    [0.00013249473800432164, 0.12617121980876164, 645.3872717332679, 3199.8582195085955],
    [-3.960228278775368e-06, 0.01363708391202905, 429.00814002756783, 2553.0504064331644],
    [0.0, 0.011984499846799107, 108.63500554177944, 474.52854120695537],
    [0.0, 0.0, 6.570249770319282, -22.44095244658582],
    [0.0, 0.0, -0.0604244152148581, 0.0],
];
/// What the second is added to.
const ERF_1: f64 = 0.8450629115104675;

/// erf x = 2/√π ∫₀ˣ e^(−t²) dt within 1.5 ulp.
#[inline(always)]
pub(crate) fn erf<const MODE: u8>(x: f64) -> f64 {
    let t = clamp(x.abs(), 0.0, 6.0);
    // all four are one quotient of polynomials, whose coefficients are chosen
    let pick = |[a, b, c, d]: [f64; 4]| {
        let far = if t < 1.0 / 0.35 { c } else { d };
        let middle = if t < 1.25 { b } else { far };
        if t < 0.84375 { a } else { middle }
    };
    let square = t * t;
    let inverse = 1.0 / (if t < 1.0 { 1.0 } else { square });
    let s = pick([square, t - 1.0, inverse, inverse]);
    let mut numerator = pick(ERF_NUMERATOR[7]);
    for k in (0..7).rev() {
        numerator = fma::<MODE>(numerator, s, pick(ERF_NUMERATOR[k]));
    }
    let mut denominator = pick(ERF_DENOMINATOR[8]);
    for k in (0..8).rev() {
        denominator = fma::<MODE>(denominator, s, pick(ERF_DENOMINATOR[k]));
    }
    let quotient = numerator / denominator;
    let far = 1.0 - exp::<MODE>(quotient - 0.5625 - square) / (if t < 1.0 { 1.0 } else { t });
    pick([fma::<MODE>(t, quotient, t), ERF_1 + quotient, far, far]).copysign(x)
}
