//! Matrix products: `gemm` for large ones, plain loops for those so small that its set-up would cost more.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use gemm_common::Parallelism;

use super::lane::{Element, Lane};
use super::reduce::fold;
use super::simd::dispatch;

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

static DEFAULT_THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREADS: Cell<usize> = const { Cell::new(0) };
}

/// Sets how many threads a large matrix product may use, for the whole process. 0, the default, means all cores.
///
/// Results do not depend on it, bit for bit.
///
/// ```
/// gradus_autograd::set_threads(1);
/// ```
pub fn set_threads(threads: usize) {
    DEFAULT_THREADS.store(threads, Ordering::Relaxed);
}

/// Runs `f` with at most `threads` threads for each of its matrix products on this thread.
///
/// ```
/// let five = gradus_autograd::with_threads(1, || 2 + 3);
/// assert_eq!(five, 5);
/// ```
pub fn with_threads<R>(threads: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            THREADS.set(self.0);
        }
    }
    let _restore = Restore(THREADS.replace(threads));
    f()
}

/// Products of fewer multiplications than this stay on one thread: waking another takes longer.
const PARALLEL: usize = 1 << 24;

fn parallelism(multiplications: usize) -> Parallelism {
    if multiplications < PARALLEL {
        return Parallelism::None;
    }
    match (THREADS.get(), DEFAULT_THREADS.load(Ordering::Relaxed)) {
        (1, _) | (0, 1) => Parallelism::None,
        (0, threads) | (threads, _) => Parallelism::Rayon(threads),
    }
}

/// Products of fewer multiplications than this are done by plain loops.
const SMALL: usize = 12 * 12 * 12;

#[inline(always)]
fn small<L: Element>(p: &mut Product<'_, L::T>) {
    let Product { m, k, n, .. } = *p;
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

#[inline(always)]
fn dot<L: Element>(a: &[L::T], b: &[L::T]) -> L {
    let mut lanes = [L::zero(); 16];
    let (mut a, mut b) = (a.chunks_exact(16), b.chunks_exact(16));
    for (a, b) in (&mut a).zip(&mut b) {
        for i in 0..16 {
            lanes[i] = L::new(a[i]).mul_add(L::new(b[i]), lanes[i]);
        }
    }
    let mut sum = fold(lanes);
    for (&a, &b) in a.remainder().iter().zip(b.remainder()) {
        sum = L::new(a).mul_add(L::new(b), sum);
    }
    sum
}

macro_rules! compiled {
    ($t:ident, $gemm:ident) => {
        pub(crate) mod $t {
            use super::*;
            pub(crate) fn product(mut p: Product<'_, $t>) {
                let Product { m, k, n, .. } = p;
                assert!(p.a.len() >= m * k && p.b.len() >= k * n && p.c.len() >= m * n);
                let multiplications = m.saturating_mul(k).saturating_mul(n);
                if multiplications <= SMALL || m == 1 {
                    return dispatch!(MODE => small::<Lane<$t, MODE>>(&mut p));
                }
                let (a_row, a_column) = if p.a_transposed { (1, m) } else { (k, 1) };
                let (b_row, b_column) = if p.b_transposed { (1, k) } else { (n, 1) };
                // gemm stores columns: asked for Cᵀ = Bᵀ Aᵀ, whose columns are C's rows, it writes whole vectors
                // SAFETY: the assertion above holds every address that the strides reach inside the slices, and
                // `c` is borrowed mutably, so it does not overlap `a` or `b`.
                #[allow(unsafe_code)]
                unsafe {
                    $gemm::gemm::$t::get_gemm_fn()(
                        n,
                        m,
                        k,
                        p.c.as_mut_ptr(),
                        n as isize,
                        1,
                        p.accumulate,
                        p.b.as_ptr(),
                        b_row as isize,
                        b_column as isize,
                        p.a.as_ptr(),
                        a_row as isize,
                        a_column as isize,
                        1.0,
                        1.0,
                        false,
                        false,
                        false,
                        parallelism(multiplications),
                    );
                }
            }
        }
    };
}
compiled!(f32, gemm_f32);
compiled!(f64, gemm_f64);

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(seed: u64, len: usize) -> Vec<f32> {
        let mut z = seed;
        (0..len)
            .map(|_| {
                z = z.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (z >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            })
            .collect()
    }

    fn product(shape: [usize; 3], transposed: [bool; 2], accumulate: bool) -> Vec<f32> {
        let [m, k, n] = shape;
        let (a, b, mut c) = (numbers(1, m * k), numbers(2, k * n), numbers(3, m * n));
        f32::product(Product {
            m,
            k,
            n,
            a: &a,
            a_transposed: transposed[0],
            b: &b,
            b_transposed: transposed[1],
            c: &mut c,
            accumulate,
        });
        c
    }

    #[test]
    fn every_path_agrees_with_the_definition() {
        for shape in [[1, 1, 1], [1, 40, 33], [3, 17, 5], [5, 1, 5], [12, 12, 12], [31, 33, 35], [64, 10, 128]] {
            for code in 0..8 {
                let (ta, tb, accumulate) = (code & 1 == 1, code & 2 == 2, code & 4 == 4);
                let [m, k, n] = shape;
                let (a, b, c) = (numbers(1, m * k), numbers(2, k * n), numbers(3, m * n));
                let got = product(shape, [ta, tb], accumulate);
                for i in 0..m {
                    for j in 0..n {
                        let want: f64 = (0..k)
                            .map(|l| {
                                let a = a[if ta { l * m + i } else { i * k + l }];
                                let b = b[if tb { j * k + l } else { l * n + j }];
                                f64::from(a) * f64::from(b)
                            })
                            .sum::<f64>()
                            + if accumulate { f64::from(c[i * n + j]) } else { 0.0 };
                        assert!((f64::from(got[i * n + j]) - want).abs() < 1e-4, "{shape:?} {ta} {tb} {i} {j}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_does_not_change_a_bit() {
        for shape in [[128, 784, 512], [300, 1000, 700], [256, 300, 64]] {
            for transposed in [[false, false], [false, true], [true, false]] {
                let one = with_threads(1, || product(shape, transposed, false));
                for threads in [2, 3, 4] {
                    let more = with_threads(threads, || product(shape, transposed, false));
                    assert!(one.iter().zip(&more).all(|(a, b)| a.to_bits() == b.to_bits()), "{shape:?} {threads}");
                }
            }
        }
    }
}
