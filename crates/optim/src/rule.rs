//! What the update formulas have in common: the input that a rule gets, and the state that it keeps for each parameter.

use std::fmt::Debug;
use std::ops::RangeBounds;

use gradus_autograd::Float;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An update formula with its settings.
///
/// The formula is written once for both number types; the methods `update_f32` and `update_f64` compile it for each
/// type. A rule of your own needs serde's derives (`serde = { version = "1", features = ["derive"] }`), because
/// settings can be saved. For example, this rule steps by the sign of a momentum:
///
/// ```
/// use gradus_autograd::Float;
/// use gradus_optim::rule::flush;
/// use gradus_optim::{Optimizer, Rule, States, Update, cosine, functions, minimize};
///
/// #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
/// struct SignMomentum {
///     momentum: f64,
/// }
///
/// impl SignMomentum {
///     fn update<T: Float>(&self, u: Update<'_, '_, T>) {
///         let [lr, mu] = [u.lr, self.momentum].map(T::from_f64);
///         for ((theta, &g), m) in u.theta.iter_mut().zip(u.grad).zip(u.state[0].iter_mut()) {
///             *m = flush(mu * *m + g * u.scale);
///             *theta -= lr * T::from_f64(m.to_f64().signum());
///         }
///     }
/// }
///
/// impl Rule for SignMomentum {
///     const NAME: &'static str = "sign momentum";
///     fn states(&self, _shape: &[usize]) -> States {
///         States::Each(1)
///     }
///     fn update_f32(&self, u: Update<'_, '_, f32>) {
///         self.update(u);
///     }
///     fn update_f64(&self, u: Update<'_, '_, f64>) {
///         self.update(u);
///     }
/// }
///
/// let opt = Optimizer::with_rule(0.1, SignMomentum { momentum: 0.9 }).schedule(cosine(300)).clip_norm(1.0);
/// let found = minimize(functions::ravine, ndarray::array![1.0, 3.0], opt, 300);
/// assert!(found.cost() < 1e-3);
/// ```
pub trait Rule: Clone + Debug + PartialEq + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The name of the rule in messages and saved states.
    const NAME: &'static str;
    /// Returns the size of the state that the rule, with its settings, keeps for a parameter of this shape. All numbers
    /// of the state are 0 before the first step.
    fn states(&self, shape: &[usize]) -> States;
    /// Returns an error that names a setting out of its range, if there is one.
    /// [`Optimizer::with_rule`](crate::Optimizer::with_rule) and [`Group::rule`], which take all settings at once, call
    /// this method.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
    /// Returns what a step does to an element whose gradient is 0. The default, that it moves, is right for every rule.
    fn at_rest(&self) -> AtRest {
        AtRest::Moves
    }
    /// Makes one step of one parameter in `f32`.
    fn update_f32(&self, update: Update<'_, '_, f32>);
    /// Makes one step of one parameter in `f64`.
    fn update_f64(&self, update: Update<'_, '_, f64>);
}

/// The state that a [`Rule`] keeps for a parameter, and whether the rule sees the parameter whole or in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum States {
    /// This many numbers for each element of the parameter. The elements are updated independently of each other, so a
    /// large parameter is updated in pieces on several threads, and the rule sees one piece at a time.
    Each(usize),
    /// Parts of these lengths for the whole parameter. The rule sees the whole parameter at once.
    Whole(Vec<usize>),
}

/// What a step of a [`Rule`] does to an element whose gradient is 0. Few rows of a table of embeddings have another
/// gradient, and an [`Optimizer`](crate::Optimizer) passes over the others where this says that it may. It counts for
/// elements that are finite: a step of all rows may turn an infinite one into NaN. It has no effect for
/// [`States::Whole`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtRest {
    /// It changes neither the element nor its state: plain descent, Adagrad.
    Stays,
    /// It changes neither as long as the state is 0, as it is before the first other gradient: momentum, RMSprop, Adam.
    StaysWhileZero,
    /// It changes one of them: weight decay.
    Moves,
}

impl AtRest {
    /// For a rule whose elements, without weight decay, are as `self` says.
    pub(crate) fn unless_decayed(self, weight_decay: f64) -> Self {
        if weight_decay == 0.0 { self } else { AtRest::Moves }
    }
}

impl States {
    /// Returns how many numbers are kept for a parameter of `len` elements.
    pub(crate) fn total(&self, len: usize) -> usize {
        match self {
            States::Each(count) => count * len,
            States::Whole(parts) => parts.iter().sum(),
        }
    }
}

/// The input of one step of one parameter, or of a piece of it, as a [`Rule`] gets it.
#[derive(Debug)]
pub struct Update<'a, 'b, T> {
    /// the parameter, to be changed
    pub theta: &'a mut [T],
    /// the gradient of the parameter, of the same length
    pub grad: &'a [T],
    /// the factor that the gradient must be multiplied by first (for clipping)
    pub scale: T,
    /// the state that [`Rule::states`] asked for: slices as long as `theta`, or the parts
    pub state: &'a mut [&'b mut [T]],
    /// the shape of the whole parameter
    pub shape: &'a [usize],
    /// the learning rate of this step
    pub lr: f64,
    /// the number of this parameter's step, counted from 1
    pub step: u64,
}

/// Returns the number, or 0 if its absolute value is less than 10⁻³⁰ (10⁻²⁹⁰ in `f64`). Rules pass their states through
/// this function. Otherwise the momenta of dead units would shrink into denormal numbers, on which processors are a
/// hundred times slower, and stay there.
#[inline(always)]
pub fn flush<T: Float>(x: T) -> T {
    let least = T::from_f64(if size_of::<T>() == 4 { 1e-30 } else { 1e-290 });
    if x.abs() < least { T::default() } else { x }
}

/// The settings of a group of parameters: a learning rate and a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group<R> {
    pub(crate) lr: f64,
    pub(crate) rule: R,
    pub(crate) frozen: bool,
}

/// What a parameter gets from an optimizer: see [`Optimizer::settings_of`](crate::Optimizer::settings_of).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings<'a, R> {
    /// the learning rate of the next step
    pub lr: f64,
    /// the rule with its settings: decay, momentum, and so on
    pub rule: &'a R,
    /// whether steps leave the parameter as it is
    pub frozen: bool,
}

impl<R> Group<R> {
    /// Sets the learning rate.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn lr(mut self, lr: f64) -> Self {
        check("lr", &lr, NON_NEGATIVE);
        self.lr = lr;
        self
    }

    /// Sets the rule with all its settings.
    ///
    /// # Panics
    /// If a setting is out of its range.
    #[track_caller]
    pub fn rule(mut self, rule: R) -> Self
    where
        R: Rule,
    {
        rule.check().unwrap_or_else(|problem| panic!("{problem}"));
        self.rule = rule;
        self
    }

    /// Sets whether the parameters are frozen: steps do not change them, and norms do not count their gradients.
    ///
    /// Their gradients are still computed; [`Module::set_frozen`](gradus_autograd::Module::set_frozen) saves this work
    /// too.
    pub fn frozen(mut self, frozen: bool) -> Self {
        self.frozen = frozen;
        self
    }
}

/// A setting that is one number or several.
pub(crate) trait Setting: Debug {
    fn within(&self, range: &impl RangeBounds<f64>) -> bool;
}

impl Setting for f64 {
    fn within(&self, range: &impl RangeBounds<f64>) -> bool {
        range.contains(self) && self.is_finite()
    }
}

impl Setting for (f64, f64) {
    fn within(&self, range: &impl RangeBounds<f64>) -> bool {
        self.0.within(range) && self.1.within(range)
    }
}

/// Returns an error if a setting is out of its range.
pub(crate) fn within(name: &str, value: &impl Setting, range: impl RangeBounds<f64> + Debug) -> Result<(), String> {
    match value.within(&range) {
        true => Ok(()),
        false => Err(format!("{name}: {value:?} is out of range; it must be in {range:?}")),
    }
}

/// Panics if a setting is out of its range, at the line that made the setting.
#[track_caller]
pub(crate) fn check(name: &str, value: &impl Setting, range: impl RangeBounds<f64> + Debug) {
    within(name, value, range).unwrap_or_else(|problem| panic!("{problem}"));
}

/// The range of learning rates, and of other settings that must be at least 0.
pub(crate) const NON_NEGATIVE: std::ops::Range<f64> = 0.0..f64::INFINITY;

/// Declares a rule: its settings, each with its documentation, its default and its range, in one place.
///
/// The macro makes the struct, `Default`, a check of the ranges, and a method for each setting on optimizers and on
/// groups. The parentheses hold the rule's name, and how many numbers it keeps for each element of the parameter. With
/// them, the macro also implements [`Rule`]: it calls the struct's method `update`, which is generic over the number
/// type, and compiles it for each instruction set. What [`Rule::at_rest`] returns may follow after `at_rest:`. A rule
/// without parentheses implements [`Rule`] itself.
macro_rules! rule {
    (
        $(#[$doc:meta])*
        pub struct $Rule:ident $(<const $flag:ident: bool>)? $((
            $name:expr, |$rule:ident| $states:expr $(, at_rest: $at_rest:expr)?
        ))? {
            $($(#[$text:meta])* $setting:ident: $type:ty = $default:expr $(, in $range:expr)?;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $Rule $(<const $flag: bool>)? {
            $($(#[$text])*
            pub $setting: $type,)*
        }

        impl $(<const $flag: bool>)? Default for $Rule $(<$flag>)? {
            fn default() -> Self {
                $Rule { $($setting: $default),* }
            }
        }

        impl $(<const $flag: bool>)? $Rule $(<$flag>)? {
            /// Returns an error that names a setting out of its range, if there is one.
            fn out_of_range(&self) -> Result<(), String> {
                $($($crate::rule::within(stringify!($setting), &self.$setting, $range)?;)?)*
                Ok(())
            }
        }

        impl $(<const $flag: bool>)? $crate::Group<$Rule $(<$flag>)?> {
            $($(#[$text])*
            #[doc = concat!("\n\nThe default is `", stringify!($default), "`.")]
            $(#[doc = concat!("\n\n# Panics\nIf it is not in `", stringify!($range), "`.")])?
            #[track_caller]
            pub fn $setting(mut self, $setting: $type) -> Self {
                $($crate::rule::check(stringify!($setting), &$setting, $range);)?
                self.rule.$setting = $setting;
                self
            })*
        }

        impl<T: gradus_autograd::Float $(, const $flag: bool)?> $crate::Optimizer<$Rule $(<$flag>)?, T> {
            /// An optimizer with the given learning rate, and the defaults of the other settings.
            ///
            /// # Panics
            /// If the learning rate is negative or not finite.
            #[track_caller]
            pub fn new(lr: f64) -> Self {
                Self::with_rule(lr, $Rule::default())
            }
            $($(#[$text])*
            #[doc = concat!("\n\nThe default is `", stringify!($default), "`.")]
            $(#[doc = concat!("\n\n# Panics\nIf it is not in `", stringify!($range), "`.")])?
            #[track_caller]
            pub fn $setting(self, $setting: $type) -> Self {
                $($crate::rule::check(stringify!($setting), &$setting, $range);)?
                self.configure(|group| group.$setting($setting))
            })*
        }

        $crate::rule::rule!(
            @each [$Rule $(<$flag>)?] [$(const $flag: bool)?]
            $($name, |$rule| $states $(, $at_rest)?)?
        );
    };

    (@each [$($Rule:tt)*] [$($generics:tt)*]) => {};
    (
        @each [$($Rule:tt)*] [$($generics:tt)*]
        $name:expr, |$rule:ident| $states:expr $(, $at_rest:expr)?
    ) => {
        impl<$($generics)*> $crate::Rule for $($Rule)* {
            const NAME: &'static str = $name;

            #[allow(unused_variables)]
            fn states(&self, _shape: &[usize]) -> $crate::States {
                let $rule = self;
                $crate::States::Each($states)
            }
            fn check(&self) -> Result<(), String> {
                self.out_of_range()
            }
            $(fn at_rest(&self) -> $crate::AtRest {
                let $rule = self;
                $at_rest
            })?
            fn update_f32(&self, u: $crate::Update<'_, '_, f32>) {
                gradus_autograd::internal::vectorize(
                    #[inline(always)]
                    || self.update(u),
                );
            }
            fn update_f64(&self, u: $crate::Update<'_, '_, f64>) {
                gradus_autograd::internal::vectorize(
                    #[inline(always)]
                    || self.update(u),
                );
            }
        }
    };
}
pub(crate) use rule;
