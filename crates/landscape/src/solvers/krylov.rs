//! The basis that Lanczos' method builds, product by product.

use ndarray::{Array1, Array2, s};
use rand::SeedableRng;
use rand::rngs::Xoshiro256PlusPlus;

use crate::LinearOperator;
use crate::critical::eigen;
use crate::error::{LandscapeError, finite};
use crate::operators::{ASYMMETRY, product};
use crate::solvers::{norm, random_direction, remove};

/// What is left of a product after the basis was taken out counts as 0 up to this share of the operator's size.
const NOTHING: f64 = 1e-13;

/// An orthonormal basis q₁, q₂, … in which each new direction is what a product with the operator left: `A qⱼ` without
/// its parts along the basis. Every new direction is made orthogonal to all others ("full reorthogonalisation"), twice,
/// since rounding would bring found directions back.
pub(crate) struct Krylov {
    basis: Vec<Array1<f64>>,
    /// `QᵀAQ`, in the upper left corner
    projected: Array2<f64>,
    /// the next direction; `None` if the basis spans the whole space
    next: Option<Array1<f64>>,
    /// `qᵢ · A q` of the next direction q, for all i: known before the product, since A is symmetric
    coupling: Array1<f64>,
    /// the largest coefficient so far: the size of the operator
    scale: f64,
    /// whether the next direction was drawn, because the product left nothing
    drawn: bool,
    rng: Xoshiro256PlusPlus,
}

impl Krylov {
    /// A basis that will hold up to `capacity` directions; the first is drawn.
    pub(crate) fn new(dim: usize, capacity: usize, seed: u64) -> Self {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        let first = random_direction(dim, &mut rng);
        Krylov {
            basis: Vec::with_capacity(capacity),
            projected: Array2::zeros((capacity, capacity)),
            next: (dim > 0).then_some(first),
            coupling: Array1::zeros(capacity),
            scale: 0.0,
            drawn: false,
            rng,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.basis.len()
    }

    /// Whether the basis spans the whole space.
    pub(crate) fn is_complete(&self) -> bool {
        self.next.is_none()
    }

    /// Whether the last product left nothing: the basis is an invariant space.
    pub(crate) fn is_invariant(&self) -> bool {
        self.drawn || self.is_complete()
    }

    /// The length of what the last product left.
    pub(crate) fn beta(&self) -> f64 {
        if self.is_invariant() { 0.0 } else { self.coupling[self.len() - 1] }
    }

    /// Multiplies the next direction, and finds the one after it.
    pub(crate) fn extend(&mut self, a: &(impl LinearOperator + ?Sized)) -> Result<(), LandscapeError> {
        let q = self.next.take().expect("a basis that is not complete");
        let mut w = product(a, q.view())?;
        let j = self.basis.len();
        self.basis.push(q);
        let along: Vec<f64> = self.basis.iter().map(|q| q.dot(&w)).collect();
        let size = norm(&w);
        self.scale = self.scale.max(size);
        finite("the size of the operator", size.is_finite())?;
        for (i, h) in along.iter().enumerate().take(j) {
            let difference = (h - self.coupling[i]).abs();
            if difference > ASYMMETRY * self.scale {
                return Err(LandscapeError::NotSymmetric { difference, scale: self.scale });
            }
            (self.projected[[i, j]], self.projected[[j, i]]) = (self.coupling[i], self.coupling[i]);
        }
        self.projected[[j, j]] = along[j];
        for (q, h) in self.basis.iter().zip(along) {
            w.scaled_add(-h, q);
        }
        let beta = remove(self.basis.iter(), &mut w);
        self.coupling.fill(0.0);
        self.drawn = false;
        if self.basis.len() == a.dim() {
            return Ok(());
        }
        if beta > NOTHING * self.scale {
            self.coupling[j] = beta;
            self.next = Some(w / beta);
        } else {
            self.draw();
        }
        Ok(())
    }

    /// Takes a random direction at right angles to the basis for the next one.
    fn draw(&mut self) {
        self.drawn = true;
        let mut drawn = random_direction(self.basis[0].len(), &mut self.rng);
        let left = remove(self.basis.iter(), &mut drawn);
        self.next = Some(drawn / left);
    }

    /// The eigenvalues of `QᵀAQ`, the smallest first, and its eigenvectors: the Ritz values, and the Ritz vectors in
    /// this basis.
    pub(crate) fn ritz(&self) -> (Array1<f64>, Array2<f64>) {
        let m = self.len();
        eigen(&self.projected.slice(s![..m, ..m]).to_owned())
    }

    /// A vector of this basis, in full.
    pub(crate) fn vector(&self, coordinates: ndarray::ArrayView1<'_, f64>) -> Array1<f64> {
        let mut sum = Array1::zeros(self.basis[0].len());
        self.basis.iter().zip(coordinates).for_each(|(q, &c)| sum.scaled_add(c, q));
        sum
    }

    /// Goes on from some Ritz vectors alone, to save memory: a thick restart (Wu and Simon 2000,
    /// <https://doi.org/10.1137/S0895479898334605>).
    pub(crate) fn restart(&mut self, keep: &[usize], values: &Array1<f64>, vectors: &Array2<f64>) {
        let (m, beta) = (self.len(), self.beta());
        self.basis = keep.iter().map(|&k| self.vector(vectors.column(k))).collect();
        self.projected.fill(0.0);
        self.coupling.fill(0.0);
        for (i, &k) in keep.iter().enumerate() {
            self.projected[[i, i]] = values[k];
            self.coupling[i] = beta * vectors[[m - 1, k]];
        }
    }

    /// Goes on from converged Ritz vectors and a random direction: what an eigenvalue's other copies are found by.
    pub(crate) fn restart_anew(&mut self, keep: &[usize], values: &Array1<f64>, vectors: &Array2<f64>) {
        self.restart(keep, values, vectors);
        self.coupling.fill(0.0); // they have converged
        self.draw();
    }
}
