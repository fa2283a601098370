//! Taking the numbers at some places of an array, and adding numbers at some places of an array. Each operation is the
//! transpose of the other.
//!
//! The gradient of a part is added directly at its places ([`Vjp::add_at`]), never as an array of the size of the
//! whole. So a loop over the parts of a long sequence takes time that grows with the length of the sequence, not with
//! the square of the length.

use smallvec::SmallVec;

use crate::engine::tensor::Sweep;
use crate::places::Places;
use crate::{Float, Jvp, Operation, Output, Shape, Tensor, Value, View, Vjp};

/// The numbers of x at some places. The gradient goes back to these places; a place that is taken twice gets the sum.
#[derive(Debug)]
pub(crate) struct Take {
    pub(crate) places: Places,
}

crate::engine::erased::compiled_here!(Take);
impl<T: Float> Operation<T> for Take {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        self.places.name()
    }
    fn formula(&self) -> &'static str {
        "The numbers of x at some places. The gradient goes back to these places; a place that is taken twice gets \
         the sum."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        self.places.shape(inputs[0])
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        self.places.take(inputs[0], output.data());
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add_at(0, &self.places, || cx.grad());
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        Some(cx.tangent(0)?.take(&self.places))
    }
}

/// An array with each part added at its places. The gradient of a part is the gradient at its places. The array has
/// the shape `whole`. It starts as zeros, or as the input after the parts if there is one.
#[derive(Debug)]
pub(crate) struct Put {
    pub(crate) places: SmallVec<[Places; 1]>,
    pub(crate) whole: Shape,
}

crate::engine::erased::compiled_here!(Put);
impl<T: Float> Operation<T> for Put {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        match self.places.first() {
            None | Some(Places::Ranges(_)) => "put",
            _ => "scatter_add",
        }
    }
    fn formula(&self) -> &'static str {
        "An array with each part added at its places. The gradient of a part is the gradient at its places."
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        self.places.iter().try_for_each(|places| places.shape(&self.whole).map(drop))?;
        Ok(self.whole.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        match inputs.get(self.places.len()) {
            Some(x) => output.padded().copy_from_slice(x.padded()),
            None => output.padded().fill(T::default()),
        }
        for (places, part) in self.places.iter().zip(inputs) {
            places.add(part.data(), &self.whole, output.data());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        for (i, places) in self.places.iter().enumerate() {
            cx.add(i, || cx.grad().take(places));
        }
        if cx.inputs() > self.places.len() {
            cx.add(self.places.len(), || cx.grad());
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]].into_dyn()];
    let put = |places: fn() -> Places, whole: &'static [usize]| {
        check!("put", x(), move |v| {
            let put = Put { places: SmallVec::from_iter([places()]), whole: whole.into() };
            v[0].tape().apply(put, [v[0].square()])
        })
    };
    fn ranges() -> Places {
        use crate::places::Range;
        let range = |(start, step, len)| Range { start, step, len };
        Places::Ranges([(0, 2, 2), (4, -2, 3)].map(range).into_iter().collect())
    }
    vec![
        put(ranges, &[4, 5]),
        put(|| Places::Along { axis: 1, index: [3, 0, 3].into(), most: 2 }, &[2, 4]),
        put(
            || Places::Each { axis: 1, shape: [2, 3].as_slice().into(), index: [3, 0, 3, 1, 1, 1].into(), most: 3 },
            &[2, 4],
        ),
        // parts of one array in a loop, whose gradients are recorded as one operation
        check!("put", x(), |v| {
            let x = v[0].square();
            let parts = (0..3).map(|k| x.narrow(1, k, 1) * x.narrow(1, 2 - k, 1));
            parts.reduce(|sum, part| sum * 0.5 + part).expect("three parts") + x.index_select(1, &[1, 1, 0])
        }),
    ]
}

#[cfg(test)]
mod tests;
