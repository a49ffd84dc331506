//! Cells that are sought while a run trains, and cells that another sweep has found.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::bench::{Bench, Ended, wait};

/// Ten trials of two seeds, of which the best two are confirmed with three others, beside a baseline.
const SWEEP: &str = "
sweep: sought
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 40, batch: 32}
seeds: 3
score: {samples: 200, metrics: [wasserstein]}
variants:
  - {name: GAN, objective: gan}
  - name: D2GAN
    objective: d2gan
    beta: 0.1
    search:
      metric: wasserstein
      trials: 10
      startup: 4
      batch: 3
      seeds: 2
      confirm: 2
      space: {alpha: {min: 0.01, max: 1, distribution: log_uniform}, lr: {choices: [1e-4, 1e-3, 1e-2]}}
";

fn bench() -> Bench {
    Bench::held().without("SWEEP_WORKER").with("SWEEP_SLOTS", 2).with("SWEEP_MEMBERS", 4).file("sought.yaml", SWEEP)
}

fn run(bench: &Bench, file: &str) -> Ended {
    bench.sweep(&["run", file, "--no-report"])
}

/// Every job that is asked for, with what it has come to.
fn rows(bench: &Bench) -> Vec<String> {
    bench.query(
        "SELECT s.name, e.variant, e.axes, j.seed, j.state, c.value FROM entries AS e JOIN jobs AS j ON j.id = e.job \
        JOIN sweeps AS s ON s.id = e.sweep \
         LEFT JOIN scores AS c ON c.job = e.job ORDER BY s.name, e.ordinal",
    )
}

/// The points of a variant in their order, each with its mean.
fn means(bench: &Bench, sweep: &str, variant: &str) -> Vec<(String, f64)> {
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    for row in rows(bench) {
        let [name, of, axes, _, _, value] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        if (name, of) == (sweep, variant) {
            let value: f64 = value.parse().unwrap();
            match all.iter_mut().find(|(known, _)| known == axes) {
                Some((_, values)) => values.push(value),
                None => all.push((axes.to_owned(), vec![value])),
            }
        }
    }
    all.into_iter().map(|(axes, values)| (axes, values.iter().sum::<f64>() / values.len() as f64)).collect()
}

/// The points with the least means, by hand.
fn best(mut means: Vec<(String, f64)>, top: usize) -> Vec<String> {
    means.sort_by(|a, b| a.1.total_cmp(&b.1));
    means.into_iter().take(top).map(|(axes, _)| axes).collect()
}

/// What was written down of a sweep.
fn rounds(bench: &Bench) -> Vec<Value> {
    let text = fs::read_to_string(bench.home().join("sweeps/sought.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()["rounds"].as_array().unwrap().clone()
}

#[test]
fn what_is_tried_follows_from_scores_alone_and_the_best_are_trained_anew() {
    let bench = bench();
    bench.sweep(&["plan", "sought.yaml"]).expect(0).says(&["10 trials of 2 seeds by wasserstein", "jobs      29"]);
    let ended = run(&bench, "sought.yaml").expect(0);
    ended.says(&["4 of 10 trials", "7 of 10 trials", "the best 2 with other seeds", "29 jobs in"]);
    let trials = means(&bench, "sought", "D2GAN (search)");
    assert_eq!(trials.len(), 10);
    let confirmed: Vec<String> = means(&bench, "sought", "D2GAN").into_iter().map(|(axes, _)| axes).collect();
    assert_eq!(confirmed, best(trials, 2));
    let seeds = bench.query("SELECT DISTINCT variant, seed FROM results ORDER BY variant, seed");
    let trials = ["D2GAN (search)|1000000", "D2GAN (search)|1000001"];
    let others = ["GAN|0", "GAN|1", "GAN|2"];
    assert_eq!(seeds, [&["D2GAN|0", "D2GAN|1", "D2GAN|2"][..], &trials, &others].concat());
    let points: Vec<usize> = rounds(&bench).iter().map(|round| round["points"].as_array().unwrap().len()).collect();
    assert_eq!(points, [3, 3, 2], "two batches, and what was confirmed");

    // Nothing is asked anew.
    let (before, known) = (rows(&bench), rounds(&bench));
    run(&bench, "sought.yaml").expect(0).says(&["29 of them ended before; nothing to train"]);
    bench.sweep(&["rebuild"]).expect(0);
    run(&bench, "sought.yaml").expect(0).says(&["nothing to train"]);
    assert_eq!((rows(&bench), rounds(&bench)), (before.clone(), known.clone()));

    // The same points with other slots and cohorts.
    let other = self::bench().with("SWEEP_SLOTS", 1).with("SWEEP_MEMBERS", 16);
    run(&other, "sought.yaml").expect(0);
    assert_eq!(rows(&other), before);

    // More trials go on where these have ended; what is confirmed then is the best of all.
    let bench = bench.file("sought.yaml", &SWEEP.replace("trials: 10", "trials: 12"));
    bench.sweep(&["plan", "sought.yaml"]).expect(0).says(&["12 trials", "10 are known so far"]);
    run(&bench, "sought.yaml").expect(0).says(&["12 of 12 trials"]);
    let trials = means(&bench, "sought", "D2GAN (search)");
    assert_eq!((trials.len(), &rounds(&bench)[..3]), (12, &known[..]));
    let confirmed: Vec<String> = means(&bench, "sought", "D2GAN").into_iter().map(|(axes, _)| axes).collect();
    assert_eq!(confirmed, best(trials, 2));
    bench.sweep(&["report"]).expect(0).says(&["D2GAN was searched by wasserstein: 12 trials with 2 seeds each"]);
}

#[test]
fn a_search_that_is_killed_goes_on_with_the_points_that_it_had() {
    let reference = bench();
    run(&reference, "sought.yaml").expect(0);
    let ended = |bench: &Bench| {
        let runs = fs::read_dir(bench.home().join("runs")).into_iter().flatten().flatten();
        let logs = runs.flat_map(|run| fs::read_dir(run.path()).into_iter().flatten().flatten());
        let texts = logs.filter_map(|attempt| fs::read_to_string(attempt.path().join("events.jsonl")).ok());
        texts.map(|text| text.matches("\"job_done\"").count()).sum::<usize>()
    };
    // In the midst of what is drawn, of the first batch, and of what is confirmed.
    for jobs in [3, 13, 25] {
        let bench = bench();
        let mut killed = bench.start(&["run", "sought.yaml", "--no-report"]);
        wait("jobs", || ended(&bench) >= jobs);
        killed.kill().unwrap();
        killed.wait().unwrap();
        run(&bench, "sought.yaml").expect(0);
        assert_eq!(rows(&bench), rows(&reference), "after {jobs} jobs");
    }
}

/// Variants of one search with other data and another way of scoring, beside jobs enough to outnumber them.
const UNLIKE: &str = "
sweep: unlike
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 10, batch: 32}
seeds: 2
score: {samples: 200, metrics: [wasserstein]}
search: {metric: wasserstein, trials: 4, startup: 2, batch: 2, confirm: 1, \
    space: {lr: {min: 1e-4, max: 1e-2}, alpha: {min: 0.1, max: 1}}}
variants:
  - {name: many, objective: gan, grid: {lr: [1e-3, 2e-3, 3e-3, 4e-3, 5e-3]}, seeds: 5}
  - {name: other data, objective: gan, dataset: swiss_roll}
  - {name: other scores, objective: d2gan, beta: 1, score: {samples: 150}}
";

#[test]
fn variants_with_other_data_or_scores_are_sought_by_their_own() {
    let bench = bench().file("unlike.yaml", UNLIKE);
    run(&bench, "unlike.yaml").expect(0);
    for variant in ["other data", "other scores"] {
        let trials = means(&bench, "unlike", &format!("{variant} (search)"));
        assert_eq!(trials.len(), 4, "{variant}");
        let confirmed: Vec<String> = means(&bench, "unlike", variant).into_iter().map(|(axes, _)| axes).collect();
        assert_eq!(confirmed, best(trials, 1), "{variant}");
    }
    bench.sweep(&["report", "unlike", "--format", "md"]).expect(0).says(&["other data (search): the best of 4 trials"]);
}

#[test]
fn a_search_that_comes_to_nothing_or_has_tried_all_ends() {
    // All of three points, and a variant in which everything diverges.
    let text = SWEEP
        .replace(
            "{alpha: {min: 0.01, max: 1, distribution: log_uniform}, lr: {choices: [1e-4, 1e-3, 1e-2]}}",
            "{lr: {choices: [1e-4, 1e-3, 1e-2]}}",
        )
        .replace("beta: 0.1", "beta: 0.1\n    alpha: 1");
    let lost = "  - {name: lost, objective: gan, \
        search: {metric: wasserstein, trials: 3, space: {lr: {min: 1e30, max: 1e31}}}}\n";
    let bench = bench().file("sought.yaml", &(text + lost));
    let ended = run(&bench, "sought.yaml").expect(0);
    ended.says(&["which are all possible points; the best 2 with other seeds", "none has a score"]);
    assert_eq!(means(&bench, "sought", "D2GAN").len(), 2);
    run(&bench, "sought.yaml").expect(0).says(&["nothing to train"]);
    bench.sweep(&["report", "sought"]).expect(0).says(&["lost was searched by wasserstein: 3 trials"]);
}

#[test]
fn what_was_trained_before_is_scored_before_anything_follows_from_it() {
    let bench = bench();
    run(&bench, "sought.yaml").expect(0);
    // Another score decides: trials are measured again, and the search goes on in the same run.
    let bench = bench.file("sought.yaml", &SWEEP.replace("samples: 200", "samples: 150"));
    run(&bench, "sought.yaml").expect(0).says(&["measuring missing scores", "10 of 10 trials"]);
    let reference = self::bench().file("sought.yaml", &SWEEP.replace("samples: 200", "samples: 150"));
    run(&reference, "sought.yaml").expect(0);
    let cells = |bench: &Bench| -> Vec<String> {
        let sql = "SELECT e.variant, e.axes FROM entries AS e ORDER BY e.ordinal";
        bench.query(sql)
    };
    assert_eq!(cells(&bench), cells(&reference));
}

#[test]
fn a_search_whose_jobs_are_cancelled_goes_no_further() {
    let bench = Bench::held().without("SWEEP_WORKER").file("peak.yaml", &peak(20)).file("peak.sh", PEAK);
    let bench = bench.with("SWEEP_SLOTS", 1);
    let mut run_ = bench.start(&["run", "peak.yaml", "--no-report"]);
    wait("a job", || {
        fs::read_to_string(bench.home().with_file_name("trace")).is_ok_and(|text| text.lines().count() > 1)
    });
    bench.sweep(&["cancel", "peak"]).expect(0);
    run_.wait().unwrap();
    let before = bench.query("SELECT count(*) FROM entries");
    assert_eq!(before, ["8"], "what is drawn, and no more");
    run(&bench, "peak.yaml").says(&["has stopped", "sweep retry peak --cancelled"]);
    bench.sweep(&["retry", "peak", "--cancelled"]).expect(0);
    run(&bench, "peak.yaml").says(&["20 of 20 trials"]);
}

/// A score that is best where `x` is 3, and a trial in which nothing comes of it.
const PEAK: &str = r#"
echo "$1" >> "$TRACE"
sleep 0.1
case $1 in 9*) exit 1 ;; esac
echo "sweep: step=1 quality=$(awk "BEGIN { print -($1 - 3) * ($1 - 3) }")"
"#;

fn peak(trials: usize) -> String {
    format!(
        "
sweep: peak
seeds: 1
trainer:
  command: [sh, peak.sh, \"${{x}}\"]
  steps: 1
  parameters: {{x: 0.5}}
  scores: {{quality: higher}}
run: {{retries: 0}}
search: {{metric: quality, trials: {trials}, startup: 8, batch: 4, confirm: 1, space: {{x: {{min: -10, max: 10}}}}}}
"
    )
}

#[test]
fn a_trainer_of_the_users_own_is_sought_by_the_score_that_it_reports() {
    let bench = Bench::held().without("SWEEP_WORKER").file("peak.yaml", &peak(20)).file("peak.sh", PEAK);
    let ended = run(&bench, "peak.yaml");
    ended.says(&["20 of 20 trials"]);
    let tried = bench.query("SELECT e.axes FROM entries AS e WHERE e.variant = 'peak (search)' ORDER BY e.ordinal");
    let x = |axes: &String| serde_json::from_str::<BTreeMap<String, f64>>(axes).unwrap()["x"];
    let tried: Vec<f64> = tried.iter().map(x).collect();
    let far = |x: &f64| (x - 3.0).abs();
    let nearest = tried.iter().copied().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap();
    let found = bench.query("SELECT DISTINCT e.axes FROM entries AS e WHERE e.variant = 'peak'");
    assert_eq!(found.iter().map(x).collect::<Vec<_>>(), [nearest]);
    // What is proposed is nearer than what is drawn: by chance alone it would be in one of 500 files.
    let mean = |of: &[f64]| of.iter().map(far).sum::<f64>() / of.len() as f64;
    assert!(mean(&tried[8..]) < 0.6 * mean(&tried[..8]), "{tried:?}");
}

const WIDE: &str = "
sweep: wide
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 20, batch: 32}
seeds: 2
score: {samples: 200, metrics: [wasserstein]}
objective: d2gan
random: {count: 6, alpha: {min: 0.01, max: 1}, beta: {min: 0.01, max: 1}, \
    optimizer: {choices: [adam, rmsprop]}, generator: {choices: [[16], [8, 8]]}}
";

const NARROW: &str = "
sweep: narrow
dataset: gaussians
model: {generator: [16], discriminator: [16], noise: 4}
train: {steps: 40, batch: 32}
seeds: {first: 2, count: 3}
score: {samples: 200, metrics: [wasserstein]}
variants:
  - {name: GAN, objective: gan}
  - {name: D2GAN, objective: d2gan, from: {sweep: wide, variant: d2gan, top: 2}}
";

#[test]
fn a_second_file_trains_the_best_cells_of_a_first_one_with_other_seeds() {
    let bench = bench().file("wide.yaml", WIDE).file("narrow.yaml", NARROW);
    run(&bench, "narrow.yaml").expect(2).says(&["the cells of `wide` are not known", "run that sweep first"]);
    let mut killed = bench.start(&["run", "wide.yaml", "--no-report"]);
    wait("the sweep", || bench.home().join("sweeps/wide.json").exists() && bench.home().join("runs").exists());
    killed.kill().unwrap();
    killed.wait().unwrap();
    let early = run(&bench, "narrow.yaml").expect(2);
    early.says(&["of `d2gan` in `wide` have not ended"]);
    run(&bench, "wide.yaml").expect(0);
    bench.sweep(&["plan", "narrow.yaml"]).expect(0).says(&["D2GAN: the best 2 of 6 cells of `wide`", "jobs      9"]);
    run(&bench, "narrow.yaml").expect(0).says(&["9 jobs in"]);
    let cells = |bench: &Bench| means(bench, "narrow", "D2GAN").into_iter().map(|(axes, _)| axes).collect::<Vec<_>>();
    let first = cells(&bench);
    assert_eq!(first, best(means(&bench, "wide", "d2gan"), 2));
    let before = rows(&bench);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(rows(&bench), before);
    bench.sweep(&["report", "narrow"]).expect(0).says(&["the best 2 of d2gan of the sweep wide"]);

    // What was begun stays as it is, whatever the first one finds later.
    let bench = bench.file("wide.yaml", &WIDE.replace("count: 6", "count: 12, seed: 7"));
    run(&bench, "wide.yaml").expect(0);
    assert_ne!(best(means(&bench, "wide", "d2gan"), 2), first);
    run(&bench, "narrow.yaml").expect(0).says(&["`narrow` keeps those that it started with", "nothing to train"]);
    assert_eq!(cells(&bench), first);
    let bench = bench.file("narrow.yaml", &NARROW.replace("sweep: narrow", "sweep: anew"));
    run(&bench, "narrow.yaml").expect(0);
    let anew: Vec<String> = means(&bench, "anew", "D2GAN").into_iter().map(|(axes, _)| axes).collect();
    assert_eq!(anew, best(means(&bench, "wide", "d2gan"), 2));
    // Whoever takes them from there does not take the seeds that had picked them first.
    let third = NARROW
        .replace("sweep: narrow", "sweep: third")
        .replace("sweep: wide, variant: d2gan, top: 2", "sweep: narrow, top: 1");
    let bench = bench.file("third.yaml", &third.replace("{first: 2, count: 3}", "[0, 7]"));
    run(&bench, "third.yaml").expect(2).says(&["the seed 0 picked these cells"]);
    let bench = bench.file("third.yaml", &third.replace("{first: 2, count: 3}", "[4, 7]"));
    run(&bench, "third.yaml").expect(2).says(&["the seed 4 picked these cells"]);
    let bench = bench.file("third.yaml", &third.replace("{first: 2, count: 3}", "[5, 7]"));
    run(&bench, "third.yaml").expect(0);
    // Seeds that have picked say too much good.
    let bench = bench.file("narrow.yaml", &NARROW.replace("{first: 2, count: 3}", "3"));
    run(&bench, "narrow.yaml").expect(2).says(&["the seeds 0, 1 picked these cells", "seeds: {first: 2, count: 3}"]);
}
