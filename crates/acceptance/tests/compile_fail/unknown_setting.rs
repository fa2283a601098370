use gradus::prelude::*;

#[derive(Module)]
struct Net {
    layer: Linear,
    #[module(ignore)]
    width: usize,
}

fn main() {}
