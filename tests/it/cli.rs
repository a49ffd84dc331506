//! Help and exit codes.

use std::process::{Command, Output};

fn sweep(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sweep"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SWEEP_")) {
        command.env_remove(name);
    }
    let nowhere = tempfile::tempdir().unwrap();
    command.args(args).env("SWEEP_HOME", nowhere.path().join("home")).current_dir(nowhere.path()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const COMMANDS: [&str; 21] = [
    "export",
    "gc",
    "init",
    "logs",
    "sample",
    "completions",
    "man",
    "plan",
    "run",
    "status",
    "serve",
    "report",
    "query",
    "show",
    "score",
    "rescore",
    "data",
    "classifier",
    "bench",
    "doctor",
    "rebuild",
];

#[test]
fn long_help_says_more_than_short_help() {
    let help = |command, flag| text(&sweep(&[command, flag]).stdout).split("Usage:").next().unwrap().len();
    for command in ["agent", "export", "gc", "pause", "rebuild", "rescore", "sample", "serve", "verify"] {
        assert!(help(command, "--help") > help(command, "-h"), "{command}");
    }
}

#[test]
fn help_names_every_command_but_the_hidden_one() {
    let output = sweep(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    let help = text(&output.stdout);
    for command in COMMANDS {
        assert!(help.contains(&format!("\n  {command} ")), "{command} in\n{help}");
    }
    assert!(!help.contains("\n  worker"), "{help}");
}

#[test]
fn every_command_has_help() {
    for command in COMMANDS {
        let output = sweep(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        let help = text(&output.stdout);
        assert!(help.contains(&format!("Usage: sweep {command}")) && help.contains("--home"), "{help}");
    }
}

#[test]
fn bad_usage_is_2_and_says_what_is_wrong() {
    for args in [&["frobnicate"][..], &["run"], &["run", "x.yaml", "--retries", "many"], &["status", "--home", ""], &[]]
    {
        let output = sweep(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
    let output = sweep(&["reprot"]);
    assert!(text(&output.stderr).contains("'report'"), "{}", text(&output.stderr));
}

#[test]
fn a_missing_or_wrong_sweep_file_is_2() {
    let output = sweep(&["run", "missing.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("missing.yaml"));
}

#[test]
fn the_version_is_the_package_s() {
    let output = sweep(&["--version"]);
    assert_eq!(text(&output.stdout), concat!("sweep ", env!("CARGO_PKG_VERSION"), "\n"));
}
