//! The rules that optimizers follow, one file each, with formula, reference, settings and loop. A new one is named here
//! twice: as a file, and in the list of optimizers.

mod adadelta;
mod adafactor;
mod adagrad;
mod adam;
mod adamax;
mod asgd;
mod lion;
mod muon;
mod nadam;
mod radam;
mod rmsprop;
mod rprop;
mod sgd;

pub use adam::AdamRule;

macro_rules! optimizers {
    ($($(#[$doc:meta])* $file:ident::$Rule:ident;)*) => {
        $(pub use $file::$Rule;)*

        /// The optimizers, by the names of their rules.
        pub(crate) mod optimizers {
            $($(#[$doc])*
            #[doc = concat!(
                "\n\nFormula and settings: [`rules::", stringify!($Rule), "`](crate::rules::", stringify!($Rule), ")."
            )]
            pub type $Rule<T = f32> = crate::Optimizer<super::$Rule, T>;)*
        }
    };
}
optimizers! {
    /// Steps measured in earlier steps.
    adadelta::Adadelta;
    /// [`Adam`]'s scaling with a row and a column in place of a matrix of state.
    adafactor::Adafactor;
    /// Steps scaled by all gradients so far.
    adagrad::Adagrad;
    /// Steps scaled by running moments of the gradient.
    adam::Adam;
    /// [`Adam`] with weight decay apart from the gradient.
    adam::AdamW;
    /// [`Adam`] with the largest gradient.
    adamax::Adamax;
    /// Descent whose iterates are averaged.
    asgd::Asgd;
    /// Steps by the sign of the momentum.
    lion::Lion;
    /// Steps of equal length along all directions of a matrix.
    muon::Muon;
    /// [`Adam`] that looks ahead.
    nadam::NAdam;
    /// [`Adam`] that warms itself up.
    radam::RAdam;
    /// Steps scaled by the gradients of late.
    rmsprop::RmsProp;
    /// Steps by the sign of the gradient, of sizes of their own.
    rprop::Rprop;
    /// Gradient descent: batch, stochastic or mini-batch is a matter of what the gradient is taken of. With momentum
    /// and Nesterov's variant.
    sgd::Sgd;
}
