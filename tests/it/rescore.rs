//! `sweep rescore`: other scores of finished jobs, from the generators that they left.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use crate::run::bench::{Bench, Ended, assert_same, wait};

/// Running statistics in one generator, several generators in another; three cohorts on one slot.
const TINY: &str = "
sweep: tiny
dataset: gaussians
seeds: 2
model: {arch: mlp, generator: [16, 16], discriminator: [16], noise: 8, generator_norm: batch}
train: {steps: 60, batch: 30, lr: 1e-3}
score: {every: 20, samples: 500, wasserstein_samples: 200, metrics: [wasserstein, symmetric_kl, modes_covered]}
variants:
  - {name: D2GAN, objective: d2gan, grid: {alpha: [0.1, 0.2], beta: [0.1]}}
  - {name: MGAN, objective: mgan, generators: 3}
  - {name: GAN, objective: gan, score: {metrics: [sliced_wasserstein, kid], projections: 50}}
";

fn tiny() -> Bench {
    tiny_of(16)
}

/// The same in cohorts of at most so many.
fn tiny_of(members: usize) -> Bench {
    let bench = Bench::real().with("SWEEP_MEMBERS", members).file("tiny.yaml", TINY);
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    bench
}

/// Changes the database behind the program's back.
fn change(bench: &Bench, sql: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = SqliteConnectOptions::new().filename(bench.home().join("sweep.db"));
        let pool = SqlitePool::connect_with(options).await.unwrap();
        assert!(sqlx::query(sql).execute(&pool).await.unwrap().rows_affected() > 0);
        pool.close().await;
    });
}

/// Every score to the last bit, and how it was measured.
fn scores(bench: &Bench) -> Vec<String> {
    bench.query(
        "SELECT s.job, s.step, s.metric, s.kind, printf('%!.17g', s.value), coalesce(s.std, ''), a.json, p.json \
         FROM scores AS s JOIN protocols AS p ON p.id = s.protocol JOIN asks AS a ON a.id = s.ask ORDER BY 1, 2, 3, 7",
    )
}

/// The logs of rescorings, and what is left of others.
fn logs(bench: &Bench) -> Vec<String> {
    let cohorts = fs::read_dir(bench.home().join("runs")).unwrap().map(|cohort| cohort.unwrap().path());
    let files = cohorts.flat_map(|cohort| fs::read_dir(cohort).unwrap());
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("rescore-")).collect();
    names.sort();
    names
}

/// The file with the generator of one of the MGANs, and how many jobs it is of.
fn generators(bench: &Bench) -> PathBuf {
    let sql = "SELECT c.directory FROM cohorts AS c JOIN members AS m ON m.cohort = c.id JOIN results AS r ON r.job = \
        m.job \
               WHERE r.variant = 'MGAN'";
    bench.home().join(&bench.query(sql)[0]).join("generators.safetensors")
}

#[test]
fn the_same_settings_give_the_scores_of_training_to_the_bit() {
    let bench = tiny();
    let before = scores(&bench);
    change(&bench, "UPDATE scores SET value = 7, protocol = 1 WHERE step = 60");
    assert_ne!(scores(&bench), before);
    bench.sweep(&["rescore"]).expect(0).says(&["8 jobs: 22 scores in", "sweep report tiny"]);
    assert_eq!(scores(&bench), before);
    assert_eq!(logs(&bench), ["rescore-1.jsonl"; 3]);
}

#[test]
fn other_scores_are_added_and_a_rebuilt_database_has_them() {
    let bench = tiny();
    let before = scores(&bench);
    let others =
        ["rescore", "tiny", "--metrics", "precision,recall,frechet,modes_covered", "--samples", "300", "--k", "3"];
    let ended = bench.sweep(&[&others[..], &["--json"]].concat()).expect(0);
    let json: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&json["jobs"], &json["scores"], &json["failed"]), (&8.into(), &32.into(), &0.into()), "{json}");
    let added =
        bench.query("SELECT count(precision), count(recall), count(frechet), count(sliced_wasserstein) FROM results");
    assert_eq!(added, ["8|8|8|2"]);
    let how = bench.query(
        "SELECT DISTINCT s.metric, p.json ->> '$.samples', p.json ->> '$.k' FROM scores AS s JOIN protocols AS p ON \
        p.id = s.protocol \
         WHERE s.step = 60 AND s.metric IN ('modes_covered', 'recall', 'wasserstein') ORDER BY 1, 2",
    );
    assert_eq!(how, ["modes_covered|300|", "modes_covered|500|", "recall|300|3", "wasserstein|200|"]);
    let after = scores(&bench);
    assert!(before.iter().all(|line| after.contains(line)), "what was measured otherwise stays");
    let shown = "SELECT count(*), sum(r.modes_covered = s.value) FROM results AS r JOIN scores AS s ON s.job = r.job \
        JOIN asks AS a ON a.id = s.ask \
                 WHERE s.metric = 'modes_covered' AND s.step = 60 AND a.json ->> '$.samples' = 300";
    assert_eq!(bench.query(shown), ["8|8"], "results show what was asked for last");

    // The last one counts, also in another order of names.
    for _ in 0..10 {
        bench.sweep(&["rescore", "--metrics", "recall", "--samples", "40", "--job", &one(&bench)]).expect(0);
    }
    bench.sweep(&["rescore", "--metrics", "recall", "--samples", "50", "--job", &one(&bench)]).expect(0);
    let after = scores(&bench);
    assert!(logs(&bench).contains(&"rescore-12.jsonl".to_owned()), "{:?}", logs(&bench));
    bench.sweep(&["rebuild"]).expect(0).says(&["1 sweep, 3 attempts, 14 rescorings"]);
    assert_eq!(scores(&bench), after);
}

#[test]
fn what_a_file_asks_for_later_is_measured_without_training() {
    let bench = tiny();
    let (before, attempts) = (scores(&bench), bench.outcomes());
    // One more metric, other samples for the last step alone, and a sweep of its own with other scores of two of the
    // variants.
    let more = TINY
        .replace(
            "metrics: [wasserstein, symmetric_kl, modes_covered]",
            "metrics: [wasserstein, symmetric_kl, modes_covered, recall]",
        )
        .replace("samples: 500", "samples: 400");
    let other = TINY
        .replace("sweep: tiny", "sweep: other")
        .replace("every: 20, samples: 500", "samples: 300")
        .replace("  - {name: MGAN, objective: mgan, generators: 3}\n", "");
    let bench = bench.file("tiny.yaml", &more).file("other.yaml", &other);
    let note = "measures them from the saved generators, without training";
    bench.sweep(&["plan", "tiny.yaml"]).expect(0).says(&[
        "scores that 8 finished jobs do not have",
        note,
        "score.every",
    ]);
    let said = bench.sweep(&["run", "tiny.yaml", "other.yaml", "--no-report"]).expect(0);
    said.says(&["measuring missing scores of 8 jobs"]);
    let after = scores(&bench);
    assert_eq!(bench.outcomes(), attempts, "nothing trains");
    assert!(before.iter().all(|line| after.contains(line)), "what was measured stays");

    // Nothing is missing, and nothing is measured twice.
    let said = bench.sweep(&["run", "tiny.yaml", "other.yaml", "--no-report"]).expect(0);
    assert!(!said.stderr.contains("measuring"), "{said:#?}");
    let floors = "SELECT f.blueprint, f.metric, f.value, p.json FROM floors AS f JOIN protocols AS p ON p.id = \
        f.protocol ORDER BY 1, 2, 4";
    let floor = bench.query(floors);
    assert!(floor.iter().filter(|row| row.contains("|symmetric_kl|")).count() > 3, "{floor:?}");
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&scores(&bench), &after);
    assert_same(&bench.query(floors), &floor);
    let results = "SELECT sweep, variant, axes, seed, printf('%!.17g', wasserstein), printf('%!.17g', symmetric_kl), \
                   printf('%!.17g', modes_covered), printf('%!.17g', recall), printf('%!.17g', kid) FROM results ORDER \
                   BY 1, 2, 3, 4";
    let later = bench.query(results);

    // The same as in a home where the files asked for it from the beginning.
    let fresh = Bench::real().file("tiny.yaml", &more).file("other.yaml", &other);
    fresh.sweep(&["run", "tiny.yaml", "other.yaml", "--no-report"]).expect(0);
    assert_same(&fresh.query(results), &later);
    assert_eq!(fresh.query("SELECT count(*) FROM jobs"), ["8"], "both sweeps share the training");
}

#[test]
fn what_cannot_be_measured_later_is_said_and_stays_empty() {
    let bench = tiny().file("tiny.yaml", &TINY.replace("modes_covered]", "modes_covered, recall]"));
    let kept = generators(&bench);
    // Of the MGANs nothing is left.
    let moved = kept.with_extension("moved");
    fs::rename(&kept, &moved).unwrap();
    let said = bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    said.says(&[
        "2 jobs: some scores that the file asks for now were not measured, and their generators are gone",
        "4 scores of 4 jobs",
    ]);
    let measured = "SELECT variant, count(recall), count(wasserstein) FROM results WHERE variant <> 'GAN' GROUP BY \
        variant ORDER BY 1";
    assert_eq!(bench.query(measured), ["D2GAN|4|4", "MGAN|0|2"]);
    // What is damaged is a failure.
    fs::write(&kept, "no generators").unwrap();
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(100).says(&["keep the scores from before"]);
    fs::rename(&moved, &kept).unwrap();
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0).says(&["2 scores of 2 jobs"]);
    assert_eq!(bench.query(measured), ["D2GAN|4|4", "MGAN|2|2"]);
}

#[test]
fn a_rescoring_is_of_one_sweep_and_leaves_the_settings_that_it_does_not_name() {
    const WAYS: &str = "
sweep: ways
dataset: gaussians
seeds: 2
model: {generator: [4], discriminator: [4], noise: 2}
train: {steps: 20, batch: 4}
objective: gan
score: {metrics: [precision, modes_covered]}
grid: {samples: [50, 60], k: [3, 4]}
";
    let one = WAYS
        .replace("sweep: ways", "sweep: one")
        .replace("grid: {samples: [50, 60], k: [3, 4]}\n", "")
        .replace("precision, ", "");
    let one = one.replace("score: {", "score: {samples: 60, ");
    let bench = Bench::real().file("ways.yaml", WAYS).file("one.yaml", &one);
    bench.sweep(&["run", "ways.yaml", "one.yaml", "--no-report"]).expect(0).says(&["2 jobs"]);
    assert_eq!(bench.query("SELECT count(*) FROM jobs"), ["2"]);
    let asked = "SELECT s.name, e.axes, group_concat(a.metric || k.json, ' ') FROM sweeps AS s JOIN entries AS e ON \
        e.sweep = s.id \
                 JOIN asked AS a ON a.scoring = e.scoring JOIN asks AS k ON k.id = a.ask GROUP BY s.name, e.ordinal \
                 ORDER BY 1, 2, 3";
    let before = bench.query(asked);
    bench.sweep(&["rescore", "ways", "--metrics", "recall"]).expect(0);
    let with_recall = bench.query(asked);
    for (before, after) in before.iter().zip(&with_recall) {
        let [samples, k] = ["samples", "k"].map(|key| {
            let axes: serde_json::Value = serde_json::from_str(before.split('|').nth(1).unwrap()).unwrap();
            axes[key].clone()
        });
        let recall = format!("recall{{\"k\":{k},\"real_samples\":{samples},\"samples\":{samples}}}");
        let is_one = before.starts_with("one|");
        assert_eq!(after.contains(&recall), !is_one, "{after}");
        assert!(!is_one || before == after, "another sweep's entries stay: {after}");
    }
    bench.sweep(&["rescore", "ways", "--samples", "70"]).expect(0);
    let more = bench.query(asked);
    let own = more.iter().filter(|row| row.starts_with("ways|"));
    let is_kept = |row: &&String| {
        let k = if row.contains("|{\"k\":3,") { 3 } else { 4 };
        row.matches(&format!("\"k\":{k},\"real_samples\":70,\"samples\":70")).count() == 2
    };
    assert!(own.clone().count() == 8 && own.clone().all(|row| is_kept(&row)), "{more:#?}");
    bench.sweep(&["rebuild"]).expect(0);
    assert_same(&bench.query(asked), &more);
}

/// A job of an MGAN.
fn one(bench: &Bench) -> String {
    bench.query("SELECT job FROM results WHERE variant = 'MGAN' ORDER BY seed")[0][..12].to_owned()
}

#[test]
fn jobs_without_a_generator_are_counted_and_damaged_ones_keep_their_scores() {
    let bench = tiny();
    change(
        &bench,
        "UPDATE jobs SET state = 'pending' WHERE seed = 0 AND id IN (SELECT job FROM results WHERE variant = 'GAN')",
    );
    change(
        &bench,
        "UPDATE jobs SET state = 'diverged' WHERE seed = 1 AND id IN (SELECT job FROM results WHERE alpha = 0.1)",
    );
    let generators = generators(&bench);
    let moved = generators.with_extension("moved");
    fs::rename(&generators, &moved).unwrap();
    let text = "tiny: 4 of 8 jobs have no generator: diverged (1), not finished (1), not in the run folder (2)";
    bench.sweep(&["rescore", "--metrics", "recall"]).expect(0).says(&[text, "4 jobs: 4 scores in"]);
    bench
        .sweep(&["rescore", "--job", &one(&bench)])
        .expect(2)
        .says(&["1 of 1 job has no generator: not in the run folder"]);

    let mut bytes = fs::read(&moved).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&generators, bytes).unwrap();
    let before = scores(&bench);
    let ended = bench.sweep(&["rescore", "--job", &one(&bench)]).expect(100);
    ended.says(&["checksum does not match", "1 job keeps the scores from before", "0 jobs: 0 scores"]);
    assert_eq!(scores(&bench), before);
    assert!(logs(&bench).iter().all(|name| name == "rescore-1.jsonl"), "{:?}", logs(&bench));
}

#[test]
fn what_cannot_be_rescored_is_said_before_anything_is_computed() {
    let bench = Bench::real().file("tiny.yaml", TINY);
    bench.sweep(&["rescore"]).expect(3).says(&["no results yet"]);
    assert!(!bench.home().exists(), "nothing was made");
    bench.sweep(&["run", "tiny.yaml", "--no-report"]).expect(0);
    for (args, words) in [
        (&["--metrics", "mode_score"][..], "`mode_score` is not defined on gaussians"),
        (&["--metrics", "frechet", "--samples", "1"], "`frechet` needs at least 2 samples"),
        (
            &["--metrics", "wasserstein", "--wasserstein-samples", "600"],
            "600 wasserstein_samples, but only 500 samples",
        ),
        (&["--metrics", "frechetty"], "frechetty"),
        (&["--metrics", "frechet", "--bins", "9"], "--bins changes nothing: it belongs to the scores symmetric_kl"),
        (&["--job", "0123456789"], "no job `0123456789`"),
        (&["huge"], "no sweep `huge`"),
        (&["--device", "cuda:99"], "there is no cuda:99 here"),
    ] {
        bench.sweep(&[&["rescore"], args].concat()).expect(2).says(&[words]);
    }
    assert_eq!(logs(&bench), [""; 0]);

    let bench =
        bench.file("other.yaml", &TINY.replace("sweep: tiny", "sweep: other").replace("seeds: 2", "seeds: [9]"));
    bench.sweep(&["run", "other.yaml", "--no-report"]).expect(0);
    bench.sweep(&["rescore", "--job", &one(&bench)]).expect(2).says(&["is not of the sweep other; it is of: tiny"]);
}

#[test]
fn a_home_where_something_runs_is_left_alone() {
    let bench = Bench::held();
    let mut run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    bench.sweep(&["rescore", "--metrics", "recall"]).expect(3).says(&["another `sweep run`", &run.id().to_string()]);
    run.kill().unwrap();
    run.wait().unwrap();
}

#[test]
fn an_interrupt_leaves_whole_cohorts() {
    let bench = tiny();
    // Exact transport of so many points takes seconds a job.
    let heavy = ["rescore", "--metrics", "wasserstein", "--samples", "3000", "--wasserstein-samples", "3000"];
    let child = bench.start(&heavy);
    let begun = || logs(&bench).iter().any(|name| name.ends_with(".part"));
    wait("the first cohort", begun);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    Ended::from(child.wait_with_output().unwrap()).expect(130).says(&["stopped:", "of 8 jobs have new scores"]);
    assert!(!begun(), "what was not complete is gone");
    let scored = bench.query(
        "SELECT count(*) FROM scores AS s JOIN protocols AS p ON p.id = s.protocol WHERE p.json ->> '$.samples' = 3000",
    );
    let members: usize = logs(&bench).len();
    assert!(members < 3 && scored[0].parse::<usize>().unwrap() < 8, "{scored:?} {members}");
    bench.sweep(&["rescore", "--metrics", "recall"]).expect(0).says(&["8 jobs: 8 scores"]);
}

/// An end is asked for at the last job of a cohort: the worker is gone before the next one.
#[test]
fn an_interrupt_between_two_cohorts_is_one() {
    let bench = tiny_of(1);
    let heavy = ["rescore", "--metrics", "wasserstein", "--samples", "2000", "--wasserstein-samples", "2000"];
    for scored in [1, 2] {
        let before = logs(&bench).len();
        let child = bench.start(&heavy);
        wait("whole cohorts", || {
            logs(&bench).iter().filter(|name| !name.ends_with(".part")).count() >= before + scored
        });
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        Ended::from(child.wait_with_output().unwrap()).expect(130).says(&["stopped:", "of 8 jobs have new scores"]);
    }
}

/// A worker that is killed in the midst of a task ends the command, and what was scored before stays.
#[test]
fn a_worker_that_is_killed_while_it_scores_is_told_of() {
    let bench = tiny();
    let child =
        bench.start(&["rescore", "--metrics", "wasserstein", "--samples", "3000", "--wasserstein-samples", "3000"]);
    wait("the first cohort", || logs(&bench).iter().any(|name| name.ends_with(".part")));
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap();
    let worker = children.split_whitespace().next().unwrap().parse().unwrap();
    kill_process(Pid::from_raw(worker).unwrap(), Signal::KILL).unwrap();
    Ended::from(child.wait_with_output().unwrap()).expect(3).says(&["sweep-worker: it was killed (signal 9)"]);
    bench.sweep(&["rescore", "--metrics", "recall"]).expect(0).says(&["8 jobs: 8 scores"]);
}

/// With an average, the weights that train are those that train without one; a rescoring looks at the weights that a
/// variant names.
#[test]
fn the_weights_that_train_are_scored_beside_their_average() {
    const FILE: &str = "
sweep: both
dataset: gaussians
seeds: 2
model: {generator: [8], discriminator: [8], noise: 4, generator_norm: batch}
train: {steps: 40, batch: 8, moves: simultaneous, g_steps: 2}
score: {every: 20, samples: 100, metrics: [wasserstein]}
variants:
  - {name: plain, objective: gan}
  - {name: averaged, objective: gan, train: {ema: 0.9}}
  - {name: raw, objective: gan, train: {ema: 0.9}, score: {weights: raw}}
";
    let bench = Bench::real().file("both.yaml", FILE);
    bench.sweep(&["run", "both.yaml", "--no-report"]).expect(0);
    assert_eq!(bench.query("SELECT count(*) FROM jobs"), ["4"], "two variants look at the same jobs");
    bench.sweep(&["rescore", "both", "--metrics", "sliced_wasserstein"]).expect(0);
    let check = || {
        let scores = "SELECT variant, printf('%!.17g %!.17g', wasserstein, sliced_wasserstein) FROM results ORDER BY \
            variant, seed";
        let rows = bench.query(scores);
        let of = |variant: &str| rows.iter().filter_map(|row| row.strip_prefix(variant)).collect::<Vec<_>>();
        let (plain, averaged, raw) = (of("plain"), of("averaged"), of("raw"));
        assert_eq!(plain, raw);
        assert!(plain.len() == 2 && plain.iter().zip(&averaged).all(|(plain, averaged)| plain != averaged));
    };
    check();
    bench.sweep(&["rebuild"]).expect(0);
    check();
}
