//! Running a kernel along some axes of an array.

use crate::Float;
use crate::shape::Shape;
use crate::view::View;

/// A shape with the given axes at size 1.
pub(crate) fn reduced(shape: &[usize], axes: &[usize]) -> Shape {
    let mut shape = Shape::from_slice(shape);
    axes.iter().for_each(|&axis| shape[axis] = 1);
    shape
}

/// The sizes `outer × n × inner` of a reduction, if its axes are neighbours.
fn neighbours(shape: &[usize], axes: &[usize]) -> Option<[usize; 3]> {
    let (first, last) = (axes.iter().min().copied().unwrap_or(0), axes.iter().max().map_or(0, |k| k + 1));
    (first..last)
        .all(|k| axes.contains(&k))
        .then(|| [shape[..first].iter().product(), shape[first..last].iter().product(), shape[last..].iter().product()])
}

/// Runs a kernel over the middle of `outer × n × inner`, for one run of neighbouring axes after the other: the last run
/// first, which leaves the fewest numbers.
pub(crate) fn reduce<T: Float>(kernel: fn(&[T], [usize; 3], &mut [T]), x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    if let Some(layout) = neighbours(x.shape(), axes) {
        return kernel(x.data(), layout, out);
    }
    let mut axes = Shape::from_slice(axes);
    axes.sort_unstable();
    let (mut numbers, mut shape): (Option<Vec<T>>, Shape) = (None, x.shape().into());
    while let Some(last) = axes.last().copied() {
        let run = (0..axes.len()).rev().take_while(|&k| axes[k] + (axes.len() - 1 - k) == last).count();
        let own = Shape::from_slice(&axes[axes.len() - run..]);
        axes.truncate(axes.len() - run);
        let layout = neighbours(&shape, &own).expect("a run of neighbours");
        let from = numbers.as_deref().unwrap_or(x.data());
        if axes.is_empty() {
            return kernel(from, layout, out);
        }
        let mut less = vec![T::default(); layout[0] * layout[2]];
        kernel(from, layout, &mut less);
        (numbers, shape) = (Some(less), reduced(&shape, &own));
    }
}
