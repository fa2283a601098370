use super::*;
use crate::Param;

fn layers(n: usize, width: usize) -> Vec<Param<f32>> {
    let number = |layer: usize, i: usize| ((layer * width * width + i) as f32 * 12.9898).sin() / width as f32;
    (0..n)
        .map(|layer| {
            Param::with(&[width, width], |w| w.iter_mut().enumerate().for_each(|(i, w)| *w = number(layer, i)))
        })
        .collect()
}

fn run<'t>(layers: &[Param<f32>], x: Var<'t, f32>) -> Var<'t, f32> {
    layers.iter().fold(x, |x, w| x.matmul(w).tanh() + x)
}

/// 100 layers in 10 segments: the same gradients, bit for bit, in a fifth of the memory.
#[test]
fn a_hundred_layers_fit_into_a_fifth_of_the_memory() {
    let layers = layers(100, 16);
    let x = ArrayD::from_shape_fn(ndarray::IxDyn(&[256, 16]), |at| ((at[0] * 7 + at[1]) as f32).cos());
    let mut whole = Tape::training(0);
    let (cost, gradients) = whole.gradients(|t| run(&layers, t.constant(&x)).square().mean());
    let parts: Vec<_> = layers.chunks(10).map(|part| segment(move |x| run(part, x))).collect();
    let segments: Vec<Part<'_, f32>> = parts.iter().map(|s| s as Part<'_, f32>).collect();
    let mut tape = Tape::training(0);
    let (same, in_segments) = tape.checkpointed_gradients(&x, &segments, |y| y.square().mean());
    assert_eq!(cost, same);
    for w in &layers {
        assert!(gradients.wrt(w) == in_segments.wrt(w));
    }
    let (all, some) = (whole.memory().reserved, tape.memory().reserved);
    assert!(some * 5 < all, "{some} bytes in segments, {all} at once");
}

/// Tells the compiler that a closure takes a variable of any tape.
fn segment<F: for<'t> Fn(Var<'t, f32>) -> Var<'t, f32>>(f: F) -> F {
    f
}

#[test]
fn buffers_move_in_the_order_of_the_segments() {
    use crate::Buffer;
    let mut buffer = Buffer::new([0.0f32]);
    let w = Param::new([1.0f32]);
    let moved = segment(|x| {
        buffer.move_toward(0.5, x);
        x * &w + 7.0
    });
    let (_, gradients) = Tape::training(0).checkpointed_gradients([1.0f32], &[&moved, &moved], |y| y.sum());
    gradients.update_buffer(&mut buffer);
    assert_eq!(buffer.value()[[0]], 0.5 * 0.5 + 0.5 * 8.0);
}

#[test]
fn random_numbers_are_the_same_both_times() {
    use rand::RngExt;
    let noisy = segment(|x| {
        let noise: f32 = x.tape().rng().random();
        x * f64::from(noise)
    });
    let mut tape = Tape::training(3);
    let w = Param::new([1.0f32]);
    let segments: [Part<'_, f32>; 3] = [&|x| x * &w, &noisy, &noisy];
    let (cost, gradients) = tape.checkpointed_gradients([2.0f32], &segments, |y| y.sum());
    let gradient = gradients.wrt(&w)[[0]];
    assert!((cost - gradient).abs() < 1e-6, "the cost is {cost}, linear in w = 1, its gradient {gradient}");
    assert_eq!(tape.stream().step, 1);
}
