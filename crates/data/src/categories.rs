//! The categories of a column: their names, and the number of each name.

use std::collections::HashMap;

use gradus_autograd::Float;
use ndarray::{Array2, ArrayD};
use serde::{Deserialize, Serialize};

use crate::{Table, TableError};

/// The categories of a column, in the order of their numbers: fitted on training data, then applied to other data, and
/// saved with the model, so that a name has the same number everywhere.
///
/// The order is alphabetical, or by size if all names are numbers: 1, 2, 10. Equal numbers are one category, however
/// they are written (`1` and `1.0`). A name that the training data did not have is an error, unless
/// [`or_other`](Self::or_other) gives these names a category of their own.
///
/// ```
/// use gradus_data::{Categories, Table};
/// let train = Table::parse("kind,v\ncat,1\ndog,2\nfox,3\n", "train.csv")?;
/// let test = Table::parse("kind,v\nfox,4\ncat,5\n", "test.csv")?;
/// let kinds = Categories::of(&train, "kind")?;
/// assert_eq!(kinds.places(&test, "kind")?, [2, 0]); // as in the training data
/// assert_eq!(kinds.one_hot::<f32>(&test, "kind")?.ncols(), 3);
/// let later = Table::parse("kind\nemu\n", "later.csv")?;
/// let error = kinds.places(&later, "kind").unwrap_err().to_string();
/// assert_eq!(error, "later.csv, line 2, column `kind`: `emu` is not one of the categories cat, dog, fox");
/// assert_eq!(kinds.or_other(true).places(&later, "kind")?, [3]);
/// # Ok::<(), gradus_data::TableError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Categories {
    names: Vec<String>,
    other: bool,
}

/// The number that a name spells, if it spells a finite one.
fn number(name: &str) -> Option<f64> {
    name.parse().ok().filter(|x: &f64| x.is_finite()).map(|x| x + 0.0) // −0 is 0
}

/// The number that a name spells, if it is small enough to tell whole numbers apart: from 2⁵³ on, two of them may be
/// the same f64.
fn exact_number(name: &str) -> Option<f64> {
    number(name).filter(|x| x.abs() < 9_007_199_254_740_992.0)
}

impl Categories {
    /// The categories of a column of a table. Missing cells are none of them; whether a column may have such cells is
    /// decided where the categories are applied, by [`or_other`](Self::or_other).
    ///
    /// # Errors
    /// If there is no such column.
    pub fn of(table: &Table, column: &str) -> Result<Self, TableError> {
        let names = table.texts(column)?.into_iter().filter(|cell| !table.is_missing(cell)).map(str::to_owned);
        let mut seen = std::collections::HashSet::new();
        Ok(Self::in_order(names.filter(|name| seen.insert(name.clone())).collect()))
    }

    fn in_order(mut names: Vec<String>) -> Self {
        names.sort_unstable();
        names.dedup();
        if names.iter().all(|name| number(name).is_some()) {
            let size = |name: &String| number(name).unwrap_or(0.0);
            names.sort_by(|a, b| size(a).total_cmp(&size(b)));
            names.dedup_by(|a, b| exact_number(a).is_some_and(|a| exact_number(b) == Some(a)));
        }
        Categories { names, other: false }
    }

    /// Categories with the given names, in this order.
    ///
    /// # Panics
    /// If a name occurs twice.
    #[track_caller]
    pub fn new<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut seen = std::collections::HashSet::new();
        let twice = names.iter().find(|name| !seen.insert(&***name));
        assert!(twice.is_none(), "Categories: `{}` stands twice", twice.map_or("", |name| name));
        Categories { names, other: false }
    }

    /// Sets whether the names that are none of the categories, and missing cells, get one more category: the last.
    /// [`names`](Self::names) does not list it.
    pub fn or_other(mut self, other: bool) -> Self {
        self.other = other;
        self
    }

    /// The names in the order of their numbers, without the category of other names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    pub(crate) fn has_other(&self) -> bool {
        self.other
    }

    /// The name of the category that a classifier gives each example: the one with the largest logit, the first of
    /// those that tie. An example of two categories may have one logit, which is above 0 for the second (logits
    /// without an axis for the categories are such). A row that
    /// holds NaN is `NaN`, and the category of other names is `other`.
    ///
    /// ```
    /// use gradus_data::Categories;
    /// let kinds = Categories::new(["cat", "dog", "fox"]);
    /// let logits = ndarray::array![[0.1, 2.0, -1.0], [3.0, 0.0, 0.0]].into_dyn(); // what `predict` returns
    /// assert_eq!(kinds.predicted(&logits), ["dog", "cat"]);
    /// ```
    ///
    /// # Panics
    /// If there are not as many logits for each example as categories.
    #[track_caller]
    pub fn predicted<T: Float>(&self, logits: &ArrayD<T>) -> Vec<&str> {
        let (n, shape) = (self.len(), logits.shape());
        let single = n == 2 && (shape.len() < 2 || shape.last() == Some(&1));
        assert!(single || shape.last() == Some(&n), "Categories: logits of shape {shape:?} for {n} categories");
        let name = |place: usize| self.names.get(place).map_or("other", |name| name);
        let numbers: Vec<f64> = logits.iter().map(|x| x.to_f64()).collect();
        let of_row = |row: &[f64]| match row {
            row if row.iter().any(|x| x.is_nan()) => "NaN",
            [logit] if single => name(usize::from(*logit > 0.0)),
            row => name((1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best })),
        };
        numbers.chunks(if single { 1 } else { n.max(1) }).map(of_row).collect()
    }

    /// The number of categories, including the category of other names.
    pub fn len(&self) -> usize {
        self.names.len() + usize::from(self.other)
    }

    /// Returns whether there are no categories.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of the category in each row of a column.
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing or holds none of the categories. The error names the file, the
    /// line and the column.
    pub fn places(&self, table: &Table, column: &str) -> Result<Vec<usize>, TableError> {
        let by_name: HashMap<&str, usize> = self.names.iter().enumerate().map(|(k, name)| (&**name, k)).collect();
        let all_numbers = self.names.iter().all(|name| number(name).is_some());
        let known = self.names.iter().enumerate().filter(|_| all_numbers);
        let numbers: HashMap<u64, usize> =
            known.filter_map(|(k, name)| Some((exact_number(name)?.to_bits(), k))).collect();
        let place = |cell: &str| {
            let as_number = || numbers.get(&exact_number(cell)?.to_bits()).copied();
            let known = by_name.get(cell).copied().or_else(as_number);
            known.or(self.other.then_some(self.names.len()))
        };
        table.each(column, self.other, || format!("one of the categories {}", self.names.join(", ")), place)
    }

    /// The categories of a column as columns of 0 and 1, one column for each category.
    ///
    /// # Errors
    /// As [`places`](Self::places).
    pub fn one_hot<T: Float>(&self, table: &Table, column: &str) -> Result<Array2<T>, TableError> {
        let places = self.places(table, column)?;
        let hot = |(i, j): (usize, usize)| T::from_f64(f64::from(u8::from(places[i] == j)));
        Ok(Array2::from_shape_fn((places.len(), self.len()), hot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_order_of_size_and_one_however_they_are_written() {
        let table = |text: &str| Table::parse(text, "n").unwrap();
        assert_eq!(table("y\n10\n2\n1\n11\n").categories("y").unwrap().1, ["1", "2", "10", "11"]);
        assert_eq!(table("y\n-1\n1.0\n1\n-0\n0\n").categories("y").unwrap().0, [0, 2, 2, 1, 1]);
        assert_eq!(table("y\n10\n2\nb\n").categories("y").unwrap().1, ["10", "2", "b"]);
        let long = table("y\n9007199254740993\n9007199254740992\n");
        assert_eq!(long.categories("y").unwrap().0, [1, 0]);
        let known = Categories::of(&table("y\n1\n2\n"), "y").unwrap();
        assert_eq!(known.places(&table("y\n2.0\n1e0\n"), "y").unwrap(), [1, 0]);
    }

    #[test]
    fn they_are_saved_and_missing_cells_have_a_fate() {
        let known = Categories::new(["b", "a"]).or_other(true);
        let text = "y\na\nNA\nc\n";
        let table = Table::parse(text, "t").unwrap();
        assert_eq!((known.places(&table, "y").unwrap(), known.len()), (vec![1, 2, 2], 3));
        let strict = Categories::new(["a", "c"]);
        let error = strict.places(&table, "y").unwrap_err().to_string();
        assert!(error.starts_with("t, line 3, column `y`: nothing there (`NA`); `complete` leaves"), "{error}");
    }
}
