//! The written form of a tape: steps with their values, local derivatives and gradients, as a table, a graph or JSON.

use std::fmt::{self, Display, Write};

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};

use crate::Float;
use crate::tools::slopes::Slope;
use crate::view::View;

/// The result of [`explain`](crate::explain): the steps that a cost depends on, in the order in which they ran.
///
/// Printed, it is a table. [`graphviz`](Trace::graphviz) and [`mermaid`](Trace::mermaid) draw it as a graph. It
/// serialises (with `serde_json`, say) with the names of the fields below; missing values are `null`, and numbers that
/// are not finite are `"NaN"`, `"inf"`, `"-inf"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// the step whose gradients these are
    pub cost: u32,
    /// the steps that the cost depends on, the cost itself included
    pub steps: Vec<Step>,
    /// the cost along numbers of the leaves
    pub slopes: Vec<Slope>,
    /// how many steps at the beginning were left out, see [`nearest`](Trace::nearest)
    pub left_out: usize,
}

/// One step of a [`Trace`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// its place on the tape
    pub step: u32,
    /// the operation; `leaf` for a leaf that is differentiated, `constant` for a value that is not differentiated
    pub operation: String,
    /// the operation's settings: the number by which `mul_number` multiplies, say; empty if there are none
    #[serde(default)]
    pub settings: String,
    /// the name that [`Var::named`](crate::Var::named) gave, or the path of a parameter, if the tape was told (see
    /// [`Tape::name_parameters`](crate::Tape::name_parameters))
    pub name: Option<String>,
    /// what the operation's documentation says: its formula and derivative, see
    /// [`Operation::formula`](crate::Operation::formula)
    pub formula: String,
    /// the operands
    pub inputs: Vec<Input>,
    /// the result
    pub value: Numbers,
    /// the gradient of the cost by the result: the sum of the contributions of all steps that use it
    pub gradient: Option<Numbers>,
    /// the source file of the program that made it, as the compiler names it
    pub file: String,
    /// the line there, counted from 1
    pub line: u32,
    /// the column there, in characters, counted from 1: a method's name, or the beginning of an expression
    pub column: u32,
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
pub struct Numbers {
    /// the sizes of the axes
    pub shape: Vec<usize>,
    /// the mean; `null` if there are no numbers
    #[serde(with = "floats::maybe")]
    pub mean: Option<f64>,
    /// the smallest number that is not NaN
    #[serde(with = "floats::maybe")]
    pub min: Option<f64>,
    /// the largest number that is not NaN
    #[serde(with = "floats::maybe")]
    pub max: Option<f64>,
    /// the root of the mean square, which tells the size of the numbers whatever their signs
    #[serde(with = "floats::maybe")]
    pub rms: Option<f64>,
    /// how many numbers are 0
    pub zeros: usize,
    /// how many numbers are NaN or infinite
    pub not_finite: usize,
    /// all numbers, row by row, if there are at most 1024
    #[serde(with = "floats::list")]
    pub data: Option<Vec<f64>>,
    /// the means of blocks, if there are more
    pub blocks: Option<Blocks>,
}

/// The picture of a large array: the means of blocks of it. The array's last axis runs along the columns, and all other
/// axes together along the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Blocks {
    /// blocks one below the other
    pub rows: usize,
    /// blocks side by side
    pub columns: usize,
    /// the mean of each block, row by row
    #[serde(with = "floats::many")]
    pub means: Vec<f64>,
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

/// How `f64` are written in JSON.
pub(super) mod floats {
    use super::Number;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    macro_rules! form {
        ($name:ident, $type:ty, $stored:ty, $write:expr, $read:expr) => {
            pub(in crate::tools) mod $name {
                use super::*;
                #[allow(clippy::ptr_arg)] // serde passes the field as it is
                pub(in crate::tools) fn serialize<S: Serializer>(x: &$type, s: S) -> Result<S::Ok, S::Error> {
                    ($write)(x.clone()).serialize(s)
                }
                pub(in crate::tools) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<$type, D::Error> {
                    <$stored>::deserialize(d).map($read)
                }
            }
        };
    }
    fn write(x: Vec<f64>) -> Vec<Number> {
        x.into_iter().map(Number::from).collect()
    }
    fn read(x: Vec<Number>) -> Vec<f64> {
        x.into_iter().map(f64::from).collect()
    }
    form!(one, f64, Number, Number::from, f64::from);
    form!(many, Vec<f64>, Vec<Number>, write, read);
    form!(maybe, Option<f64>, Option<Number>, |x: Option<f64>| x.map(Number::from), |x| x.map(f64::from));
    form!(list, Option<Vec<f64>>, Option<Vec<Number>>, |x: Option<Vec<f64>>| x.map(write), |x| x.map(read));
}

/// Arrays of up to this many numbers are written out.
pub(super) const WRITTEN: usize = 1024;
/// Local derivatives of up to this many numbers are computed.
pub(super) const LOCAL: usize = 1024;
/// Blocks of a large array along each axis of its picture.
const BLOCKS: usize = 32;

impl Numbers {
    pub(super) fn new<T: Float>(value: View<'_, T>) -> Self {
        let numbers: Vec<f64> = value.data().iter().map(|x| x.to_f64()).collect();
        let count = numbers.len() as f64;
        let some = |x: f64| (!numbers.is_empty()).then_some(x);
        let small = numbers.len() <= WRITTEN;
        Numbers {
            shape: value.shape().to_vec(),
            mean: some(numbers.iter().sum::<f64>() / count),
            min: numbers.iter().copied().filter(|x| !x.is_nan()).min_by(f64::total_cmp),
            max: numbers.iter().copied().filter(|x| !x.is_nan()).max_by(f64::total_cmp),
            rms: some((numbers.iter().map(|x| x * x).sum::<f64>() / count).sqrt()),
            zeros: numbers.iter().filter(|x| **x == 0.0).count(),
            not_finite: numbers.iter().filter(|x| !x.is_finite()).count(),
            blocks: (!small).then(|| Blocks::new(value.shape(), &numbers)),
            data: small.then_some(numbers),
        }
    }

    pub(super) fn of<T: Float>(array: &ArrayD<T>) -> Self {
        let numbers: Vec<T> = array.iter().copied().collect();
        Self::new(View::new(&numbers, array.shape()))
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

impl Blocks {
    fn new(shape: &[usize], numbers: &[f64]) -> Self {
        let width = shape.last().copied().unwrap_or(1).max(1);
        let height = numbers.len() / width;
        let (rows, columns) = (height.min(BLOCKS), width.min(BLOCKS));
        let (mut sums, mut counts) = (vec![0.0; rows * columns], vec![0.0; rows * columns]);
        for (i, x) in numbers.iter().enumerate() {
            let block = (i / width) * rows / height * columns + (i % width) * columns / width;
            sums[block] += x;
            counts[block] += 1.0;
        }
        let means = sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect();
        Blocks { rows, columns, means }
    }
}

impl Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.data, self.mean, self.min, self.max) {
            (Some(data), ..) if data.len() <= SHOWN => f.write_str(&nested(data, &self.shape)),
            (_, Some(mean), Some(min), Some(max)) => {
                write!(f, "{}…{} mean {}", short(min), short(max), short(mean))
            }
            _ => f.write_str("nothing"),
        }
    }
}

/// An array of at most this many numbers is written out in a table or a graph.
const SHOWN: usize = 6;

/// Writes numbers as the rows of a matrix, if they have several axes: `[[1 0] [0 1]]`.
fn nested(numbers: &[f64], shape: &[usize]) -> String {
    match shape {
        [_, .., columns] if *columns > 0 => {
            let row = |row: &[f64]| format!("[{}]", row.iter().map(|&x| short(x)).collect::<Vec<_>>().join(" "));
            format!("[{}]", numbers.chunks(*columns).map(row).collect::<Vec<_>>().join(" "))
        }
        _ => list(numbers),
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

impl Trace {
    /// A step by its place on the tape.
    pub fn step(&self, step: u32) -> Option<&Step> {
        self.steps.iter().find(|s| s.step == step)
    }

    /// The trace without all but the `count` last steps. The slopes of leaves that are left out are left out too.
    pub fn nearest(mut self, count: usize) -> Trace {
        let excess = self.steps.len().saturating_sub(count.max(1));
        self.steps.drain(..excess);
        self.left_out += excess;
        let first = self.steps.first().map_or(0, |step| step.step);
        self.slopes.retain(|slope| slope.step >= first);
        self
    }

    /// The graph in the language of Graphviz: `dot -Tsvg`. Leaves are ellipses, constants have no frame, and the cost
    /// has two; small local derivatives stand on the edges.
    pub fn graphviz(&self) -> String {
        let mut text = "digraph tape {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n".to_owned();
        for step in &self.steps {
            let label = step.label("\n").replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let shape = match step.operation.as_str() {
                "leaf" => ", shape=ellipse",
                "constant" => ", shape=plaintext",
                _ if step.step == self.cost => ", peripheries=2",
                _ => "",
            };
            let _ = writeln!(text, "  s{} [label=\"{label}\"{shape}];", step.step);
            for input in &step.inputs {
                let local = input.local(step.len());
                let label = if local.is_empty() { local } else { format!(" [label=\"{local}\"]") };
                let _ = writeln!(text, "  s{} -> s{}{label};", input.step, step.step);
            }
        }
        text + "}\n"
    }

    /// The graph in the language of Mermaid, which Markdown pages draw.
    pub fn mermaid(&self) -> String {
        let mut text = "graph LR\n".to_owned();
        for step in &self.steps {
            // a label is HTML in quotes; `#` begins an entity there
            let mut label = step.label("\n").replace('#', "#35;").replace('&', "#amp;");
            for (text, entity) in [("<", "#lt;"), (">", "#gt;"), ("\"", "#quot;"), ("\n", "<br/>")] {
                label = label.replace(text, entity);
            }
            let [open, close] = match step.operation.as_str() {
                "leaf" => ["([", "])"],
                "constant" => ["(", ")"],
                _ if step.step == self.cost => ["[[", "]]"],
                _ => ["[", "]"],
            };
            let _ = writeln!(text, "  s{}{open}\"{label}\"{close}", step.step);
            for input in &step.inputs {
                let local = input.local(step.len());
                let label = if local.is_empty() { local } else { format!("|\"{local}\"|") };
                let _ = writeln!(text, "  s{} -->{label} s{}", input.step, step.step);
            }
        }
        text
    }
}

impl Input {
    /// The local derivative: a matrix, whose rows belong to the output and whose columns to the input; the numbers of
    /// the diagonal alone, after `diag`, if each number of the output depends on one number of the input.
    fn local(&self, outputs: usize) -> String {
        let Some(numbers) = &self.derivative else { return String::new() };
        match numbers.diagonal().filter(|diagonal| diagonal.len() == outputs) {
            Some(diagonal) if diagonal.len() == 1 => list(&diagonal),
            Some(diagonal) if diagonal.len() <= SHOWN => format!("diag {}", list(&diagonal)),
            _ => match &numbers.data {
                Some(data) if data.len() <= SHOWN && outputs > 1 && data.len() > outputs => {
                    nested(data, &[outputs, data.len() / outputs])
                }
                Some(data) if data.len() <= SHOWN => list(data),
                _ => numbers.to_string(),
            },
        }
    }
}

impl Step {
    /// How many numbers the result has.
    fn len(&self) -> usize {
        self.value.shape.iter().product()
    }

    /// The name of the step, or else its operation with its settings.
    fn title(&self) -> String {
        let operation = || format!("{} {}", self.operation, self.settings).trim_end().to_owned();
        self.name.clone().unwrap_or_else(operation)
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
        let text = |numbers: &Option<Numbers>| numbers.as_ref().map_or(String::new(), Numbers::to_string);
        let count = self.inputs.len().max(1);
        let row = |i: usize| {
            let input = self.inputs.get(i);
            let cells = [
                input.map_or(String::new(), |x| source(x.step)),
                input.map_or(String::new(), |x| x.local(self.len())),
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
                first(format!("{}:{}", self.file, self.line)),
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
