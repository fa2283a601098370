//! A model of letters: a recurrent network reads some of Shakespeare's sonnets (1609) letter by letter, learns to
//! predict the next letter, and then writes on.
//!
//! `cargo run --release --example characters`; `-- 20` goes through the text 20 times instead of 8.

use std::error::Error;

use gradus::Stream;
use gradus::prelude::*;
use ndarray::{Array2, Axis};
use rand::RngExt;

const TEXT: &str = include_str!("texts/sonnets.txt");
/// The number of letters in a training example.
const LENGTH: usize = 64;

#[derive(Module, Clone)]
struct Letters {
    embed: Embedding,
    gru: Gru,
    out: Linear,
}

impl Letters {
    /// Computes, for each letter of each text, a logit for each letter that may follow.
    fn forward<'t>(&self, tape: &'t Tape, letters: &Array2<usize>) -> Var<'t> {
        let states = self.gru.forward(self.embed.lookup(tape, letters));
        let kinds = self.out.outputs() as i32;
        self.out.forward(states).reshape([-1, kinds])
    }

    /// Continues a text letter by letter. Each letter is drawn by its probability; a temperature below 1 prefers likely
    /// letters.
    fn write(&self, alphabet: &[char], start: &str, count: usize, temperature: f64, seed: u64) -> String {
        let mut rng = Stream { seed, step: 0, shard: 0 }.rng();
        let mut tape = Tape::inference();
        let mut text = start.to_owned();
        let mut state = Array2::zeros((1, self.gru.states()));
        let mut unread: Vec<char> = start.chars().collect();
        for _ in 0..count {
            tape.clear();
            let letters = unread.iter().filter_map(|c| alphabet.binary_search(c).ok()).collect();
            let letters = Array2::from_shape_vec((1, unread.len()), letters).expect("letters of the text's alphabet");
            let states = self.gru.from_state(self.embed.lookup(&tape, &letters), tape.constant(&state));
            let last = states.narrow(1, letters.len() - 1, 1).squeeze(1);
            let probabilities = (self.out.forward(last) / temperature).softmax(-1);
            let mut left: f32 = rng.random();
            let next = probabilities.data().iter().position(|p| {
                left -= p;
                left < 0.0
            });
            let next = alphabet[next.unwrap_or(alphabet.len() - 1)];
            state = last.value().into_dimensionality().expect("one row").to_owned();
            unread = vec![next];
            text.push(next);
        }
        text
    }
}

/// Cuts a text into parts: the letters that are read, and the letters that come next, which are the same moved by one.
fn examples(letters: &[usize], step: usize) -> (Array2<usize>, Array2<usize>) {
    let starts: Vec<usize> = (0..letters.len() - LENGTH).step_by(step).collect();
    let part = |ahead: usize| {
        Array2::from_shape_fn((starts.len(), LENGTH), |(row, column)| letters[starts[row] + column + ahead])
    };
    (part(0), part(1))
}

fn main() -> Result<(), Box<dyn Error>> {
    let epochs = match std::env::args().nth(1).map(|text| (text.parse::<u64>(), text)) {
        None => 8,
        Some((Ok(epochs), _)) if epochs > 0 => epochs,
        Some((_, text)) => return Err(format!("`{text}` is not a number of epochs, from 1 on").into()),
    };
    let mut alphabet: Vec<char> = TEXT.chars().collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    let letters: Vec<usize> = TEXT.chars().filter_map(|c| alphabet.binary_search(&c).ok()).collect();
    // the last two sonnets are not trained on
    let end = TEXT.match_indices("\n\n").nth(13).map_or(TEXT.len(), |(at, _)| at + 2);
    let (train, valid) = (examples(&letters[..end], 8), examples(&letters[end..], LENGTH));

    let rng = &mut gradus::nn::rng(1);
    let kinds = alphabet.len();
    let mut model = Letters {
        embed: Embedding::new(kinds, 24, rng),
        gru: Gru::new(24, 128, rng),
        out: Linear::new(128, kinds, rng),
    };
    println!("{} letters of {kinds} kinds; {} parameters", letters.len(), model.param_count());

    let steps = epochs * (train.0.len_of(Axis(0)).div_ceil(32)) as u64;
    let opt = AdamW::new(4e-3)
        .weight_decay(0.02)
        .schedule(warmup(20).then(cosine(steps.saturating_sub(20).max(1))))
        .clip_norm(1.0);
    let mut trainer = Trainer::new(opt).epochs(epochs).seed(1).keep_best(true).progress(true).cost(
        |model: &Letters, tape: &Tape, (read, next): &(Array2<usize>, Array2<usize>)| {
            let next: Vec<usize> = next.iter().copied().collect();
            model.forward(tape, read).cross_entropy(&next)
        },
    );
    let history = trainer.fit(&mut model, &train, Some(&valid))?;
    let best = history.epochs.iter().filter_map(|row| row.valid.as_ref()).map(|v| v.loss).fold(f64::INFINITY, f64::min);

    // the loss of a model that only knows how often each letter occurs in the text
    let counts = |kind: usize| letters[..end].iter().filter(|&&l| l == kind).count() as f64 + 0.5;
    let total: f64 = (0..kinds).map(counts).sum();
    let unread = &letters[end..];
    let counting = -unread.iter().map(|&l| (counts(l) / total).ln()).sum::<f64>() / unread.len() as f64;

    println!("\n{}\n", model.write(&alphabet, "Shall I ", 400, 0.6, 1));
    println!("sonnets not read: {best:.3} nats a letter; counting letters gives {counting:.3}");
    assert!(epochs < 8 || best < counting - 0.8, "eight epochs should know much more than how often letters stand");
    Ok(())
}
