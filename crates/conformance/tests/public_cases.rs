//! The public reference cases: everything that is offered agrees.

use std::path::PathBuf;

#[test]
fn every_supported_case_agrees_with_its_reference() {
    let cases = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/conformance"));
    let report = conformance::run(&[cases]).unwrap();
    println!("{report}");
    assert_eq!(report.failed(), 0, "{report}");
    // what is built stays built
    let passed = |kind: &str| -> usize {
        report.tallies.iter().filter(|((k, _), _)| k == kind).map(|(_, tally)| tally.passed).sum()
    };
    for (kind, least) in [
        ("op", 312),
        ("hvp", 116),
        ("loss", 48),
        ("optimizer", 54),
        ("schedule", 19),
        ("training", 12),
        ("critical_point", 12),
    ] {
        assert!(passed(kind) >= least, "{kind}: {} cases passed, {least} did before\n{report}", passed(kind));
    }
}
