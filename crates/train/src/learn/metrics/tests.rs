use super::*;
use crate::Targets;
use ndarray::{ArrayD, array};
use proptest::prelude::*;

fn labelled(outputs: ArrayD<f64>, labels: &[usize]) -> Predictions<f64> {
    Predictions { outputs, targets: Targets::Labels(labels.to_vec()) }
}

/// Compares with scikit-learn 1.5: `precision_score`, `recall_score`, `f1_score` (macro), `top_k_accuracy_score`.
#[test]
fn of_classes() {
    let logits =
        array![[3.0, 1.0, 2.0], [1.0, 3.0, 2.0], [2.0, 1.0, 3.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0]];
    let p = labelled(logits.into_dyn(), &[0, 1, 2, 1, 1, 2]);
    let close = |metric: Metric<f64>, value: f64| {
        assert!((metric.of(&p) - value).abs() < 1e-12, "{} {}", metric.name(), metric.of(&p));
    };
    close(Metric::accuracy(), 0.5);
    close(Metric::top_k(1), 0.5);
    close(Metric::top_k(2), 1.0);
    close(Metric::precision(), (0.5 + 0.5 + 0.5) / 3.0);
    close(Metric::recall(), (1.0 + 1.0 / 3.0 + 0.5) / 3.0);
    close(Metric::f1(), (2.0 / 3.0 + 0.4 + 0.5) / 3.0);
    assert_eq!(p.confusion().to_string(), "       0  1  2\n    0  1  ·  ·\n    1  1  1  1\n    2  ·  1  1");
    let ties = labelled(array![[1.0, 1.0]].into_dyn(), &[1]);
    assert_eq!((Metric::top_k(1).of(&ties), Metric::top_k(2).of(&ties)), (0.0, 1.0));
}

#[test]
fn of_two_classes_by_one_or_two_outputs() {
    let one = labelled(array![-1.0, 2.0, 0.5, -3.0, 0.0].into_dyn(), &[0, 1, 0, 1, 1]);
    let two = array![[1.0, 0.0], [0.0, 2.0], [0.0, 0.5], [3.0, 0.0], [0.0, 0.0]];
    let two = labelled(two.into_dyn(), &[0, 1, 0, 1, 1]);
    for metric in [Metric::accuracy(), Metric::precision(), Metric::recall(), Metric::f1(), Metric::auc()] {
        assert_eq!(metric.of(&one), metric.of(&two), "{}", metric.name());
    }
    // TP 1, FP 1, FN 2; pairs won: (2 > −1), (2 > 0.5), (0 > −1)
    assert_eq!((Metric::precision().of(&one), Metric::recall().of(&one)), (0.5, 1.0 / 3.0));
    assert_eq!((Metric::f1().of(&one), Metric::auc().of(&one)), (0.4, 0.5));
    assert!(Metric::auc().of(&labelled(array![1.0].into_dyn(), &[1])).is_nan());
}

#[test]
fn of_numbers() {
    let p = |outputs: ArrayD<f64>, targets: ArrayD<f64>| Predictions { outputs, targets: Targets::Numbers(targets) };
    // scikit-learn's own example: r2_score([[0.5, 1], [-1, 1], [7, -6]], [[0, 2], [-1, 2], [8, -5]]) is 0.936…
    let pair = p(
        array![[0.0, 2.0], [-1.0, 2.0], [8.0, -5.0]].into_dyn(),
        array![[0.5, 1.0], [-1.0, 1.0], [7.0, -6.0]].into_dyn(),
    );
    assert!((Metric::r2().of(&pair) - 0.936_800_526_662_277_9).abs() < 1e-12);
    assert!((Metric::mse().of(&pair) - 4.25 / 6.0).abs() < 1e-12);
    assert!((Metric::mae().of(&pair) - 0.75).abs() < 1e-12);
    assert!(Metric::r2().of(&p(array![2.0].into_dyn(), array![2.0].into_dyn())).is_nan());
    assert!(Metric::r2().of(&p(array![2.0, 1.0].into_dyn(), array![f64::NAN, 1.0].into_dyn())).is_nan());
    let same = array![2.0, 2.0].into_dyn();
    assert_eq!(Metric::r2().of(&p(same.clone(), same.clone())), 1.0);
    assert_eq!(Metric::r2().of(&p(array![2.0, 3.0].into_dyn(), same)), 0.0);
}

#[test]
fn of_sequences_every_place_counts() {
    let logits = array![[[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]], [[0.0, 3.0, 1.0], [5.0, 1.0, 1.0]]];
    let p = labelled(logits.into_dyn(), &[0, 2, 1, 1]);
    assert_eq!((p.accuracy(), Metric::top_k(2).of(&p), p.confusion().matrix.sum()), (0.75, 1.0, 4));
}

#[test]
#[should_panic(expected = "outputs of shape [2, 3] are 2 predictions, but there are 4 labels")]
fn labels_that_are_not_as_many_are_refused() {
    labelled(array![[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]].into_dyn(), &[0, 1, 2, 0]).accuracy();
}

#[test]
#[should_panic(expected = "`valid_loss` is the name of another column")]
fn names_of_other_columns_are_refused() {
    let _ = Metric::<f32>::new("valid_loss", Goal::Minimize, |_| 0.0);
}

#[test]
#[should_panic(expected = "the targets are numbers; this metric is of labels")]
fn metrics_of_labels_refuse_numbers() {
    let outputs = array![1.0].into_dyn();
    Metric::accuracy().of(&Predictions { targets: Targets::Numbers(outputs.clone()), outputs });
}

proptest! {
    #[test]
    fn auc_is_the_share_of_pairs_won(pairs in proptest::collection::vec((0u8..8, any::<bool>()), 0..40)) {
        let (scores, positive): (Vec<f64>, Vec<bool>) = pairs.iter().map(|&(s, p)| (f64::from(s), p)).unzip();
        let (mut won, mut all) = (0.0, 0.0);
        for (a, _) in scores.iter().zip(&positive).filter(|(_, p)| **p) {
            for (b, _) in scores.iter().zip(&positive).filter(|(_, p)| !**p) {
                won += if a > b { 1.0 } else { f64::from(u8::from(a == b)) / 2.0 };
                all += 1.0;
            }
        }
        let found = auc(&scores, &positive);
        let right = if all == 0.0 { found.is_nan() } else { (found - won / all).abs() < 1e-12 };
        prop_assert!(right);
    }
}
