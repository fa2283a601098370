//! Adafactor.

use gradus_autograd::Float;

use crate::rule::rule;
use crate::{Rule, States, Update};

rule! {
    /// ```text
    /// β = tᵞ                                             γ beta2_decay
    /// α = max(ε₂, ‖θ‖/√n) · min(η, 1/√t)                 n numbers in the parameter
    /// R ← R + β (mean of g² over the last axis − R)      for two axes or more, over the last two:
    /// C ← C + β (mean of g² over the last but one − C)   a row and a column in place of a matrix
    /// V = R C / max(mean of R, ε₁)
    /// V ← V + β (g² − V)                                 for fewer axes
    /// U = g / √max(V, ε₁²)
    /// θ ← θ (1 − η λ) − α U / max(1, ‖U‖/(d √n))         λ weight_decay
    /// ```
    ///
    /// [`Adam`](crate::rules::Adam)'s running mean of squared gradients, kept as the means of rows and columns: it
    /// takes memory for rows + columns numbers instead of rows × columns. There is no momentum. η bounds the step
    /// relative to the parameter's own size. Shazeer, Stern 2018 (<https://arxiv.org/abs/1804.04235>). Formula and
    /// defaults (γ −0.8, ε₁ the number type's epsilon, ε₂ 10⁻³, d 1, λ 0) are those of PyTorch's `Adafactor`, where η
    /// is 10⁻².
    pub struct Adafactor {
        /// γ, the exponent of the step in β = tᵞ, by which the running mean slows down.
        beta2_decay: f64 = -0.8, in f64::NEG_INFINITY..=0.0;
        /// ε₁ and ε₂: ε₁ keeps the divisors from 0 (`None`: the number type's epsilon), and ε₂ is the least size that a
        /// parameter counts with.
        eps: (Option<f64>, f64) = (None, 1e-3);
        /// The threshold d: an update whose root mean square is larger is scaled down.
        clip_threshold: f64 = 1.0, in 1.0..f64::INFINITY;
        /// The weight decay λ: a pull toward 0 that is applied apart from the gradient.
        weight_decay: f64 = 0.0, in 0.0..f64::INFINITY;
    }
}

impl Rule for Adafactor {
    const NAME: &'static str = "adafactor";

    fn states(&self, shape: &[usize]) -> States {
        match matrices(shape) {
            Some((count, rows, columns)) => States::Whole(vec![count * rows, count * columns]),
            None => States::Whole(vec![shape.iter().product()]),
        }
    }
    fn check(&self) -> Result<(), String> {
        self.out_of_range()
    }
    fn update_f32(&self, u: Update<'_, '_, f32>) {
        self.update(u, f64::from(f32::EPSILON));
    }
    fn update_f64(&self, u: Update<'_, '_, f64>) {
        self.update(u, f64::EPSILON);
    }
}

/// Returns how many matrices the last two axes make, and their numbers of rows and columns.
fn matrices(shape: &[usize]) -> Option<(usize, usize, usize)> {
    match shape {
        [outer @ .., rows, columns] => Some((outer.iter().product(), *rows, *columns)),
        _ => None,
    }
}

impl Adafactor {
    /// Makes one step. Sums are computed in f64, so that they do not depend on how a large parameter is laid out.
    fn update<T: Float>(&self, u: Update<'_, '_, T>, epsilon: f64) {
        let n = u.theta.len();
        if n == 0 {
            return;
        }
        let (t, e1) = (u.step as f64, self.eps.0.unwrap_or(epsilon));
        let beta = t.powf(self.beta2_decay);
        let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
        let size = norm(&mut u.theta.iter().map(|x| x.to_f64())) / (n as f64).sqrt();
        // unlike `f64::max`, this keeps NaN, so that NaN shows in the parameters
        let at_least = |x: f64, least: f64| if x < least { least } else { x };
        let alpha = at_least(size, self.eps.1) * u.lr.min(1.0 / t.sqrt());
        let scale = u.scale.to_f64();
        let square = |i: usize| (u.grad[i].to_f64() * scale).powi(2);
        let toward = |x: &mut T, mean: f64| *x = T::from_f64(x.to_f64() + beta * (mean - x.to_f64()));
        let mut step = vec![0.0; n];
        let direction = |i: usize, v: f64| u.grad[i].to_f64() * scale / at_least(v, e1 * e1).sqrt();
        match (matrices(u.shape), u.state) {
            (Some((count, rows, columns)), [r, c]) => {
                for k in 0..count {
                    let (r, c) = (&mut r[k * rows..][..rows], &mut c[k * columns..][..columns]);
                    let start = k * rows * columns;
                    let mut sums = vec![0.0; columns];
                    for (i, r) in r.iter_mut().enumerate() {
                        let mut sum = 0.0;
                        for (j, column) in sums.iter_mut().enumerate() {
                            let square = square(start + i * columns + j);
                            sum += square;
                            *column += square;
                        }
                        toward(r, sum / columns as f64);
                    }
                    c.iter_mut().zip(sums).for_each(|(c, sum)| toward(c, sum / rows as f64));
                    let mean = at_least(r.iter().map(|r| r.to_f64()).sum::<f64>() / rows as f64, e1);
                    for (i, r) in r.iter().enumerate() {
                        for (j, c) in c.iter().enumerate() {
                            let at = start + i * columns + j;
                            step[at] = direction(at, r.to_f64() * c.to_f64() / mean);
                        }
                    }
                }
            }
            (_, [v]) => {
                for (i, v) in v.iter_mut().enumerate() {
                    toward(v, square(i));
                    step[i] = direction(i, v.to_f64());
                }
            }
            _ => unreachable!("one part, or two for matrices"),
        }
        let size = norm(&mut step.iter().copied()) / ((n as f64).sqrt() * self.clip_threshold);
        let (shrink, rate) = (1.0 - u.lr * self.weight_decay, alpha / at_least(size, 1.0));
        for (theta, step) in u.theta.iter_mut().zip(step) {
            *theta = T::from_f64(theta.to_f64() * shrink - rate * step);
        }
    }
}
