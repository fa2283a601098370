//! MNIST and data sets in its form, from a folder.

use std::path::{Path, PathBuf};

use gradus_autograd::internal::debug_as_display;
use ndarray::Array2;

use crate::{Dataset, Idx, IdxError, LabelError, Split, read_idx};

/// The error of a folder that is not read as MNIST.
#[derive(thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs)]
pub enum MnistError {
    #[error("{}: there is no {name} (nor {name}.gz); MNIST is four IDX files of these names", folder.display())]
    Missing { folder: PathBuf, name: String },
    #[error(transparent)]
    Idx(#[from] IdxError),
    #[error("{}: holds an array of {found}; {wanted} are expected", path.display())]
    Kind { path: PathBuf, found: String, wanted: &'static str },
    #[error("{}: {source}", path.display())]
    Labels { path: PathBuf, source: LabelError },
    #[error("{}: the images are of {test} pixels, those to train on of {train}", path.display())]
    Sizes { path: PathBuf, test: usize, train: usize },
}
debug_as_display!(MnistError);

/// Reads MNIST, or a data set in its form such as Fashion-MNIST, from a folder with the four files
/// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each
/// gzipped (`.gz`) or not. Each row of the examples is an image, with pixels from 0 to 255.
///
/// # Errors
/// If a file is missing, is malformed, or does not fit the others. The message names the file, the place and the value.
pub fn mnist(folder: impl AsRef<Path>) -> Result<Split, MnistError> {
    let folder = folder.as_ref();
    let train = part(folder, "train")?;
    let test = part(folder, "t10k")?;
    if test.x().ncols() != train.x().ncols() {
        let path = folder.join("t10k-images-idx3-ubyte");
        return Err(MnistError::Sizes { path, test: test.x().ncols(), train: train.x().ncols() });
    }
    Ok(Split { train, test })
}

fn part(folder: &Path, name: &str) -> Result<Dataset, MnistError> {
    let (images_path, images) = bytes(folder, &format!("{name}-images-idx3-ubyte"))?;
    let (labels_path, labels) = bytes(folder, &format!("{name}-labels-idx1-ubyte"))?;
    let &[count, rows, columns] = images.shape() else {
        let found = format!("shape {:?}", images.shape());
        return Err(MnistError::Kind { path: images_path, found, wanted: "images (three axes)" });
    };
    if labels.ndim() != 1 {
        let found = format!("shape {:?}", labels.shape());
        return Err(MnistError::Kind { path: labels_path, found, wanted: "labels (one axis)" });
    }
    let pixels = images.iter().map(|&p| f32::from(p)).collect();
    let x = Array2::from_shape_vec((count, rows * columns), pixels).map_err(|_| MnistError::Kind {
        path: images_path,
        found: format!("shape {:?}", images.shape()),
        wanted: "images of a size that fits into memory",
    })?;
    let y = labels.iter().map(|&y| usize::from(y)).collect();
    Dataset::new(x, y, 10).map_err(|source| MnistError::Labels { path: labels_path, source })
}

fn bytes(folder: &Path, name: &str) -> Result<(PathBuf, ndarray::ArrayD<u8>), MnistError> {
    let candidates = [folder.join(name), folder.join(format!("{name}.gz"))];
    let Some(path) = candidates.into_iter().find(|p| p.exists()) else {
        return Err(MnistError::Missing { folder: folder.into(), name: name.into() });
    };
    match read_idx(&path)? {
        Idx::U8(array) => Ok((path, array)),
        other => {
            let found = format!("{other:?}").split('(').next().unwrap_or_default().to_owned();
            Err(MnistError::Kind { path, found, wanted: "unsigned bytes" })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, head: &[u8], numbers: &[u8]) {
        std::fs::write(folder.join(name), [head, numbers].concat()).unwrap();
    }

    fn small(folder: &Path, label: u8) {
        for part in ["train", "t10k"] {
            let images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2];
            write(folder, &format!("{part}-images-idx3-ubyte"), &images, &[0, 255, 7, 8]);
            write(folder, &format!("{part}-labels-idx1-ubyte"), &[0, 0, 8, 1, 0, 0, 0, 2], &[3, label]);
        }
    }

    #[test]
    fn a_folder_of_four_files_is_read() {
        let folder = tempfile::tempdir().unwrap();
        small(folder.path(), 9);
        let split = mnist(folder.path()).unwrap();
        assert_eq!(split.train.x(), &ndarray::array![[0.0, 255.0], [7.0, 8.0]]);
        assert_eq!(split.test.y(), [3, 9]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = mnist(folder.path()).unwrap_err().to_string();
        assert!(error.contains("there is no train-images-idx3-ubyte"), "{error}");
        small(folder.path(), 10);
        let error = mnist(folder.path()).unwrap_err().to_string();
        assert!(error.contains("train-labels-idx1-ubyte: row 1 has label 10"), "{error}");
        small(folder.path(), 9);
        write(folder.path(), "t10k-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 1], &[3]);
        let error = mnist(folder.path()).unwrap_err().to_string();
        assert!(error.contains("2 examples but 1 labels"), "{error}");
    }
}
