use gradus::prelude::*;

struct Config {
    width: usize,
}

#[derive(Module)]
struct Net<T: Float = f32> {
    layer: Linear<T>,
    config: Config,
}

fn main() {}
