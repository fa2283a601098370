//! A field's setting on the struct.

use gradus::prelude::*;

#[derive(Module)]
#[module(name = "net")]
struct Net {
    out: Linear,
}

fn main() {}
