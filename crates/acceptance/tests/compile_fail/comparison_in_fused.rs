//! A rule has no truth values: the message names `gt`, `lt`, `eq` and `choose`.

use gradus::fused;

fused! {
    fn hinge(x) {
        if x > 0.0 { x } else { x * 0.1 }
    }
    fn nearest(a, b) {
        if a == b { a } else { b }
    }
}

fn main() {}
