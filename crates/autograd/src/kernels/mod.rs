//! The loops over numbers, compiled in this crate for each instruction set. A learner can skip this folder: the
//! rest of the crate reads without it.
//!
//! - `loops.rs`: the loops that an elementwise rule compiles to; `each.rs`: the one that most of them are
//! - `lane.rs`, `block.rs`, `checked.rs`: the kinds of numbers that they compute with; `math/`: `exp` and its kin
//! - `matmul.rs`, `reduce.rs`, `softmax.rs`: products, sums, exponentials of a row
//! - `strided.rs`, `in_place.rs`: copies through strides, arithmetic on numbers where they stand
//! - `simd.rs`, `threads.rs`: which instruction set runs, on how many threads

pub(crate) mod block;
pub(crate) mod checked;
pub(crate) mod each;
mod in_place;
pub(crate) mod lane;
pub(crate) mod loops;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod reduce;
pub(crate) mod simd;
pub(crate) mod softmax;
pub(crate) mod strided;
pub(crate) mod threads;

pub(crate) use block::{AnyBlock, Block};
pub(crate) use lane::{AnyLane, Lane};
pub use simd::vectorize;
pub use threads::{set_threads, with_threads};

/// Blocks of numbers are whole multiples of this many, so that loops over them have no tail.
pub(crate) const PAD: usize = 16;

/// The compiled loops of one number type that belong to no rule.
#[doc(hidden)]
pub struct Kernels<T: 'static> {
    pub(crate) product: fn(matmul::Product<'_, T>),
    /// over the middle axis of `outer × n × inner`
    pub(crate) sum: fn(&[T], [usize; 3], &mut [T]),
    pub(crate) max: fn(&[T], [usize; 3], &mut [T]),
    pub(crate) min: fn(&[T], [usize; 3], &mut [T]),
    /// the largest of a row, and the logarithm of the sum of exponentials relative to it
    pub(crate) log_sum_exp: fn(&[T]) -> (T, T),
    /// `y ← e^(x − ln Σ eˣ)`
    pub(crate) softmax: fn(&[T], &mut [T]),
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
    sum: reduce::f32::sum,
    max: reduce::f32::max,
    min: reduce::f32::min,
    log_sum_exp: softmax::f32::log_sum_exp,
    softmax: softmax::f32::softmax,
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
    sum: reduce::f64::sum,
    max: reduce::f64::max,
    min: reduce::f64::min,
    log_sum_exp: softmax::f64::log_sum_exp,
    softmax: softmax::f64::softmax,
    add_assign: in_place::f64::add_assign,
    mul_assign: in_place::f64::mul_assign,
    add_number: in_place::f64::add_number,
    sub_number: in_place::f64::sub_number,
    mul_number: in_place::f64::mul_number,
    div_number: in_place::f64::div_number,
    read: strided::read,
    add_strided: strided::add,
};
