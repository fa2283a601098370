//! Functions whose minima are known: for tests, teaching, and comparing optimizers.
//!
//! Each is a function of a variable, which programs of your own can use as a cost. [`all`] lists them with what is
//! known about them.
//!
//! ```
//! use gradus_optim::{functions, minimize, Adam};
//! for function in functions::all().iter().filter(|f| f.convex) {
//!     let found = minimize(function.cost, function.start(), Adam::new(0.05), 5000);
//!     assert!(found.cost() - function.minimum < 1e-3, "{}", function.name);
//! }
//! ```

use std::f64::consts::{E, PI};

use gradus_autograd::{Float, Var};
use ndarray::Array1;

/// A function and what is known about it. Points are written as lists.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// the name of the function
    pub name: &'static str,
    /// the function
    pub cost: for<'t> fn(Var<'t, f64>) -> Var<'t, f64>,
    /// the point to start from
    pub start: &'static [f64],
    /// the least value; −∞ if there is none
    pub minimum: f64,
    /// the points where the function has its least value; for functions of any number of variables, these points have
    /// as many variables as `start`
    pub minima: &'static [&'static [f64]],
    /// some or all of the local minima, where the value is not the least
    pub local_minima: &'static [&'static [f64]],
    /// some or all of the critical points that are neither minimum nor maximum
    pub saddles: &'static [&'static [f64]],
    /// the radius of the square around 0 that is worth looking at: −`radius` … `radius`
    pub radius: f64,
    /// whether the function is convex: no straight line between two points of its graph runs below the graph, so that
    /// every minimum is the least
    pub convex: bool,
}

impl Function {
    /// Returns the point to start from.
    pub fn start(&self) -> Array1<f64> {
        Array1::from(self.start.to_vec())
    }
}

/// `½ Σ xᵢ²`: the plain bowl.
pub fn quadratic<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    0.5 * x.square().sum()
}

/// `½ (100 x² + y²)`: a hundred times steeper along x than along y. One learning rate for both directions must stay
/// below 2/100, and then the descent crawls along y.
pub fn ravine<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    50 * x.at(0).square() + 0.5 * x.at(1).square()
}

/// `(x + 2y − 7)² + (2x + y − 5)²`. Booth.
pub fn booth<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let (x, y) = (x.at(0), x.at(1));
    (x + 2 * y - 7).square() + (2 * x + y - 5).square()
}

/// `0.26 (x² + y²) − 0.48 x y`. Matyas: a shallow ravine along x = y.
pub fn matyas<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    0.26 * x.square().sum() - 0.48 * x.at(0) * x.at(1)
}

/// `Σ softplus(xᵢ) − xᵢ/4`: the cost of logistic regression when a quarter of the labels is 1. Far from the minimum it
/// is almost straight, like every cost of logistic regression, so gradients there do not grow with the distance.
pub fn logistic<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    (x.softplus() - 0.25 * x).sum()
}

/// `Σ √(1 + xᵢ²) − 1`: round at the bottom, straight far out (pseudo-Huber).
pub fn rounded_cone<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    ((1 + x.square()).sqrt() - 1).sum()
}

/// `Σ 100 (xᵢ₊₁ − xᵢ²)² + (1 − xᵢ)²`: a bent valley that is easy to find and slow to follow. Rosenbrock 1960.
///
/// # Panics
/// If there are fewer than two numbers.
#[track_caller]
pub fn rosenbrock<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let n = x.len();
    assert!(n >= 2, "rosenbrock: {n} numbers; it is a function of at least two");
    let (first, next) = (x.narrow(0, 0, n - 1), x.narrow(0, 1, n - 1));
    (100 * (next - first.square()).square() + (1 - first).square()).sum()
}

/// `(1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)²`. Beale: flat far out, with steep walls.
pub fn beale<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let (x, y) = (x.at(0), x.at(1));
    let xy = x * y;
    (1.5 - x + xy).square() + (2.25 - x + xy * y).square() + (2.625 - x + xy * y.square()).square()
}

/// `(x² + y − 11)² + (x + y² − 7)²`. Himmelblau: four minima, all of value 0, with four saddles between them.
pub fn himmelblau<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let (x, y) = (x.at(0), x.at(1));
    (x.square() + y - 11).square() + (x + y.square() - 7).square()
}

/// `10 n + Σ xᵢ² − 10 cos 2πxᵢ`. Rastrigin: a bowl full of local minima.
pub fn rastrigin<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    (x.square() + 10 - 10 * (2.0 * PI * x).cos()).sum()
}

/// `−20 exp(−0.2 √(½(x² + y²))) − exp(½(cos 2πx + cos 2πy)) + e + 20`. Ackley: almost flat outside, with a funnel in
/// the middle and local minima everywhere. It is not smooth at the minimum itself, where its gradient is not defined.
pub fn ackley<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let bowl = (x.square().mean().sqrt() * -0.2).exp();
    let waves = (2.0 * PI * x).cos().mean().exp();
    -20 * bowl - waves + (E + 20.0)
}

/// `½ Σ xᵢ⁴ − 16 xᵢ² + 5 xᵢ`. Styblinski and Tang: each variable has a deep and a less deep minimum.
pub fn styblinski_tang<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let squares = x.square();
    0.5 * (squares.square() - 16 * squares + 5 * x).sum()
}

/// `x² − y²`: the saddle. At 0 the gradient is 0 and the Hessian has an eigenvalue of each sign; a descent that starts
/// with y = 0 ends there, and any other descent falls along y for ever.
pub fn saddle<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    x.at(0).square() - x.at(1).square()
}

/// `x³ − 3xy²`: the monkey saddle, with three ways down (two legs, a tail). At 0 the Hessian is 0, so its eigenvalues
/// tell nothing.
pub fn monkey_saddle<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let (x, y) = (x.at(0), x.at(1));
    x.pow(3) - 3 * x * y.square()
}

/// `¼ x⁴ − ½ x² + ½ y²`: two minima with a saddle between them. A descent that starts at x = 0 ends at the saddle.
pub fn double_well<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let x2 = x.at(0).square();
    0.25 * x2.square() - 0.5 * x2 + 0.5 * x.at(1).square()
}

/// `2 − exp(−(x + 2)²/8) − exp(−50 (x − 2)²) + x²/400` of one variable: a flat minimum near −2 (1.01, curvature 0.25)
/// and a sharp one near 2, a little lower (0.87, curvature 100). If other data shift the curve a little, the cost at
/// the sharp minimum rises most. A descent with a large learning rate or noise cannot stay in it.
pub fn sharp_and_flat<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
    let flat = (-(x + 2).square() / 8).exp();
    let sharp = (-50 * (x - 2).square()).exp();
    (2 - flat - sharp + x.square() / 400).sum()
}

/// Returns the function of this name, if there is one.
///
/// ```
/// assert!(gradus_optim::functions::named("ravine").unwrap().convex);
/// ```
pub fn named(name: &str) -> Option<&'static Function> {
    all().iter().find(|f| f.name == name)
}

/// Returns all functions.
pub fn all() -> &'static [Function] {
    const BOWL: Function = Function {
        name: "quadratic",
        cost: quadratic,
        start: &[3.0, -2.0],
        minimum: 0.0,
        minima: &[&[0.0, 0.0]],
        local_minima: &[],
        saddles: &[],
        radius: 4.0,
        convex: true,
    };
    const ROUGH: Function = Function { convex: false, ..BOWL };
    const ALL: &[Function] = &[
        BOWL,
        Function { name: "ravine", cost: ravine, start: &[1.0, 3.0], ..BOWL },
        Function { name: "booth", cost: booth, start: &[-2.0, -1.0], minima: &[&[1.0, 3.0]], radius: 5.0, ..BOWL },
        Function { name: "matyas", cost: matyas, start: &[2.0, -1.0], ..BOWL },
        Function {
            name: "logistic",
            cost: logistic,
            // 2 (ln 4/3 + ¼ ln 3), at ln(⅓)
            minimum: 1.124_670_289_237_616_7,
            minima: &[&[-1.098_612_288_668_109_7, -1.098_612_288_668_109_7]],
            ..BOWL
        },
        Function { name: "rounded_cone", cost: rounded_cone, ..BOWL },
        Function {
            name: "rosenbrock",
            cost: rosenbrock,
            start: &[-1.2, 1.0],
            minima: &[&[1.0, 1.0]],
            radius: 2.0,
            ..ROUGH
        },
        Function {
            name: "beale",
            cost: beale,
            start: &[1.0, 1.0],
            minima: &[&[3.0, 0.5]],
            saddles: &[&[0.0, 1.0]],
            radius: 4.5,
            ..ROUGH
        },
        Function {
            name: "himmelblau",
            cost: himmelblau,
            start: &[0.0, 0.0],
            minima: &[
                &[3.0, 2.0],
                &[-2.805_118_086_952_745, 3.131_312_518_250_573],
                &[-3.779_310_253_377_747, -3.283_185_991_286_169_4],
                &[3.584_428_340_330_491_6, -1.848_126_526_964_403_6],
            ],
            saddles: &[
                &[0.086_677_504_555_396_35, 2.884_254_701_174_776],
                &[3.385_154_183_607_021, 0.073_851_879_837_749_3],
                &[-3.073_025_750_764_389_6, -0.081_353_044_287_967_51],
                &[-0.127_961_346_730_680_07, -1.953_714_980_244_576_4],
            ],
            radius: 5.0,
            ..ROUGH
        },
        Function {
            name: "rastrigin",
            cost: rastrigin,
            start: &[0.3, -0.2],
            local_minima: &[&[0.994_958_637_652_334_8, 0.0], &[0.0, -0.994_958_637_652_334_8]],
            radius: 5.12,
            ..ROUGH
        },
        Function { name: "ackley", cost: ackley, start: &[0.4, 0.3], radius: 5.0, ..ROUGH },
        Function {
            name: "styblinski_tang",
            cost: styblinski_tang,
            start: &[-1.0, -1.0],
            minimum: -78.332_331_407_542_83,
            minima: &[&[-2.903_534_027_771_177, -2.903_534_027_771_177]],
            local_minima: &[&[2.746_802_770_990_837, 2.746_802_770_990_837]],
            radius: 5.0,
            ..ROUGH
        },
        Function {
            name: "saddle",
            cost: saddle,
            start: &[1.0, 1e-3],
            minimum: f64::NEG_INFINITY,
            minima: &[],
            saddles: &[&[0.0, 0.0]],
            radius: 2.0,
            ..ROUGH
        },
        Function {
            name: "monkey_saddle",
            cost: monkey_saddle,
            start: &[1.0, 1e-3],
            minimum: f64::NEG_INFINITY,
            minima: &[],
            saddles: &[&[0.0, 0.0]],
            radius: 2.0,
            ..ROUGH
        },
        Function {
            name: "double_well",
            cost: double_well,
            start: &[1e-3, 1.0],
            minimum: -0.25,
            minima: &[&[1.0, 0.0], &[-1.0, 0.0]],
            saddles: &[&[0.0, 0.0]],
            radius: 2.0,
            ..ROUGH
        },
        Function {
            name: "sharp_and_flat",
            cost: sharp_and_flat,
            start: &[0.0],
            minimum: 0.874_558_997_408_447_2,
            minima: &[&[1.998_545_088_821_979_6]],
            local_minima: &[&[-1.960_776_919_491_644]],
            radius: 5.0,
            ..ROUGH
        },
    ];
    ALL
}
