//! The structure that `src/lib.rs` promises, as far as the compiler does not hold it, held by reading manifests and
//! sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Packages that link no libtorch, whatever they depend on.
const LIGHT: &[&str] = &[
    "formula",
    "spec",
    "plan",
    "wire",
    "system",
    "numerics",
    "data",
    "export",
    "store",
    "run",
    "report",
    "figure",
    "serve",
    "operations",
    "cli",
];

/// Which packages may depend on a crate.
const CRATES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("rusqlite", &["store"]),
    ("tokio", &["run", "store", "serve", "operations", "cli"]),
    ("clap", &["cli"]),
    // Nothing else draws on a terminal.
    ("indicatif", &["cli", "compute"]),
    // Nothing but `sweep data fetch` and `sweep export --to mlflow` uses the network.
    ("ureq", &["data", "export"]),
    ("parquet", &["export"]),
    // Nothing but `sweep serve` listens.
    ("axum", &["serve"]),
];

/// What pure code does without.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "sweep_system",
    "tokio::",
];

/// What system alone does, so that each is done in one way; and where else it is meant otherwise.
const SYSTEM: &[(&str, &[&str])] = &[
    ("SystemTime::now", &[]),
    ("UNIX_EPOCH", &[]),
    ("NamedTempFile", &[]),
    ("tempfile_in", &[]),
    (".persist(", &[]),
    ("fs::rename", &[]),
    ("fs::write", &[]),
    // A lock, which stays empty.
    ("File::create", &["metrics/statistics.rs"]),
];

/// The packages that see the home directory; others are told paths.
const HOMELY: &[&str] = &["wire", "worker", "store", "run", "report", "serve", "operations", "cli"];

/// What operations leave to whoever calls them.
const PRINTS: &[&str] =
    &["println!", "print!", "eprintln!", "eprint!", "io::stdout", "io::stderr", "stdout()", "stderr()"];

/// A file longer than this has absorbed what belongs in another.
const MOST_LINES: usize = 500;

/// The `max_width` of rustfmt.toml; rustfmt itself leaves longer strings, comments and macros as they are.
const MOST_COLUMNS: usize = 120;

/// Every Rust file below `top`, with its path below it.
fn rust(top: &str) -> BTreeMap<PathBuf, String> {
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(top);
    let mut found = BTreeMap::new();
    visit(&root, &root, &mut found);
    assert!(found.len() > 30, "the files of {top} are not where this test looks");
    found
}

/// Every source file with its path below `src/`.
fn sources() -> BTreeMap<PathBuf, String> {
    rust("src")
}

/// The dependencies of each package below `src/`, those of its tests aside.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(src).unwrap() {
        let entry = entry.unwrap();
        let Ok(manifest) = fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        let section = manifest.split("\n[dependencies]\n").nth(1).unwrap_or("").split("\n[").next().unwrap_or("");
        let names =
            section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty());
        found.insert(entry.file_name().into_string().unwrap(), names.map(str::to_owned).collect());
    }
    assert!(found.len() > 10, "the packages are not where this test looks");
    found
}

/// Every source file that is no test, up to its tests.
fn without_tests() -> impl Iterator<Item = (String, String)> {
    let is_test = |path: &str| path.starts_with("fuzz/") || path.contains("/tests/") || path.ends_with("tests.rs");
    let sources = sources().into_iter().map(|(path, text)| (path.display().to_string(), text));
    let sources = sources.filter(move |(path, _)| !is_test(path));
    sources.map(|(path, text)| (path, text.split("#[cfg(test)]").next().unwrap_or("").to_owned()))
}

/// The texts between quotation marks, with their lines.
fn literals(text: &str) -> Vec<(usize, String)> {
    let (mut found, mut rest, mut line) = (Vec::new(), text.chars().peekable(), 1);
    while let Some(character) = rest.next() {
        match character {
            '\n' => line += 1,
            '/' if rest.peek() == Some(&'/') => while rest.next_if(|&next| next != '\n').is_some() {},
            // A character, unless it is a lifetime.
            '\'' if rest.peek() == Some(&'"') => drop(rest.next()),
            '"' => {
                let (start, mut literal) = (line, String::new());
                while let Some(next) = rest.next().filter(|&next| next != '"') {
                    line += usize::from(next == '\n');
                    literal.push(if next == '\\' { rest.next().unwrap_or(next) } else { next });
                }
                found.push((start, literal));
            }
            _ => {}
        }
    }
    found
}

/// The lines of code, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.split("//").next().unwrap_or("")));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

#[test]
fn what_needs_no_libtorch_links_none() {
    let all = dependencies();
    for light in LIGHT {
        let mut reached = BTreeSet::from([format!("sweep-{light}")]);
        let mut waiting: Vec<String> = reached.iter().cloned().collect();
        while let Some(name) = waiting.pop() {
            for dependency in name.strip_prefix("sweep-").and_then(|name| all.get(name)).into_iter().flatten() {
                if reached.insert(dependency.clone()) {
                    waiting.push(dependency.clone());
                }
            }
        }
        assert!(!reached.contains("tch") && !reached.contains("torch-sys"), "{light} links libtorch: {reached:?}");
    }
}

#[test]
fn crates_are_used_only_where_they_may_be() {
    for (package, dependencies) in dependencies() {
        for (name, may) in CRATES {
            let uses = dependencies.contains(*name);
            assert!(!uses || may.contains(&package.as_str()), "src/{package}/Cargo.toml names {name}");
        }
    }
}

#[test]
fn pure_code_does_no_io_and_reads_no_clock() {
    let mut wrong = Vec::new();
    for (shown, text) in without_tests() {
        let pure = ["formula/", "spec/", "plan/", "wire/", "numerics/", "figure/", "run/state", "report/document"]
            .iter()
            .any(|start| shown.starts_with(start));
        if !pure || shown == "wire/log.rs" {
            continue;
        }
        for (number, line) in code(&text) {
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
fn operations_print_nothing() {
    let mut wrong = Vec::new();
    for (path, text) in without_tests().filter(|(path, _)| path.starts_with("operations/")) {
        for (number, line) in code(&text) {
            let found = PRINTS.iter().find(|prints| line.contains(**prints));
            wrong.extend(found.map(|prints| format!("src/{path}:{number}: {prints}")));
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
fn no_line_is_too_long() {
    let mut long = Vec::new();
    for top in ["src", "tests"] {
        for (path, text) in rust(top) {
            let lines = text.lines().enumerate().filter(|(_, line)| line.chars().count() > MOST_COLUMNS);
            long.extend(lines.map(|(i, _)| format!("{top}/{}:{}", path.display(), i + 1)));
        }
    }
    assert!(long.is_empty(), "{}", long.join("\n"));
}

#[test]
fn what_the_system_is_asked_for_is_asked_in_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in without_tests().filter(|(path, _)| !path.starts_with("system/")) {
        for (number, line) in code(&text) {
            let found = SYSTEM.iter().filter(|(what, but)| line.contains(what) && !but.contains(&path.as_str()));
            wrong.extend(found.map(|(what, _)| format!("src/{path}:{number}: {what} belongs to src/system")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name is known to `wire::home` or `wire::database` alone; prose, which has spaces, may mention it.
#[test]
fn names_of_the_home_directory_are_written_once() {
    const KNOW: [&str; 2] = ["wire/home.rs", "wire/database.rs"];
    let sources = sources();
    let text = KNOW.map(|path| sources[Path::new(path)].as_str()).concat();
    let constants: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("const ")?.split('"').nth(1)).collect();
    // Those that nothing else is called, and those that are words.
    let (names, words): (Vec<&str>, Vec<&str>) =
        constants.iter().filter(|name| !name.starts_with('.')).partition(|name| name.contains(['.', '-']));
    assert!(names.contains(&"order.json") && names.contains(&"attempt-") && words.contains(&"runs"), "{constants:?}");
    let mut wrong = Vec::new();
    for (path, text) in without_tests().filter(|(path, _)| !KNOW.contains(&path.as_str())) {
        for (number, literal) in literals(&text).iter().filter(|(_, literal)| !literal.contains(' ')) {
            let found = names.iter().find(|name| literal.contains(**name));
            wrong.extend(found.map(|name| format!("src/{path}:{number}: {name} belongs to src/wire")));
        }
        if HOMELY.iter().any(|package| path.starts_with(&format!("{package}/"))) {
            for (number, line) in code(&text) {
                let found = words.iter().find(|word| line.contains(&format!("join(\"{word}")));
                wrong.extend(found.map(|word| format!("src/{path}:{number}: {word} belongs to src/wire")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
