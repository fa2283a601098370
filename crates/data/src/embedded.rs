//! Small real data sets, embedded.

use std::io::Read;

use flate2::read::GzDecoder;
use ndarray::{Array2, s};

use crate::{Dataset, Table};

/// The Palmer penguins: 344 birds of three species, with bill, flipper and mass; some cells are missing.
///
/// A. Horst, A. Hill, K. Gorman (2020), *palmerpenguins*, CC0.
///
/// ```
/// let complete = gradus_data::penguins().complete(&["flipper_length_mm", "body_mass_g"]).unwrap();
/// assert_eq!(complete.len(), 342);
/// ```
pub fn penguins() -> Table {
    Table::parse(include_str!("../data/penguins.csv"), "penguins.csv").expect("the embedded file is a table")
}

/// Heart disease in 303 patients in Cleveland: age, sex, pain, blood pressure and more; `heart_disease` is 0 or 1.
///
/// A. Janosi, W. Steinbrunn, M. Pfisterer, R. Detrano (1988), *Heart Disease*, UCI Machine Learning Repository,
/// <https://doi.org/10.24432/C52P4X>, CC BY 4.0.
///
/// ```
/// let heart = gradus_data::heart_disease().numbers::<f64>("heart_disease").unwrap();
/// assert_eq!((heart.len(), heart.sum()), (303, 139.0));
/// ```
pub fn heart_disease() -> Table {
    Table::parse(include_str!("../data/cleveland_numeric.csv"), "cleveland_numeric.csv")
        .expect("the embedded file is a table")
}

/// Heart attacks among 4909 people: blood pressure, sex, age, body-mass index; `heart_attack` is 0 or 1. It is 1 for
/// only 232 people, so accuracy says nothing: look at the log loss.
///
/// CDC/NCHS, National Health and Nutrition Examination Survey 2017-2018, public domain; for statistical use only.
///
/// ```
/// let attacks = gradus_data::heart_attacks().numbers::<f64>("heart_attack").unwrap();
/// assert_eq!((attacks.len(), attacks.sum()), (4909, 232.0));
/// ```
pub fn heart_attacks() -> Table {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../data/nhanes_2017_2018_heart.csv.gz")[..])
        .read_to_string(&mut text)
        .expect("the embedded file is whole");
    Table::parse(&text, "nhanes_2017_2018_heart.csv").expect("the embedded file is a table")
}

/// Fisher's iris: 150 flowers of three species, with length and width of sepal and petal in centimetres.
///
/// R. A. Fisher (1936), <https://doi.org/10.1111/j.1469-1809.1936.tb02137.x>.
///
/// ```
/// let iris = gradus_data::iris();
/// assert_eq!((iris.x().dim(), iris.label_counts()), ((150, 4), vec![50, 50, 50]));
/// ```
pub fn iris() -> Dataset {
    // the first line says how many rows and columns there are, and names the species
    let body = include_str!("../data/iris.csv").split_once('\n').expect("the embedded file has lines").1;
    let header = "sepal_length,sepal_width,petal_length,petal_width,species\n";
    let table = Table::parse(&format!("{header}{body}"), "iris.csv").expect("the embedded file is a table");
    let columns: Vec<&str> = header.trim_end().split(',').collect();
    let all: Array2<f32> = table.matrix(&columns).expect("the embedded cells are numbers");
    let y = all.column(4).iter().map(|&y| y as usize).collect();
    let data = Dataset::new(all.slice(s![.., ..4]).to_owned(), y, 3).expect("the embedded labels are species");
    data.named(["setosa", "versicolor", "virginica"])
}
