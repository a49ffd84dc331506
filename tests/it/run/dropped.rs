//! Members of a cohort that are cancelled while sweep's own worker trains it: it goes on with the others.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rustix::process::{Signal, kill_process};
use safetensors::SafeTensors;
use serde_json::Value;

use super::bench::{Bench, Ended, assert_same, wait};
use super::signals::{is_stopped, logs, pid, worker};

/// A cohort of three, which trains for some seconds.
const THREE: &str = "
sweep: three
dataset: gaussians
objective: gan
seeds: 3
model: {arch: mlp, generator: [4], discriminator: [4], noise: 2}
train: {steps: 20000, batch: 4, lr: 1e-3}
score: {every: 5000, samples: 100, metrics: [wasserstein]}
";

const RUN: [&str; 3] = ["run", "three.yaml", "--no-report"];

fn bench() -> Bench {
    Bench::real().file("three.yaml", THREE)
}

/// All that does not hang on times and processes.
fn content(bench: &Bench) -> [Vec<String>; 3] {
    [
        bench.query("SELECT id, state, step FROM jobs ORDER BY id"),
        // All digits: two floats that differ have others.
        bench.query("SELECT job, step, metric, printf('%!.17g', value), protocol FROM scores ORDER BY 1, 2, 3"),
        bench.query("SELECT * FROM losses ORDER BY job"),
    ]
}

/// What of it is of other jobs.
fn without(content: &[Vec<String>; 3], job: &str) -> [Vec<String>; 3] {
    content.clone().map(|rows| rows.into_iter().filter(|row| !row.starts_with(job)).collect())
}

/// All that a rebuild has to bring back.
fn tables(bench: &Bench) -> [Vec<String>; 9] {
    [
        bench.query("SELECT * FROM attempts ORDER BY cohort, number"),
        bench.query("SELECT * FROM cohorts ORDER BY ordinal"),
        bench.query("SELECT * FROM members ORDER BY cohort, position"),
        bench.query("SELECT * FROM jobs ORDER BY id"),
        bench.query("SELECT * FROM scores ORDER BY job, metric, step"),
        bench.query("SELECT * FROM losses ORDER BY job"),
        bench.query("SELECT * FROM samples ORDER BY job, step"),
        bench.query("SELECT * FROM floors ORDER BY metric"),
        bench.query("SELECT * FROM results ORDER BY job"),
    ]
}

fn is_rebuilt_as_it_was(bench: &Bench) {
    let before = tables(bench);
    assert!(before[..4].iter().all(|rows| !rows.is_empty()), "{before:?}");
    bench.sweep(&["rebuild"]).expect(0);
    before.iter().zip(&tables(bench)).for_each(|(before, after)| assert_same(before, after));
}

/// Folders of the cohorts.
fn cohorts(bench: &Bench) -> Vec<PathBuf> {
    fs::read_dir(bench.home().join("runs")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The generators that a cohort has left, by their names.
fn generators(cohort: &std::path::Path) -> BTreeMap<String, Vec<u8>> {
    let bytes = fs::read(cohort.join("generators.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

/// The events of all attempts with this number, by their kinds.
fn events(bench: &Bench, number: u32, kind: &str) -> Vec<Value> {
    let text = logs(bench, number);
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter_map(|line| line["event"].get(kind).cloned()).collect()
}

/// Has the second of three jobs cancelled while its worker stands still amid training, and then does `more` before that
/// goes on.
fn cancelled(more: impl FnOnce(&Bench, &std::process::Child)) -> (Bench, String, Ended) {
    let bench = bench();
    let run = bench.start(&RUN);
    let worker = worker(&bench, 1);
    kill_process(worker, Signal::STOP).unwrap();
    wait("the worker to stand still", || is_stopped(worker));
    let [cohort] = &cohorts(&bench)[..] else { panic!("one cohort") };
    let order: Value = serde_json::from_slice(&fs::read(cohort.join("attempt-1/order.json")).unwrap()).unwrap();
    let job = order["members"][1]["id"].as_str().unwrap().to_owned();
    bench.sweep(&["cancel", "--job", &job]).expect(0).says(&["1 job cancelled"]);
    assert!(events(&bench, 1, "job_done").is_empty(), "it is amid training");
    let told = fs::read_to_string(cohort.join("attempt-1/control.json")).unwrap();
    assert!(told.contains(&format!("\"without\":[\"{job}\"]")), "{told}");
    more(&bench, &run);
    kill_process(worker, Signal::CONT).unwrap();
    let ended = Ended::from(run.wait_with_output().unwrap());
    (bench, job, ended)
}

#[test]
fn the_others_train_on_in_the_same_process_to_the_same_bits() {
    let undisturbed = bench();
    undisturbed.sweep(&RUN).expect(0);
    let expected = content(&undisturbed);
    assert_eq!([expected[0].len(), expected[1].len(), expected[2].len()], [3, 3 * 4, 3]);

    let (bench, job, ended) = cancelled(|_, _| ());
    ended.expect(0).says(&["2 done, 1 cancelled"]);
    assert_eq!(bench.outcomes(), ["finished"], "there was no other attempt");
    assert_eq!(events(&bench, 1, "started").len(), 1);
    assert_eq!(events(&bench, 1, "job_done").len(), 2);
    assert_eq!(without(&content(&bench), &job), without(&expected, &job));
    // It has trained until then, and no longer.
    let last = "SELECT max(h.step) > 0 AND max(h.step) < 20000 FROM history AS h JOIN jobs AS j ON j.id = h.job WHERE \
        j.state = 'cancelled'";
    assert_eq!(bench.query(last), ["1"]);
    let ([cohort], [whole]) = (&cohorts(&bench)[..], &cohorts(&undisturbed)[..]) else { panic!("one cohort each") };
    let mut all = generators(whole);
    all.retain(|name, _| !name.starts_with(&job));
    let left = generators(cohort);
    assert!(!left.is_empty() && left == all, "{:?}", left.keys());
    is_rebuilt_as_it_was(&bench);

    // Taken back, it trains alone.
    bench.sweep(&["retry", "--cancelled"]).expect(0).says(&["1 job waits again"]);
    bench.sweep(&RUN).expect(0);
    assert_eq!(content(&bench), expected);
    is_rebuilt_as_it_was(&bench);

    // A stop that comes at the same time leaves a checkpoint of the others, from which they go on.
    let (bench, other, ended) = cancelled(|_, run| kill_process(pid(run), Signal::INT).unwrap());
    assert_eq!(other, job);
    ended.expect(130);
    assert_eq!((bench.states().as_str(), bench.outcomes()), ("cancelled 1, pending 2", vec!["stopped".to_owned()]));
    is_rebuilt_as_it_was(&bench);
    bench.sweep(&RUN).expect(0);
    assert_eq!(bench.outcomes(), ["stopped", "finished"]);
    let order: Value =
        serde_json::from_str(&fs::read_to_string(cohorts(&bench)[0].join("attempt-2/order.json")).unwrap()).unwrap();
    assert_eq!(order["without"], serde_json::json!([job]));
    assert!(events(&bench, 2, "started")[0]["step"].as_u64().unwrap() > 0, "from the checkpoint");
    assert_eq!(without(&content(&bench), &job), without(&expected, &job));
    is_rebuilt_as_it_was(&bench);
}
