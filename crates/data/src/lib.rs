//! Data: embedded data sets, readers of data files, and batches.
//!
//! ```
//! let digits = gradus_data::digits();
//! assert_eq!((digits.train.len(), digits.test.len()), (3823, 1797));
//! for batch in digits.train.batches(64).shuffle(1) {
//!     assert_eq!(batch.x.ncols(), 64);
//! }
//! ```
//!
//! Data sets: `digits.rs` and `embedded.rs` hold the sets that are compiled into the program; `synthetic.rs` draws sets
//! at random. Readers: `idx.rs` with `mnist.rs`, `table.rs` (CSV) and `npy.rs` read files into memory; `disk.rs` leaves
//! the numbers on the disk. Types: `dataset.rs` has labelled examples, and `examples.rs` the trait of all data whose
//! examples can be picked by number. Between the data and a model: `split.rs`, `scaler.rs`, `sampling.rs` (which rows
//! an epoch shows, and in which order), `augment.rs`, `prefetch.rs`.

mod augment;
mod categories;
mod csv_file;
mod dataset;
mod digits;
mod disk;
mod embedded;
mod examples;
mod file;
mod idx;
mod imputer;
mod mnist;
mod npy;
mod prefetch;
mod sampling;
mod scaler;
mod split;
mod synthetic;
mod table;

pub use augment::Augment;
pub use categories::Categories;
pub use csv_file::Csv;
pub use dataset::{Batch, Batches, Dataset, LabelError};
pub use digits::{Split, digits};
pub use disk::DiskRows;
pub use embedded::{heart_attacks, heart_disease, iris, penguins};
pub use examples::Examples;
pub use file::{FileError, remove_unfinished, write_atomically, write_quickly};
pub use idx::{Idx, IdxError, read_idx};
pub use imputer::{ImputeError, Imputer};
pub use mnist::{MnistError, mnist};
#[doc(hidden)]
pub use npy::PICKLE;
pub use npy::{NpyError, npz_arrays, read_npy, read_npz, read_npz_array, write_npy, write_npz};
pub use prefetch::prefetch;
pub use sampling::{RowBatches, Sampling};
pub use scaler::Scaler;
pub use split::{k_fold_by_label, k_fold_rows, split_by_label, split_rows};
pub use synthetic::{blobs, circles, linear, moons, spirals};
pub use table::{Table, TableError};
