use super::*;

#[test]
fn a_plateau_lowers_the_factor_after_its_patience_and_cools_down() {
    let mut plateau = ReduceOnPlateau::new().patience(1).factor(0.5).cooldown(2).min_factor(0.3);
    let metrics = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, f64::NAN];
    let factors = metrics.map(|m| plateau.observe(m));
    assert_eq!(factors, [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3]);
}

#[test]
fn a_first_metric_that_is_infinite_can_be_bettered() {
    let mut plateau = ReduceOnPlateau::new().patience(2);
    let factors = [f64::INFINITY, 9.0, 8.0, 7.0, 6.0].map(|m| plateau.observe(m));
    assert_eq!((factors, plateau.best()), ([1.0; 5], Some(6.0)));
}

/// PyTorch #47513, #38622: log-likelihoods are negative.
#[test]
fn a_share_of_a_negative_best_points_the_right_way() {
    let factors = |mut plateau: ReduceOnPlateau, metrics: &[f64]| -> Vec<f64> {
        metrics.iter().map(|&m| plateau.observe(m)).collect()
    };
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12);
    let quick = || ReduceOnPlateau::new().threshold(0.1).patience(0);
    assert_eq!(factors(quick(), &[-1.0, -0.95]), [1.0, 0.1]);
    assert_eq!(factors(quick(), &[-1.0, -1.05]), [1.0, 0.1]);
    assert_eq!(factors(quick(), &[-1.0, -1.2]), [1.0, 1.0]);
    let up = || quick().goal(Goal::Maximize);
    assert_eq!(factors(up(), &[-1.0, -0.95]), [1.0, 0.1]);
    assert_eq!(factors(up(), &[-1.0, -0.8]), [1.0, 1.0]);
    let same = factors(ReduceOnPlateau::new().patience(2), &[-1.0; 8]);
    assert!(near(&same, &[1.0, 1.0, 1.0, 0.1, 0.1, 0.1, 0.01, 0.01]), "{same:?}");
    assert_eq!(same, factors(ReduceOnPlateau::new().patience(2), &[1.0; 8]));
    let mut plateau = ReduceOnPlateau::new().patience(2);
    for k in 0..12 {
        plateau.observe(-1.0 + 5e-5 * f64::from(k));
    }
    assert_eq!(plateau.best(), Some(-1.0));
}

#[test]
fn state_comes_back_from_json_as_it_was() {
    let mut stopping = EarlyStopping::new(3).goal(Goal::Maximize);
    stopping.observe(f64::INFINITY);
    let text = serde_json::to_string(&stopping).unwrap();
    assert_eq!(serde_json::from_str::<EarlyStopping>(&text).unwrap(), stopping);
}

#[test]
fn a_share_and_an_amount_are_two_thresholds() {
    let count = |plateau: ReduceOnPlateau| {
        let mut plateau = plateau.patience(0).goal(Goal::Maximize);
        [10.0, 10.4, 11.5].map(|m| plateau.observe(m))
    };
    assert_eq!(count(ReduceOnPlateau::new().threshold(0.1)), [1.0, 0.1, 0.1]);
    assert_eq!(count(ReduceOnPlateau::new().absolute_threshold(0.1)), [1.0, 1.0, 1.0]);
}

#[test]
fn both_go_on_where_they_were_saved() {
    let (mut plateau, mut stopping) = (ReduceOnPlateau::new().patience(2), EarlyStopping::new(4).min_delta(0.1));
    let metrics = [3.0, 2.0, 2.5, 1.95, 2.2, 2.0, 2.1];
    for (i, &metric) in metrics.iter().enumerate() {
        if i == 3 {
            plateau = serde_json::from_str(&serde_json::to_string(&plateau).unwrap()).unwrap();
            stopping = serde_json::from_str(&serde_json::to_string(&stopping).unwrap()).unwrap();
        }
        let (factor, progress) = (plateau.observe(metric), stopping.observe(metric));
        assert_eq!(factor, if i < 6 { 1.0 } else { 0.1 }, "{i}");
        assert_eq!(progress == Progress::Stop, i >= 5, "{i}");
    }
}
