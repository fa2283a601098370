//! Sums of many f32 keep their digits, whichever operation adds the numbers up.

use gradus::prelude::*;
use gradus::{einsum, with_threads};
use ndarray::{Array1, Array2, array};

const N: usize = 10_000_000;

/// Checks that a sum of about 10⁷ numbers, described by `name`, is right to 10⁻⁵.
fn near(name: &str, sum: f32, right: f64) {
    let error = f64::from(sum) / right - 1.0;
    assert!(error.abs() < 1e-5, "{name}: {sum}, not {right}: off by {error:e}");
}

#[test]
fn ten_million_numbers_keep_their_digits_in_every_sum() {
    let tape = Tape::new();
    let tenth = f64::from(0.1f32);
    let right = N as f64 * tenth;
    let x = tape.constant_with(&[N], |x| x.fill(0.1));
    let ones = tape.constant_with(&[N], |x| x.fill(1.0));
    near("sum", x.sum().item(), right);
    near("mean", x.mean().item(), tenth);
    near("dot", x.dot(ones).item(), right);
    near("a product of vectors", x.matmul(ones).item(), right);
    near("einsum", einsum("i,i->", &[x, ones]).item(), right);
    near("einsum of one", einsum("i->", &[x]).item(), right);
    near("a row times a column", x.reshape([1, N]).matmul(ones.reshape([N, 1])).item(), right);
    near("norm", x.norm(2.0).item(), (right * tenth).sqrt());
    near("norm of order 3", x.norm(3.0).item(), (right * tenth * tenth).cbrt());
    near("norm of order 1", x.norm(1.0).item(), right);
    near("cumsum", x.cumsum(0).data()[N - 1], right);
    near("logsumexp", x.logsumexp().item().exp(), N as f64 * tenth.exp());
    near("softmax", x.softmax(0).data()[N / 2] * N as f32, 1.0);
    let rows = x.reshape([N / 2, 2]);
    near("sum over rows", rows.sum_axis(0).data()[1], right / 2.0);
    near("sum over rows of a part", rows.reshape([2, N / 4, 2]).sum_axis(1).data()[3], right / 4.0);
    near("sum of two rows", x.reshape([2, N / 2]).sum_axis(1).data()[1], right / 2.0);
    near("a row times a matrix", ones.reshape([2, N / 2]).narrow(0, 0, 1).matmul(rows).data()[1], right / 2.0);
    near("a matrix times a column", x.reshape([2, N / 2]).matmul(ones.narrow(0, 0, N / 2)).data()[1], right / 2.0);
    near("a product of matrices", x.reshape([2, N / 2]).matmul(rows).data()[3], right / 2.0 * tenth);
    near("a product with a transpose", rows.t().matmul(rows).data()[1], right / 2.0 * tenth);
    near("a batch of products", x.reshape([1, 1, N]).matmul(ones.reshape([1, N, 1])).item(), right);
}

/// Gradients that are sums over many rows: of a bias, a weight, a row of a table, a number that was broadcast.
#[test]
fn gradients_that_many_rows_add_into_one_keep_their_digits() {
    let tenth = f64::from(0.1f32);
    let right = N as f64 * tenth;
    let tape = Tape::new();
    let ones = tape.constant_with(&[N, 1], |x| x.fill(1.0));
    let tenths = tape.constant_with(&[N, 1], |x| x.fill(0.1));
    let (weight, bias) = (tape.var(array![[1.0]]), tape.var([0.0]));
    let grads = (ones.linear(weight, bias) * tenths).sum().backward();
    near("a bias", grads.wrt(bias)[[0]], right);
    near("a weight", grads.wrt(weight)[[0, 0]], right);
    let (number, row) = (tape.var(1.0), tape.var([1.0]));
    let grads = ((ones * number + ones * row) * tenths).sum().backward();
    near("a number", grads.wrt(number)[[]], right);
    near("a row", grads.wrt(row)[[0]], right);
    let table = tape.var(array![[1.0], [2.0]]);
    let grads = (table.embedding(&Array1::zeros(N)) * tenths).sum().backward();
    near("a row of a table", grads.wrt(table)[[0, 0]], right);
    let x = tape.var([1.0, 2.0]);
    let grads = (x.index_select(0, &vec![1; N]) * tenths.reshape([N])).sum().backward();
    near("a place of a vector", grads.wrt(x)[[1]], right);
    let y = tape.var([1.0; 1]);
    near("cumsum", (y * tenths.reshape([N])).cumsum(0).narrow(0, N - 1, 1).sum().backward().wrt(y)[[0]], right);
}

/// Compares products whose sums are longer than a block with products in f64, on one thread and on several.
#[test]
fn long_products_agree_with_those_in_double_precision() {
    for [m, k, n] in
        [[1, 5000, 1], [1, 9001, 7], [1, 3000, 300], [3, 10_000, 2], [40, 9001, 33], [70, 4097, 5], [5, 4096, 90]]
    {
        let at = |i: usize| ((i * 7919 % 1013) as f64 / 500.0 - 1.0) * 1.7;
        let (a, b) = (
            Array2::from_shape_fn((m, k), |(i, j)| at(i * k + j)),
            Array2::from_shape_fn((k, n), |(i, j)| at(i * n + j + 5)),
        );
        let right = a.dot(&b);
        let single = |threads| {
            with_threads(threads, || {
                let tape = Tape::new();
                let (a, b) = (tape.var(a.mapv(|x| x as f32)), tape.var(b.mapv(|x| x as f32)));
                let c = a.matmul(b);
                let transposed = a.t().permute([1, 0]).matmul(b.t().permute([1, 0]));
                let grads = c.square().sum().backward();
                assert_eq!(c.data(), transposed.data());
                (c.value().to_owned(), grads.wrt(a), grads.wrt(b))
            })
        };
        let (c, da, db) = single(1);
        let size = right.iter().fold(1.0, |size: f64, x| size.max(x.abs()));
        assert!(c.iter().zip(&right).all(|(c, right)| (f64::from(*c) - right).abs() < 1e-4 * size), "{m} {k} {n}");
        for threads in [2, 3] {
            assert!(single(threads) == (c.clone(), da.clone(), db.clone()), "{m} {k} {n}: {threads} threads");
        }
    }
}

#[test]
fn norms_and_deviations_neither_overflow_nor_underflow_where_the_result_fits() {
    fn close(got: f32, want: f64) {
        assert!((f64::from(got) / want - 1.0).abs() < 1e-6, "{got}, not {want}");
    }
    let tape = Tape::new();
    for unit in [1e-40f32, 3e-38, 1e-25, 1e-20, 1.0, 1e19, 1e20, 6e37] {
        let unit64 = f64::from(unit);
        let x = tape.var([3.0 * unit, -4.0 * unit]);
        let norm = x.norm(2.0);
        if unit >= 3e-38 {
            close(norm.item(), 5.0 * unit64);
            let slope = norm.backward().wrt(x);
            close(slope[[0]], 0.6);
            close(slope[[1]], -0.8);
        } else {
            assert!((norm.item() / (5.0 * unit) - 1.0).abs() < 1e-4); // denormal numbers have fewer digits
        }
        if (3e-38..3e37).contains(&unit) {
            let [recorded] = norm.grad([x]);
            close(recorded.data()[1], -0.8);
            close(x.norm(3.0).item(), 91f64.cbrt() * unit64);
            close(x.norm(-2.0).item(), (1.0 / 9.0 + 1.0 / 16.0f64).powf(-0.5) * unit64);
            close(x.norm(30.0).item(), (3f64.powi(30) + 4f64.powi(30)).powf(1.0 / 30.0) * unit64);
            close(x.std(0.0).item(), 3.5 * unit64);
            close(x.std(0.0).backward().wrt(x)[[0]], 0.5);
        }
    }
    let x = Tape::<f64>::mathematics();
    let x = x.var([3e200, -4e200]);
    assert!((x.norm(2.0).item() / 5e200 - 1.0).abs() < 1e-15);
    let x = tape.var([3e20f32, 4e20]);
    let norm = x.norm(200.0);
    close(norm.item(), 4e20);
    close(norm.backward().wrt(x)[[1]], 1.0);
    let x = tape.var([3f32, 4.0]);
    let norm = x.norm(0.05);
    let root = 3f64.powf(0.05) + 4f64.powf(0.05);
    assert!((f64::from(norm.item()) / root.powi(20) - 1.0).abs() < 1e-5, "{}", norm.item());
    let slope = f64::from(norm.backward().wrt(x)[[0]]);
    assert!((slope / (root.powi(19) * 3f64.powf(-0.95)) - 1.0).abs() < 1e-5, "{slope}");
    let rows = tape.var(array![[3e20f32, 4e20], [3e-25, 4e-25], [3.0, 4.0], [0.0, 0.0], [f32::INFINITY, 1.0]]);
    let norms = rows.norm_axis(1, 2.0);
    for (norm, want) in norms.data().iter().zip([5e20, 5e-25, 5.0]) {
        close(*norm, want);
    }
    assert_eq!(&norms.data()[3..], [0.0, f32::INFINITY]);
    let slope = norms.narrow(0, 0, 4).sum().backward().wrt(rows);
    close(slope[[1, 0]], 0.6);
    assert_eq!(slope[[3, 0]], 0.0);
}
