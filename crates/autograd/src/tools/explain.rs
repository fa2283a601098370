//! A tape, made visible: what each step computed, and how the gradient came back to it.

use std::cell::RefCell;
use std::fmt::{self, Display, Write};

use ndarray::{ArrayD, IxDyn};
use serde::{Deserialize, Serialize};

use crate::array::IntoArray;
use crate::engine::operation::Vjp;
use crate::engine::tensor::{Sweep, Tensor};
use crate::engine::value::{Value, ValueContext};
use crate::memory::Pool;
use crate::view::View;
use crate::{Float, Tape, Var};

/// The result of [`explain`]: the steps that a cost depends on, in the order in which they ran.
///
/// Printed, it is a table. [`graphviz`](Trace::graphviz) and [`mermaid`](Trace::mermaid) draw it as a graph. It
/// serialises (with `serde_json`, say) as `{"cost": …, "steps": [{"step", "operation", "name", "inputs": [{"step",
/// "derivative", "contribution"}], "value", "gradient", "line"}]}`, numbers as `{"shape", "mean", "min", "max",
/// "data"}`; missing values are `null`, and numbers that are not finite are `"NaN"`, `"inf"`, `"-inf"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// the step whose gradients these are
    pub cost: u32,
    /// the steps that the cost depends on, the cost itself included
    pub steps: Vec<Step>,
}

/// One step of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// its place on the tape
    pub step: u32,
    /// the operation; `leaf` for a leaf that is differentiated, `constant` for a value that is not differentiated
    pub operation: String,
    /// the path of a parameter, if the tape was told (see [`Tape::name_parameters`](crate::Tape::name_parameters))
    pub name: Option<String>,
    /// the operands
    pub inputs: Vec<Input>,
    /// the result
    pub value: Numbers,
    /// the gradient of the cost by the result: the sum of the contributions of all steps that use it
    pub gradient: Option<Numbers>,
    /// the line of the program that made it, as `file:line`
    pub line: String,
}

/// An operand of a [`Step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// the step that made it
    pub step: u32,
    /// the local derivative: how each number of the output (the leading axes) moves with each number of the input (the
    /// axes after them); only for small arrays
    pub derivative: Option<Numbers>,
    /// the local derivative times the gradient that arrives: the part that this step adds to the operand's gradient
    pub contribution: Option<Numbers>,
}

/// An array: written out if it is small, else in summary.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Told", into = "Told")]
pub struct Numbers {
    /// the sizes of the axes
    pub shape: Vec<usize>,
    /// the mean; `null` if there are no numbers
    pub mean: Option<f64>,
    /// the smallest number
    pub min: Option<f64>,
    /// the largest number
    pub max: Option<f64>,
    /// all numbers, row by row, if the array is small
    pub data: Option<Vec<f64>>,
}

/// The form in which [`Numbers`] are serialised.
#[derive(Serialize, Deserialize)]
struct Told {
    shape: Vec<usize>,
    mean: Option<Number>,
    min: Option<Number>,
    max: Option<Number>,
    data: Option<Vec<Number>>,
}

/// A number for JSON, which has no NaN and no infinity: they are texts.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Text(String),
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        if x.is_finite() { Number::Finite(x) } else { Number::Text(x.to_string()) }
    }
}

impl From<Number> for f64 {
    fn from(x: Number) -> f64 {
        match x {
            Number::Finite(x) => x,
            Number::Text(text) => text.parse().unwrap_or(f64::NAN),
        }
    }
}

impl From<Numbers> for Told {
    fn from(Numbers { shape, mean, min, max, data }: Numbers) -> Self {
        let [mean, min, max] = [mean, min, max].map(|x| x.map(Number::from));
        Told { shape, mean, min, max, data: data.map(|data| data.into_iter().map(Number::from).collect()) }
    }
}

impl From<Told> for Numbers {
    fn from(Told { shape, mean, min, max, data }: Told) -> Self {
        let [mean, min, max] = [mean, min, max].map(|x| x.map(f64::from));
        Numbers { shape, mean, min, max, data: data.map(|data| data.into_iter().map(f64::from).collect()) }
    }
}

/// Arrays of up to this many numbers are written out.
const SMALL: usize = 64;
/// Local derivatives of up to this many numbers are computed.
const SMALL_DERIVATIVE: usize = 1024;

impl Numbers {
    fn new<T: Float>(value: View<'_, T>, limit: usize) -> Self {
        let numbers: Vec<f64> = value.data().iter().map(|x| x.to_f64()).collect();
        let some = |x: f64| (!numbers.is_empty()).then_some(x);
        Numbers {
            shape: value.shape().to_vec(),
            mean: some(numbers.iter().sum::<f64>() / numbers.len() as f64),
            min: some(numbers.iter().copied().fold(f64::INFINITY, f64::min)),
            max: some(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            data: (numbers.len() <= limit).then_some(numbers),
        }
    }

    fn of<T: Float>(array: &ArrayD<T>, limit: usize) -> Self {
        let numbers: Vec<T> = array.iter().copied().collect();
        Self::new(View::new(&numbers, array.shape()), limit)
    }

    /// The diagonal of a square derivative, if all numbers off the diagonal are 0.
    fn diagonal(&self) -> Option<Vec<f64>> {
        let data = self.data.as_ref()?;
        let (output, input) = self.shape.split_at(self.shape.len() / 2);
        if output != input {
            return None;
        }
        let n = (data.len() as f64).sqrt() as usize;
        let diagonal = n * n == data.len() && (0..data.len()).all(|i| i / n == i % n || data[i] == 0.0);
        diagonal.then(|| (0..n).map(|i| data[i * n + i]).collect())
    }
}

impl Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.data, self.mean, self.min, self.max) {
            (Some(data), ..) if data.len() <= 4 => f.write_str(&list(data)),
            (_, Some(mean), Some(min), Some(max)) => {
                write!(f, "{}…{} mean {}", short(min), short(max), short(mean))
            }
            _ => f.write_str("nothing"),
        }
    }
}

/// Writes a number with four digits, which are enough to follow by eye.
fn short(x: f64) -> String {
    let text = if x == 0.0 || (1e-3..1e5).contains(&x.abs()) { format!("{x:.4}") } else { return format!("{x:.3e}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn list(numbers: &[f64]) -> String {
    let texts: Vec<String> = numbers.iter().map(|&x| short(x)).collect();
    if let [one] = &*texts { one.clone() } else { format!("[{}]", texts.join(" ")) }
}

/// Follows a cost back through its tape, step by step: values, local derivatives, and the gradients that they multiply
/// to. This is backpropagation, written down.
///
/// # Panics
/// If the cost is not a single number, or the tape is for inference and has no `var`.
///
/// ```
/// use gradus_autograd::{Tape, explain};
/// let tape = Tape::new();
/// let (w, x) = (tape.var(0.5), tape.constant(2.0));
/// let cost = (w * x - 3.0).square();
/// let trace = explain(cost);
/// assert_eq!(trace.steps.len(), 5);
/// assert_eq!(trace.steps[0].gradient.as_ref().unwrap().data, Some(vec![-8.0])); // 2 (w x − 3) x
/// println!("{trace}");
/// ```
#[track_caller]
pub fn explain<T: Float>(cost: Var<'_, T>) -> Trace {
    cost.check_scalar("explain");
    let tape = cost.tape();
    let steps = contributions(tape, cost.index(), SMALL_DERIVATIVE).into_iter().map(|found| {
        let node = tape.nodes().node(found.node);
        let number = |array: Option<ArrayD<T>>, limit| array.map(|a| Numbers::of(&a, limit));
        let inputs = node.inputs.iter().zip(found.inputs).map(|(&step, (derivative, contribution))| Input {
            step,
            derivative: number(derivative, SMALL_DERIVATIVE),
            contribution: number(contribution, SMALL),
        });
        let leaf = if node.differentiated { "leaf" } else { "constant" };
        Step {
            step: found.node,
            operation: tape.operation(&node).map_or(leaf, |operation| operation.title()).to_owned(),
            name: tape.name_of(found.node),
            inputs: inputs.collect(),
            value: Numbers::new(node.value, SMALL),
            gradient: number(found.gradient, SMALL),
            line: format!("{}:{}", node.location.file(), node.location.line()),
        }
    });
    Trace { cost: cost.index(), steps: steps.collect() }
}

impl Trace {
    /// A step by its place on the tape.
    pub fn step(&self, step: u32) -> Option<&Step> {
        self.steps.iter().find(|s| s.step == step)
    }

    /// The graph in the language of Graphviz: `dot -Tsvg`.
    pub fn graphviz(&self) -> String {
        let mut text = "digraph tape {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n".to_owned();
        for step in &self.steps {
            let label = step.label("\\n").replace('"', "'");
            let _ = writeln!(text, "  s{} [label=\"{label}\"];", step.step);
            for input in &step.inputs {
                let _ = writeln!(text, "  s{} -> s{};", input.step, step.step);
            }
        }
        text + "}\n"
    }

    /// The graph in the language of Mermaid, which Markdown pages draw.
    pub fn mermaid(&self) -> String {
        let mut text = "graph LR\n".to_owned();
        for step in &self.steps {
            let label = step.label("<br/>").replace('"', "'");
            let _ = writeln!(text, "  s{}[\"{label}\"]", step.step);
            for input in &step.inputs {
                let _ = writeln!(text, "  s{} --> s{}", input.step, step.step);
            }
        }
        text
    }
}

impl Step {
    fn title(&self) -> String {
        self.name.clone().unwrap_or_else(|| self.operation.clone())
    }

    fn label(&self, line: &str) -> String {
        let mut label = format!("{} {}{line}{}", self.step, self.title(), self.value);
        if let Some(gradient) = &self.gradient {
            let _ = write!(label, "{line}gradient {gradient}");
        }
        label
    }

    /// The cells of the rows of the step: one row, and one more for each input after the first.
    fn rows(&self) -> Vec<[String; 9]> {
        let source = |step: u32| format!("#{step}");
        let derivative = |input: &Input| match &input.derivative {
            None => String::new(),
            Some(numbers) => match numbers.diagonal() {
                Some(diagonal) if diagonal.len() <= 4 => list(&diagonal),
                _ => numbers.to_string(),
            },
        };
        let text = |numbers: &Option<Numbers>| numbers.as_ref().map_or(String::new(), Numbers::to_string);
        let count = self.inputs.len().max(1);
        let row = |i: usize| {
            let input = self.inputs.get(i);
            let cells = [
                input.map_or(String::new(), |x| source(x.step)),
                input.map_or(String::new(), derivative),
                input.map_or(String::new(), |x| text(&x.contribution)),
            ];
            let [from, derivative, contribution] = cells;
            let first = |text: String| if i == 0 { text } else { String::new() };
            [
                first(source(self.step)),
                first(self.title()),
                from,
                first(format!("{:?}", self.value.shape)),
                first(self.value.to_string()),
                derivative,
                first(text(&self.gradient)),
                contribution,
                first(self.line.clone()),
            ]
        };
        (0..count).map(row).collect()
    }
}

/// The largest width of a column, in characters; a longer text is not cut.
const WIDEST: usize = 200;

impl Display for Trace {
    /// Writes a table: one row for each step, and one more for each operand after the first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = ["step", "operation", "of", "shape", "value", "d out/d in", "gradient", "passed on", "line"];
        let mut rows = vec![heads.map(str::to_owned)];
        rows.extend(self.steps.iter().flat_map(Step::rows));
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0).min(WIDEST);
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        for (i, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
            writeln!(f, "{}", cells.join("  ").trim_end())?;
            if i == 0 {
                writeln!(f, "{}", "─".repeat(widths.iter().sum::<usize>() + 2 * (widths.len() - 1)))?;
            }
        }
        Ok(())
    }
}

/// A step on the way back from a cost.
struct Contributions<T> {
    node: u32,
    /// the gradient of the cost by the node
    gradient: Option<ArrayD<T>>,
    inputs: Vec<Contribution<T>>,
}

/// The local derivative by an input, if it is small, and what is added to the input's gradient.
type Contribution<T> = (Option<ArrayD<T>>, Option<ArrayD<T>>);

/// The steps that a number depends on, in their order, with local derivatives of up to `limit` numbers.
fn contributions<T: Float>(tape: &Tape<T>, output: u32, limit: usize) -> Vec<Contributions<T>> {
    let (pool, nodes) = (Pool::new(), &tape.nodes().frozen());
    let context = ValueContext::new(nodes, &pool);
    let slots: Vec<_> = (0..=output).map(|_| RefCell::new(None)).collect();
    // the gradient that a rule gives each input, for a gradient of the output
    let pulled = |index: u32, gradient: &ArrayD<T>| -> Vec<Option<ArrayD<T>>> {
        let node = nodes.node(index);
        let gradient = Value::load(context, index).constant(gradient.shape(), |out| gradient.write(out));
        slots[index as usize].replace(Some(gradient));
        if let Some(operation) = tape.operation(&node) {
            operation.vjp_values(&Vjp::new(context, (index, node.inputs), &slots, None));
        }
        // an operand that occurs twice got both parts in one sum
        let first = |k: usize| !node.inputs[..k].contains(&node.inputs[k]);
        let part = |(k, &i): (usize, &u32)| slots[i as usize].borrow().as_ref().filter(|_| first(k)).map(Value::array);
        let parts = node.inputs.iter().enumerate().map(part).collect();
        node.inputs.iter().chain([&index]).for_each(|&i| drop(slots[i as usize].take()));
        parts
    };
    let mut gradients: Vec<Option<ArrayD<T>>> = vec![None; output as usize + 1];
    let mut needed = vec![false; output as usize + 1];
    needed[output as usize] = true;
    let shape = |index: u32| IxDyn(nodes.node(index).value.shape());
    gradients[output as usize] = Some(ArrayD::from_elem(shape(output), T::from_f64(1.0)));
    let mut found = Vec::new();
    for index in (0..=output).rev() {
        if !needed[index as usize] {
            continue;
        }
        let node = nodes.node(index);
        node.inputs.iter().for_each(|&i| needed[i as usize] = true);
        let gradient = gradients[index as usize].take().filter(|_| node.differentiated);
        let parts = gradient.as_ref().map_or(vec![None; node.inputs.len()], |gradient| pulled(index, gradient));
        let len = node.value.data().len();
        let mut derivatives = vec![None; node.inputs.len()];
        for (derivative, &input) in derivatives.iter_mut().zip(node.inputs) {
            let numbers = nodes.node(input).value.data().len() * len;
            *derivative = (1..=limit).contains(&numbers).then(|| Vec::with_capacity(numbers));
        }
        if gradient.is_some() && derivatives.iter().any(Option::is_some) {
            for i in 0..len {
                let mut unit = ArrayD::zeros(shape(index));
                unit.iter_mut().skip(i).take(1).for_each(|x| *x = T::from_f64(1.0));
                for ((rows, part), &input) in derivatives.iter_mut().zip(pulled(index, &unit)).zip(node.inputs) {
                    if let Some(rows) = rows {
                        let len = nodes.node(input).value.data().len();
                        rows.extend(part.map_or(vec![T::default(); len], |part| part.into_iter().collect()));
                    }
                }
            }
        }
        for (part, &input) in parts.iter().zip(node.inputs) {
            if let Some(part) = part {
                let sum = &mut gradients[input as usize];
                *sum = Some(sum.take().map_or_else(|| part.clone(), |sum| sum + part));
            }
        }
        let local = |(rows, &input): (Option<Vec<T>>, &u32)| {
            let shape = [node.value.shape(), nodes.node(input).value.shape()].concat();
            rows.and_then(|rows| ArrayD::from_shape_vec(shape, rows).ok())
        };
        let local: Vec<_> = derivatives.into_iter().zip(node.inputs).map(local).collect();
        let inputs = local.into_iter().zip(parts).map(|(local, part)| (local.filter(|_| part.is_some()), part));
        found.push(Contributions { node: index, gradient, inputs: inputs.collect() });
    }
    found.reverse();
    found
}
