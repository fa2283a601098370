use gradus::prelude::*;
use ndarray::array;

fn main() {
    let tape = Tape::new();
    let x = tape.var([1.0, 2.0]);
    let _ = x + array![1.0, 2.0];
}
