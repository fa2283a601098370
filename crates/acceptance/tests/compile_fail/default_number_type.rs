//! A part whose number type is left to its default, in a model of f64: the message must not suggest to skip it.

use gradus::prelude::*;

#[derive(Module)]
struct Net {
    hidden: Linear<f64>,
    out: Linear,
}

fn main() {}
