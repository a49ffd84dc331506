//! A file that has changed since it was run.

use super::bench::{Bench, NINE};

/// What `command` says of `text` in `file`, beside what it says of any file.
fn notes(bench: &Bench, command: &str, file: &str, text: &str) -> String {
    std::fs::write(bench.home().with_file_name(file), text).unwrap();
    let args: &[&str] = if command == "run" { &["run", file, "--no-report"] } else { &[command, file] };
    let said = bench.sweep(args).expect(0).stderr;
    let note = |line: &&str| line.starts_with("note:") || line.starts_with("  ") || line.starts_with("No training");
    said.lines().filter(note).map(|line| format!("{line}\n")).collect()
}

#[test]
fn finished_jobs_that_a_changed_file_does_not_use_are_counted_by_key() {
    let bench = Bench::new("none");
    bench.run().expect(0);
    assert_eq!(notes(&bench, "plan", "nine.yaml", NINE), "");
    let all = "note: 9 finished jobs of `nine` are no longer used:\n  9: ";
    for (from, to, what) in [
        ("steps: 20", "steps: 30", "train.steps 20 → 30"),
        ("lr: 1e-3", "lr_generator: 1e-3, lr_discriminator: 0.5", "train.lr_discriminator 0.001 → 0.5"),
        ("generator: [4]", "generator: [4, 4]", "model.generator 1×4 → 2×4"),
        ("dataset: gaussians", "dataset: {gaussians: {modes: 9}}", "dataset.modes 8 → 9"),
    ] {
        let changed = notes(&bench, "plan", "nine.yaml", &NINE.replace(from, to));
        assert_eq!(changed, format!("{all}{what}\n"));
    }
    // Other scores make no other jobs.
    let more = "note: the file asks for scores that 9 finished jobs do not have, and SWEEP_WORKER is not asked for \
        them again, so they stay empty\n";
    let between = format!(
        "note: 9 finished jobs lack scores of earlier steps that the file asks for (score.every): the generators of \
        these steps are gone. \
         `sweep run --rescore-history --home {}` trains again for them; otherwise curves show what was measured\n",
        bench.home().display()
    );
    for (from, to, what) in [
        ("[wasserstein]", "[modes_covered, wasserstein]", more.to_owned()),
        ("samples: 100", "samples: 100, every: 5", between.clone()),
        ("samples: 100", "samples: 120, every: 5", format!("{more}{between}")),
    ] {
        assert_eq!(notes(&bench, "plan", "nine.yaml", &NINE.replace(from, to)), what);
    }
    let often = NINE.replace("samples: 100", "samples: 100, every: 5");
    assert_eq!(notes(&bench, "run", "nine.yaml", &often), between);
    assert_eq!(notes(&bench, "run", "nine.yaml", &often), "");
    bench.run().expect(0);
    let fewer = NINE.replace("  - {name: GAN, objective: gan}\n", "").replace("0.2]", "0.3]");
    let said = notes(&bench, "plan", "nine.yaml", &fewer);
    assert_eq!(
        said,
        "note: 6 finished jobs of `nine` are no longer used:\n  \
         3: the file no longer asks for them (variant D2GAN)\n  \
         3: the file no longer asks for them (variant GAN)\n"
    );
    assert_eq!(bench.states(), "done 9", "a plan changes nothing");

    // `run` says so before it trains, and once.
    let longer = NINE.replace("steps: 20", "steps: 30");
    assert_eq!(notes(&bench, "run", "nine.yaml", &longer), format!("{all}train.steps 20 → 30\n"));
    assert_eq!(notes(&bench, "run", "nine.yaml", &longer), "");
    assert_eq!(bench.states(), "done 18");
}

#[test]
fn a_file_that_takes_over_a_name_is_announced() {
    let bench = Bench::new("none");
    bench.run().expect(0);
    let other = NINE.replace("  - {name: GAN, objective: gan}\n", "");
    for command in ["plan", "run"] {
        let said = notes(&bench, command, "other.yaml", &other);
        let file = |name: &str| bench.home().with_file_name(name).display().to_string();
        let (old, new) = (file("nine.yaml"), file("other.yaml"));
        assert!(
            said.starts_with(&format!("note: another file has the name `nine`, too: {old}, which asks for 9 jobs")),
            "{said}"
        );
        assert!(said.contains(&format!("for {new} alone")) && said.contains("another name (`sweep: …`)"), "{said}");
        assert!(said.contains(&format!("`sweep run {old} --home ")), "{said}");
    }
    // As it says.
    bench.run().expect(0).says(&["9 jobs, 9 of them ended before; nothing to train"]);
    // The same jobs under another path hide nothing, nor does a file that was moved.
    assert_eq!(notes(&bench, "run", "copy.yaml", NINE), "");
    std::fs::remove_file(bench.home().with_file_name("copy.yaml")).unwrap();
    assert!(!notes(&bench, "run", "moved.yaml", &other).contains("another file"));
}
