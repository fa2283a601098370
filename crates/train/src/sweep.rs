//! Comparing settings: one run for each combination, or for some drawn at random.

use std::fmt::Display;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use gradus_autograd::{Stream, with_threads};
use gradus_data::{FileError, write_quickly};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::run::signal;

mod results;
pub(crate) use results::short;
pub use results::{Outcome, SweepResults};

/// The value of one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Setting {
    /// a number
    Number(#[serde(with = "gradus_autograd::exact")] f64),
    /// a text: the name of an optimizer, say
    Text(String),
}

impl From<f64> for Setting {
    fn from(x: f64) -> Self {
        Setting::Number(x)
    }
}
impl From<i32> for Setting {
    fn from(x: i32) -> Self {
        Setting::Number(x.into())
    }
}
impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Setting::Text(text.to_owned())
    }
}
impl Display for Setting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Setting::Number(x) if x.abs() < 1e-3 && *x != 0.0 || x.abs() >= 1e6 => write!(f, "{x:e}"),
            Setting::Number(x) => write!(f, "{x}"),
            Setting::Text(text) => write!(f, "{text}"),
        }
    }
}

impl Setting {
    /// The value for a table: a number that was drawn has five digits.
    pub(crate) fn rounded(&self) -> String {
        match self {
            Setting::Number(x) => Setting::Number(format!("{x:.4e}").parse().unwrap_or(*x)).to_string(),
            Setting::Text(text) => text.clone(),
        }
    }
}

/// The values that a setting may have.
#[derive(Clone, Debug, PartialEq)]
enum Values {
    Listed(Vec<Setting>),
    /// numbers from a range; on a logarithmic scale if `log` is true
    Range {
        from: f64,
        to: f64,
        log: bool,
    },
}

/// The settings of one run of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// the number of the run, counted from 0
    pub index: usize,
    /// the seed of the sweep: the same for all runs, which then differ by their settings alone
    pub seed: u64,
    settings: Vec<(String, Setting)>,
}

impl Trial {
    /// The value of a setting that is a number.
    ///
    /// # Panics
    /// If there is no such setting, or it is a text.
    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Setting::Number(x) => *x,
            Setting::Text(text) => panic!("Trial: `{name}` is the text `{text}`; read it with `text`"),
        }
    }

    /// The value of a setting that is a text.
    ///
    /// # Panics
    /// If there is no such setting, or it is a number.
    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        match self.get(name) {
            Setting::Text(text) => text,
            Setting::Number(x) => panic!("Trial: `{name}` is the number {x}; read it with `number`"),
        }
    }

    #[track_caller]
    fn get(&self, name: &str) -> &Setting {
        let found = self.settings.iter().find(|(own, _)| own == name);
        let known = || self.settings.iter().map(|(own, _)| format!("`{own}`")).collect::<Vec<_>>().join(", ");
        found.map_or_else(|| panic!("Trial: there is no setting `{name}`; there are {}", known()), |(_, value)| value)
    }
}

/// Runs a function for many settings, on all cores, and collects its scores.
///
/// ```
/// use gradus_nn::Mlp;
/// use gradus_optim::{Goal, Sgd};
/// use gradus_train::{Sweep, TrainError, Trainer, evaluate};
///
/// let (train, valid) = gradus_data::iris().split(0.7, 1);
/// let results = Sweep::new().over("lr", [0.001, 0.03, 1.0]).over("width", [4, 16]).run(|trial| {
///     let mut model = Mlp::builder([4, trial.number("width") as usize, 3]).seed(trial.seed).build::<f32>();
///     let mut trainer = Trainer::new(Sgd::new(trial.number("lr"))).epochs(20).seed(trial.seed);
///     trainer.fit(&mut model, &train, None)?;
///     Ok::<f64, TrainError>(evaluate(&model, &valid).accuracy())
/// })?;
/// assert_eq!(results.outcomes.len(), 6);
/// let best = results.best(Goal::Maximize).expect("a run that succeeded");
/// assert!(best.score > 0.9);
/// println!("{}", results.table(Goal::Maximize)); // the best first
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A run is a function of its [`Trial`] alone, and it has one thread; so the results do not depend on the number of
/// cores. With [`log`](Self::log), a sweep that was interrupted goes on with the runs that are missing. `Plot::sweep`
/// of `gradus-viz` draws the scores over a setting.
///
/// The random search is that of Bergstra and Bengio 2012, <https://jmlr.org/papers/v13/bergstra12a.html>, who show why
/// it finds good settings with fewer runs than a grid if only some settings matter.
#[derive(Clone, Debug, Default)]
pub struct Sweep {
    settings: Vec<(String, Values)>,
    /// how many combinations are drawn; all of them are run if it is `None`
    drawn: Option<usize>,
    seed: u64,
    threads: Option<NonZero<usize>>,
    log: Option<PathBuf>,
    progress: bool,
}

impl Sweep {
    /// A sweep without settings: a single run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting with a list of values: numbers or texts.
    ///
    /// # Panics
    /// If the list is empty, or there is a setting of this name already.
    #[track_caller]
    pub fn over<S: Into<Setting>>(self, name: &str, values: impl IntoIterator<Item = S>) -> Self {
        let values: Vec<Setting> = values.into_iter().map(Into::into).collect();
        assert!(!values.is_empty(), "Sweep: `{name}` has no values");
        self.with(name, Values::Listed(values))
    }

    /// Adds a setting that is drawn evenly from a range of numbers. It needs [`random`](Self::random).
    ///
    /// # Panics
    /// If the range is empty or not finite, or there is a setting of this name already.
    #[track_caller]
    pub fn range(self, name: &str, range: RangeInclusive<f64>) -> Self {
        self.ranged(name, range, false)
    }

    /// Adds a setting that is drawn from a range of positive numbers, evenly on a logarithmic scale, as suits learning
    /// rates. It needs [`random`](Self::random).
    ///
    /// # Panics
    /// If the range is empty, not finite or not positive, or there is a setting of this name already.
    #[track_caller]
    pub fn log_range(self, name: &str, range: RangeInclusive<f64>) -> Self {
        assert!(*range.start() > 0.0, "Sweep: `{name}`: {range:?} does not lie above 0, so it has no logarithms");
        self.ranged(name, range, true)
    }

    #[track_caller]
    fn ranged(self, name: &str, range: RangeInclusive<f64>, log: bool) -> Self {
        let (from, to) = range.into_inner();
        assert!(from <= to && (to - from).is_finite(), "Sweep: `{name}`: {from} … {to} is no range");
        self.with(name, Values::Range { from, to, log })
    }

    #[track_caller]
    fn with(mut self, name: &str, values: Values) -> Self {
        assert!(self.settings.iter().all(|(own, _)| own != name), "Sweep: there are two settings `{name}`");
        self.settings.push((name.to_owned(), values));
        self
    }

    /// Draws `runs` combinations at random instead of running all of them.
    pub fn random(mut self, runs: usize) -> Self {
        self.drawn = Some(runs);
        self
    }

    /// Sets the seed, from which random combinations are drawn, and which each run is given. The default is 0. To make
    /// each run several times, add seeds as a setting: `over("seed", 0..5)`.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets how many runs are made side by side. The default is one for each core.
    ///
    /// # Panics
    /// If `threads` is 0.
    #[track_caller]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(NonZero::new(threads).expect("Sweep: 0 threads run nothing"));
        self
    }

    /// Keeps a file with a line for each run that is over, and makes only those runs that the file does not have. So a
    /// sweep goes on after it was interrupted, and a sweep with more settings in a list uses the runs of a smaller one.
    pub fn log(mut self, path: impl AsRef<Path>) -> Self {
        self.log = Some(path.as_ref().to_owned());
        self
    }

    /// Sets whether a line is written to the standard error for each run that is over.
    pub fn progress(mut self, progress: bool) -> Self {
        self.progress = progress;
        self
    }

    /// The settings of all runs, in their order.
    ///
    /// # Panics
    /// If a setting has a range, and no number of [random](Self::random) runs is set.
    #[track_caller]
    pub fn trials(&self) -> Vec<Trial> {
        let combinations = match self.drawn {
            Some(runs) => (0..runs).map(|k| self.draw(k)).collect(),
            None => self.grid(),
        };
        let trial = |(index, settings): (usize, Vec<Setting>)| {
            let names = self.settings.iter().map(|(name, _)| name.clone());
            Trial { index, seed: self.seed, settings: names.zip(settings).collect() }
        };
        combinations.into_iter().enumerate().map(trial).collect()
    }

    /// All combinations; the last setting changes fastest.
    #[track_caller]
    fn grid(&self) -> Vec<Vec<Setting>> {
        self.settings.iter().fold(vec![Vec::new()], |combinations, (name, values)| {
            let Values::Listed(values) = values else {
                panic!("Sweep: `{name}` is drawn from a range; say how many runs there are, by `random(runs)`")
            };
            let longer = |so_far: &Vec<Setting>| {
                let so_far = so_far.clone();
                values.iter().map(move |value| [so_far.as_slice(), std::slice::from_ref(value)].concat())
            };
            combinations.iter().flat_map(longer).collect()
        })
    }

    fn draw(&self, index: usize) -> Vec<Setting> {
        let mut rng = Stream { seed: self.seed, step: index as u64, shard: 0 }.rng();
        let value = |(_, values): &(String, Values)| match values {
            Values::Listed(values) => values[rng.random_range(0..values.len())].clone(),
            Values::Range { from, to, log: false } => rng.random_range(*from..=*to).into(),
            Values::Range { from, to, log: true } => {
                rng.random_range(from.ln()..=to.ln()).exp().clamp(*from, *to).into()
            }
        };
        self.settings.iter().map(value).collect()
    }

    /// Makes all runs: `run` is given the settings of a run and returns its score. A run that returns an error has the
    /// score NaN, and the error's text beside it; the others go on. An error counts as a result: a sweep with a log
    /// does not try such a run again, unless its line is removed.
    ///
    /// If the runs' trainers listen to Ctrl-C (`stop_on_ctrl_c`), Ctrl-C ends the sweep, too: the runs that it cut
    /// short have no outcome, and are made anew when the sweep goes on.
    ///
    /// # Errors
    /// If the [log](Self::log) cannot be read or written, or a line of it is damaged.
    ///
    /// # Panics
    /// As [`trials`](Self::trials), and if a run panics.
    #[track_caller]
    pub fn run<E: Display>(&self, run: impl Fn(&Trial) -> Result<f64, E> + Sync) -> Result<SweepResults, FileError> {
        let trials = self.trials();
        let known = self.log.as_deref().map_or(Ok(Vec::new()), results::read)?;
        if let Some(path) = &self.log {
            write_quickly(path, results::lines(&known).as_bytes())?; // a folder that is missing is an error now
        }
        let names = self.settings.iter().map(|(name, _)| name.clone()).collect();
        let of_trial = |trial: &Trial| known.iter().find(|outcome| outcome.is_of(trial)).cloned();
        let done: Vec<Option<Outcome>> = trials.iter().map(of_trial).collect();
        let missing: Vec<usize> = (0..trials.len()).filter(|&k| done[k].is_none()).collect();
        let (next, results) = (AtomicUsize::new(0), Mutex::new((done, Ok(()), known)));
        let work = || {
            while let Some(&k) =
                missing.get(next.fetch_add(1, Ordering::Relaxed)).filter(|_| !signal::is_asked_to_stop())
            {
                let (trial, start) = (&trials[k], Instant::now());
                let (score, error) = match with_threads(1, || run(trial)) {
                    Ok(score) => (score, None),
                    Err(error) => (f64::NAN, Some(error.to_string())),
                };
                let seconds = (1e3 * start.elapsed().as_secs_f64()).round() / 1e3;
                if signal::is_asked_to_stop() {
                    break; // the run was cut short, so its score is none
                }
                let outcome = Outcome::new(trial, score, error, seconds);
                let (done, written, lines) = &mut *results.lock().expect("no run panicked");
                if self.progress {
                    eprintln!("run {} of {}: {outcome}", k + 1, trials.len());
                }
                lines.push(outcome.clone());
                done[k] = Some(outcome);
                if let (Some(path), Ok(())) = (&self.log, &written) {
                    *written = write_quickly(path, results::lines(lines).as_bytes());
                }
                if written.is_err() {
                    break;
                }
            }
        };
        let cores = || std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN);
        let threads = self.threads.unwrap_or_else(cores).get().min(missing.len());
        std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
        let (done, written, _) = results.into_inner().expect("no run panicked");
        written?;
        Ok(SweepResults { names, outcomes: done.into_iter().flatten().collect() })
    }
}

#[cfg(test)]
mod tests;
