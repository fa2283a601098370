//! Matrix products: a library for large ones, plain loops for those so small that its set-up would cost more, and for
//! a single row, which memory limits.
//!
//! The library is `private-gemm-x86`, the one that `faer` multiplies with: AVX2 and AVX-512 kernels that read either
//! operand transposed at nearly full speed. Where the processor has neither, it is `matrixmultiply`.

use std::cell::Cell;

use super::each::each;
use super::in_place;
use super::lane::{AnyLane, Lane};
use super::reduce::fold;
use super::simd::dispatch;
use super::simd::{Level, level};
use super::threads;

/// `c ← a · b` or, with `accumulate`, `c ← c + a · b`, for an m × k matrix a and a k × n matrix b.
pub(crate) struct Product<'a, T> {
    pub(crate) m: usize,
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) a: &'a [T],
    /// whether a is stored as its transpose, k × m
    pub(crate) a_transposed: bool,
    pub(crate) b: &'a [T],
    /// whether b is stored as its transpose, n × k
    pub(crate) b_transposed: bool,
    /// m × n, row by row
    pub(crate) c: &'a mut [T],
    pub(crate) accumulate: bool,
}

/// The sizes m, k, n of the product of two matrices, each transposed first where asked. `None` if they are not two
/// matrices that fit, or if the product has no numbers or is a sum over nothing.
pub(crate) fn sizes([a, b]: [&[usize]; 2], transposed: [bool; 2]) -> Option<[usize; 3]> {
    let (&[a_rows, a_columns], &[b_rows, b_columns]) = (a, b) else { return None };
    let [m, k] = if transposed[0] { [a_columns, a_rows] } else { [a_rows, a_columns] };
    let [inner, n] = if transposed[1] { [b_columns, b_rows] } else { [b_rows, b_columns] };
    (k == inner && m > 0 && k > 0 && n > 0).then_some([m, k, n])
}

/// Multiplications that a thread must have to itself before a second one is woken.
pub(crate) const GRAIN: usize = 1 << 19;
/// The same for a row times a matrix, whose every number comes from memory.
const ROW_GRAIN: usize = 1 << 18;
/// The side of a piece is a multiple of this, a line of the cache or two: pieces are even, and the library's tiles fit.
const TILE: usize = 16;

/// Products of a long row with a column are added up in blocks of so many, and those in pairs, pairs of pairs and so
/// on: in 16 lanes, and one by one.
const LANES_BLOCK: usize = 2048;
const ROW_BLOCK: usize = 256;
/// The same for products of matrices: each block is one call of the library, which has blocks of its own.
const DEEP: usize = 4096;

/// Products of fewer multiplications than this are done by plain loops.
const SMALL: usize = 12 * 12 * 12;

#[inline(always)]
fn small<L: AnyLane>(p: &mut Product<'_, L::T>) {
    let Product { m, k, n, .. } = *p;
    if k == 1 {
        return outer::<L>(p);
    }
    let (a_row, a_column) = if p.a_transposed { (1, m) } else { (k, 1) };
    for i in 0..m {
        let row = &mut p.c[i * n..(i + 1) * n];
        if p.b_transposed && a_column == 1 {
            let a = &p.a[i * k..(i + 1) * k];
            for (j, c) in row.iter_mut().enumerate() {
                let product = dot::<L>(a, &p.b[j * k..(j + 1) * k]);
                *c = if p.accumulate { L::new(*c).add(product).get() } else { product.get() };
            }
            continue;
        }
        if !p.accumulate {
            row.fill(L::zero().get());
        }
        for l in 0..k {
            let a = L::new(p.a[i * a_row + l * a_column]);
            if p.b_transposed {
                for (c, j) in row.iter_mut().zip(0..) {
                    *c = a.mul_add(L::new(p.b[j * k + l]), L::new(*c)).get();
                }
            } else {
                for (c, &b) in row.iter_mut().zip(&p.b[l * n..(l + 1) * n]) {
                    *c = a.mul_add(L::new(b), L::new(*c)).get();
                }
            }
        }
    }
}

/// A column times a row: the gradient of a weight by one sample. Transposed or not, both are stored as they are.
#[inline(always)]
fn outer<L: AnyLane>(p: &mut Product<'_, L::T>) {
    let Product { m, n, accumulate, .. } = *p;
    let row = &p.b[..n];
    for (c, &a) in p.c.chunks_exact_mut(n).zip(&p.a[..m]) {
        let a = L::new(a);
        if accumulate {
            each([row], [], c, |[x], [], c| *c = a.mul_add(L::new(x), L::new(*c)).get());
        } else {
            each([row], [], c, |[x], [], c| *c = a.mul(L::new(x)).get());
        }
    }
}

const WIDTH: usize = 16;

#[inline(always)]
pub(super) fn dot<L: AnyLane>(a: &[L::T], b: &[L::T]) -> L {
    let mut lanes = [L::zero(); WIDTH];
    for (a, b) in a.chunks_exact(WIDTH).zip(b.chunks_exact(WIDTH)) {
        for i in 0..WIDTH {
            lanes[i] = L::new(a[i]).mul_add(L::new(b[i]), lanes[i]);
        }
    }
    finish(lanes, a, b)
}

/// The sum of the lanes, and the products behind the last whole block.
#[inline(always)]
fn finish<L: AnyLane>(lanes: [L; WIDTH], a: &[L::T], b: &[L::T]) -> L {
    let whole = a.len() / WIDTH * WIDTH;
    let mut sum = fold(lanes);
    for (&a, &b) in a[whole..].iter().zip(&b[whole..]) {
        sum = L::new(a).mul_add(L::new(b), sum);
    }
    sum
}

/// The products of a row with four others, whose sums go on side by side.
#[inline(always)]
fn dots<L: AnyLane>(a: &[L::T], b: [&[L::T]; 4]) -> [L; 4] {
    let blocks = |x| <[L::T]>::as_chunks::<WIDTH>(x).0.iter();
    let [b0, b1, b2, b3] = [blocks(b[0]), blocks(b[1]), blocks(b[2]), blocks(b[3])];
    // by value: the compiler keeps in memory what goes on through `&mut`
    let [mut s0, mut s1, mut s2, mut s3] = [[L::zero(); WIDTH]; 4];
    for ((((a, b0), b1), b2), b3) in blocks(a).zip(b0).zip(b1).zip(b2).zip(b3) {
        s0 = add_product(a, b0, s0);
        s1 = add_product(a, b1, s1);
        s2 = add_product(a, b2, s2);
        s3 = add_product(a, b3, s3);
    }
    // what becomes of the sums must not decide how the compiler lays them out in the loop
    let [s0, s1, s2, s3] = std::hint::black_box([s0, s1, s2, s3]);
    [finish(s0, a, b[0]), finish(s1, a, b[1]), finish(s2, a, b[2]), finish(s3, a, b[3])]
}

#[inline(always)]
fn add_product<L: AnyLane>(a: &[L::T; WIDTH], b: &[L::T; WIDTH], mut sum: [L; WIDTH]) -> [L; WIDTH] {
    for i in 0..WIDTH {
        sum[i] = L::new(a[i]).mul_add(L::new(b[i]), sum[i]);
    }
    sum
}

/// `c ← c + a · b` for a row a and a matrix that is stored as its transpose b, whose rows are `stride` apart.
#[inline(always)]
fn add_dots<L: AnyLane>(a: &[L::T], b: &[L::T], stride: usize, c: &mut [L::T]) {
    for (block, c) in c.chunks_mut(4).enumerate() {
        // behind the last row it stands again: a row gives the same wherever it stands
        let row = |j: usize| &b[(4 * block + j.min(c.len() - 1)) * stride..][..a.len()];
        let sums = dots(a, [row(0), row(1), row(2), row(3)]);
        for (c, sum) in c.iter_mut().zip(sums) {
            *c = L::new(*c).add(sum).get();
        }
    }
}

/// A row times a matrix: `c ← c + a · b` for the columns from `start` on. Every number of the matrix is read once, so
/// memory sets the pace.
#[inline(always)]
fn row<L: AnyLane>(a: &[L::T], b: &[L::T], [n, start]: [usize; 2], c: &mut [L::T]) {
    if n == WIDTH
        && let Ok(c) = <&mut [_; WIDTH]>::try_from(&mut *c)
    {
        let mut sums = c.map(L::new);
        for (&a, row) in a.iter().zip(b.as_chunks::<WIDTH>().0) {
            sums = add_product(&[a; WIDTH], row, sums);
        }
        *c = sums.map(L::get);
        return;
    }
    for (rows, a) in b.chunks(4 * n).zip(a.chunks(4)) {
        let row = |i: usize| &rows[i * n + start..][..c.len()];
        if let [a0, a1, a2, a3] = *a {
            let [a0, a1, a2, a3] = [a0, a1, a2, a3].map(L::new);
            let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
            for j in 0..c.len() {
                let sum = a0.mul_add(L::new(r0[j]), L::new(c[j]));
                let sum = a1.mul_add(L::new(r1[j]), sum);
                let sum = a2.mul_add(L::new(r2[j]), sum);
                c[j] = a3.mul_add(L::new(r3[j]), sum).get();
            }
        } else {
            for (i, &a) in a.iter().enumerate() {
                let row = &rows[i * n + start..][..c.len()];
                for (c, &b) in c.iter_mut().zip(row) {
                    *c = L::new(a).mul_add(L::new(b), L::new(*c)).get();
                }
            }
        }
    }
}

/// Where a matrix starts, and how far apart its rows and its columns are.
struct Matrix<T> {
    start: *mut T,
    row: isize,
    column: isize,
}
impl<T> Clone for Matrix<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Matrix<T> {}
// SAFETY: it is only a place. What is done with it is justified where it is done.
#[allow(unsafe_code)]
unsafe impl<T> Sync for Matrix<T> {}

impl<T> Matrix<T> {
    /// A matrix that is stored row by row, or its transpose, with rows or columns of `len` numbers.
    fn new(start: *const T, len: usize, transposed: bool) -> Self {
        let (row, column) = if transposed { (1, len as isize) } else { (len as isize, 1) };
        Matrix { start: start.cast_mut(), row, column }
    }
    /// The part from this row and this column on.
    fn from(self, row: usize, column: usize) -> Self {
        let offset = row as isize * self.row + column as isize * self.column;
        Matrix { start: self.start.wrapping_offset(offset), ..self }
    }
}

macro_rules! compiled {
    ($t:ident, $type:ident, $portable:path) => {
        pub(crate) mod $t {
            use super::*;

            pub(crate) fn product(mut p: Product<'_, $t>) {
                let Product { m, k, n, accumulate, .. } = p;
                assert!(p.a.len() >= m * k && p.b.len() >= k * n && p.c.len() >= m * n);
                let multiplications = m.saturating_mul(k).saturating_mul(n);
                if m == 1 || n == 1 {
                    // a matrix times a column is the column, as a row, times the matrix' transpose
                    let (a, b, n, transposed) = match n {
                        1 => (&p.b[..k], p.a, m, !p.a_transposed || m == 1),
                        _ => (&p.a[..k], p.b, n, p.b_transposed),
                    };
                    return threads::split(&mut p.c[..n], ROW_GRAIN.div_ceil(k.max(1)), |start, c| {
                        if !accumulate {
                            c.fill(0.0);
                        }
                        if transposed {
                            in_pairs(k, LANES_BLOCK, c, &|from, to, c| {
                                let b = &b[start * k + from..];
                                dispatch!(MODE => add_dots::<Lane<$t, MODE>>(&a[from..to], b, k, c));
                            });
                        } else {
                            in_pairs(k, ROW_BLOCK, c, &|from, to, c| {
                                let b = &b[from * n..to * n];
                                dispatch!(MODE => row::<Lane<$t, MODE>>(&a[from..to], b, [n, start], c));
                            });
                        }
                    });
                }
                if multiplications <= SMALL {
                    return dispatch!(MODE => small::<Lane<$t, MODE>>(&mut p));
                }
                let a = Matrix::new(p.a.as_ptr(), if p.a_transposed { m } else { k }, p.a_transposed);
                let b = Matrix::new(p.b.as_ptr(), if p.b_transposed { k } else { n }, p.b_transposed);
                let first = Cell::new(true);
                in_pairs(k, DEEP, &mut p.c[..m * n], &|from, to, c: &mut [$t]| {
                    // what others are added to is zeros or, at the very beginning, what stood there
                    let accumulate = accumulate || !first.replace(false);
                    let c = Matrix::new(c.as_mut_ptr(), n, false);
                    let (a, b, k) = (a.from(0, from), b.from(from, 0), to - from);
                    // cut along the longer side of the output: what belongs to the other side, every thread reads
                    let side = m.max(n);
                    let pieces = threads::pieces(m * k * n, GRAIN);
                    let len = side.div_ceil(pieces).next_multiple_of(TILE);
                    threads::run(side.div_ceil(len), &|i| {
                        let (start, len) = (i * len, len.min(side - i * len));
                        // SAFETY: by the assertion above, every address that these sizes and strides reach lies in the
                        // slices; `c` has m × n numbers and is borrowed mutably, and the pieces of it do not overlap.
                        #[allow(unsafe_code)]
                        unsafe {
                            if n >= m {
                                library([m, k, len], a, b.from(0, start), c.from(0, start), accumulate);
                            } else {
                                library([len, k, n], a.from(start, 0), b, c.from(start, 0), accumulate);
                            }
                        }
                    });
                });
            }

            /// `c ← c + Σ terms`, of which `add(from, to, c)` adds those from `from` to `to`: the terms of both halves
            /// are added up on their own first, and so on down to blocks.
            fn in_pairs(terms: usize, block: usize, c: &mut [$t], add: &dyn Fn(usize, usize, &mut [$t])) {
                fn part(from: usize, to: usize, block: usize, c: &mut [$t], add: &dyn Fn(usize, usize, &mut [$t])) {
                    if to - from <= block {
                        return add(from, to, c);
                    }
                    let middle = from + ((to - from) / 2).next_multiple_of(block);
                    part(from, middle, block, c, add);
                    let mut rest = vec![0.0; c.len()];
                    part(middle, to, block, &mut rest, add);
                    in_place::$t::add_assign(c, &rest);
                }
                part(0, terms, block, c, add);
            }

            /// `c ← a · b` or, with `accumulate`, `c ← c + a · b`.
            ///
            /// # Safety
            /// The matrices may be read, and `c` written, at all indices within the sizes. Nobody else uses `c`.
            #[allow(unsafe_code)]
            unsafe fn library(
                [m, k, n]: [usize; 3],
                a: Matrix<$t>,
                b: Matrix<$t>,
                c: Matrix<$t>,
                accumulate: bool,
            ) {
                #[cfg(target_arch = "x86_64")]
                if let Some(instructions) = instructions() {
                    use private_gemm_x86::{Accum, DType, DstKind, IType, gemm};
                    let (none, one): (_, $t) = (std::ptr::null(), 1.0);
 let plus = if accumulate { Accum::Add } else { Accum::Replace };
                    // SAFETY: the caller's promise; this processor has the instructions.
                    return unsafe {
                        gemm(
                            DType::$type,
                            IType::U64,
                            instructions,
                            m,
                            n,
                            k,
                            c.start.cast(),
                            c.row,
                            c.column,
                            none,
                            none,
                            DstKind::Full,
                            plus,
                            a.start.cast(),
                            a.row,
                            a.column,
                            false,
                            none,
                            0,
                            b.start.cast(),
                            b.row,
                            b.column,
                            false,
                            (&raw const one).cast::<()>(),
                            1,
                        )
                    };
                }
                let beta = if accumulate { 1.0 } else { 0.0 };
                // SAFETY: the caller's promise.
                unsafe {
                    $portable(
                        m, k, n, 1.0, a.start, a.row, a.column, b.start, b.row, b.column, beta, c.start, c.row,
                        c.column,
                    )
                }
            }
        }
    };
}
compiled!(f32, F32, matrixmultiply::sgemm);
compiled!(f64, F64, matrixmultiply::dgemm);

/// The kernels of the library that this processor can run.
#[cfg(target_arch = "x86_64")]
fn instructions() -> Option<private_gemm_x86::InstrSet> {
    match level() {
        Level::V4(_) => Some(private_gemm_x86::InstrSet::Avx512),
        Level::V3(_) => Some(private_gemm_x86::InstrSet::Avx256),
        Level::Baseline => None,
    }
}

#[cfg(test)]
mod tests;
