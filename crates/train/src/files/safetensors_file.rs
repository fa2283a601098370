//! Weights as safetensors (<https://github.com/huggingface/safetensors>), which PyTorch and others read and write.

use std::path::Path;

use gradus_autograd::{Float, Module};
use gradus_data::{FileError, write_atomically};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::LoadError;
use crate::files::leaves::{Leaves, SavedLeaf};

/// Returns whether a path is that of the count in PyTorch's batch normalisation. Nothing depends on this count (unless
/// the momentum is `None`). It is an integer, and PyTorch loads a model without it.
pub(crate) fn is_passed_over(path: &str) -> bool {
    path == "num_batches_tracked" || path.ends_with(".num_batches_tracked")
}

pub(crate) fn write<T: Float, M: Module<T> + ?Sized>(model: &M, path: &Path) -> Result<(), FileError> {
    let failed = |e: safetensors::SafeTensorError| FileError { path: path.into(), source: std::io::Error::other(e) };
    let dtype = if T::NAME == "f32" { Dtype::F32 } else { Dtype::F64 };
    let bytes = |numbers: &[T]| -> Vec<u8> {
        match dtype {
            Dtype::F32 => numbers.iter().flat_map(|x| (x.to_f64() as f32).to_le_bytes()).collect(),
            _ => numbers.iter().flat_map(|x| x.to_f64().to_le_bytes()).collect(),
        }
    };
    let leaves = model.leaves();
    let numbers: Vec<Vec<u8>> = leaves.iter().map(|(_, leaf)| bytes(leaf.data())).collect();
    let views = leaves.iter().zip(&numbers).map(|((path, leaf), bytes)| {
        let view = TensorView::new(dtype, leaf.shape().to_vec(), bytes);
        (path, view.expect("as many bytes as the shape says"))
    });
    write_atomically(path, &serialize(views, None).map_err(failed)?)
}

pub(crate) fn read<T: Float>(bytes: &[u8], path: &Path) -> Result<Leaves<T>, LoadError> {
    let damaged = |reason: String| LoadError::damaged(path, reason);
    let tensors = SafeTensors::deserialize(bytes).map_err(|e| damaged(format!("not safetensors: {e}")))?;
    let mut leaves = Vec::new();
    for (name, tensor) in tensors.iter().filter(|(name, _)| !is_passed_over(name)) {
        let data = tensor.data();
        let numbers: Vec<T> = match tensor.dtype() {
            Dtype::F32 => numbers(data, |b| f64::from(f32::from_le_bytes(b))),
            Dtype::F64 => numbers(data, f64::from_le_bytes),
            Dtype::F16 => numbers(data, |b| f16::from_le_bytes(b).to_f64()),
            Dtype::BF16 => numbers(data, |b| bf16::from_le_bytes(b).to_f64()),
            Dtype::U8 | Dtype::BOOL => numbers(data, |b: [u8; 1]| f64::from(b[0])),
            Dtype::I8 => numbers(data, |b| f64::from(i8::from_le_bytes(b))),
            Dtype::I16 => numbers(data, |b| f64::from(i16::from_le_bytes(b))),
            Dtype::U16 => numbers(data, |b| f64::from(u16::from_le_bytes(b))),
            Dtype::I32 => numbers(data, |b| f64::from(i32::from_le_bytes(b))),
            Dtype::U32 => numbers(data, |b| f64::from(u32::from_le_bytes(b))),
            Dtype::I64 => numbers(data, |b| i64::from_le_bytes(b) as f64),
            Dtype::U64 => numbers(data, |b| u64::from_le_bytes(b) as f64),
            other => {
                let reason =
                    format!("{name} holds {other:?}; F16 to F64, BF16, BOOL, I8 to I64 and U8 to U64 are read");
                return Err(LoadError::Type { path: path.into(), reason });
            }
        };
        if tensor.dtype() == Dtype::F64
            && let Some(number) = too_large(data, &numbers)
        {
            let reason = format!("{name}: {number:e} is too large for {}", T::NAME);
            return Err(LoadError::Type { path: path.into(), reason });
        }
        leaves.push(SavedLeaf { path: name.to_owned(), shape: tensor.shape().to_vec(), numbers });
    }
    leaves.sort_by(|a, b| a.path.cmp(&b.path)); // the file has the order of a hash map
    Ok(Leaves { scalar: T::NAME.into(), leaves })
}

/// The first number that is finite in the file but not as `T`.
fn too_large<T: Float>(bytes: &[u8], numbers: &[T]) -> Option<f64> {
    let wide = bytes.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b));
    wide.zip(numbers).find(|(wide, x)| wide.is_finite() && !x.is_finite()).map(|(wide, _)| wide)
}

fn numbers<T: Float, const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f64) -> Vec<T> {
    bytes.as_chunks::<N>().0.iter().map(|&b| T::from_f64(number(b))).collect()
}
