//! A part of a part that lacks the derive.

use gradus::prelude::*;

struct Block {
    inner: Linear,
}

#[derive(Module)]
struct Net {
    blocks: Vec<Option<Block>>,
    out: Linear,
}

fn main() {}
