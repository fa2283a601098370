use gradus::prelude::*;

fn main() {
    let mut tape = Tape::new();
    let x = tape.var(1.0);
    tape.clear();
    let _ = x.square();
}
