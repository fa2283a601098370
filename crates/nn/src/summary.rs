//! A table of the parameters and buffers of a model.

use std::fmt;

use gradus_autograd::{Float, Leaf, Module, Visitor};

/// A table of a model's parameters and buffers. [`Summarize::summary`] makes it. When printed, it has a row for each
/// parameter or buffer, and the totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// the rows, in the order of the model
    pub rows: Vec<SummaryRow>,
    /// the size of a number in bytes: 4 or 8
    pub bytes_per_number: usize,
}

/// A row of a [`Summary`], for one parameter or buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// the path of the parameter or buffer
    pub path: String,
    /// the shape of the parameter or buffer
    pub shape: Vec<usize>,
    /// the kind: `"trained"`, `"frozen"` or `"buffer"`
    pub kind: &'static str,
}

impl SummaryRow {
    /// Returns how many numbers the parameter or buffer has.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }
}

impl Summary {
    /// Returns how many numbers of a kind there are.
    pub fn count(&self, kind: &str) -> usize {
        self.rows.iter().filter(|row| row.kind == kind).map(SummaryRow::count).sum()
    }

    /// Returns the memory of all parameters and buffers, in bytes. Training takes as much again for gradients, and for
    /// each state of the optimizer.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(SummaryRow::count).sum::<usize>() * self.bytes_per_number
    }
}

/// Formats a number with commas between the thousands.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    groups.iter().map(|g| String::from_utf8_lossy(g)).collect::<Vec<_>>().join(",")
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = |row: &SummaryRow| row.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        let texts: Vec<[String; 4]> = self
            .rows
            .iter()
            .map(|row| [row.path.clone(), shape(row), grouped(row.count()), row.kind.to_owned()])
            .collect();
        let head = ["path", "shape", "numbers", ""].map(str::to_owned);
        let width = |k: usize| texts.iter().chain([&head]).map(|t| t[k].chars().count()).max().unwrap_or(0);
        let widths = [0, 1, 2].map(width);
        for [path, shape, count, kind] in [&head].into_iter().chain(&texts) {
            let line = format!("{path:<0$}  {shape:<1$}  {count:>2$}  {kind}", widths[0], widths[1], widths[2]);
            writeln!(f, "{}", line.trim_end())?;
        }
        let memory = match self.bytes() {
            bytes @ ..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
            bytes => format!("{:.1} MB", bytes as f64 / 1e6),
        };
        let (trained, frozen) = (self.count("trained"), self.count("frozen"));
        write!(f, "{} numbers trained, {} frozen; {memory}", grouped(trained), grouped(frozen))
    }
}

/// Adds the method [`summary`](Self::summary) to every model.
pub trait Summarize<T: Float>: Module<T> {
    /// Returns a table of paths, shapes and counts.
    ///
    /// ```
    /// use gradus_autograd::Module;
    /// use gradus_nn::{Mlp, Summarize};
    /// let mut model: Mlp = Mlp::builder([784, 128, 10]).build();
    /// model.set_frozen("layers.0.*", true);
    /// assert_eq!(
    ///     model.summary().to_string(),
    ///     "\
    /// path             shape      numbers
    /// layers.0.weight  128 × 784  100,352  frozen
    /// layers.0.bias    128            128  frozen
    /// layers.1.weight  10 × 128     1,280  trained
    /// layers.1.bias    10              10  trained
    /// 1,290 numbers trained, 100,480 frozen; 407.1 kB"
    /// );
    /// ```
    fn summary(&self) -> Summary {
        let mut rows = Vec::new();
        self.visit(&mut Visitor::new(&mut |path, leaf| {
            let kind = match &leaf {
                Leaf::Buffer(_) => "buffer",
                Leaf::Param(param) if param.is_frozen() => "frozen",
                Leaf::Param(_) => "trained",
            };
            rows.push(SummaryRow { path: path.to_string(), shape: leaf.shape().to_vec(), kind });
        }));
        Summary { rows, bytes_per_number: size_of::<T>() }
    }
}

impl<T: Float, M: Module<T> + ?Sized> Summarize<T> for M {}
