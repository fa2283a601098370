use crate::{Tape, Var};
use ndarray::{Array2, array, s};

/// The counts of numbers that the sweeps write for the gradient of a loop over the n rows of an array.
fn work(n: usize, part: fn(Var<'_, f32>, usize) -> Var<'_, f32>) -> [usize; 4] {
    let tape = Tape::new();
    let x = tape.var(Array2::from_elem((n, 8), 0.5));
    let cost = (0..n).map(|k| part(x, k).square().sum()).reduce(|a, b| a + b).expect("a part");
    let swept = cost.backward().numbers_written();
    let moved = cost.hvp([(x, &Array2::from_elem((n, 8), 1.0))]).numbers_written();
    let before = tape.memory().values;
    let [gradient] = cost.grad([x]);
    let again = gradient.sum().backward().numbers_written();
    [swept, moved, again, tape.memory().values - before]
}

#[test]
fn gradients_of_parts_in_a_loop_take_work_that_grows_with_the_array_not_with_its_square() {
    type Way = (&'static str, fn(Var<'_, f32>, usize) -> Var<'_, f32>);
    let ways: [Way; 10] = [
        ("narrow", |x, k| x.narrow(0, k, 1)),
        ("slice", |x, k| x.slice(s![k as isize..=k as isize, ..;2])),
        ("slice by an index", |x, k| x.slice(s![k as isize, ..])),
        ("at", |x, k| x.at(k)),
        ("a number", |x, k| x.at([k, 3])),
        ("index_select", |x, k| x.index_select(0, &[k])),
        ("gather", |x, k| x.gather(0, &array![[k, k]])),
        ("embedding", |x, k| x.embedding(&array![k])),
        ("a reshaped part", |x, k| x.narrow(0, k, 1).reshape([2, 4]).narrow(0, 1, 1)),
        ("flip of a part", |x, k| x.narrow(0, k, 1).flip(1)),
    ];
    for (name, part) in ways {
        let (short, long) = (work(200, part), work(400, part));
        for (sweep, (short, long)) in ["backward", "hvp", "grad", "backward of grad"].iter().zip(short.iter().zip(long))
        {
            assert!(long < short * 5 / 2, "{name}, {sweep}: {short} numbers for 200 parts, {long} for 400");
        }
    }
}

/// Parts that are joined after a loop are taken apart in the sweep.
#[test]
fn gradients_of_joined_parts_take_work_that_grows_with_the_array_not_with_its_square() {
    let work = |n: usize, join: for<'t> fn(&[Var<'t, f32>]) -> Var<'t, f32>| {
        let tape = Tape::new();
        let x = tape.var(Array2::from_elem((n, 8), 0.5));
        let parts: Vec<Var<'_, f32>> = (0..n).map(|k| x.at(k).tanh()).collect();
        join(&parts).mean().backward().numbers_written()
    };
    fn stacked<'t>(parts: &[Var<'t, f32>]) -> Var<'t, f32> {
        crate::stack(parts, 0)
    }
    fn joined<'t>(parts: &[Var<'t, f32>]) -> Var<'t, f32> {
        crate::concat(parts, 0)
    }
    for join in [stacked, joined] {
        let (short, long) = (work(200, join), work(400, join));
        assert!(long < short * 5 / 2, "{short} numbers for 200 parts, {long} for 400");
    }
}

/// 10⁷ numbers that all go to one place, in one operation.
#[test]
fn many_numbers_added_to_one_place_keep_their_digits() {
    let n = 10_000_000;
    let right = n as f64 * f64::from(0.1f32);
    let tape = Tape::new();
    let part = tape.constant_with(&[n], |x| x.fill(0.1));
    let place = ndarray::Array1::<usize>::zeros(n);
    let put = tape.constant([0.0, 1.0]).scatter_add(0, &place, part);
    assert!((f64::from(put.data()[0]) / right - 1.0).abs() < 1e-7, "{}, not {right}", put.data()[0]);
    assert_eq!(put.data()[1], 1.0);
    let table = tape.var(array![[1.0], [2.0]]);
    let gradient = (table.embedding(&place) * 0.1).sum().backward().wrt(table);
    assert!((f64::from(gradient[[0, 0]]) / right - 1.0).abs() < 1e-7, "{gradient}, not {right}");
    let infinite = tape.constant([0.0]).scatter_add(
        0,
        &ndarray::Array1::zeros(1000),
        tape.constant_with(&[1000], |x| x.fill(f32::MAX)),
    );
    assert_eq!(infinite.data(), [f32::INFINITY]);
}
