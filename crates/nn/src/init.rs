//! The initial numbers of parameters.

use std::fmt;

use gradus_autograd::{Float, Param};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// A random generator with a seed. It gives the same numbers on every machine.
///
/// ```
/// use rand::RngExt;
/// assert_eq!(gradus_nn::rng(7).random::<u64>(), gradus_nn::rng(7).random::<u64>());
/// ```
pub fn rng(seed: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(seed)
}

/// The distribution that a parameter's numbers are drawn from.
///
/// `fan_in` is how many numbers each output adds up (for a weight of outputs × inputs: the inputs), `fan_out` how many
/// outputs each input goes to. Gains: 1 for linear layers and sigmoid, 5/3 for tanh, √2 for relu.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Init {
    /// all 0
    Zeros,
    /// all the same number
    Constant(f64),
    /// uniform in ±bound
    Uniform {
        /// half the width of the range
        bound: f64,
    },
    /// normal around 0
    Normal {
        /// the standard deviation
        std: f64,
    },
    /// uniform in ±√(6 / (fan_in + fan_out)) · gain: variances stay the same in both directions (Glorot, Bengio 2010,
    /// <https://proceedings.mlr.press/v9/glorot10a.html>)
    XavierUniform {
        /// the gain; 1 unless an activation needs another
        gain: f64,
    },
    /// normal with standard deviation √(2 / (fan_in + fan_out)) · gain
    XavierNormal {
        /// the gain; 1 unless an activation needs another
        gain: f64,
    },
    /// uniform in ±√(3 / fan) · gain: variances stay the same in the forward pass, or with [`Fan::Out`] in the backward
    /// pass (He et al. 2015, <https://arxiv.org/abs/1502.01852>)
    KaimingUniform {
        /// the gain; √2 for relu
        gain: f64,
        /// the connections that the variance is divided by
        fan: Fan,
    },
    /// normal with standard deviation gain / √fan
    KaimingNormal {
        /// the gain; √2 for relu
        gain: f64,
        /// the connections that the variance is divided by
        fan: Fan,
    },
    /// normal around 0; numbers that are more than `cut` standard deviations away are drawn again
    TruncatedNormal {
        /// the standard deviation before the cut
        std: f64,
        /// the largest distance from 0, in standard deviations; PyTorch's is 2 if `std` is 1
        cut: f64,
    },
    /// rows of length `gain` at right angles (columns, if there are more rows than columns): vectors that go through
    /// keep their length. Axes after the first count as one. Saxe et al. 2013 (<https://arxiv.org/abs/1312.6120>)
    Orthogonal {
        /// the gain; 1 unless an activation needs another
        gain: f64,
    },
    /// normal, but a share of each column, drawn at random, is 0 (Martens 2010,
    /// <https://www.cs.toronto.edu/~jmartens/docs/Deep_HessianFree.pdf>). PyTorch's `sparse_`
    Sparse {
        /// the share of zeros, rounded up to a whole number of zeros in a column
        zeros: f64,
        /// the standard deviation of the other numbers; PyTorch's is 0.01
        std: f64,
    },
    /// uniform in ±1/√fan_in: PyTorch's default for its linear layers
    LinearDefault,
}

/// The number of connections that a weight's variance is divided by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fan {
    /// the connections into an output: variances stay the same in the forward pass
    #[default]
    In,
    /// the connections out of an input: variances of gradients stay the same in the backward pass
    Out,
}

impl Init {
    /// [`Init::KaimingUniform`] for relu.
    pub const HE_UNIFORM: Init = Init::KaimingUniform { gain: std::f64::consts::SQRT_2, fan: Fan::In };
    /// [`Init::KaimingNormal`] for relu.
    pub const HE_NORMAL: Init = Init::KaimingNormal { gain: std::f64::consts::SQRT_2, fan: Fan::In };
    /// Uniform in ±√(3 / fan_in): for selu, and for activations that are near the identity around 0 (LeCun et al.
    /// 1998).
    pub const LECUN_UNIFORM: Init = Init::KaimingUniform { gain: 1.0, fan: Fan::In };
    /// Normal with standard deviation 1 / √fan_in.
    pub const LECUN_NORMAL: Init = Init::KaimingNormal { gain: 1.0, fan: Fan::In };
    /// [`Init::XavierUniform`] with gain 1.
    pub const GLOROT_UNIFORM: Init = Init::XavierUniform { gain: 1.0 };
    /// [`Init::XavierNormal`] with gain 1.
    pub const GLOROT_NORMAL: Init = Init::XavierNormal { gain: 1.0 };

    /// Draws a parameter of the given shape from this distribution. The first axis is that of the outputs; axes after
    /// the second (a convolution's window) multiply the numbers of connections.
    ///
    /// ```
    /// use gradus_nn::{Init, rng};
    /// let w = Init::GLOROT_UNIFORM.param::<f32>(&[30, 20], &mut rng(1));
    /// let bound = (6f32 / 50.0).sqrt();
    /// assert!(w.data().iter().all(|w| w.abs() <= bound));
    /// ```
    pub fn param<T: Float>(&self, shape: &[usize], rng: &mut impl Rng) -> Param<T> {
        let fan_in = shape.iter().skip(1).product::<usize>().max(1);
        let window = shape.iter().skip(2).product::<usize>();
        self.param_with_fans(shape, fan_in, shape.first().map_or(1, |outputs| outputs * window), rng)
    }

    /// Draws a parameter whose fans do not follow from its shape, such as a bias.
    pub fn param_with_fans<T: Float>(
        &self,
        shape: &[usize],
        fan_in: usize,
        fan_out: usize,
        rng: &mut impl Rng,
    ) -> Param<T> {
        let (input, both) = (fan_in.max(1) as f64, (fan_in + fan_out).max(1) as f64);
        let count = |fan: Fan| match fan {
            Fan::In => input,
            Fan::Out => fan_out.max(1) as f64,
        };
        let mut uniform = |bound: f64| {
            let mut draw = || T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0));
            Param::with(shape, |numbers| numbers.iter_mut().for_each(|x| *x = draw()))
        };
        match *self {
            Init::Zeros => Param::zeros(shape),
            Init::Constant(c) => Param::with(shape, |numbers| numbers.fill(T::from_f64(c))),
            Init::Uniform { bound } => uniform(bound),
            Init::XavierUniform { gain } => uniform(gain * (6.0 / both).sqrt()),
            Init::KaimingUniform { gain, fan } => uniform(gain * (3.0 / count(fan)).sqrt()),
            Init::LinearDefault => uniform(1.0 / input.sqrt()),
            Init::Normal { std } => normal(shape, std, rng),
            Init::XavierNormal { gain } => normal(shape, gain * (2.0 / both).sqrt(), rng),
            Init::KaimingNormal { gain, fan } => normal(shape, gain / count(fan).sqrt(), rng),
            Init::TruncatedNormal { std, cut } => {
                assert!(cut > 0.0, "Init::TruncatedNormal: nothing lies within {cut} standard deviations");
                let mut draw = || loop {
                    let z: f64 = StandardNormal.sample(rng);
                    if z.abs() <= cut {
                        return T::from_f64(std * z);
                    }
                };
                Param::with(shape, |numbers| numbers.iter_mut().for_each(|x| *x = draw()))
            }
            Init::Orthogonal { gain } => orthogonal(shape, gain, rng),
            Init::Sparse { zeros, std } => sparse(shape, zeros, std, rng),
        }
    }
}

fn normal<T: Float>(shape: &[usize], std: f64, rng: &mut impl Rng) -> Param<T> {
    let mut draw = || {
        let z: f64 = StandardNormal.sample(rng);
        T::from_f64(std * z)
    };
    Param::with(shape, |numbers| numbers.iter_mut().for_each(|x| *x = draw()))
}

/// Draws rows (or columns, if they are fewer) at right angles by Gram and Schmidt's method on normal draws. The method
/// is applied twice, because one pass leaves rounding errors that grow with the number of rows.
fn orthogonal<T: Float>(shape: &[usize], gain: f64, rng: &mut impl Rng) -> Param<T> {
    let rows = shape.first().copied().unwrap_or(1);
    let columns: usize = shape.iter().skip(1).product();
    let (count, len) = (rows.min(columns), rows.max(columns));
    let mut basis: Vec<Vec<f64>> = Vec::with_capacity(count);
    for _ in 0..count {
        let mut v: Vec<f64> = (0..len).map(|_| StandardNormal.sample(rng)).collect();
        for _ in 0..2 {
            for b in &basis {
                let along: f64 = v.iter().zip(b).map(|(x, y)| x * y).sum();
                v.iter_mut().zip(b).for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        v.iter_mut().for_each(|x| *x /= length);
        basis.push(v);
    }
    let at = |i: usize, j: usize| if rows <= columns { basis[i][j] } else { basis[j][i] };
    Param::with(shape, |numbers| {
        numbers.iter_mut().enumerate().for_each(|(k, x)| *x = T::from_f64(gain * at(k / columns, k % columns)));
    })
}

fn sparse<T: Float>(shape: &[usize], zeros: f64, std: f64, rng: &mut impl Rng) -> Param<T> {
    assert!((0.0..=1.0).contains(&zeros), "Init::Sparse: a share of {zeros} zeros is not in 0..=1");
    let rows = shape.first().copied().unwrap_or(1);
    let columns: usize = shape.iter().skip(1).product();
    let mut param = normal(shape, std, rng);
    let mut order: Vec<usize> = (0..rows).collect();
    param.update(|numbers| {
        for j in 0..columns {
            order.shuffle(rng);
            for i in &order[..(zeros * rows as f64).ceil() as usize] {
                numbers[i * columns + j] = T::default();
            }
        }
    });
    param
}

/// The mean, standard deviation and extremes of numbers, for example of a parameter before or after training.
///
/// ```
/// use gradus_nn::{Init, Statistics, rng};
/// let w = Init::HE_NORMAL.param::<f32>(&[256, 128], &mut rng(0));
/// let statistics = Statistics::of(w.data());
/// assert!((statistics.std - (2.0f64 / 128.0).sqrt()).abs() < 1e-2);
/// println!("{statistics}"); // mean 0.000, std 0.125, from -0.5 to 0.5, or near
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// how many numbers there are
    pub count: usize,
    /// the mean
    pub mean: f64,
    /// the standard deviation, with divisor n
    pub std: f64,
    /// the least number
    pub min: f64,
    /// the largest number
    pub max: f64,
}

impl Statistics {
    /// The statistics of `numbers`; NaN if there are none.
    pub fn of<T: Float>(numbers: &[T]) -> Self {
        let n = numbers.len() as f64;
        let each = || numbers.iter().map(|x| x.to_f64());
        let mean = each().sum::<f64>() / n;
        Statistics {
            count: numbers.len(),
            mean,
            std: (each().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt(),
            min: each().fold(f64::NAN, f64::min),
            max: each().fold(f64::NAN, f64::max),
        }
    }
}

impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Statistics { mean, std, min, max, .. } = self;
        write!(f, "mean {mean:.3}, std {std:.3}, from {min:.3} to {max:.3}")
    }
}

#[cfg(test)]
mod tests;
