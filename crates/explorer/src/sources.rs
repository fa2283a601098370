//! The lines of the reader's program around the steps of a trace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use gradus_autograd::Step;
use serde::Serialize;

/// Lines that are shown before and after the line of a step.
const AROUND: u32 = 7;

/// The parts of a source file that are shown.
#[derive(Serialize)]
pub(crate) struct Source {
    file: String,
    parts: Vec<Part>,
}

/// Consecutive lines.
#[derive(Serialize)]
struct Part {
    /// the number of the first line, from 1
    first: u32,
    lines: Vec<String>,
}

/// The source lines of some steps, from the files that can be read here.
pub(crate) fn sources<'a>(steps: impl Iterator<Item = &'a Step>) -> Vec<Source> {
    let mut places: BTreeMap<&str, BTreeSet<(u32, u32)>> = BTreeMap::new();
    for step in steps {
        places.entry(&step.file).or_default().insert((step.line, step.column));
    }
    places.into_iter().filter_map(|(file, places)| source(file, &places)).collect()
}

fn source(file: &str, places: &BTreeSet<(u32, u32)>) -> Option<Source> {
    // another file of this name, or a version of it that is older or newer than the program, has other columns
    let fits = |text: &String| {
        let lines: Vec<&str> = text.lines().collect();
        places.iter().all(|&(line, column)| {
            let at = |k: u32| usize::try_from(k).ok()?.checked_sub(1);
            let found = at(line).and_then(|line| lines.get(line)?.chars().nth(at(column)?));
            found.is_some_and(|c| !c.is_whitespace())
        })
    };
    let text = candidates(file).iter().filter_map(|path| std::fs::read_to_string(path).ok()).find(fits)?;
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: BTreeSet<u32> = BTreeSet::new();
    for &(line, _) in places {
        shown.extend(line.saturating_sub(AROUND).max(1)..=(line + AROUND).min(lines.len() as u32));
    }
    let mut parts: Vec<Part> = Vec::new();
    for number in shown {
        let line = lines[number as usize - 1].to_owned();
        match parts.last_mut() {
            Some(part) if part.first + part.lines.len() as u32 == number => part.lines.push(line),
            _ => parts.push(Part { first: number, lines: vec![line] }),
        }
    }
    Some(Source { file: file.to_owned(), parts })
}

/// Where a file may be whose path is relative to the folder in which the compiler ran: in the folder of the package
/// that Cargo runs or in one above it, or in the current folder or one above it.
fn candidates(file: &str) -> Vec<PathBuf> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let roots = [package, std::env::current_dir().ok()];
    let folders = roots.iter().flatten().flat_map(|root| root.ancestors().take(4)).map(|folder| folder.join(file));
    folders.chain([Path::new(file).to_owned()]).collect()
}
