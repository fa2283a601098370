//! Products of vectors, matrices, and batches of matrices.

use crate::kernels::matmul::{GRAIN, Product};
use crate::kernels::threads::{pieces, queue};
use crate::shape::{broadcast_shape, broadcast_strides, count, offset};
use crate::{Float, IntoVar, Jvp, Operation, Output, Shape, Tensor, Value, Var, View, Vjp};

/// `C = A · B` over the last two axes, `Ā = C̄ · Bᵀ`, `B̄ = Aᵀ · C̄`. Each operand is stored transposed where
/// `transposed` says so. Axes before those are batches and broadcast.
#[derive(Debug)]
pub(crate) struct MatMul {
    pub(crate) transposed: [bool; 2],
}

/// The batch axes, rows and columns of an operand, after its transposition.
fn parts(shape: &[usize], transposed: bool) -> (&[usize], usize, usize) {
    let (batch, matrix) = shape.split_at(shape.len() - 2);
    if transposed { (batch, matrix[1], matrix[0]) } else { (batch, matrix[0], matrix[1]) }
}

impl MatMul {
    /// Multiplies matrix by matrix. If the right operand is one matrix for the whole batch, one product takes all rows
    /// at once.
    fn run<T: Float>(&self, a: View<'_, T>, b: View<'_, T>, shape: &[usize], c: &mut [T]) {
        let [a_transposed, b_transposed] = self.transposed;
        let (a_batch, m, k) = parts(a.shape(), a_transposed);
        let (b_batch, _, n) = parts(b.shape(), b_transposed);
        let product = |m, a, b, c| {
            (T::kernels().product)(Product { m, k, n, a, a_transposed, b, b_transposed, c, accumulate: false });
        };
        let a_count = count(a_batch);
        if count(b_batch) == 1 && (!a_transposed || a_count == 1) {
            return product(a_count * m, a.data(), b.data(), c);
        }
        let batch = &shape[..shape.len() - 2];
        let (a_strides, b_strides) = (broadcast_strides(a_batch, batch), broadcast_strides(b_batch, batch));
        // large products are cut themselves, small ones are divided among the threads
        let work = m * k * n;
        let threads = if work < 2 * GRAIN { pieces(count(batch) * work, GRAIN) } else { 1 };
        let together = (GRAIN / 4).div_ceil(work.max(1)); // products that a thread takes at once
        let size = (m * n).max(1);
        queue(c.chunks_mut(together * size).enumerate(), threads, |(at, c)| {
            for (i, c) in c.chunks_exact_mut(size).enumerate() {
                let i = at * together + i;
                let [at_a, at_b] = [&a_strides, &b_strides].map(|strides| offset(i, batch, strides) as usize);
                product(m, &a.data()[at_a * m * k..][..m * k], &b.data()[at_b * k * n..][..k * n], c);
            }
        });
    }
}

crate::engine::erased::compiled_here!(MatMul);
impl<T: Float> Operation<T> for MatMul {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn formula(&self) -> &'static str {
        "`C = A · B` over the last two axes, `Ā = C̄ · Bᵀ`, `B̄ = Aᵀ · C̄`."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let (a_batch, m, k) = parts(inputs[0], self.transposed[0]);
        let (b_batch, inner, n) = parts(inputs[1], self.transposed[1]);
        if k != inner {
            let hint = if k == n { "; did you mean `b.t()`?" } else { "" };
            return Err(format!("{:?} × {:?}: inner sizes {k} and {inner} differ{hint}", inputs[0], inputs[1]));
        }
        let mut shape = broadcast_shape(a_batch, b_batch)
            .map_err(|e| format!("{:?} × {:?}: the axes before the last two: {e}", inputs[0], inputs[1]))?;
        shape.extend([m, n]);
        Ok(shape)
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let shape = output.shape();
        if parts(inputs[0].shape(), self.transposed[0]).2 == 0 {
            output.padded().fill(T::default()); // a sum over nothing
        } else if !output.data().is_empty() {
            self.run(inputs[0], inputs[1], shape, output.data());
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        // C = A B gives dA = G Bᵀ and dB = Aᵀ G; a transposed operand takes the transpose of that
        let [ta, tb] = self.transposed;
        let (g, a, b) = (|| cx.grad(), || cx.input(0), || cx.input(1));
        match ta {
            true => cx.add_product(0, [tb, true], || [b(), g()]),
            false => cx.add_product(0, [false, !tb], || [g(), b()]),
        }
        // one right matrix for a whole batch: its gradient is one product over all rows
        let rows = |x: V| {
            let columns = x.shape()[x.shape().len() - 1];
            let count = x.shape()[..x.shape().len() - 1].iter().product();
            x.reshape([count, columns])
        };
        let shared = !ta && a().shape().len() > 2 && b().shape().len() == 2;
        let flat = |x: V| if shared { rows(x) } else { x };
        match tb {
            true => cx.add_product(1, [true, ta], || [flat(g()), flat(a())]),
            false => cx.add_product(1, [!ta, false], || [flat(a()), flat(g())]),
        }
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        cx.multilinear(self)
    }
}

/// `Y = X · Wᵀ + b` for a matrix W of outputs × inputs, `X̄ = Ȳ · W`, `W̄ = Ȳᵀ · X`. The gradient of b is the sum of
/// the rows of Ȳ.
#[derive(Debug)]
pub(crate) struct LinearOperation {}

crate::engine::erased::compiled_here!(LinearOperation);
impl<T: Float> Operation<T> for LinearOperation {
    crate::engine::erased::compiled_here!(@erase T);
    fn name(&self) -> &'static str {
        "linear"
    }
    fn formula(&self) -> &'static str {
        "`Y = X · Wᵀ + b` for a matrix W of outputs × inputs, `X̄ = Ȳ · W`, `W̄ = Ȳᵀ · X`. The gradient of b is the \
         sum of the rows of Ȳ."
    }
    fn shape(&self, inputs: &[&[usize]]) -> Result<Shape, String> {
        let [x, w, b] = [inputs[0], inputs[1], inputs[2]];
        let [outputs, features] = w else { return Err(format!("the weight is {w:?}, not outputs × inputs")) };
        if x.last() != Some(features) {
            return Err(format!(
                "the input is {x:?} and the weight {w:?} (outputs × inputs): the input's last axis must have size \
                 {features}"
            ));
        }
        if b != [*outputs] {
            return Err(format!(
                "the weight is {w:?} (outputs × inputs) and the bias {b:?}, which must be [{outputs}]"
            ));
        }
        let mut shape = Shape::from_slice(x);
        shape[x.len() - 1] = *outputs;
        Ok(shape)
    }
    fn forward(&self, inputs: &[View<'_, T>], mut output: Output<'_, T>) {
        let (x, w, b) = (inputs[0].data(), inputs[1], inputs[2].data());
        let (n, k) = (w.shape()[0], w.shape()[1]);
        if n == 0 {
            return;
        }
        let c = output.data();
        c.chunks_exact_mut(n).for_each(|row| row.copy_from_slice(b));
        if k > 0 && !c.is_empty() {
            let product = Product {
                m: c.len() / n,
                k,
                n,
                a: x,
                a_transposed: false,
                b: w.data(),
                b_transposed: true,
                c,
                accumulate: true,
            };
            (T::kernels().product)(product);
        }
    }
    fn vjp<V: Tensor<T>>(&self, cx: &Vjp<'_, T, V>) {
        let rows = |x: V, columns: usize| match x.shape() {
            [_, _] => x,
            shape => {
                let count = shape[..shape.len() - 1].iter().product();
                x.reshape([count, columns])
            }
        };
        let (outputs, features) = (cx.input(1).shape()[0], cx.input(1).shape()[1]);
        if cx.input(0).shape().len() == 2 {
            cx.add_product(0, [false, false], || [cx.grad(), cx.input(1)]);
        } else {
            cx.add(0, || {
                let g = rows(cx.grad(), outputs).matmul(&cx.input(1));
                g.reshape(cx.input(0).shape())
            });
        }
        cx.add_product(1, [true, false], || [rows(cx.grad(), outputs), rows(cx.input(0), features)]);
        cx.add(2, || cx.grad());
    }
    fn jvp<'s>(&self, cx: &Jvp<'_, 's, T>) -> Option<Value<'s, T>> {
        let rows = |x: Value<'s, T>| {
            let columns = x.shape()[x.shape().len() - 1];
            let count = x.shape()[..x.shape().len() - 1].iter().product();
            x.reshape([count, columns])
        };
        let product = |x: Value<'s, T>, w: &Value<'s, T>| {
            Value::run(&MatMul { transposed: [false, true] }, &[&rows(x), w]).reshape(cx.output().shape())
        };
        let by_input = cx.tangent(0).map(|x| product(x, &cx.input(1)));
        let by_weight = cx.tangent(1).map(|w| product(cx.input(0), &w));
        cx.sum([by_input, by_weight, cx.tangent(2)].into_iter().flatten())
    }
}

impl<'t, T: Float> Var<'t, T> {
    /// The matrix product. Two vectors give their dot product, a 0-dimensional variable. A vector on the left counts as
    /// a row, a vector on the right as a column, and the axis of size 1 is dropped from the result. Axes before the
    /// last two are batches and broadcast.
    ///
    /// # Panics
    /// If the inner sizes differ, the batches do not broadcast, or an operand has no axis.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let (a, x) = (tape.var(array![[1.0, 2.0], [3.0, 4.0]]), tape.var([1.0, 1.0]));
    /// let y = a.matmul(x);
    /// assert_eq!(y.data(), [3.0, 7.0]);
    /// assert_eq!(y.sum().backward().wrt(x), array![4.0, 6.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn matmul(self, other: impl IntoVar<'t, T>) -> Self {
        let (mut a, mut b) = (self, other.into_var(self.tape()));
        let (left, right) = (a.ndim() == 1, b.ndim() == 1);
        assert!(
            a.ndim() > 0 && b.ndim() > 0,
            "matmul: {:?} × {:?}: an operand without axes; multiply by a number with `*`",
            a.shape(),
            b.shape()
        );
        if left || right {
            let (k, inner) = (a.shape()[a.ndim() - 1], b.shape()[b.ndim().saturating_sub(2)]);
            assert!(k == inner, "matmul: {:?} × {:?}: inner sizes {k} and {inner} differ", a.shape(), b.shape());
        }
        if left {
            a = a.unsqueeze(0);
        }
        if right {
            b = b.unsqueeze(-1);
        }
        let mut product = self.tape().apply(MatMul { transposed: [false, false] }, [a, b]);
        if left {
            product = product.squeeze(-2);
        }
        if right { product.squeeze(-1) } else { product }
    }

    /// The dot product of two vectors, `Σ aᵢ bᵢ`, a 0-dimensional variable.
    ///
    /// # Panics
    /// If they are not two vectors of the same length.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let (a, b) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]));
    /// assert_eq!(a.dot(b).item(), 11.0);
    /// ```
    #[track_caller]
    pub fn dot(self, other: impl IntoVar<'t, T>) -> Self {
        let other = other.into_var(self.tape());
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() == 1 && a == b, "dot: {a:?} and {b:?} are not two vectors of one length");
        self.matmul(other)
    }

    /// The outer product of two vectors: `yᵢⱼ = aᵢ bⱼ`.
    ///
    /// # Panics
    /// If they are not two vectors.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let (a, b) = (tape.var([1.0, 2.0]), tape.var([3.0, 4.0]));
    /// assert_eq!(a.outer(b).value(), ndarray::array![[3.0, 4.0], [6.0, 8.0]].into_dyn());
    /// ```
    #[track_caller]
    pub fn outer(self, other: impl IntoVar<'t, T>) -> Self {
        let other = other.into_var(self.tape());
        let (a, b) = (self.shape(), other.shape());
        assert!(a.len() == 1 && b.len() == 1, "outer: {a:?} and {b:?} are not two vectors");
        self.unsqueeze(1) * other
    }

    /// Computes `x Wᵀ + b` over the last axis, for a weight of outputs × inputs and a bias of outputs: the function of
    /// a fully connected layer, in one operation (PyTorch's `linear`).
    ///
    /// # Panics
    /// If the sizes do not fit.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(array![[1.0, 2.0]]);
    /// let y = x.linear(&array![[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], &array![0.5, 0.0, 0.0]);
    /// assert_eq!(y.data(), [1.5, 2.0, 3.0]);
    /// ```
    #[track_caller]
    pub fn linear(self, weight: impl IntoVar<'t, T>, bias: impl IntoVar<'t, T>) -> Self {
        let tape = self.tape();
        tape.apply(LinearOperation {}, [self, weight.into_var(tape), bias.into_var(tape)])
    }
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use crate::ops::numbers as x;
    use ndarray::array;
    let matmul = |a: &[usize], b: &[usize]| {
        check!("matmul", vec![x(a, 0.3), x(b, 7.1)], |v| v[0].square().matmul(v[1].square()))
    };
    let transposed = |a: &[usize], b: &[usize], transposed| {
        check!("matmul", vec![x(a, 0.3), x(b, 7.1)], move |v| {
            v[0].tape().apply(MatMul { transposed }, [v[0].square(), v[1].square()])
        })
    };
    vec![
        matmul(&[3], &[3]),
        matmul(&[3], &[3, 2]),
        matmul(&[2, 3], &[3]),
        matmul(&[2, 3], &[3, 4]),
        matmul(&[2, 2, 3], &[3, 2]),
        matmul(&[2, 1, 2, 3], &[2, 3, 2]),
        // a matrix used twice, whose second gradient is added to the first
        check!("matmul", vec![x(&[2, 3], 0.3), x(&[3, 3], 7.1)], |v| v[0].square().matmul(v[1]).matmul(v[1])),
        check!("matmul", vec![x(&[3, 3], 0.3)], |v| v[0].matmul(v[0]) * v[0]),
        transposed(&[3, 2], &[3, 2], [true, false]),
        transposed(&[2, 3], &[4, 3], [false, true]),
        transposed(&[3, 2], &[4, 3], [true, true]),
        transposed(&[2, 3, 2], &[4, 3], [true, true]),
        transposed(&[2, 2, 3], &[4, 3], [false, true]),
        check!("linear", vec![x(&[2, 3], 0.3), x(&[4, 3], 3.3), array![0.5, -1.0, 0.2, 2.0].into_dyn()], |v| {
            v[0].square().linear(v[1].square(), v[2].square())
        }),
    ]
}
