//! `conformance [--emit FILE] PATH…`: runs reference cases. `docs/conformance.md` defines their format.

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut paths, mut emit) = (Vec::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--emit" => emit = arguments.next().map(PathBuf::from),
            "--help" | "-h" => paths.clear(),
            path => paths.push(PathBuf::from(path)),
        }
    }
    if paths.is_empty() {
        eprintln!("usage: conformance [--emit FILE] PATH...\nPATH is a case file or a folder of *.json case files");
        return ExitCode::from(2);
    }
    let result = match emit {
        Some(file) => conformance::emit(&paths, &file).map(|count| {
            println!("wrote {count} results to {}", file.display());
            true
        }),
        None => conformance::run(&paths).map(|report| {
            print!("{report}");
            report.acceptable()
        }),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("conformance: {error}");
            ExitCode::from(2)
        }
    }
}
