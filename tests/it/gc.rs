//! `sweep gc`: what is not needed any more.

use std::fs;
use std::path::PathBuf;

use crate::run::bench::Bench;

const TWO: &str = "
sweep: two
dataset: gaussians
seeds: 2
model: {generator: [8], discriminator: [8], noise: 4}
train: {steps: 20, batch: 10, lr: 1e-3}
score: {samples: 200, wasserstein_samples: 100, metrics: [wasserstein, modes_covered]}
variants:
  - {name: GAN, objective: gan}
  - {name: LSGAN, objective: lsgan}
";

/// The files of the home directory but logs and databases, without the folders of cohorts.
fn files(bench: &Bench) -> Vec<String> {
    fn walk(folder: PathBuf, names: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => walk(entry.path(), names),
                false => names.push(entry.file_name().into_string().unwrap()),
            }
        }
    }
    let mut names = Vec::new();
    walk(bench.home().join("runs"), &mut names);
    names.sort();
    names
}

fn count(bench: &Bench, name: &str) -> usize {
    files(bench).iter().filter(|file| *file == name).count()
}

fn results(bench: &Bench) -> Vec<String> {
    bench.query(
        "SELECT sweep, variant, job, seed, state, printf('%!.17g', wasserstein), modes_covered FROM results \
        ORDER BY 1, 2, 4",
    )
}

#[test]
fn only_what_no_sweep_needs_goes_and_no_score_with_it() {
    let bench = Bench::real().with("SWEEP_MEMBERS", 2).file("two.yaml", TWO);
    bench.sweep(&["run", "two.yaml", "--no-report"]).expect(0);
    let before = results(&bench);
    assert_eq!((before.len(), count(&bench, "generators.safetensors"), count(&bench, "last.safetensors")), (4, 2, 2));
    // States are asked for by name.
    bench.sweep(&["gc", "--remove"]).expect(0).says(&["states for training more steps", "--states", "removed 0 files"]);
    assert_eq!(count(&bench, "last.safetensors"), 2);

    // A file that asks for one variant less.
    let bench = bench.file("two.yaml", TWO.split("  - {name: LSGAN").next().unwrap());
    bench.sweep(&["run", "two.yaml", "--no-report"]).expect(0);
    let all = files(&bench);
    let shown = bench.sweep(&["gc"]).expect(0);
    shown.says(&["files of jobs that no sweep asks for", "nothing was removed"]);
    assert_eq!(files(&bench), all);
    // Of LSGAN a generators.safetensors, a last.safetensors and two sheets with points.
    bench.sweep(&["gc", "--remove"]).expect(0).says(&["removed 6 files"]);
    assert_eq!((count(&bench, "generators.safetensors"), count(&bench, "last.safetensors")), (1, 1));
    assert_eq!(count(&bench, "events.jsonl"), 2);
    let json = bench.sweep(&["gc", "--json"]).expect(0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json[0]["flag"], &json[0]["files"], &json[1]),
        (&"--states".into(), &1.into(), &serde_json::Value::Null)
    );
    bench.sweep(&["gc", "--remove", "--states"]).expect(0).says(&["removed 1 file,"]);
    bench.sweep(&["gc"]).expect(0).says(&["nothing to remove"]);

    // What is gone is asked for again: its scores are there without training, before and after the database is made
    // again.
    let bench = bench.file("two.yaml", TWO);
    bench.sweep(&["run", "two.yaml", "--no-report"]).expect(0);
    assert_eq!(results(&bench), before);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(results(&bench), before);
    bench.sweep(&["gc", "--remove"]).expect(0).says(&["old copies of the database"]);
    assert_eq!(results(&bench), before);
    assert_eq!(bench.query("SELECT count(*) FROM attempts"), ["2"]);
}

#[test]
fn a_run_that_is_at_work_is_left_alone() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    bench.sweep(&["gc", "--remove"]).expect(3).says(&["sweep run"]);
    bench.go();
    assert!(run.wait_with_output().unwrap().status.success());
}
