//! Images changed a little, so that a model sees more of them than there are.

use gradus_autograd::Float;
use ndarray::Array2;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Moves, turns and blurs images at random, each in its own way. What comes in from outside an image is 0.
///
/// A row is an image: its channels one behind the other, each row by row. Numbers between pixels are interpolated
/// (bilinear), so a move by whole pixels without a turn changes no number.
///
/// ```
/// use gradus_autograd::Stream;
/// use gradus_data::{Augment, digits};
/// let mut batch = digits().train.batches(32).next().unwrap();
/// let augment = Augment::images(8, 8).shift(1.0).rotate(10.0).noise(0.1);
/// augment.apply(&mut batch.x, &mut Stream { seed: 1, step: 0, shard: 0 }.rng());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    height: usize,
    width: usize,
    shift: f64,
    rotate: f64,
    noise: f64,
}

impl Augment {
    /// For images of so many rows and columns of pixels. Changes nothing yet.
    pub fn images(height: usize, width: usize) -> Self {
        Augment { height, width, shift: 0.0, rotate: 0.0, noise: 0.0 }
    }

    /// Moves each by up to so many pixels in each direction, evenly drawn.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn shift(mut self, pixels: f64) -> Self {
        self.shift = checked("shift", pixels);
        self
    }

    /// Turns each about its middle by up to so many degrees either way, evenly drawn.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn rotate(mut self, degrees: f64) -> Self {
        self.rotate = checked("rotate", degrees);
        self
    }

    /// Adds normal noise of this standard deviation to each number.
    ///
    /// # Panics
    /// If it is negative or not finite.
    #[track_caller]
    pub fn noise(mut self, std: f64) -> Self {
        self.noise = checked("noise", std);
        self
    }

    /// Changes images, a row each.
    ///
    /// # Panics
    /// If a row is not one or more channels of the given size.
    #[track_caller]
    pub fn apply<T: Float>(&self, images: &mut Array2<T>, rng: &mut impl Rng) {
        let (columns, pixels) = (images.ncols(), self.height * self.width);
        assert!(
            pixels > 0 && columns.is_multiple_of(pixels),
            "Augment: rows of {columns} numbers are no images of {} × {} pixels",
            self.height,
            self.width
        );
        let mut before = vec![T::default(); pixels];
        for mut image in images.rows_mut() {
            let mut even = |limit: f64| if limit > 0.0 { rng.random_range(-limit..=limit) } else { 0.0 };
            let (down, right, turn) = (even(self.shift), even(self.shift), even(self.rotate).to_radians());
            if (down, right, turn) != (0.0, 0.0, 0.0) {
                for mut channel in image.exact_chunks_mut(pixels) {
                    before.iter_mut().zip(&channel).for_each(|(to, &x)| *to = x);
                    channel.iter_mut().enumerate().for_each(|(i, x)| *x = self.moved(&before, i, down, right, turn));
                }
            }
            if self.noise > 0.0 {
                for x in &mut image {
                    let z: f64 = StandardNormal.sample(rng);
                    *x += T::from_f64(self.noise * z);
                }
            }
        }
    }

    /// The pixel of a moved and turned image: what was at the place that comes to lie there.
    fn moved<T: Float>(&self, before: &[T], pixel: usize, down: f64, right: f64, turn: f64) -> T {
        let middle = |size: usize| (size as f64 - 1.0) / 2.0;
        let (cy, cx) = (middle(self.height), middle(self.width));
        let (y, x) = ((pixel / self.width) as f64 - cy - down, (pixel % self.width) as f64 - cx - right);
        let (sin, cos) = turn.sin_cos();
        let (y, x) = (cy + cos * y - sin * x, cx + sin * y + cos * x);
        let at = |y: f64, x: f64| {
            let inside = (0.0..self.height as f64).contains(&y) && (0.0..self.width as f64).contains(&x);
            if inside { before[y as usize * self.width + x as usize].to_f64() } else { 0.0 }
        };
        let (top, left) = (y.floor(), x.floor());
        let (v, u) = (y - top, x - left);
        let above = (1.0 - u) * at(top, left) + u * at(top, left + 1.0);
        let below = (1.0 - u) * at(top + 1.0, left) + u * at(top + 1.0, left + 1.0);
        T::from_f64((1.0 - v) * above + v * below)
    }
}

#[track_caller]
fn checked(name: &str, value: f64) -> f64 {
    assert!(value >= 0.0 && value.is_finite(), "Augment: {name} is {value}, which is negative or not finite");
    value
}

#[cfg(test)]
mod tests {
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
        // a dot in the middle stays within the limits of its moves, and its weight stays one
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
}
