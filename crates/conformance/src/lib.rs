//! Runs reference cases against the framework and compares, or emits, the results.

mod critical;
mod encoding;
mod op;
mod optimizer;
mod schedule;
mod training;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

/// The reason why a case has no result.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stop {
    /// The framework does not offer the thing that the case asks for.
    Unsupported(String),
    /// The case should have worked, but did not.
    Error(String),
}

/// The results of a case, in the form of its `expect` field.
pub(crate) type Outcome = Result<Map<String, Value>, Stop>;

pub(crate) fn unsupported<A>(what: impl fmt::Display) -> Result<A, Stop> {
    Err(Stop::Unsupported(what.to_string()))
}

pub(crate) fn missing(what: &str) -> Stop {
    Stop::Error(format!("the case has no valid `{what}`"))
}

/// The results of the cases of one kind and tier.
#[derive(Debug, Default)]
pub struct Tally {
    /// the number of cases that agreed with the reference
    pub passed: usize,
    /// the names of the cases that did not agree or did not run, with the reason
    pub failed: Vec<(String, String)>,
    /// the names of the cases that the framework does not offer, with the reason
    pub unsupported: Vec<(String, String)>,
}

/// The results of the cases of all kinds and tiers.
#[derive(Debug, Default)]
pub struct Report {
    /// the results by kind and tier
    pub tallies: BTreeMap<(String, u64), Tally>,
}

impl Report {
    /// Returns whether every tier-1 case passed and no tier-2 case failed.
    pub fn acceptable(&self) -> bool {
        self.tallies.iter().all(|((_, tier), t)| t.failed.is_empty() && (*tier > 1 || t.unsupported.is_empty()))
    }

    /// The number of cases that failed.
    pub fn failed(&self) -> usize {
        self.tallies.values().map(|t| t.failed.len()).sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for tally in self.tallies.values() {
            for (id, reason) in &tally.failed {
                writeln!(f, "FAILED {id}: {reason}")?;
            }
        }
        for tally in self.tallies.values() {
            let mut names: Vec<&str> =
                tally.unsupported.iter().filter_map(|(id, _)| id.rsplit_once('/')).map(|x| x.0).collect();
            names.dedup();
            if !names.is_empty() {
                writeln!(f, "unsupported: {}", names.join(" "))?;
            }
        }
        writeln!(f, "{:<16}{:>5}{:>8}{:>8}{:>13}", "kind", "tier", "passed", "failed", "unsupported")?;
        for ((kind, tier), t) in &self.tallies {
            writeln!(f, "{kind:<16}{tier:>5}{:>8}{:>8}{:>13}", t.passed, t.failed.len(), t.unsupported.len())?;
        }
        Ok(())
    }
}

/// Reads all cases of the files and folders.
fn cases(paths: &[PathBuf]) -> Result<Vec<Value>, String> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
            files.extend(entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "json")));
        } else {
            files.push(path.clone());
        }
    }
    files.sort();
    let mut cases = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut document: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
        match document.get_mut("cases").map(Value::take) {
            Some(Value::Array(list)) => cases.extend(list),
            _ => return Err(format!("{}: no list of cases", file.display())),
        }
    }
    Ok(cases)
}

/// Computes a case's results from everything but `expect`.
fn compute(case: &Value) -> Outcome {
    let run = || match encoding::text(case, "kind")? {
        "op" | "loss" => op::gradients(case),
        "hvp" => op::hessian_vector_product(case),
        "optimizer" => optimizer::run(case),
        "schedule" => schedule::run(case),
        "training" => training::run(case),
        "critical_point" => critical::run(case),
        kind => unsupported(format!("no kind {kind}")),
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(Stop::Error(format!("panicked: {}", text.unwrap_or("without a message"))))
    })
}

/// Runs the cases and compares them with what they expect.
///
/// # Errors
/// If a file cannot be read.
pub fn run(paths: &[PathBuf]) -> Result<Report, String> {
    let mut report = Report::default();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {})); // a panic is the result of a case
    for case in cases(paths)? {
        let id = case["id"].as_str().unwrap_or("a case without id").to_owned();
        let key = (case["kind"].as_str().unwrap_or("?").to_owned(), case["tier"].as_u64().unwrap_or(1));
        let tally = report.tallies.entry(key).or_default();
        match compute(&case) {
            Ok(got) => match encoding::compare(&case, &got) {
                Ok(()) => tally.passed += 1,
                Err(reason) => tally.failed.push((id, reason)),
            },
            Err(Stop::Unsupported(reason)) => tally.unsupported.push((id, reason)),
            Err(Stop::Error(reason)) => tally.failed.push((id, reason)),
        }
    }
    std::panic::set_hook(hook);
    Ok(report)
}

/// Runs the cases and writes their results as one JSON object with a key for each id. Returns the number of results.
///
/// # Errors
/// If a file cannot be read or written.
pub fn emit(paths: &[PathBuf], to: &Path) -> Result<usize, String> {
    let mut results = Map::new();
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    for case in cases(paths)? {
        let id = case["id"].as_str().unwrap_or("a case without id").to_owned();
        let entry = match compute(&case) {
            Ok(mut got) => {
                got.insert("status".into(), json!("ok"));
                Value::Object(got)
            }
            Err(Stop::Unsupported(reason)) => json!({"status": "unsupported", "reason": reason}),
            Err(Stop::Error(reason)) => json!({"status": "error", "reason": reason}),
        };
        results.insert(id, entry);
    }
    std::panic::set_hook(hook);
    let count = results.len();
    std::fs::write(to, Value::Object(results).to_string()).map_err(|e| format!("{}: {e}", to.display()))?;
    Ok(count)
}
