use super::*;
use crate::windows::Windows;
use crate::with_threads;
use proptest::prelude::*;

/// Small whole numbers: sums of their products are exact in either type.
fn whole(len: usize, seed: usize) -> Vec<f32> {
    (0..len).map(|i| ((i * 7919 + seed * 104_729) % 13) as f32 - 6.0).collect()
}

fn sizes(
    (images, groups, of_group): (usize, usize, [usize; 2]),
    [image, kernel, stride, padding, dilation]: [[usize; 2]; 5],
) -> Option<Sizes> {
    let windows = Windows { kernel, stride, padding, dilation }.counts(image).ok()?;
    let [channels, outputs] = of_group.map(|n| n * groups);
    Some(Sizes { images, channels, outputs, groups, image, kernel, windows, stride, padding, dilation })
}

/// The three and the gradient by the bias, and the same by their definition.
fn all(s: &Sizes, x: &[f32], w: &[f32], g: &[f32]) -> ([Vec<f32>; 4], [Vec<f32>; 4]) {
    let empty = || [g.len(), x.len(), w.len(), s.outputs].map(|n| vec![f32::NAN; n]);
    let (mut fast, mut slow) = (empty(), empty().map(|a| vec![0.0; a.len()]));
    f32::forward(s, x, w, None, &mut fast[0]);
    f32::by_input(s, w, g, &mut fast[1]);
    let [_, _, by_weight, by_bias] = &mut fast;
    f32::by_weight(s, x, g, [by_weight, by_bias]);
    let plane = s.windows[0] * s.windows[1];
    g.iter().enumerate().for_each(|(at, g)| slow[3][at / plane % s.outputs] += g);
    s.terms(|weight, window, place| {
        slow[0][window] += x[place] * w[weight];
        slow[1][place] += w[weight] * g[window];
        slow[2][weight] += x[place] * g[window];
    });
    (fast, slow)
}

fn same(a: &[f32], b: &[f32]) -> bool {
    a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Every stride, padding past the kernel's reach, dilation, grouping, and size, more images than a piece included.
    #[test]
    fn all_three_are_their_definition(
        counts in (1usize..20, 1usize..4, [1usize..11, 1usize..11]),
        image in [1usize..12, 1usize..24],
        kernel in [1usize..5, 1usize..5],
        stride in [1usize..5, 1usize..5],
        padding in [0usize..6, 0usize..6],
        dilation in [1usize..4, 1usize..4],
        threads in 1usize..4,
    ) {
        if let Some(s) = sizes(counts, [image, kernel, stride, padding, dilation]) {
            let [x, g] = s.of_image();
            let (x, w, g) = (whole(s.images * x, 1), whole(s.weight(), 2), whole(s.images * g, 3));
            let (fast, slow) = with_threads(threads, || all(&s, &x, &w, &g));
            let what = ["forward", "by input", "by weight", "by bias"];
            for (what, (fast, slow)) in what.iter().zip(fast.iter().zip(&slow)) {
                prop_assert!(fast == slow, "{what} {s:?}");
            }
        }
    }

    /// What is infinite or NaN shows where it is a term, and nowhere else.
    #[test]
    fn numbers_that_are_not_finite_stay_where_they_are(
        stride in [1usize..3, 1usize..3],
        padding in [0usize..3, 0usize..3],
        which in 0usize..3,
        at in 0usize..1000,
        odd in prop::sample::select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY]),
    ) {
        let s = sizes((3, 2, [3, 2]), [[6, 7], [3, 2], stride, padding, [1, 1]]).unwrap();
        let [x, g] = s.of_image();
        let mut arrays = [whole(3 * x, 1), whole(s.weight(), 2), whole(3 * g, 3)];
        let len = arrays[which].len();
        arrays[which][at % len] = odd;
        let ([y, dx, dw, _], [y_slow, dx_slow, dw_slow, _]) = all(&s, &arrays[0], &arrays[1], &arrays[2]);
        // a weight that is not finite meets the padding's zeros too, as in PyTorch
        prop_assert!(which == 1 || same(&y, &y_slow), "forward");
        prop_assert!(same(&dx, &dx_slow) && same(&dw, &dw_slow));
    }
}

/// Those that are computed by products of matrices.
#[test]
fn small_images_with_many_channels_are_their_definition() {
    for (images, groups, of_group, image, kernel, stride, padding) in [
        (19, 1, [40, 36], [4, 4], [3, 3], [1, 1], [1, 1]),
        (9, 2, [33, 32], [8, 7], [2, 3], [1, 2], [1, 2]),
        (40, 1, [130, 40], [1, 1], [1, 1], [1, 1], [0, 0]),
        (3, 1, [16, 50], [5, 6], [3, 4], [2, 1], [2, 0]),
    ] {
        let s = sizes((images, groups, of_group), [image, kernel, stride, padding, [1, 1]]).unwrap();
        let [x, g] = s.of_image();
        let (x, w, g) = (whole(images * x, 1), whole(s.weight(), 2), whole(images * g, 3));
        for threads in [1, 3] {
            let (fast, slow) = with_threads(threads, || all(&s, &x, &w, &g));
            assert!(fast == slow, "{s:?}");
        }
        let (mut plain, mut moved) = (vec![0.0; g.len()], vec![0.0; g.len()]);
        f32::forward(&s, &x, &w, None, &mut plain);
        f32::forward(&s, &x, &w, Some(&w[..s.outputs]), &mut moved);
        let of = |at: usize| at / (s.windows[0] * s.windows[1]) % s.outputs;
        assert!(moved.iter().enumerate().all(|(at, &y)| y == plain[at] + w[of(at)]));
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let numbers = |len: usize, seed: usize| -> Vec<f32> {
        (0..len).map(|i| ((i * 7919 + seed) % 1013) as f32 / 506.0 - 1.0).collect()
    };
    for (of_group, image) in [([3, 16], [28, 28]), ([40, 70], [9, 9]), ([40, 70], [4, 4])] {
        let s = sizes((30, 1, of_group), [image, [3, 3], [1, 1], [1, 1], [1, 1]]).unwrap();
        let [x, g] = s.of_image();
        let (x, w, g) = (numbers(30 * x, 1), numbers(s.weight(), 2), numbers(30 * g, 3));
        let run = |threads| {
            with_threads(threads, || {
                let [mut y, mut dx, mut dw, mut db] = [g.len(), x.len(), w.len(), s.outputs].map(|n| vec![0.0; n]);
                f32::forward(&s, &x, &w, Some(&w[..s.outputs]), &mut y);
                f32::by_input(&s, &w, &g, &mut dx);
                f32::by_weight(&s, &x, &g, [&mut dw, &mut db]);
                [y, dx, dw, db]
            })
        };
        let one = run(1);
        assert!(one == run(2) && one == run(5));
    }
}
