use gradus::fused;

fused! {
    fn hinge(x) { (1 - x).max(0.0) }
    fn lower(a, b) { a.min(b) }
}

fn main() {}
