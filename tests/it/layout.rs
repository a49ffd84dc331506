//! The structure that `src/lib.rs` promises, held by reading the sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules each module may import (itself always).
const IMPORTS: &[(&str, &[&str])] = &[
    ("spec", &[]),
    ("tensor", &[]),
    ("plan", &["spec"]),
    ("wire", &["spec", "plan"]),
    ("data", &["spec", "tensor"]),
    ("train", &["spec", "tensor"]),
    ("metrics", &["spec", "tensor"]),
    ("worker", &["spec", "plan", "wire", "tensor", "data", "train", "metrics"]),
    ("store", &["spec", "plan", "wire"]),
    ("run", &["spec", "plan", "wire", "store"]),
    ("report", &["spec", "wire", "store"]),
    ("cli", &["spec", "plan", "wire", "tensor", "data", "train", "metrics", "worker", "store", "run", "report"]),
];

/// Which modules may name a crate.
const CRATES: &[(&str, &[&str])] = &[
    ("tch", &["tensor", "data", "train", "metrics", "worker"]),
    ("sqlx", &["store"]),
    ("rusqlite", &["store"]),
    ("tokio", &["run", "store", "cli"]),
    ("clap", &["cli"]),
    // Nothing but `sweep data fetch` uses the network.
    ("ureq", &["data"]),
    ("std::net", &["data"]),
];

/// What pure code does without.
const IMPURE: &[&str] =
    &["std::fs", "std::env", "std::net", "std::process", "std::thread", "SystemTime", "Instant::now", "tokio::"];

/// A file longer than this has absorbed what belongs in another.
const MOST_LINES: usize = 500;

/// Every source file with its path below `src/`.
fn sources() -> BTreeMap<PathBuf, String> {
    fn visit(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    visit(&root, &root, &mut found);
    assert!(found.len() > 30, "the sources are not where this test looks");
    found
}

/// The module at the top of a file's path, for files that are in one.
fn module(path: &Path) -> Option<String> {
    let mut parts = path.components();
    let first = parts.next()?.as_os_str().to_str()?.to_owned();
    parts.next().map(|_| first)
}

/// The lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or("")));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

/// Whether `line` names the path that starts with `start` (`crate::spec`, `tch`).
fn names(line: &str, start: &str) -> bool {
    line.match_indices(start).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = &line[at + start.len()..];
        let path =
            after.starts_with("::") || (line.trim_start().starts_with("use ") && after.starts_with([';', ',', '}']));
        path && before.is_none_or(|c| !(c.is_alphanumeric() || "_:".contains(c)))
    })
}

#[test]
fn modules_import_only_what_they_may() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module(&path) else { continue };
        let (_, may) =
            IMPORTS.iter().find(|(name, _)| *name == module).unwrap_or_else(|| panic!("{module} is not in the table"));
        for (number, line) in code(&text) {
            for (other, _) in IMPORTS {
                let found = names(line, &format!("crate::{other}")) || names(line, &format!("sweep::{other}"));
                if found && *other != module && !may.contains(other) {
                    wrong.push(format!("src/{}:{number}: {module} imports {other}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_are_named_only_where_they_may_be() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module(&path) else { continue };
        for (number, line) in code(&text) {
            for (name, may) in CRATES {
                if names(line, name) && !may.contains(&module.as_str()) {
                    wrong.push(format!("src/{}:{number}: {module} names {name}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_code_does_no_io_and_reads_no_clock() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let shown = path.display().to_string();
        let pure =
            ["spec/", "plan/", "wire/", "run/state", "report/document"].iter().any(|start| shown.starts_with(start));
        if !pure || shown == "wire/log.rs" {
            continue;
        }
        let text = text.split("#[cfg(test)]").next().unwrap_or("");
        for (number, line) in code(text) {
            for impure in IMPURE {
                if line.contains(impure) {
                    wrong.push(format!("src/{shown}:{number}: {impure}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long() {
    let sources = sources();
    let long = sources.iter().filter(|(_, text)| text.lines().count() > MOST_LINES);
    let long: Vec<_> =
        long.map(|(path, text)| format!("src/{}: {} lines", path.display(), text.lines().count())).collect();
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_what_it_should() {
    assert!(names("use crate::spec::id;", "crate::spec"));
    assert!(names("    let x = tch::Tensor::new();", "tch"));
    assert!(names("use tch::{Kind, Tensor};", "tch"));
    assert!(!names("use crate::special::id;", "crate::spec"));
    assert!(!names("fetch::all()", "tch"));
    assert!(!names("let tch = 1;", "tch"));
}
