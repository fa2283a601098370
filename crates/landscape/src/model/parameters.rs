//! The parameters of a model as one vector.

use gradus_autograd::{Float, Gradients, LeafMut, Module, Param, Visitor};
use ndarray::{Array1, ArrayD, ArrayView1};

/// The parameters of a model as one vector θ: all numbers, one parameter after the other in the model's order. Frozen
/// parameters are left out, since nothing moves along them.
///
/// ```
/// use gradus_autograd::{Module, Param};
/// use gradus_landscape::{parameters, set_parameters};
/// use ndarray::array;
/// let mut pair = (Param::new([1.0, 2.0]), Param::new([3.0]));
/// assert_eq!(parameters(&pair), array![1.0, 2.0, 3.0]);
/// set_parameters(&mut pair, &array![4.0, 5.0, 6.0]);
/// assert_eq!(pair.0.data(), [4.0, 5.0]);
/// pair.set_frozen("0", true);
/// assert_eq!(parameters(&pair), array![6.0]);
/// ```
pub fn parameters<T: Float, M: Module<T> + ?Sized>(model: &M) -> Array1<f64> {
    learned(model).into_iter().flat_map(|p| p.data().iter().map(|x| x.to_f64())).collect()
}

/// Writes θ into the parameters of a model: the inverse of [`parameters`].
///
/// # Panics
/// If the model has more or fewer parameters that are not frozen.
#[track_caller]
pub fn set_parameters<T: Float, M: Module<T> + ?Sized>(model: &mut M, theta: &Array1<f64>) {
    let (own, given) = (size(model), theta.len());
    assert!(own == given, "set_parameters: {given} numbers for a model of {own} parameters that are not frozen");
    let mut next = theta.iter();
    model.visit_mut(&mut Visitor::new(&mut |_, leaf| {
        if let LeafMut::Param(param) = leaf
            && !param.is_frozen()
        {
            param.update(|numbers| numbers.iter_mut().zip(&mut next).for_each(|(to, &x)| *to = T::from_f64(x)));
        }
    }));
}

/// The parameters that are not frozen, in the model's order.
pub(crate) fn learned<T: Float, M: Module<T> + ?Sized>(model: &M) -> Vec<&Param<T>> {
    model.params().into_iter().map(|(_, param)| param).filter(|param| !param.is_frozen()).collect()
}

/// The length of θ.
pub(crate) fn size<T: Float, M: Module<T> + ?Sized>(model: &M) -> usize {
    learned(model).iter().map(|param| param.len()).sum()
}

/// Cuts a vector into arrays of the parameters' shapes.
pub(crate) fn split<T: Float>(params: &[&Param<T>], v: ArrayView1<'_, f64>) -> Vec<ArrayD<T>> {
    let mut next = v.iter();
    let mut array = |param: &&Param<T>| {
        let numbers = next.by_ref().take(param.len()).map(|&x| T::from_f64(x)).collect();
        ArrayD::from_shape_vec(param.shape(), numbers).expect("as many numbers as the parameters have")
    };
    params.iter().map(&mut array).collect()
}

/// A vector of zeros, as long as the parameters.
pub(crate) fn zeros<T: Float>(params: &[&Param<T>]) -> Array1<f64> {
    Array1::zeros(params.iter().map(|param| param.len()).sum::<usize>())
}

/// The gradients by the parameters as one vector.
pub(crate) fn joined<T: Float>(params: &[&Param<T>], gradients: &Gradients<T>) -> Array1<f64> {
    let mut vector = zeros(params);
    let mut at = 0;
    for param in params {
        if let Some(gradient) = gradients.get(param) {
            gradient.iter().zip(vector.iter_mut().skip(at)).for_each(|(x, to)| *to = x.to_f64());
        }
        at += param.len();
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;
    use gradus_autograd::Tape;
    use ndarray::array;

    #[test]
    fn parts_come_back_in_their_places() {
        let pair = (Param::new(array![[1.0, 2.0], [3.0, 4.0]]), (Param::<f64>::new([]), Param::new(5.0)));
        let params = learned(&pair);
        let v = array![1.0, 2.0, 3.0, 4.0, 5.0];
        assert_eq!(parameters(&pair), v);
        let parts = split(&params, v.view());
        assert_eq!(parts[0], array![[1.0, 2.0], [3.0, 4.0]].into_dyn());
        assert_eq!((parts[1].len(), parts[2].ndim()), (0, 0));
        let tape = Tape::<f64>::mathematics();
        let unused = tape.param(&pair.1.1).square();
        assert_eq!(joined(&params, &unused.backward()), array![0.0, 0.0, 0.0, 0.0, 10.0]);
    }

    #[test]
    #[should_panic(expected = "set_parameters: 3 numbers for a model of 2 parameters that are not frozen")]
    fn another_length_is_refused() {
        set_parameters(&mut Param::new([1.0, 2.0]), &array![1.0, 2.0, 3.0]);
    }
}
