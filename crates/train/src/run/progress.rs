//! The display of a run while it works: a bar on a terminal, plain lines elsewhere.

use std::fmt::Write;
use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use gradus_autograd::internal::hint_once;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{Epoch, Scores};

/// The time between two lines within an epoch, where there is no terminal.
const PAUSE: Duration = Duration::from_secs(30);

pub(crate) struct Progress {
    shown: bool,
    /// whether this process is the one that speaks
    speaks: bool,
    bar: ProgressBar,
    /// the time of the last line within an epoch, where there is no terminal
    last: Option<Instant>,
    of: String,
    steps: usize,
}

impl Progress {
    pub(crate) fn new(shown: bool, speaks: bool) -> Self {
        let shown = shown && speaks;
        if shown {
            hint_once();
        }
        Progress { shown, speaks, bar: ProgressBar::hidden(), last: None, of: String::new(), steps: 0 }
    }

    /// Sets the total that is shown after the number of an epoch: `/10`, say.
    pub(crate) fn set_total(&mut self, epochs: u64) {
        self.of = format!("/{epochs}");
    }

    /// Begins an epoch of `steps` steps, `done` of which have been made already.
    pub(crate) fn begin(&mut self, epoch: u64, done: usize, steps: usize) {
        self.steps = steps;
        if !self.shown {
            return;
        }
        if stderr().is_terminal() {
            let style = ProgressStyle::with_template("epoch {prefix} {bar:40} {pos}/{len} {msg} {per_sec}, {eta} left");
            self.bar = ProgressBar::new(steps as u64)
                .with_style(style.expect("a template of known keys"))
                .with_prefix(format!("{epoch}{}", self.of))
                .with_position(done as u64);
        } else {
            self.last = Some(Instant::now());
        }
    }

    /// Shows that a step was made.
    pub(crate) fn step(&mut self, epoch: u64, done: usize, loss: f64) {
        if !self.shown {
            return;
        }
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("loss {loss:.4}"));
        if let Some(last) = self.last.filter(|last| last.elapsed() >= PAUSE) {
            eprintln!("epoch {epoch}{}, step {done}/{}: loss {loss:.4}", self.of, self.steps);
            self.last = Some(last.max(Instant::now()));
        }
    }

    /// Shows the row of an epoch that is over, and a remark.
    pub(crate) fn end(&mut self, row: &Epoch, remark: Option<&str>) {
        self.bar.finish_and_clear();
        if self.shown {
            let remark = remark.map_or(String::new(), |remark| format!("  {remark}"));
            eprintln!("{}{remark}", line(row, &self.of));
        }
    }

    /// Shows a text, whether or not progress is shown.
    pub(crate) fn say(&self, text: &str) {
        self.bar.finish_and_clear();
        if self.speaks {
            eprintln!("{text}");
        }
    }
}

fn line(row: &Epoch, of: &str) -> String {
    let mut line = format!("epoch {:>2}{of}", row.epoch);
    let mut add = |prefix: &str, scores: &Scores| {
        let _ = write!(line, "  {prefix}loss {:.4}", scores.loss);
        for (name, value) in &scores.metrics {
            let _ = write!(line, "  {prefix}{name} {value:.4}");
        }
    };
    add("", &row.train);
    if let Some(valid) = &row.valid {
        add("valid ", valid);
    }
    let _ = write!(line, "  lr {:.3e}", row.lr);
    if !row.grad_norm.is_nan() {
        let _ = write!(line, "  grad {:.3}", row.grad_norm);
    }
    let _ = write!(line, "  {:.1} s", row.seconds);
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_all_there_is() {
        let scores = |loss| Scores { loss, metrics: vec![("accuracy".into(), 0.875)] };
        let (train, valid) = (scores(0.5), Some(scores(0.25)));
        let row = Epoch { epoch: 3, step: 9, train, valid, lr: 0.001, grad_norm: 0.75, seconds: 1.25 };
        assert_eq!(
            line(&row, "/10"),
            "epoch  3/10  loss 0.5000  accuracy 0.8750  valid loss 0.2500  valid accuracy 0.8750  lr 1.000e-3  \
             grad 0.750  1.2 s"
        );
    }
}
