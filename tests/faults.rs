//! Faults that were found from outside. The name of each test says what it ensures, and the test has the right value.

use gradus::optim::{Goal, OptimizerState};
use gradus::prelude::*;
use gradus::train::{Confusion, LoadError, Predictions, Targets, TrainError, load_checkpoint, save_checkpoint};
use gradus::{Module, fused};
use ndarray::{Array1, Array2, ArrayD, array};

fn labelled(outputs: ArrayD<f32>, labels: &[usize]) -> Predictions<f32> {
    Predictions { outputs, targets: Targets::Labels(labels.to_vec()) }
}

fn message(run: impl FnOnce() + std::panic::UnwindSafe) -> String {
    let panic = std::panic::catch_unwind(run).expect_err("a panic");
    panic.downcast_ref::<String>().cloned().unwrap_or_else(|| panic.downcast_ref::<&str>().unwrap().to_string())
}

fused! { fn power(a, b) { a.pow(b) } }

/// If the exponent does not change, 0 · ln of a negative base must not be formed.
#[test]
fn curvature_of_a_power_with_a_negative_base() {
    let t = Tape::<f64>::mathematics();
    let x = t.var([-2.0, -3.0]);
    let exponents = [t.constant([2.0, 3.0]), t.var([2.0, 3.0])];
    for b in exponents {
        for y in [x.pow(b).sum(), power(x, b).sum()] {
            assert_eq!(y.backward().wrt(x), array![-4.0, 27.0].into_dyn());
            assert_eq!(y.hvp([(x, array![1.0, 1.0])]).wrt(x), array![2.0, -18.0].into_dyn());
            assert_eq!(y.jvp([(x, array![1.0, 1.0])])[[]], 23.0);
        }
    }
    let h = hessian(|x| x.pow(&array![2.0, 3.0]).sum(), &array![-2.0, -3.0]);
    assert_eq!(h, array![[2.0, 0.0], [0.0, -18.0]]);
}

#[test]
fn nan_is_never_a_hit_nor_the_best() {
    let nan = labelled(Array2::from_elem((4, 3), f32::NAN).into_dyn(), &[0, 1, 2, 2]);
    for metric in [Metric::accuracy(), Metric::top_k(1), Metric::top_k(3), Metric::f1(), Metric::recall()] {
        assert_eq!(metric.of(&nan), 0.0, "{}", metric.name());
    }
    let some = labelled(array![[f32::NAN, 9.0, 0.0], [0.0, 9.0, 1.0]].into_dyn(), &[1, 1]);
    assert_eq!((some.accuracy(), Metric::top_k(2).of(&some), Metric::recall().of(&some)), (0.5, 0.5, 0.5));
    assert_eq!(some.confusion().undecided, [0, 1, 0]);
    assert_eq!(
        some.confusion().to_string(),
        "         0    1    2  NaN\n    0    ·    ·    ·    ·\n    1    ·    1    ·    1\n    2    ·    ·    ·    ·"
    );
    let one = labelled(array![f32::NAN, 1.0].into_dyn(), &[0, 1]);
    assert_eq!((one.accuracy(), Metric::top_k(1).of(&one), Metric::top_k(2).of(&one)), (0.5, 0.5, 0.5));
    let mut model: Mlp = Mlp::builder([4, 8, 3]).build();
    model.layers[1].bias = Some(Param::new([f32::NAN; 3]));
    let task = Classify::new().metric(Metric::top_k(1));
    let scores = evaluate_task(&model, &task, &gradus::data::iris()).unwrap().scores;
    assert_eq!((scores.get("accuracy"), scores.get("top_1")), (Some(0.0), Some(0.0)));
    assert!(Goal::Maximize.is_better(0.0, f64::NAN) && !Goal::Minimize.is_better(f64::NAN, f64::NAN));
}

#[test]
fn labels_that_do_not_fit_are_explained_by_every_metric() {
    let wrong = || labelled(array![[1.0, 2.0, 3.0]].into_dyn(), &[7]);
    assert!(message(|| _ = Metric::top_k(1).of(&wrong())).contains("row 0 has label 7, among 3 classes"));
    let few = || labelled(array![[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]].into_dyn(), &[0]);
    for metric in [Metric::top_k(1), Metric::f1(), Metric::accuracy()] {
        assert!(
            message(std::panic::AssertUnwindSafe(|| _ = metric.of(&few())))
                .contains("2 predictions, but there are 1 labels")
        );
    }
}

/// scikit-learn leaves a class out of the mean if it is neither in the labels nor in the predictions.
#[test]
fn a_class_that_does_not_occur_is_left_out_of_means() {
    let right = labelled(array![[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [5.0, 0.0, 0.0]].into_dyn(), &[0, 1, 0]);
    for metric in [Metric::f1(), Metric::precision(), Metric::recall()] {
        assert_eq!(metric.of(&right), 1.0, "{}", metric.name());
    }
    // f1_score([0, 0, 2], [0, 2, 2], average="macro") is over classes 0 and 2 of four: (2/3 + 2/3) / 2
    let some =
        labelled(array![[5.0, 0.0, 0.0, 0.0], [0.0, 0.0, 5.0, 0.0], [0.0, 0.0, 5.0, 0.0]].into_dyn(), &[0, 0, 2]);
    assert!((Metric::f1().of(&some) - 2.0 / 3.0).abs() < 1e-12);
    // class 1 is predicted but never a label: its recall and f1 are 0, and it counts in the means
    let taken = labelled(array![[5.0, 0.0, 0.0], [0.0, 5.0, 0.0]].into_dyn(), &[0, 0]);
    assert!((Metric::f1().of(&taken) - 1.0 / 3.0).abs() < 1e-12 && Metric::precision().of(&taken) == 0.5);
    // two classes, but all labels and predictions are class 0
    let no = labelled(array![[5.0, 0.0], [5.0, 0.0]].into_dyn(), &[0, 0]);
    assert_eq!((Metric::f1().of(&no), Metric::precision().of(&no), Metric::accuracy().of(&no)), (0.0, 0.0, 1.0));
    let none = labelled(Array2::zeros((0, 3)).into_dyn(), &[]);
    assert!(
        Metric::f1().of(&none).is_nan() && Metric::accuracy().of(&none).is_nan() && Metric::top_k(1).of(&none).is_nan()
    );
    assert!(Confusion::new(&[], &[], 2).accuracy().is_nan());
}

/// Metrics are computed from sums over the epoch, not as means over batches.
#[test]
fn training_metrics_do_not_depend_on_the_size_of_batches() {
    let y: Vec<usize> = (0..400).map(|i| (i * 7 + i / 10) % 10).collect();
    let x = Array2::from_shape_fn(
        (400, 10),
        |(i, j)| if (y[i] + usize::from(i % 9 == 0)) % 10 == j { 10.0f32 } else { 0.0 },
    );
    let data = gradus::data::Dataset::new(x, y, 10).unwrap();
    let mut model: Linear = Linear::new(10, 10, &mut gradus::nn::rng(0));
    model.weight.set(Array2::eye(10));
    let task = || {
        Classify::new()
            .metric(Metric::f1())
            .metric(Metric::precision())
            .metric(Metric::recall())
            .metric(Metric::top_k(2))
    };
    let whole = evaluate_task(&model, &task(), &data).unwrap().scores;
    for size in [1, 8, 32, 399] {
        let mut trainer = Trainer::new(Sgd::new(0.0)).task(task()).epochs(1).batch_size(size).accumulate(2).shards(3);
        let history = trainer.fit(&mut model, &data, None).unwrap();
        for (name, value) in &whole.metrics {
            let trained = history.last().train.get(name).unwrap();
            assert!((trained - value).abs() < 1e-12, "batches of {size}: {name} {trained}, not {value}");
        }
    }
    let (x, y) = gradus::data::linear(300, &[2.0, -1.0], 1e3, 0.5, 1);
    let pairs: (Array2<f64>, Array2<f64>) = (x.mapv(f64::from), y.mapv(f64::from).insert_axis(ndarray::Axis(1)));
    let mut line = Linear::<f64>::new(2, 1, &mut gradus::nn::rng(0));
    let task = || Regress::new().metric(Metric::mse());
    let whole = evaluate_task(&line, &task(), &pairs).unwrap().scores;
    for size in [1, 7, 300] {
        let mut trainer = Trainer::new(Sgd::new(0.0)).task(task()).epochs(1).batch_size(size);
        let history = trainer.fit(&mut line, &pairs, None).unwrap();
        for (name, value) in &whole.metrics {
            let trained = history.last().train.get(name).unwrap();
            assert!((trained / value - 1.0).abs() < 1e-9, "batches of {size}: {name} {trained}, not {value}");
        }
    }
}

#[derive(Clone)]
struct Two {
    p: Param,
    q: Param,
    /// whether `visit_mut` leaves out `q`
    lacks: bool,
    names: [&'static str; 2],
}

impl Module for Two {
    fn visit<'a>(&'a self, v: &mut gradus::Visitor<'_, gradus::Leaf<'a, f32>>) {
        v.field(self.names[0], &self.p);
        v.field(self.names[1], &self.q);
    }
    fn visit_mut<'a>(&'a mut self, v: &mut gradus::Visitor<'_, gradus::LeafMut<'a, f32>>) {
        v.field_mut(self.names[0], &mut self.p);
        if !self.lacks {
            v.field_mut(self.names[1], &mut self.q);
        }
    }
}

fn two(names: [&'static str; 2], lacks: bool) -> Two {
    Two { p: Param::new([1.0]), q: Param::new([2.0]), lacks, names }
}

#[test]
fn two_parameters_at_one_path_are_refused_where_it_arises() {
    let one = |w: f32| {
        let mut layer: Linear = Linear::new(1, 1, &mut gradus::nn::rng(0)).without_bias();
        layer.weight.set(array![[w]]);
        layer
    };
    let text = message(|| {
        let _ = Sequential::<f32>::new().named("a.b", one(1.0)).named("a", Sequential::new().named("b", one(2.0)));
    });
    assert!(text.contains("two parameters have the path `a.b.weight`"), "{text}");
    let dotted = Sequential::<f32>::new().named("layer1.0", one(1.0)).named("layer1.1", one(2.0));
    assert_eq!(dotted.params()[1].0, "layer1.1.weight");

    let folder = tempfile::tempdir().unwrap();
    let mut model = two(["w", "w"], false);
    for name in ["m.gradus", "m.safetensors", "m.npz"] {
        let path = folder.path().join(name);
        let error = save(&model, &path).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("the path `w`"), "{error}");
        save(&Param::new([1.0f32]), &path).unwrap();
        assert!(load_partial(&mut model, &path).is_err());
    }
    let path = folder.path().join("c");
    assert!(save_checkpoint(&path, &model, &Sgd::new(0.1), &()).unwrap_err().to_string().contains("the path `w`"));
    let (_, grads) = Tape::training(0).gradients(|t| (t.param(&model.p) * 2.0 + t.param(&model.q)).sum());
    let text = message(std::panic::AssertUnwindSafe(|| Adam::new(0.1).step(&mut model, &grads)));
    assert!(text.contains("two parameters have the path `w`") && model.p.data() == [1.0], "{text}");
    let data = (Array1::<f32>::zeros(4), Array1::<f32>::zeros(4));
    let mut trainer =
        Trainer::new(Sgd::new(0.1)).cost(|m: &Two, t: &Tape, _: &(Array1<f32>, Array1<f32>)| t.param(&m.p).sum());
    assert!(matches!(trainer.fit(&mut model, &data, None), Err(TrainError::Model { .. })));
}

/// A leaf that `visit_mut` misses would keep its old numbers without an error.
#[test]
fn a_model_that_cannot_be_written_whole_is_not_written_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m");
    save(&two(["p", "q"], false), &path).unwrap();
    let mut model = two(["p", "q"], true);
    model.p.set([5.0]);
    let error = load(&mut model, &path).unwrap_err();
    assert!(matches!(error, LoadError::Model { .. }) && error.to_string().contains("visit_mut"), "{error}");
    assert_eq!(model.p.data(), [5.0]);
}

#[test]
fn loading_nothing_is_an_error_and_names_can_be_mapped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("prefixed.safetensors");
    let inner: Linear = Linear::new(3, 2, &mut gradus::nn::rng(1));
    save(&Sequential::<f32>::new().named("module", inner.clone()), &path).unwrap();
    let mut model: Linear = Linear::new(3, 2, &mut gradus::nn::rng(0));
    let before = model.weight.data().to_vec();
    let error = load_partial(&mut model, &path).unwrap_err().to_string();
    assert!(error.contains("nothing was loaded") && error.contains("begins with `module.`"), "{error}");
    assert_eq!(model.weight.data(), before);
    let left = load_renamed(&mut model, &path, |name| name.strip_prefix("module.").map(Into::into)).unwrap();
    assert!(left.is_empty() && model.weight.data() == inner.weight.data());
    let error = load_renamed(&mut model, &path, |_| Some("weight".into())).unwrap_err().to_string();
    assert!(error.contains("two of its names become `weight`"), "{error}");
}

#[test]
fn files_of_other_programs_are_told_by_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut model: Linear = Linear::new(1, 1, &mut gradus::nn::rng(0));
    let mut error = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        load(&mut model, &path).unwrap_err().to_string()
    };
    let pointer = error("m.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
    assert!(pointer.contains("begins `version https://git-lfs") && pointer.contains("git lfs pull"), "{pointer}");
    let page = error("m.npz", b"<!doctype html>\n<html><head><title>404: not found</title></head></html>");
    assert!(page.contains("begins `<!doctype html>`") && page.contains("a page"), "{page}");
    assert!(error("net.pth", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.").contains("PyTorch pickle"));
}

/// An extension in capitals means the same format.
#[test]
fn the_extension_is_read_in_capitals_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("MODEL.SAFETENSORS");
    save(&Param::new([1.0f32]), &path).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[8], b'{');
    let path = folder.path().join("MODEL.NPZ");
    save(&two(["p", "q"], false), &path).unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"PK"));
}

#[test]
fn a_group_that_fits_nothing_is_told() {
    let mut p = two(["w", "bias"], false);
    let mut opt: Sgd = Sgd::new(0.1).group("biaz", |g| g.frozen(true));
    let (_, g) = Tape::training(0).gradients(|t| (t.param(&p.p) + t.param(&p.q)).sum());
    let text = message(std::panic::AssertUnwindSafe(|| opt.step(&mut p, &g)));
    assert!(text.contains("the group `biaz` fits no parameter") && text.contains("`w`, `bias`"), "{text}");
    assert!(text.contains("did you mean `bias`?"), "{text}");
    let mut mlp: Mlp = Mlp::builder([2, 3, 1]).build();
    let text = message(std::panic::AssertUnwindSafe(|| _ = mlp.set_frozen("biases", true)));
    assert!(text.starts_with("set_frozen: `biases` fits no parameter") && text.contains("`*.bias`?"), "{text}");
    assert_eq!(Module::<f32>::set_frozen(&mut (), "*", true), 0, "a model without parameters");
    assert_eq!(p.q.data(), [2.0]);
}

#[test]
fn a_cost_through_another_model_names_the_ways_out() {
    let (mut own, other) = (Param::new([1.0f32]), Param::new([2.0f32]));
    let (_, g) = Tape::training(0).gradients(|t| (t.param(&own) * t.param(&other)).sum());
    let text = message(std::panic::AssertUnwindSafe(|| Sgd::new(0.1).step(&mut own, &g)));
    assert!(
        text.contains("1 of 2 gradients") && text.contains("another model too") && text.contains("set_frozen"),
        "{text}"
    );
}

#[test]
fn rows_that_are_not_there_are_named() {
    assert!(message(|| drop(gradus::data::iris().subset(&[0, 150]))).contains("row 150 of 150"));
    let pick = |rows: &[usize]| gradus::data::Examples::pick(&vec![1, 2], rows);
    assert!(message(|| drop(pick(&[2]))).contains("row 2 of 2"));
}

#[test]
fn state_comes_back_from_json_as_it_was() {
    let mut p: Param = Param::new([1.0, 1.0]);
    let mut opt: Adam = Adam::new(0.1);
    let (_, grads) = Tape::training(0).gradients(|t| (t.param(&p) * &array![1e30f32, 1.0]).sum());
    opt.try_step(&mut p, &grads).unwrap();
    let text = serde_json::to_string(&opt.state()).unwrap();
    assert!(text.contains("\"inf\""), "{text}");
    assert_eq!(serde_json::from_str::<OptimizerState<f32>>(&text).unwrap(), opt.state());
    let history = gradus::train::History {
        steps: vec![gradus::train::StepRow { loss: f64::NEG_INFINITY, lr: 1e-300, grad_norm: 1e300 }],
        ..Default::default()
    };
    let text = serde_json::to_string(&history).unwrap();
    assert_eq!(serde_json::from_str::<gradus::train::History>(&text).unwrap(), history);
}

#[test]
fn a_divergence_of_nothing_is_nothing() {
    use gradus::nn::loss::{self, CrossEntropy};
    let t = Tape::<f64>::mathematics();
    let (none, half) = (f64::NEG_INFINITY, 0.5f64.ln());
    let x = t.var([none, half, half]);
    let cost = loss::kl_div(x, &array![0.0, 0.4, 0.6], false, Reduction::Sum);
    assert!((cost.item() - 0.020_135_513_550_688_9).abs() < 1e-12, "{}", cost.item());
    assert_eq!(cost.backward().wrt(x), array![0.0, -0.4, -0.6].into_dyn());
    let x = t.var([0.2f64.ln(), 0.4f64.ln(), 0.4f64.ln()]);
    let cost = loss::kl_div(x, &array![none, 0.4f64.ln(), 0.6f64.ln()], true, Reduction::Sum);
    assert!((cost.item() - 0.243_279_064_864_898_6).abs() < 1e-12, "{}", cost.item());
    assert!(cost.backward().wrt(x).iter().all(|g| g.is_finite()));
    let both = loss::kl_div(t.var([none, 0.0]), &array![none, 0.0], true, Reduction::Sum);
    assert_eq!(both.item(), 0.0);
    // a class that is impossible by the logits and by the target
    let logits = t.var(array![[none, 0.0, 0.0]]);
    let cost = CrossEntropy::new().of_probabilities(logits, &array![[0.0, 0.5, 0.5]]);
    assert!((cost.item() - 2f64.ln()).abs() < 1e-12);
    assert!(cost.backward().wrt(logits).iter().all(|g| g.is_finite()));
    let weighted = CrossEntropy::new().class_weights([0.0, 1.0, 1.0]).reduction(Reduction::Sum).of(logits, &[0]);
    assert_eq!(weighted.item(), 0.0);
    let x = t.var([f64::INFINITY, none]);
    let cost = loss::binary_cross_entropy(x, &array![1.0, 0.0], Reduction::Sum);
    assert_eq!((cost.item(), cost.backward().wrt(x)), (0.0, array![0.0, 0.0].into_dyn()));
    // NaN stays NaN, and a certain but wrong prediction has an infinite loss
    assert!(loss::kl_div(t.var([f64::NAN]), &array![0.0], false, Reduction::Sum).item().is_nan());
    assert_eq!(loss::binary_cross_entropy(t.var([none]), &array![1.0], Reduction::Sum).item(), f64::INFINITY);
}

#[test]
fn a_second_fit_goes_on_where_the_first_ended() {
    let data = gradus::data::iris();
    let net = || -> Mlp { Mlp::builder([4, 8, 3]).dropout(0.2).seed(1).build() };
    let trainer = || {
        Trainer::new(Adam::new(0.01).schedule(cosine(60))).seed(5).reduce_on_plateau(ReduceOnPlateau::new().patience(0))
    };
    let bits = |model: &Mlp| -> Vec<u32> {
        model
            .leaves()
            .iter()
            .flat_map(|(_, leaf)| leaf.data().iter().map(|x| x.to_bits()).collect::<Vec<_>>())
            .collect()
    };
    let mut once = net();
    let whole = trainer().epochs(6).fit(&mut once, &data, None).unwrap();
    let (mut twice, mut short) = (net(), trainer().epochs(3));
    let first = short.fit(&mut twice, &data, None).unwrap();
    let second = short.fit(&mut twice, &data, None).unwrap();
    assert_eq!((short.optimizer().steps(), bits(&twice)), (30, bits(&once)));
    assert_eq!(second.epochs.iter().map(|row| row.epoch).collect::<Vec<_>>(), [4, 5, 6]);
    assert_eq!([first.steps, second.steps].concat(), whole.steps);
    // calls whose steps end within an epoch
    let (mut by_steps, mut steps) = (net(), trainer().steps(7));
    (0..3).for_each(|_| drop(steps.fit(&mut by_steps, &data, None).unwrap()));
    let mut at_once = net();
    trainer().steps(21).fit(&mut at_once, &data, None).unwrap();
    assert_eq!(bits(&by_steps), bits(&at_once));
    // another model begins anew, and so does the same model after `start_anew`
    let mut other = net();
    assert_eq!(short.fit(&mut other, &data, None).unwrap().epochs[0].epoch, 1);
    assert_eq!(short.optimizer().steps(), 15);
    short.start_anew();
    assert_eq!(short.fit(&mut other, &data, None).unwrap().epochs[0].epoch, 1);
    // other data begins with a new epoch
    assert_eq!(steps.fit(&mut by_steps, &data.subset(&[0, 50, 100]), None).unwrap().steps.len(), 7);
    // the early end of one call does not end the next
    let mut early = trainer().epochs(9).early_stopping(EarlyStopping::new(1)).watch("accuracy");
    let mut model = net();
    (0..3).for_each(|_| assert!(!early.fit(&mut model, &data, None).unwrap().epochs.is_empty()));
}

#[test]
fn a_run_that_ruins_its_weights_says_so() {
    let data = gradus::data::iris();
    let mut model: Mlp = Mlp::builder([4, 8, 3]).build();
    let error = Trainer::new(Sgd::new(1e39)).steps(1).fit(&mut model, &data, None).unwrap_err();
    assert!(matches!(error, TrainError::Diverged { .. }) && error.to_string().contains("became"), "{error}");
    let text = message(move || {
        let mut model: Mlp = Mlp::builder([4, 8, 3]).build();
        let broken = Sgd::new(0.1).schedule(Schedule::custom(|step| if step < 2 { 1.0 } else { f64::NAN }));
        let _ = Trainer::new(broken).steps(9).fit(&mut model, &gradus::data::iris(), None);
    });
    assert!(text.contains("the schedule's factor at step 2 is NaN"), "{text}");
    assert!(message(|| drop(schedule::constant().scale(f64::NAN))).contains("scale"));
    assert!(message(|| drop(schedule::linear(1.0, -1.0, 5))).contains("climb"));
    assert!(message(|| drop(cosine(0))).contains("0 steps"));
    assert!(message(|| drop(gradus::optim::polynomial(0, 2.0))).contains("0 steps"));
}

#[derive(Clone, Debug, Module)]
struct Masked {
    layer: Linear,
    mask: Buffer<f32>,
}

impl Forward for Masked {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        self.layer.forward(x)
    }
}

/// A mask of −∞ does not mean that a run went wrong.
#[test]
fn an_infinite_buffer_may_be_trained_with() {
    let mut model =
        Masked { layer: Linear::new(4, 3, &mut gradus::nn::rng(1)), mask: Buffer::new([f32::NEG_INFINITY]) };
    Trainer::new(Sgd::new(0.01)).epochs(1).fit(&mut model, &gradus::data::iris(), None).unwrap();
}

/// Checkpoints of another run, which had made more steps, came into the folder between two calls of `fit`.
#[test]
fn a_run_that_goes_on_does_not_write_among_the_checkpoints_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) = (folder.path().join("own"), folder.path().join("other"));
    let data = gradus::data::iris();
    let trainer = |at: &std::path::Path| Trainer::new(Sgd::new(0.01)).epochs(1).checkpoints(Checkpoints::in_folder(at));
    let mut model: Mlp = Mlp::builder([4, 8, 3]).build();
    let mut first = trainer(&own);
    first.fit(&mut model, &data, None).unwrap();
    first.fit(&mut model, &data, None).unwrap();
    trainer(&other).epochs(9).fit(&mut model.clone(), &data, None).unwrap();
    let (_, last) = Checkpoints::in_folder(&other).list().unwrap().pop().unwrap();
    std::fs::copy(&last, own.join(last.file_name().unwrap())).unwrap();
    let error = first.fit(&mut model, &data, None).unwrap_err();
    assert!(matches!(error, TrainError::Occupied { .. }), "{error}");
}

/// A weight of 0 takes an example out, whatever its loss. Beyond δ, the slope of Huber's loss is δ, also at ∞.
#[test]
fn losses_at_infinite_numbers() {
    let tape = Tape::<f64>::mathematics();
    let logits = tape.var([f64::NEG_INFINITY, 0.0]);
    let weighted = loss::BinaryCrossEntropy::new().weight(array![0.0, 1.0].into_dyn());
    let cost = weighted.reduction(Reduction::Sum).of(logits, &array![1.0, 1.0]);
    assert!((cost.item() - std::f64::consts::LN_2).abs() < 1e-15);
    assert_eq!(cost.backward().wrt(logits), array![0.0, -0.5].into_dyn());
    let far = tape.var([f64::INFINITY, f64::NEG_INFINITY]);
    let cost = loss::huber(far, &array![0.0, 0.0], 0.5, Reduction::Sum);
    assert_eq!(cost.item(), f64::INFINITY);
    assert_eq!(cost.backward().wrt(far), array![0.5, -0.5].into_dyn());
}

#[test]
fn what_is_watched_and_is_no_number_is_told() {
    let data = gradus::data::iris().subset(&(0..50).collect::<Vec<_>>()); // all of one class: no AUC
    let mut model: Mlp = Mlp::builder([4, 8, 1]).build();
    let mut trainer = Trainer::new(Sgd::new(0.01)).task(ClassifyBinary::new()).epochs(5).watch("auc").keep_best(true);
    let history = trainer.fit(&mut model, &data, Some(&data)).unwrap();
    assert!(history.notes[0].contains("`auc` of the validation data is NaN in epoch 1"), "{:?}", history.notes);
    assert!(history.notes[1].contains("no epoch was the best"), "{:?}", history.notes);
    assert_eq!((history.notes.len(), history.best), (2, None));
    let none = data.subset(&[]);
    let history =
        Trainer::new(Sgd::new(0.01)).task(ClassifyBinary::new()).epochs(1).fit(&mut model, &data, Some(&none));
    assert!(history.unwrap().notes[0].contains("no examples"));
}

/// A million shards cost no more than as many shards as a batch has rows.
#[test]
fn more_shards_than_rows_are_no_more_than_rows() {
    let data = gradus::data::iris();
    let train = |shards| {
        let mut model: Mlp = Mlp::builder([4, 8, 3]).seed(1).build();
        Trainer::new(Sgd::new(0.1))
            .shards(shards)
            .threads(2)
            .epochs(1)
            .fit(&mut model, &data, None)
            .unwrap()
            .last()
            .train
            .loss
    };
    assert_eq!(train(32), train(1_000_000));
}

#[test]
fn predictions_leave_nothing_on_a_tape() {
    let model: Mlp = Mlp::builder([64, 128, 10]).build();
    let mut tape = Tape::inference();
    let mut held = Vec::new();
    for _ in 0..100 {
        let y = tape.value_of(|t| model.forward(t.constant(Array2::zeros((32, 64)))));
        assert_eq!(y, predict(&model, Array2::zeros((32, 64))));
        held.push(tape.memory().reserved);
    }
    assert_eq!((held[0], tape.memory().values), (held[99], 0));
}

#[test]
fn what_is_saved_beside_a_model_carries_its_type() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    let (mut model, mut opt) = (Param::new([1.0f32]), Adam::<f32>::new(0.1));
    save_checkpoint(&path, &model, &opt, &(3u64, "fox", vec![1.5f32])).unwrap();
    let back: (u64, String, Vec<f32>) = load_checkpoint(&path, &mut model, &mut opt).unwrap();
    assert_eq!(back, (3, "fox".to_owned(), vec![1.5]));
    let error =
        load_checkpoint::<f32, _, _, (u64, String, Vec<f64>)>(&path, &mut model, &mut opt).unwrap_err().to_string();
    assert!(error.contains("(u64, String, Vec<f32>), not (u64, String, Vec<f64>)"), "{error}");
}

#[test]
fn odd_ranges_and_schedules_can_be_drawn() {
    use gradus::viz::{Plot, Style};
    let tiny = Plot::new("").series("", Style::Line, [(0.0, 0.0), (1.0, 1e-323)]).svg();
    assert!(tiny.contains("<svg"));
    assert!(Plot::schedule(&cosine(1000), u64::MAX).svg().len() > 100);
}
