//! Saved models: in a format of our own, as safetensors, or as a NumPy archive.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use gradus_autograd::{Float, Module};
use gradus_data::{FileError, NpyError, PICKLE, npz_arrays, write_npz};
use ndarray::{ArrayViewD, IxDyn};

use crate::LoadError;
use crate::files::container::{self, ContainerError, Kind, LIMIT};
use crate::files::leaves::{Leaves, Mismatch, SavedLeaf, twice, unfit};
use crate::files::safetensors_file;

/// Saves a model's parameters and buffers. A crash leaves the old file or the new one.
///
/// The extension of the file's name, in small letters or capitals, chooses the format. `.safetensors` and `.npz` are
/// read by other programs, with PyTorch's names and layouts for the layers that both libraries have. Any other
/// extension stands for the format of our own, with version, length and checksum.
///
/// ```
/// use gradus_autograd::Module;
/// use gradus_nn::Mlp;
/// # let folder = tempfile::tempdir().unwrap();
/// # std::env::set_current_dir(folder.path()).unwrap();
/// let model = Mlp::builder([2, 3, 1]).seed(1).build::<f32>();
/// let mut other = Mlp::builder([2, 3, 1]).seed(2).build::<f32>();
/// for path in ["model.gradus", "model.safetensors", "model.npz"] {
///     gradus_train::save(&model, path)?;
///     gradus_train::load(&mut other, path)?;
///     assert_eq!(model.params()[0].1.data(), other.params()[0].1.data());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file cannot be written, or two parameters have one path.
pub fn save<T: Float, M: Module<T> + ?Sized>(model: &M, path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    if let Some(reason) = unfit(model) {
        return Err(FileError { path: path.into(), source: std::io::Error::other(reason) });
    }
    match extension(path).as_deref() {
        Some("safetensors") => safetensors_file::write(model, path),
        Some("npz") => {
            let leaves = model.leaves();
            let arrays = leaves.iter().map(|(path, leaf)| {
                let view = ArrayViewD::from_shape(IxDyn(leaf.shape()), leaf.data());
                (path, view.expect("as many numbers as the shape says"))
            });
            write_npz(path, arrays)
        }
        _ => container::write(Kind::Model, &Leaves::of(model), path),
    }
}

/// The extension of a file's name, in small letters.
fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

/// Loads a file of [`save`], PyTorch or NumPy into a model of the same architecture. The content tells the format.
///
/// Numbers of another type are converted to the model's type, except in the format of our own, where another type is an
/// error. `num_batches_tracked`, which PyTorch's batch normalisation counts but does not use, is skipped.
///
/// # Errors
/// If the file is missing, is not a model, is damaged, or does not fit the model: then every path that is missing,
/// unexpected or of another shape is listed. The model is then as it was.
pub fn load<T: Float, M: Module<T> + ?Sized>(model: &mut M, path: impl AsRef<Path>) -> Result<(), LoadError> {
    let path = path.as_ref();
    let saved = read::<T>(path)?;
    let mismatch = saved.compare(model);
    if !mismatch.is_empty() {
        return Err(LoadError::Architecture { path: path.into(), mismatch });
    }
    write(&saved, model, path).map(drop)
}

/// Copies the leaves that fit into a model, if it can take them. Returns the number of these leaves.
fn write<T: Float, M: Module<T> + ?Sized>(saved: &Leaves<T>, model: &mut M, path: &Path) -> Result<usize, LoadError> {
    let fault = |reason| LoadError::Model { path: path.into(), reason };
    unfit(model).map_or(Ok(()), |reason| Err(fault(reason)))?;
    saved.write_to(model).map_err(fault)
}

/// Loads the part of a file that fits the model, and returns the differences: for a model with another last layer, say.
///
/// ```
/// use gradus_nn::Mlp;
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("ten.safetensors");
/// let ten_classes = Mlp::builder([64, 16, 10]).seed(1).build::<f32>();
/// gradus_train::save(&ten_classes, &path)?;
/// let mut two_classes = Mlp::builder([64, 16, 2]).seed(2).build::<f32>();
/// let mismatch = gradus_train::load_partial(&mut two_classes, &path)?;
/// assert_eq!(two_classes.layers[0].weight.data(), ten_classes.layers[0].weight.data());
/// assert_eq!(mismatch.shapes[0], ("layers.1.weight".into(), vec![10, 16], vec![2, 16]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the file is missing, is not a model, or is damaged, or if nothing in it fits. The model is then as it was.
pub fn load_partial<T: Float, M: Module<T> + ?Sized>(
    model: &mut M,
    path: impl AsRef<Path>,
) -> Result<Mismatch, LoadError> {
    load_renamed(model, path, |name| Some(name.to_owned()))
}

/// Does the same as [`load_partial`] for a file with other names: `rename` gets each name in the file and returns the
/// path in the model, or `None` if the numbers are to be left out.
///
/// ```
/// use gradus_nn::{Linear, rng};
/// # let folder = tempfile::tempdir().unwrap();
/// # let path = folder.path().join("wrapped.npz");
/// // PyTorch's `DataParallel` and `compile` put a word before every name
/// let (weight, bias) = (ndarray::array![[1.0, 2.0]].into_dyn(), ndarray::array![3.0].into_dyn());
/// gradus_data::write_npz(&path, [("module.weight", weight.view()), ("module.bias", bias.view())])?;
/// let mut line = Linear::<f32>::new(2, 1, &mut rng(0));
/// let left_out = gradus_train::load_renamed(&mut line, &path, |name| name.strip_prefix("module.").map(Into::into))?;
/// assert!(left_out.is_empty());
/// assert_eq!(line.weight.data(), [1.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`load_partial`], and if two names become the same.
pub fn load_renamed<T: Float, M: Module<T> + ?Sized>(
    model: &mut M,
    path: impl AsRef<Path>,
    rename: impl Fn(&str) -> Option<String>,
) -> Result<Mismatch, LoadError> {
    let path = path.as_ref();
    let mut saved = read::<T>(path)?;
    saved.leaves.retain_mut(|leaf| rename(&leaf.path).map(|path| leaf.path = path).is_some());
    if let Some(name) = twice(saved.leaves.iter().map(|leaf| &*leaf.path)) {
        let reason = format!("two of its names become `{name}`");
        return Err(LoadError::Model { path: path.into(), reason });
    }
    let mismatch = saved.compare(model);
    if write(&saved, model, path)? == 0 {
        let hint = prefix(&mismatch).map_or_else(String::new, |prefix| {
            format!("\n  every name of the file begins with `{prefix}`; `load_renamed` can take it away")
        });
        return Err(LoadError::Nothing { path: path.into(), mismatch, hint });
    }
    Ok(mismatch)
}

/// The prefix before every name in the file without which the names would be the model's, if there is one.
fn prefix(mismatch: &Mismatch) -> Option<&str> {
    let (first, own) = (mismatch.unexpected.first()?, mismatch.missing.iter());
    let before = own.filter_map(|own| first.strip_suffix(&**own)).max_by_key(|before| before.len())?;
    mismatch.unexpected.iter().all(|name| name.starts_with(before)).then_some(before).filter(|p| !p.is_empty())
}

/// Reads the leaves of a file in any of the formats.
fn read<T: Float>(path: &Path) -> Result<Leaves<T>, LoadError> {
    let failed = |source| FileError { path: path.into(), source };
    let mut start = Vec::new();
    let mut file = File::open(path).map_err(failed)?;
    file.by_ref().take(64).read_to_end(&mut start).map_err(failed)?;
    let odd = |reason: String| Err(LoadError::Type { path: path.into(), reason });
    if start.starts_with(&[0x80, 2]) && matches!(extension(path).as_deref(), Some("pt" | "pth" | "pkl" | "bin")) {
        return odd(PICKLE.into());
    }
    let text = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
    if start.len() > 8 && start.iter().all(text) && !start.starts_with(b"GRADUS\r\n") {
        let begins = String::from_utf8_lossy(&start);
        let line = begins.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let hint = match line {
            _ if line.contains("git-lfs") => ", so it is a pointer of Git LFS: fetch the file itself (`git lfs pull`)",
            _ if line.starts_with('<') => ", so it is a page: was it downloaded by the wrong address?",
            _ => "",
        };
        return odd(format!("no model, but text, which begins `{line}`{hint}"));
    }
    let bytes = |mut file: File| {
        let size = file.metadata().map_err(failed)?.len();
        if size > LIMIT as u64 {
            return Err(LoadError::at(path)(ContainerError::TooLarge { bytes: size }));
        }
        let mut all = start.clone();
        file.read_to_end(&mut all).map_err(failed)?;
        Ok(all)
    };
    let leaves = if start.starts_with(b"PK") {
        let arrays = npz_arrays::<T>(Cursor::new(bytes(file)?), path);
        let arrays = arrays.map_err(|e| match e {
            NpyError::Pickle { .. } => LoadError::Type { path: path.into(), reason: PICKLE.into() },
            e => LoadError::damaged(path, e.to_string()),
        })?;
        let leaf = |(path, array): (String, ndarray::ArrayD<T>)| SavedLeaf {
            path,
            shape: array.shape().to_vec(),
            numbers: array.into_raw_vec_and_offset().0,
        };
        Leaves { scalar: T::NAME.into(), leaves: arrays.into_iter().filter(is_read).map(leaf).collect() }
    } else if start.get(8) == Some(&b'{') || extension(path).as_deref() == Some("safetensors") {
        safetensors_file::read(&bytes(file)?, path)?
    } else {
        let content = container::open(Kind::Model, path).map_err(LoadError::at(path))?;
        container::decode(&content, T::NAME).map_err(LoadError::at(path))?
    };
    match leaves.flaw() {
        Some(reason) => Err(LoadError::damaged(path, reason)),
        None => Ok(leaves),
    }
}

fn is_read<A>((path, _): &(String, A)) -> bool {
    !safetensors_file::is_passed_over(path)
}

#[cfg(test)]
mod tests;
