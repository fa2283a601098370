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

/// Value, gradient and Hessian-vector product in single precision equal those in double precision, except for rounding.
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

/// The tests above would never differentiate an operation without check points.
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
                let rule = name.split_once("Elementwise<").map_or(name, |(_, rest)| rest.split(',').next().unwrap());
                exercised.insert(rule.rsplit("::").next().unwrap().to_owned());
            }
        }
    }
    assert!(defined.len() >= 45, "found only {} definitions: {defined:?}", defined.len());
    let missing: Vec<_> = defined.difference(&exercised).collect();
    assert!(missing.is_empty(), "operations without check points: {missing:?}");
}

/// What `explain` shows of an operation stands in its documentation too, so the two cannot disagree.
#[test]
fn every_operation_shows_the_formula_of_its_documentation() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ops");
    let paths = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let comments = paths.filter(|path| path.is_file()).map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        words(&text.lines().filter_map(|line| line.trim().strip_prefix("///")).collect::<Vec<_>>().join(" "))
    });
    let comments: Vec<String> = comments.collect();
    let mut wrong = BTreeSet::new();
    for check in ops::checks() {
        let tape = Tape::mathematics();
        let inputs: Vec<_> = check.inputs.iter().map(|x| tape.var(x)).collect();
        (check.run)(&inputs);
        for index in 0..tape.len() as u32 {
            let Some(operation) = tape.operation(&tape.nodes().node(index)) else { continue };
            let formula = words(operation.about());
            let known = comments.iter().any(|text| text.contains(&formula));
            if formula.is_empty() && !operation.type_name().contains("fused") || !known {
                wrong.insert(format!("{}: {formula:?}", operation.type_name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Without this error, a missing rule would be a zero that nobody notices.
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
