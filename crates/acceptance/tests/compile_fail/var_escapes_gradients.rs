use gradus::prelude::*;

fn main() {
    let mut tape = Tape::new();
    let mut kept = None;
    tape.gradients(|t| {
        let x = t.var(1.0);
        kept = Some(x);
        x.square()
    });
}
