use super::*;

#[test]
fn each_distribution_has_its_standard_deviation_and_bound() {
    let (outputs, inputs) = (300, 200);
    let table = [
        (Init::Uniform { bound: 0.3 }, 0.3 / 3f64.sqrt(), 0.3),
        (Init::Normal { std: 0.3 }, 0.3, f64::INFINITY),
        (Init::GLOROT_UNIFORM, (2.0f64 / 500.0).sqrt(), (6.0f64 / 500.0).sqrt()),
        (Init::GLOROT_NORMAL, (2.0f64 / 500.0).sqrt(), f64::INFINITY),
        (Init::HE_UNIFORM, (2.0f64 / 200.0).sqrt(), (6.0f64 / 200.0).sqrt()),
        (Init::HE_NORMAL, (2.0f64 / 200.0).sqrt(), f64::INFINITY),
        (Init::LinearDefault, (1.0f64 / 600.0).sqrt(), (1.0f64 / 200.0).sqrt()),
        (Init::LECUN_NORMAL, (1.0f64 / 200.0).sqrt(), f64::INFINITY),
        (Init::LECUN_UNIFORM, (1.0f64 / 200.0).sqrt(), (3.0f64 / 200.0).sqrt()),
        (Init::KaimingNormal { gain: 1.0, fan: Fan::Out }, (1.0f64 / 300.0).sqrt(), f64::INFINITY),
        (Init::KaimingUniform { gain: 1.0, fan: Fan::Out }, (1.0f64 / 300.0).sqrt(), 0.1),
        // the standard deviation of a normal cut at ±2 is 0.8796
        (Init::TruncatedNormal { std: 0.5, cut: 2.0 }, 0.4398, 1.0),
        (Init::Orthogonal { gain: 2.0 }, 2.0 / 300f64.sqrt(), 2.0),
        (Init::Sparse { zeros: 0.75, std: 1.0 }, 0.5, f64::INFINITY),
    ];
    for (init, std, bound) in table {
        let param = init.param::<f64>(&[outputs, inputs], &mut rng(3));
        let n = param.len() as f64;
        let mean = param.data().iter().sum::<f64>() / n;
        let got = (param.data().iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
        assert!((got / std - 1.0).abs() < 0.01, "{init:?}: standard deviation {got}, stated {std}");
        assert!(mean.abs() < 4.0 * std / n.sqrt(), "{init:?}: mean {mean}");
        assert!(param.data().iter().all(|x| x.abs() <= bound), "{init:?} leaves its bound");
        assert_eq!(param.data(), init.param::<f64>(&[outputs, inputs], &mut rng(3)).data(), "{init:?} repeats");
        assert_ne!(param.data(), init.param::<f64>(&[outputs, inputs], &mut rng(4)).data(), "{init:?} heeds the seed");
    }
}

#[test]
fn orthogonal_rows_or_columns_stand_at_right_angles() {
    for shape in [&[5, 8][..], &[8, 5], &[4, 2, 3], &[3]] {
        let param = Init::Orthogonal { gain: 1.0 }.param::<f64>(shape, &mut rng(1));
        let (rows, columns) = (shape[0], shape[1..].iter().product::<usize>());
        let at = |i: usize, j: usize| param.data()[i * columns + j];
        let (count, len) = (rows.min(columns), rows.max(columns));
        let dot = |a: usize, b: usize| -> f64 {
            (0..len).map(|k| if rows <= columns { at(a, k) * at(b, k) } else { at(k, a) * at(k, b) }).sum()
        };
        for (a, b) in (0..count).flat_map(|a| (0..count).map(move |b| (a, b))) {
            assert!((dot(a, b) - f64::from(u8::from(a == b))).abs() < 1e-12, "{shape:?}: {a}, {b}");
        }
    }
}

#[test]
fn sparse_columns_have_their_zeros() {
    let param = Init::Sparse { zeros: 0.3, std: 1.0 }.param::<f64>(&[10, 4], &mut rng(1));
    for j in 0..4 {
        assert_eq!((0..10).filter(|i| param.data()[i * 4 + j] == 0.0).count(), 3);
    }
}

#[test]
fn a_windows_numbers_count_as_connections() {
    let param = Init::KaimingUniform { gain: 1.0, fan: Fan::Out }.param::<f64>(&[64, 8, 3, 3], &mut rng(1));
    let bound = (3.0f64 / (64.0 * 9.0)).sqrt();
    let largest = Statistics::of(param.data()).max;
    assert!(largest <= bound && largest > 0.95 * bound, "{largest}, {bound}");
}
