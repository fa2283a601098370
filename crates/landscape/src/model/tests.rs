//! Curvature of whole models: what must hold whatever the model.

use gradus_autograd::{Module, Param};
use gradus_data::Dataset;
use gradus_nn::loss::CrossEntropy;
use gradus_nn::{Activation, BatchNorm, Forward, Linear, Mlp, rng};
use gradus_optim::Sgd;
use gradus_train::{Classify, CostOf, Regress, Task, Trainer};
use ndarray::{Array1, Array2, array};

use crate::error::LandscapeError;
use crate::{
    ConjugateGradients, Lanczos, Landscape, LinearOperator, SpectralDensity, dense, eigenvalues, hutch_pp, parameters,
    set_parameters,
};

type Pairs = (Array2<f64>, Array2<f64>);

fn pairs(rows: usize) -> Pairs {
    let x = Array2::from_shape_fn((rows, 3), |(i, j)| (1.3 * i as f64 + j as f64).sin());
    let y = Array2::from_shape_fn((rows, 2), |(i, j)| (0.7 * i as f64 - j as f64).cos());
    (x, y)
}

fn classes(rows: usize) -> Dataset<f64> {
    let x = Array2::from_shape_fn((rows, 3), |(i, j)| (1.3 * i as f64 + j as f64).sin());
    Dataset::new(x, (0..rows).map(|i| (i * i + i / 4) % 3).collect(), 3).unwrap()
}

fn net(outputs: usize) -> Mlp<f64> {
    Mlp::builder([3, 5, outputs]).activation(Activation::Tanh).seed(3).build()
}

fn largest(a: &Array2<f64>) -> f64 {
    a.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()))
}

#[test]
fn the_hessian_is_the_derivative_of_the_gradient() {
    let (data, mut model) = (classes(20), net(3));
    let landscape = Landscape::new(Classify::new(), &data).batch_size(6);
    let (theta, matrix) = (parameters(&model), dense(&landscape.hessian(&model)).unwrap());
    let h = 1e-5;
    for k in 0..theta.len() {
        let mut slope = |t: f64| {
            let mut at = theta.clone();
            at[k] += t;
            set_parameters(&mut model, &at);
            landscape.gradient(&model).unwrap().1
        };
        let difference = (slope(h) - slope(-h)) / (2.0 * h);
        assert!((&difference - &matrix.column(k)).iter().all(|d| d.abs() < 1e-8));
    }
}

#[test]
fn gauss_newton_is_the_hessian_where_the_model_is_linear() {
    let mut r = rng(1);
    let (data, line) = (pairs(15), Linear::<f64>::new(3, 2, &mut r));
    let landscape = Landscape::new(Regress::new(), data);
    let (h, g) = (dense(&landscape.hessian(&line)).unwrap(), dense(&landscape.gauss_newton(&line)).unwrap());
    assert!(largest(&(&h - &g)) < 1e-13 && largest(&h) > 0.1);
    let (labels, line) = (classes(15), Linear::<f64>::new(3, 3, &mut r));
    let landscape = Landscape::new(Classify::new(), &labels);
    let (h, g) = (dense(&landscape.hessian(&line)).unwrap(), dense(&landscape.gauss_newton(&line)).unwrap());
    assert!(largest(&(&h - &g)) < 1e-13 && largest(&h) > 0.01);
}

#[test]
fn gauss_newton_and_fisher_curve_downwards_nowhere() {
    let (data, model) = (classes(30), net(3));
    let landscape = Landscape::new(Classify::new(), &data);
    assert!(eigenvalues(&landscape.hessian(&model)).unwrap()[0] < -1e-3, "the Hessian does");
    for operator in [landscape.gauss_newton(&model), landscape.empirical_fisher(&model)] {
        assert!(eigenvalues(&operator).unwrap()[0] > -1e-12, "{operator:?}");
    }
}

#[test]
fn fisher_is_the_sum_of_outer_products_of_single_gradients() {
    let (data, model) = (classes(9), net(3));
    let fisher = dense(&Landscape::new(Classify::new(), &data).batch_size(4).empirical_fisher(&model)).unwrap();
    let mut sum = Array2::<f64>::zeros(fisher.dim());
    for row in 0..9 {
        let one = data.subset(&[row]);
        let g = Landscape::new(Classify::new(), &one).gradient(&model).unwrap().1;
        sum += &Array2::from_shape_fn(fisher.dim(), |(i, j)| g[i] * g[j] / 9.0);
    }
    assert!(largest(&(sum - fisher)) < 1e-13);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let digits = gradus_data::digits();
    let model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
    let v = Array1::from_shape_fn(model.param_count(), |i| (i as f64).sin());
    let of = |threads| {
        let landscape = Landscape::new(Classify::new(), &digits.test).threads(threads).batch_size(100);
        let products = [landscape.hessian(&model), landscape.gauss_newton(&model), landscape.empirical_fisher(&model)]
            .map(|operator| operator.apply(v.view()).unwrap());
        let line = landscape.line(&model, &net_like(&model), 0.0..=1.0, 5).unwrap();
        (products, landscape.gradient(&model).unwrap(), line)
    };
    let one = of(1);
    assert_eq!(one, of(2));
    assert_eq!(one, of(3));
}

fn net_like(model: &Mlp<f32>) -> Mlp<f32> {
    let mut other = model.clone();
    let theta = parameters(model).mapv(|x| x + 0.01);
    set_parameters(&mut other, &theta);
    other
}

/// Some thousand parameters, and the dense solver on the same numbers.
#[test]
fn lanczos_agrees_with_the_dense_solver_on_a_network() {
    let digits = gradus_data::digits();
    let data = digits.test.subset(&(0..200).collect::<Vec<_>>()).cast::<f64>();
    let model = Mlp::builder([64, 12, 10]).activation(Activation::Tanh).seed(2).build::<f64>();
    let landscape = Landscape::new(Classify::new(), &data);
    let hessian = landscape.hessian(&model);
    let all = eigenvalues(&hessian).unwrap();
    let (n, scale) = (all.len(), all[all.len() - 1]);
    let largest = Lanczos::largest(5).tolerance(1e-8).run(&hessian).unwrap();
    let lowest = Lanczos::smallest(2).tolerance(1e-8).run(&hessian).unwrap();
    for k in 0..5 {
        assert!((largest.values[k] - all[n - 1 - k]).abs() < 1e-6 * scale, "{largest}");
    }
    assert!((0..2).all(|k| (lowest.values[k] - all[k]).abs() < 1e-6 * scale), "{lowest}");
    let trace = hutch_pp(&hessian, 60, 1).unwrap();
    assert!((trace.value - all.sum()).abs() < 2.0 * trace.error, "{trace} and {}", all.sum());
    let spectrum = SpectralDensity::new().run(&hessian).unwrap();
    let exact = all.iter().filter(|e| **e < -1e-3).count() as f64 / n as f64;
    assert!((spectrum.share(..-1e-3) - exact).abs() < 0.05, "{} and {exact}", spectrum.share(..-1e-3));
}

#[test]
fn frozen_parameters_are_left_out() {
    let (data, mut model) = (classes(10), net(3));
    let landscape = Landscape::new(Classify::new(), &data);
    let whole = dense(&landscape.hessian(&model)).unwrap();
    model.set_frozen("layers.0.*", true);
    let rest = dense(&landscape.hessian(&model)).unwrap();
    let n = rest.nrows();
    assert_eq!((whole.nrows(), n), (20 + 18, 18));
    assert!(largest(&(&whole.slice(ndarray::s![20.., 20..]) - &rest)) < 1e-14);
    model.set_frozen("*", true);
    assert_eq!(Lanczos::largest(3).run(&landscape.hessian(&model)).unwrap().values.len(), 0);
    assert_eq!(dense(&landscape.gauss_newton(&model)).unwrap().len(), 0);
}

#[derive(Clone)]
struct Normalized(Linear<f64>, BatchNorm<f64>);

impl Module<f64> for Normalized {
    fn visit<'a>(&'a self, v: &mut gradus_autograd::Visitor<'_, gradus_autograd::Leaf<'a, f64>>) {
        v.field("linear", &self.0);
        v.field("norm", &self.1);
    }
    fn visit_mut<'a>(&'a mut self, v: &mut gradus_autograd::Visitor<'_, gradus_autograd::LeafMut<'a, f64>>) {
        v.field_mut("linear", &mut self.0);
        v.field_mut("norm", &mut self.1);
    }
}

impl Forward<f64> for Normalized {
    fn forward<'t>(&self, x: gradus_autograd::Var<'t, f64>) -> gradus_autograd::Var<'t, f64> {
        self.1.forward(self.0.forward(x))
    }
}

/// With the batch's own statistics, a batch of one would be refused, and batches of other sizes would differ.
#[test]
fn layers_behave_as_in_inference() {
    let model = Normalized(Linear::new(3, 3, &mut rng(0)), BatchNorm::new(3));
    let data = classes(7);
    let of = |batch| Landscape::new(Classify::new(), &data).batch_size(batch).gradient(&model).unwrap();
    let ((a, ga), (b, gb)) = (of(7), of(1));
    assert!((a - b).abs() < 1e-14 && (ga - gb).iter().all(|d| d.abs() < 1e-14));
}

#[test]
fn a_network_at_zero_is_walked_off() {
    let (data, mut model) = (classes(30), net(3));
    set_parameters(&mut model, &Array1::zeros(38));
    let balanced = Landscape::new(Classify::new(), &data);
    // the output's biases alone have a slope at zero, so descend by them first
    Trainer::new(Sgd::new(1.0)).epochs(300).batch_size(30).fit(&mut model, &data, None).unwrap();
    let (before, gradient) = balanced.gradient(&model).unwrap();
    assert!(gradient.dot(&gradient).sqrt() < 1e-5, "plain descent is stuck");
    let escape = balanced.escape_saddle(&mut model).unwrap();
    assert!(escape.curvature < -1e-3 && escape.cost < before - 1e-3, "{escape:?}");
    assert_eq!((escape.theta.clone(), escape.cost), (parameters(&model), balanced.cost(&model).unwrap()));
}

#[test]
fn a_bowl_is_not_walked_off_and_stays_as_it_is() {
    let mut line = Linear::<f64>::new(3, 2, &mut rng(4));
    let before = parameters(&line);
    let error = Landscape::new(Regress::new(), pairs(15)).escape_saddle(&mut line).unwrap_err();
    assert!(matches!(error, LandscapeError::NoDescent { .. }), "{error}");
    assert_eq!(parameters(&line), before);
}

/// The influence of an example is how the cost of another one moves when the model is trained anew with a little more
/// of the example.
#[test]
fn influence_is_what_training_anew_shows() {
    let (x, y) = pairs(12);
    let (data, other) = ((x.clone(), y.clone()), (x.slice(ndarray::s![..1, ..]).to_owned(), array![[1.0, -1.0]]));
    let solver = ConjugateGradients::new().tolerance(1e-12);
    let fit = |weights: &Array1<f64>| {
        let mut line = Linear::<f64>::new(3, 2, &mut rng(0));
        // least squares with weights, by one step of Newton's method
        let rows: Vec<f64> = weights.iter().map(|w| w.sqrt()).collect();
        let scaled = |a: &Array2<f64>| Array2::from_shape_fn(a.dim(), |(i, j)| a[[i, j]] * rows[i]);
        let (bias, wx, wy) = (Array1::from(rows.clone()), scaled(&x), scaled(&y));
        let data = ((wx, bias), wy);
        let landscape = Landscape::of_cost(
            data,
            |m: &Linear<f64>, t, ((x, bias), y): &((Array2<f64>, Array1<f64>), Array2<f64>)| {
                let b = t.constant(bias).reshape([x.nrows(), 1]);
                let out = t.constant(x).matmul(t.param(&m.weight).t()) + b * m.bias.as_ref().unwrap();
                (out - y).square().mean()
            },
        );
        let step = landscape.newton_step(&line, &solver).unwrap();
        let theta = parameters(&line) + step.x;
        set_parameters(&mut line, &theta);
        line
    };
    let line = fit(&Array1::ones(12));
    let landscape = Landscape::new(Regress::new(), data);
    let found = landscape.influence(&line, &other, &solver).unwrap();
    let cost = |line: &Linear<f64>| Landscape::new(Regress::new(), other.clone()).cost(line).unwrap();
    for example in [0, 5, 11] {
        let shifted = |by: f64| {
            let mut weights = Array1::ones(12);
            weights[example] += 12.0 * by; // the share of one example in a mean of twelve
            cost(&fit(&weights))
        };
        let expected = (shifted(1e-4) - shifted(-1e-4)) / 2e-4;
        assert!((found[example] - expected).abs() < 1e-5 * (1.0 + expected.abs()), "{} {expected}", found[example]);
    }
}

#[test]
fn sharpness_is_the_rise_and_the_curvature() {
    // f = ½ (9 a² + b²) at (1, 0): the gradient is along a, where the curvature is 9
    let model = Param::new(array![1.0, 0.0]);
    let landscape = Landscape::of_cost(vec![()], |m: &Param<f64>, t, _: &Vec<()>| {
        let w = t.param(m);
        4.5 * w.at(0).square() + 0.5 * w.at(1).square()
    });
    assert!((landscape.sharpness(&model).unwrap().values[0] - 9.0).abs() < 1e-12);
    let expected = 4.5 * 1.1f64.powi(2) - 4.5;
    assert!((landscape.sam_sharpness(&model, 0.1).unwrap() - expected).abs() < 1e-12);
    assert_eq!(landscape.sam_sharpness(&Param::new(array![0.0, 0.0]), 0.1).unwrap(), 0.0);
}

/// A task whose cost is not computed from the outputs that it returns, but beside them.
struct Apart;

impl Task<f64, Mlp<f64>, gradus_data::Batch<f64>> for Apart {
    fn forward<'t>(
        &self,
        model: &Mlp<f64>,
        tape: &'t gradus_autograd::Tape<f64>,
        batch: &gradus_data::Batch<f64>,
    ) -> (gradus_autograd::Var<'t, f64>, gradus_autograd::Var<'t, f64>) {
        let logits = model.forward(tape.constant(&batch.x));
        (logits.softmax(1), logits.cross_entropy(&batch.y))
    }
}

/// Weights that are all alike change nothing, and an example of weight 2 counts like two.
#[test]
fn weights_count_in_fisher_and_influence_as_in_the_cost() {
    let (data, model) = (classes(12), net(3));
    let of = |weights: [f64; 3], batch| {
        let task = Classify::new().cost(CrossEntropy::new().class_weights(weights));
        let landscape = Landscape::new(task, &data).batch_size(batch);
        dense(&landscape.empirical_fisher(&model)).unwrap()
    };
    assert!(largest(&(of([1.0; 3], 5) - of([2.0; 3], 12))) < 1e-13);
    let twice: Vec<usize> = (0..12).flat_map(|row| vec![row; if data.y()[row] == 1 { 2 } else { 1 }]).collect();
    let repeated = data.subset(&twice);
    let plain = dense(&Landscape::new(Classify::new(), &repeated).empirical_fisher(&model)).unwrap();
    assert!(largest(&(of([1.0, 2.0, 1.0], 5) - plain)) < 1e-13);

    // the influences of all examples on their own mean cost add up to −∇f (G + 0.1)⁻¹ ∇f
    let task = Classify::new().cost(CrossEntropy::new().class_weights([10.0, 1.0, 1.0]));
    let landscape = Landscape::new(task, &data);
    let solver = ConjugateGradients::new().damping(0.1).tolerance(1e-12);
    let gradient = landscape.gradient(&model).unwrap().1;
    let solution = solver.solve(&landscape.gauss_newton(&model), gradient.view()).unwrap().x;
    let mean = landscape.influence(&model, &&data, &solver).unwrap().mean().unwrap();
    assert!((mean + gradient.dot(&solution)).abs() < 1e-10, "{mean}");
}

/// Where nothing can move, there is no slope, and no panic either.
#[test]
fn a_frozen_model_and_a_constant_cost_have_no_slope() {
    let (data, mut model) = (classes(5), net(3));
    model.set_frozen("*", true);
    let landscape = Landscape::new(Classify::new(), &data);
    assert_eq!(landscape.gradient(&model).unwrap().1.len(), 0);
    assert_eq!(landscape.sam_sharpness(&model, 0.1).unwrap(), 0.0);
    assert_eq!(landscape.newton_step(&model, &ConjugateGradients::new()).unwrap().x.len(), 0);
    let w = Param::new([1.0, 2.0]);
    let level = Landscape::of_cost(vec![()], |_: &Param<f64>, t, _: &Vec<()>| t.constant(3.0));
    assert_eq!(level.gradient(&w).unwrap(), (3.0, array![0.0, 0.0]));
    assert_eq!(eigenvalues(&level.hessian(&w)).unwrap(), array![0.0, 0.0]);
}

/// A row of eight neurons that are all alike: each curvature occurs eight times.
#[test]
fn all_copies_of_an_eigenvalue_of_a_network_are_found() {
    let mut model = Mlp::builder([3, 8, 3]).activation(Activation::Tanh).build::<f64>();
    let zeros = Array1::zeros(model.param_count());
    set_parameters(&mut model, &zeros);
    let data = classes(30);
    let landscape = Landscape::new(Classify::new(), &data);
    let all = eigenvalues(&landscape.hessian(&model)).unwrap();
    let found = Lanczos::smallest(10).run(&landscape.hessian(&model)).unwrap();
    assert!((&found.values - &all.slice(ndarray::s![..10])).iter().all(|d| d.abs() < 1e-7), "{found}{all}");
}

/// With every column twice, half of the eigenvalues are 0. In f32 they are rounding, some of it negative.
#[test]
fn rounding_is_no_way_down() {
    let mut lowest = f64::INFINITY;
    for seed in 0..6 {
        let x = Array2::from_shape_fn((40, 6), |(i, j)| ((1.3 * i as f32 + seed as f32) * (j % 3 + 1) as f32).sin());
        let y = Array2::from_shape_fn((40, 1), |(i, _)| (0.7 * i as f32).cos());
        let landscape = Landscape::new(Regress::new(), (x, y));
        let mut line = Linear::<f32>::new(6, 1, &mut rng(seed));
        lowest = lowest.min(Lanczos::smallest(1).run(&landscape.hessian(&line)).unwrap().values[0]);
        let error = landscape.escape_saddle(&mut line).unwrap_err();
        assert!(matches!(error, LandscapeError::NoDescent { .. }), "seed {seed}: {error}");
    }
    assert!(lowest < 0.0, "there is no rounding to be mistaken for a way down");
}

#[test]
fn what_does_not_fit_is_explained() {
    let (data, model) = (classes(5), net(3));
    let landscape = Landscape::new(Classify::new(), &data);
    let error = landscape.hessian(&model).apply(Array1::zeros(3).view()).unwrap_err().to_string();
    assert_eq!(error, "the vector has 3 numbers, but the operator is of dimension 38");
    let cost = CostOf::new(|m: &Mlp<f64>, t: &gradus_autograd::Tape<f64>, b: &gradus_data::Batch<f64>| {
        m.forward(t.constant(&b.x)).cross_entropy(&b.y)
    });
    let bare = Landscape::new(cost, &data);
    assert!(bare.hessian(&model).apply(Array1::ones(38).view()).is_ok());
    for operator in [bare.gauss_newton(&model), bare.empirical_fisher(&model)] {
        let error = operator.apply(Array1::ones(38).view()).unwrap_err().to_string();
        assert!(error.contains("needs the model's outputs apart from the cost"), "{error}");
    }
    let apart = Landscape::new(Apart, &data);
    for operator in [apart.gauss_newton(&model), apart.empirical_fisher(&model)] {
        let error = operator.apply(Array1::ones(38).view()).unwrap_err().to_string();
        assert!(error.contains("or outputs that the cost was not computed from"), "{error}");
    }
    let none = data.subset(&[]);
    let empty = Landscape::new(Classify::new(), &none);
    assert!(matches!(empty.cost(&model), Err(LandscapeError::NoExamples)));
    assert!(matches!(empty.line(&model, &model, 0.0..=1.0, 3), Err(LandscapeError::NoExamples)));
    let mut lost = model.clone();
    set_parameters(&mut lost, &Array1::from_elem(38, f64::NAN));
    assert_eq!(landscape.cost(&lost).unwrap_err().to_string(), "the cost is not finite at this point");
    assert!(matches!(Lanczos::largest(1).run(&landscape.hessian(&lost)), Err(LandscapeError::NotFinite { .. })));
}

#[test]
fn ranks_that_share_the_batches_compute_the_same_bits() {
    use gradus_train::LocalRanks;
    let iris = gradus_data::iris().cast::<f64>();
    let model = Mlp::builder([4, 6, 3]).seed(1).build::<f64>();
    let examine = |ranks: Option<&LocalRanks>| {
        let landscape = Landscape::new(Classify::new(), &iris).batch_size(13).threads(2); // twelve batches
        let landscape = match ranks {
            None => landscape,
            Some(ranks) => landscape.distributed(ranks),
        };
        let v = Array1::linspace(-1.0, 1.0, landscape.hessian(&model).dim());
        let products = [
            landscape.hessian(&model).apply(v.view()).unwrap(),
            landscape.gauss_newton(&model).apply(v.view()).unwrap(),
            landscape.empirical_fisher(&model).apply(v.view()).unwrap(),
        ];
        (landscape.cost(&model).unwrap(), landscape.gradient(&model).unwrap(), products)
    };
    let alone = examine(None);
    for ranks in [1, 2, 3, 4, 12, 13] {
        let all = LocalRanks::run(ranks, |ranks| examine(Some(&ranks)));
        assert!(all.iter().all(|one| *one == alone), "{ranks} ranks");
    }
}
