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

/// Runs a kernel over the middle of `outer × n × inner`, or axis by axis if the axes are not neighbours.
pub(crate) fn reduce<T: Float>(kernel: fn(&[T], [usize; 3], &mut [T]), x: View<'_, T>, axes: &[usize], out: &mut [T]) {
    if let Some(layout) = neighbours(x.shape(), axes) {
        return kernel(x.data(), layout, out);
    }
    let (mut numbers, mut shape): (Vec<T>, Shape) = (x.data().to_vec(), x.shape().into());
    for &axis in axes {
        let layout = neighbours(&shape, &[axis]).expect("one axis is its own neighbour");
        let mut less = vec![T::default(); layout[0] * layout[2]];
        kernel(&numbers, layout, &mut less);
        (numbers, shape) = (less, reduced(&shape, &[axis]));
    }
    out.copy_from_slice(&numbers);
}
