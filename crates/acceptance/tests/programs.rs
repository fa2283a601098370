//! Random programs on random shapes: their derivatives to second order agree with finite differences.

use gradus::gradcheck;
use gradus::prelude::*;
use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;

/// An instruction: the number of an operation, and the numbers of the two results so far that it takes.
type Instruction = (usize, usize, usize);

/// Two shapes, the second of which broadcasts with the first: some of its axes are 1, and some leading ones are
/// missing.
fn shapes() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    prop::collection::vec(1usize..4, 1..4).prop_flat_map(|shape| {
        let n = shape.len();
        (Just(shape), prop::collection::vec(any::<bool>(), n), 0..=n).prop_map(|(shape, ones, skip)| {
            let narrow = shape.iter().zip(ones).map(|(&size, one)| if one { 1 } else { size });
            let narrow = narrow.skip(skip).collect();
            (shape, narrow)
        })
    })
}

fn numbers(shape: &[usize], seed: f64) -> ArrayD<f64> {
    let mut i = seed;
    ArrayD::from_shape_fn(IxDyn(shape), |_| {
        i += 1.0;
        (i * 12.9898).sin()
    })
}

fn run<'t>(inputs: &[Var<'t, f64>], program: &[Instruction]) -> Var<'t, f64> {
    let mut results = inputs.to_vec();
    for &(what, first, second) in program {
        let (a, b) = (results[first % results.len()], results[second % results.len()]);
        let last = |x: Var<'t, f64>| if x.ndim() == 0 { x.unsqueeze(0) } else { x };
        let fit = a.ndim() == 0
            || b.ndim() == 0
            || a.shape().iter().rev().zip(b.shape().iter().rev()).all(|(&x, &y)| x == y || x == 1 || y == 1);
        let b = if fit { b } else { b.mean() };
        results.push(match what {
            0 => a + b,
            1 => a - b,
            2 => a * b,
            3 => a / (b.square() + 1.0),
            4 => a.tanh(),
            5 => a.sin() * 0.7,
            6 => (a * 0.3).exp() - b,
            7 => a.softplus(),
            8 => a.sum_axis(kept(..)) * 0.3 + b,
            9 => last(a).mean_axis(-1),
            10 => last(a).logsumexp_axis(kept(-1)),
            11 => last(a).softmax(0),
            12 => last(a).cumsum(-1) * 0.3,
            13 => last(a).flip(0),
            14 => last(a).permute((0..last(a).ndim() as isize).rev().collect::<Vec<_>>().as_slice()),
            15 => last(a).flatten().outer(last(b).flatten()) * 0.3,
            16 => last(a).layer_norm(1, 0.5),
            17 => concat(&[last(a), last(a).square() * 0.2], 0),
            18 => last(a).narrow(0, 0, 1),
            19 => (a.square() + 0.5).sqrt(),
            20 => a.gelu() - b.sigmoid(),
            _ => last(a).flatten().dot(last(a).flatten().tanh()) + b * 0.5,
        });
    }
    let tail = results.len().saturating_sub(3);
    results[tail..].iter().map(|x| x.tanh().sum()).reduce(|sum, x| sum + x).expect("at least the inputs")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn programs_agree_with_finite_differences(
        (wide, narrow) in shapes(),
        program in prop::collection::vec((0usize..22, 0usize..8, 0usize..8), 1..8),
    ) {
        let at = [numbers(&wide, 0.5), numbers(&narrow, 40.5)];
        // more numbers make the test slow, not better
        let tape = Tape::<f64>::mathematics();
        let inputs: Vec<_> = at.iter().map(|x| tape.var(x)).collect();
        run(&inputs, &program);
        prop_assume!(tape.memory().values < 1 << 18);
        prop_assert!(gradcheck(|v| run(v, &program), &at).is_ok(), "{:?}", gradcheck(|v| run(v, &program), &at));
    }
}
