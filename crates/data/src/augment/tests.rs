use super::*;
use gradus_autograd::Stream;
use ndarray::{Array2, array};

fn rng(step: u64) -> impl Rng {
    Stream { seed: 3, step, shard: 0 }.rng()
}

#[test]
fn moves_and_turns_carry_pixels_where_they_should() {
    let augment = Augment::images(3, 3);
    let image = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    let moved = |down, right, turn: f64| -> Vec<f64> {
        (0..9).map(|i| augment.moved(&image, i, down, right, turn.to_radians())).collect()
    };
    assert_eq!(moved(1.0, 0.0, 0.0), [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(moved(0.0, -1.0, 0.0), [2.0, 3.0, 0.0, 5.0, 6.0, 0.0, 8.0, 9.0, 0.0]);
    assert_eq!(moved(0.5, 0.0, 0.0)[3..6], [2.5, 3.5, 4.5]);
    let quarter = moved(0.0, 0.0, 90.0);
    let clockwise = [7.0, 4.0, 1.0, 8.0, 5.0, 2.0, 9.0, 6.0, 3.0];
    assert!(quarter.iter().zip(clockwise).all(|(a, b)| (a - b).abs() < 1e-12), "{quarter:?}");
}

#[test]
fn nothing_asked_for_changes_nothing_and_draws_repeat() {
    let images = Array2::from_shape_fn((4, 32), |(i, j)| (i * j) as f32);
    let with = |augment: Augment, step| {
        let mut changed = images.clone();
        augment.apply(&mut changed, &mut rng(step));
        changed
    };
    assert_eq!(with(Augment::images(4, 4), 0), images);
    let all = Augment::images(4, 4).shift(1.0).rotate(20.0).noise(0.5);
    assert_eq!(with(all, 0), with(all, 0));
    assert_ne!(with(all, 0), with(all, 1));
}

#[test]
fn noise_has_its_deviation_and_limits_hold() {
    let mut zeros = Array2::<f64>::zeros((10, 400));
    Augment::images(20, 20).shift(3.0).rotate(5.0).noise(2.0).apply(&mut zeros, &mut rng(0));
    let std = zeros.mapv(|x| x * x).mean().unwrap().sqrt();
    assert!((std - 2.0).abs() < 0.1, "{std}");
    // a dot in the middle moves no further than the limit, and its numbers still add up to 1
    for step in 0..200 {
        let mut dot = Array2::<f64>::zeros((1, 121));
        dot[[0, 60]] = 1.0;
        Augment::images(11, 11).shift(2.0).apply(&mut dot, &mut rng(step));
        let far = dot
            .indexed_iter()
            .filter(|&(_, &x)| x > 0.0)
            .all(|((_, i), _)| (i / 11).abs_diff(5) <= 2 && (i % 11).abs_diff(5) <= 2);
        assert!(far && (dot.sum() - 1.0).abs() < 1e-12);
    }
}

#[test]
#[should_panic(expected = "rows of 3 numbers are no images of 2 × 2 pixels")]
fn rows_that_are_no_images_are_refused() {
    Augment::images(2, 2).apply(&mut array![[1.0f32, 2.0, 3.0]], &mut rng(0));
}
