//! A generic part that is filled with something that is no module.

use gradus::Module as _;
use gradus::prelude::*;

#[derive(Module)]
struct Pair<M> {
    first: M,
    rest: Vec<M>,
}

struct Plain;

fn main() {
    let pair = Pair { first: Plain, rest: Vec::new() };
    println!("{}", pair.param_count());
}
