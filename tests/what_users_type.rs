//! The programs that the design promises, as a user would type them.

use approx::assert_relative_eq;
use gradus::data::digits;
use gradus::prelude::*;
use ndarray::{Array2, array};
use rand::RngExt;

#[test]
fn a_gradient_a_hessian_a_gradient_inside_a_cost() {
    let tape = Tape::new();
    let x = tape.var(array![1., 2., 3.]);
    let dx = (x * x).sum().backward().wrt(x);
    assert_eq!(dx, array![2., 4., 6.].into_dyn());

    let h = hessian(
        |w| {
            let (a, b) = (w.at(0), w.at(1));
            (1.0 - a * b).square()
        },
        &array![0., 0.],
    );
    assert_eq!(h, array![[0., -2.], [-2., 0.]]);

    // a gradient penalty: f = Σ x², |∇f| = 2 |x|
    let x = tape.var(array![[3., 4.], [0., 1.]]);
    let f = x.square().sum_axis(1);
    let [gx] = f.sum().grad([x]);
    let cost = f.mean() + 10.0 * (gx.square().sum_axis(1).sqrt() - 1.0).square().mean();
    assert_eq!(cost.item(), 13.0 + 10.0 * (81.0 + 1.0) / 2.0);
    let slope = cost.backward().wrt(x);
    // by hand, for the second number of the second row, (0, 1): 1 from the mean of f, and 10 · 2 from the penalty
    assert_relative_eq!(slope[[1, 1]], 1.0 + 10.0 * 2.0, max_relative = 1e-5);
}

#[test]
fn plain_descent() {
    let (xs, ys) = (array![0., 1., 2., 3.], array![1., 3., 5., 7.]);
    let tape = Tape::new();
    let (m, b) = (tape.var(0.0), tape.var(0.0));
    let loss = (m * &xs + b - &ys).square().mean();
    assert_eq!(loss.item(), 21.0);
    let grads = loss.backward();
    assert_eq!((grads.wrt(m)[[]], grads.wrt(b)[[]]), (-17.0, -8.0));

    let target = array![3., -2.];
    let found = minimize(|t| (t - &target).square().sum(), array![0., 0.], Sgd::new(0.1).momentum(0.9), 300);
    for (found, target) in found.at.iter().zip(&target) {
        assert_relative_eq!(found, target, max_relative = 1e-4);
    }
}

#[derive(Clone)]
struct Config {
    scale: f64,
}

#[derive(Module, Clone)]
struct Block<T: Float = f32> {
    inner: Linear<T>,
    outer: Linear<T>,
}

impl<T: Float> Forward<T> for Block<T> {
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        self.outer.forward(self.inner.forward(x).gelu())
    }
}

#[derive(Module, Clone)]
struct Net<T: Float = f32> {
    embed: Linear<T>,
    blocks: Vec<Block<T>>,
    bias: Param<T>,
    #[module(skip)]
    config: Config,
}

impl<T: Float> Forward<T> for Net<T> {
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let mut h = self.embed.forward(x);
        for b in &self.blocks {
            h = h + b.forward(h)
        }
        (h * self.config.scale).matmul(&self.embed.weight) + &self.bias
    }
}

fn net<T: Float>(inputs: usize, hidden: usize) -> Net<T> {
    let mut rng = gradus::nn::rng(1);
    let block =
        |rng: &mut _| Block { inner: Linear::new(hidden, hidden, rng), outer: Linear::new(hidden, hidden, rng) };
    Net {
        embed: Linear::new(inputs, hidden, &mut rng),
        blocks: vec![block(&mut rng), block(&mut rng)],
        bias: Param::zeros(&[inputs]),
        config: Config { scale: 1.0 },
    }
}

#[test]
fn a_model_of_ones_own_with_tied_weights_learns() {
    let mut model: Net = net(4, 16);
    let paths: Vec<String> = model.params().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths[..3], ["embed.weight", "embed.bias", "blocks.0.inner.weight"]);
    assert_eq!(paths.last().unwrap(), "bias");

    // an autoencoder of one-hot rows
    let x = Array2::<f32>::eye(4);
    let mut tape = Tape::training(0);
    let mut opt = Adam::new(1e-2)
        .schedule(warmup(10).then(cosine(190)))
        .clip_norm(1.0)
        .group("*.weight", |g| g.weight_decay(1e-4));
    let mut losses = Vec::new();
    for _ in 0..200 {
        let (loss, grads) = tape.gradients(|t| loss::mse(model.forward(t.constant(&x)), &x, Reduction::Mean));
        opt.step(&mut model, &grads);
        losses.push(loss);
    }
    assert!(losses[199] < 0.01 * losses[0], "{} to {}", losses[0], losses[199]);
    assert_eq!(opt.lr(), 0.0);
    // the same model in f64
    let double: Net<f64> = net(4, 16);
    let tape = Tape::inference();
    assert_eq!(double.forward(tape.constant(Array2::eye(4))).shape(), [4, 4]);
}

#[test]
fn training_by_hand() {
    let train = digits().test;
    let mut model = Mlp::builder([64, 32, 10]).seed(3).build();
    let seed = 3;
    let mut tape = Tape::training(seed);
    let mut opt = AdamW::new(1e-2);
    for epoch in 0..3 {
        for batch in train.batches(32).shuffle(epoch) {
            let (_loss, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
            opt.step(&mut model, &grads);
        }
    }
    assert!(evaluate(&model, &train).accuracy() > 0.95);
}

#[test]
fn literals_on_the_left_for_every_number_type() {
    fn generic<T: Float>(x: Var<'_, T>) -> Var<'_, T> {
        (1.0 - x).square() + 2 * x - 3
    }
    let single = Tape::new();
    let _: f32 = generic(single.var(0.5)).item();
    let double = Tape::<f64>::mathematics();
    assert_eq!(generic(double.var(0.5)).item(), 0.25 + 1.0 - 3.0);
    // T is inferred from the tape alone
    let x = single.var(0.5);
    assert_eq!((1.0 - x).square().item(), 0.25f32);
}

#[test]
fn functions_and_closures_as_layers() {
    use gradus::functions::{relu, tanh};
    let tape = Tape::new();
    let squashed = [tape.var(0.5), tape.var(-0.5)].map(tanh);
    assert_eq!(squashed[0].item(), -squashed[1].item());
    let model: Sequential = Sequential::new().map(relu).map(|x| x * 3.0);
    assert_eq!(model.forward(tape.var([-1.0, 2.0])).data(), [0.0, 6.0]);
    let copy = model.clone();
    assert_eq!(copy.forward(tape.var([-1.0, 2.0])).data(), [0.0, 6.0]);
}

/// A closure after `let`, used by everything that takes a function.
#[test]
fn a_closure_bound_by_let_serves_every_function() {
    let target = array![1.0, -2.0];
    let cost = differentiable(move |x| (x - &target).square().sum());
    let start = array![0.0, 0.0];
    assert_eq!(grad(&cost, &start), array![-2.0, 4.0]);
    assert_eq!(hessian(&cost, &start)[[0, 0]], 2.0);
    let found = minimize(&cost, start.clone(), Sgd::new(0.1), 500);
    assert!(found.cost() < 1e-12);
    let point = gradus::landscape::critical_point(&cost, &found.at).unwrap();
    assert_eq!(point.kind, gradus::landscape::Kind::Minimum);
    let sampler = |rng: &mut rand::rngs::Xoshiro256PlusPlus| array![rng.random_range(-1.0..1.0), 0.0];
    assert!(random_restarts(&cost, sampler, 3, &Sgd::new(0.1), 500, 1).best().cost() < 1e-12);
}

/// The norm of the gradient is in the history of a run, without clipping.
#[test]
fn a_run_records_the_norm_of_its_gradients() {
    let data = (array![[1.0f32], [2.0], [4.0]], array![[2.0f32], [1.0], [5.0]]);
    let mut line: Linear = Linear::new(1, 1, &mut gradus::nn::rng(0));
    let (_, first) =
        Tape::training(0).gradients(|t| loss::mse(line.forward(t.constant(&data.0)), &data.1, Reduction::Mean));
    let mut trainer = Trainer::new(Sgd::new(0.01)).task(Regress::new()).batch_size(3).epochs(4).progress(false);
    let history = trainer.fit(&mut line, &data, None).unwrap();
    let norms: Vec<f64> = history.steps.iter().map(|row| row.grad_norm).collect();
    assert!((norms[0] - first.norm()).abs() < 1e-6 * first.norm(), "{norms:?}, {}", first.norm());
    assert!(norms.windows(2).all(|pair| pair[1] < pair[0]), "{norms:?}");
    assert_eq!(history.epochs[3].grad_norm, norms[3]);
}

/// A model whose first layer fills gaps is saved with the numbers that it fills in, and with its indicators.
#[test]
fn a_saved_model_takes_inputs_with_gaps() {
    use gradus::data::{Imputer, Scaler, Table};
    let text = "age,bmi,sick\n40,21,no\n,30,yes\n61,NA,yes\n70,24,no\n33,28,no\n";
    let table = Table::parse(text, "people.csv").unwrap().gaps_as_nan();
    let (data, names) = table.dataset::<f32>(&["age", "bmi"], "sick").unwrap();
    let imputer = Imputer::median(data.x()).unwrap().indicators(true);
    let scaler = Scaler::standard(&imputer.apply(data.x()));
    let model = |imputer: Impute, shift: &[f64], scale: &[f64]| -> Sequential {
        let layers = Sequential::new().layer(imputer).layer(Standardize::new(shift, scale));
        layers.layer(Mlp::builder([4, 3, 2]).build())
    };
    let trained = model(Impute::new(&imputer.fill, imputer.indicated()), &scaler.shift, &scaler.scale);
    let file = tempfile::tempdir().unwrap();
    let path = file.path().join("model.gradus");
    save(&trained, &path).unwrap();
    let mut loaded = model(Impute::new(&[0.0; 2], &[0; 2]), &[0.0; 4], &[1.0; 4]);
    load(&mut loaded, &path).unwrap();
    let logits = predict(&loaded, data.x());
    assert!(logits.iter().all(|x| x.is_finite()));
    assert_eq!(logits, predict(&trained, data.x()));
    // the names of the classes come along
    let shown = evaluate(&loaded, &data).confusion().to_string();
    assert!(
        names.iter().all(|name| shown.contains(name.as_str())) && shown.starts_with("        no  yes\n"),
        "{shown}"
    );
    assert_eq!(gradus::data::Categories::new(names).predicted(&logits).len(), 5);
}

/// The second call of `fit` has a history of its own, whose steps are counted on, and so is its picture.
#[test]
fn the_plot_of_a_second_fit_shows_its_epochs() {
    let data = gradus::data::iris();
    let mut model = Mlp::builder([4, 3]).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(0.01)).epochs(3);
    trainer.fit(&mut model, &data, None).unwrap();
    let second = trainer.fit(&mut model, &data, None).unwrap();
    assert_eq!((second.steps_before, second.steps.len(), second.epochs[0].step), (15, 15, 20));
    let loss = &gradus::viz::Plot::history(&second)[0];
    assert!(loss.svg().matches("<circle").count() >= 3, "a mark for each epoch");
}

#[test]
fn a_parameter_that_did_not_move_has_ratio_0() {
    let mut pair = (Param::new([3.0f32]), Param::new([0.0f32]));
    let (a, b) = &pair;
    let (_, grads) = Tape::training(0).gradients(|t| t.param(a).square().sum() + t.param(b).square().sum());
    let mut opt = Sgd::new(0.1).watch_updates();
    opt.step(&mut pair, &grads);
    assert_eq!(opt.update_ratios()[1], ("1".to_owned(), 0.0));
}
