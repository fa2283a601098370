//! The results of a sweep: a table, a file, the best run.

use std::fmt::{self, Display};
use std::io::{Error, ErrorKind};
use std::path::Path;

use gradus_data::{FileError, write_atomically};
use gradus_optim::Goal;
use serde::{Deserialize, Serialize};

use super::{Setting, Trial};

/// The result of one run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// the settings of the run, with their names
    pub settings: Vec<(String, Setting)>,
    /// the seed of the run
    pub seed: u64,
    /// what the run returned; NaN if it returned an error
    #[serde(with = "gradus_autograd::exact")]
    pub score: f64,
    /// the error of the run
    pub error: Option<String>,
    /// how long the run took
    pub seconds: f64,
}

impl Outcome {
    pub(super) fn new(trial: &Trial, score: f64, error: Option<String>, seconds: f64) -> Self {
        Outcome { settings: trial.settings.clone(), seed: trial.seed, score, error, seconds }
    }

    /// Whether the outcome is that of a trial: it has the same settings and the same seed.
    pub(super) fn is_of(&self, trial: &Trial) -> bool {
        // NaN is equal to no number, and is one setting all the same
        self.seed == trial.seed && format!("{:?}", self.settings) == format!("{:?}", trial.settings)
    }

    /// The value of a setting, if there is one of this name.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.iter().try_for_each(|(name, value)| write!(f, "{name} {value}, "))?;
        match &self.error {
            None => write!(f, "score {} ({:.1} s)", short(self.score), self.seconds),
            Some(error) => write!(f, "{error}"),
        }
    }
}

/// The results of all runs of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct SweepResults {
    /// the names of the settings
    pub names: Vec<String>,
    /// the outcomes, in the order of the runs
    pub outcomes: Vec<Outcome>,
}

impl SweepResults {
    /// The best run; `None` if no run has a score.
    pub fn best(&self, goal: Goal) -> Option<&Outcome> {
        self.sorted(goal).into_iter().next().filter(|outcome| !outcome.score.is_nan())
    }

    /// The outcomes, the best first, and those without a score last.
    pub fn sorted(&self, goal: Goal) -> Vec<&Outcome> {
        let mut sorted: Vec<&Outcome> = self.outcomes.iter().collect();
        sorted.sort_by(|a, b| {
            let better = |a: &Outcome, b: &Outcome| goal.is_better(a.score, b.score);
            better(b, a).cmp(&better(a, b))
        });
        sorted
    }

    /// The outcomes as a table for people, the best first.
    pub fn table(&self, goal: Goal) -> String {
        let header = self.names.iter().cloned().chain(["score".to_owned(), "seconds".to_owned()]);
        let row = |outcome: &&Outcome| {
            let settings = outcome.settings.iter().map(|(_, value)| value.rounded());
            let seconds = format!("{:.1}", outcome.seconds);
            settings.chain([short(outcome.score), seconds]).collect::<Vec<_>>()
        };
        let sorted = self.sorted(goal);
        let rows: Vec<Vec<String>> = std::iter::once(header.collect()).chain(sorted.iter().map(row)).collect();
        let width = |k: usize| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0);
        let errors = std::iter::once(None).chain(sorted.iter().map(|outcome| outcome.error.as_deref()));
        let line = |(row, error): (&Vec<String>, Option<&str>)| {
            let cells: Vec<String> =
                row.iter().enumerate().map(|(k, cell)| format!("{cell:>width$}", width = width(k))).collect();
            let error = error.map_or(String::new(), |error| format!("  {}", error.lines().next().unwrap_or_default()));
            cells.join("  ") + &error
        };
        rows.iter().zip(errors).map(line).collect::<Vec<_>>().join("\n")
    }

    /// Writes a row for each run as comma-separated values, in the order of the runs.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        let failed = |e: csv::Error| FileError { path: path.into(), source: e.into() };
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = self.names.iter().map(String::as_str).chain(["seed", "score", "seconds", "error"]);
        writer.write_record(header).map_err(failed)?;
        for Outcome { settings, seed, score, error, seconds } in &self.outcomes {
            let score = if score.is_nan() { String::new() } else { score.to_string() };
            let rest = [seed.to_string(), score, seconds.to_string(), error.clone().unwrap_or_default()];
            writer.write_record(settings.iter().map(|(_, value)| value.to_string()).chain(rest)).map_err(failed)?;
        }
        let bytes = writer.into_inner().map_err(|e| FileError { path: path.into(), source: e.into_error() })?;
        write_atomically(path, &bytes)
    }
}

/// A score with four digits after the point, or with four digits in all if it is small.
pub(crate) fn short(x: f64) -> String {
    if x != 0.0 && x.abs() < 1e-2 { format!("{x:.3e}") } else { format!("{x:.4}") }
}

/// The lines of a log.
pub(super) fn lines(outcomes: &[Outcome]) -> String {
    let line = |outcome| serde_json::to_string(outcome).expect("an outcome is JSON") + "\n";
    outcomes.iter().map(line).collect()
}

/// Reads a log; a file that is not there has no lines.
pub(super) fn read(path: &Path) -> Result<Vec<Outcome>, FileError> {
    let error = |source| FileError { path: path.into(), source };
    let text = match std::fs::read_to_string(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(error)?,
    };
    let outcome = |(k, line): (usize, &str)| {
        serde_json::from_str(line)
            .map_err(|e| error(Error::new(ErrorKind::InvalidData, format!("line {} is no run of a sweep: {e}", k + 1))))
    };
    text.lines().enumerate().map(outcome).collect()
}
