//! What looks at a metric: learning rates that fall when it stays, and descents that end.

use serde::{Deserialize, Serialize};

/// Which way a metric is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// down, like a loss
    Minimize,
    /// up, like an accuracy
    Maximize,
}

impl Goal {
    /// Whether a metric is better than another. NaN never is, and any number is better than NaN.
    ///
    /// ```
    /// use gradus_optim::Goal;
    /// assert!(Goal::Minimize.is_better(1.0, 2.0) && Goal::Maximize.is_better(1.0, f64::NAN));
    /// assert!(!Goal::Minimize.is_better(f64::NAN, 2.0));
    /// ```
    pub fn is_better(self, metric: f64, than: f64) -> bool {
        match self {
            _ if than.is_nan() => !metric.is_nan(),
            Goal::Minimize => metric < than,
            Goal::Maximize => metric > than,
        }
    }
}

/// What counts as better than the best so far. NaN never does.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Better {
    goal: Goal,
    /// the least improvement that counts
    #[serde(with = "gradus_autograd::exact")]
    threshold: f64,
    /// whether the threshold is a share of the best value
    relative: bool,
}

impl Better {
    fn is(self, metric: f64, best: Option<f64>) -> bool {
        let Some(best) = best else { return !metric.is_nan() };
        // an infinite best has no share: anything on the right side of it is better
        let by = if self.relative && best.is_finite() { self.threshold * best.abs() } else { self.threshold };
        match self.goal {
            _ if best.is_infinite() => self.goal.is_better(metric, best),
            Goal::Minimize => metric < best - by,
            Goal::Maximize => metric > best + by,
        }
    }
}

/// Lowers the learning rate when a metric stops getting better.
///
/// Better means less than best − threshold · |best|, or more than best + threshold · |best| if the goal is to
/// [`Maximize`](Goal::Maximize). After more than `patience` metrics in a row that are not, the factor is multiplied by
/// `factor` (so it bears one more of them than an [`EarlyStopping`] of the same patience). Formula and defaults (factor
/// 0.1, patience 10, threshold 10⁻⁴, cooldown 0) are those of PyTorch's `ReduceLROnPlateau` where the metric is
/// positive. Where it is negative, a log-likelihood say, PyTorch's best · (1 − threshold) lies on the wrong side of the
/// best: there, worse counts as better. It is written with `min_factor` and `eps` as factors of the learning rate,
/// where PyTorch's are rates. It saves with serde, settings and all.
///
/// ```
/// use gradus_optim::{Adam, ReduceOnPlateau};
/// let mut opt: Adam<f32> = Adam::new(0.1);
/// let mut plateau = ReduceOnPlateau::new().patience(1).factor(0.5);
/// for validation_loss in [1.0, 0.8, 0.8, 0.8, 0.8] {
///     opt.set_factor(plateau.observe(validation_loss));
/// }
/// assert_eq!(opt.lr(), 0.05);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReduceOnPlateau {
    better: Better,
    #[serde(with = "gradus_autograd::exact")]
    factor: f64,
    patience: u64,
    cooldown: u64,
    #[serde(with = "gradus_autograd::exact")]
    min_factor: f64,
    #[serde(with = "gradus_autograd::exact")]
    eps: f64,
    #[serde(with = "gradus_autograd::exact")]
    best: Option<f64>,
    bad: u64,
    cooling: u64,
    #[serde(with = "gradus_autograd::exact")]
    current: f64,
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        Self::new()
    }
}

impl ReduceOnPlateau {
    /// For a metric that is to fall, with the defaults.
    pub fn new() -> Self {
        ReduceOnPlateau {
            better: Better { goal: Goal::Minimize, threshold: 1e-4, relative: true },
            factor: 0.1,
            patience: 10,
            cooldown: 0,
            min_factor: 0.0,
            eps: 1e-8,
            best: None,
            bad: 0,
            cooling: 0,
            current: 1.0,
        }
    }

    /// Which way the metric is to go.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.better.goal = goal;
        self
    }

    /// What the factor is multiplied by.
    ///
    /// # Panics
    /// If it is not in `0.0..1.0`.
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        crate::rule::check("factor", &factor, 0.0..1.0);
        self.factor = factor;
        self
    }

    /// How many metrics in a row may be no better.
    pub fn patience(mut self, patience: u64) -> Self {
        self.patience = patience;
        self
    }

    /// What is better: by this share of the best's size. With metrics near 0, where a share is nothing, use
    /// [`absolute_threshold`](Self::absolute_threshold).
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn threshold(mut self, share: f64) -> Self {
        crate::rule::check("threshold", &share, crate::rule::NON_NEGATIVE);
        (self.better.threshold, self.better.relative) = (share, true);
        self
    }

    /// What is better: by this much.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn absolute_threshold(mut self, threshold: f64) -> Self {
        crate::rule::check("absolute_threshold", &threshold, crate::rule::NON_NEGATIVE);
        (self.better.threshold, self.better.relative) = (threshold, false);
        self
    }

    /// How many metrics after a change are not counted.
    pub fn cooldown(mut self, cooldown: u64) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// The least factor.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn min_factor(mut self, min_factor: f64) -> Self {
        crate::rule::check("min_factor", &min_factor, crate::rule::NON_NEGATIVE);
        self.min_factor = min_factor;
        self
    }

    /// A change of the factor that is no larger is not made.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Self {
        crate::rule::check("eps", &eps, crate::rule::NON_NEGATIVE);
        self.eps = eps;
        self
    }

    /// Takes note of a metric and returns the factor of the learning rate from now on, to be handed to
    /// [`Optimizer::set_factor`](crate::Optimizer::set_factor).
    pub fn observe(&mut self, metric: f64) -> f64 {
        if self.better.is(metric, self.best) {
            (self.best, self.bad) = (Some(metric), 0);
        } else {
            self.bad = self.bad.saturating_add(1);
        }
        if self.cooling > 0 {
            (self.cooling, self.bad) = (self.cooling - 1, 0);
        }
        if self.bad > self.patience {
            let lower = (self.current * self.factor).max(self.min_factor);
            if self.current - lower > self.eps {
                self.current = lower;
            }
            (self.cooling, self.bad) = (self.cooldown, 0);
        }
        self.current
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// The factor of the learning rate now.
    pub fn current(&self) -> f64 {
        self.current
    }

    /// Begins at a factor that was reached before.
    #[doc(hidden)]
    pub fn from_factor(self, current: f64) -> Self {
        ReduceOnPlateau { current, ..self }
    }

    /// Whether another has the same settings, whatever it has seen.
    #[doc(hidden)]
    pub fn has_settings_of(&self, other: &Self) -> bool {
        let bare = |p: &Self| ReduceOnPlateau { best: None, bad: 0, cooling: 0, current: 1.0, ..p.clone() };
        bare(self) == bare(other)
    }
}

/// Ends a descent when a metric stops getting better.
///
/// ```
/// use gradus_optim::{EarlyStopping, Progress};
/// let mut stopping = EarlyStopping::new(2);
/// let progress = [0.9, 0.7, 0.8, 0.75].map(|validation_loss| stopping.observe(validation_loss));
/// assert_eq!(progress, [Progress::Better, Progress::Better, Progress::Waiting, Progress::Stop]);
/// assert_eq!(stopping.best(), Some(0.7));
/// ```
///
/// It saves with serde, settings and all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    better: Better,
    patience: u64,
    #[serde(with = "gradus_autograd::exact")]
    best: Option<f64>,
    bad: u64,
}

/// What a metric means for a descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// the best so far: a model to keep
    Better,
    /// no better, but patience is left
    Waiting,
    /// no better for too long
    Stop,
}

impl EarlyStopping {
    /// Stops at the `patience`th metric in a row that is no better; for a metric that is to fall, by any amount.
    pub fn new(patience: u64) -> Self {
        let better = Better { goal: Goal::Minimize, threshold: 0.0, relative: false };
        EarlyStopping { better, patience, best: None, bad: 0 }
    }

    /// Which way the metric is to go.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.better.goal = goal;
        self
    }

    /// What is better: by this much.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        crate::rule::check("min_delta", &min_delta, crate::rule::NON_NEGATIVE);
        self.better.threshold = min_delta;
        self
    }

    /// Takes note of a metric.
    pub fn observe(&mut self, metric: f64) -> Progress {
        if self.better.is(metric, self.best) {
            (self.best, self.bad) = (Some(metric), 0);
            return Progress::Better;
        }
        self.bad = self.bad.saturating_add(1);
        if self.bad < self.patience { Progress::Waiting } else { Progress::Stop }
    }

    /// The best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Whether another has the same settings, whatever it has seen.
    #[doc(hidden)]
    pub fn has_settings_of(&self, other: &Self) -> bool {
        let bare = |s: &Self| EarlyStopping { best: None, bad: 0, ..s.clone() };
        bare(self) == bare(other)
    }
}

#[cfg(test)]
mod tests;
