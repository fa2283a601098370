use super::*;
use crate::ops::numbers;
use crate::{Tape, with_threads};

/// The sum of the formula, term by term.
#[test]
fn convolutions_agree_with_the_definition() {
    for (stride, padding, dilation, groups) in [
        ([1, 1], [0, 0], [1, 1], 1),
        ([2, 3], [1, 0], [1, 2], 1),
        ([1, 2], [3, 2], [2, 1], 2),
        ([3, 1], [0, 1], [1, 1], 4),
    ] {
        let (x, w) = (numbers(&[2, 4, 7, 6], 0.0), numbers(&[8, 4 / groups, 3, 2], 500.0));
        let tape = Tape::<f64>::mathematics();
        let y = tape.var(&x).conv2d(&w, Convolution { stride, padding, dilation, groups });
        for (at, &got) in y.value().indexed_iter() {
            let (n, o, h, v) = (at[0], at[1], at[2], at[3]);
            let mut want = 0.0;
            for c in 0..4 / groups {
                for (i, j) in (0..3).flat_map(|i| [(i, 0), (i, 1)]) {
                    let (row, column) = (h * stride[0] + i * dilation[0], v * stride[1] + j * dilation[1]);
                    if (padding[0]..7 + padding[0]).contains(&row) && (padding[1]..6 + padding[1]).contains(&column) {
                        let channel = o / (8 / groups) * (4 / groups) + c;
                        want += x[[n, channel, row - padding[0], column - padding[1]]] * w[[o, c, i, j]];
                    }
                }
            }
            assert!((got - want).abs() < 1e-12, "{stride:?} {padding:?} {dilation:?} {groups}: {at:?}: {got} {want}");
        }
    }
}

#[test]
fn an_empty_batch_is_no_mistake() {
    let tape = Tape::<f64>::mathematics();
    let (x, w) = (tape.var(numbers(&[0, 2, 4, 4], 0.0)), tape.var(numbers(&[3, 2, 3, 3], 0.0)));
    let y = x.conv2d(w, Convolution::default());
    assert_eq!(y.shape(), [0, 3, 2, 2]);
    assert!(y.sum().backward().wrt(w).iter().all(|&g| g == 0.0));
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let run = |threads| {
        with_threads(threads, || {
            let tape = Tape::<f64>::mathematics();
            let (x, w) = (tape.var(numbers(&[4, 8, 40, 40], 0.0)), tape.var(numbers(&[8, 8, 3, 3], 0.5)));
            let y = x.conv2d(w, Convolution { padding: [1, 1], ..Convolution::default() });
            let gradients = y.square().sum().backward();
            (y.data().to_vec(), gradients.wrt(x), gradients.wrt(w))
        })
    };
    assert!(run(1) == run(3));
}

/// One window has no neighbour, so its stride is of no account, however large.
#[test]
fn the_stride_of_a_single_window_costs_nothing() {
    let tape = Tape::<f64>::mathematics();
    let (x, w) = (tape.var(numbers(&[1, 1, 4, 4], 0.0)), tape.var(numbers(&[1, 1, 3, 3], 5.0)));
    let far = x.conv2d(w, Convolution { stride: [1 << 40, 1 << 40], ..Convolution::default() });
    let near = x.conv2d(w, Convolution { stride: [2, 2], ..Convolution::default() });
    assert_eq!(far.data(), near.data());
    assert_eq!(far.sum().backward().wrt(w), near.sum().backward().wrt(w));
}
