//! Contractions of any number of arrays, named by their axes.

use std::collections::VecDeque;

use crate::{Float, Shape, Var};

/// An operand or an intermediate result, with the label of each axis.
struct Labelled<'t, T: Float> {
    x: Var<'t, T>,
    labels: Vec<char>,
}

/// Sums of products over named axes, as numpy's: `einsum("ij,jk->ik", &[a, b])` is a matrix product.
///
/// Each axis of an operand gets a letter. Axes with the same letter share one index; a letter that the result lacks is
/// summed over. A letter that occurs twice in one operand takes its diagonal. Without `->` the result has the letters
/// that occur once, in alphabetical order. `...` stands for any further axes, which are aligned at the last axis and
/// broadcast. Axes with the same letter do not broadcast: sizes 1 and 3 are a mistake there. Operands are contracted
/// from left to right, by matrix products where two operands share a summed axis.
///
/// Its derivatives are those of the products, sums and permutations that it is made of.
///
/// # Panics
/// If the equation does not fit the operands; the message says where.
///
/// ```
/// use gradus_autograd::{Tape, einsum};
/// use ndarray::array;
/// let tape = Tape::new();
/// let a = tape.var(array![[1.0, 2.0], [3.0, 4.0]]);
/// let b = tape.var(array![10.0, 100.0]);
/// assert_eq!(einsum("ij,j->i", &[a, b]).data(), [210.0, 430.0]);
/// assert_eq!(einsum("ii", &[a]).item(), 5.0); // the trace
/// assert_eq!(einsum("i,j->ij", &[b, b]).shape(), [2, 2]); // the outer product
/// ```
#[track_caller]
pub fn einsum<'t, T: Float>(equation: &str, operands: &[Var<'t, T>]) -> Var<'t, T> {
    let plan = match Plan::read(equation, operands.iter().map(|x| x.shape())) {
        Ok(plan) => plan,
        Err(reason) => panic!("einsum: `{equation}`: {reason}"),
    };
    let mut rest: VecDeque<Labelled<'t, T>> =
        operands.iter().zip(plan.operands).map(|(&x, labels)| Labelled { x, labels }.diagonals()).collect();
    let mut done = rest.pop_front().expect("an equation names at least one operand");
    while let Some(next) = rest.pop_front() {
        let wanted = |label: &char| plan.result.contains(label) || rest.iter().any(|r| r.labels.contains(label));
        let kept: Vec<char> = done.labels.iter().chain(&next.labels).copied().filter(wanted).collect();
        done = done.contract(next, &kept);
    }
    done.summed(&plan.result).ordered(&plan.result).x
}

/// The content of an equation: a label for each axis of each operand, and the labels of the result.
struct Plan {
    operands: Vec<Vec<char>>,
    result: Vec<char>,
}

/// The label of the i-th axis, counted from the last, of the axes that `...` stands for.
fn further(i: usize) -> char {
    char::from_u32(0xE000 + i as u32).expect("a private character")
}

impl Plan {
    fn read<'a>(equation: &str, shapes: impl ExactSizeIterator<Item = &'a [usize]>) -> Result<Self, String> {
        let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, result) = equation.split_once("->").map_or((&*equation, None), |(i, r)| (i, Some(r)));
        let terms: Vec<&str> = inputs.split(',').collect();
        if terms.len() != shapes.len() {
            return Err(format!("it names {} operands, but there are {}", terms.len(), shapes.len()));
        }
        let (mut operands, mut sizes, mut most) = (Vec::new(), Vec::<(char, usize, usize)>::new(), 0);
        for (number, (term, shape)) in terms.iter().zip(shapes).enumerate() {
            let letters = term.replacen("...", "", 1);
            let more = match (letters.len() < term.len(), shape.len().checked_sub(letters.chars().count())) {
                (true, Some(more)) | (false, Some(more @ 0)) => more,
                _ => {
                    return Err(format!(
                        "`{term}` does not name the {} axes of operand {number}, {shape:?}",
                        shape.len()
                    ));
                }
            };
            most = most.max(more);
            let labels = spell(term, more)?;
            for (&label, &size) in labels.iter().zip(shape) {
                match sizes.iter_mut().find(|(l, ..)| *l == label) {
                    Some((_, known, first)) if *known != size => {
                        if !(label >= further(0) && (*known == 1 || size == 1)) {
                            return Err(format!(
                                "axis {label} has size {known} in operand {first} and {size} in operand {number}"
                            ));
                        }
                        *known = (*known).max(size);
                    }
                    Some(_) => {}
                    None => sizes.push((label, size, number)),
                }
            }
            operands.push(labels);
        }
        let result = match result {
            Some(result) => spell(result, most)?,
            None => {
                let all = || operands.iter().flatten().copied();
                let mut once: Vec<char> =
                    all().filter(|&c| c < further(0) && all().filter(|&o| o == c).count() == 1).collect();
                once.sort_unstable();
                (0..most).rev().map(further).chain(once).collect()
            }
        };
        for (i, label) in result.iter().enumerate() {
            if result[..i].contains(label) {
                return Err(format!("the result names axis {label} twice"));
            }
            if *label < further(0) && !operands.iter().any(|o| o.contains(label)) {
                return Err(format!("the result names axis {label}, which no operand has"));
            }
        }
        Ok(Plan { operands, result })
    }
}

/// The labels of a term, in which `...` stands for `more` axes.
fn spell(term: &str, more: usize) -> Result<Vec<char>, String> {
    let (before, behind) = term.split_once("...").unwrap_or((term, ""));
    let dots = term.contains("...").then(|| (0..more).rev().map(further)).into_iter().flatten();
    let labels: Vec<char> = before.chars().chain(dots).chain(behind.chars()).collect();
    match labels.iter().find(|c| !c.is_ascii_alphabetic() && **c < further(0)) {
        Some(other) => Err(format!("`{other}` in `{term}` is no letter")),
        None => Ok(labels),
    }
}

impl<'t, T: Float> Labelled<'t, T> {
    fn axis(&self, label: char) -> Option<usize> {
        self.labels.iter().position(|&l| l == label)
    }

    /// Makes each label occur once: takes the diagonal of two axes with the same label.
    #[track_caller]
    fn diagonals(mut self) -> Self {
        while let Some((second, first)) =
            (0..self.labels.len()).find_map(|k| Some((k, self.labels[..k].iter().position(|&l| l == self.labels[k])?)))
        {
            let (shape, n) = (self.x.shape(), self.x.shape()[first]);
            let others = (0..shape.len()).filter(|&k| k != first && k != second);
            let order: Vec<isize> = others.clone().chain([first, second]).map(|k| k as isize).collect();
            let sizes: Shape = others.clone().map(|k| shape[k]).chain([n * n]).collect();
            // the diagonal of an n × n matrix is every (n + 1)-th number
            let index: Vec<usize> = (0..n).map(|i| i * (n + 1)).collect();
            let label = self.labels[first];
            self.labels = others.map(|k| self.labels[k]).chain([label]).collect();
            self.x = self.x.permute(order.as_slice()).reshape(&*sizes).index_select(-1, &index);
        }
        self
    }

    /// Sums over the axes whose labels are not kept.
    #[track_caller]
    fn summed(mut self, kept: &[char]) -> Self {
        let gone: Vec<isize> =
            (0..self.labels.len()).filter(|&k| !kept.contains(&self.labels[k])).map(|k| k as isize).collect();
        if !gone.is_empty() {
            self.x = self.x.sum_axis(gone.as_slice());
            self.labels.retain(|l| kept.contains(l));
        }
        self
    }

    /// Puts the axes in the given order; axes that are missing get size 1.
    #[track_caller]
    fn ordered(self, labels: &[char]) -> Self {
        let order: Vec<isize> = labels.iter().filter_map(|&l| self.axis(l)).map(|k| k as isize).collect();
        let sizes: Shape = labels.iter().map(|&l| self.axis(l).map_or(1, |k| self.x.shape()[k])).collect();
        let in_order = order.iter().copied().eq(0..order.len() as isize);
        let x = if in_order { self.x } else { self.x.permute(order.as_slice()) };
        let x = if x.shape() == &*sizes { x } else { x.reshape(&*sizes) };
        Labelled { x, labels: labels.to_vec() }
    }

    /// The product of two operands, summed over all labels that are not kept.
    #[track_caller]
    fn contract(self, other: Self, kept: &[char]) -> Self {
        let shared = |l: &char| self.labels.contains(l) && other.labels.contains(l);
        let mine: Vec<char> = self.labels.iter().copied().filter(|l| kept.contains(l) || shared(l)).collect();
        let theirs: Vec<char> = other.labels.iter().copied().filter(|l| kept.contains(l) || shared(l)).collect();
        let summed: Vec<char> = mine.iter().copied().filter(|l| shared(l) && !kept.contains(l)).collect();
        let batch: Vec<char> = mine.iter().copied().filter(|l| shared(l) && kept.contains(l)).collect();
        let rows: Vec<char> = mine.iter().copied().filter(|l| !shared(l)).collect();
        let columns: Vec<char> = theirs.iter().copied().filter(|l| !shared(l)).collect();
        let (a, b) = (self.summed(&mine), other.summed(&theirs));
        let labels = [&*batch, &*rows, &*columns].concat();
        if summed.is_empty() {
            let x = a.ordered(&labels).x * b.ordered(&labels).x;
            return Labelled { x, labels };
        }
        let (a, b) =
            (a.ordered(&[&*batch, &*rows, &*summed].concat()), b.ordered(&[&*batch, &*summed, &*columns].concat()));
        let (a, b) = equal_sizes(a, b, &summed);
        let size = |of: &Self, labels: &[char]| -> Shape {
            labels.iter().map(|&l| of.x.shape()[of.axis(l).expect("one of its own")]).collect()
        };
        let count = |shape: &Shape| shape.iter().product::<usize>();
        let (m, k, n) = (size(&a, &rows), size(&a, &summed), size(&b, &columns));
        let left: Shape = size(&a, &batch).into_iter().chain([count(&m), count(&k)]).collect();
        let right: Shape = size(&b, &batch).into_iter().chain([count(&k), count(&n)]).collect();
        let x = a.x.reshape(&*left).matmul(b.x.reshape(&*right));
        let outer = Shape::from_slice(&x.shape()[..batch.len()]);
        let sizes: Shape = outer.into_iter().chain(m).chain(n).collect();
        Labelled { x: x.reshape(&*sizes), labels }
    }
}

/// Gives both operands the same sizes at the labels, where either may have size 1.
#[track_caller]
fn equal_sizes<'t, T: Float>(
    a: Labelled<'t, T>,
    b: Labelled<'t, T>,
    labels: &[char],
) -> (Labelled<'t, T>, Labelled<'t, T>) {
    let widened = |of: &Labelled<'t, T>, to: &Labelled<'t, T>| {
        let size = |(&label, &size): (&char, &usize)| match to.axis(label) {
            Some(k) if labels.contains(&label) => size.max(to.x.shape()[k]),
            _ => size,
        };
        let shape: Shape = of.labels.iter().zip(of.x.shape()).map(size).collect();
        if *of.x.shape() == *shape { of.x } else { of.x.broadcast_to(&shape) }
    };
    let (x, y) = (widened(&a, &b), widened(&b, &a));
    (Labelled { x, ..a }, Labelled { x: y, ..b })
}

#[cfg(test)]
pub(crate) fn checks() -> Vec<crate::ops::Check> {
    use ndarray::array;
    let pair = || {
        vec![
            array![[1.5, -0.2, 0.3], [0.4, 2.0, -1.0]].into_dyn(),
            array![[0.5, 1.0], [-0.7, 0.2], [1.1, 0.4]].into_dyn(),
        ]
    };
    let cube = || vec![array![[[1.5, -0.2], [0.4, 2.0]], [[0.1, 0.9], [1.1, 0.6]]].into_dyn()];
    vec![
        check!("einsum", pair(), |v| einsum("ij,jk->ki", &[v[0].square(), v[1].square()])),
        check!("einsum", pair(), |v| einsum("ij,ji", v)),
        check!("einsum", cube(), |v| einsum("iij,jk->ik", &[v[0].square(), v[0].at(0)])),
        check!("einsum", cube(), |v| einsum("bij,bjk,bkl->bl", &[v[0], v[0], v[0]])),
    ]
}

#[cfg(test)]
mod tests;
