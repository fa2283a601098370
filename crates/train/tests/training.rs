//! The behaviour of `Trainer`, apart from saving.

mod common;

use std::ops::ControlFlow;

use common::{Net, bits, timeless};
use gradus_autograd::{Module, Param, Tape};
use gradus_data::{Augment, Dataset, DiskRows, Sampling, digits, iris, write_npy};
use gradus_nn::{Forward, Mlp};
use gradus_optim::{
    Adam, Descent, EarlyStopping, Lbfgs, Lookahead, ReduceOnPlateau, Saga, Sam, Sgd, WeightAverage, step_decay,
};
use gradus_train::{Classify, Ended, Metric, TrainError, Trainer, evaluate};
use ndarray::{Array1, Array2, ArrayD, array};

fn small() -> Dataset {
    digits().test.subset(&(0..200).collect::<Vec<_>>())
}

#[test]
fn one_two_and_four_threads_give_the_same_model_bit_for_bit() {
    let data = small();
    let trained = |shards, threads| {
        let mut model = Net::new(3);
        let task = Classify::new().metric(Metric::f1()).augment(Augment::images(8, 8).shift(1.0).noise(0.1));
        let mut trainer = Trainer::new(Adam::new(1e-3)).task(task).epochs(2).seed(5).shards(shards).threads(threads);
        let history = trainer.fit(&mut model, &data, Some(&data)).unwrap();
        (bits(&model), timeless(history))
    };
    let one = trained(4, 1);
    assert_eq!(one, trained(4, 2));
    assert_eq!(one, trained(4, 4));
    assert_ne!(one.0, trained(2, 2).0, "shards are part of the settings");
}

#[test]
fn working_ahead_changes_nothing() {
    let data = small();
    let trained = |ahead| {
        let mut model = Net::new(3);
        let task = Classify::new().augment(Augment::images(8, 8).rotate(5.0));
        Trainer::new(Adam::new(1e-3))
            .task(task)
            .epochs(2)
            .shards(2)
            .prefetch(ahead)
            .fit(&mut model, &data, None)
            .unwrap();
        bits(&model)
    };
    assert_eq!(trained(0), trained(3));
}

#[test]
fn accumulated_batches_are_one_large_batch() {
    let data = small().cast::<f64>();
    let trained = |size, batches| {
        let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f64>();
        let mut trainer = Trainer::new(Sgd::new(1e-3)).epochs(2).batch_size(size).accumulate(batches);
        let history = trainer.fit(&mut model, &data, None).unwrap();
        (model, history)
    };
    let largest = std::sync::atomic::AtomicUsize::new(0);
    let mut counting = Trainer::new(Sgd::new(0.0)).epochs(1).batch_size(15).accumulate(4).cost(
        |w: &Param, t: &Tape, batch: &gradus_data::Batch| {
            largest.fetch_max(batch.y.len(), std::sync::atomic::Ordering::SeqCst);
            t.param(w).sum()
        },
    );
    counting.fit(&mut Param::new([0.0f32]), &small(), None).unwrap();
    assert_eq!(largest.into_inner(), 15, "no more than a batch is in memory at once");
    let ((large, a), (parts, b)) = (trained(60, 1), trained(15, 4));
    assert_eq!((a.steps.len(), b.steps.len()), (8, 8)); // 60, 60, 60, 20 rows: the last in four parts of 5
    for (x, y) in large.params()[0].1.data().iter().zip(parts.params()[0].1.data()) {
        assert!((x - y).abs() < 1e-12);
    }
    assert!((a.last().train.loss - b.last().train.loss).abs() < 1e-12);
}

#[test]
fn divergence_stops_before_the_step_and_says_where_it_began() {
    let mut model = Net::new(1);
    let error = Trainer::new(Sgd::new(1e30)).fit(&mut model, &small(), None).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, TrainError::Diverged { epoch: 1, .. }), "{text}");
    assert!(text.contains("smaller learning rate") && text.contains("where it began: "), "{text}");
    assert!(text.contains("tests/common/mod.rs") || text.contains("crates/nn/src"), "names a line: {text}");

    // √0: the loss is finite, but its gradient is not
    let mut w = Param::new([0.0f32]);
    let data = (array![1.0f32, 2.0], array![0.0f32, 0.0]);
    let mut trainer = Trainer::new(Sgd::new(0.1))
        .cost(|w: &Param, t, (x, _): &(Array1<f32>, Array1<f32>)| (t.param(w) * x).abs().sqrt().sum());
    let text = trainer.fit(&mut w, &data, None).unwrap_err().to_string();
    assert!(text.starts_with("the gradient of `` is") && text.contains("sqrt"), "{text}");
    assert_eq!(w.data(), [0.0]);
}

#[test]
fn a_callback_sees_every_step_and_can_end_the_run() {
    let data = small();
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let (mut steps, mut epochs) = (0, 0);
    let mut trainer = Trainer::new(Sgd::new(1e-3)).epochs(9);
    let history = trainer
        .fit_with(&mut model, &data, None, |at| {
            steps += 1;
            epochs += usize::from(at.epoch.is_some());
            assert_eq!(at.history.steps.len(), steps);
            at.optimizer.set_factor(0.5);
            at.model.set_frozen("*", true);
            if steps == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap();
    assert_eq!((epochs, history.steps.len(), history.epochs.len(), history.ended), (1, 10, 1, Ended::Callback));
    assert_eq!(history.steps[1].lr, 5e-4);
    assert_eq!(trainer.optimizer().steps(), 10);
    assert!(model.params().iter().all(|(_, p)| p.is_frozen()));
}

#[test]
fn a_run_may_be_a_number_of_steps() {
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(1e-3)).steps(10).drop_last(true);
    let history = trainer.fit(&mut model, &small(), None).unwrap();
    let rows: Vec<(u64, u64)> = history.epochs.iter().map(|row| (row.epoch, row.step)).collect();
    assert_eq!((history.steps.len(), rows), (10, vec![(1, 6), (2, 10)])); // 200 rows are 6 batches of 32
}

#[test]
fn the_best_model_is_kept_and_a_run_ends_early() {
    let (train, valid) = iris().split(0.5, 1);
    let mut model = Mlp::builder([4, 16, 3]).seed(1).build::<f32>();
    let mut trainer = Trainer::new(Adam::new(0.05))
        .epochs(200)
        .watch("accuracy")
        .early_stopping(EarlyStopping::new(5))
        .keep_best(true);
    let mut models = Vec::new();
    let history = trainer
        .fit_with(&mut model, &train, Some(&valid), |at| {
            if at.epoch.is_some() {
                models.push(bits(at.model));
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(bits(&model), models[history.best.unwrap() as usize - 1]);
    assert_ne!(bits(&model), *models.last().unwrap());
    let accuracy = |epoch: u64| history.epochs[epoch as usize - 1].valid.as_ref().unwrap().get("accuracy").unwrap();
    let (best, last) = (history.best.unwrap(), history.epochs.len() as u64);
    assert_eq!((history.ended.clone(), last), (Ended::Early, best + 5));
    assert!((1..=last).all(|epoch| accuracy(epoch) < accuracy(best) || epoch >= best));
    assert_eq!(evaluate(&model, &valid).predictions.accuracy(), accuracy(best));

    let error = Trainer::new(Adam::new(0.05)).watch("accurcy").fit(&mut model, &train, None).unwrap_err();
    assert_eq!(error.to_string(), "`watch`: there is no metric `accurcy`; there are loss, accuracy");
}

#[test]
fn learning_rates_move_by_epoch_and_on_a_plateau() {
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(1.0)).schedule_by_epoch(step_decay(1, 0.1)).epochs(3).batch_size(100);
    let lrs: Vec<f64> = trainer.fit(&mut model, &small(), None).unwrap().steps.iter().map(|row| row.lr).collect();
    for (lr, expected) in lrs.iter().zip([1.0, 1.0, 0.1, 0.1, 0.01, 0.01]) {
        assert!((lr - expected).abs() < 1e-12, "{lrs:?}");
    }
    // a loss that cannot fall: the weights are frozen
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(1.0).group("*", |g| g.frozen(true)))
        .reduce_on_plateau(ReduceOnPlateau::new().patience(0).factor(0.5))
        .epochs(4);
    let history = trainer.fit(&mut model, &small(), None).unwrap();
    assert_eq!(history.epochs.iter().map(|row| row.lr).collect::<Vec<_>>(), [1.0, 1.0, 0.5, 0.25]);
}

#[test]
fn rare_classes_can_be_drawn_more_often() {
    let data = small();
    let rare: Vec<usize> = (0..200).filter(|&row| data.y()[row] != 3 || row < 40).collect();
    let data = data.subset(&rare);
    let threes = data.label_counts()[3];
    let drawn = |sampling: Sampling| {
        // the cost is the share of threes among the drawn rows
        let mut trainer = Trainer::new(Sgd::new(0.0)).sampling(sampling).epochs(20).cost(
            |w: &Param, t: &Tape, batch: &gradus_data::Batch| {
                let share = batch.y.iter().filter(|&&y| y == 3).count() as f64 / batch.y.len() as f64;
                t.param(w).sum() * 0.0 + share
            },
        );
        let history = trainer.fit(&mut Param::new([0.0f32]), &data, None).unwrap();
        history.epochs.iter().map(|row| row.train.loss).sum::<f64>() / 20.0
    };
    let all = threes as f64 / data.len() as f64;
    assert!(all < 0.04 && (drawn(Sampling::Shuffled) - all).abs() < 1e-6);
    assert!((drawn(Sampling::balanced(data.y())) - 0.1).abs() < 0.02);
}

#[test]
fn a_set_on_the_disk_trains_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    let data = small();
    write_npy(&path, data.x()).unwrap();
    let trained_on_disk = {
        let rows = DiskRows::<f32>::open(&path).unwrap();
        let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
        let mut trainer = Trainer::new(Adam::new(1e-3)).epochs(2).prefetch(2).cost(
            |model: &Mlp, t: &Tape, (x, y): &(ArrayD<f32>, Vec<usize>)| model.forward(t.constant(x)).cross_entropy(y),
        );
        trainer.fit(&mut model, &(rows, data.y().to_vec()), None).unwrap();
        bits(&model)
    };
    let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
    Trainer::new(Adam::new(1e-3)).epochs(2).fit(&mut model, &data, None).unwrap();
    assert_eq!(trained_on_disk, bits(&model));
}

#[test]
fn a_file_that_vanishes_is_an_error_of_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    write_npy(&path, &Array2::<f32>::zeros((8, 2))).unwrap();
    let rows = DiskRows::<f32>::open(&path).unwrap();
    std::fs::write(&path, b"").unwrap();
    let mut w = Param::new([1.0f32, 1.0]);
    let mut trainer =
        Trainer::new(Sgd::new(0.1)).prefetch(1).cost(|w: &Param, t: &Tape, x: &ArrayD<f32>| (t.param(w) * x).sum());
    let error = trainer.fit(&mut w, &rows, None).unwrap_err();
    assert!(matches!(error, TrainError::File(_)) && error.to_string().contains("x.npy"), "{error}");
}

#[test]
fn no_data_is_an_error() {
    let none = digits().test.subset(&[]);
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    assert!(matches!(Trainer::new(Sgd::new(0.1)).fit(&mut model, &none, None), Err(TrainError::Empty)));
    let few = digits().test.subset(&[1, 2]);
    assert!(matches!(Trainer::new(Sgd::new(0.1)).drop_last(true).fit(&mut model, &few, None), Err(TrainError::Empty)));
    // validation data may be empty: then there is no loss, and there are no metrics
    let history = Trainer::new(Sgd::new(1e-3)).epochs(1).fit(&mut model, &few, Some(&none)).unwrap();
    let valid = history.last().valid.as_ref().unwrap();
    assert!(valid.loss.is_nan() && valid.metrics.is_empty());
}

#[test]
fn logs_have_a_row_an_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let (csv, lines) = (folder.path().join("log.csv"), folder.path().join("log.jsonl"));
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(1e-3)).epochs(3).log(&csv).log(&lines);
    trainer.fit(&mut model, &small(), Some(&small())).unwrap();
    let (csv, lines) = (std::fs::read_to_string(csv).unwrap(), std::fs::read_to_string(lines).unwrap());
    assert_eq!((csv.lines().count(), lines.lines().count()), (4, 3));
    assert!(
        csv.starts_with("epoch,step,lr,grad_norm,seconds,loss,accuracy,valid_loss,valid_accuracy\n1,7,0.001,"),
        "{csv}"
    );
}

#[test]
fn evaluating_in_chunks_is_evaluating_at_once() {
    let data = digits().test.subset(&(0..300).collect::<Vec<_>>()); // chunks of 256 and 44
    let model = Mlp::builder([64, 8, 10]).seed(1).build::<f64>();
    let data = data.cast::<f64>();
    let tape = Tape::inference();
    let whole = model.forward(tape.constant(data.x())).cross_entropy(data.y()).item();
    let found = evaluate(&model, &data);
    assert!((found.loss() - whole).abs() < 1e-12);
    assert_eq!(found.predictions.outputs.shape(), [300, 10]);
}

#[test]
fn an_epochs_loss_is_the_mean_over_its_rows() {
    // frozen, so that every batch meets the same model; 200 rows are six batches of 32 and one of 8
    let data = small();
    let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(1.0).group("*", |g| g.frozen(true))).epochs(2).shards(3);
    let history = trainer.fit(&mut model, &data, Some(&data)).unwrap();
    for row in &history.epochs {
        let valid = row.valid.as_ref().unwrap();
        assert!((row.train.loss - valid.loss).abs() < 1e-5 && row.train.metrics[0].0 == "accuracy");
        assert!((row.train.metrics[0].1 - valid.metrics[0].1).abs() < 1e-12);
    }
}

#[test]
fn fewer_rows_than_shards_are_enough() {
    let one = digits().test.subset(&[0]);
    let trained = |shards| {
        let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
        Trainer::new(Sgd::new(0.1)).epochs(3).shards(shards).accumulate(2).fit(&mut model, &one, Some(&one)).unwrap();
        bits(&model)
    };
    assert_eq!(trained(1), trained(8));
}

#[test]
#[should_panic(expected = "Regress: the model gives [4, 1], but the targets are [4]; reshape one of them")]
fn targets_of_another_shape_are_not_broadcast() {
    let mut line = gradus_nn::Linear::<f32>::new(1, 1, &mut gradus_nn::rng(1));
    let data = (Array2::zeros((4, 1)), Array1::zeros(4));
    let _ = Trainer::new(Sgd::new(0.1)).task(gradus_train::Regress::new()).fit(&mut line, &data, None);
}

#[test]
#[should_panic(expected = "ClassifyBinary: row 2 has label 2, which is neither 0 nor 1")]
fn a_third_class_is_not_one_of_two() {
    let data = Dataset::new(Array2::zeros((3, 2)), vec![0, 1, 2], 3).unwrap();
    let mut model = Mlp::builder([2, 1]).build::<f32>();
    let task = gradus_train::ClassifyBinary::new();
    let _ = Trainer::new(Sgd::new(0.1)).sampling(Sampling::InOrder).task(task).fit(&mut model, &data, None);
}

#[test]
fn divergence_names_the_last_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let mut trainer = Trainer::new(Sgd::new(1e-3))
        .epochs(3)
        .checkpoints(gradus_train::Checkpoints::in_folder(folder.path()).every_steps(2));
    let error = trainer.fit_with(&mut model, &small(), None, |at| {
        if at.history.steps.len() == 5 {
            at.optimizer.set_factor(1e30);
        }
        ControlFlow::Continue(())
    });
    let text = error.unwrap_err().to_string();
    assert!(text.contains("the last checkpoint: ") && text.contains("step-0000000006.checkpoint"), "{text}");
}

#[test]
fn images_are_changed_in_training_and_not_in_validation() {
    let data = small();
    let losses = |augment: Option<Augment>| {
        let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
        let task = augment.map_or(Classify::new(), |augment| Classify::new().augment(augment));
        // the rows are in order and the steps have length 0, so epochs differ only in the drawn changes of the images
        let mut trainer = Trainer::new(Sgd::new(0.0)).task(task).sampling(Sampling::InOrder).epochs(2);
        let history = trainer.fit(&mut model, &data, Some(&data)).unwrap();
        (history.epochs[0].train.loss, history.epochs[1].train.loss, history.epochs[0].valid.as_ref().unwrap().loss)
    };
    let (plain, changed) = (losses(None), losses(Some(Augment::images(8, 8).shift(2.0))));
    assert!((plain.0 - plain.1).abs() < 1e-6 && (plain.0 - plain.2).abs() < 1e-6);
    assert!((changed.0 - plain.0).abs() > 1e-4 && (changed.0 - changed.1).abs() > 1e-4, "in another way each epoch");
    assert_eq!(changed.2, plain.2);
}

#[test]
fn costs_that_weigh_rows_are_the_same_in_parts() {
    let data = small().cast::<f64>();
    let cost = gradus_nn::loss::CrossEntropy::new()
        .class_weights([1.0, 1.0, 50.0, 1.0, 2.0, 1.0, 1.0, 9.0, 1.0, 1.0])
        .ignore(5);
    let task = || Classify::new().cost(cost.clone()).metric(Metric::f1());
    let losses = |batch: usize, accumulate, shards| {
        let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f64>();
        let mut trainer =
            Trainer::new(Sgd::new(1e-3)).task(task()).epochs(1).batch_size(batch).accumulate(accumulate).shards(shards);
        let history = trainer.fit(&mut model, &data, Some(&data)).unwrap();
        let mut all: Vec<f64> = history.steps.iter().map(|row| row.loss).collect();
        all.extend([history.last().train.loss, history.last().valid.as_ref().unwrap().loss]);
        all
    };
    let whole = losses(40, 1, 1);
    for (a, b) in whole.iter().zip(losses(10, 4, 1)).chain(whole.iter().zip(losses(40, 1, 4))) {
        assert!((a - b).abs() < 1e-12, "{a} {b}");
    }
    // the loss of an evaluation in chunks is the loss of all rows at once
    let model = Mlp::builder([64, 8, 10]).seed(1).build::<f64>();
    let many = digits().test.subset(&(0..300).collect::<Vec<_>>()).cast::<f64>();
    let tape = Tape::inference();
    let at_once = cost.of(model.forward(tape.constant(many.x())), many.y()).item();
    let found = gradus_train::evaluate_task(&model, &task(), &many).unwrap();
    assert!((found.loss() - at_once).abs() < 1e-12);
    assert!(!found.predictions.labels().contains(&5), "rows that are ignored are not counted as wrong");
}

#[test]
fn a_batch_of_nothing_but_ignored_labels_does_no_harm() {
    let cost = gradus_nn::loss::CrossEntropy::new().ignore(9);
    let data = Dataset::new(Array2::ones((64, 4)), vec![9; 64], 10).unwrap();
    let mut model = Mlp::builder([4, 10]).seed(1).build::<f32>();
    let before = bits(&model);
    let mut trainer = Trainer::new(Sgd::new(0.1)).task(Classify::new().cost(cost)).epochs(1).shards(2);
    let history = trainer.fit(&mut model, &data, None).unwrap();
    assert_eq!((history.steps[0].loss, bits(&model) == before), (0.0, true));
}

#[test]
fn what_dropout_drew_is_drawn_again_to_explain_a_divergence() {
    // 1 / (the sum that dropout left), which is infinite only when dropout left nothing
    let data = Array2::<f32>::ones((400, 1));
    let mut explained = 0;
    for seed in 0..10 {
        let mut w = Param::new([1.0f32]);
        let mut trainer = Trainer::new(Sgd::new(0.0)).seed(seed).batch_size(1).epochs(1).cost(
            |w: &Param, t: &Tape, x: &Array2<f32>| {
                let left = gradus_nn::Dropout::new(0.1).forward(t.constant(x) * t.param(w));
                left.sum().recip()
            },
        );
        let text = trainer.fit(&mut w, &data, None).unwrap_err().to_string();
        explained += usize::from(text.contains("where it began: "));
    }
    assert_eq!(explained, 10);
}

#[test]
fn data_that_are_not_finite_are_not_blamed_on_the_learning_rate() {
    let mut x = Array2::<f32>::ones((64, 4));
    x[[40, 2]] = f32::NAN;
    let data = Dataset::new(x, vec![0; 64], 2).unwrap();
    let mut model = Mlp::builder([4, 2]).build::<f32>();
    let text = Trainer::new(Sgd::new(0.1)).fit(&mut model, &data, None).unwrap_err().to_string();
    assert!(text.contains("the data hold it") && text.contains("a leaf made NaN at ["), "{text}");
    assert!(!text.contains("crates/train"), "no lines of our own: {text}");
}

#[test]
fn each_run_of_a_trainer_begins_anew() {
    let data = small();
    let mut trainer = Trainer::new(Adam::new(1e-2))
        .epochs(3)
        .batch_size(100)
        .schedule_by_epoch(step_decay(1, 0.5))
        .reduce_on_plateau(ReduceOnPlateau::new().patience(0));
    let mut fit = || {
        let mut model = Mlp::builder([64, 8, 10]).dropout(0.5).seed(1).build::<f32>();
        let history = trainer.fit(&mut model, &data, None).unwrap();
        (bits(&model), timeless(history))
    };
    assert_eq!(fit(), fit());
}

#[test]
fn a_log_that_cannot_be_written_is_known_before_the_first_step() {
    let mut model = Mlp::builder([64, 8, 10]).build::<f32>();
    let before = bits(&model);
    let error = Trainer::new(Sgd::new(0.1)).log("no/such/folder/log.csv").fit(&mut model, &small(), None).unwrap_err();
    assert!(error.to_string().contains("no/such/folder/log.csv"), "{error}");
    assert_eq!(bits(&model), before);
}

#[test]
fn a_metric_of_nothing_cannot_be_watched() {
    struct Blind(Vec<Metric<f32>>);
    impl gradus_train::Task<f32, Param, Array2<f32>> for Blind {
        fn forward<'t>(
            &self,
            w: &Param,
            t: &'t Tape,
            x: &Array2<f32>,
        ) -> (gradus_autograd::Var<'t>, gradus_autograd::Var<'t>) {
            let y = t.constant(x) * t.param(w);
            (y, y.sum())
        }
        fn metrics(&self) -> &[Metric<f32>] {
            &self.0
        }
    }
    let mut trainer =
        Trainer::new(Sgd::new(0.0)).task(Blind(vec![Metric::accuracy()])).watch("accuracy").keep_best(true);
    let error = trainer.fit(&mut Param::new([1.0f32]), &Array2::ones((4, 1)), None).unwrap_err();
    assert!(matches!(error, TrainError::Watch { .. }), "{error}");
}

/// A gradient that is not finite ends the run, whichever descent moves the model.
#[test]
fn every_kind_of_descent_reports_a_gradient_that_is_not_finite() {
    fn diverges<D: Descent<f32>>(optimizer: D) {
        let data = (array![0.0f32, 1.0], array![0.0f32, 1.0]);
        type Pair = (Array1<f32>, Array1<f32>);
        let mut w = Param::new([0.0f32]);
        let mut trainer = Trainer::new(optimizer)
            .sampling(Sampling::InOrder)
            .epochs(2)
            .cost(|w: &Param<f32>, t, _: &Pair| t.param(w).sqrt().sum());
        let error = trainer.fit(&mut w, &data, None).unwrap_err();
        assert!(matches!(error, TrainError::Diverged { .. }), "{error}");
        assert_eq!(w.data(), [0.0]);
    }
    diverges(Adam::new(0.1));
    diverges(Lbfgs::new(1.0));
    diverges(Lookahead::new(Sgd::new(0.1)));
    diverges(Lookahead::new(Sam::new(Sgd::new(0.1))));
    diverges(WeightAverage::equal().around(Lookahead::new(Lbfgs::new(1.0))));
    diverges(Saga::new(0.1, 1));
}

#[test]
#[should_panic(expected = "keeps a gradient for each of 5 batches, which must stay the same")]
fn batches_that_change_are_refused_where_a_gradient_is_kept_for_each() {
    let mut model = Mlp::builder([4, 3]).build::<f32>();
    let _ = Trainer::new(Saga::new(0.1, 5)).fit(&mut model, &iris(), None);
}
