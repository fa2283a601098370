use super::{FMA, POLYNOMIAL, double, single};

/// The error in units in the last place of the f32 nearest to `want`; `floor` is the least unit.
fn ulps(got: f32, want: f64, floor: f64) -> f64 {
    if (got.is_nan() && want.is_nan()) || f64::from(got) == f64::from(want as f32) {
        return 0.0;
    }
    let nearest = want as f32;
    let unit = f64::from(f32::from_bits(nearest.abs().to_bits() + 1)) - f64::from(nearest.abs());
    (f64::from(got) - want).abs() / unit.max(floor)
}

macro_rules! modes {
    ($module:ident::$name:ident) => {
        [$module::$name::<POLYNOMIAL>, $module::$name::<FMA>]
    };
}

type Single = (&'static str, [fn(f32) -> f32; 2], fn(f64) -> f64, f32, f32, f64, f64);

/// Walks all floats of a range, 1 in 997, with both signs where the range has them. The oracle is f64.
#[test]
fn each_function_of_f32_keeps_its_stated_error_over_its_whole_range() {
    let cases: [Single; 8] = [
        ("exp", modes!(single::exp), f64::exp, -110.0, 95.0, 1.0, 0.0),
        ("exp_m1", modes!(single::exp_m1), f64::exp_m1, -110.0, 95.0, 2.0, 0.0),
        ("ln", modes!(single::ln), f64::ln, 0.0, f32::INFINITY, 1.0, 0.0),
        ("ln_1p", modes!(single::ln_1p), f64::ln_1p, -1.0, f32::INFINITY, 2.0, 0.0),
        ("tanh", modes!(single::tanh), f64::tanh, -400.0, 400.0, 2.5, 0.0),
        ("sin", modes!(single::sin), f64::sin, -8192.0, 8192.0, 1.5, 1e-7),
        ("cos", modes!(single::cos), f64::cos, -8192.0, 8192.0, 1.5, 1e-7),
        ("erf", modes!(single::erf), libm::erf, -9.0, 9.0, 1.5, 0.0),
    ];
    for (name, functions, exact, low, high, bound, floor) in cases {
        for (function, mode) in functions.into_iter().zip(["polynomial", "fma"]) {
            let mut worst = (0.0, 0.0f32);
            for bits in (0..=f32::INFINITY.to_bits()).step_by(997).chain([f32::INFINITY.to_bits()]) {
                for x in [f32::from_bits(bits), -f32::from_bits(bits)] {
                    if (low..=high).contains(&x) {
                        let error = ulps(function(x), exact(f64::from(x)), floor);
                        if error > worst.0 || error.is_nan() {
                            worst = (error, x);
                        }
                    }
                }
            }
            println!("{name} {mode}: {:.2} ulp at {}", worst.0, worst.1);
            assert!(worst.0 <= bound, "{name} {mode}: {} ulp at {}, stated {bound}", worst.0, worst.1);
        }
    }
}

type Double = (&'static str, [fn(f64) -> f64; 2], f64, f64);

/// The oracle is a table of values computed with 60 digits; `oracle.py` made it.
#[test]
fn each_function_of_f64_keeps_its_stated_error_over_its_whole_range() {
    let cases: [Double; 8] = [
        ("exp", modes!(double::exp), 1.0, 0.0),
        ("exp_m1", modes!(double::exp_m1), 2.0, 0.0),
        ("ln", modes!(double::ln), 1.0, 0.0),
        ("ln_1p", modes!(double::ln_1p), 2.0, 0.0),
        ("tanh", modes!(double::tanh), 2.5, 0.0),
        ("sin", modes!(double::sin), 1.5, 1.3e-16),
        ("cos", modes!(double::cos), 1.5, 1.3e-16),
        ("erf", modes!(double::erf), 1.5, 0.0),
    ];
    let number = |text: &str| f64::from_bits(u64::from_str_radix(text, 16).unwrap());
    for (name, functions, bound, floor) in cases {
        let mut rows = 0;
        let mut worst = [(0.0, 0.0); 2];
        for row in include_str!("oracle.csv").lines() {
            let fields: Vec<&str> = row.split(',').collect();
            if fields[0] != name {
                continue;
            }
            rows += 1;
            let (x, nearest, rest) = (number(fields[1]), number(fields[2]), fields[3].parse::<f64>().unwrap());
            let unit = f64::from_bits(nearest.abs().to_bits() + 1) - nearest.abs();
            for (worst, function) in worst.iter_mut().zip(functions) {
                let error = ((function(x) - nearest) / unit - rest).abs() * (unit / unit.max(floor));
                if error > worst.0 || error.is_nan() {
                    *worst = (error, x);
                }
            }
        }
        assert!(rows > 400, "{name} has only {rows} rows");
        for ((error, x), mode) in worst.into_iter().zip(["polynomial", "fma"]) {
            println!("{name} {mode}: {error:.2} ulp at {x}");
            assert!(error <= bound, "{name} {mode}: {error} ulp at {x:e}, stated {bound}");
        }
    }
}

macro_rules! extremes {
    ($module:ident, $t:ident, $erf:path) => {
        for x in [$t::NAN, $t::INFINITY, $t::NEG_INFINITY, 0.0, -0.0, $t::MAX, $t::MIN, $t::MIN_POSITIVE / 8.0] {
            let same = |name: &str, got: $t, want: $t| {
                let near = (got - want).abs() <= want.abs() * 3.0 * $t::EPSILON;
                assert!(got == want || near || (got.is_nan() && want.is_nan()), "{name} {x:e}: {got:e}, not {want:e}");
            };
            same("exp", $module::exp::<FMA>(x), x.exp());
            same("exp_m1", $module::exp_m1::<FMA>(x), x.exp_m1());
            same("ln", $module::ln::<FMA>(x), x.ln());
            same("ln_1p", $module::ln_1p::<FMA>(x), x.ln_1p());
            same("tanh", $module::tanh::<FMA>(x), x.tanh());
            same("erf", $module::erf::<FMA>(x), $erf(x));
        }
    };
}

#[test]
fn extremes_are_those_of_the_mathematics() {
    extremes!(single, f32, libm::erff);
    extremes!(double, f64, libm::erf);
}
