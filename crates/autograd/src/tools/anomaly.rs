//! Context for error messages: the name of the layer, and the operation that produced the first NaN or infinity.

use std::collections::HashMap;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};

use crate::engine::tape::Detect;
use crate::engine::value::Value;
use crate::model::module::{Leaf, Module, Visitor};
use crate::shape::index_of;
use crate::view::View;
use crate::{Float, Tape, Var};

/// The payload of a panic that unwinds to [`Tape::find_anomaly`].
struct Anomaly(String);

/// The number of models whose names a tape knows.
const MODELS: usize = 16;

impl<T: Float> Tape<T> {
    /// Makes the tape panic at the first number that is not finite, in a leaf, in the result of an operation, or in a
    /// gradient on the way back. The message names the operation, the line of the program and the operands and, for a
    /// model that was [named](Self::name_parameters), the layer.
    ///
    /// The check reads every number once more, so turn it on to look for a mistake, not in every run. Masks that are
    /// infinite on purpose cause a panic too; use 10³⁰ in them instead. Leaves without axes, which literals become, are
    /// not checked.
    ///
    /// # Panics
    /// This call does not panic. From then on, an operation or a `backward` that meets a number that is not finite
    /// does, at its line.
    ///
    /// ```should_panic
    /// let tape = gradus_autograd::Tape::new();
    /// tape.detect_anomaly();
    /// let x = tape.var([1.0, 0.0]);
    /// x.ln(); // anomaly: ln made −∞ …
    /// ```
    pub fn detect_anomaly(&self) {
        self.set_detects(Detect::Panic);
    }

    /// Records a cost, sweeps back, and returns the message with which [`detect_anomaly`](Self::detect_anomaly) would
    /// panic, and the line; `None` if every number is finite, or the program was built to abort on panics. The tape is
    /// empty afterwards. A tape that is already empty at the call keeps its random stream, so that a step can be
    /// examined again.
    ///
    /// ```
    /// let found = gradus_autograd::Tape::new().find_anomaly(|t| (t.var([1.0, 0.0]).ln()).sum()).unwrap();
    /// assert!(found.starts_with("ln made -inf at [1] of [2]; operand 0 is [2] from 0 to 1"), "{found}");
    /// assert_eq!(gradus_autograd::Tape::new().find_anomaly(|t| t.var([1.0, 2.0]).ln().sum()), None);
    /// ```
    /// # Panics
    /// If the cost is not a single number.
    #[track_caller]
    pub fn find_anomaly(&mut self, cost: impl for<'t> FnOnce(&'t Tape<T>) -> Var<'t, T>) -> Option<String> {
        if cfg!(panic = "abort") {
            return None; // nothing can be unwound to
        }
        if !self.is_empty() {
            self.clear(); // an empty tape is not cleared, so that it keeps its random stream
        }
        let before = self.detects();
        self.set_detects(Detect::Report);
        let result = catch_unwind(AssertUnwindSafe(|| drop(cost(self).backward())));
        self.set_detects(before);
        self.clear();
        match result {
            Ok(()) => None,
            Err(payload) => match payload.downcast::<Anomaly>() {
                Ok(anomaly) => Some(anomaly.0),
                Err(other) => resume_unwind(other),
            },
        }
    }

    /// Panics because of a number that is not finite.
    #[cold]
    #[track_caller]
    fn anomaly(&self, explanation: String) -> ! {
        if self.detects() == Detect::Report {
            // this does not call the panic hook, which would print a message: this panic is caught
            resume_unwind(Box::new(Anomaly(format!("{explanation} ({})", Location::caller()))))
        }
        panic!("anomaly: {explanation}")
    }

    /// Tells the tape the paths of a model's parameters, which it then uses in messages. One call is enough: the paths
    /// stay when the tape is cleared. A tape knows the paths of the last 16 models.
    ///
    /// ```
    /// use gradus_autograd::{Param, Tape};
    /// let (tape, model) = (Tape::new(), vec![Param::new([1.0, 2.0]), Param::new([3.0])]);
    /// tape.name_parameters(&model);
    /// ```
    pub fn name_parameters<M: Module<T> + ?Sized>(&self, model: &M) {
        let mut names = HashMap::new();
        model.visit(&mut Visitor::new(&mut |path, leaf| {
            let id = match leaf {
                Leaf::Param(param) => param.id(),
                Leaf::Buffer(buffer) => buffer.id(),
            };
            names.insert(id, path.to_string());
        }));
        if names.is_empty() {
            return;
        }
        let mut models = self.names().borrow_mut();
        models.retain(|known| !known.keys().all(|id| names.contains_key(id))); // the same model, or a part of this one
        if models.len() == MODELS {
            models.remove(0);
        }
        models.push(names);
    }

    /// The name of a node, or the path of the parameter whose value it is.
    pub(crate) fn name_of(&self, node: u32) -> Option<String> {
        if let Some(name) = self.named().borrow().get(&node) {
            return Some(name.clone());
        }
        let param = self.param_at(node)?;
        self.names().borrow().iter().rev().find_map(|names| names.get(&param).cloned())
    }

    /// ` (layer `path`)`, if one of the inputs is a parameter with a name.
    pub(crate) fn layer_of(&self, inputs: &[Var<'_, T>]) -> String {
        let path = inputs.iter().find_map(|v| self.name_of(v.index()));
        let layer = path.as_ref().and_then(|path| path.rsplit_once('.'));
        layer.map_or(String::new(), |(layer, _)| format!(" (layer `{layer}`)"))
    }

    /// Panics if an operation made a number that is not finite.
    #[cold]
    #[track_caller]
    pub(crate) fn check_finite(&self, name: &str, inputs: Option<&[u32]>, value: &[T], shape: &[usize]) {
        let value = View::new(value, shape);
        let Some(found) = not_finite(value) else { return };
        let mut message = format!("{name} made {found}");
        for (i, &input) in inputs.unwrap_or_default().iter().enumerate() {
            let _ = write!(message, "; operand {i} is {}", self.described(input));
        }
        self.anomaly(message)
    }

    /// Panics if the gradient of an operation's input is not finite.
    #[cold]
    #[track_caller]
    pub(crate) fn check_gradient(&self, node: u32, input: u32, arrived: &str, gradient: &Value<'_, T>) {
        let gradient = gradient.clone().dense();
        let Some(found) = not_finite(gradient.view()) else { return };
        let node = self.nodes().node(node);
        let name = self.operation(&node).map_or("a leaf", |operation| operation.title());
        self.anomaly(format!(
            "on the way back, the gradient of the operand of {name} ({}) became {found}; the operand is {}; the \
             gradient that arrived was {arrived}",
            node.location,
            self.described(input)
        ))
    }

    /// The range of a gradient in words.
    #[cold]
    pub(crate) fn range_of(&self, gradient: &Value<'_, T>) -> String {
        range(gradient.clone().dense().view())
    }

    /// A description of a node: its name, shape, range and line.
    fn described(&self, node: u32) -> String {
        let name = self.name_of(node).map(|name| format!("`{name}`, ")).unwrap_or_default();
        let node = self.nodes().node(node);
        format!("{name}{:?} {} ({})", node.value.shape(), range(node.value), node.location)
    }
}

/// A description of the first number that is not finite, with its index.
fn not_finite<T: Float>(value: View<'_, T>) -> Option<String> {
    let (place, number) = value.data().iter().enumerate().find(|(_, x)| !x.to_f64().is_finite())?;
    let mut index = vec![0; value.shape().len()];
    index_of(place, value.shape()).for_each(|(axis, i)| index[axis] = i);
    Some(format!("{} at {index:?} of {:?}", number.to_f64(), value.shape()))
}

/// The range as `from a to b`, and how many numbers are NaN.
fn range<T: Float>(value: View<'_, T>) -> String {
    let (mut low, mut high, mut nan) = (f64::INFINITY, f64::NEG_INFINITY, 0);
    for x in value.data().iter().map(|x| x.to_f64()) {
        nan += usize::from(x.is_nan());
        (low, high) = (low.min(x), high.max(x));
    }
    match (value.data().len() - nan, nan) {
        (0, 0) => "of nothing".into(),
        (0, nan) => format!("of {nan} NaN"),
        (_, 0) => format!("from {low} to {high}"),
        (_, nan) => format!("from {low} to {high} and {nan} NaN"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::{Param, Tape, Var};

    fn message(f: impl FnOnce()) -> String {
        *catch_unwind(AssertUnwindSafe(f)).expect_err("a panic").downcast::<String>().expect("a text")
    }

    fn without_places(message: &str) -> String {
        let mut text = message.to_owned();
        while let Some(start) = text.find(" (crates").or(text.find(" (src")) {
            let end = text[start..].find(')').map_or(text.len(), |e| start + e + 1);
            text.replace_range(start..end, "");
        }
        text
    }

    #[test]
    fn the_first_number_that_is_not_finite_is_explained() {
        let tape = Tape::new();
        tape.detect_anomaly();
        let x = tape.var(ndarray::array![[1.0, 2.0], [0.0, 3.0]]);
        let forward = message(|| drop(x.ln().sum().backward()));
        assert_eq!(
            without_places(&forward),
            "anomaly: ln made -inf at [1, 0] of [2, 2]; operand 0 is [2, 2] from 0 to 3"
        );
        let leaf = message(|| drop(tape.constant([0.0, f32::NAN]).sum().item().to_string()));
        assert_eq!(leaf, "anomaly: a leaf made NaN at [1] of [2]");
        assert_eq!(tape.var([1.0, 2.0]).norm(-1.0).item(), 1.0 / 1.5); // an infinite constant stands inside
        let back = message(|| drop(x.sqrt().sum().backward()));
        assert_eq!(
            without_places(&back),
            "anomaly: on the way back, the gradient of the operand of sqrt became inf at [1, 0] of [2, 2]; the operand \
             is \
             [2, 2] from 0 to 3; the gradient that arrived was from 1 to 1"
        );
    }

    #[test]
    fn parameters_with_names_are_called_by_them() {
        let model = vec![vec![Param::new(ndarray::array![[1.0, 2.0]]), Param::new([0.0, 0.0])]];
        let tape = Tape::new();
        tape.name_parameters(&model);
        let x = tape.var([1.0, 2.0, 3.0]);
        let shapes = message(|| drop(Var::shape(x.linear(&model[0][0], &model[0][1])).to_vec()));
        assert!(shapes.ends_with("(layer `0`)"), "{shapes}");
        tape.detect_anomaly();
        let ln = message(|| drop(tape.param(&model[0][1]).ln().item().to_string()));
        assert!(ln.contains("operand 0 is `0.1`, [2] from 0 to 0"), "{ln}");
    }
}
