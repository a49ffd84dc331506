//! Commands that the program prints work as printed.

use std::path::Path;
use std::process::Command;

use super::bench::{Bench, Ended};

/// Runs the first command between backticks in `text` that begins so, as a person would: in another shell.
fn typed(bench: &Bench, text: &str, start: &str) -> Ended {
    let command =
        text.split('`').find(|part| part.starts_with(start)).unwrap_or_else(|| panic!("no {start} in {text}"));
    assert!(command.starts_with("sweep "), "{command}");
    let program = Path::new(env!("CARGO_BIN_EXE_sweep")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_")) {
        shell.env_remove(name);
    }
    shell.args(["-c", command]).env("PATH", path).current_dir(bench.home().parent().unwrap());
    Ended::from(shell.output().unwrap())
}

#[test]
fn hints_say_where_things_are() {
    // By the environment, or by flags.
    let bench = Bench::new("refuses");
    let said = bench.run().expect(100).stderr;
    typed(&bench, &said, "sweep show").expect(0).says(&["no such data set here"]);
    typed(&bench, &said, "sweep report").expect(0).says(&["no such data set here"]);
    // Those on stdout, too.
    let job = said.split("`sweep show ").nth(1).and_then(|rest| rest.split([' ', '`']).next()).unwrap();
    for args in [&["show", job][..], &["report", "nine"]] {
        // Sentences are broken between words.
        let told = bench.sweep(args).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&format!("`sweep retry --failed --home {}`", bench.home().display())), "{told}");
    }
    typed(&bench, &said, "sweep retry").expect(0).says(&["9 jobs wait again"]);

    let flags = ["--home", "an other", "--db", "my.db"];
    let bench = bench.with("FAULT", "none");
    let said = bench.sweep(&[&["run", "nine.yaml", "--no-report"], &flags[..]].concat()).expect(0).stderr;
    typed(&bench, &said, "sweep report").expect(0).says(&["D2GAN"]);
    std::fs::remove_file(bench.home().with_file_name("my.db")).unwrap();
    let said = bench.sweep(&[&["status"], &flags[..]].concat()).expect(3).stderr;
    typed(&bench, &format!("{said}`sweep status`"), "sweep status");
    let said = bench.sweep(&[&["run", "nine.yaml"], &flags[..]].concat()).expect(3).stderr;
    typed(&bench, &said, "sweep rebuild").expect(0);
    let cancelled = bench.sweep(&[&["query", "SELECT count(*) FROM jobs WHERE state = 'done'"], &flags[..]].concat());
    cancelled.expect(0).says(&["9"]);
}

#[test]
fn at_the_usual_place_hints_stay_short() {
    let bench = Bench::new("none").with("SWEEP_HOME", "sweep-results");
    let said = bench.sweep(&["run", "nine.yaml", "--no-report"]).expect(0).stderr;
    assert!(said.ends_with("results: sweep-results/sweep.db (`sweep report nine`)\n"), "{said}");
}

#[test]
fn names_that_look_like_addresses_are_names() {
    for (flags, file) in [
        (["--home", "file:x"], "file:x/sweep.db"),
        (["--db", "file:foo.db"], "file:foo.db"),
        (["--db", ":memory:"], ":memory:"),
        (["--db=-my.db", "--home=-h"], "-my.db"),
    ] {
        let bench = Bench::new("none");
        let with = |args: &[&str]| bench.sweep(&[args, &flags[..]].concat()).expect(0);
        let said = with(&["run", "nine.yaml", "--no-report"]).stderr;
        assert!(bench.home().with_file_name(file).is_file(), "{file}: {said}");
        typed(&bench, &said, "sweep report").expect(0).says(&["D2GAN"]);
        with(&["rebuild"]);
        with(&["status"]).says(&["nine      9"]);
        let entries = std::fs::read_dir(bench.home().parent().unwrap()).unwrap().flatten();
        let names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        assert!(!names.iter().any(|name| name == "foo.db" || name == "x"), "{names:?}");
    }
}
