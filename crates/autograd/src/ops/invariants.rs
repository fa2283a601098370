//! Properties that hold for every operation in the table, whatever it computes: for every sweep, every kind of operand,
//! every tape, and every number of threads.

use ndarray::{ArrayD, IxDyn};

use crate::ops::{Check, Run, checks, numbers};
use crate::{Float, Param, Tape, Var, with_threads};

/// The roles that an operand of an operation may have.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Role {
    /// a leaf that is differentiated, and moves
    Leaf,
    /// a leaf that is differentiated and stands still
    Still,
    Constant,
    Parameter,
    Frozen,
    /// a parameter on a tape for inference, where it is a constant
    Inference,
}

impl Role {
    fn moves(self) -> bool {
        matches!(self, Role::Leaf | Role::Parameter)
    }
}

const ROLES: [Role; 5] = [Role::Still, Role::Constant, Role::Parameter, Role::Frozen, Role::Inference];

fn cast<T: Float>(x: &ArrayD<f64>) -> ArrayD<T> {
    x.mapv(T::from_f64)
}

/// Fixed numbers of the given shape, for a direction or for weights.
fn along<T: Float>(shape: &[usize], seed: f64) -> ArrayD<T> {
    cast(&numbers(shape, seed))
}

/// The value of an operation with operands in these roles, and its derivatives by each operand that moves: first
/// derivatives by all three sweeps, and second derivatives along fixed directions by two sweeps.
struct Derivatives<T: Float> {
    value: ArrayD<T>,
    backward: Vec<ArrayD<T>>,
    recorded: Vec<ArrayD<T>>,
    jvp: ArrayD<T>,
    hvp: Vec<ArrayD<T>>,
    recorded_twice: Vec<ArrayD<T>>,
}

impl<T: Float> Derivatives<T> {
    fn on(tape: &Tape<T>, run: &Run<T>, inputs: &[ArrayD<f64>], roles: &[Role]) -> Self {
        let params: Vec<Param<T>> = inputs
            .iter()
            .zip(roles)
            .map(|(x, role)| {
                let mut param = Param::new(cast::<T>(x));
                param.set_frozen(*role == Role::Frozen);
                param
            })
            .collect();
        let vars: Vec<Var<'_, T>> = (0..inputs.len())
            .map(|i| match roles[i] {
                Role::Leaf | Role::Still => tape.var(cast::<T>(&inputs[i])),
                Role::Constant => tape.constant(cast::<T>(&inputs[i])),
                Role::Parameter | Role::Frozen | Role::Inference => tape.param(&params[i]),
            })
            .collect();
        let moving: Vec<usize> = (0..inputs.len()).filter(|&i| roles[i].moves()).collect();
        let leaves: Vec<Var<'_, T>> = moving.iter().map(|&i| vars[i]).collect();
        let directions: Vec<ArrayD<T>> = moving.iter().map(|&i| along(inputs[i].shape(), 11.0 + i as f64)).collect();
        let y = run(&vars);
        let cost = (y * &along::<T>(y.shape(), 3.0)).sum();
        let gradients = cost.backward();
        let pairs = || leaves.iter().copied().zip(&directions);
        let products = cost.hvp(pairs());
        let recorded = cost.grad_many(&leaves);
        let slope = recorded.iter().zip(&directions).map(|(&g, d)| (g * d).sum()).reduce(|a, b| a + b);
        let twice = slope.map(|slope| slope.backward());
        Derivatives {
            value: y.value().to_owned(),
            backward: leaves.iter().map(|&x| gradients.wrt(x)).collect(),
            recorded: recorded.iter().map(|g| g.value().to_owned()).collect(),
            jvp: y.jvp(pairs()),
            hvp: leaves.iter().map(|&x| products.wrt(x)).collect(),
            recorded_twice: leaves.iter().map(|&x| twice.as_ref().expect("a leaf").wrt(x)).collect(),
        }
    }

    fn parts(&self) -> impl Iterator<Item = (&'static str, &ArrayD<T>)> {
        let named = |name| move |x| (name, x);
        [("value", &self.value), ("jvp", &self.jvp)]
            .into_iter()
            .chain(self.backward.iter().map(named("backward")))
            .chain(self.recorded.iter().map(named("grad")))
            .chain(self.hvp.iter().map(named("hvp")))
            .chain(self.recorded_twice.iter().map(named("backward of grad")))
    }

    fn bits(&self) -> Vec<u64> {
        self.parts().flat_map(|(_, x)| x.iter().map(|x| x.to_f64().to_bits())).collect()
    }
}

fn tape_for<T: Float>(roles: &[Role]) -> Tape<T> {
    if roles.contains(&Role::Inference) { Tape::inference() } else { Tape::training(0) }
}

/// Whether two numbers are the same except for rounding, NaN and infinities included.
fn alike(a: f64, b: f64, size: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-11 * size.max(a.abs())
}

fn assert_alike(a: &ArrayD<f64>, b: &ArrayD<f64>, what: impl Fn() -> String) {
    let size = a.iter().filter(|x| x.is_finite()).fold(1.0, |size: f64, x| size.max(x.abs()));
    assert!(a.iter().zip(b).all(|(&a, &b)| alike(a, b, size)), "{}:\n{a}\n{b}", what());
}

/// If an operand is a constant, is frozen, or stands still, no derivative by the others changes; and the sweeps agree.
#[test]
fn sweeps_agree_whatever_the_operands_are() {
    for Check { name, inputs, run, .. } in checks() {
        let leaves = vec![Role::Leaf; inputs.len()];
        let all = Derivatives::on(&tape_for(&leaves), &run, &inputs, &leaves);
        for (i, other) in (0..inputs.len()).flat_map(|i| ROLES.map(|role| (i, role))) {
            let mut roles = leaves.clone();
            roles[i] = other;
            let moving: Vec<usize> = (0..inputs.len()).filter(|&k| roles[k].moves()).collect();
            if moving.is_empty() {
                continue; // nothing is differentiated
            }
            let some = Derivatives::on(&tape_for(&roles), &run, &inputs, &roles);
            let what = |part: &str| format!("{name}, operand {i} as {other:?}, {part}");
            assert_alike(&some.value, &all.value, || what("value"));
            for (k, &own) in moving.iter().enumerate() {
                assert_alike(&some.backward[k], &all.backward[own], || what("backward"));
                assert_alike(&some.backward[k], &some.recorded[k], || what("grad"));
                assert_alike(&some.hvp[k], &some.recorded_twice[k], || what("hvp and backward of grad"));
            }
        }
        for k in 0..inputs.len() {
            assert_alike(&all.backward[k], &all.recorded[k], || format!("{name}, operand {k}: grad"));
            assert_alike(&all.hvp[k], &all.recorded_twice[k], || format!("{name}, operand {k}: hvp"));
        }
    }
}

/// Numbers at which rules divide by 0, multiply 0 by ∞, or take logarithms of negative numbers.
const EDGES: [f64; 15] =
    [f64::NEG_INFINITY, -1e30, -2.0, -1.0, -0.5, -0.0, 0.0, 1e-30, 0.5, 1.0, 2.0, 3.0, 1e30, f64::INFINITY, f64::NAN];

/// Where one sweep gives a number, no other gives NaN or another number: at every pair of edges, with the other operand
/// constant, standing still, or moving too.
///
/// Second derivatives of a power whose base and exponent both move are left out where the base is 0: there the
/// derivatives are conventions, each of its own. Where an operand is infinite, the recorded sweep may give NaN for
/// these second derivatives, but no other number.
#[test]
fn sweeps_agree_at_the_edges_of_elementwise_functions() {
    let mut wrong = Vec::new();
    for Check { name, inputs, run, .. } in checks().into_iter().filter(|check| check.each) {
        let n = EDGES.len().pow(inputs.len() as u32);
        let columns = (0..inputs.len() as u32).map(|k| EDGES.len().pow(k));
        let at: Vec<ArrayD<f64>> =
            columns.map(|step| ArrayD::from_shape_fn(IxDyn(&[n]), |i| EDGES[i[0] / step % EDGES.len()])).collect();
        let mut roles = vec![vec![Role::Leaf; inputs.len()]];
        if inputs.len() > 1 {
            for i in 0..inputs.len() {
                for other in [Role::Still, Role::Constant, Role::Frozen] {
                    roles.push((0..inputs.len()).map(|k| if k == i { Role::Leaf } else { other }).collect());
                }
            }
        }
        for roles in roles {
            let all = Derivatives::on(&tape_for(&roles), &run, &at, &roles);
            let pairs = all.backward.iter().zip(&all.recorded).map(|pair| ("first", pair));
            let pairs = pairs.chain(all.hvp.iter().zip(&all.recorded_twice).map(|pair| ("second", pair)));
            for (order, (a, b)) in pairs {
                for i in (0..n).filter(|&i| !alike(a[[i]], b[[i]], 1.0) && (a[[i]].is_finite() || b[[i]].is_finite())) {
                    let x: Vec<f64> = at.iter().map(|x| x[[i]]).collect();
                    if order == "second"
                        && name.starts_with("pow")
                        && (x[0] == 0.0 || (x.iter().any(|x| x.is_infinite()) && b[[i]].is_nan()))
                        && roles == vec![Role::Leaf; roles.len()]
                    {
                        continue;
                    }
                    wrong.push(format!("{name} at {x:?} as {roles:?}: {order}: {} and {}", a[[i]], b[[i]]));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} places:\n{}", wrong.len(), wrong.join("\n"));
}

/// A tape that was used before, so that its memory and the memory of its sweeps hold NaN.
fn used<T: Float>() -> Tape<T> {
    let mut tape = Tape::mathematics();
    for _ in 0..2 {
        let leaves: Vec<Var<'_, T>> = (0..60)
            .map(|k| tape.constant_with(&[1 << (k % 13)], |x| x.fill(T::from_f64(f64::NAN))))
            .map(|x| tape.var(x.value()))
            .collect();
        let cost = leaves.iter().map(|x| x.square().exp().sum()).reduce(|a, b| a * b).expect("leaves");
        drop((cost.backward(), cost.hvp(leaves.iter().map(|&x| (x, x.value().to_owned())))));
        cost.grad_many(&leaves);
        tape.clear();
    }
    tape
}

#[test]
fn numbers_of_earlier_steps_are_never_read() {
    fn same<T: Float>(name: &str, run: &Run<T>, inputs: &[ArrayD<f64>]) {
        let roles = vec![Role::Leaf; inputs.len()];
        let fresh = Derivatives::on(&Tape::mathematics(), run, inputs, &roles);
        let dirty = Derivatives::on(&used(), run, inputs, &roles);
        // in debug builds memory that was not written is NaN on a fresh tape too
        assert!(fresh.parts().all(|(_, x)| x.iter().all(|x| x.is_finite())), "{name}: a number is not finite");
        assert!(fresh.bits() == dirty.bits(), "{name}: a used tape gives other bits in {}", T::NAME);
    }
    for Check { name, inputs, run, run_f32, .. } in checks() {
        same(name, &run, &inputs);
        same(name, &run_f32, &inputs);
    }
}

/// The sizes are not multiples of a block, and numbers beyond the range of every polynomial stand among numbers within
/// it.
#[test]
fn the_number_of_threads_changes_no_bit_of_any_elementwise_function() {
    fn differing<T: Float>(run: &Run<T>, operands: usize, n: usize) -> bool {
        let far = |i: usize, k: usize| match (i * 7919 + k * 31) % 1013 {
            0 => 1e5,
            1 => -3e4,
            2 => 1e20,
            3 => 0.0,
            4 => f64::INFINITY,
            m => m as f64 / 500.0 - 1.0,
        };
        let at: Vec<ArrayD<f64>> =
            (0..operands).map(|k| ArrayD::from_shape_fn(IxDyn(&[n]), |i| far(i[0], k))).collect();
        let roles = vec![Role::Leaf; operands];
        let bits = |threads| {
            with_threads(threads, || {
                // NaN has many bit patterns, and no operation specifies which of them it gives
                let derivatives = Derivatives::on(&Tape::mathematics(), run, &at, &roles);
                derivatives
                    .bits()
                    .into_iter()
                    .map(|b| if f64::from_bits(b).is_nan() { 0 } else { b })
                    .collect::<Vec<_>>()
            })
        };
        let one = bits(1);
        [2, 3].iter().any(|&threads| bits(threads) != one)
    }
    for Check { name, inputs, run, run_f32, .. } in checks().into_iter().filter(|check| check.each) {
        assert!(!differing(&run_f32, inputs.len(), 200_003), "{name} in f32");
        assert!(!differing(&run, inputs.len(), 140_001), "{name} in f64");
    }
}
