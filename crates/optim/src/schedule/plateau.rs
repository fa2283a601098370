//! Code that watches a metric: it lowers the learning rate, or ends the descent, when the metric stops getting better.

use serde::{Deserialize, Serialize};

/// The direction in which a metric gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Goal {
    /// down, like a loss
    Minimize,
    /// up, like an accuracy
    Maximize,
}

impl Goal {
    /// Returns whether `metric` is better than `than`. NaN is never better, and any number is better than NaN.
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

/// The definition of a metric that is better than the best so far. NaN never is.
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
        // there is no share of an infinite best: any metric on its better side counts as better
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
/// A metric is better if it is less than best − threshold · |best|, or more than best + threshold · |best| if the goal
/// is to [`Maximize`](Goal::Maximize). After more than `patience` metrics in a row that are not better, the factor of
/// the learning rate is multiplied by `factor`. (So it waits for one metric more than an [`EarlyStopping`] of the same
/// patience.) Formula and defaults (factor 0.1, patience 10, threshold 10⁻⁴, cooldown 0) are those of PyTorch's
/// `ReduceLROnPlateau` if the metric is positive. If it is negative, such as a log-likelihood, PyTorch's best · (1 −
/// threshold) lies on the wrong side of the best, so that a worse metric counts as better. Here `min_factor` and `eps`
/// are factors of the learning rate; PyTorch's are learning rates. Serde can save a `ReduceOnPlateau` with its
/// settings.
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
    /// A `ReduceOnPlateau` for a metric that should fall, with the defaults.
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

    /// Sets the direction in which the metric gets better.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.better.goal = goal;
        self
    }

    /// Sets the number that the factor of the learning rate is multiplied by.
    ///
    /// # Panics
    /// If it is not in `0.0..1.0`.
    #[track_caller]
    pub fn factor(mut self, factor: f64) -> Self {
        crate::rule::check("factor", &factor, 0.0..1.0);
        self.factor = factor;
        self
    }

    /// Sets how many metrics in a row may be no better.
    pub fn patience(mut self, patience: u64) -> Self {
        self.patience = patience;
        self
    }

    /// Sets how much better a metric must be to count, as a share of the best metric's size. For metrics near 0, where
    /// a share is almost nothing, use [`absolute_threshold`](Self::absolute_threshold).
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn threshold(mut self, share: f64) -> Self {
        crate::rule::check("threshold", &share, crate::rule::NON_NEGATIVE);
        (self.better.threshold, self.better.relative) = (share, true);
        self
    }

    /// Sets how much better a metric must be to count, as a difference.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn absolute_threshold(mut self, threshold: f64) -> Self {
        crate::rule::check("absolute_threshold", &threshold, crate::rule::NON_NEGATIVE);
        (self.better.threshold, self.better.relative) = (threshold, false);
        self
    }

    /// Sets how many metrics after a change of the factor are not counted.
    pub fn cooldown(mut self, cooldown: u64) -> Self {
        self.cooldown = cooldown;
        self
    }

    /// Sets the least factor.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn min_factor(mut self, min_factor: f64) -> Self {
        crate::rule::check("min_factor", &min_factor, crate::rule::NON_NEGATIVE);
        self.min_factor = min_factor;
        self
    }

    /// Sets the size above which a change of the factor is made; smaller changes are not made.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn eps(mut self, eps: f64) -> Self {
        crate::rule::check("eps", &eps, crate::rule::NON_NEGATIVE);
        self.eps = eps;
        self
    }

    /// Records a metric and returns the factor of the learning rate from now on, to be passed to
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

    /// Returns the best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Returns the current factor of the learning rate.
    pub fn current(&self) -> f64 {
        self.current
    }

    /// Starts from a factor that was reached before.
    #[doc(hidden)]
    pub fn from_factor(self, current: f64) -> Self {
        ReduceOnPlateau { current, ..self }
    }

    /// Returns whether `other` has the same settings, whatever metrics it has seen.
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
/// Serde can save an `EarlyStopping` with its settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    better: Better,
    patience: u64,
    #[serde(with = "gradus_autograd::exact")]
    best: Option<f64>,
    bad: u64,
}

/// What a metric means for the descent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// the metric is the best so far: keep the model
    Better,
    /// the metric is no better, but patience is left
    Waiting,
    /// the metric was no better for too long
    Stop,
}

impl EarlyStopping {
    /// An `EarlyStopping` for a metric that should fall, by any amount. It stops at the `patience`th metric in a row
    /// that is no better.
    pub fn new(patience: u64) -> Self {
        let better = Better { goal: Goal::Minimize, threshold: 0.0, relative: false };
        EarlyStopping { better, patience, best: None, bad: 0 }
    }

    /// Sets the direction in which the metric gets better.
    pub fn goal(mut self, goal: Goal) -> Self {
        self.better.goal = goal;
        self
    }

    /// Sets how much better a metric must be to count, as a difference.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        crate::rule::check("min_delta", &min_delta, crate::rule::NON_NEGATIVE);
        self.better.threshold = min_delta;
        self
    }

    /// Records a metric, and returns what it means for the descent.
    pub fn observe(&mut self, metric: f64) -> Progress {
        if self.better.is(metric, self.best) {
            (self.best, self.bad) = (Some(metric), 0);
            return Progress::Better;
        }
        self.bad = self.bad.saturating_add(1);
        if self.bad < self.patience { Progress::Waiting } else { Progress::Stop }
    }

    /// Returns the best metric so far.
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Returns whether `other` has the same settings, whatever metrics it has seen.
    #[doc(hidden)]
    pub fn has_settings_of(&self, other: &Self) -> bool {
        let bare = |s: &Self| EarlyStopping { best: None, bad: 0, ..s.clone() };
        bare(self) == bare(other)
    }
}

#[cfg(test)]
mod tests;
