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
    for shape in [
        [1, 1, 1],
        [1, 40, 33],
        [3, 17, 5],
        [5, 1, 5],
        [12, 12, 12],
        [31, 33, 35],
        [64, 10, 128],
        [1, 7, 70],
        [200, 1, 3],
        [3, 200, 130],
        [257, 19, 100],
    ] {
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

/// The library chooses its blocks by the sizes that it is given, and a piece has other sizes than the whole.
#[test]
fn the_number_of_threads_does_not_change_a_bit_of_any_shape() {
    let size = |seed: usize, most: usize| 1 + seed * 7919 % most;
    for seed in 0..150 {
        let shape = [size(seed, 401), size(seed + 11, 1201), size(seed + 5, 419)];
        let transposed = [[false, false], [false, true], [true, false]][seed % 3];
        let one = threads::with_threads(1, || product(shape, transposed, false));
        for threads in [2, 3, 8] {
            let more = threads::with_threads(threads, || product(shape, transposed, false));
            assert!(one.iter().zip(&more).all(|(a, b)| a.to_bits() == b.to_bits()), "{shape:?} {threads}");
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    for shape in [[128, 784, 512], [300, 1000, 700], [700, 1000, 300], [256, 300, 64], [1, 3000, 1000]] {
        for transposed in [[false, false], [false, true], [true, false]] {
            let one = threads::with_threads(1, || product(shape, transposed, false));
            for threads in [2, 3, 4] {
                let more = threads::with_threads(threads, || product(shape, transposed, false));
                assert!(one.iter().zip(&more).all(|(a, b)| a.to_bits() == b.to_bits()), "{shape:?} {threads}");
            }
        }
    }
}
