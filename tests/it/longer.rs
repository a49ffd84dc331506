//! More steps of what is trained already: training goes on from the last states.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::run::bench::{Bench, assert_same, wait};
use crate::verify::change;

/// Players of several kinds; three jobs each.
const FILE: &str = "
sweep: longer
dataset: gaussians
seeds: 3
model: {arch: mlp, generator: [8], discriminator: [8], noise: 4}
train: {steps: STEPS, batch: 16, lr: 1e-3, checkpoints: KEEP}
score: {every: 10, samples: 200, wasserstein_samples: 100, metrics: [wasserstein, modes_covered]}
variants:
  - {name: D2GAN, objective: d2gan, alpha: 0.1, beta: 0.2}
  - {name: MDGAN, objective: mdgan, model: {generator_norm: batch}}
  - {name: BEGAN, objective: began, train: {optimizer: rmsprop}}
";

fn bench() -> Bench {
    Bench::real()
}

fn file(bench: Bench, steps: u64, keep: &str) -> Bench {
    let text = FILE.replace("STEPS", &steps.to_string()).replace("KEEP", keep);
    bench.file("longer.yaml", &text)
}

/// Every score of jobs with so many steps, to the last bit, and their losses.
fn scores(bench: &Bench) -> Vec<String> {
    let losses = "SELECT l.* FROM losses AS l JOIN jobs AS j ON j.id = l.job JOIN blueprints AS b ON b.id = \
        j.blueprint WHERE b.steps = 110 ORDER BY 1";
    let losses = bench.query(losses);
    assert!(losses.iter().all(|row| row.contains("[1,2,3,") && row.contains(",109,110]")), "{losses:?}");
    let scores = bench.query(
        "SELECT s.job, s.step, s.metric, s.kind, printf('%!.17g', s.value), a.json, p.json FROM scores AS s JOIN jobs \
        AS j ON j.id = s.job \
         JOIN blueprints AS b ON b.id = j.blueprint JOIN protocols AS p ON p.id = s.protocol JOIN asks AS a ON a.id = \
         s.ask \
         WHERE b.steps = 110 ORDER BY 1, 2, 3",
    );
    [scores, losses].concat()
}

/// The generators of jobs with more steps, byte for byte.
fn generators(bench: &Bench) -> Vec<Vec<u8>> {
    let folders = bench.query(
        "SELECT c.directory FROM cohorts AS c JOIN blueprints AS b ON b.id = c.blueprint WHERE b.steps = 110 ORDER BY \
        c.id",
    );
    folders.iter().map(|folder| fs::read(bench.home().join(folder).join("generators.safetensors")).unwrap()).collect()
}

#[test]
fn more_steps_go_on_to_the_bits_of_a_longer_run() {
    let whole = file(bench(), 110, "drop");
    whole.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    assert_eq!(
        whole.query("SELECT count(*) FROM attempts WHERE step = 110"),
        whole.query("SELECT count(*) FROM attempts")
    );

    let bench = file(bench(), 50, "keep");
    bench.sweep(&["plan", "longer.yaml"]).expect(0).says(&["of last states, from which training can continue"]);
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let before = bench.query(
        "SELECT j.id, s.step, s.metric, s.value FROM jobs AS j JOIN scores AS s ON s.job = j.id ORDER BY 1, 2, 3",
    );
    let bench = file(bench, 110, "drop");
    bench.sweep(&["plan", "longer.yaml"]).expect(0).says(&["9 jobs go on from the 50 steps"]);
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0).says(&["9 jobs go on from the 50 steps", "9 done"]);
    assert_eq!(bench.query("SELECT count(*) FROM jobs WHERE state = 'done'"), ["18"]);
    assert_same(&scores(&bench), &scores(&whole));
    assert!(generators(&bench) == generators(&whole), "weights differ");
    // What was done is not done again.
    let first = bench.home().join("runs");
    let starts = fs::read_dir(first).unwrap().filter(|run| {
        let events = run.as_ref().unwrap().path().join("attempt-1/events.jsonl");
        fs::read_to_string(events).unwrap().contains("\"started\":{\"step\":50")
    });
    assert_eq!(starts.count(), bench.query("SELECT cohort FROM parents").len());
    // The shorter jobs are what they were, and the logs say the same as the database.
    let shorter = || {
        bench.query(
            "SELECT j.id, s.step, s.metric, s.value FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint \
            JOIN scores AS s ON s.job = j.id WHERE b.steps = 50 ORDER BY 1, 2, 3",
        )
    };
    assert_same(&shorter(), &before);
    let held = scores(&bench);
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&scores(&bench), &held);
    assert_same(&shorter(), &before);
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0).says(&["nothing to train"]);
}

#[test]
fn a_longer_job_has_the_losses_that_it_would_have_from_the_start() {
    let text = |steps: u64| {
        let keep = FILE.replace("STEPS", &steps.to_string()).replace("KEEP", "keep").replace("every: 10", "every: 0");
        keep.replace("seeds: 3", "seeds: 1")
    };
    let losses = "SELECT l.* FROM losses AS l JOIN jobs AS j ON j.id = l.job JOIN blueprints AS b ON b.id = \
        j.blueprint WHERE b.steps = 600 ORDER BY 1";
    let whole = bench().file("longer.yaml", &text(600));
    whole.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let expected = whole.query(losses);
    assert!(expected.len() == 3 && expected.iter().all(|row| row.contains("[4,8,12,") && row.contains(",596,600]")));

    // The shorter ones keep each step, and the longer ones every fourth.
    let bench = bench().file("longer.yaml", &text(210));
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    assert_eq!(bench.query("SELECT DISTINCT json_array_length(steps) FROM losses"), ["210"]);
    let bench = bench.file("longer.yaml", &text(600));
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0).says(&["3 jobs go on from the 210 steps"]);
    assert_same(&bench.query(losses), &expected);
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&bench.query(losses), &expected);
}

#[test]
fn what_goes_on_is_killed_and_goes_on() {
    let whole = file(bench(), 110, "drop");
    whole.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let bench = file(bench(), 50, "keep");
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let bench = file(bench, 110, "keep");
    let mut child = bench.start(&["run", "longer.yaml", "--no-report"]);
    wait("an order", || fs::read_dir(bench.home().join("runs")).unwrap().count() > 3);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    assert_same(&scores(&bench), &scores(&whole));
}

#[test]
fn without_a_state_it_begins_at_the_start() {
    let whole = file(bench(), 110, "drop");
    whole.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let bench = file(bench(), 50, "drop");
    let ended = bench.sweep(&["plan", "longer.yaml"]).expect(0);
    assert!(!ended.stdout.contains("last states"), "{ended:#?}");
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let bench = file(bench, 110, "drop");
    let ended = bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    assert!(!ended.stderr.contains("go on after"), "{ended:#?}");
    assert_same(&scores(&bench), &scores(&whole));
}

#[test]
fn history_is_measured_by_training_again_where_that_is_asked_for() {
    let whole = file(bench(), 110, "drop");
    whole.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);

    let text = FILE.replace("STEPS", "110").replace("KEEP", "drop").replace("every: 10", "every: 0");
    let bench = bench().file("longer.yaml", &text);
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let last = "SELECT job, metric, value FROM history WHERE step = 110 ORDER BY 1, 2";
    let before = bench.query(last);
    let bench = file(bench, 110, "drop");
    bench.sweep(&["plan", "longer.yaml"]).expect(0).says(&["sweep run --rescore-history"]);
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0).says(&["nothing to train"]);
    assert_eq!(bench.query("SELECT count(*) FROM attempts"), ["3"]);
    bench
        .sweep(&["run", "longer.yaml", "--no-report", "--rescore-history"])
        .expect(0)
        .says(&["training 9 finished jobs again for scores of earlier steps", "9 done"]);
    assert_same(&bench.query(last), &before);
    assert_same(&scores(&bench), &scores(&whole));
    bench.sweep(&["run", "longer.yaml", "--no-report", "--rescore-history"]).expect(0).says(&["no finished job lacks"]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&scores(&bench), &scores(&whole));
    assert_eq!(bench.query("SELECT state, count(*) FROM jobs GROUP BY state"), ["done|9"]);
}

#[test]
fn history_that_is_measured_again_goes_on_after_a_kill_and_from_the_start() {
    let whole = file(bench(), 110, "drop");
    whole.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);

    // A shorter one has states, and no history: a longer one that goes on from them has none of the steps before.
    let silent = |steps: &str| FILE.replace("STEPS", steps).replace("KEEP", "keep").replace("every: 10", "every: 0");
    let bench = bench().file("longer.yaml", &silent("50"));
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    let bench = file(bench, 110, "keep");
    let lacks = "9 of these will lack scores of earlier steps that the file asks for";
    bench.sweep(&["plan", "longer.yaml"]).expect(0).says(&[lacks]);
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0).says(&[lacks]);
    let job = &bench
        .query("SELECT id FROM jobs WHERE blueprint IN (SELECT id FROM blueprints WHERE steps = 110) ORDER BY id")[0];
    bench.sweep(&["verify", job]).expect(0).says(&["agree to the bit", "the shorter job that it continued"]);
    bench.sweep(&["show", job]).expect(0).says(&["110 of 110 steps, the first 50 by a shorter job"]);
    assert_eq!(
        bench.query(
            "SELECT min(h.step) FROM history AS h JOIN jobs AS j ON j.id = h.job JOIN blueprints AS b \
        ON b.id = j.blueprint WHERE b.steps = 110 AND h.metric = 'wasserstein'"
        ),
        ["50"]
    );

    // The step from which it went on is one that it measures itself.
    change(
        &bench,
        "DELETE FROM scores WHERE step = 50 AND job IN (SELECT j.id FROM jobs AS j JOIN blueprints AS b ON b.id = \
        j.blueprint WHERE b.steps = 110)",
    );
    bench.sweep(&["verify", job]).expect(101).says(&["2 of 14 scores differ, from step 50 on"]);

    let attempts = || {
        let runs = fs::read_dir(bench.home().join("runs")).unwrap().map(|run| run.unwrap().path());
        runs.flat_map(|run| fs::read_dir(run).unwrap())
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("attempt-"))
            .count()
    };
    let before = attempts();
    let mut child = bench.start(&["run", "longer.yaml", "--no-report", "--rescore-history"]);
    wait("an order", || attempts() > before);
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    bench.sweep(&["run", "longer.yaml", "--no-report"]).expect(0);
    assert_same(&scores(&bench), &scores(&whole));
    assert_eq!(bench.query("SELECT state, count(*) FROM jobs GROUP BY state"), ["done|18"]);
    let ended = bench.sweep(&["show", job]).expect(0);
    assert!(!ended.stdout.contains("by a shorter job"), "{ended:#?}");
    bench.sweep(&["rebuild"]).expect(0);
    let ended = bench.sweep(&["verify", job]).expect(0);
    assert!(!ended.stdout.contains("Not compared"), "{ended:#?}");
    assert_same(&scores(&bench), &scores(&whole));
}
