//! Each block of code in the course runs here, also the solutions of the exercises, and prints what the course says.
//!
//! `COURSE=overwrite cargo test -p acceptance --test course` writes into the course what its code prints.

// for readers, a borrow more or a type written out can be clearer
#![allow(clippy::needless_borrows_for_generic_args, clippy::type_complexity)]

use std::cell::RefCell;
use std::error::Error;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

thread_local! {
    static PRINTED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Stand for `print!` and `println!` in the course.
macro_rules! print {
    ($($arg:tt)*) => {{
        let text = format!($($arg)*);
        crate::PRINTED.with(|printed| *printed.borrow_mut() += &text);
    }};
}
macro_rules! println {
    () => {
        print!("\n")
    };
    ($($arg:tt)*) => {{
        print!($($arg)*);
        print!("\n");
    }};
}

/// What a reader's program prints: it is in `src/main.rs`, and a rule is as long as the table below it.
fn as_a_program(printed: &str, file: &str) -> String {
    let printed = printed.replace(file, "src/main.rs");
    let is_rule = |line: &str| !line.is_empty() && line.chars().all(|c| c == '─');
    let widest = printed.lines().filter(|line| !is_rule(line)).map(|line| line.chars().count()).max().unwrap_or(0);
    let line = |line: &str| if is_rule(line) { "─".repeat(widest) } else { line.trim_end().to_owned() };
    printed.lines().map(|text| line(text) + "\n").collect()
}

/// Runs a block of code and compares what it prints.
fn check(
    chapter: &str,
    line: usize,
    code: &str,
    expected: Option<&str>,
    panics: bool,
    file: &str,
    run: impl FnOnce() -> Result<(), Box<dyn Error>>,
) {
    let result = catch_unwind(AssertUnwindSafe(run));
    let mut printed = PRINTED.take();
    match result {
        Ok(result) => {
            assert!(!panics, "{chapter}:{line} does not panic");
            result.unwrap_or_else(|error| panic!("{chapter}:{line}: {error}"));
        }
        Err(message) => {
            let text = message.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let message = message.downcast_ref::<String>().cloned().or(text);
            assert!(panics, "{chapter}:{line} panics: {message:?}");
            printed += &(message.unwrap_or_default() + "\n");
        }
    }
    let printed = as_a_program(&printed, file);
    let expected = expected.unwrap_or_default();
    if printed == expected {
        return;
    }
    assert!(std::env::var_os("COURSE").is_some(), "{chapter}:{line} prints\n{printed}and the chapter says\n{expected}");
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock();
    let text = fs::read_to_string(chapter).expect("the chapter");
    let (before, after) = text.split_once(&format!("\n{code}```\n")).expect("the block");
    let after = after.strip_prefix(&format!("\n```output\n{expected}```\n")).unwrap_or(after);
    let output = if printed.is_empty() { String::new() } else { format!("\n```output\n{printed}```\n") };
    fs::write(chapter, format!("{before}\n{code}```\n{output}{after}")).expect("the chapter");
}

include!(concat!(env!("OUT_DIR"), "/course.rs"));
