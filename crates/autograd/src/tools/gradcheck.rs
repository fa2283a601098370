//! Derivatives against finite differences.

use std::fmt;

use ndarray::{ArrayD, IxDyn};

use crate::{Tape, Var};

/// Where a derivative and a difference quotient disagree.
#[derive(Clone, Debug, PartialEq)]
pub struct GradCheckError {
    /// what was compared
    pub what: &'static str,
    /// which input
    pub input: usize,
    /// which number of that input, row by row
    pub element: usize,
    /// what the sweep computed
    pub computed: f64,
    /// what it should be near
    pub expected: f64,
}

impl fmt::Display for GradCheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GradCheckError { what, input, element, computed, expected } = self;
        write!(f, "{what}: by element {element} of input {input} it is {computed}, expected {expected}")
    }
}

impl std::error::Error for GradCheckError {}

/// Checks the derivatives of a function of arrays at a point, to second order, in `f64`.
///
/// The function's output is made a single number F by fixed weights, and then compared: both sweeps' gradients of F
/// with central differences of F; and for a fixed direction d, both sweeps' gradients of `∇F · d` with central
/// differences of `∇F · d`, as is the Hessian-vector product along d. Choose a point with no kink within 10⁻⁴.
///
/// ```
/// use gradus_autograd::gradcheck;
/// use ndarray::array;
/// gradcheck(|v| v[0].tanh() * v[1], &[array![0.3, 0.7].into_dyn(), array![[2.0], [1.0]].into_dyn()]).unwrap();
/// ```
///
/// # Errors
/// The first disagreement: more than 10⁻⁶ of the larger of 1, the value, and the size of F.
pub fn gradcheck(
    f: impl for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>,
    at: &[ArrayD<f64>],
) -> Result<(), GradCheckError> {
    let check = Check { f, directions: at.iter().enumerate().map(|(i, x)| fixed(x.shape(), 11 + i)).collect() };
    let first = check.first_order(at);
    check.compare("backward, first order", at, &first.swept, |at| check.value(at))?;
    check.compare("grad, first order", at, &first.recorded, |at| check.value(at))?;
    let second = check.second_order(at);
    let slope = |at: &[ArrayD<f64>]| check.along(&check.first_order(at).swept);
    check.compare("backward of grad, second order", at, &second.swept, slope)?;
    check.compare("grad of grad, second order", at, &second.recorded, slope)?;
    check.compare("hvp, second order", at, &check.product(at), slope)
}

/// Numbers of either sign that look random and are always the same.
fn fixed(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let mut i = seed as f64;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1.0;
        (i * 78.233).sin() + 0.1
    })
}

struct Check<F> {
    f: F,
    directions: Vec<ArrayD<f64>>,
}

/// The gradients by each sweep.
struct Swept {
    swept: Vec<ArrayD<f64>>,
    recorded: Vec<ArrayD<f64>>,
}

impl<F: for<'t> Fn(&[Var<'t, f64>]) -> Var<'t, f64>> Check<F> {
    fn cost<'t>(&self, inputs: &[Var<'t, f64>]) -> Var<'t, f64> {
        let y = (self.f)(inputs);
        (y * &fixed(y.shape(), 3)).sum()
    }

    fn value(&self, at: &[ArrayD<f64>]) -> f64 {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        self.cost(&inputs).item()
    }

    fn along(&self, gradients: &[ArrayD<f64>]) -> f64 {
        gradients.iter().zip(&self.directions).map(|(g, d)| (g * d).sum()).sum()
    }

    fn both<'t>(cost: Var<'t, f64>, inputs: &[Var<'t, f64>]) -> Swept {
        let gradients = cost.backward();
        Swept {
            swept: inputs.iter().map(|&x| gradients.wrt(x)).collect(),
            recorded: cost.grad_many(inputs).iter().map(|g| g.value().to_owned()).collect(),
        }
    }

    fn first_order(&self, at: &[ArrayD<f64>]) -> Swept {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        Self::both(self.cost(&inputs), &inputs)
    }

    fn second_order(&self, at: &[ArrayD<f64>]) -> Swept {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        let gradients = self.cost(&inputs).grad_many(&inputs);
        let slopes = gradients.iter().zip(&self.directions).map(|(&g, d)| (g * d).sum());
        let slope = slopes.fold(tape.var(0.0), |sum, slope| sum + slope);
        Self::both(slope, &inputs)
    }

    fn product(&self, at: &[ArrayD<f64>]) -> Vec<ArrayD<f64>> {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        let product = self.cost(&inputs).hvp(inputs.iter().copied().zip(&self.directions));
        inputs.iter().map(|&x| product.wrt(x)).collect()
    }

    fn compare(
        &self,
        what: &'static str,
        at: &[ArrayD<f64>],
        computed: &[ArrayD<f64>],
        f: impl Fn(&[ArrayD<f64>]) -> f64,
    ) -> Result<(), GradCheckError> {
        let size = f(at).abs();
        let mut moved = at.to_vec();
        for input in 0..at.len() {
            for element in 0..at[input].len() {
                let x = at[input].iter().nth(element).copied().unwrap_or(0.0);
                let step = 1e-5 * (x.abs() * 1e-3).max(1.0);
                let mut side = |x: f64| {
                    if let Some(place) = moved[input].iter_mut().nth(element) {
                        *place = x;
                    }
                    f(&moved)
                };
                let (above, below) = (side(x + step), side(x - step));
                side(x);
                let expected = (above - below) / (2.0 * step);
                let computed = computed[input].iter().nth(element).copied().unwrap_or(f64::NAN);
                let tolerance = 1e-6 * expected.abs().max(size).max(1.0);
                let near = (computed - expected).abs() <= tolerance; // false for NaN
                if !near {
                    return Err(GradCheckError { what, input, element, computed, expected });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{Float, ops};

    #[test]
    fn every_registered_operation_passes_to_second_order() {
        for check in ops::checks() {
            if let Err(e) = gradcheck(&check.run, &check.inputs) {
                panic!("{}: {e}", check.name);
            }
        }
    }

    /// Value, gradient and Hessian-vector product in single precision are those in double precision, but for rounding.
    #[test]
    fn every_registered_operation_agrees_in_single_precision() {
        fn results<T: Float>(run: &dyn for<'t> Fn(&[Var<'t, T>]) -> Var<'t, T>, inputs: &[ArrayD<f64>]) -> Vec<f64> {
            let cast = |x: &ArrayD<f64>| x.mapv(|x| T::from_f64(x));
            let tape = Tape::<T>::mathematics();
            let vars: Vec<_> = inputs.iter().map(|x| tape.var(cast(x))).collect();
            let y = run(&vars);
            let cost = (y * &cast(&fixed(y.shape(), 3))).sum();
            let directions = inputs.iter().enumerate().map(|(i, x)| cast(&fixed(x.shape(), 11 + i)));
            let (gradients, products) = (cost.backward(), cost.hvp(vars.iter().copied().zip(directions)));
            let arrays = vars.iter().flat_map(|&x| [gradients.wrt(x), products.wrt(x)]);
            y.value().iter().copied().chain(arrays.flatten()).map(|x| x.to_f64()).collect()
        }
        for check in ops::checks() {
            let (double, single) = (results(&check.run, &check.inputs), results(&check.run_f32, &check.inputs));
            let size = double.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
            for (i, (want, got)) in double.iter().zip(&single).enumerate() {
                assert!((want - got).abs() <= 3e-5 * size, "{}: number {i} is {got}, not {want}", check.name);
            }
        }
    }

    /// An operation without check points would never be differentiated in the table above.
    #[test]
    fn no_operation_lacks_check_points() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
        let mut defined = BTreeSet::new();
        let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        for path in paths.filter(|path| path.is_file()) {
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.lines().map(str::trim) {
                if let Some(rest) = line.strip_prefix("impl<T: Float> Operation<T> for ") {
                    defined.insert(rest.split([' ', '{']).next().unwrap().to_owned());
                }
                // rows of the macros: `name: Type(x) -> y { …`, `Type "name" kernel;`
                if let Some((head, _)) = line.split_once(") -> y {")
                    && let Some((_, rule)) = head.split_once(": ")
                {
                    defined.insert(rule.split('(').next().unwrap().to_owned());
                }
                if let Some((name, _)) = line.split_once(" \"am") {
                    defined.insert(name.to_owned());
                }
            }
        }
        defined.retain(|name| name.starts_with(char::is_uppercase));
        let mut exercised = BTreeSet::new();
        for check in ops::checks() {
            let tape = Tape::mathematics();
            let inputs: Vec<_> = check.inputs.iter().map(|x| tape.var(x)).collect();
            (check.run)(&inputs);
            for index in 0..tape.len() as u32 {
                if let Some(operation) = tape.operation(&tape.nodes().node(index)) {
                    let name = operation.type_name();
                    let rule =
                        name.split_once("Elementwise<").map_or(name, |(_, rest)| rest.split(',').next().unwrap());
                    exercised.insert(rule.rsplit("::").next().unwrap().to_owned());
                }
            }
        }
        assert!(defined.len() >= 45, "found only {} definitions: {defined:?}", defined.len());
        let missing: Vec<_> = defined.difference(&exercised).collect();
        assert!(missing.is_empty(), "operations without check points: {missing:?}");
    }

    /// Elsewhere a missing rule is a zero that nobody notices.
    #[test]
    fn a_missing_rule_is_an_error() {
        use crate::{Float, Operation, Output, Shape, Tensor, View, Vjp};
        struct Product;
        impl<T: Float> Operation<T> for Product {
            fn name(&self) -> &'static str {
                "product"
            }
            fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
                Ok(inputs[0].into())
            }
            fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
                output.data()[0] = inputs[0].data()[0] * inputs[1].data()[0];
            }
            fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
                cx.add(0, || cx.grad() * cx.input(1)); // and nothing for input 1
            }
        }
        let tape = Tape::<f64>::mathematics();
        let (a, b, c) = (tape.var(2.0), tape.var(3.0), tape.constant(3.0));
        assert_eq!(tape.apply(Product, [a, c]).backward().wrt(a)[[]], 3.0); // nobody asks for the other
        let product = tape.apply(Product, [a, b]);
        let sweeps: [&dyn Fn(); 3] = [&|| drop(product.backward()), &|| drop(product.grad_many(&[a, b])), &|| {
            drop(product.hvp([(a, ndarray::arr0(1.0))]))
        }];
        for sweep in sweeps {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(sweep)).expect_err("a panic");
            let message = caught.downcast_ref::<String>().expect("a text");
            assert!(message.starts_with("product: its rule gives no gradient of input 1"), "{message}");
        }
    }

    #[test]
    fn a_wrong_rule_is_caught() {
        use crate::{Float, Operation, Output, Shape, Tensor, View, Vjp};
        struct Wrong;
        impl<T: Float> Operation<T> for Wrong {
            fn name(&self) -> &'static str {
                "wrong"
            }
            fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
                Ok(inputs[0].into())
            }
            fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
                output.data().iter_mut().zip(inputs[0].data()).for_each(|(y, &x)| *y = x * x);
            }
            fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
                cx.add(0, || cx.grad() * cx.input(0)); // a factor of 2 is missing
            }
        }
        let at = [ndarray::array![0.5, 1.5].into_dyn()];
        let error = gradcheck(|v| v[0].tape().apply(Wrong, [v[0]]), &at).unwrap_err();
        assert_eq!((error.what, error.input, error.element), ("backward, first order", 0, 0));
    }
}
