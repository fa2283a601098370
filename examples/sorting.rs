//! A small transformer, composed of operations, learns to sort: it gets eight digits in any order and returns them in
//! order.
//!
//! `cargo run --release --example sorting`

use std::error::Error;
use std::ops::ControlFlow;

use gradus::data::{Examples, FileError};
use gradus::prelude::*;
use gradus::{Stream, train::Targets, train::Task};
use ndarray::Array2;
use rand::RngExt;

const LENGTH: usize = 8;
const DIGITS: usize = 10;
const WIDTH: usize = 48;
const HEADS: usize = 4;

/// Every position looks at all others: `softmax(q kᵀ / √d) v`, in several heads at once (Vaswani et al. 2017,
/// <https://arxiv.org/abs/1706.03762>).
#[derive(Module, Clone)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    out: Linear,
}

impl Forward for Attention {
    /// Input and output are sequences × positions × width.
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        // sequences × heads × positions × width of a head
        let heads = |v: Var<'t>| v.reshape([-1, LENGTH as i32, HEADS as i32, (WIDTH / HEADS) as i32]).transpose(1, 2);
        let (q, k, v) = (heads(self.query.forward(x)), heads(self.key.forward(x)), heads(self.value.forward(x)));
        let weights = (q.matmul(k.t()) / ((WIDTH / HEADS) as f64).sqrt()).softmax(-1);
        let seen = weights.matmul(v).transpose(1, 2).reshape([-1, LENGTH as i32, WIDTH as i32]);
        self.out.forward(seen)
    }
}

/// Attention, then two layers for each position on its own. The result of each part is added to its input.
#[derive(Module, Clone)]
struct Block {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

impl Forward for Block {
    fn forward<'t>(&self, x: Var<'t>) -> Var<'t> {
        let x = x + self.attention.forward(self.norm1.forward(x));
        x + self.down.forward(self.up.forward(self.norm2.forward(x)).gelu())
    }
}

#[derive(Module, Clone)]
struct Sorter {
    digits: Embedding,
    /// a row for each position, which is added because attention alone does not know the positions
    places: Param,
    blocks: Vec<Block>,
    norm: LayerNorm,
    out: Linear,
}

impl Sorter {
    fn new(blocks: usize, seed: u64) -> Self {
        let rng = &mut gradus::nn::rng(seed);
        let block = |rng: &mut _| {
            let mut layer = |inputs, outputs| Linear::new(inputs, outputs, rng);
            let (query, key, value) = (layer(WIDTH, WIDTH), layer(WIDTH, WIDTH), layer(WIDTH, WIDTH));
            let attention = Attention { query, key, value, out: layer(WIDTH, WIDTH) };
            let (up, down) = (layer(WIDTH, 4 * WIDTH), layer(4 * WIDTH, WIDTH));
            Block { norm1: LayerNorm::new(&[WIDTH]), attention, norm2: LayerNorm::new(&[WIDTH]), up, down }
        };
        Sorter {
            digits: Embedding::new(DIGITS, WIDTH, rng),
            places: Init::Normal { std: 1.0 }.param(&[LENGTH, WIDTH], rng),
            blocks: (0..blocks).map(|_| block(rng)).collect(),
            norm: LayerNorm::new(&[WIDTH]),
            out: Linear::new(WIDTH, DIGITS, rng),
        }
    }

    /// Computes, for each position of each sequence, a logit for each digit.
    fn forward<'t>(&self, tape: &'t Tape, sequences: &Array2<usize>) -> Var<'t> {
        let x = self.digits.lookup(tape, sequences) + &self.places;
        self.out.forward(self.norm.forward(self.blocks.forward(x))).reshape([-1, DIGITS as i32])
    }
}

/// Sequences that are drawn when they are picked, each by its number.
struct Drawn {
    seed: u64,
    count: usize,
}

impl Examples for Drawn {
    type Batch = Array2<usize>;
    fn len(&self) -> usize {
        self.count
    }
    fn pick(&self, rows: &[usize]) -> Result<Array2<usize>, FileError> {
        let mut sequences = Array2::zeros((rows.len(), LENGTH));
        for (mut sequence, &row) in sequences.rows_mut().into_iter().zip(rows) {
            let mut rng = Stream { seed: self.seed, step: row as u64, shard: 0 }.rng();
            sequence.iter_mut().for_each(|digit| *digit = rng.random_range(0..DIGITS));
        }
        Ok(sequences)
    }
}

fn sorted(sequences: &Array2<usize>) -> Vec<usize> {
    let sort = |sequence: ndarray::ArrayView1<'_, usize>| {
        let mut sequence = sequence.to_vec();
        sequence.sort_unstable();
        sequence
    };
    sequences.rows().into_iter().flat_map(sort).collect()
}

/// Cross-entropy against the sorted digits. The metrics count the right digits, and the sequences without a mistake.
struct Sort([Metric<f32>; 2]);

impl Task<f32, Sorter, Array2<usize>> for Sort {
    fn forward<'t>(&self, model: &Sorter, tape: &'t Tape, batch: &Array2<usize>) -> (Var<'t>, Var<'t>) {
        let logits = model.forward(tape, batch);
        (logits, logits.cross_entropy(&sorted(batch)))
    }
    fn targets(&self, batch: &Array2<usize>) -> Targets<f32> {
        Targets::Labels(sorted(batch))
    }
    fn metrics(&self) -> &[Metric<f32>] {
        &self.0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (train, test) = (Drawn { seed: 1, count: 60_000 }, Drawn { seed: 2, count: 2_000 });
    let whole = Metric::new("whole", gradus::optim::Goal::Maximize, |p| {
        let (classes, labels) = (p.classes(), p.labels());
        let pairs = classes.chunks(LENGTH).zip(labels.chunks(LENGTH));
        pairs.filter(|(a, b)| a == b).count() as f64 / (labels.len() / LENGTH) as f64
    });
    let mut model = Sorter::new(2, 1);
    println!("a transformer of {} parameters learns to sort {LENGTH} digits", model.param_count());
    let steps = 60_000 / 64;
    let opt = AdamW::new(3e-3).schedule(warmup(50).then(cosine(steps - 50))).clip_norm(1.0);
    let mut trainer = Trainer::new(opt).task(Sort([Metric::accuracy(), whole])).epochs(1).batch_size(64).seed(1);
    let history = trainer.fit_with(&mut model, &train, Some(&test), |at| {
        let step = at.history.steps.len();
        if step.is_multiple_of(100) {
            println!("step {step:>4}: loss {:.4}", at.history.steps[step - 1].loss);
        }
        ControlFlow::Continue(())
    })?;
    let test_scores = history.last().valid.as_ref().ok_or("there is validation data")?;
    let whole = test_scores.get("whole").unwrap_or(0.0);

    let shown = test.pick(&[0, 1, 2])?;
    let tape = Tape::inference();
    let found: Vec<usize> = model.forward(&tape, &shown).argmax(-1).into_iter().collect();
    for (before, after) in shown.rows().into_iter().zip(found.chunks(LENGTH)) {
        println!("{before} → {after:?}");
    }
    println!("{:.2} % of sequences not seen are sorted without a mistake", 100.0 * whole);
    assert!(whole > 0.95, "{whole}");
    Ok(())
}
