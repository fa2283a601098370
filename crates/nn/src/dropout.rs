//! Dropout.

use gradus_autograd::{Float, Mode, Var};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::Forward;
use crate::forward::without_parameters;

/// In training, sets each number to 0 with probability p and divides the others by 1 − p, so that the mean stays; in
/// inference, passes everything on (Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>).
///
/// The numbers to drop are drawn from the tape's random stream, so a step can be repeated and a run resumed exactly.
///
/// ```
/// use gradus_autograd::Tape;
/// use gradus_nn::{Dropout, Forward};
/// let tape = Tape::training(1);
/// let y = Dropout::new(0.5).forward(tape.var([1.0; 1000]));
/// assert!(y.data().iter().all(|&y: &f32| y == 0.0 || y == 2.0));
/// assert!((y.mean().item() - 1.0).abs() < 0.1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Dropout {
    p: f64,
}

impl Dropout {
    /// A dropout that drops each number with probability `p`.
    ///
    /// # Panics
    /// If `p` is not in 0..=1.
    #[track_caller]
    pub fn new(p: f64) -> Self {
        assert!((0.0..=1.0).contains(&p), "Dropout: the probability is {p}, which is not in 0..=1");
        Dropout { p }
    }

    /// Returns the probability of dropping.
    pub fn p(&self) -> f64 {
        self.p
    }
}

impl From<Dropout> for f64 {
    fn from(dropout: Dropout) -> f64 {
        dropout.p
    }
}

impl TryFrom<f64> for Dropout {
    type Error = String;
    fn try_from(p: f64) -> Result<Self, String> {
        if (0.0..=1.0).contains(&p) { Ok(Dropout { p }) } else { Err(format!("the probability {p} is not in 0..=1")) }
    }
}

without_parameters!(Dropout);

impl<T: Float> Forward<T> for Dropout {
    /// # Panics
    /// On a tape for mathematics, where it is unknown whether to drop.
    #[track_caller]
    fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let tape = x.tape();
        match tape.mode() {
            Mode::Inference => x,
            Mode::Training if self.p == 0.0 => x,
            Mode::Training => {
                let keep = T::from_f64(if self.p < 1.0 { 1.0 / (1.0 - self.p) } else { 0.0 });
                let below = (self.p * 2f64.powi(32)) as u64; // how many of the 2³² equally likely draws drop
                let mut rng = tape.rng();
                let mask = tape.constant_with(x.shape(), |mask| {
                    for m in mask {
                        *m = if u64::from(rng.random::<u32>()) < below { T::default() } else { keep };
                    }
                });
                x * mask
            }
            Mode::Mathematics => panic!(
                "Dropout: this tape is for mathematics, where it is unknown whether to drop; use \
                 `Tape::training(seed)` or `Tape::inference()`"
            ),
        }
    }
}
