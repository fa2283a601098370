//! Eight programs of a first week with gradus, each as a user would write it.

use std::error::Error;
use std::ops::ControlFlow;

use gradus::data::{Imputer, Scaler, digits, penguins};
use gradus::landscape::{Kind, critical_point};
use gradus::optim::Accumulator;
use gradus::prelude::*;
use gradus::rand::RngExt;
use ndarray::{Array1, Array2, array};

type Outcome = Result<(), Box<dyn Error>>;

/// Logistic regression on a table with gaps: the gaps are filled by medians of the training rows, and the model that is
/// saved takes birds with gaps.
#[test]
fn logistic_regression_on_a_table() -> Outcome {
    let columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
    let (data, species) = penguins().gaps_as_nan().dataset::<f32>(&columns, "species")?;
    let (train, test) = data.split(0.7, 1);
    let imputer = Imputer::median(train.x())?.indicators(true);
    let scaler = Scaler::standard(&imputer.apply(train.x()));
    let mut model: Sequential = Sequential::new()
        .layer(Impute::new(&imputer.fill, imputer.indicated()))
        .layer(Standardize::new(&scaler.shift, &scaler.scale))
        .layer(Linear::new(scaler.shift.len(), 3, &mut gradus::nn::rng(1)));
    let history = Trainer::new(Adam::new(0.02)).epochs(60).fit(&mut model, &train, Some(&test))?;
    let result = evaluate(&model, &test);
    assert!(result.accuracy() > 0.95, "{history}\n{}", result.confusion());
    assert!(result.confusion().to_string().contains(&species[2]));
    Ok(())
}

/// A siamese network: one encoder, three images, the triplet cost. Digits are then told by their neighbours among two
/// numbers for each image.
#[test]
fn siamese_network() -> Outcome {
    let digits = digits();
    let (x, y) = (digits.train.x() / 16.0, digits.train.y());
    let mut encoder: Mlp = Mlp::builder([64, 32, 2]).seed(1).build();
    let (mut tape, mut opt, mut rng) = (Tape::training(1), Adam::new(3e-3), gradus::nn::rng(2));
    let mut one_of = |fits: &dyn Fn(usize) -> bool| loop {
        let row = rng.random_range(0..y.len());
        if fits(row) {
            return row;
        }
    };
    for _ in 0..1500 {
        let anchors: Vec<usize> = (0..32).map(|_| one_of(&|_| true)).collect();
        let same: Vec<usize> = anchors.iter().map(|&a| one_of(&|row| y[row] == y[a])).collect();
        let other: Vec<usize> = anchors.iter().map(|&a| one_of(&|row| y[row] != y[a])).collect();
        let rows = |rows: &[usize]| x.select(ndarray::Axis(0), rows);
        let (_, grads) = tape.gradients(|t| {
            let code = |rows_of: &[usize]| encoder.forward(t.constant(rows(rows_of)));
            loss::triplet(code(&anchors), code(&same), code(&other), 1.0, Reduction::Mean)
        });
        opt.step(&mut encoder, &grads);
    }
    let code =
        |x: &Array2<f32>| -> Result<Array2<f32>, ndarray::ShapeError> { predict(&encoder, x).into_dimensionality() };
    let (train, test) = (code(&x)?, code(&(digits.test.x() / 16.0))?);
    let accuracy = gradus::train::neighbours_accuracy((&train, y), (&test, digits.test.y()), 5);
    assert!(accuracy > 0.8, "{accuracy}");
    Ok(())
}

fused! {
    /// `sign(x) ln(1 + |x/c|)`, which keeps large numbers within bounds
    fn squash(x, c) { x.sign() * (x / c).abs().ln_1p() }
}

/// The same function as an operation whose rule is written by hand.
struct Squash;

impl<T: Float> Operation<T> for Squash {
    fn name(&self) -> &'static str {
        "squash"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        Ok(inputs[0].into())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let c = inputs[1].data()[0].to_f64();
        for (y, x) in output.data().iter_mut().zip(inputs[0].data()) {
            let x = x.to_f64();
            *y = T::from_f64(x.signum() * (x / c).abs().ln_1p());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let (x, c) = (cx.input(0), cx.input(1));
        cx.add(0, || cx.grad() / (c.abs() + x.abs()));
        cx.add(1, || -(cx.grad() * x.clone()) / (c.clone() * (c.abs() + x.abs())));
    }
}

/// A function of one's own, in two ways; they agree, and both pass the check of their derivatives.
#[test]
fn an_operation_of_ones_own() {
    let at = [array![-3.0, 0.5, 12.0].into_dyn(), array![1.7].into_dyn()];
    gradcheck(|v| squash(v[0], v[1]), &at).unwrap();
    gradcheck(|v| v[0].tape().apply(Squash, [v[0], v[1]]), &at).unwrap();
    let tape = Tape::<f64>::mathematics();
    let (x, c) = (tape.var(&at[0]), tape.var(&at[1]));
    let difference = squash(x, c) - tape.apply(Squash, [x, c]);
    assert!(difference.data().iter().all(|d| d.abs() < 1e-12));
}

/// A run that is stopped in the middle and resumed is the run that was never stopped.
#[test]
fn a_run_that_is_resumed() -> Outcome {
    let folder = tempfile::tempdir()?;
    let (data, new) = (digits().test, || Mlp::builder([64, 16, 10]).dropout(0.2).seed(3).build::<f32>());
    let trainer = || Trainer::new(AdamW::new(3e-3).group("*.bias", |g| g.weight_decay(0.0))).epochs(3).seed(3);
    let saved = || trainer().checkpoints(Checkpoints::in_folder(folder.path()).every_steps(20).resume(true));
    let mut whole = new();
    trainer().fit(&mut whole, &data, None)?;
    let mut first = new();
    let stopped = saved().fit_with(&mut first, &data, None, |at| match at.history.steps.len() {
        90 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    })?;
    assert_eq!(stopped.steps.len(), 90);
    let mut resumed = new();
    saved().fit(&mut resumed, &data, None)?;
    assert!(resumed.layers[0].weight.data() == whole.layers[0].weight.data());
    Ok(())
}

/// A lesson: where does dL/dw come from? Each step has its value, its local derivative and its gradient.
#[test]
fn a_lesson_in_backpropagation() {
    let tape = Tape::<f64>::mathematics();
    let (w, b) = (tape.var(2.0).named("w"), tape.var(-1.0).named("b"));
    let x = tape.constant(3.0).named("x");
    let cost = (w * x + b - 4.0).square();
    let trace = explain(cost);
    assert_eq!(trace.steps.iter().find(|step| step.name.as_deref() == Some("w")).unwrap().value.mean, Some(2.0));
    assert_eq!(cost.backward().wrt(w)[[]], 2.0 * (2.0 * 3.0 - 1.0 - 4.0) * 3.0);
    assert!(trace.to_string().contains(" x ") && trace.graphviz().contains("label=\"3\""), "{trace}");
}

/// A loop of one's own: range test, groups, a part that is frozen and later moves, accumulated gradients, clipping, and
/// averaged weights.
#[test]
fn a_loop_of_ones_own() {
    let digits = digits();
    let mut model: Mlp = Mlp::builder([64, 16, 10]).seed(1).build();
    let batches = digits.train.batches(32).shuffle(0);
    let test = find_lr(&model, &Adam::new(1e-3), 1e-5..=1.0, 100, batches, |model, tape, batch| {
        model.forward(tape.constant(&batch.x)).cross_entropy(&batch.y)
    });
    assert!((1e-4..1e-1).contains(&test.suggestion.unwrap()), "{:?}", test.suggestion);
    let mut opt = Adam::new(3e-3).clip_norm(1.0).group("*.bias", |g| g.lr(1e-3)).watch_updates();
    let (mut tape, mut average) = (Tape::training(1), WeightAverage::exponential(0.98));
    let frozen = model.layers[0].weight.data().to_vec();
    assert_eq!(model.set_frozen("layers.0.*", true), 2);
    for epoch in 0..3 {
        if epoch == 1 {
            assert!(model.layers[0].weight.data() == frozen);
            model.set_frozen("layers.0.*", false);
        }
        let mut sum = Accumulator::new(2);
        for batch in digits.train.batches(32).shuffle(epoch) {
            let (_, grads) = tape.gradients(|t| model.forward(t.constant(&batch.x)).cross_entropy(&batch.y));
            if let Some(grads) = sum.add(grads) {
                opt.step(&mut model, &grads);
                average.update(&model);
            }
        }
    }
    assert!(opt.last_norm().is_some_and(|norm| norm > 0.0) && opt.update_ratios().len() == 4);
    assert!(model.layers[0].weight.data() != frozen);
    assert!(evaluate(&average.applied_to(&model), &digits.test).accuracy() > 0.85);
}

const WIDTH: usize = 24;
const LENGTH: usize = 16;

/// One head of causal attention over letters: each place sees itself and what stands before it.
#[derive(Module, Clone)]
struct Letters {
    letters: Embedding,
    places: Param,
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Letters {
    fn new(alphabet: usize) -> Self {
        let rng = &mut gradus::nn::rng(1);
        Letters {
            letters: Embedding::new(alphabet, WIDTH, rng),
            places: Param::zeros(&[LENGTH, WIDTH]),
            query: Linear::new(WIDTH, WIDTH, rng),
            key: Linear::new(WIDTH, WIDTH, rng),
            value: Linear::new(WIDTH, WIDTH, rng),
            out: Linear::new(WIDTH, alphabet, rng),
        }
    }

    /// Logits of the next letter, for each place of each text.
    fn forward<'t>(&self, tape: &'t Tape, texts: &Array2<usize>) -> Var<'t> {
        let x = self.letters.lookup(tape, texts) + &self.places;
        let scores = self.query.forward(x).matmul(self.key.forward(x).t()) / (WIDTH as f64).sqrt();
        let later = Array2::from_shape_fn((LENGTH, LENGTH), |(i, j)| if j > i { f32::NEG_INFINITY } else { 0.0 });
        let seen = (scores + &later).softmax(-1).matmul(self.value.forward(x));
        self.out.forward(x + seen)
    }
}

#[test]
fn letters_by_attention() {
    let text: Vec<char> = "the rain in spain stays mainly in the plain. ".repeat(6).chars().collect();
    let mut alphabet = text.clone();
    alphabet.sort_unstable();
    alphabet.dedup();
    let numbers: Vec<usize> = text.iter().map(|c| alphabet.binary_search(c).unwrap()).collect();
    let mut model = Letters::new(alphabet.len());
    let (mut tape, mut opt, mut rng) = (Tape::training(1), AdamW::new(1e-2).clip_norm(1.0), gradus::nn::rng(3));
    let mut costs = Vec::new();
    for _ in 0..250 {
        let starts: Vec<usize> = (0..8).map(|_| rng.random_range(0..numbers.len() - LENGTH)).collect();
        let window = |shift: usize| Array2::from_shape_fn((8, LENGTH), |(i, j)| numbers[starts[i] + j + shift]);
        let next: Vec<usize> = window(1).iter().copied().collect();
        let (cost, grads) = tape.gradients(|t| {
            let logits = model.forward(t, &window(0));
            logits.reshape([-1, alphabet.len() as i32]).cross_entropy(&next)
        });
        opt.step(&mut model, &grads);
        costs.push(cost);
    }
    assert!(costs[249] < 0.6 && costs[249] < 0.3 * costs[0], "{} … {}", costs[0], costs[249]);
}

/// All nine stationary points of a function of two variables, by minimizing the square of its slope from random places,
/// and what they are, by the eigenvalues of the Hessian.
#[test]
fn all_stationary_points() -> Outcome {
    let f = differentiable(|x: Var<'_, f64>| (x.square() - 1.0).square().sum() + 0.3 * x.at(0) * x.at(1));
    let steepness = differentiable(|x: Var<'_, f64>| {
        let [slope] = f(x).grad([x]);
        slope.square().sum()
    });
    let anywhere = |rng: &mut _| Array1::from_shape_fn(2, |_| RngExt::random_range(rng, -1.5..1.5));
    let found = random_restarts(steepness, anywhere, 60, &Lbfgs::new(1.0), 200, 1);
    let points: Vec<_> = found.distinct(1e-3).into_iter().filter(|(run, _)| run.cost() < 1e-9).collect();
    let mut kinds = Vec::new();
    for (run, _) in &points {
        // the slope is within a millionth of 0; a step of Newton's brings it to 0
        let step = critical_point(f, &run.at)?.newton_step().expect("no eigenvalue is 0");
        kinds.push(critical_point(f, &(&run.at + &step))?.kind);
    }
    let count = |kind: Kind| kinds.iter().filter(|own| **own == kind).count();
    assert_eq!((count(Kind::Minimum), count(Kind::Saddle), count(Kind::Maximum)), (4, 4, 1), "{kinds:?}");
    Ok(())
}
