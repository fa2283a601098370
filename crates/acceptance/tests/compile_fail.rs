//! Mistakes that must not compile, with messages that help.
//!
//! After an intended change, `TRYBUILD=overwrite cargo test -p acceptance --test compile_fail` writes the messages
//! anew.

#[test]
fn mistakes_do_not_compile_and_say_why() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
