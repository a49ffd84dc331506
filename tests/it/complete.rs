//! What a shell is told may come next.

use std::process::{Command, Stdio};

use super::run::bench::Bench;

const FILE: &str = "
sweep: shown
dataset: gaussians
seeds: 2
model: {generator: [8], discriminator: [8], noise: 4}
train: {steps: 4, batch: 8}
score: {samples: 50, metrics: [modes_covered]}
objective: gan
";

/// The candidates for the last of `words`, as fish would show them, without flags.
fn candidates(bench: &Bench, words: &[&str]) -> Vec<String> {
    let mut command = bench.command(&[&["--", "sweep"], words].concat());
    let output = command.env("COMPLETE", "fish").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // Flags may come everywhere.
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| !line.starts_with('-')).map(str::to_owned).collect()
}

#[test]
fn names_and_ids_are_those_of_the_database() {
    let bench = Bench::real().file("shown.yaml", FILE);
    bench.sweep(&["run", "shown.yaml", "--no-report"]).expect(0);
    let jobs = bench.query("SELECT id || '\tgan, seed ' || seed || ', done' FROM jobs ORDER BY id");
    assert_eq!(candidates(&bench, &["show", ""]), jobs);
    let first = &jobs[0][..20];
    assert_eq!(candidates(&bench, &["show", &first[..19]]), jobs[..1]);
    assert!(candidates(&bench, &["cancel", "--job", &first[..19]]).iter().any(|line| *line == jobs[0]));
    assert!(candidates(&bench, &["report", "sh"]).iter().all(|line| line.starts_with("shown\t")));
    assert_eq!(candidates(&bench, &["report", "sh"]).len(), 1);
    assert_eq!(candidates(&bench, &["export", "sh"]).len(), 1);
    assert!(candidates(&bench, &["keys", "alph"]).iter().any(|line| line.starts_with("alpha\t")));
    let scores = candidates(&bench, &["rescore", "--metrics", "modes_covered,frech"]);
    assert!(scores.iter().any(|line| line.starts_with("modes_covered,frechet\t")), "{scores:?}");
    assert!(candidates(&bench, &["re"]).iter().any(|line| line.starts_with("report\t")));
    // Another place, of which the line speaks; and none.
    assert_eq!(candidates(&bench, &["show", "--home", "elsewhere", ""]), [""; 0]);
    let nowhere = bench.with("SWEEP_HOME", "nowhere");
    assert_eq!(candidates(&nowhere, &["show", ""]), [""; 0]);
}

#[test]
fn shells_take_what_they_are_given() {
    let bench = Bench::real();
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.sweep(&["completions", shell]).expect(0).stdout;
        assert!(script.contains("COMPLETE") && script.contains("sweep"), "{script}");
        let mut command = Command::new(shell);
        let command = command.args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).stderr(Stdio::piped());
        // Where it is installed.
        let Ok(mut child) = command.spawn() else { continue };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let bench = Bench::real();
    let folder = bench.home().join("man");
    bench.sweep(&["man", folder.to_str().unwrap()]).expect(0);
    for page in ["sweep.1", "sweep-run.1", "sweep-report.1", "sweep-data-fetch.1"] {
        let text = std::fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".SH NAME") && text.contains(".SH OPTIONS"), "{page}");
    }
}

#[test]
fn a_first_file_is_made_and_runs() {
    let bench = Bench::real();
    let said = bench.sweep(&["run"]).expect(2);
    said.says(&["name a sweep file"]);
    bench
        .sweep(&["init", "first.yaml", "--seeds", "2"])
        .expect(0)
        .says(&["wrote first.yaml with 10 jobs", "`sweep run first.yaml"]);
    bench.sweep(&["plan"]).expect(2).says(&["such as `sweep plan ", "first.yaml"]);
    bench.sweep(&["init", "first.yaml"]).expect(2).says(&["first.yaml exists already"]);
    bench.sweep(&["init", "b.yaml", "--objectives", "gan,gann"]).expect(2).says(&["`gann` is not an objective"]);
    bench.sweep(&["init", "b.yaml", "--dataset", "svhn"]).expect(2).says(&["`svhn`", "gaussians, mnist"]);
    let file = bench.home().parent().unwrap().join("first.yaml");
    let short =
        std::fs::read_to_string(&file).unwrap().replace("steps: 8000", "steps: 10").replace("every: 2000", "every: 5");
    std::fs::write(&file, short.replace("samples: 10000", "samples: 100")).unwrap();
    bench.sweep(&["run", "first.yaml"]).expect(0).says(&["10 jobs in", "d2gan"]);
}
