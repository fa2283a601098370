//! A part of f32 in a model of f64.

use gradus::prelude::*;

#[derive(Module)]
struct Net {
    hidden: Linear<f64>,
    out: Vec<Linear<f32>>,
}

fn main() {}
