//! Makes a test of each block of code in the course, and of what the course says that it prints.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let course = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/course");
    println!("cargo:rerun-if-changed={}", course.display());
    let mut chapters: Vec<_> = fs::read_dir(&course)?.collect::<io::Result<_>>()?;
    chapters.sort_by_key(fs::DirEntry::path);
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let mut tests = String::new();
    for chapter in chapters.iter().map(fs::DirEntry::path).filter(|path| path.extension().is_some_and(|e| e == "md")) {
        println!("cargo:rerun-if-changed={}", chapter.display());
        let name = chapter.file_stem().unwrap_or_default().to_string_lossy();
        let _ = writeln!(tests, "mod {name} {{");
        for Block { line, code, panics, printed } in blocks(&fs::read_to_string(&chapter)?) {
            // a file for each block, so that messages with places name the lines of the block
            let folder = out.join(format!("{name}_{line}"));
            let file = folder.join("main.rs");
            fs::create_dir_all(&folder)?;
            fs::write(&file, format!("{{\n{code}Ok(()) }}"))?;
            let _ = writeln!(
                tests,
                "#[test] fn line_{line}() {{\n\
                 super::check({chapter:?}, {line}, {code:?}, {printed:?}, {panics}, {file:?}, || include!({file:?}));\n\
                 }}",
            );
        }
        tests.push_str("}\n");
    }
    fs::write(out.join("course.rs"), tests)
}

/// A block of Rust, and the block of output that follows it.
struct Block {
    line: usize,
    code: String,
    panics: bool,
    printed: Option<String>,
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else { continue };
        let inside: String = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .map(|l| l.to_owned() + "\n")
            .collect();
        match (kind, blocks.last_mut()) {
            ("rust" | "rust,should_panic", _) => {
                blocks.push(Block { line: i + 1, code: inside, panics: kind.ends_with("panic"), printed: None });
            }
            ("output", Some(block)) => {
                assert!(block.printed.is_none(), "line {}: two outputs of one block", i + 1);
                block.printed = Some(inside);
            }
            ("output", None) => panic!("line {}: an output without code", i + 1),
            _ => {}
        }
    }
    blocks
}
