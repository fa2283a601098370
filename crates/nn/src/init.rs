//! What parameters start from.

use gradus_autograd::{Float, Param};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// A random generator with a seed: the same numbers on every machine.
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
    /// all the same
    Constant(f64),
    /// evenly in ±bound
    Uniform {
        /// half the width
        bound: f64,
    },
    /// normal around 0
    Normal {
        /// standard deviation
        std: f64,
    },
    /// evenly in ±√(6 / (fan_in + fan_out)) · gain: variances stay in both directions (Glorot, Bengio 2010,
    /// <https://proceedings.mlr.press/v9/glorot10a.html>)
    XavierUniform {
        /// 1 unless an activation wants another
        gain: f64,
    },
    /// normal with standard deviation √(2 / (fan_in + fan_out)) · gain
    XavierNormal {
        /// 1 unless an activation wants another
        gain: f64,
    },
    /// evenly in ±√(3 / fan_in) · gain: variances stay on the way forward (He et al. 2015,
    /// <https://arxiv.org/abs/1502.01852>)
    KaimingUniform {
        /// √2 for relu
        gain: f64,
    },
    /// normal with standard deviation gain / √fan_in
    KaimingNormal {
        /// √2 for relu
        gain: f64,
    },
    /// evenly in ±1/√fan_in: PyTorch's start for its linear layers
    LinearDefault,
}

impl Init {
    /// [`Init::KaimingUniform`] for relu.
    pub const HE_UNIFORM: Init = Init::KaimingUniform { gain: std::f64::consts::SQRT_2 };
    /// [`Init::KaimingNormal`] for relu.
    pub const HE_NORMAL: Init = Init::KaimingNormal { gain: std::f64::consts::SQRT_2 };
    /// [`Init::XavierUniform`] with gain 1.
    pub const GLOROT_UNIFORM: Init = Init::XavierUniform { gain: 1.0 };
    /// [`Init::XavierNormal`] with gain 1.
    pub const GLOROT_NORMAL: Init = Init::XavierNormal { gain: 1.0 };

    /// A parameter of the given shape, drawn from this distribution. The first axis counts outputs.
    ///
    /// ```
    /// use gradus_nn::{Init, rng};
    /// let w = Init::GLOROT_UNIFORM.param::<f32>(&[30, 20], &mut rng(1));
    /// let bound = (6f32 / 50.0).sqrt();
    /// assert!(w.data().iter().all(|w| w.abs() <= bound));
    /// ```
    pub fn param<T: Float>(&self, shape: &[usize], rng: &mut impl Rng) -> Param<T> {
        let fan_in = shape.iter().skip(1).product::<usize>().max(1);
        self.param_with_fans(shape, fan_in, shape.first().copied().unwrap_or(1), rng)
    }

    /// A parameter whose fans do not follow from its shape, such as a bias.
    pub fn param_with_fans<T: Float>(
        &self,
        shape: &[usize],
        fan_in: usize,
        fan_out: usize,
        rng: &mut impl Rng,
    ) -> Param<T> {
        let (input, both) = (fan_in.max(1) as f64, (fan_in + fan_out).max(1) as f64);
        let mut uniform = |bound: f64| {
            let mut draw = || T::from_f64(bound * (2.0 * rng.random::<f64>() - 1.0));
            Param::with(shape, |numbers| numbers.iter_mut().for_each(|x| *x = draw()))
        };
        match *self {
            Init::Zeros => Param::zeros(shape),
            Init::Constant(c) => Param::with(shape, |numbers| numbers.fill(T::from_f64(c))),
            Init::Uniform { bound } => uniform(bound),
            Init::XavierUniform { gain } => uniform(gain * (6.0 / both).sqrt()),
            Init::KaimingUniform { gain } => uniform(gain * (3.0 / input).sqrt()),
            Init::LinearDefault => uniform(1.0 / input.sqrt()),
            Init::Normal { std } => normal(shape, std, rng),
            Init::XavierNormal { gain } => normal(shape, gain * (2.0 / both).sqrt(), rng),
            Init::KaimingNormal { gain } => normal(shape, gain / input.sqrt(), rng),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_distribution_has_its_standard_deviation_and_bound() {
        let (outputs, inputs) = (300, 200);
        let table = [
            (Init::Uniform { bound: 0.3 }, 0.3 / 3f64.sqrt(), 0.3),
            (Init::Normal { std: 0.3 }, 0.3, f64::INFINITY),
            (Init::GLOROT_UNIFORM, (2.0f64 / 500.0).sqrt(), (6.0f64 / 500.0).sqrt()),
            (Init::GLOROT_NORMAL, (2.0f64 / 500.0).sqrt(), f64::INFINITY),
            (Init::HE_UNIFORM, (2.0f64 / 200.0).sqrt(), (6.0f64 / 200.0).sqrt()),
            (Init::HE_NORMAL, (2.0f64 / 200.0).sqrt(), f64::INFINITY),
            (Init::LinearDefault, (1.0f64 / 600.0).sqrt(), (1.0f64 / 200.0).sqrt()),
        ];
        for (init, std, bound) in table {
            let param = init.param::<f64>(&[outputs, inputs], &mut rng(3));
            let n = param.len() as f64;
            let mean = param.data().iter().sum::<f64>() / n;
            let got = (param.data().iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            assert!((got / std - 1.0).abs() < 0.01, "{init:?}: standard deviation {got}, stated {std}");
            assert!(mean.abs() < 4.0 * std / n.sqrt(), "{init:?}: mean {mean}");
            assert!(param.data().iter().all(|x| x.abs() <= bound), "{init:?} leaves its bound");
            assert_eq!(param.data(), init.param::<f64>(&[outputs, inputs], &mut rng(3)).data(), "{init:?} repeats");
            assert_ne!(
                param.data(),
                init.param::<f64>(&[outputs, inputs], &mut rng(4)).data(),
                "{init:?} heeds the seed"
            );
        }
    }
}
