use gradus::prelude::*;

#[derive(Module, Clone)]
struct Half;

fn main() {
    let _: Sequential = Sequential::new().layer(Half);
}
