//! Data: embedded sets, readers, batches.
//!
//! ```
//! let digits = gradus_data::digits();
//! assert_eq!((digits.train.len(), digits.test.len()), (3823, 1797));
//! for batch in digits.train.batches(64).shuffle(1) {
//!     assert_eq!(batch.x.ncols(), 64);
//! }
//! ```
//!
//! Sets: `digits.rs` and `embedded.rs` are in the program, `synthetic.rs` is drawn, `idx.rs` with `mnist.rs`,
//! `table.rs` (CSV) and `npy.rs` read files, `disk.rs` leaves them there. `dataset.rs` has labelled examples,
//! `examples.rs` whatever can be picked by number. On the way to a model: `split.rs`, `scaler.rs`, `sampling.rs` (which
//! rows, in which order), `augment.rs`, `prefetch.rs`.

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
