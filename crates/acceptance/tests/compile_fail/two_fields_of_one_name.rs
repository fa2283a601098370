//! Two fields that would have one path.

use gradus::prelude::*;

#[derive(Module)]
struct Net {
    hidden: Linear,
    #[module(name = "hidden")]
    out: Linear,
}

fn main() {}
