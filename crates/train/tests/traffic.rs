//! What ranks send each other: metrics, rows of tables, gradients that travel while the sweep goes on.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{bits, timeless};
use gradus_autograd::{Param, Var};
use gradus_data::{Dataset, digits, iris};
use gradus_nn::{Embedding, Forward, Init, Mlp, rng};
use gradus_optim::{Adam, Goal, Sgd};
use gradus_train::{Classify, LocalRanks, Metric, Predictions, Ranks, Regress, Scores, Shards, Targets, Trainer};
use ndarray::Array1;

fn data() -> Dataset {
    digits().test.subset(&(0..203).collect::<Vec<_>>())
}

/// Metrics that are counted part by part, and metrics of all predictions at once.
#[test]
fn metrics_of_every_kind_are_the_same_over_ranks() {
    fn worst(p: &Predictions<f32>) -> f64 {
        let Targets::Numbers(targets) = &p.targets else { panic!("numbers are predicted") };
        p.outputs.iter().zip(targets).map(|(y, t)| f64::from((y - t).abs())).fold(0.0, f64::max)
    }
    let iris = iris();
    let numbers = (iris.x().slice(ndarray::s![.., ..3]).to_owned(), iris.x().slice(ndarray::s![.., 3..]).to_owned());
    let two = iris.subset(&(0..100).collect::<Vec<_>>());
    let two = Dataset::new(two.x().to_owned(), two.y().to_vec(), 2).unwrap();
    let train = |ranks: Option<&LocalRanks>| {
        let task = Regress::new().metric(Metric::mse());
        let task = task.metric(Metric::new("worst", Goal::Minimize, worst));
        let trainer = Trainer::new(Adam::new(0.01)).task(task).epochs(3).batch_size(40).shards(7);
        let mut trainer = ranks.into_iter().fold(trainer, |trainer, ranks| trainer.distributed(ranks));
        let mut line = Mlp::builder([3, 4, 1]).seed(1).build::<f32>();
        let first = timeless(trainer.fit(&mut line, &numbers, Some(&numbers)).unwrap());

        let task = Classify::new().metric(Metric::auc()).metric(Metric::recall());
        let trainer = Trainer::new(Adam::new(0.01)).task(task).epochs(3).batch_size(40).shards(7);
        let mut trainer = ranks.into_iter().fold(trainer, |trainer, ranks| trainer.distributed(ranks));
        let mut classifier = Mlp::builder([4, 2]).seed(1).build::<f32>();
        (first, timeless(trainer.fit(&mut classifier, &two, Some(&two)).unwrap()))
    };
    let alone = train(None);
    let names = |scores: &Scores| scores.metrics.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&alone.0.last().train), ["mae", "r2", "mse", "worst"]);
    assert_eq!(names(alone.1.last().valid.as_ref().unwrap()), ["accuracy", "auc", "recall"]);
    for ranks in [2, 3, 7] {
        assert_eq!(LocalRanks::run(ranks, |ranks| train(Some(&ranks))), vec![alone.clone(); ranks]);
    }
}

/// Ranks that note the longest message which they send to all, and the bytes that they send to single ones.
#[derive(Clone, Debug)]
struct Noted {
    ranks: LocalRanks,
    longest: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
}

impl Ranks for Noted {
    fn rank(&self) -> usize {
        self.ranks.rank()
    }
    fn count(&self) -> usize {
        self.ranks.count()
    }
    fn all_gather(&self, message: &[u8]) -> Vec<Vec<u8>> {
        self.longest.fetch_max(message.len(), Ordering::Relaxed);
        self.ranks.all_gather(message)
    }
    fn exchange(&self, to: usize, message: &[u8], from: usize, received: &mut [u8]) {
        self.sent.fetch_add(message.len(), Ordering::Relaxed);
        self.ranks.exchange(to, message, from, received);
    }
}

impl Noted {
    fn new(ranks: LocalRanks) -> Self {
        Noted { ranks, longest: Arc::default(), sent: Arc::default() }
    }
}

/// The outputs of a model with many classes are larger than the model: they stay where they are.
#[test]
fn metrics_that_are_counted_send_no_outputs() {
    let data = data();
    let longest = LocalRanks::run(2, |ranks| {
        let ranks = Noted::new(ranks);
        let mut model = Mlp::builder([64, 3000]).seed(1).build::<f32>();
        let task = Classify::new().metric(Metric::top_k(5)); // and the accuracy
        let mut trainer = Trainer::new(Sgd::new(0.1)).task(task).epochs(1).shards(2).distributed(&ranks);
        let history = trainer.fit(&mut model, &data, Some(&data)).unwrap();
        assert_eq!(history.last().train.metrics.len(), 2);
        ranks.longest.load(Ordering::Relaxed)
    });
    assert!(longest.iter().all(|bytes| *bytes < 5_000), "{longest:?}");
}

/// A table of which few rows are looked up, and a parameter that only some shards use.
#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct Words {
    table: Embedding,
    shift: Param,
}

#[test]
fn rows_that_are_looked_up_on_any_rank_are_stepped_and_the_others_rest() {
    let (things, shifted) = (Array1::from_iter((0..24).map(|i| i * 7 % 24 * 2000)), 5);
    let train = |ranks: Option<&LocalRanks>| {
        let mut model = Words { table: Embedding::new(50_000, 4, &mut rng(1)), shift: Param::new([0.5f32; 4]) };
        // the gradient of −0 is −0, and −0 + 0 is 0: a row that one shard has and the others lack
        model.table.weight.update(|numbers| numbers[4 * things[6]] = -0.0);
        let shards = Shards::new(6, 1, 0);
        let mut shards = match ranks {
            None => shards,
            Some(ranks) => shards.distributed(ranks, &model).unwrap(),
        };
        let mut optimizer = Adam::new(0.1).lazy(true);
        let mut rows = Vec::new();
        for step in 0..3 {
            let (model_now, own) = (&model, &things);
            let (_, _, grads) = shards.gradients(12, |tape, range| {
                let looked_up = own.slice(ndarray::s![step * 4 + range.start..step * 4 + range.end]).to_owned();
                let rows: Var<'_> = model_now.table.lookup(tape, &looked_up);
                let cost = rows.square().sum();
                (if range.start < shifted { cost + (rows * &model_now.shift).sum() } else { cost }, ())
            });
            let bits = grads
                .wrt(&model.table.weight)
                .iter()
                .fold(0u64, |sum, x| sum.wrapping_mul(3).wrapping_add(x.to_bits().into()));
            rows.push((grads.rows(&model.table.weight).map(<[usize]>::to_vec), bits));
            optimizer.step(&mut model, &grads);
        }
        (bits(&model), rows)
    };
    let alone = train(None);
    assert!(alone.1.iter().all(|(rows, _)| rows.as_ref().is_some_and(|rows| rows.len() == 12)));
    for ranks in [2, 3, 4] {
        assert!(LocalRanks::run(ranks, |ranks| train(Some(&ranks))).iter().all(|one| *one == alone), "{ranks} ranks");
    }
}

/// A large table, and a large parameter that is used whole.
#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct WordsAndMore {
    table: Embedding,
    whole: Param,
}

/// Few rows of the table are looked up in most steps: by all parts, by the first, by the two parts that there are. In
/// others there are most rows, none, or a lookup of nothing.
#[test]
fn of_a_large_table_only_the_rows_travel_that_were_looked_up() {
    let train = |ranks: Option<&Noted>, steps: &[&str], overlap: Option<bool>| {
        let table = Embedding::<f32>::new(8000, 8, &mut rng(1));
        let mut model = WordsAndMore { table, whole: Init::Normal { std: 0.1 }.param(&[20_000], &mut rng(2)) };
        let shards = Shards::new(6, 2, 0);
        let shards = ranks.into_iter().fold(shards, |shards, ranks| shards.distributed(ranks, &model).unwrap());
        let mut shards = overlap.into_iter().fold(shards, Shards::overlap);
        let mut optimizer = Adam::new(0.1).lazy(true);
        let mut seen = Vec::new();
        for (step, kind) in steps.iter().enumerate() {
            let now = &model;
            let (_, _, grads) = shards.gradients(if *kind == "two parts" { 2 } else { 12 }, |tape, range| {
                let whole = (tape.param(&now.whole) * (range.start as f32 - 4.0)).square().mean();
                let row = |i: usize| match *kind {
                    "most" => (range.start * 600 + i) % 8000,
                    _ => (range.start * 7 + i * 61 + step * 300) % 8000,
                };
                let count = match *kind {
                    "most" => 1200,
                    "empty" => 0,
                    _ => 4,
                };
                let rows = Array1::from_shape_fn(count, row);
                match *kind {
                    "none" => (whole, ()),
                    "first" if range.start > 0 => (whole, ()),
                    _ => (now.table.lookup(tape, &rows).square().sum() + whole, ()),
                }
            });
            let bits = |x: ndarray::ArrayViewD<'_, f32>| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let weight = &model.table.weight;
            seen.push((grads.rows(weight).map(<[usize]>::to_vec), grads.get(weight).map(bits)));
            optimizer.step(&mut model, &grads);
        }
        (bits(&model), seen)
    };
    let few = ["few"; 3];
    let all =
        ["few", "first", "most", "few", "none", "few", "most", "most", "first", "two parts", "few", "empty", "few"];
    let rows = |step: usize| train(None, &all[..=step], None).1.pop().map(|(rows, _)| rows).unwrap();
    assert!(rows(0).is_some_and(|rows| rows.len() == 24) && rows(4).is_none());
    assert!(rows(2).is_some_and(|rows| rows.len() > 4000));
    for steps in [&few[..], &all] {
        let alone = train(None, steps, None);
        for (ranks, overlap) in
            [(2, Some(false)), (2, Some(true)), (2, None), (3, Some(false)), (3, Some(true)), (4, Some(true))]
        {
            let all = LocalRanks::run(ranks, |ranks| {
                let ranks = Noted::new(ranks);
                (train(Some(&ranks), steps, overlap), ranks.sent.load(Ordering::Relaxed))
            });
            for (rank, (one, sent)) in all.into_iter().enumerate() {
                assert!(one == alone, "rank {rank} of {ranks}, overlap {overlap:?}");
                // the parameter that is used whole, 80 kB, in each of three steps; and if gradients travel early, the
                // table of 256 kB in the first step, in which it is not known that few rows are looked up
                let most = if overlap == Some(true) { 510_000 } else { 250_000 };
                assert!(steps.len() > 3 || ranks > 2 || sent < most, "{sent} bytes, overlap {overlap:?}");
            }
        }
    }
}

/// Parameters that are large enough to travel by themselves: one that all shards use, one that only the first uses, and
/// one that none uses.
#[derive(gradus_derive::Module)]
#[module(crate = gradus_autograd)]
struct Large {
    mlp: Mlp,
    often: Param,
    once: Param,
    never: Param,
}

#[test]
fn gradients_that_travel_while_the_sweep_goes_on_have_the_same_sum() {
    let large = |seed| Init::Normal { std: 0.1 }.param(&[20_000], &mut rng(seed));
    let data = data();
    let train = |ranks: Option<&LocalRanks>, overlap: bool, threads: usize| {
        let mlp = Mlp::builder([64, 300, 70, 10]).seed(1).build::<f32>();
        let mut model = Large { mlp, often: large(2), once: large(3), never: large(4) };
        model.once.update(|numbers| numbers[7] = -0.0); // its gradient is −0, to which the other shards add nothing
        let shards = Shards::new(8, threads, 0);
        let mut shards = match ranks {
            None => shards,
            Some(ranks) => shards.distributed(ranks, &model).unwrap().overlap(overlap),
        };
        let mut optimizer = Adam::new(0.01).clip_norm(1.0);
        let mut seen = Vec::new();
        for batch in data.batches(40) {
            let model_now = &model;
            let (loss, _, grads) = shards.gradients(batch.y.len(), |t, rows| {
                let x = t.constant(batch.x.slice(ndarray::s![rows.clone(), ..]));
                let often = (t.param(&model_now.often) * rows.start as f32).square().mean();
                let cost = model_now.mlp.forward(x).cross_entropy(&batch.y[rows.clone()]) + often;
                (if rows.start == 0 { cost + t.param(&model_now.once).square().sum() } else { cost }, ())
            });
            let once = grads.get(&model.once).map(|once| once.iter().map(|x| x.to_bits()).collect::<Vec<_>>());
            seen.push((loss.to_bits(), once, grads.get(&model.never).is_some()));
            optimizer.step(&mut model, &grads);
        }
        (bits(&model), seen)
    };
    let alone = train(None, false, 1);
    assert!(alone.1.iter().all(|(_, once, never)| once.is_some() && !never));
    assert_eq!(alone.1[0].1.as_ref().unwrap()[7], (-0.0f32).to_bits());
    for (ranks, threads) in [(2, 1), (2, 2), (3, 1), (4, 1), (8, 1)] {
        for overlap in [false, true] {
            let all = LocalRanks::run(ranks, |ranks| train(Some(&ranks), overlap, threads));
            assert!(all.iter().all(|one| *one == alone), "{ranks} ranks, {threads} threads, overlap {overlap}");
        }
    }
}
