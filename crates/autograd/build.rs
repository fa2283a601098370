//! Tells the crate how it is optimised: see `src/unoptimised.rs`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let level = std::env::var("OPT_LEVEL").unwrap_or_default();
    println!("cargo::rustc-env=GRADUS_OPT_LEVEL={level}");
}
