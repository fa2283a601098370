use super::*;

fn one_of_each() -> Vec<(Schedule, &'static [(u64, f64)])> {
    vec![
        (constant(), &[(0, 1.0), (u64::MAX, 1.0)]),
        (linear(0.5, 2.0, 10), &[(0, 0.5), (5, 1.25), (10, 2.0), (u64::MAX, 2.0)]),
        (polynomial(10, 2.0), &[(0, 1.0), (5, 0.25), (10, 0.0), (u64::MAX, 0.0)]),
        (step_decay(3, 0.5), &[(0, 1.0), (2, 1.0), (3, 0.5), (8, 0.25), (u64::MAX, 0.0)]),
        (multi_step(&[2, 5, 5], 0.1), &[(0, 1.0), (1, 1.0), (2, 0.1), (4, 0.1), (5, 1e-3), (u64::MAX, 1e-3)]),
        (exponential(2, 0.25), &[(0, 1.0), (1, 0.5), (2, 0.25), (u64::MAX, 0.0)]),
        (cosine(8), &[(0, 1.0), (4, 0.5), (8, 0.0), (12, 0.0), (u64::MAX, 0.0)]),
        (warm_restarts(4, 2), &[(0, 1.0), (2, 0.5), (4, 1.0), (8, 0.5), (12, 1.0), (20, 0.5), (28, 1.0)]),
        (warm_restarts(4, 1), &[(0, 1.0), (2, 0.5), (4, 1.0), (6, 0.5), (4_000_000, 1.0)]),
        (cyclic(0.5, 2, 4, Fade::Never), &[(0, 0.5), (1, 0.75), (2, 1.0), (4, 0.75), (6, 0.5), (8, 1.0)]),
        (cyclic(0.5, 2, 2, Fade::Halve), &[(0, 0.5), (2, 1.0), (4, 0.5), (6, 0.75), (10, 0.625)]),
        (cyclic(0.0, 1, 1, Fade::By(0.5)), &[(0, 0.0), (1, 0.5), (2, 0.0), (3, 0.125)]),
        (one_cycle(101), &[(0, 0.04), (100, 4e-6), (101, 4e-6), (u64::MAX, 4e-6)]),
        (inverse_sqrt(4), &[(0, 0.25), (3, 1.0), (15, 0.5), (399, 0.1)]),
        (noam(64, 4), &[(0, 0.25 / 16.0), (3, 1.0 / 16.0), (15, 0.5 / 16.0)]),
        (warmup(5), &[(0, 0.2), (4, 1.0), (5, 1.0), (u64::MAX, 1.0)]),
        (warmup_shaped(4, Interpolation::Cosine), &[(1, 0.5), (3, 1.0), (u64::MAX, 1.0)]),
        (warmup_shaped(4, Interpolation::Geometric), &[(1, 0.1), (3, 1.0), (u64::MAX, 1.0)]),
        (piecewise(&[(0, 1.0), (3, 0.5), (5, 0.1)], Interpolation::Hold), &[(0, 1.0), (2, 1.0), (3, 0.5), (9, 0.1)]),
        (piecewise(&[(2, 1.0), (4, 0.0)], Interpolation::Linear), &[(0, 1.0), (2, 1.0), (3, 0.5), (9, 0.0)]),
        (warmup(2).then(step_decay(2, 0.1)), &[(0, 0.5), (1, 1.0), (2, 1.0), (4, 0.1), (6, 0.01)]),
        (cosine(4).every(5), &[(0, 1.0), (4, 1.0), (10, 0.5), (14, 0.5), (20, 0.0)]),
        (cosine(4).between(0.2, 1.0), &[(0, 1.0), (2, 0.6), (9, 0.2)]),
        (exponential(1, 0.5).clamp(0.2, 0.8), &[(0, 0.8), (1, 0.5), (9, 0.2)]),
        (warmup(2).times(exponential(1, 0.5)), &[(0, 0.5), (3, 0.125)]),
    ]
}

#[test]
fn each_schedule_states_its_first_and_last_value() {
    for (schedule, values) in one_of_each() {
        for &(step, factor) in values {
            let got = schedule.factor(step);
            assert!((got - factor).abs() < 1e-15, "{schedule:?} at {step}: {got}, not {factor}");
        }
    }
}

#[test]
fn every_schedule_is_defined_everywhere_and_level_past_its_end() {
    let empty = [linear(0.5, 2.0, 0), warmup(0), one_cycle(1), inverse_sqrt(0)];
    for schedule in one_of_each().into_iter().map(|(schedule, _)| schedule).chain(empty) {
        for step in (0..300).chain([1 << 40, u64::MAX - 1, u64::MAX]) {
            assert!(schedule.factor(step).is_finite(), "{schedule:?} at {step}");
        }
        if let Some(end) = schedule.steps() {
            let last = schedule.factor(end);
            assert!((end..end + 50).all(|step| schedule.factor(step) == last), "{schedule:?}");
        }
    }
}

#[test]
fn schedules_are_saved_and_closures_say_that_they_cannot_be() {
    for (schedule, _) in one_of_each() {
        let saved = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&saved).unwrap(), schedule);
    }
    let error = serde_json::to_string(&warmup(3).then(Schedule::custom(|_| 1.0))).unwrap_err();
    assert!(error.to_string().contains("Schedule::Custom cannot be serialized"), "{error}");
}

#[test]
#[should_panic(expected = "has no end")]
fn what_has_no_end_has_no_then() {
    let _ = step_decay(3, 0.1).then(cosine(3));
}

#[test]
#[should_panic(expected = "piecewise: equal ratios cannot go through 0 or change the sign: [0.0, 1.0]")]
fn equal_ratios_from_0_are_refused() {
    let _ = piecewise(&[(0, 0.0), (4, 1.0)], Interpolation::Geometric);
}

#[test]
#[should_panic(expected = "piecewise: step 2 follows step 5")]
fn points_out_of_order_are_refused() {
    let _ = piecewise(&[(0, 1.0), (5, 0.5), (2, 0.1)], Interpolation::Linear);
}
