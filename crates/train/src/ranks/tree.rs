//! The order in which the parts of a step are added.
//!
//! A floating-point sum depends on the order of its additions, so the order must not depend on who has which part. The
//! parts of a step are the leaves of a binary tree: each half is added up by itself, then the two sums are added. A
//! rank that has a run of parts adds up the subtrees that lie within the run; the sums of subtrees travel, and are
//! added by the same tree. So one process and any number of ranks compute the same sum, bit for bit.

use std::ops::Range;

/// The middle of a range: the end of its first half.
fn middle(range: &Range<usize>) -> usize {
    range.start + range.len().div_ceil(2)
}

/// Adds up the values of a range's subtrees by its tree. `value` returns the value of a subtree if it is known; it is
/// called from left to right, first for the whole range, and for halves only if the value of the whole is not known.
///
/// # Panics
/// If the value of a single part is not known.
pub fn sum<S>(
    range: Range<usize>,
    value: &mut impl FnMut(&Range<usize>) -> Option<S>,
    add: &mut impl FnMut(S, S) -> S,
) -> S {
    if let Some(known) = value(&range) {
        return known;
    }
    assert!(range.len() > 1, "the value of part {} is not known", range.start);
    let middle = middle(&range);
    let left = sum(range.start..middle, value, add);
    let right = sum(middle..range.end, value, add);
    add(left, right)
}

/// The parts of a rank, out of the parts in a range: a run of parts, which may be empty. The runs of all ranks, one
/// after the other, are the range, and their lengths differ by at most one if there are 2, 4, 8 … ranks.
///
/// An even number of ranks is halved where the tree is. So each of 2, 4, 8 … ranks has a whole subtree.
pub(crate) fn share(range: Range<usize>, ranks: usize, rank: usize) -> Range<usize> {
    match ranks {
        1 => range,
        _ if ranks.is_multiple_of(2) => {
            let (middle, half) = (middle(&range), ranks / 2);
            match rank < half {
                true => share(range.start..middle, half, rank),
                false => share(middle..range.end, half, rank - half),
            }
        }
        _ => {
            let at = |rank| range.start + rank * range.len() / ranks;
            at(rank)..at(rank + 1)
        }
    }
}

/// The largest subtrees of a range's tree that lie within a run of its parts, from left to right.
pub fn subtrees(range: Range<usize>, run: &Range<usize>) -> Vec<Range<usize>> {
    if range.is_empty() || run.end <= range.start || range.end <= run.start {
        return Vec::new();
    }
    if run.start <= range.start && range.end <= run.end {
        return vec![range];
    }
    let middle = middle(&range);
    let mut found = subtrees(range.start..middle, run);
    found.extend(subtrees(middle..range.end, run));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of parts as text, with brackets.
    fn text(parts: usize, known: &[Range<usize>]) -> String {
        let name = |range: &Range<usize>| sum(range.clone(), &mut leaf, &mut join);
        fn leaf(range: &Range<usize>) -> Option<String> {
            (range.len() == 1).then(|| range.start.to_string())
        }
        fn join(a: String, b: String) -> String {
            format!("({a}{b})")
        }
        sum(0..parts, &mut |range| known.contains(range).then(|| name(range)).or_else(|| leaf(range)), &mut join)
    }

    #[test]
    fn the_tree_halves() {
        assert_eq!(text(8, &[]), "(((01)(23))((45)(67)))");
        assert_eq!(text(5, &[]), "(((01)2)(34))");
    }

    #[test]
    fn ranks_share_all_parts_and_their_subtrees_give_the_same_sum() {
        for parts in 1..40 {
            for ranks in 1..12 {
                let (mut next, mut known) = (0, Vec::new());
                let shares: Vec<_> = (0..ranks).map(|rank| share(0..parts, ranks, rank)).collect();
                for run in &shares {
                    assert_eq!(run.start, next, "{parts} parts, {ranks} ranks: {shares:?}");
                    next = run.end;
                    let own = subtrees(0..parts, run);
                    assert_eq!(own.iter().map(Range::len).sum::<usize>(), run.len());
                    if ranks.is_power_of_two() {
                        assert!(own.len() <= 1);
                    }
                    known.extend(own);
                }
                let longest = shares.iter().map(Range::len).max().unwrap();
                let shortest = shares.iter().map(Range::len).min().unwrap();
                assert!(next == parts && longest - shortest <= 2, "{parts} parts, {ranks} ranks: {shares:?}");
                assert_eq!(text(parts, &known), text(parts, &[]));
            }
        }
    }
}
