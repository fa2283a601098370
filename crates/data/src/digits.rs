//! Handwritten digits, embedded.

use std::io::Read;

use flate2::read::GzDecoder;
use ndarray::Array2;

use crate::Dataset;

/// A data set split in two.
#[derive(Clone, Debug, PartialEq)]
pub struct Split<T = f32> {
    /// the examples to learn from
    pub train: Dataset<T>,
    /// the examples to test the trained model with
    pub test: Dataset<T>,
}

const TRAIN: &[u8] = include_bytes!("../data/optdigits_train_3823.csv.gz");
const TEST: &[u8] = include_bytes!("../data/optdigits_test_1797.csv.gz");

/// The UCI optical handwritten digits in their official split: 3823 examples by 30 people to train on and 1797 by 13
/// others to test on. An example is an image of 8 × 8 grey levels from 0 to 16, row by row; its label is the digit.
///
/// E. Alpaydin, C. Kaynak (1998), *Optical Recognition of Handwritten Digits*, UCI Machine Learning Repository,
/// <https://doi.org/10.24432/C50P49>, CC BY 4.0.
///
/// ```
/// let digits = gradus_data::digits();
/// assert_eq!(digits.test.label_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
/// ```
pub fn digits() -> Split {
    Split { train: read(TRAIN), test: read(TEST) }
}

fn read(compressed: &[u8]) -> Dataset {
    let mut text = String::new();
    GzDecoder::new(compressed).read_to_string(&mut text).expect("the embedded file is whole");
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for row in reader.deserialize::<Vec<u8>>() {
        let row = row.expect("the embedded file holds numbers");
        let (label, pixels) = row.split_last().expect("the embedded rows are not empty");
        x.extend(pixels.iter().map(|&p| f32::from(p)));
        y.push(usize::from(*label));
    }
    let x = Array2::from_shape_vec((y.len(), 64), x).expect("the embedded rows hold 64 pixels");
    Dataset::new(x, y, 10).expect("the embedded labels are digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_digits_are_the_official_ones() {
        let Split { train, test } = digits();
        assert_eq!(train.label_counts(), [376, 389, 380, 389, 387, 376, 377, 387, 380, 382]);
        assert_eq!(test.label_counts(), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        assert!(train.x().iter().chain(test.x()).all(|&p| (0.0..=16.0).contains(&p)));
    }
}
