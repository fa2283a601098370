//! CSV files with a header.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use gradus_autograd::Float;
use ndarray::{Array1, Array2};

use crate::Dataset;

/// Rows with named columns, as texts: read from CSV, and taken out as numbers or categories.
///
/// A cell that is empty, `NA`, `NaN` or `?` is missing.
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
    source: PathBuf,
    columns: Vec<String>,
    /// line in the file, and cells
    rows: Vec<(u64, Vec<String>)>,
}

/// Why a table could not be read, or not be understood as asked.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The file could not be read.
    #[error("{}: {error}", path.display())]
    File {
        /// which
        path: PathBuf,
        /// why
        error: std::io::Error,
    },
    /// It is not CSV.
    #[error("{}: {error}", path.display())]
    Csv {
        /// which file
        path: PathBuf,
        /// where and why
        error: csv::Error,
    },
    /// Two columns have one name.
    #[error("{}: there are two columns `{column}`", path.display())]
    Twice {
        /// which file
        path: PathBuf,
        /// their name
        column: String,
    },
    /// There is no such column.
    #[error("{}: there is no column `{column}`; there are {}", path.display(), columns.join(", "))]
    Column {
        /// which file
        path: PathBuf,
        /// that was asked for
        column: String,
        /// those that there are
        columns: Vec<String>,
    },
    /// A cell is not what it should be.
    #[error("{}, line {line}, column `{column}`: {}", path.display(), if is_missing(value) { format!("nothing there (`{value}`); `complete` leaves such rows out") } else { format!("`{value}` is not a {wanted}") })]
    Cell {
        /// which file
        path: PathBuf,
        /// counted from 1, the header included
        line: u64,
        /// which column
        column: String,
        /// what stands there
        value: String,
        /// what should
        wanted: &'static str,
    },
}

/// As for `Display`: `unwrap`, and a `main` that returns the error, then say what is wrong.
impl std::fmt::Debug for TableError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// Bytes that a zipped table may have at most.
const LIMIT: u64 = 1 << 30;

fn is_missing(cell: &str) -> bool {
    matches!(cell, "" | "NA" | "NaN" | "nan" | "?")
}

impl Table {
    /// Reads a file of comma-separated values, gzipped or not, whose first line names the columns.
    ///
    /// # Errors
    /// If it cannot be read, a line has more or fewer cells than the first, two columns have one name, or it is more than 1 GiB
    /// when unpacked.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TableError> {
        let path = path.as_ref();
        let file = |error| TableError::File { path: path.into(), error };
        let bytes = std::fs::read(path).map_err(file)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut text = String::new();
            let unpacked = MultiGzDecoder::new(&*bytes).take(LIMIT + 1).read_to_string(&mut text).map_err(file)?;
            if unpacked as u64 > LIMIT {
                return Err(file(std::io::Error::other(format!("more than {LIMIT} bytes when unpacked"))));
            }
            return Self::parse(&text, path);
        }
        Self::from_bytes(&bytes, path)
    }

    /// Reads text of comma-separated values; `source` is what errors call it.
    ///
    /// # Errors
    /// If a line has more or fewer cells than the first, or two columns have one name.
    pub fn parse(text: &str, source: impl AsRef<Path>) -> Result<Self, TableError> {
        Self::from_bytes(text.as_bytes(), source.as_ref())
    }

    fn from_bytes(bytes: &[u8], source: &Path) -> Result<Self, TableError> {
        let csv = |error| TableError::Csv { path: source.into(), error };
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let columns: Vec<String> = reader.headers().map_err(csv)?.iter().map(str::to_owned).collect();
        if let Some(column) = (1..columns.len()).find(|&k| columns[..k].contains(&columns[k])) {
            return Err(TableError::Twice { path: source.into(), column: columns[column].clone() });
        }
        let mut rows = Vec::new();
        let (mut line, mut at) = (1, 0);
        for record in reader.records() {
            let record = record.map_err(csv)?;
            // the reader's own line numbers stop before empty lines
            let start = record.position().map_or(at, |p| p.byte() as usize);
            let blank = bytes[start..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
            line += bytes[at..start + blank].iter().filter(|&&b| b == b'\n').count() as u64;
            at = start + blank;
            rows.push((line, record.iter().map(str::to_owned).collect()));
        }
        Ok(Table { source: source.into(), columns, rows })
    }

    /// The columns' names.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn place(&self, column: &str) -> Result<usize, TableError> {
        self.columns.iter().position(|c| c == column).ok_or_else(|| TableError::Column {
            path: self.source.clone(),
            column: column.into(),
            columns: self.columns.clone(),
        })
    }

    fn cell_error(&self, line: u64, column: &str, value: &str, wanted: &'static str) -> TableError {
        TableError::Cell { path: self.source.clone(), line, column: column.into(), value: value.into(), wanted }
    }

    /// The rows in which none of these columns is missing.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn complete(&self, columns: &[&str]) -> Result<Self, TableError> {
        let places = columns.iter().map(|column| self.place(column)).collect::<Result<Vec<_>, _>>()?;
        let mut table = self.clone();
        table.rows.retain(|(_, cells)| places.iter().all(|&k| !is_missing(&cells[k])));
        Ok(table)
    }

    /// How many cells of a column are missing.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn missing(&self, column: &str) -> Result<usize, TableError> {
        let k = self.place(column)?;
        Ok(self.rows.iter().filter(|(_, cells)| is_missing(&cells[k])).count())
    }

    /// A column's texts.
    ///
    /// # Errors
    /// If there is no such column.
    pub fn texts(&self, column: &str) -> Result<Vec<&str>, TableError> {
        let k = self.place(column)?;
        Ok(self.rows.iter().map(|(_, cells)| cells[k].as_str()).collect())
    }

    /// A column of numbers.
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing or no finite number: the error names file, line and column.
    pub fn numbers<T: Float>(&self, column: &str) -> Result<Array1<T>, TableError> {
        let k = self.place(column)?;
        let number = |(line, cells): &(u64, Vec<String>)| match cells[k].parse::<f64>() {
            Ok(x) if T::from_f64(x).is_finite() => Ok(T::from_f64(x)),
            _ => Err(self.cell_error(*line, column, &cells[k], "number")),
        };
        self.rows.iter().map(number).collect()
    }

    /// Columns of numbers, side by side.
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

    /// A column of categories as whole numbers, and their names in alphabetical order.
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing.
    pub fn categories(&self, column: &str) -> Result<(Vec<usize>, Vec<String>), TableError> {
        let k = self.place(column)?;
        if let Some((line, _)) = self.rows.iter().find(|(_, cells)| is_missing(&cells[k])) {
            return Err(self.cell_error(*line, column, "", "category"));
        }
        let mut names: Vec<String> = self.rows.iter().map(|(_, cells)| cells[k].clone()).collect();
        names.sort_unstable();
        names.dedup();
        let place = |(_, cells): &(u64, Vec<String>)| names.binary_search(&cells[k]).expect("one of the names");
        Ok((self.rows.iter().map(place).collect(), names))
    }

    /// A labelled data set: columns of numbers, and a column of categories with their names in alphabetical order.
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
        let (labels, names) = self.categories(label)?;
        let data = Dataset::new(self.matrix(columns)?, labels, names.len()).expect("a label for each row, by its name");
        Ok((data, names))
    }

    /// A column of categories as columns of 0 and 1, one for each, and their names in alphabetical order.
    ///
    /// # Errors
    /// If there is no such column, or a cell is missing.
    pub fn one_hot<T: Float>(&self, column: &str) -> Result<(Array2<T>, Vec<String>), TableError> {
        let (places, names) = self.categories(column)?;
        let hot = |(i, j)| T::from_f64(f64::from(u8::from(places[i] == j)));
        Ok((Array2::from_shape_fn((self.len(), names.len()), hot), names))
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
            "t.csv, line 5, column `a`: nothing there (``); `complete` leaves such rows out"
        );
        assert_eq!(error(table.numbers("c")), "t.csv: there is no column `c`; there are a, b");
        assert_eq!(table.missing("a").unwrap(), 1);
        assert!(
            Table::parse("a,b\n1\n", "t.csv")
                .unwrap_err()
                .to_string()
                .starts_with("t.csv: CSV error: record 1 (line: 2")
        );
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
