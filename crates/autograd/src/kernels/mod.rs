//! The loops over numbers, compiled in this crate for each instruction set. A learner can skip this folder: the
//! rest of the crate reads without it.
//!
//! - `loops.rs`: the loops that an elementwise rule compiles to; `each.rs`: the one that most of them are
//! - `lane.rs`, `block.rs`, `checked.rs`: the kinds of numbers that they compute with; `math/`: `exp` and its kin
//! - `matmul.rs`, `convolution/`, `reduce.rs`, `softmax.rs`: products, convolutions, sums, exponentials of a row
//! - `normalize/`, `pool.rs`: batch and layer normalisation, windows
//! - `strided.rs`, `in_place.rs`: copies through strides, arithmetic on numbers where they stand
//! - `simd.rs`, `threads.rs`, `team.rs`: which instruction set runs, on how many threads

pub(crate) mod block;
pub(crate) mod checked;
pub(crate) mod convolution;
mod copy;
pub(crate) mod each;
mod in_place;
pub(crate) mod lane;
pub(crate) mod loops;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod norm;
pub(crate) mod normalize;
pub(crate) mod pool;
pub(crate) mod reduce;
mod scratch;
pub(crate) mod simd;
pub(crate) mod softmax;
pub(crate) mod strided;
mod team;
pub(crate) mod threads;

pub(crate) use block::{AnyBlock, Block};
pub(crate) use lane::{AnyLane, Lane};
pub use simd::vectorize;
pub use threads::{set_threads, with_threads};

/// Blocks of numbers are whole multiples of this many, so that loops over them have no tail.
pub(crate) const PAD: usize = 16;

type Normalize<T> = fn(&normalize::Channels<'_, T>, &mut [T], &mut [T]);
type NormalizeSums<T> = fn(&normalize::Channels<'_, T>, [&[T]; 3], [&mut [T]; 2]);
type NormalizeByInput<T> = fn(&normalize::Channels<'_, T>, [&[T]; 3], [&[T]; 2], &mut [T]);
type NormalizeRows<T> = fn(usize, [&[T]; 2], Option<[&[T]; 2]>, &mut [T]);
type RowsByAffine<T> = fn(usize, [&[T]; 3], [&mut [T]; 2]);
type RowsByInput<T> = fn(usize, [&[T]; 3], Option<&[T]>, &mut [T]);
type Convolution<T> = fn(&convolution::Sizes, &[T], &[T], Option<&[T]>, &mut [T]);
type Convolved<T> = fn(&convolution::Sizes, &[T], &[T], &mut [T]);
type ConvolvedByWeight<T> = fn(&convolution::Sizes, &[T], &[T], [&mut [T]; 2]);

/// The compiled loops of one number type that belong to no rule.
#[doc(hidden)]
pub struct Kernels<T: 'static> {
    pub(crate) product: fn(matmul::Product<'_, T>),
    /// `y ← x ∗ weight + bias`
    pub(crate) convolution: Convolution<T>,
    /// `x ← Σ weight · y`, and `weight ← Σ x · y` with `bias ← Σ y`: its derivatives
    pub(crate) convolution_by_input: Convolved<T>,
    pub(crate) convolution_by_weight: ConvolvedByWeight<T>,
    /// the largest number of each window, and which one that is
    pub(crate) max_pool: fn(&pool::Planes, &[T], &mut [T], &mut [T]),
    /// the number of each window that an array says, and back
    pub(crate) pick: fn(&pool::Planes, &[T], &[T], &mut [T]),
    pub(crate) place: fn(&pool::Planes, &[T], &[T], &mut [T]),
    /// the sum of each window, and back
    pub(crate) sum_windows: fn(&pool::Planes, &[T], &mut [T]),
    pub(crate) spread_windows: fn(&pool::Planes, &[T], &mut [T]),
    /// mean, what rounding took from it, and variance of each channel of images
    pub(crate) statistics: fn([usize; 3], &[T], &mut [T]),
    /// `y ← (x − mean)/√(variance + eps) · weight + bias`, and what follows
    pub(crate) normalize: Normalize<T>,
    /// its gradients: by weight and bias, and by x
    pub(crate) normalize_sums: NormalizeSums<T>,
    pub(crate) normalize_by_input: NormalizeByInput<T>,
    /// the same for rows of so many numbers: statistics, forward, and the gradients by x, and by weight and bias
    pub(crate) rows_statistics: fn(usize, &[T], f64, &mut [T]),
    pub(crate) normalize_rows: NormalizeRows<T>,
    pub(crate) rows_by_input: RowsByInput<T>,
    pub(crate) rows_by_affine: RowsByAffine<T>,
    /// over the middle axis of `outer × n × inner`
    pub(crate) sum: fn(&[T], [usize; 3], &mut [T]),
    pub(crate) max: fn(&[T], [usize; 3], &mut [T]),
    pub(crate) min: fn(&[T], [usize; 3], &mut [T]),
    /// the largest of a row, and the logarithm of the sum of exponentials relative to it
    pub(crate) log_sum_exp: fn(&[T]) -> (T, T),
    /// `y ← e^(x − ln Σ eˣ)` for rows of so many numbers, and `dx ← y · (g − Σ g y)`
    pub(crate) softmax: fn(usize, &[T], &mut [T]),
    pub(crate) softmax_by_input: fn(usize, &[T], &[T], &mut [T]),
    /// `x ← x + y`
    pub(crate) add_assign: fn(&mut [T], &[T]),
    /// `x ← x · y`
    pub(crate) mul_assign: fn(&mut [T], &[T]),
    /// `x ← x + c`, and so on
    pub(crate) add_number: fn(&mut [T], T),
    pub(crate) sub_number: fn(&mut [T], T),
    pub(crate) mul_number: fn(&mut [T], T),
    pub(crate) div_number: fn(&mut [T], T),
    pub(crate) read: fn(&strided::Strided<'_>, &[T], &mut [T]),
    pub(crate) add_strided: fn(&strided::Strided<'_>, &[T], &mut [T]),
}

pub(crate) static F32: Kernels<f32> = Kernels {
    product: matmul::f32::product,
    convolution: convolution::f32::forward,
    convolution_by_input: convolution::f32::by_input,
    convolution_by_weight: convolution::f32::by_weight,
    max_pool: pool::f32::max,
    pick: pool::f32::pick,
    place: pool::f32::place,
    sum_windows: pool::f32::sum,
    spread_windows: pool::f32::spread,
    statistics: normalize::f32::statistics,
    normalize: normalize::f32::normalize,
    normalize_sums: normalize::f32::gradient_sums,
    normalize_by_input: normalize::f32::gradient_by_input,
    rows_statistics: normalize::f32::rows_statistics,
    normalize_rows: normalize::f32::normalize_rows,
    rows_by_input: normalize::f32::rows_by_input,
    rows_by_affine: normalize::f32::rows_by_affine,
    sum: reduce::f32::sum,
    max: reduce::f32::max,
    min: reduce::f32::min,
    log_sum_exp: softmax::f32::log_sum_exp,
    softmax: softmax::f32::softmax,
    softmax_by_input: softmax::f32::softmax_by_input,
    add_assign: in_place::f32::add_assign,
    mul_assign: in_place::f32::mul_assign,
    add_number: in_place::f32::add_number,
    sub_number: in_place::f32::sub_number,
    mul_number: in_place::f32::mul_number,
    div_number: in_place::f32::div_number,
    read: strided::read,
    add_strided: strided::add,
};

pub(crate) static F64: Kernels<f64> = Kernels {
    product: matmul::f64::product,
    convolution: convolution::f64::forward,
    convolution_by_input: convolution::f64::by_input,
    convolution_by_weight: convolution::f64::by_weight,
    max_pool: pool::f64::max,
    pick: pool::f64::pick,
    place: pool::f64::place,
    sum_windows: pool::f64::sum,
    spread_windows: pool::f64::spread,
    statistics: normalize::f64::statistics,
    normalize: normalize::f64::normalize,
    normalize_sums: normalize::f64::gradient_sums,
    normalize_by_input: normalize::f64::gradient_by_input,
    rows_statistics: normalize::f64::rows_statistics,
    normalize_rows: normalize::f64::normalize_rows,
    rows_by_input: normalize::f64::rows_by_input,
    rows_by_affine: normalize::f64::rows_by_affine,
    sum: reduce::f64::sum,
    max: reduce::f64::max,
    min: reduce::f64::min,
    log_sum_exp: softmax::f64::log_sum_exp,
    softmax: softmax::f64::softmax,
    softmax_by_input: softmax::f64::softmax_by_input,
    add_assign: in_place::f64::add_assign,
    mul_assign: in_place::f64::mul_assign,
    add_number: in_place::f64::add_number,
    sub_number: in_place::f64::sub_number,
    mul_number: in_place::f64::mul_number,
    div_number: in_place::f64::div_number,
    read: strided::read,
    add_strided: strided::add,
};

/// `x ← x + y`, number by number.
///
/// # Panics
/// If the lengths differ.
pub fn add_assign<T: crate::Float>(x: &mut [T], y: &[T]) {
    assert!(x.len() == y.len(), "add_assign: {} numbers to {}", y.len(), x.len());
    (T::kernels().add_assign)(x, y);
}
