//! Reading CSV files in their many variants.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{Error, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::table::{Cells, Table, TableError};

/// The most bytes that a packed table may have after it is unpacked.
const LIMIT: u64 = 1 << 30;

/// How a file of separated values is read: separator, header, marks of missing cells, comments, decimal commas.
///
/// ```
/// use gradus_data::Csv;
/// let wine = "# from the cellar\n\"acid\";\"quality\"\n7,4;5\n7,8;-999\n";
/// let table = Csv::new().separator(';').comments('#').decimal_comma(true).missing(&["-999"]).parse(wine, "wine.csv")?;
/// assert_eq!(table.columns(), ["acid", "quality"]);
/// assert_eq!(table.numbers::<f64>("acid")?, ndarray::array![7.4, 7.8]);
/// assert_eq!(table.missing("quality")?, 1);
/// let heart = Csv::new().header(false).parse("63,1,145\n67,0,160\n", "heart.data")?;
/// assert_eq!(heart.numbers::<f64>("2")?, ndarray::array![145.0, 160.0]); // columns are called 0, 1, 2
/// # Ok::<(), gradus_data::TableError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Csv {
    /// a comma if `None`; then a file that seems to have another separator is an error
    separator: Option<Separator>,
    /// `None` also means that the first line names the columns, but then a first line of numbers is an error
    header: Option<bool>,
    missing: Vec<String>,
    comments: Option<u8>,
    decimal_comma: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Separator {
    One(u8),
    Blanks,
}

#[track_caller]
fn ascii(what: &str, sign: char) -> u8 {
    u8::try_from(sign).ok().filter(u8::is_ascii).unwrap_or_else(|| panic!("Csv: {what} `{sign}` is no ASCII character"))
}

impl Csv {
    /// A reader with commas, a first line that names the columns, and no comments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the separator of cells: `';'`, `'\t'` or `'|'`, say. The default is a comma.
    ///
    /// # Panics
    /// If `separator` is no ASCII character.
    #[track_caller]
    pub fn separator(mut self, separator: char) -> Self {
        self.separator = Some(Separator::One(ascii("the separator", separator)));
        self
    }

    /// Separates cells by any number of blanks and tabs. Quotes have no meaning then.
    pub fn blanks(mut self) -> Self {
        self.separator = Some(Separator::Blanks);
        self
    }

    /// Sets whether the first line names the columns. If this is not set, the first line is taken as names, but a first
    /// line of numbers alone is an error. Without names, the columns are called `0`, `1`, `2` and so on.
    pub fn header(mut self, header: bool) -> Self {
        self.header = Some(header);
        self
    }

    /// Adds texts that mark a missing cell, such as `-999`, to the usual ones.
    pub fn missing(mut self, marks: &[&str]) -> Self {
        self.missing.extend(marks.iter().map(|mark| (*mark).to_owned()));
        self
    }

    /// Leaves out the lines that begin with `sign`.
    ///
    /// # Panics
    /// If `sign` is no ASCII character.
    #[track_caller]
    pub fn comments(mut self, sign: char) -> Self {
        self.comments = Some(ascii("the sign of a comment", sign));
        self
    }

    /// Sets whether numbers have a decimal comma, as in `7,4`.
    pub fn decimal_comma(mut self, decimal_comma: bool) -> Self {
        self.decimal_comma = decimal_comma;
        self
    }

    /// Reads a file, gzipped or not.
    ///
    /// # Errors
    /// If the file cannot be read, a line has more or fewer cells than the first, two columns have the same name, or
    /// the table is larger than 1 GiB after unpacking (4 GiB if it was not packed). Also if the file looks as if it had
    /// no header or another separator, and you did not set the one in question.
    pub fn read(&self, path: impl AsRef<Path>) -> Result<Table, TableError> {
        let path = path.as_ref();
        let file = |error| TableError::File { path: path.into(), error };
        let bytes = std::fs::read(path).map_err(file)?;
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut unpacked = Vec::new();
            MultiGzDecoder::new(&*bytes).take(LIMIT + 1).read_to_end(&mut unpacked).map_err(file)?;
            if unpacked.len() as u64 > LIMIT {
                return Err(file(Error::other(format!("more than {LIMIT} bytes when unpacked"))));
            }
            return self.read_bytes(&unpacked, path);
        }
        self.read_bytes(&bytes, path)
    }

    /// Reads a table from text. Errors use `source` as the name of the file.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(&self, text: &str, source: impl AsRef<Path>) -> Result<Table, TableError> {
        self.read_bytes(text.as_bytes(), source.as_ref())
    }

    fn read_bytes(&self, bytes: &[u8], source: &Path) -> Result<Table, TableError> {
        if u32::try_from(bytes.len()).is_err() {
            let error = Error::other("more than 4 GiB, which is more than is read");
            return Err(TableError::File { path: source.into(), error });
        }
        let settings = |reason: String| TableError::Settings { path: source.into(), reason };
        let bytes = &*utf_8(bytes).map_err(settings)?;
        let bytes = self.tidied(bytes);
        let csv = |error| TableError::Csv { path: source.into(), error };
        let separator = match self.separator {
            Some(Separator::One(byte)) => byte,
            Some(Separator::Blanks) => b' ',
            None => b',',
        };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .has_headers(false)
            .delimiter(separator)
            .quoting(self.separator != Some(Separator::Blanks))
            .flexible(true)
            .from_reader(&*bytes);
        let mut cells = Cells {
            source: source.into(),
            columns: Vec::new(),
            places: HashMap::new(),
            text: String::new(),
            ends: Vec::new(),
            lines: Vec::new(),
            missing: self.missing.clone(),
            decimal_comma: self.decimal_comma,
        };
        let mut record = csv::StringRecord::new();
        let (mut line, mut at, mut named) = (1u32, 0, false);
        loop {
            let start = reader.position().byte() as usize;
            if !reader.read_record(&mut record).map_err(csv)? {
                break;
            }
            // the `csv` crate gives the position before empty lines, so these are skipped and counted here
            let start = record.position().map_or(start, |p| p.byte() as usize);
            let start = start + bytes[start..].iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
            line += line_ends(&bytes[at..start]);
            at = start;
            if blank_line(&bytes[start..], separator) {
                continue;
            }
            if !named {
                named = true;
                if self.header != Some(false) {
                    cells.columns = record.iter().map(str::to_owned).collect();
                    self.check_header(&cells.columns, source)?;
                    continue;
                }
                cells.columns = (0..record.len()).map(|k| k.to_string()).collect();
            }
            let (have, want) = (record.len(), cells.columns.len());
            if have != want {
                let first = bytes[start..].iter().copied().find(|b| !b.is_ascii_whitespace());
                let comment = match first.filter(|sign| b"#%;!".contains(sign) && self.comments.is_none()) {
                    Some(sign) => {
                        format!("; if it is a comment, read the file with `Csv::new().comments('{}')`", sign as char)
                    }
                    None => String::new(),
                };
                return Err(settings(format!("line {line} has {have} cells, and there are {want} columns{comment}")));
            }
            for cell in &record {
                cells.text.push_str(cell);
                cells.ends.push(cells.text.len() as u32);
            }
            cells.lines.push(line);
        }
        cells.text.shrink_to_fit();
        cells.ends.shrink_to_fit();
        cells.lines.shrink_to_fit();
        Ok(Table::new(cells))
    }

    fn check_header(&self, columns: &[String], source: &Path) -> Result<(), TableError> {
        let odd = |reason: String| Err(TableError::Settings { path: source.into(), reason });
        let number = |name: &String| name.replacen(',', ".", 1).parse::<f64>().is_ok();
        if self.header.is_none() && !columns.is_empty() && columns.iter().all(number) {
            return odd(format!(
                "its first line has numbers only ({}), so it seems to have no header: read it with \
                 `Csv::new().header(false)`, or `.header(true)` if these are names",
                columns.iter().take(4).map(String::as_str).collect::<Vec<_>>().join(", ")
            ));
        }
        if let (Some(sign), None, None) = (columns.first().and_then(|c| c.chars().next()), self.comments, self.header)
            && matches!(sign, '#' | '%')
        {
            return odd(format!(
                "its first line begins with `{sign}`: if it is a comment, read the file with \
                 `Csv::new().comments('{sign}')`; if it names the columns, with `.header(true)`"
            ));
        }
        if let ([name], None) = (columns, self.separator) {
            let other = [(';', "';'"), ('\t', "'\\t'"), ('|', "'|'")];
            if let Some((_, sign)) = other.iter().find(|(sign, _)| name.contains(*sign)) {
                return odd(format!(
                    "it seems to have one column, `{name}`: read it with `Csv::new().separator({sign})`, or \
                     `.separator(',')` if that is right"
                ));
            }
            if name.split_ascii_whitespace().count() > 1
                && name.split_ascii_whitespace().all(|part| number(&part.to_owned()))
            {
                return odd(format!(
                    "it seems to have one column, `{name}`: read it with `Csv::new().blanks().header(false)`"
                ));
            }
        }
        let mut seen = HashSet::new();
        match columns.iter().find(|column| !seen.insert(&***column)) {
            Some(column) => Err(TableError::Twice { path: source.into(), column: column.clone() }),
            None => Ok(()),
        }
    }

    /// Removes the parts of the text that would confuse the `csv` crate's reader: comments, blanks before a quote, and,
    /// if blanks separate cells, all but one of several blanks. Line ends stay, so that errors name the right line.
    fn tidied<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let (blank, end) = (|b: &u8| matches!(b, b' ' | b'\t'), |b: &u8| matches!(b, b'\n' | b'\r'));
        if self.separator == Some(Separator::Blanks) {
            let mut tidy = Vec::with_capacity(bytes.len());
            for line in bytes.split_inclusive(end) {
                let text = line.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(0, |k| k + 1);
                let text = if self.comments.is_some_and(|sign| line.first() == Some(&sign)) { 0 } else { text };
                for (k, word) in line[..text].split(|b| blank(b)).filter(|word| !word.is_empty()).enumerate() {
                    tidy.extend_from_slice(if k > 0 { b" " } else { b"" });
                    tidy.extend_from_slice(word);
                }
                tidy.extend(line.iter().filter(|b| end(b)));
            }
            return Cow::Owned(tidy);
        }
        let separator = match self.separator {
            Some(Separator::One(byte)) => byte,
            _ => b',',
        };
        let before_quote = |pair: &[u8]| blank(&pair[0]) && pair[1] == b'"' && separator != pair[0];
        if self.comments.is_none() && !bytes.windows(2).any(before_quote) {
            return Cow::Borrowed(bytes);
        }
        let (mut tidy, mut at) = (Vec::with_capacity(bytes.len()), 0);
        let (mut quoted, mut cell_begins, mut line_begins) = (false, true, true);
        while let Some(&byte) = bytes.get(at) {
            if line_begins && Some(byte) == self.comments {
                at += bytes[at..].iter().take_while(|b| !end(b)).count();
                line_begins = false;
                continue;
            }
            let run = bytes[at..].iter().take_while(|b| blank(b) && **b != separator).count();
            if cell_begins && run > 0 && bytes.get(at + run) == Some(&b'"') {
                (at, line_begins) = (at + run, false);
                continue;
            }
            if quoted && bytes[at..].starts_with(b"\"\"") {
                tidy.extend_from_slice(b"\"\""); // a quote in a quoted cell
                at += 2;
                continue;
            }
            quoted ^= byte == b'"' && (quoted || cell_begins);
            line_begins = !quoted && end(&byte);
            cell_begins = line_begins || (!quoted && byte == separator);
            tidy.push(byte);
            at += 1;
        }
        Cow::Owned(tidy)
    }
}

/// The text as UTF-8, without the byte order mark that some editors write. A spreadsheet may save UTF-16, which is
/// recognised by its mark.
fn utf_8(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes[2..].chunks(2).map(|pair| unit([pair[0], *pair.get(1).unwrap_or(&0)])).collect();
        let text = String::from_utf16(&units).map_err(|_| "it begins as UTF-16, and is damaged".to_owned());
        text.map(|text| Cow::Owned(text.into_bytes()))
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => Ok(Cow::Borrowed(rest)),
        _ if bytes.iter().take(1000).any(|&b| b == 0) => {
            Err("it is no text in UTF-8: it holds zero bytes, as UTF-16 and binary files do; save it as UTF-8".into())
        }
        _ => match std::str::from_utf8(bytes) {
            Ok(_) => Ok(Cow::Borrowed(bytes)),
            Err(error) => Err(format!(
                "line {} is no text in UTF-8 (byte {:#04x}); save it as UTF-8",
                1 + line_ends(&bytes[..error.valid_up_to()]),
                bytes[error.valid_up_to()]
            )),
        },
    }
}

/// The number of line ends in `bytes`: `\n`, `\r\n`, or a lone `\r`, which old files have.
fn line_ends(bytes: &[u8]) -> u32 {
    let alone = |k: usize| bytes[k] == b'\r' && bytes.get(k + 1) != Some(&b'\n');
    (0..bytes.len()).filter(|&k| bytes[k] == b'\n' || alone(k)).count() as u32
}

/// Returns whether the first line of `bytes` holds only blanks and no separator.
fn blank_line(bytes: &[u8], separator: u8) -> bool {
    let mut line = bytes.iter().take_while(|b| !matches!(b, b'\n' | b'\r'));
    line.all(|b| b.is_ascii_whitespace() && *b != separator)
}

#[cfg(test)]
mod tests;
