use super::*;
use crate::Tape;
use crate::ops::numbers;
use ndarray::{ArrayD, IxDyn};

/// The definition: the sum over all labels, one index after the other.
fn definition(inputs: &[&str], result: &str, arrays: &[ArrayD<f64>]) -> ArrayD<f64> {
    let mut labels: Vec<char> = inputs.concat().chars().collect();
    labels.sort_unstable();
    labels.dedup();
    let size = |l: char| {
        let found = inputs.iter().zip(arrays).find_map(|(t, a)| Some(a.shape()[t.chars().position(|c| c == l)?]));
        found.unwrap()
    };
    let sizes: Vec<usize> = labels.iter().map(|&l| size(l)).collect();
    let shape: Vec<usize> = result.chars().map(size).collect();
    let mut out = ArrayD::zeros(IxDyn(&shape));
    for mut flat in 0..sizes.iter().product() {
        let mut at = vec![0; sizes.len()];
        for k in (0..sizes.len()).rev() {
            (at[k], flat) = (flat % sizes[k], flat / sizes[k]);
        }
        let place = |term: &str| -> Vec<usize> {
            term.chars().map(|c| at[labels.iter().position(|&l| l == c).unwrap()]).collect()
        };
        let product: f64 = inputs.iter().zip(arrays).map(|(t, a)| a[IxDyn(&place(t))]).product();
        out[IxDyn(&place(result))] += product;
    }
    out
}

#[test]
fn equations_agree_with_the_definition() {
    let sizes = |l: char| [2, 3, 4, 5, 2][(l as usize - 'i' as usize) % 5];
    for equation in [
        "i->i",
        "ij->ji",
        "ij->",
        "ijk->ki",
        "ii->i",
        "iij->j",
        "iiji->j",
        "i,j->ij",
        "i,i->",
        "ij,ij->ij",
        "ij,jk->ik",
        "ij,kj->ik",
        "ijk,jkl->il",
        "ijk,ikl->ijl",
        "ij,j,jk->k",
        "i,ij,j->",
        "ij,kl->kijl",
        "ijk,k->jk",
        "i,j,k->kji",
    ] {
        let (inputs, result) = equation.split_once("->").unwrap();
        let terms: Vec<&str> = inputs.split(',').collect();
        let arrays: Vec<_> = terms
            .iter()
            .enumerate()
            .map(|(i, t)| numbers(&t.chars().map(sizes).collect::<Vec<_>>(), i as f64 * 50.0))
            .collect();
        let tape = Tape::<f64>::mathematics();
        let vars: Vec<_> = arrays.iter().map(|a| tape.var(a)).collect();
        let got = einsum(equation, &vars);
        let want = definition(&terms, result, &arrays);
        assert_eq!(got.shape(), want.shape(), "{equation}");
        assert!((&got.value() - &want).iter().all(|d| d.abs() < 1e-12), "{equation}");
    }
}

#[test]
fn dots_stand_for_axes_that_broadcast() {
    let tape = Tape::<f64>::mathematics();
    let (a, b) = (tape.var(numbers(&[2, 1, 3, 4], 0.0)), tape.var(numbers(&[5, 4, 2], 9.0)));
    let product = einsum("...ij,...jk->...ik", &[a, b]);
    assert_eq!(product.shape(), [2, 5, 3, 2]);
    assert!((&product.value() - &a.matmul(b).value()).iter().all(|d| d.abs() < 1e-12));
    let summed = einsum("...ij,...jk->ik", &[a, b]); // the broadcast axes summed over
    let want = product.sum_axis([0, 1]);
    assert!((&summed.value() - &want.value()).iter().all(|d| d.abs() < 1e-12));
    assert_eq!(einsum("...i", &[a]).shape(), [2, 1, 3, 4]);
}

#[test]
fn mistakes_say_where() {
    let message = |equation: &str, shapes: &[&[usize]]| {
        let shapes: Vec<&[usize]> = shapes.to_vec();
        Plan::read(equation, shapes.into_iter()).err().unwrap_or_default()
    };
    assert_eq!(message("ij,jk", &[&[2, 3]]), "it names 2 operands, but there are 1");
    assert_eq!(message("ij", &[&[2, 3, 4]]), "`ij` does not name the 3 axes of operand 0, [2, 3, 4]");
    assert_eq!(message("ij,jk->ik", &[&[2, 3], &[4, 5]]), "axis j has size 3 in operand 0 and 4 in operand 1");
    assert_eq!(message("ij->ijj", &[&[2, 3]]), "the result names axis j twice");
    assert_eq!(message("ij->k", &[&[2, 3]]), "the result names axis k, which no operand has");
    assert_eq!(message("i1", &[&[2, 3]]), "`1` in `i1` is no letter");
    assert_eq!(message("ii", &[&[2, 3]]), "axis i has size 2 in operand 0 and 3 in operand 0");
}
