//! Picking places by index, and adding to places by index.

use std::sync::Arc;

use crate::axes::axis_of;
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// `y[…, j, …] = x[…, index[j], …]` along an axis.
#[derive(Debug)]
pub(crate) struct IndexSelect {
    pub(crate) axis: usize,
    pub(crate) index: Arc<[usize]>,
}

/// `outer × size × inner` of a shape around an axis.
fn around(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

impl<T: Float> Operation<T> for IndexSelect {
    fn name(&self) -> &'static str {
        "index_select"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let size = inputs[0][self.axis];
        if let Some((place, &i)) = self.index.iter().enumerate().find(|(_, i)| **i >= size) {
            return Err(format!("index[{place}] is {i}, but axis {} of {:?} has size {size}", self.axis, inputs[0]));
        }
        let mut shape = Shape::from_slice(inputs[0]);
        shape[self.axis] = self.index.len();
        Ok(shape)
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let [outer, size, inner] = around(inputs[0].shape(), self.axis);
        let (x, y, count) = (inputs[0].data(), output.data(), self.index.len());
        if [outer, inner] == [1, 1] {
            return y.iter_mut().zip(self.index.iter()).for_each(|(y, &i)| *y = x[i]);
        }
        for o in 0..outer {
            for (j, &i) in self.index.iter().enumerate() {
                y[(o * count + j) * inner..][..inner].copy_from_slice(&x[(o * size + i) * inner..][..inner]);
            }
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let size = cx.input(0).shape()[self.axis];
        let back = IndexAdd { axis: self.axis, index: self.index.clone(), size };
        cx.add(0, || V::apply(back, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// `y[…, i, …] = Σ x[…, j, …]` over all j with `index[j] = i`: the transpose of [`IndexSelect`].
#[derive(Debug)]
pub(crate) struct IndexAdd {
    pub(crate) axis: usize,
    pub(crate) index: Arc<[usize]>,
    pub(crate) size: usize,
}

impl<T: Float> Operation<T> for IndexAdd {
    fn name(&self) -> &'static str {
        "index_add"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let mut shape = Shape::from_slice(inputs[0]);
        shape[self.axis] = self.size;
        Ok(shape)
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        output.padded().fill(T::default());
        let [outer, count, inner] = around(inputs[0].shape(), self.axis);
        let (x, y) = (inputs[0].data(), output.data());
        if [outer, inner] == [1, 1] {
            return x.iter().zip(self.index.iter()).for_each(|(&x, &i)| y[i] += x);
        }
        for o in 0..outer {
            for (j, &i) in self.index.iter().enumerate() {
                let (to, from) = ((o * self.size + i) * inner, (o * count + j) * inner);
                y[to..to + inner].iter_mut().zip(&x[from..from + inner]).for_each(|(y, &x)| *y += x);
            }
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(IndexSelect { axis: self.axis, index: self.index.clone() }, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// Places along an axis, one for each number of an array of shape `shape`.
#[derive(Clone, Debug)]
struct Places {
    axis: usize,
    shape: Shape,
    index: Arc<[usize]>,
}

impl Places {
    /// Whether all lie in an array of this shape.
    fn check(&self, whole: &[usize]) -> Result<(), String> {
        let Places { axis, shape, index } = self;
        if shape.len() != whole.len() || (0..whole.len()).any(|k| k != *axis && shape[k] > whole[k]) {
            return Err(format!(
                "an index of shape {:?} into {whole:?} along axis {axis}: both need as many axes, and off that axis the \
                 index may not be larger",
                &**shape
            ));
        }
        match index.iter().enumerate().find(|(_, i)| **i >= whole[*axis]) {
            Some((place, i)) => {
                Err(format!("index number {place} is {i}, but axis {axis} of {whole:?} has size {}", whole[*axis]))
            }
            None => Ok(()),
        }
    }

    /// Calls `f(position in the index, position in an array of shape `whole`)` for each place.
    fn each(&self, whole: &[usize], mut f: impl FnMut(usize, usize)) {
        for (position, &i) in self.index.iter().enumerate() {
            let (mut rest, mut at, mut stride) = (position, 0, 1);
            for axis in (0..whole.len()).rev() {
                let own = rest % self.shape[axis];
                rest /= self.shape[axis];
                at += stride * if axis == self.axis { i } else { own };
                stride *= whole[axis];
            }
            f(position, at);
        }
    }
}

/// `y[i][j] = x[index[i][j]][j]`, for axis 0 of two.
#[derive(Debug)]
pub(crate) struct Gather {
    places: Places,
}

impl<T: Float> Operation<T> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        self.places.check(inputs[0])?;
        Ok(self.places.shape.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (x, y) = (inputs[0].data(), output.data());
        self.places.each(inputs[0].shape(), |to, from| y[to] = x[from]);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let back = || ScatterAdd { places: self.places.clone(), whole: cx.input(0).shape().into() };
        cx.add(0, || V::apply(back(), &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

/// Zeros, with each x added at its place: the transpose of [`Gather`].
#[derive(Debug)]
pub(crate) struct ScatterAdd {
    places: Places,
    whole: Shape,
}

impl<T: Float> Operation<T> for ScatterAdd {
    fn name(&self) -> &'static str {
        "scatter_add"
    }
    fn shape(&self, _: &[&[usize]]) -> Result<Shape, String> {
        self.places.check(&self.whole)?;
        Ok(self.whole.clone())
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        output.padded().fill(T::default());
        let (x, y) = (inputs[0].data(), output.data());
        self.places.each(&self.whole, |from, to| y[to] += x[from]);
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        cx.add(0, || V::apply(Gather { places: self.places.clone() }, &[&cx.grad()]));
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.linear(self)
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The places `index` of an axis, in that order. A place named twice gets both gradients.
    ///
    /// # Panics
    /// If an index is outside.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// let y = x.index_select(0, &[1, 0, 1]);
    /// assert_eq!(y.shape(), [3, 2]);
    /// assert_eq!(y.sum().backward().wrt(x), array![[1.0, 1.0], [2.0, 2.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn index_select(self, axis: isize, index: &[usize]) -> Self {
        let axis = axis_of("index_select", axis, self.shape());
        self.unary(IndexSelect { axis, index: index.into() })
    }

    /// One number for each index along an axis: for axis 1 of three, `y[i][j][k] = x[i][index[i][j][k]][k]`. Places
    /// read twice get both gradients.
    ///
    /// # Panics
    /// If an index is outside, or the shapes do not fit.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
    /// let y = x.gather(1, &array![[1], [0]]);
    /// assert_eq!(y.data(), [2.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn gather<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        axis: isize,
        index: &ndarray::ArrayBase<S, D>,
    ) -> Self {
        let axis = axis_of("gather", axis, self.shape());
        let places = Places { axis, shape: index.shape().into(), index: index.iter().copied().collect() };
        self.unary(Gather { places })
    }

    /// This, with each number of `source` added at the place where [`gather`](Self::gather) would read it: for axis 0 of
    /// two, `y[index[i][j]][j] += source[i][j]`. A place named twice gets both. Of a source that is larger than the
    /// index, the leading part is taken.
    ///
    /// # Panics
    /// If an index is outside, or the shapes do not fit.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let (x, source) = (tape.var([10.0, 20.0, 30.0]), tape.var([1.0, 2.0, 3.0]));
    /// let y = x.scatter_add(0, &array![2, 0, 2], source);
    /// assert_eq!(y.data(), [12.0, 20.0, 34.0]);
    /// ```
    #[track_caller]
    pub fn scatter_add<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        axis: isize,
        index: &ndarray::ArrayBase<S, D>,
        source: impl IntoVar<'t, T>,
    ) -> Self {
        let axis = axis_of("scatter_add", axis, self.shape());
        let (mut part, shape) = (source.into_var(self.tape()), index.shape());
        let fits = part.ndim() == shape.len() && shape.iter().zip(part.shape()).all(|(index, source)| index <= source);
        assert!(fits, "scatter_add: an index of shape {shape:?} for a source of shape {:?}, which lacks places", part.shape());
        for (k, &len) in shape.iter().enumerate() {
            if part.shape()[k] != len {
                part = part.narrow(k as isize, 0, len);
            }
        }
        let places = Places { axis, shape: shape.into(), index: index.iter().copied().collect() };
        self + part.unary(ScatterAdd { places, whole: self.shape().into() })
    }

    /// Rows of this table (V × D), one for each whole number of an array of any shape, whose shape the result has,
    /// with D behind it. The gradients of a row that is read several times add up.
    ///
    /// # Panics
    /// If this is not a matrix, or an index has no row.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let table = tape.var(array![[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]);
    /// let words = table.embedding(&array![[2, 0], [2, 1]]);
    /// assert_eq!(words.shape(), [2, 2, 2]);
    /// assert_eq!(words.sum().backward().wrt(table), array![[1.0, 1.0], [1.0, 1.0], [2.0, 2.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn embedding<S: ndarray::Data<Elem = usize>, D: ndarray::Dimension>(
        self,
        index: &ndarray::ArrayBase<S, D>,
    ) -> Self {
        let &[rows, width] = self.shape() else {
            panic!("embedding: the table is {:?}; it must be a matrix of rows × numbers a row", self.shape())
        };
        if let Some((place, row)) = index.iter().enumerate().find(|(_, row)| **row >= rows) {
            panic!("embedding: index number {place} is {row}, but the table {:?} has {rows} rows", self.shape());
        }
        let flat: Arc<[usize]> = index.iter().copied().collect();
        let shape: Shape = index.shape().iter().copied().chain([width]).collect();
        self.unary(IndexSelect { axis: 0, index: flat }).reshape(&*shape)
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let x = || vec![array![[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]].into_dyn()];
    let places = || Places { axis: 1, shape: [2, 3].as_slice().into(), index: [3, 0, 3, 1, 1, 1].into() };
    vec![
        check!("index_select", x(), |v| v[0].square().index_select(1, &[2, 0, 2, 2])),
        check!("index_add", x(), |v| {
            v[0].tape().apply(IndexAdd { axis: 1, index: [3, 0, 3].into(), size: 4 }, [v[0].square()])
        }),
        check!("gather", x(), |v| v[0].square().gather(1, &array![[2, 2, 0, 2], [1, 1, 1, 1]])),
        check!("scatter_add", x(), |v| {
            v[0].square().scatter_add(1, &array![[2, 2], [0, 1]], v[0].exp())
        }),
        check!("embedding", x(), |v| v[0].square().embedding(&array![[1, 0, 1], [1, 1, 0]])),
        check!("scatter_add", x(), move |v| {
            v[0].tape().apply(ScatterAdd { places: places(), whole: [2, 4].as_slice().into() }, [v[0].square()])
        }),
    ]
}
