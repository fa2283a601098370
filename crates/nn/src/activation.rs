//! Activations as layers, chosen at run time.

use std::fmt;
use std::str::FromStr;

use gradus_autograd::internal::debug_as_display;
use gradus_autograd::{Float, Var};
use serde::{Deserialize, Serialize};

use crate::Forward;
use crate::forward::without_parameters;

macro_rules! activations {
    ($($(#[$doc:meta])* $Variant:ident $name:literal |$x:ident| $value:expr;)*) => {
        /// An activation: a layer without parameters, and a setting that can be written as text (`"relu"`).
        ///
        /// The formulas are at the methods of the same name, such as [`Var::relu`]. Activations with a setting have
        /// PyTorch's default here; for another value use [`lambda`](crate::lambda): `lambda(|x| x.leaky_relu(0.2))`.
        ///
        /// ```
        /// use gradus_nn::Activation;
        /// let chosen: Activation = "tanh".parse().unwrap();
        /// assert_eq!(chosen, Activation::Tanh);
        /// assert!("thanh".parse::<Activation>().unwrap_err().to_string().contains("tanh"));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Activation {
            $($(#[$doc])* $Variant,)*
        }

        impl Activation {
            /// All activations.
            pub const ALL: &'static [Activation] = &[$(Activation::$Variant),*];

            /// Returns the name, as [`FromStr`] reads it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Activation::$Variant => $name,)*
                }
            }
        }

        impl<T: Float> Forward<T> for Activation {
            #[track_caller]
            fn forward<'t>(&self, x: Var<'t, T>) -> Var<'t, T> {
                match self {
                    $(Activation::$Variant => {
                        let $x = x;
                        $value
                    })*
                }
            }
        }
    };
}
activations! {
    /// `x`
    Identity "identity" |x| x;
    /// `max(x, 0)`
    Relu "relu" |x| x.relu();
    /// `x`, or `0.01 x` below 0
    LeakyRelu "leaky_relu" |x| x.leaky_relu(0.01);
    /// `x`, or `eˣ − 1` below 0
    Elu "elu" |x| x.elu(1.0);
    /// scaled `elu`
    Selu "selu" |x| x.selu();
    /// `x Φ(x)`
    Gelu "gelu" |x| x.gelu();
    /// `x σ(x)`
    Silu "silu" |x| x.silu();
    /// `ln(1 + eˣ)`
    Softplus "softplus" |x| x.softplus();
    /// `x / (1 + |x|)`
    Softsign "softsign" |x| x.softsign();
    /// `1 / (1 + e⁻ˣ)`
    Sigmoid "sigmoid" |x| x.sigmoid();
    /// hyperbolic tangent
    Tanh "tanh" |x| x.tanh();
}

without_parameters!(Activation);

impl Activation {
    /// Returns the gain: the factor by which the initial standard deviation of weights is multiplied so that variances
    /// stay the same through this activation. The gains are those of PyTorch's `calculate_gain`, and √2 for elu, gelu
    /// and silu, the smooth relatives of relu, for which PyTorch has none.
    ///
    /// ```
    /// use gradus_nn::{Activation, Init};
    /// let start = Init::XavierUniform { gain: Activation::Tanh.gain() };
    /// assert_eq!(start, Init::XavierUniform { gain: 5.0 / 3.0 });
    /// ```
    pub fn gain(self) -> f64 {
        match self {
            Activation::Tanh => 5.0 / 3.0,
            Activation::Relu | Activation::Elu | Activation::Gelu | Activation::Silu => std::f64::consts::SQRT_2,
            Activation::LeakyRelu => (2.0 / (1.0 + 0.01f64.powi(2))).sqrt(),
            Activation::Selu => 0.75,
            Activation::Identity | Activation::Sigmoid | Activation::Softplus | Activation::Softsign => 1.0,
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The error of a name that is not the name of an activation.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no activation `{0}`; there are {list}", list = names())]
pub struct UnknownActivation(String);
debug_as_display!(UnknownActivation);

fn names() -> String {
    Activation::ALL.iter().map(|a| a.name()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Activation {
    type Err = UnknownActivation;
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|a| a.name() == name).ok_or_else(|| UnknownActivation(name.into()))
    }
}
