//! Training by several ranks, which are threads here. `gradus-mpi` tests the same over MPI.

mod common;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::catch_unwind;
use std::path::Path;
use std::sync::Mutex;

use common::{Net, bits, timeless};
use gradus_autograd::{Param, Tape};
use gradus_data::{Augment, Batch, Dataset, DiskRows, Examples, FileError, digits, iris, write_npy};
use gradus_nn::{Forward, Mlp};
use gradus_optim::{
    Adam, Descent, EarlyStopping, Lbfgs, Lookahead, ReduceOnPlateau, Saga, Sam, Sgd, WeightAverage, cosine, warmup,
};
use gradus_train::{
    Checkpoints, Classify, Ended, History, LocalRanks, Metric, Ranks, TrainError, Trainer, evaluate_distributed,
    evaluate_task,
};
use ndarray::{ArrayD, array};

fn data() -> Dataset {
    digits().test.subset(&(0..203).collect::<Vec<_>>())
}

/// A run with every feature at once, and batches that the shards do not divide.
fn run(change: impl Fn(Trainer<Adam, f32, Classify>) -> Trainer<Adam, f32, Classify>) -> (Vec<u32>, History) {
    let (train, valid) = data().split(0.8, 1);
    let mut model = Net::new(3);
    let task = Classify::new().metric(Metric::f1()).augment(Augment::images(8, 8).shift(1.0));
    let optimizer = Adam::new(1e-2).schedule(warmup(3).then(cosine(20))).clip_norm(1.0);
    let trainer = Trainer::new(optimizer).task(task).epochs(3).batch_size(17).accumulate(2).seed(9).shards(8);
    let trainer = trainer.early_stopping(EarlyStopping::new(3)).keep_best(true);
    let trainer = trainer.reduce_on_plateau(ReduceOnPlateau::new().patience(0).factor(0.5));
    let history = change(trainer).fit(&mut model, &train, Some(&valid)).unwrap();
    (bits(&model), timeless(history))
}

#[test]
fn any_number_of_ranks_and_threads_gives_the_same_model_bit_for_bit() {
    let alone = run(|trainer| trainer);
    assert!(alone.1.steps.len() == 15 && alone.1.last().train.loss < alone.1.epochs[0].train.loss);
    for (ranks, threads) in [(1, 4), (2, 1), (2, 2), (3, 1), (4, 1), (5, 1), (6, 1), (7, 1), (8, 1)] {
        for (rank, result) in
            LocalRanks::run(ranks, |ranks| run(|trainer| trainer.threads(threads).distributed(&ranks)))
                .into_iter()
                .enumerate()
        {
            assert!(result == alone, "rank {rank} of {ranks}, {threads} threads");
        }
    }
}

/// All that moves a model gets the same gradients on every rank, as often as it asks for them.
#[test]
fn any_descent_runs_over_ranks() {
    fn same<D: Descent<f32>>(name: &str, batch: usize, make: impl Fn() -> D + Sync) {
        let train = |ranks: Option<&LocalRanks>| {
            let mut model = Mlp::builder([4, 6, 3]).seed(1).build::<f32>();
            let sampling = if name == "SAGA" { gradus_data::Sampling::InOrder } else { Default::default() };
            let trainer = Trainer::new(make()).epochs(4).batch_size(batch).shards(3).sampling(sampling);
            let mut trainer = ranks.into_iter().fold(trainer, |trainer, ranks| trainer.distributed(ranks));
            let history = trainer.fit(&mut model, &iris(), None).unwrap();
            (bits(&model), timeless(history))
        };
        let alone = train(None);
        for ranks in [2, 3] {
            let all = LocalRanks::run(ranks, |ranks| train(Some(&ranks)));
            assert!(all.iter().all(|one| *one == alone), "{name} on {ranks} ranks");
        }
    }
    same("momentum", 30, || Sgd::new(0.1).momentum(0.9));
    same("lookahead", 30, || Lookahead::new(Adam::new(0.01)).every(3));
    same("sharpness-aware steps", 30, || Sam::new(Sgd::new(0.1).momentum(0.9)));
    same("an average", 30, || WeightAverage::exponential(0.9).around(Sgd::new(0.1).momentum(0.9)));
    same("L-BFGS", 150, || Lbfgs::new(0.5).max_iter(3).history_size(5));
    same("SAGA", 30, || Saga::new(0.1, 5));
}

/// The last step of an epoch may have fewer rows than there are ranks; some ranks then have no part of it.
#[test]
fn a_step_with_fewer_rows_than_ranks_is_made_by_some_of_them() {
    let data = iris().subset(&(0..41).collect::<Vec<_>>()); // five steps of 8 rows, and one of a single row
    let train = |ranks: Option<&LocalRanks>| {
        let mut model = Mlp::builder([4, 6, 3]).seed(1).build::<f32>();
        let trainer = Trainer::new(Adam::new(0.01)).epochs(2).batch_size(8).shards(8);
        let mut trainer = ranks.into_iter().fold(trainer, |trainer, ranks| trainer.distributed(ranks));
        trainer.fit(&mut model, &data, None).unwrap();
        bits(&model)
    };
    let alone = train(None);
    for ranks in [2, 3, 4, 8] {
        assert!(LocalRanks::run(ranks, |ranks| train(Some(&ranks))).iter().all(|one| *one == alone), "{ranks} ranks");
    }
}

#[test]
fn a_state_that_is_spread_over_ranks_takes_less_memory_and_changes_no_bit() {
    fn same<D: Descent<f32>>(name: &str, make: impl Fn() -> D + Sync, memory: impl Fn(&D) -> usize + Sync) {
        let data = data();
        let train = |ranks: Option<&LocalRanks>, folder: Option<&Path>, epochs: u64| {
            let mut model = Mlp::builder([64, 300, 70, 10]).seed(1).build::<f32>();
            let trainer = Trainer::new(make()).epochs(epochs).shards(4).schedule_by_epoch(cosine(4));
            let trainer = folder.into_iter().fold(trainer, |trainer, folder| {
                trainer.checkpoints(Checkpoints::in_folder(folder).every_epochs(2).resume(true))
            });
            let mut trainer =
                ranks.into_iter().fold(trainer, |trainer, ranks| trainer.distributed(ranks).shard_optimizer(true));
            let history = trainer.fit(&mut model, &data, None).unwrap();
            let state = bincode::serde::encode_to_vec(trainer.optimizer().state(), bincode::config::standard());
            (bits(&model), timeless(history), state.unwrap(), memory(trainer.optimizer()))
        };
        let (model, history, state, whole) = train(None, None, 4);
        for ranks in [2, 3, 4] {
            // with a checkpoint in the middle, and another number of ranks after it
            let folder = tempfile::tempdir().unwrap();
            LocalRanks::run(ranks, |ranks| train(Some(&ranks), Some(folder.path()), 2));
            for (rank, result) in
                LocalRanks::run(ranks - 1, |ranks| train(Some(&ranks), Some(folder.path()), 4)).into_iter().enumerate()
            {
                assert!(result.0 == model && result.1 == history, "{name}: rank {rank} of {ranks}");
                assert!(result.2 == state, "{name}: the state of rank {rank} of {ranks}");
            }
            let all = LocalRanks::run(ranks, |ranks| train(Some(&ranks), None, 4));
            assert!(all.iter().all(|one| one.0 == model && one.2 == state), "{name} on {ranks} ranks");
            let small = (300 + 70 + 10 + 70 * 10) * (whole / (64 * 300 + 300 + 300 * 70 + 70 + 70 * 10 + 10));
            let most = all.iter().map(|one| one.3).max().unwrap();
            assert!(most <= (whole - small).div_ceil(ranks) + small + 4096, "{name}: {most} of {whole} bytes");
        }
    }
    same("adam", || Adam::new(0.01).clip_norm(1.0), |adam| adam.state_memory());
    same("momentum", || Sgd::new(0.1).momentum(0.9), |sgd| sgd.state_memory());
    same("an average around adam", || WeightAverage::exponential(0.9).around(Adam::new(0.01)), |_| 0);
}

/// A data set that notes which rows were read, and fails at some.
struct Watched<'a> {
    data: &'a Dataset,
    read: &'a Mutex<BTreeSet<usize>>,
    fails: bool,
}

impl Examples for Watched<'_> {
    type Batch = Batch<f32>;
    fn len(&self) -> usize {
        self.data.len()
    }
    fn pick(&self, rows: &[usize]) -> Result<Batch<f32>, FileError> {
        self.read.lock().unwrap().extend(rows);
        match self.fails {
            true => Err(FileError { path: "disk 1".into(), source: std::io::Error::other("cannot be read") }),
            false => self.data.pick(rows),
        }
    }
}

#[test]
fn a_rank_reads_its_own_rows_only() {
    let data = digits().test;
    let read: Vec<[BTreeSet<usize>; 2]> = LocalRanks::run(3, |ranks| {
        let read: [Mutex<BTreeSet<usize>>; 2] = Default::default();
        let [train, valid] = [0, 1].map(|i| Watched { data: &data, read: &read[i], fails: false });
        let mut model = Mlp::builder([64, 10]).build::<f32>();
        let mut trainer = Trainer::new(Sgd::new(0.1)).epochs(1).shards(3).prefetch(2).distributed(&ranks);
        trainer.fit(&mut model, &train, Some(&valid)).unwrap();
        read.map(|read| read.into_inner().unwrap())
    });
    for set in [0, 1] {
        assert_eq!(read.iter().map(|read| read[set].len()).sum::<usize>(), 1797, "each row is read once");
        assert!(read.iter().all(|read| (500..=800).contains(&read[set].len())));
    }
}

/// Each rank runs its share of a test set, and all get the result of one process.
#[test]
fn a_test_set_is_evaluated_by_all_ranks() {
    let (model, task) = (Net::new(3), Classify::new().metric(Metric::f1()));
    for rows in [0, 1, 255, 1797] {
        let test = digits().test.subset(&(0..rows).collect::<Vec<_>>());
        let alone = evaluate_task(&model, &task, &test).unwrap();
        for count in [1, 2, 3, 5] {
            let all = LocalRanks::run(count, |ranks| {
                let read = Mutex::default();
                let watched = Watched { data: &test, read: &read, fails: false };
                let result = evaluate_distributed(&ranks, &model, &task, &watched).unwrap();
                (result.scores, result.predictions, read.into_inner().unwrap().len())
            });
            assert_eq!(all.iter().map(|(_, _, read)| read).sum::<usize>(), rows, "each row is read once");
            for (scores, predictions, _) in &all {
                // without rows, the loss is NaN
                assert_eq!(format!("{scores:?}"), format!("{:?}", alone.scores), "{rows} rows, {count} ranks");
                assert_eq!(*predictions, alone.predictions);
            }
        }
    }
    let errors = LocalRanks::run(2, |ranks| {
        let read = Mutex::default();
        let watched = Watched { data: &digits().test, read: &read, fails: ranks.rank() == 1 };
        evaluate_distributed(&ranks, &model, &task, &watched).unwrap_err().to_string()
    });
    assert_eq!(errors, ["rank 1: disk 1: cannot be read", "disk 1: cannot be read"]);
    let errors = LocalRanks::run(2, |ranks| {
        let test = digits().test.subset(&(0..10 + ranks.rank()).collect::<Vec<_>>());
        evaluate_distributed(&ranks, &model, &task, &test).unwrap_err().to_string()
    });
    assert!(errors.iter().all(|e| e.ends_with("the rows of the data: 10 on rank 0, 11 on rank 1")), "{errors:?}");
}

/// Rows that stay on the disk: each rank reads those of its shards, ahead, and all train the model of one process.
#[test]
fn rows_on_a_disk_are_shared_by_the_ranks() {
    let (data, folder) = (data(), tempfile::tempdir().unwrap());
    let path = folder.path().join("x.npy");
    write_npy(&path, data.x()).unwrap();
    let train = |ranks: Option<&LocalRanks>| {
        let rows = (DiskRows::<f32>::open(&path).unwrap(), data.y().to_vec());
        let mut model = Mlp::builder([64, 8, 10]).seed(1).build::<f32>();
        let trainer = Trainer::new(Adam::new(1e-3)).epochs(2).shards(4).prefetch(2);
        let trainer = ranks.into_iter().fold(trainer, |trainer, ranks| trainer.distributed(ranks));
        let mut trainer = trainer.cost(|model: &Mlp, t: &Tape, (x, y): &(ArrayD<f32>, Vec<usize>)| {
            model.forward(t.constant(x)).cross_entropy(y)
        });
        trainer.fit(&mut model, &rows, None).unwrap();
        bits(&model)
    };
    let alone = train(None);
    for ranks in [2, 3, 4] {
        assert!(LocalRanks::run(ranks, |ranks| train(Some(&ranks))).iter().all(|one| *one == alone), "{ranks} ranks");
    }
}

#[test]
fn a_rank_that_cannot_read_its_data_ends_all_with_its_reason() {
    let (data, read) = (iris(), Mutex::default());
    let errors: Vec<String> = LocalRanks::run(3, |ranks| {
        let fails = ranks.rank() == 1;
        let watched = Watched { data: &data, read: &read, fails };
        let mut trainer = Trainer::new(Sgd::new(0.1)).shards(3).distributed(&ranks);
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &watched, None).unwrap_err().to_string()
    });
    assert_eq!(errors[1], "disk 1: cannot be read");
    assert_eq!([&errors[0], &errors[2]], ["rank 1: disk 1: cannot be read"; 2]);
}

#[test]
fn a_run_goes_on_with_another_number_of_ranks() {
    let whole = run(|trainer| trainer);
    let folder = tempfile::tempdir().unwrap();
    let part = |ranks: usize, steps: u64, name: &str| {
        let folder = folder.path().join(name);
        let checkpoints = |ranks: &LocalRanks| {
            // only the first rank looks at its disk
            let own = if ranks.rank() == 0 { folder.clone() } else { folder.join("elsewhere") };
            Checkpoints::in_folder(own).every_steps(1).resume(true)
        };
        let change = |trainer: Trainer<Adam, f32, Classify>, ranks: &LocalRanks| {
            let trainer = trainer.checkpoints(checkpoints(ranks)).distributed(ranks);
            if steps == 0 { trainer } else { trainer.steps(steps) }
        };
        LocalRanks::run(ranks, |ranks| run(|trainer| change(trainer, &ranks)))
    };
    for (first, second) in [(4, 1), (4, 2), (4, 8), (1, 3)] {
        let name = format!("{first}-{second}");
        part(first, 7, &name);
        assert!(part(second, 0, &name).iter().all(|result| *result == whole), "{first} ranks, then {second}");
    }
}

fn refusal(change: impl Fn(usize, Trainer<Adam, f32, Classify>) -> Trainer<Adam, f32, Classify> + Sync) -> Vec<String> {
    LocalRanks::run(3, |ranks| {
        let trainer = Trainer::new(Adam::new(0.01)).task(Classify::new()).epochs(1).shards(4);
        let mut trainer = change(ranks.rank(), trainer).distributed(&ranks);
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &iris(), None).unwrap_err().to_string()
    })
}

#[test]
fn ranks_that_differ_are_refused_at_the_start_with_what_differs() {
    let errors = refusal(|rank, trainer| if rank == 2 { trainer.batch_size(16).seed(7) } else { trainer });
    assert!(errors.iter().all(|error| *error == errors[0]));
    for part in ["rank 2 differs from rank 0", "the batch size: 32 on rank 0, 16 on rank 2", "the seed: 0 on rank 0, 7"]
    {
        assert!(errors[0].contains(part), "{}", errors[0]);
    }
    let errors = refusal(|rank, trainer| if rank == 1 { trainer.schedule_by_epoch(cosine(3)) } else { trainer });
    assert!(errors[2].contains("schedule by epoch: not there on rank 0, "), "{}", errors[2]);

    let train = |sizes: [usize; 3], seed: u64, rows: usize, ranks: &LocalRanks| {
        let mut model = Mlp::builder(sizes).seed(seed).build::<f32>();
        let data = iris().subset(&(0..rows).collect::<Vec<_>>());
        Trainer::new(Adam::new(0.01)).shards(4).distributed(ranks).fit(&mut model, &data, None).unwrap_err().to_string()
    };
    let other = |sizes: [usize; 3], seed, rows| {
        LocalRanks::run(2, |ranks| match ranks.rank() {
            0 => train([4, 5, 3], 1, 150, &ranks),
            _ => train(sizes, seed, rows, &ranks),
        })
    };
    let error = &other([4, 6, 3], 1, 150)[0];
    assert!(error.contains("`layers.0.weight` of the model: [5, 4], numbers with checksum"), "{error}");
    let error = &other([4, 5, 3], 2, 150)[1];
    assert!(error.contains("`layers.0.weight` of the model: [5, 4], numbers with checksum"), "{error}");
    let error = &other([4, 5, 3], 1, 149)[1];
    assert!(error.ends_with("\n  rows of training data: 150 on rank 0, 149 on rank 1"), "{error}");
}

#[test]
fn a_descent_that_keeps_its_state_whole_cannot_spread_it() {
    let errors = LocalRanks::run(2, |ranks| {
        let mut trainer = Trainer::new(Lbfgs::new(0.5)).shards(2).distributed(&ranks).shard_optimizer(true);
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &iris(), None).unwrap_err().to_string()
    });
    assert!(errors[0].starts_with("`shard_optimizer`: this way of descent keeps its state whole"), "{}", errors[0]);
}

/// Only the tasks differ, which ranks do not compare; what follows from it must not leave a rank waiting.
#[test]
fn a_setting_that_one_rank_alone_refuses_ends_all() {
    let errors = LocalRanks::run(2, |ranks| {
        let task = if ranks.rank() == 1 { Classify::new() } else { Classify::new().metric(Metric::f1()) };
        let mut trainer = Trainer::new(Adam::new(0.01)).task(task).shards(2).watch("f1").distributed(&ranks);
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &iris(), None).unwrap_err().to_string()
    });
    assert_eq!(errors[1], "`watch`: there is no metric `f1`; there are loss, accuracy");
    assert_eq!(errors[0], format!("rank 1: {}", errors[1]));
}

#[test]
fn more_ranks_than_parts_are_refused() {
    let errors = LocalRanks::run(3, |ranks| {
        let mut trainer = Trainer::new(Adam::new(0.01)).shards(2).distributed(&ranks);
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &iris(), None).unwrap_err().to_string()
    });
    assert!(errors[0].starts_with("3 ranks, but a step has 2 parts"), "{}", errors[0]);
}

#[test]
fn all_ranks_stop_after_the_same_step_if_the_callback_of_one_of_them_breaks() {
    for last in [3, 9] {
        let folder = tempfile::tempdir().unwrap();
        let histories = LocalRanks::run(3, |ranks| {
            let rank = ranks.rank();
            let mut trainer = Trainer::new(Adam::new(0.01)).epochs(2).shards(4).distributed(&ranks);
            trainer = trainer.checkpoints(Checkpoints::in_folder(folder.path()));
            let mut model = Mlp::builder([4, 3]).build::<f32>();
            let stop = |at: gradus_train::AfterStep<'_, _, _>| match rank == 1 && at.history.steps.len() > last {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            };
            let history = trainer.fit_with(&mut model, &iris(), None, stop).unwrap();
            (history.steps.len(), history.ended, bits(&model))
        });
        assert_eq!((histories[0].0, &histories[0].1), (last + 1, &Ended::Callback));
        assert!(histories.iter().all(|history| *history == histories[0]));
        let saved = Checkpoints::in_folder(folder.path()).list().unwrap();
        assert_eq!(saved.last().unwrap().0, last as u64 + 1, "the run is saved where it ended");
    }
}

#[test]
fn all_ranks_explain_a_loss_that_is_not_a_number_with_the_same_words() {
    let (mut x, y) = (iris().x().to_owned(), iris().y().to_vec());
    x[[140, 2]] = f32::NAN; // one rank sees it
    let data = (x, y);
    let errors = LocalRanks::run(4, |ranks| {
        let mut trainer = Trainer::new(Adam::new(0.01)).shards(4).distributed(&ranks);
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &data, None).unwrap_err().to_string()
    });
    assert!(errors[0].starts_with("the loss is NaN at step"), "{}", errors[0]);
    assert!(
        errors[0].contains("where it began: a leaf made") && errors[0].contains("the data hold it"),
        "{}",
        errors[0]
    );
    assert!(errors.iter().all(|error| *error == errors[0]), "{errors:?}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_is_an_error_of_all_ranks() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let errors = LocalRanks::run(2, |ranks| {
        let mut trainer = Trainer::new(Adam::new(0.01)).shards(2).distributed(&ranks);
        trainer = trainer.checkpoints(Checkpoints::in_folder(file.path()));
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &iris(), None).unwrap_err()
    });
    let name = file.path().display().to_string();
    assert!(matches!(&errors[0], TrainError::File(error) if error.to_string().contains(&name)), "{}", errors[0]);
    assert!(errors[1].to_string().starts_with(&format!("rank 0: {name}")), "{}", errors[1]);
}

#[test]
fn logs_and_checkpoints_are_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let own = |rank: usize, name: &str| folder.path().join(format!("{rank}")).join(name);
    (0..2).for_each(|rank| std::fs::create_dir(folder.path().join(rank.to_string())).unwrap());
    LocalRanks::run(2, |ranks| {
        let rank = ranks.rank();
        let mut trainer = Trainer::new(Adam::new(0.01)).shards(2).epochs(1).distributed(&ranks);
        trainer = trainer.log(own(rank, "log.csv")).checkpoints(Checkpoints::in_folder(own(rank, "run")));
        trainer.fit(&mut Mlp::builder([4, 3]).build::<f32>(), &iris(), None).unwrap();
    });
    let there = |path: &Path| path.exists();
    assert!(there(&own(0, "log.csv")) && there(&own(0, "run")));
    assert!(!there(&own(1, "log.csv")) && !there(&own(1, "run")));
}

#[test]
fn a_rank_that_panics_ends_the_others() {
    let result = catch_unwind(|| {
        LocalRanks::run(3, |ranks| {
            let rank = ranks.rank();
            let mut trainer = Trainer::new(Sgd::new(0.1)).shards(3).distributed(&ranks).cost(
                |w: &Param, tape: &Tape, batch: &Batch<f32>| {
                    assert!(rank != 1 || batch.y.is_empty(), "a fault of rank 1");
                    tape.param(w).sum()
                },
            );
            trainer.fit(&mut Param::new(array![1.0f32]), &iris(), None).map(drop)
        })
    });
    assert!(result.is_err());
}
