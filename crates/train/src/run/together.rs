//! The things that the ranks of a run agree on before each step, and who waits for whom.

use std::time::{Duration, Instant};

use gradus_data::FileError;
use serde::{Deserialize, Serialize};

use crate::ranks::team::{Team, first_failure};
use crate::run::step::Step;
use crate::{Ended, TrainError};

/// A reason to stop that not all ranks know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    Callback,
    Signal,
}

impl Wish {
    pub(crate) fn ended(self) -> Ended {
        match self {
            Wish::Callback => Ended::Callback,
            Wish::Signal => Ended::Interrupted { checkpoint: None },
        }
    }
}

/// What a rank tells the others before a step.
#[derive(Serialize, Deserialize)]
struct Ready {
    failure: Option<String>,
    weights: Vec<f64>,
    wish: Option<Wish>,
    /// the seconds of work since it last told
    busy: f64,
}

/// The ranks of a run.
#[derive(Debug)]
pub(crate) struct Together {
    pub(crate) team: Team,
    begun: Instant,
    last: Instant,
    /// the time of messages until then
    messages: Duration,
    /// the seconds that this rank waited for each rank, in the epoch and in all
    waited: [Vec<f64>; 2],
    epoch_begun: Instant,
}

impl Together {
    pub(crate) fn new(team: Team) -> Self {
        let (now, none) = (Instant::now(), vec![0.0; team.count()]);
        let waited = [none.clone(), none];
        Together { team, begun: now, last: now, messages: Duration::ZERO, waited, epoch_begun: now }
    }

    /// Tells the other ranks that this one is ready for a step, or why it is not, and whether the run should stop.
    /// Returns the step with the weight of all its parts, or the reason to stop that some rank has.
    ///
    /// # Errors
    /// If this rank or another has no data for the step.
    pub(crate) fn ready<B>(
        &mut self,
        step: Result<Step<B>, FileError>,
        wish: Option<Wish>,
    ) -> Result<Result<Step<B>, Wish>, TrainError> {
        let (busy, messages) = (self.last.elapsed(), self.team.time());
        let busy = busy.saturating_sub(messages.saturating_sub(self.messages)).as_secs_f64();
        let weights = step.as_ref().map_or(Vec::new(), Step::own_weights);
        let failure = step.as_ref().err().map(FileError::to_string);
        let all = self.team.gather(&Ready { failure, weights, wish, busy });
        (self.last, self.messages) = (Instant::now(), self.team.time());
        self.note_waiting(&all.iter().map(|ready| ready.busy).collect::<Vec<_>>());
        let wish = all.iter().find_map(|ready| ready.wish);
        let weight = all.iter().flat_map(|ready| &ready.weights).sum();
        let mut step = step?;
        first_failure(all.into_iter().map(|ready| ready.failure)).map_or(Ok(()), Err)?;
        step.weight = weight;
        Ok(wish.map_or(Ok(step), Err))
    }

    /// Notes how long this rank waits, and for whom, if the ranks work for so many seconds.
    fn note_waiting(&mut self, busy: &[f64]) {
        let slowest = (0..busy.len()).fold(0, |slowest, rank| if busy[rank] > busy[slowest] { rank } else { slowest });
        let waited = busy[slowest] - busy[self.team.rank()];
        self.waited.iter_mut().for_each(|waited_for| waited_for[slowest] += waited);
    }

    /// Agrees on a reason to stop.
    pub(crate) fn agree(&self, wish: Option<Wish>) -> Option<Wish> {
        self.team.gather(&wish).into_iter().flatten().next()
    }

    /// For whom this rank waited in the epoch, if it waited for more than a tenth of the time; a new epoch begins.
    pub(crate) fn waited_in_epoch(&mut self) -> Option<String> {
        let seconds = self.epoch_begun.elapsed().as_secs_f64();
        let text = waiting(&self.waited[0]).filter(|(_, waited)| *waited > 0.1 * seconds);
        self.epoch_begun = Instant::now();
        self.waited[0].fill(0.0);
        text.map(|(text, _)| text)
    }

    /// The time that the run took, how much of it messages took, and for whom this rank waited.
    pub(crate) fn account(&self, threads: usize) -> String {
        let (seconds, messages) = (self.begun.elapsed().as_secs_f64(), self.team.time().as_secs_f64());
        let s = if threads == 1 { "" } else { "s" };
        format!(
            "{} ranks × {threads} thread{s}: {}, of them {} ({:.0} %) in communication; rank {} sent {}{}",
            self.team.count(),
            time(seconds),
            time(messages),
            100.0 * messages / seconds,
            self.team.rank(),
            size(self.team.bytes()),
            waiting(&self.waited[1]).map_or(String::new(), |(text, _)| format!("; {text}"))
        )
    }
}

/// A text about the rank that was waited for most, and the seconds of all waiting.
fn waiting(waited: &[f64]) -> Option<(String, f64)> {
    let (rank, most) = waited.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1))?;
    let all: f64 = waited.iter().sum();
    let text = || format!("waited {} for other ranks, {} for rank {rank}", time(all), time(*most));
    (all >= 0.05).then(|| (text(), all))
}

fn time(seconds: f64) -> String {
    if seconds < 1.0 { format!("{:.0} ms", 1e3 * seconds) } else { format!("{seconds:.1} s") }
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes < 1e6 => format!("{:.1} kB", bytes / 1e3),
        bytes if bytes < 1e9 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.1} GB", bytes / 1e9),
    }
}
