//! The update formulas, and what they have in common: what a rule is handed, and what it remembers of each parameter.

use std::fmt::Debug;
use std::ops::RangeBounds;

use gradus_autograd::Float;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// An update formula with its settings.
///
/// It is written once for both number types; the two methods compile it for each. A rule of your own needs serde's
/// derives (`serde = { version = "1", features = ["derive"] }`), because settings can be saved. Steps by the sign of a
/// momentum:
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
    /// What messages and saved states call it.
    const NAME: &'static str;
    /// What it remembers of a parameter of this shape, with its settings. All numbers are 0 before the first step.
    fn states(&self, shape: &[usize]) -> States;
    /// Which setting is out of its range, if one is. Settings that come as a whole pass through it, in
    /// [`Optimizer::with_rule`](crate::Optimizer::with_rule) and [`Group::rule`].
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
    /// One step of one parameter.
    fn update_f32(&self, update: Update<'_, '_, f32>);
    /// One step of one parameter.
    fn update_f64(&self, update: Update<'_, '_, f64>);
}

/// What a [`Rule`] remembers of a parameter, and how it wants to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum States {
    /// So many numbers for each number of the parameter. What becomes of a number does not depend on the others, so a
    /// large parameter is updated in pieces, side by side, and the rule sees a piece.
    Each(usize),
    /// Parts of these lengths. The rule sees the whole parameter.
    Whole(Vec<usize>),
}

impl States {
    /// How many numbers a parameter of `len` numbers has remembered.
    pub(crate) fn total(&self, len: usize) -> usize {
        match self {
            States::Each(count) => count * len,
            States::Whole(parts) => parts.iter().sum(),
        }
    }
}

/// One step of one parameter, or of a piece of it, as a [`Rule`] sees it.
#[derive(Debug)]
pub struct Update<'a, 'b, T> {
    /// the parameter, to be changed
    pub theta: &'a mut [T],
    /// its gradient, of the same length
    pub grad: &'a [T],
    /// what the gradient is to be multiplied by first (clipping)
    pub scale: T,
    /// what [`Rule::states`] asked for: slices as long as `theta`, or the parts
    pub state: &'a mut [&'b mut [T]],
    /// the shape of the whole parameter
    pub shape: &'a [usize],
    /// the learning rate of this step
    pub lr: f64,
    /// 1 for the first step of this parameter
    pub step: u64,
}

/// The number, or 0 if it is nearer to 0 than 10⁻³⁰ (10⁻²⁹⁰ in `f64`). States pass through it: momenta of dead units
/// would otherwise shrink into denormal numbers, on which processors are a hundred times slower, and stay there.
#[inline(always)]
pub fn flush<T: Float>(x: T) -> T {
    let least = T::from_f64(if size_of::<T>() == 4 { 1e-30 } else { 1e-290 });
    if x.abs() < least { T::default() } else { x }
}

/// Settings of a group of parameters: a learning rate and a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group<R> {
    pub(crate) lr: f64,
    pub(crate) rule: R,
    pub(crate) frozen: bool,
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

    /// Leaves the parameters as they are, and their gradients out of norms.
    ///
    /// Their gradients are still computed; [`Module::set_frozen`](gradus_autograd::Module::set_frozen) saves that too.
    pub fn frozen(mut self, frozen: bool) -> Self {
        self.frozen = frozen;
        self
    }
}

/// A setting of one number or several.
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

/// Says so if a setting is out of its range.
pub(crate) fn within(name: &str, value: &impl Setting, range: impl RangeBounds<f64> + Debug) -> Result<(), String> {
    match value.within(&range) {
        true => Ok(()),
        false => Err(format!("{name}: {value:?} is out of range; it must be in {range:?}")),
    }
}

/// Refuses a setting out of its range, at the line that made it.
#[track_caller]
pub(crate) fn check(name: &str, value: &impl Setting, range: impl RangeBounds<f64> + Debug) {
    within(name, value, range).unwrap_or_else(|problem| panic!("{problem}"));
}

/// The range of learning rates, and of whatever else is at least 0.
pub(crate) const NON_NEGATIVE: std::ops::Range<f64> = 0.0..f64::INFINITY;

/// Declares a rule: its settings, each with its text, its default and its range, in one place.
///
/// It makes the struct, `Default`, [`Rule::check`], and a method for each setting on optimizers and on groups. In
/// parentheses stand the rule's name and how many numbers it remembers for each number of the parameter: the struct
/// then has a method `update` that is generic over the number type, which is compiled for each instruction set. A rule
/// without parentheses implements [`Rule`] itself.
macro_rules! rule {
    (
        $(#[$doc:meta])*
        pub struct $Rule:ident $(<const $flag:ident: bool>)? $(($name:expr, |$rule:ident| $states:expr))? {
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
            /// Which setting is out of its range, if one is.
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
            /// With the given learning rate and the defaults of the other settings.
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

        $crate::rule::rule!(@each [$Rule $(<$flag>)?] [$(const $flag: bool)?] $($name, |$rule| $states)?);
    };

    (@each [$($Rule:tt)*] [$($generics:tt)*]) => {};
    (@each [$($Rule:tt)*] [$($generics:tt)*] $name:expr, |$rule:ident| $states:expr) => {
        impl<$($generics)*> $crate::Rule for $($Rule)* {
            const NAME: &'static str = $name;

            fn states(&self, _shape: &[usize]) -> $crate::States {
                let $rule = self;
                $crate::States::Each($states)
            }
            fn check(&self) -> Result<(), String> {
                self.out_of_range()
            }
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
