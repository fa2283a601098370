//! The curvature of two small networks, against hessian-eigenthings and PyHessian: `files/make.py` computed the values.

use gradus_autograd::Module;
use gradus_data::{Dataset, Examples};
use gradus_landscape::{Curvature, Lanczos, Landscape, LinearOperator, eigenvalues, set_parameters};
use gradus_nn::{Activation, Mlp};
use gradus_train::{Classify, Regress, Task};
use ndarray::{Array1, Array2};
use serde_json::Value;

const EXAMPLES: usize = 40;

fn numbers(value: &Value) -> Array1<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn network() -> Mlp<f64> {
    let mut model = Mlp::builder([4, 6, 3]).activation(Activation::Tanh).build::<f64>();
    let theta = Array1::from_shape_fn(model.param_count(), |i| 0.7 * (1.0 + i as f64).sin());
    set_parameters(&mut model, &theta);
    model
}

fn inputs() -> Array2<f64> {
    Array2::from_shape_fn((EXAMPLES, 4), |(i, j)| (0.3 * i as f64 + 1.7 * j as f64).cos())
}

fn close(what: &str, found: &Array1<f64>, expected: &Array1<f64>, tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(0.0f64, |a, x| a.max(x.abs()));
    let worst = (found - expected).iter().fold(0.0f64, |a, d| a.max(d.abs()));
    assert!(worst <= tolerance * scale, "{what}: off by {worst:e}, where numbers are up to {scale:e}");
}

fn compare<K, E>(landscape: &Landscape<K, E, f64>, case: &Value)
where
    K: Task<f64, Mlp<f64>, E::Batch>,
    E: Examples,
{
    let model = network();
    let cost = landscape.cost(&model).unwrap();
    assert!((cost - case["value"].as_f64().unwrap()).abs() < 1e-12);
    let (hessian, newton, fisher) =
        (landscape.hessian(&model), landscape.gauss_newton(&model), landscape.empirical_fisher(&model));
    let v = Array1::from_shape_fn(hessian.dim(), |i| (i as f64).cos());
    for (name, operator) in [("hessian", &hessian), ("gauss_newton", &newton), ("empirical_fisher", &fisher)] {
        let operator: &Curvature<'_, K, E, Mlp<f64>, f64> = operator;
        let expected = &case[name];
        close(name, &operator.apply(v.view()).unwrap(), &numbers(&expected["product"]), 1e-12);
        close(name, &eigenvalues(operator).unwrap(), &numbers(&expected["eigenvalues"]), 1e-12);
        let top: Array1<f64> = numbers(&expected["eigenvalues"]).iter().rev().take(5).copied().collect();
        close(name, &Lanczos::largest(5).tolerance(1e-10).run(operator).unwrap().values, &top, 1e-10);
    }
    let top = Lanczos::largest_magnitude(2).tolerance(1e-10).run(&hessian).unwrap();
    // PyHessian's power iteration stops where its values stand still, which is not quite where they would end
    close("PyHessian", &top.values, &numbers(&case["pyhessian_largest_magnitude"]), 1e-5);
}

#[test]
fn curvature_is_that_of_hessian_eigenthings_and_pyhessian() {
    let cases: Value = serde_json::from_str(include_str!("files/curvature.json")).unwrap();
    let labels = (0..EXAMPLES).map(|i| i % 3).collect();
    let classes = Dataset::new(inputs(), labels, 3).unwrap();
    compare(&Landscape::new(Classify::new(), &classes), &cases[0]);
    // in batches of seven, the sums are split, and the mean is the same
    compare(&Landscape::new(Classify::new(), &classes).batch_size(7), &cases[0]);
    let targets = Array2::from_shape_fn((EXAMPLES, 3), |(i, k)| (i as f64 + k as f64).sin());
    compare(&Landscape::new(Regress::new(), (inputs(), targets)), &cases[1]);
}
