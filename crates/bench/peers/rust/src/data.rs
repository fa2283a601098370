//! The numbers that all frameworks start from.

/// A number in [0, 1), by wrapping 64-bit arithmetic (splitmix64).
pub fn u(seed: u64, i: usize) -> f32 {
    let mut z =
        seed.wrapping_mul(0xD1B5_4A32_D192_ED03).wrapping_add((i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    (z >> 40) as f32 / 16_777_216.0
}

/// How a framework stores a linear layer's weight.
#[derive(Clone, Copy, PartialEq)]
pub enum Layout {
    InOut,
    OutIn,
}

/// Weight and bias of layer `l`, scaled by 1/√inputs.
pub fn layer(l: usize, inputs: usize, outputs: usize, layout: Layout) -> (Vec<f32>, Vec<f32>) {
    layer_of_fan(l, inputs, outputs, inputs, layout)
}

/// Scaled by 1/√fan.
pub fn layer_of_fan(l: usize, inputs: usize, outputs: usize, fan: usize, layout: Layout) -> (Vec<f32>, Vec<f32>) {
    let k = 1.0 / (fan as f32).sqrt();
    let (mut weight, mut bias) = numbers(10 + 2 * l as u64, inputs, outputs, layout);
    weight.iter_mut().chain(&mut bias).for_each(|x| *x *= k);
    (weight, bias)
}

/// The part of layer `l` in the direction of the Hessian-vector product.
pub fn direction(l: usize, inputs: usize, outputs: usize, layout: Layout) -> (Vec<f32>, Vec<f32>) {
    numbers(50 + 2 * l as u64, inputs, outputs, layout)
}

/// Numbers in ±1 for a weight and a bias.
fn numbers(seed: u64, inputs: usize, outputs: usize, layout: Layout) -> (Vec<f32>, Vec<f32>) {
    // the definition counts them inputs × outputs
    let at = |i, j| 2.0 * u(seed, i * outputs + j) - 1.0;
    let weight = match layout {
        Layout::InOut => (0..inputs * outputs).map(|n| at(n / outputs, n % outputs)).collect(),
        Layout::OutIn => (0..inputs * outputs).map(|n| at(n % inputs, n / inputs)).collect(),
    };
    (weight, (0..outputs).map(|j| 2.0 * u(seed + 1, j) - 1.0).collect())
}

/// Rows of inputs with their labels.
pub struct Batch {
    pub x: Vec<f32>,
    pub y: Vec<usize>,
}

impl Batch {
    /// The labels as rows of ten, one of them 1.
    pub fn one_hot(&self) -> Vec<f32> {
        self.y.iter().flat_map(|&y| (0..10).map(move |j| f32::from(j == y))).collect()
    }
}

/// The 16 batches of `size` rows of `d` numbers.
pub fn batches(size: usize, d: usize) -> Vec<Batch> {
    let batch = |b| {
        let y: Vec<usize> = (0..size).map(|i| (10.0 * u(2, b * size + i)) as usize).collect();
        let x = (0..size * d).map(|n| 0.5 * u(1, b * size * d + n) + 0.5 * u(3, y[n / d] * d + n % d)).collect();
        Batch { x, y }
    };
    (0..16).map(batch).collect()
}

/// The 64 inputs and targets of `tiny`.
pub fn tiny() -> Vec<([f32; 2], f32)> {
    let sample = |i: usize| {
        let x = [2.0 * u(1, 2 * i) - 1.0, 2.0 * u(1, 2 * i + 1) - 1.0];
        (x, x[0] * x[1])
    };
    (0..64).map(sample).collect()
}

pub fn chain() -> Vec<f32> {
    (0..10).map(|i| 2.0 * u(1, i) - 1.0).collect()
}

pub fn elementwise() -> Vec<f32> {
    (0..1_000_000).map(|i| 4.0 * u(1, i) - 2.0).collect()
}

/// The table of `embedding`.
pub fn embedding() -> Vec<f32> {
    (0..50_000 * 64).map(|i| 2.0 * u(4, i) - 1.0).collect()
}

/// The 16 batches of `embedding`: 512 rows of the table, and their labels.
pub fn words() -> Vec<(Vec<u32>, Vec<u32>)> {
    let numbers = |seed, n: f32, b: usize| (0..512).map(|i| (n * u(seed, b * 512 + i)) as u32).collect();
    (0..16).map(|b| (numbers(5, 50_000.0, b), numbers(2, 10.0, b))).collect()
}
