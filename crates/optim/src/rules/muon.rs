//! Muon.

use gradus_autograd::{Float, Tape, Var};
use ndarray::ArrayView2;

use crate::rule::rule;
use crate::rules::AdamW;
use crate::{Rule, States, Update};

rule! {
    /// For matrices:
    ///
    /// ```text
    /// B ← μ B + (1 − μ) G                               G gradient, μ momentum
    /// X = (1 − μ) G + μ B  with nesterov, else B
    /// X ← X / max(‖X‖, ε)
    /// A = X Xᵀ;  X ← a X + (b A + c A²) X               ns_steps times
    /// θ ← θ (1 − η λ) − η √max(1, rows/columns) X       λ weight_decay
    /// ```
    ///
    /// The iteration (Newton and Schulz's, a polynomial of the singular values) makes all singular values of X about 1
    /// and keeps its directions. So the step has an equal length along every direction of the matrix, including those
    /// in which gradients are small. The iteration runs over the shorter side. Jordan et al. 2024
    /// (<https://kellerjordan.github.io/posts/muon/>). Formula and defaults (μ 0.95, nesterov, λ 0.1, a, b, c = 3.4445,
    /// −4.775, 2.0315, 5 steps, ε 10⁻⁷) are those of PyTorch's `Muon`, which iterates in bfloat16; this rule iterates
    /// in the parameter's own type.
    ///
    /// Parameters that are not matrices are stepped by [`others`](Self::others), with the same learning rate, as
    /// optax's `contrib.muon` does; PyTorch refuses them. With [`match_adamw`](Self::match_adamw) the factor of η is
    /// 0.2 √max(rows, columns) instead, so that steps are as large as AdamW's and one learning rate suits both (Liu et
    /// al. 2025, <https://arxiv.org/abs/2502.16982>; PyTorch's `adjust_lr_fn="match_rms_adamw"`).
    pub struct Muon {
        /// μ: how much of the running mean each step keeps.
        momentum: f64 = 0.95, in 0.0..1.0;
        /// Whether to look ahead along the momentum.
        nesterov: bool = true;
        /// The weight decay λ: a pull toward 0 that is applied apart from the gradient.
        weight_decay: f64 = 0.1, in 0.0..f64::INFINITY;
        /// The coefficients a, b and c of the polynomial.
        ns_coefficients: (f64, f64, f64) = (3.4445, -4.775, 2.0315);
        /// How often the polynomial is applied.
        ns_steps: usize = 5;
        /// ε, the least norm that X is divided by.
        eps: f64 = 1e-7, in 0.0..f64::INFINITY;
        /// Whether to make steps as large as AdamW's.
        match_adamw: bool = false;
        /// The rule for parameters that are not matrices.
        others: AdamW = AdamW::default();
    }
}

impl Rule for Muon {
    const NAME: &'static str = "muon";

    fn states(&self, shape: &[usize]) -> States {
        match shape {
            [rows, columns] => States::Whole(vec![rows * columns]),
            _ => self.others.states(shape),
        }
    }
    fn check(&self) -> Result<(), String> {
        self.out_of_range()
    }
    fn update_f32(&self, u: Update<'_, '_, f32>) {
        match u.shape {
            [rows, columns] => self.update((*rows, *columns), u),
            _ => self.others.update_f32(u),
        }
    }
    fn update_f64(&self, u: Update<'_, '_, f64>) {
        match u.shape {
            [rows, columns] => self.update((*rows, *columns), u),
            _ => self.others.update_f64(u),
        }
    }
}

impl Muon {
    fn update<T: Float>(&self, (rows, columns): (usize, usize), u: Update<'_, '_, T>) {
        let [mu, rest] = [self.momentum, 1.0 - self.momentum].map(T::from_f64);
        let momentum = &mut u.state[0];
        let mut x = Vec::with_capacity(u.theta.len());
        for (b, &g) in momentum.iter_mut().zip(u.grad) {
            let g = g * u.scale;
            *b = mu * *b + rest * g;
            x.push(if self.nesterov { rest * g + mu * *b } else { *b });
        }
        let tape = Tape::inference(); // matrix products on a tape use all threads
        let x = ArrayView2::from_shape((rows, columns), &x).expect("as many numbers as the matrix has");
        let x = tape.constant(x);
        let direction = if rows > columns { self.orthogonalized(x.t()).t() } else { self.orthogonalized(x) };
        let size = match self.match_adamw {
            true => 0.2 * (rows.max(columns) as f64).sqrt(),
            false => (rows as f64 / columns.max(1) as f64).max(1.0).sqrt(),
        };
        let [shrink, rate] = [1.0 - u.lr * self.weight_decay, u.lr * size].map(T::from_f64);
        for (theta, &x) in u.theta.iter_mut().zip(direction.data()) {
            *theta = *theta * shrink - rate * x;
        }
    }

    /// Returns the matrix with its singular values brought near 1.
    fn orthogonalized<'t, T: Float>(&self, x: Var<'t, T>) -> Var<'t, T> {
        let (a, b, c) = self.ns_coefficients;
        let mut x = x / x.square().sum().sqrt().maximum(self.eps);
        for _ in 0..self.ns_steps {
            let gram = x.matmul(x.t());
            x = a * x + (b * gram + c * gram.matmul(gram)).matmul(x);
        }
        x
    }
}
