//! Tables: rows of texts with named columns, which can be converted to numbers or categories.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gradus_autograd::Float;
use gradus_autograd::internal::debug_as_display;
use ndarray::{Array1, Array2};

use crate::examples::check_rows;
use crate::{Categories, Csv, Dataset};

/// Rows of texts with named columns, read from CSV and converted to numbers or categories on demand.
///
/// A cell is missing if it is empty, `?`, or one of the usual words (`NA`, `N/A`, `NaN`, `NULL`, `None`, …);
/// [`Csv::missing`] adds to these. [`Csv`] also reads other separators, files without a header, comments, and decimal
/// commas.
///
/// ```
/// use gradus_data::Table;
/// let table = Table::parse("age,smokes\n40,yes\n,no\n61,no\n", "people.csv").unwrap();
/// let complete = table.complete(&["age"]).unwrap(); // the second row has no age
/// assert_eq!(complete.numbers::<f64>("age").unwrap(), ndarray::array![40.0, 61.0]);
/// let (columns, names) = complete.one_hot::<f64>("smokes").unwrap();
/// assert_eq!((columns, names), (ndarray::array![[0.0, 1.0], [1.0, 0.0]], vec!["no".into(), "yes".into()]));
/// let error = table.numbers::<f64>("smokes").unwrap_err();
/// assert_eq!(error.to_string(), "people.csv, line 2, column `smokes`: `yes` is not a number");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    cells: Arc<Cells>,
    /// the numbers of the rows of `cells` that this table has
    rows: Vec<u32>,
    /// whether a missing cell is the number NaN
    gaps_as_nan: bool,
}

/// All cells of a file. Their texts are stored one behind the other, so they take little more memory than the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cells {
    pub(crate) source: PathBuf,
    pub(crate) columns: Vec<String>,
    /// the index of each column
    pub(crate) places: HashMap<String, usize>,
    pub(crate) text: String,
    /// the place in the text where each cell ends, row by row
    pub(crate) ends: Vec<u32>,
    /// the line of the file that each row begins in
    pub(crate) lines: Vec<u32>,
    /// the texts that mark a missing cell, beside the usual ones
    pub(crate) missing: Vec<String>,
    pub(crate) decimal_comma: bool,
}

/// The error of a table that could not be read, or not be converted as asked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file could not be read.
    #[error("{}: {error}", path.display())]
    File {
        /// the path of the file
        path: PathBuf,
        /// the error of the system
        error: std::io::Error,
    },
    /// The file is not CSV.
    #[error("{}: {error}", path.display())]
    Csv {
        /// the path of the file
        path: PathBuf,
        /// the place and the reason
        error: csv::Error,
    },
    /// Two columns have one name.
    #[error("{}: there are two columns `{column}`", path.display())]
    Twice {
        /// the path of the file
        path: PathBuf,
        /// the name of both columns
        column: String,
    },
    /// The file is CSV, but its lines differ in length, or it looks as if it needed other settings.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// the path of the file
        path: PathBuf,
        /// the part that looks odd, and the setting for it
        reason: String,
    },
    /// There is no such column.
    #[error("{}: there is no column `{column}`; there are {}", path.display(), columns.join(", "))]
    Column {
        /// the path of the file
        path: PathBuf,
        /// the name that was asked for
        column: String,
        /// the names of the columns of the table
        columns: Vec<String>,
    },
    /// A cell is missing, or does not hold the kind of value that was asked for.
    #[error("{}, line {line}, column `{column}`: {}", path.display(), match missing {
        true if wanted == NUMBER => format!(
            "nothing there (`{value}`); `complete` leaves such rows out, `gaps_as_nan` lets an `Imputer` fill them"
        ),
        true => format!(
            "nothing there (`{value}`); `complete` leaves such rows out, `Categories::or_other` gives them a category"
        ),
        false => format!("`{value}` is not {wanted}{}", hint(value, wanted)),
    })]
    Cell {
        /// the path of the file
        path: PathBuf,
        /// the line of the file, counted from 1, header included
        line: u64,
        /// the name of the column
        column: String,
        /// the text of the cell
        value: String,
        /// whether that text marks a missing cell
        missing: bool,
        /// the kind of value that was asked for
        wanted: String,
    },
}
debug_as_display!(TableError);

/// What a column of numbers is to hold.
const NUMBER: &str = "a number";

/// The setting that a cell seems to need, for a message.
fn hint(value: &str, wanted: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    match (value.trim_start_matches(['-', '+']).split_once(','), value.chars().next()) {
        (Some((whole, part)), _) if wanted == NUMBER && digits(whole) && digits(part) => {
            "; if that is a decimal comma, read the file with `Csv::new().decimal_comma(true)`".into()
        }
        (_, Some(sign @ ('#' | '%'))) => {
            format!("; if the line is a comment, read the file with `Csv::new().comments('{sign}')`")
        }
        _ => String::new(),
    }
}

/// The texts that mark a missing cell in any file, after those of pandas.
const MISSING: [&str; 16] =
    ["", "?", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>", "NaN", "nan", "-NaN", "-nan", "NULL", "Null", "null", "None"];

impl Table {
    /// Reads a file of comma-separated values, gzipped or not, whose first line names the columns. [`Csv`] reads other
    /// kinds of file.
    ///
    /// # Errors
    /// If the file cannot be read, a line has more or fewer cells than the first, two columns have the same name, the
    /// table is larger than 1 GiB after unpacking, or the file looks as if it had no header or another separator.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TableError> {
        Csv::new().read(path)
    }

    /// Reads text of comma-separated values. Errors use `source` as the name of the file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, source: impl AsRef<Path>) -> Result<Self, TableError> {
        Csv::new().parse(text, source)
    }

    pub(crate) fn new(cells: Cells) -> Self {
        let mut cells = cells;
        cells.places = cells.columns.iter().cloned().zip(0..).collect();
        let rows = (0..cells.lines.len() as u32).collect();
        Table { cells: Arc::new(cells), rows, gaps_as_nan: false }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.cells.columns
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn place(&self, column: &str) -> Result<usize, TableError> {
        self.cells.places.get(column).copied().ok_or_else(|| TableError::Column {
            path: self.cells.source.clone(),
            column: column.into(),
            columns: self.columns().to_vec(),
        })
    }

    /// The cell of a column in a row; `row` counts the rows of the file.
    fn cell(&self, row: u32, column: usize) -> &str {
        let Cells { text, ends, columns, .. } = &*self.cells;
        let place = row as usize * columns.len() + column;
        let start = place.checked_sub(1).map_or(0, |before| ends[before] as usize);
        &text[start..ends[place] as usize]
    }

    /// The table's rows, each as its number in the file and its cell in a column.
    fn column(&self, column: usize) -> impl Iterator<Item = (u32, &str)> {
        self.rows.iter().map(move |&row| (row, self.cell(row, column)))
    }

    pub(crate) fn is_missing(&self, cell: &str) -> bool {
        MISSING.contains(&cell) || self.cells.missing.iter().any(|mark| mark == cell)
    }

    fn cell_error(&self, row: u32, column: &str, value: &str, wanted: &str) -> TableError {
        TableError::Cell {
            path: self.cells.source.clone(),
            line: u64::from(self.cells.lines[row as usize]),
            column: column.into(),
            value: value.into(),
            missing: self.is_missing(value),
            wanted: wanted.into(),
        }
    }

    /// Returns the given rows as a table of its own, in that order: the training part, say. Rows are counted from 0.
    ///
    /// ```
    /// use gradus_data::{Categories, Table, split_rows};
    /// let table = Table::parse("kind,size\ncat,1\ndog,2\ncat,3\nfox,4\n", "pets.csv")?;
    /// let (train, test) = split_rows(table.len(), 0.75, 1);
    /// let (train, test) = (table.select(&train), table.select(&test));
    /// let kinds = Categories::of(&train, "kind")?.or_other(true); // fitted on the training part alone
    /// assert_eq!((train.len(), kinds.places(&test, "kind")?.len()), (3, 1));
    /// # Ok::<(), gradus_data::TableError>(())
    /// ```
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Self {
        check_rows(rows, self.len());
        Table { rows: rows.iter().map(|&row| self.rows[row]).collect(), ..self.clone() }
    }

    /// Returns the rows in which no cell of these columns is missing.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn complete(&self, columns: &[&str]) -> Result<Self, TableError> {
        let places = columns.iter().map(|column| self.place(column)).collect::<Result<Vec<_>, _>>()?;
        let is_complete = |row: &u32| places.iter().all(|&k| !self.is_missing(self.cell(*row, k)));
        let rows = self.rows.iter().copied().filter(is_complete).collect();
        Ok(Table { rows, ..self.clone() })
    }

    /// Returns the same table, in which a missing cell is the number NaN, to be filled by an
    /// [`Imputer`](crate::Imputer). A cell that holds something else that is no number is still an error.
    ///
    /// ```
    /// let table = gradus_data::Table::parse("age\n40\n\n?\n12a\n", "ages.csv")?.gaps_as_nan();
    /// let error = table.numbers::<f64>("age").unwrap_err();
    /// assert_eq!(error.to_string(), "ages.csv, line 5, column `age`: `12a` is not a number");
    /// # Ok::<(), gradus_data::TableError>(())
    /// ```
    pub fn gaps_as_nan(&self) -> Self {
        Table { gaps_as_nan: true, ..self.clone() }
    }

    /// The number of missing cells in a column.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn missing(&self, column: &str) -> Result<usize, TableError> {
        let k = self.place(column)?;
        Ok(self.column(k).filter(|(_, cell)| self.is_missing(cell)).count())
    }

    /// The texts of a column.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn texts(&self, column: &str) -> Result<Vec<&str>, TableError> {
        let k = self.place(column)?;
        Ok(self.column(k).map(|(_, cell)| cell).collect())
    }

    /// The numbers of a column; `true` and `false` (`True`, `TRUE`, …) are 1 and 0.
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing or is no finite number. The error names the file, the line and
    /// the column. With [`gaps_as_nan`](Self::gaps_as_nan), a missing cell is NaN.
    pub fn numbers<T: Float>(&self, column: &str) -> Result<Array1<T>, TableError> {
        let k = self.place(column)?;
        let number = |(row, cell): (u32, &str)| match self.number(cell) {
            _ if self.gaps_as_nan && self.is_missing(cell) => Ok(T::from_f64(f64::NAN)),
            Some(x) if T::from_f64(x).is_finite() && !self.is_missing(cell) => Ok(T::from_f64(x)),
            _ => Err(self.cell_error(row, column, cell, NUMBER)),
        };
        self.column(k).map(number).collect()
    }

    fn number(&self, cell: &str) -> Option<f64> {
        match cell {
            "true" | "True" | "TRUE" => Some(1.0),
            "false" | "False" | "FALSE" => Some(0.0),
            // beside a decimal comma, a point would separate thousands
            _ if self.cells.decimal_comma && cell.contains('.') => None,
            _ if self.cells.decimal_comma => cell.replacen(',', ".", 1).parse().ok(),
            _ => cell.parse().ok(),
        }
    }

    /// Several columns of numbers, side by side.
    ///
    /// # Errors
    /// As [`numbers`](Self::numbers).
    pub fn matrix<T: Float>(&self, columns: &[&str]) -> Result<Array2<T>, TableError> {
        let mut matrix = Array2::from_elem((self.len(), columns.len()), T::default());
        for (mut to, column) in matrix.columns_mut().into_iter().zip(columns) {
            to.assign(&self.numbers(column)?);
        }
        Ok(matrix)
    }

    /// The categories of a column as whole numbers, and their names: in alphabetical order, or in order of size if all
    /// names are numbers. A test set must have the numbers of its training data: see [`Categories`].
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing.
    pub fn categories(&self, column: &str) -> Result<(Vec<usize>, Vec<String>), TableError> {
        let categories = Categories::of(self, column)?;
        Ok((categories.places(self, column)?, categories.names().to_vec()))
    }

    /// Applies `f` to each row's cell in a column. `None` is an error, which says what was wanted; so is a missing
    /// cell, unless `missing` is true.
    pub(crate) fn each<A>(
        &self,
        column: &str,
        missing: bool,
        wanted: impl Fn() -> String,
        mut f: impl FnMut(&str) -> Option<A>,
    ) -> Result<Vec<A>, TableError> {
        let k = self.place(column)?;
        let one = |(row, cell): (u32, &str)| match missing || !self.is_missing(cell) {
            true => f(cell).ok_or_else(|| self.cell_error(row, column, cell, &wanted())),
            false => Err(self.cell_error(row, column, cell, &wanted())),
        };
        self.column(k).map(one).collect()
    }

    /// Makes a labelled data set from columns of numbers and a column of categories; also returns the names of the
    /// categories.
    ///
    /// ```
    /// let columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"];
    /// let (penguins, species) = gradus_data::penguins().complete(&columns)?.dataset::<f32>(&columns, "species")?;
    /// assert_eq!((penguins.len(), species[2].as_str()), (342, "Gentoo"));
    /// # Ok::<(), gradus_data::TableError>(())
    /// ```
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing or no number.
    pub fn dataset<T: Float>(&self, columns: &[&str], label: &str) -> Result<(Dataset<T>, Vec<String>), TableError> {
        let categories = Categories::of(self, label)?;
        Ok((self.dataset_as(columns, label, &categories)?, categories.names().to_vec()))
    }

    /// Does the same as [`dataset`](Self::dataset) with categories that are known already: those of the training data,
    /// for a test set.
    ///
    /// # Errors
    /// If there is no such column, a cell is missing or no number, or a label is none of the categories.
    pub fn dataset_as<T: Float>(
        &self,
        columns: &[&str],
        label: &str,
        categories: &Categories,
    ) -> Result<Dataset<T>, TableError> {
        let labels = categories.places(self, label)?;
        let data = Dataset::new(self.matrix(columns)?, labels, categories.len());
        let names = categories.names().iter().cloned().chain(categories.has_other().then(|| "other".to_owned()));
        Ok(data.expect("a label for each row, by its name").named(names))
    }

    /// The categories of a column as columns of 0 and 1, one for each category, and the names of the categories in
    /// order.
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing.
    pub fn one_hot<T: Float>(&self, column: &str) -> Result<(Array2<T>, Vec<String>), TableError> {
        let categories = Categories::of(self, column)?;
        Ok((categories.one_hot(self, column)?, categories.names().to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_file_line_and_column() {
        let table = Table::parse("a,b\n1,2\n\n3,x\n,5\n", "t.csv").unwrap();
        let error = |r: Result<Array1<f64>, TableError>| r.unwrap_err().to_string();
        assert_eq!(error(table.numbers("b")), "t.csv, line 4, column `b`: `x` is not a number");
        assert_eq!(
            error(table.numbers("a")),
            "t.csv, line 5, column `a`: nothing there (``); `complete` leaves such rows out, `gaps_as_nan` lets an \
             `Imputer` fill them"
        );
        assert_eq!(error(table.numbers("c")), "t.csv: there is no column `c`; there are a, b");
        assert_eq!(table.missing("a").unwrap(), 1);
        let uneven = Table::parse("a,b\n1\n", "t.csv").unwrap_err().to_string();
        assert_eq!(uneven, "t.csv: line 2 has 1 cells, and there are 2 columns");
        assert!(Table::read("no/such.csv").unwrap_err().to_string().starts_with("no/such.csv: "));
        assert!(table.categories("a").is_err() && table.one_hot::<f32>("b").is_ok());
        assert!(Table::parse("a\n1e39\n", "t.csv").unwrap().numbers::<f32>("a").is_err(), "too large for f32");
        let twice = Table::parse("a,b,a\n1,2,3\n", "t.csv").unwrap_err().to_string();
        assert_eq!(twice, "t.csv: there are two columns `a`");
        for number in ["inf", "NaN", "1e999"] {
            assert!(Table::parse(&format!("a\n{number}\n"), "t.csv").unwrap().numbers::<f64>("a").is_err(), "{number}");
        }
    }

    #[test]
    fn gzipped_files_are_read_as_they_are() {
        use std::io::Write;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv.gz");
        let mut encoder =
            flate2::write::GzEncoder::new(std::fs::File::create(&path).unwrap(), flate2::Compression::fast());
        encoder.write_all(b"a\n1\n2\n").unwrap();
        encoder.finish().unwrap();
        assert_eq!(Table::read(&path).unwrap().numbers::<f64>("a").unwrap(), ndarray::array![1.0, 2.0]);
    }
}
