//! The numbers that all frameworks start from.

use gradus_autograd::Param;
use gradus_nn::{Activation, Linear, Mlp};
use ndarray::{Array1, Array2};

/// A number in [0, 1), by wrapping 64-bit arithmetic (splitmix64).
pub(crate) fn u(seed: u64, i: usize) -> f32 {
    let mut z =
        seed.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f32 / 16_777_216.0
}

/// An MLP with the weights of the definition, which numbers them as inputs × outputs.
pub(crate) fn mlp(sizes: &[usize], activation: Activation) -> Mlp {
    let mut model = Mlp::builder(sizes).activation(activation).build();
    for (l, (layer, sizes)) in model.layers.iter_mut().zip(sizes.windows(2)).enumerate() {
        *layer = linear(l as u64, sizes[0], sizes[1], 10);
    }
    model
}

/// A layer with the numbers of layer `l` of the definition, scaled by 1/√inputs.
pub(crate) fn linear(l: u64, inputs: usize, outputs: usize, seed: u64) -> Linear {
    scaled(layer(l, inputs, outputs, seed), inputs)
}

/// A layer with numbers in ±1/√fan.
pub(crate) fn scaled((weight, bias): (Array2<f32>, Array1<f32>), fan: usize) -> Linear {
    let k = 1.0 / (fan as f32).sqrt();
    Linear { weight: Param::new(weight * k), bias: Some(Param::new(bias * k)) }
}

/// The weight (outputs × inputs) and the bias of layer `l`, with numbers in ±1.
pub(crate) fn layer(l: u64, inputs: usize, outputs: usize, seed: u64) -> (Array2<f32>, Array1<f32>) {
    let weight = Array2::from_shape_fn((outputs, inputs), |(j, i)| 2.0 * u(seed + 2 * l, i * outputs + j) - 1.0);
    let bias = Array1::from_shape_fn(outputs, |j| 2.0 * u(seed + 1 + 2 * l, j) - 1.0);
    (weight, bias)
}

/// Rows of inputs with their labels.
pub(crate) struct Batch {
    pub(crate) x: Array2<f32>,
    pub(crate) y: Vec<usize>,
}

/// Makes the 16 batches of `size` rows of `d` numbers.
pub(crate) fn batches(size: usize, d: usize) -> Vec<Batch> {
    (0..16)
        .map(|b| {
            let y: Vec<usize> = (0..size).map(|i| (10.0 * u(2, b * size + i)) as usize).collect();
            let x = Array2::from_shape_fn((size, d), |(i, j)| {
                0.5 * u(1, (b * size + i) * d + j) + 0.5 * u(3, y[i] * d + j)
            });
            Batch { x, y }
        })
        .collect()
}
