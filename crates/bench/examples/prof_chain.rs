#![allow(missing_docs)]
use gradus_autograd::Tape;
fn main() {
    let mut tape = Tape::new();
    let x0: Vec<f32> = (0..10).map(|i| i as f32 * 0.1).collect();
    for _ in 0..100 {
        tape.clear();
        let x = tape.var(x0.as_slice());
        let mut y = x;
        for _ in 0..250 {
            y = ((y * 1.01) + 0.001).tanh().sin();
        }
        let g = y.sum().backward();
        std::hint::black_box(g.wrt(x));
    }
}
