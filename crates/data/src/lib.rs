//! Data: embedded sets, readers, batches.
//!
//! ```
//! let digits = gradus_data::digits();
//! assert_eq!((digits.train.len(), digits.test.len()), (3823, 1797));
//! for batch in digits.train.batches(64).shuffle(1) {
//!     assert_eq!(batch.x.ncols(), 64);
//! }
//! ```

mod dataset;
mod digits;
mod embedded;
mod idx;
mod mnist;
mod normalize;
mod scaler;
mod split;
mod table;

pub use dataset::{Batch, Batches, Dataset, LabelError};
pub use digits::{Split, digits};
pub use embedded::{heart_attacks, heart_disease, iris, penguins};
pub use idx::{Idx, IdxError, read_idx};
pub use mnist::{MnistError, mnist};
pub use normalize::Normalizer;
pub use scaler::Scaler;
pub use split::{k_fold_by_label, k_fold_rows, split_by_label, split_rows};
pub use table::{Table, TableError};
