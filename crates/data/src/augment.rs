//! Random changes of images, so that a model sees more different images than the data set has.

use gradus_autograd::Float;
use ndarray::Array2;
use rand::{Rng, RngExt};
use rand_distr::{Distribution, StandardNormal};

/// Moves and turns images at random and adds noise, with a draw of its own for each image. Pixels that come in from
/// outside an image are 0.
///
/// A row of the array is an image: one channel after the other, each of them row by row. Values between pixels are
/// interpolated (bilinear), so a move by whole pixels without a turn changes no value.
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
    /// Prepares changes of images of `height` × `width` pixels. Nothing is changed until a setting below is made.
    pub fn images(height: usize, width: usize) -> Self {
        Augment { height, width, shift: 0.0, rotate: 0.0, noise: 0.0 }
    }

    /// Moves each image by up to `pixels` pixels vertically and horizontally, both drawn uniformly.
    ///
    /// # Panics
    /// If `pixels` is negative or not finite.
    #[track_caller]
    pub fn shift(mut self, pixels: f64) -> Self {
        self.shift = checked("shift", pixels);
        self
    }

    /// Turns each image about its middle by up to `degrees` degrees in either direction, drawn uniformly.
    ///
    /// # Panics
    /// If `degrees` is negative or not finite.
    #[track_caller]
    pub fn rotate(mut self, degrees: f64) -> Self {
        self.rotate = checked("rotate", degrees);
        self
    }

    /// Adds normal noise of standard deviation `std` to each number.
    ///
    /// # Panics
    /// If `std` is negative or not finite.
    #[track_caller]
    pub fn noise(mut self, std: f64) -> Self {
        self.noise = checked("noise", std);
        self
    }

    /// Changes the images in place. Each row is an image.
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

    /// The value of a pixel in the moved and turned image: the interpolated value at the place that is carried there.
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
mod tests;
