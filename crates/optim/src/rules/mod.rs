//! The rules that optimizers follow. Each has a file of its own with formula, reference, settings and loop. A new rule
//! is named here twice: as a module, and in the list of optimizers.

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
    /// Steps that are measured in units of earlier steps.
    adadelta::Adadelta;
    /// [`Adam`]'s scaling, with a row and a column of state in place of a matrix.
    adafactor::Adafactor;
    /// Steps scaled by all gradients so far.
    adagrad::Adagrad;
    /// Steps scaled by running moments of the gradient.
    adam::Adam;
    /// [`Adam`] with weight decay apart from the gradient.
    adam::AdamW;
    /// [`Adam`] with the largest gradient in place of the root mean square.
    adamax::Adamax;
    /// Descent whose iterates are averaged.
    asgd::Asgd;
    /// Steps by the sign of the momentum.
    lion::Lion;
    /// Steps of equal length along all directions of a matrix.
    muon::Muon;
    /// [`Adam`] that looks ahead along its momentum.
    nadam::NAdam;
    /// [`Adam`] that warms itself up.
    radam::RAdam;
    /// Steps scaled by the recent gradients.
    rmsprop::RmsProp;
    /// Steps by the sign of the gradient, with a step size of its own for each number.
    rprop::Rprop;
    /// Gradient descent, with momentum and Nesterov's variant. Whether it is batch, stochastic or mini-batch descent
    /// depends on the rows that the gradient is computed for.
    sgd::Sgd;
}
