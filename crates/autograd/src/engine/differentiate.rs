//! The derivatives of a variable: its gradients, recorded gradients, and products with its Jacobian and Hessian.

use std::panic::Location;

use ndarray::ArrayD;

use crate::Float;
use crate::array::IntoArray;
use crate::engine::gradients::{Differentiable, Gradients};
use crate::engine::sweep;
use crate::engine::tape::Mode;
use crate::engine::var::Var;
use crate::engine::watch::Ready;

impl<'t, T: Float> Var<'t, T> {
    /// Computes the gradients of this number by all leaves, as values.
    ///
    /// # Panics
    /// If this is not a single number, or the tape is for inference and has no [`var`](crate::Tape::var).
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// assert_eq!(x.square().sum().backward().wrt(x), ndarray::array![2.0, 4.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn backward(self) -> Gradients<T> {
        self.backward_told(None)
    }

    /// Does the same, and tells of each parameter's gradient as soon as it is complete.
    #[track_caller]
    pub(crate) fn backward_told(self, ready: Option<Ready<'_, T>>) -> Gradients<T> {
        self.check_scalar("backward");
        sweep::backward(self.tape(), self.index(), ready)
    }

    /// Computes the gradients of `Σ gradient ⊙ this` by all leaves. It is [`backward`](Self::backward) from an array of
    /// any shape, given the gradient that arrives at the array from elsewhere. For several such outputs, add up
    /// `(output * &gradient).sum()` and sweep back from that.
    ///
    /// # Panics
    /// If the gradient is not of this variable's shape, or the tape is for inference and has no
    /// [`var`](crate::Tape::var).
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let grads = x.square().backward_with(&array![1.0, 10.0]);
    /// assert_eq!(grads.wrt(x), array![2.0, 40.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn backward_with(self, gradient: impl IntoArray<T>) -> Gradients<T> {
        let (own, given) = (self.shape(), gradient.shape());
        assert!(*given == *own, "backward_with: the gradient is {given:?}, but the output is {own:?}");
        (self * self.tape().constant(gradient)).sum().backward()
    }

    /// Computes the gradients of this number by the given variables and records them on the tape, so that you can use
    /// them in a cost or differentiate them again. A gradient is 0 everywhere if nothing flows to its variable.
    ///
    /// # Panics
    /// If this is not a single number, or one of `inputs` is a constant.
    ///
    /// ```
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var(2.0);
    /// let [dx] = (x * x * x).grad([x]);
    /// let [ddx] = dx.grad([x]);
    /// assert_eq!((dx.item(), ddx.item()), (12.0, 12.0));
    /// ```
    #[track_caller]
    pub fn grad<const N: usize>(self, inputs: [Self; N]) -> [Self; N] {
        let gradients = self.grad_many(&inputs);
        std::array::from_fn(|i| gradients[i])
    }

    /// Like [`grad`](Self::grad), for a slice of variables.
    #[track_caller]
    pub fn grad_many(self, inputs: &[Self]) -> Vec<Self> {
        self.check_scalar("grad");
        for (i, input) in inputs.iter().enumerate() {
            assert!(std::ptr::eq(self.tape(), input.tape()), "grad: input {i} is on another tape than the cost");
            assert!(
                input.is_differentiated(),
                "grad: input {i} is a constant; make it with `tape.var(…)` to differentiate by it"
            );
        }
        sweep::grad(self, inputs, Location::caller())
    }

    /// Hessian-vector product: how the gradient of this number moves when the leaves move along the given directions,
    /// `H v` with `Hᵢⱼ = ∂²cost / ∂xᵢ∂xⱼ`, for all leaves. Leaves without a direction stand still.
    ///
    /// It takes about as long as two gradients, and no matrix is formed: two sweeps over numbers that carry their
    /// derivative along ([dual numbers](https://en.wikipedia.org/wiki/Dual_number)), forward and back (Pearlmutter
    /// 1994, <https://doi.org/10.1162/neco.1994.6.1.147>). To differentiate the product again, record it instead:
    /// `(cost.grad([x])[0] * v).sum().grad([x])`.
    ///
    /// # Panics
    /// If this is not a single number, or a direction does not have its leaf's shape or is for a variable that is not a
    /// leaf.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// let cost = (x * x * x).sum(); // its Hessian is diagonal: 6x
    /// assert_eq!(cost.hvp([(x, array![1.0, 10.0])]).wrt(x), array![6.0, 120.0].into_dyn());
    /// ```
    ///
    /// For a model, directions go by parameter: `cost.hvp(model.params().iter().zip(&v).map(|((_, p), v)| (*p, v)))`.
    #[track_caller]
    pub fn hvp<L: Differentiable<T>, A: IntoArray<T>>(
        self,
        directions: impl IntoIterator<Item = (L, A)>,
    ) -> Gradients<T> {
        self.check_scalar("hvp");
        sweep::hvp(self.tape(), self.index(), self.placed("hvp", directions).into_iter())
    }

    /// Jacobian-vector product: how this variable moves when the leaves move along the given directions, the Jacobian
    /// times the directions, `Σ ∂this/∂xⱼ dⱼ`, in this variable's shape. Leaves without a direction stand still.
    ///
    /// It is forward-mode differentiation over the same record: one sweep, which starts at the leaves.
    ///
    /// # Panics
    /// If a direction does not have its leaf's shape, or is for a variable that is not a leaf.
    ///
    /// ```
    /// use ndarray::array;
    /// let tape = gradus_autograd::Tape::new();
    /// let x = tape.var([1.0, 2.0]);
    /// assert_eq!(x.square().jvp([(x, array![1.0, 10.0])]), array![2.0, 40.0].into_dyn());
    /// ```
    #[track_caller]
    pub fn jvp<L: Differentiable<T>, A: IntoArray<T>>(self, directions: impl IntoIterator<Item = (L, A)>) -> ArrayD<T> {
        self.check_recorded("jvp");
        let placed = self.placed("jvp", directions);
        sweep::jvp(self.tape(), self.index(), placed.into_iter()).unwrap_or_else(|| ArrayD::zeros(self.shape()))
    }

    /// Checks the directions and pairs each with the node of its leaf.
    #[track_caller]
    fn placed<L: Differentiable<T>, A: IntoArray<T>>(
        self,
        name: &str,
        directions: impl IntoIterator<Item = (L, A)>,
    ) -> Vec<(u32, A)> {
        let mut placed = Vec::new();
        for (i, (leaf, direction)) in directions.into_iter().enumerate() {
            let ((node, shape), given) = (leaf.leaf_on(self.tape()), direction.shape());
            assert!(given == shape, "{name}: direction {i} is {given:?}, but its leaf is {shape:?}");
            placed.extend(node.map(|node| (node, direction)));
        }
        placed
    }

    #[track_caller]
    pub(crate) fn check_scalar(self, name: &str) {
        self.check_recorded(name);
        assert!(
            self.len() == 1,
            "{name}: the cost is {:?}, not a single number; reduce it first, with `.sum()` or `.mean()`",
            self.shape()
        );
    }

    #[track_caller]
    fn check_recorded(self, name: &str) {
        assert!(
            self.tape().mode() != Mode::Inference || !self.tape().leaves().is_empty(),
            "{name}: on an inference tape parameters are constants, and there is no `tape.var(…)` to differentiate by; \
             use `Tape::training(seed)`, `Tape::evaluation()` or `Tape::new()`"
        );
    }
}
