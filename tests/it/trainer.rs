//! Trainers of the user's own: programs that train one job a process.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::run::bench::{Bench, Ended, assert_same, root, wait};

/// Four jobs of a trainer that counts, and two of sweep's own.
const OWN: &str = "
sweep: own
dataset: gaussians
seeds: 2
trainer:
  command: [python3, counting_trainer.py, \"${args}\"]
  parameters: {alpha: 0.1, norm: batch, sizes: [64, 64], skip: false}
  scores: {fid: lower}
  steps: 10
score: {samples: 200, metrics: [wasserstein, modes_covered]}
variants:
  - {name: mine, grid: {alpha: [0.5, 1]}}
  - {name: GAN, objective: gan, trainer: built-in, model: {generator: [4], discriminator: [4], noise: 2}, \
     train: {steps: 10, batch: 4}}
";

/// The sweep file and the trainer in a folder of their own.
fn own(fault: &str) -> Bench {
    let bench = Bench::real().with("FAULT", fault);
    fs::create_dir(folder(&bench)).unwrap();
    fs::copy(root().join("tests/fixtures/counting_trainer.py"), folder(&bench).join("counting_trainer.py")).unwrap();
    bench.file("files/own.yaml", OWN)
}

fn folder(bench: &Bench) -> PathBuf {
    bench.home().with_file_name("files")
}

fn run(bench: &Bench) -> Ended {
    bench.sweep(&["run", "files/own.yaml", "--no-report", "--backoff", "0.01"])
}

fn change(bench: &Bench, from: &str, to: &str) {
    let path = folder(bench).join("own.yaml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(path, text.replace(from, to)).unwrap();
}

/// What jobs of the trainer have: their parameters and scores at the last step.
fn results(bench: &Bench) -> Vec<String> {
    bench.query(
        "SELECT alpha, seed, state, fid, modes_covered, wasserstein < 0.7, step FROM results WHERE variant = \
        'mine' ORDER BY 1, 2",
    )
}

const WHOLE: [&str; 4] =
    ["0.5|0|done|10.5|8|1|10", "0.5|1|done|10.5|8|1|10", "1|0|done|11|8|1|10", "1|1|done|11|8|1|10"];

#[test]
fn the_page_on_trainers_says_what_is_so() {
    let page = fs::read_to_string(root().join("docs/own-trainer.md")).unwrap();
    let file = fs::read_to_string(root().join("docs/own_trainer/ring.yaml")).unwrap();
    assert_eq!(page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap(), file);

    let bench = Bench::real();
    fs::create_dir(folder(&bench)).unwrap();
    fs::copy(root().join("docs/own_trainer/ring_gan.py"), folder(&bench).join("ring_gan.py")).unwrap();
    // What it says does not hang on how long it trains.
    let bench = bench.file("files/ring.yaml", &file.replace("steps: 200", "steps: 20"));
    bench.sweep(&["plan", "files/ring.yaml"]).expect(0).says(&[
        "python3 ring_gan.py --lr=0.005 --saturating=false --width=16 --seed=0 --steps=20",
        "unknown until a job",
    ]);
    bench.sweep(&["run", "files/ring.yaml"]).expect(0).says(&["8 of 8 jobs done", "covered", "mine, saturating"]);
    bench.sweep(&["run", "files/ring.yaml", "--no-report"]).expect(0).says(&["nothing to train"]);
    let sql =
        "SELECT variant, lr, avg(distance), avg(wasserstein) FROM results WHERE sweep = 'own-trainer' GROUP BY 1, 2";
    assert!(page.contains(sql), "{sql}");
    let query = bench.sweep(&["query", sql, "--format", "csv"]).expect(0);
    assert_eq!(query.stdout.lines().count(), 1 + 4, "{query:#?}");
    bench.sweep(&["report", "own-trainer", "--metric", "distance"]).expect(0).says(&["by mean distance"]);
    bench
        .sweep(&["report", "own-trainer", "--metric", "distnace"])
        .expect(2)
        .says(&["distnace", "covered, distance, wasserstein"]);
    // What a job takes is known now.
    let plan = bench.sweep(&["plan", "files/ring.yaml"]).expect(0);
    assert!(
        plan.stdout.contains("estimated; training and scoring") && !plan.stdout.contains("unknown until"),
        "{plan:#?}"
    );
}

#[test]
fn jobs_are_told_what_they_are_and_scored_beside_others() {
    let bench = own("none");
    run(&bench).expect(0);
    assert_eq!(bench.states(), "done 6");
    assert_eq!(results(&bench), WHOLE);
    assert_eq!(
        bench.query("SELECT DISTINCT norm, sizes, skip, objective, dataset FROM results WHERE variant = 'mine'"),
        ["batch|[64,64]|0|own|gaussians"]
    );
    // Ten steps of two settings; the last one once.
    assert_eq!(bench.query("SELECT count(*), min(step), max(step) FROM history WHERE metric = 'fid'"), ["40|1|10"]);
    assert_eq!(bench.query("SELECT count(*) FROM samples"), ["6"], "a sheet of each");

    let trace = bench.trace();
    assert_eq!(trace.len(), 4);
    let first = trace.iter().find(|told| told["argv"][0] == "--alpha=0.5" && told["SWEEP_SEED"] == "1").unwrap();
    assert_eq!(
        first["argv"],
        serde_json::json!(["--alpha=0.5", "--norm=batch", "--sizes=[64,64]", "--skip=false", "--seed=1"])
    );
    assert_eq!(first["folder"], fs::canonicalize(folder(&bench)).unwrap().display().to_string());
    assert_eq!([&first["SWEEP_STEPS"], &first["SWEEP_RESUME"], &first["SWEEP_DATASET"]], ["10", "0", "gaussians"]);
    let job = first["SWEEP_JOB"].as_str().unwrap();
    assert!(first["SWEEP_DIR"].as_str().unwrap().ends_with(&format!("jobs/{job}")));

    let show = bench.sweep(&["show", &job[..8]]).expect(0);
    show.says(&["fid", "alpha 0.5", "norm batch", "counting_trainer.py", "samples"]);
    bench.sweep(&["verify", &job[..8]]).expect(2).says(&["trained by your own trainer"]);
    bench.sweep(&["bench", "files/own.yaml", "--seconds", "0.1", "--rounds", "1"]).expect(0).says(&["gan"]);
    run(&bench).expect(0).says(&["nothing to train"]);
    assert_eq!(bench.trace().len(), 4);

    // The database is what the logs say.
    let held = || {
        [
            bench.query(
                "SELECT sweep, variant, job, alpha, norm, sizes, skip, seed, state, fid, wasserstein, \
                modes_covered, step, axes FROM results",
            ),
            bench.query("SELECT * FROM history ORDER BY job, metric, step, asked"),
            bench.query("SELECT * FROM parameters ORDER BY job, name"),
        ]
    };
    let (before, report) = (held(), bench.sweep(&["report", "own"]).expect(0).stdout);
    bench.sweep(&["rebuild"]).expect(0);
    before.iter().zip(&held()).for_each(|(before, after)| assert_same(before, after));
    assert_eq!(bench.sweep(&["report", "own"]).expect(0).stdout, report);
}

#[test]
fn a_job_that_dies_goes_on_from_what_it_left() {
    let bench = own("crash");
    run(&bench).expect(0);
    assert_eq!(results(&bench), WHOLE);
    let starts: Vec<Value> = bench.trace();
    let resumed = starts.iter().filter(|told| told["SWEEP_RESUME"] == "1").count();
    assert_eq!((starts.len(), resumed), (8, 4));
    assert_eq!(
        bench.query("SELECT DISTINCT message FROM attempts WHERE outcome = 'failed'"),
        ["exit code 3: a last word"]
    );

    let bench = own("always");
    let ended = run(&bench).expect(100);
    ended.says(&["attempts without progress; the last: exit code 4"]);
    assert_eq!(bench.states(), "done 2, failed 4");
}

#[test]
fn what_it_says_is_understood_or_complained_of() {
    let bench = own("diverge");
    run(&bench).expect(0);
    assert_eq!(bench.states(), "diverged 2, done 4");
    assert_eq!(bench.query("SELECT DISTINCT message, step FROM jobs WHERE state = 'diverged'"), ["the loss is NaN|4"]);

    for way in ["json", "plain"] {
        let bench = own(way);
        if way == "plain" {
            let scores = "{fid: {better: lower, pattern: 'FID ([0-9.]+)'}}\n  step_pattern: 'iteration ([0-9]+):'";
            change(&bench, "{fid: lower}", scores);
        }
        run(&bench).expect(0);
        assert_eq!(results(&bench), WHOLE, "{way}");
        assert_eq!(bench.query("SELECT count(*) FROM history WHERE metric = 'fid'"), ["40"], "{way}");
    }

    let bench = own("odd");
    run(&bench).expect(0).says(&[
        "`fdi` is not declared in `trainer.scores` (fid)",
        "in the line `sweep: step=1 fdi=3 fid=twelve frechet=1`",
        "`fid` is not a number: \"twelve\"",
        "sweep computes `frechet` itself",
    ]);
    assert_eq!(results(&bench), WHOLE);
    // What nobody has asked for is kept, and what sweep computes itself is not taken from others.
    assert_eq!(bench.query("SELECT DISTINCT metric, value FROM history WHERE metric IN ('fdi', 'frechet')"), ["fdi|3"]);

    for (fault, what) in [
        ("few", "samples.npy has 20 samples, but `score.samples` needs 200"),
        ("none left", "the trainer saved neither samples.npy nor"),
    ] {
        let bench = own(fault);
        run(&bench).expect(0).says(&[what]);
        assert_eq!(bench.query("SELECT count(fid), count(wasserstein) FROM results WHERE variant = 'mine'"), ["4|0"]);
    }
}

#[test]
fn samples_are_scored_when_it_says_so() {
    let bench = own("samples");
    run(&bench).expect(0);
    let sql = "SELECT step, count(*) FROM history WHERE metric = 'modes_covered' AND value = 8 GROUP BY step";
    assert_eq!(bench.query(sql), ["5|4", "10|4"]);

    // Who scores is long behind who trains: all that was said counts.
    let bench = own("lag");
    run(&bench).expect(0);
    assert_eq!(results(&bench), WHOLE);
    assert_eq!(bench.query("SELECT count(*) FROM history WHERE metric = 'wasserstein' AND variant = 'mine'"), ["20"]);
}

#[test]
fn a_trainer_behind_a_shell_hears_of_the_end() {
    let bench = own("hold");
    let shell = "[sh, -c, 'python3 counting_trainer.py \"$@\"; exit $?', --,";
    change(&bench, "[python3, counting_trainer.py,", shell);
    let go = bench.home().with_file_name("go");
    let bench = bench.with("GO", go.display());
    let steps = || -> Vec<String> {
        let jobs = fs::read_dir(bench.home().join("jobs")).into_iter().flatten().flatten();
        jobs.filter_map(|job| fs::read_to_string(job.path().join("step")).ok()).collect()
    };
    let mut child = bench.start(&["run", "files/own.yaml", "--no-report"]);
    wait("half of the steps", || !steps().is_empty());
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(steps(), ["6"], "a checkpoint of the step that it was at");
    fs::write(&go, "").unwrap();
    run(&bench).expect(0);
    assert_eq!(results(&bench), WHOLE);
}

#[test]
fn a_run_is_stopped_and_killed_and_goes_on() {
    let whole = own("none");
    run(&whole).expect(0);

    let bench = own("hold");
    let go = bench.home().with_file_name("go");
    let bench = bench.with("GO", go.display());
    // All that have started are, and what they said until then is known: what a trainer has said and nobody has read
    // dies with the reader.
    let is_half = || {
        let started: BTreeSet<String> = bench.trace().iter().map(|told| told["SWEEP_DIR"].to_string()).collect();
        let kept = started.iter().all(|folder| Path::new(folder.trim_matches('"')).join("step").exists());
        kept && bench.query("SELECT count(*) FROM history WHERE metric = 'fid' AND step = 5")
            == [started.len().to_string()]
    };
    for (starts, signal) in [(1, Signal::INT), (2, Signal::KILL)] {
        let mut child = bench.start(&["run", "files/own.yaml", "--no-report"]);
        wait("half of the steps", || bench.trace().len() >= starts && is_half());
        kill_process(Pid::from_child(&child), signal).unwrap();
        let code = child.wait().unwrap().code();
        assert_eq!(code, (signal == Signal::INT).then_some(130));
    }
    fs::write(&go, "").unwrap();
    run(&bench).expect(0);
    assert_eq!(results(&bench), WHOLE);
    assert!(bench.trace().iter().any(|told| told["SWEEP_RESUME"] == "1"));
    let history = "SELECT job, step, metric, value, asked, protocol FROM history ORDER BY job, metric, step";
    assert_same(&bench.query(history), &whole.query(history));
}

#[test]
fn more_scores_are_measured_of_what_was_left() {
    let bench = own("none");
    run(&bench).expect(0);
    change(&bench, "[wasserstein, modes_covered]", "[wasserstein, modes_covered, sliced_wasserstein]");
    bench.sweep(&["plan", "files/own.yaml"]).expect(0).says(&["6 finished jobs do not have"]);
    run(&bench).expect(0).says(&["6 scores of 6 jobs"]);
    assert_eq!(bench.query("SELECT count(sliced_wasserstein) FROM results"), ["6"]);
    bench.sweep(&["rescore", "own", "--metrics", "kid", "--samples", "100"]).expect(0);
    assert_eq!(bench.query("SELECT count(kid) FROM results"), ["6"]);
    assert_eq!(bench.trace().len(), 4, "nothing was trained again");

    // A score that was printed before anybody asked for it.
    let bench = own("odd");
    run(&bench).expect(0);
    change(&bench, "{fid: lower}", "{fid: lower, fdi: higher}");
    run(&bench).expect(0).says(&["nothing to train"]);
    assert_eq!(bench.query("SELECT DISTINCT fdi FROM results WHERE variant = 'mine'"), ["3"], "its last value");
}

#[test]
fn another_version_is_another_job_and_another_script_is_said() {
    let bench = own("none");
    run(&bench).expect(0);
    let script = folder(&bench).join("counting_trainer.py");
    fs::write(&script, fs::read_to_string(&script).unwrap() + "# changed\n").unwrap();
    for _ in 0..2 {
        run(&bench)
            .expect(0)
            .says(&["warning: counting_trainer.py changed since 4 jobs trained with it", "nothing to train"]);
    }
    // Another sweep has the same jobs.
    let file = folder(&bench).join("own.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(folder(&bench).join("other.yaml"), text.replace("sweep: own", "sweep: other")).unwrap();
    bench
        .sweep(&["run", "files/other.yaml", "--no-report"])
        .expect(0)
        .says(&["warning: counting_trainer.py changed since 4 jobs trained with it", "nothing to train"]);
    change(&bench, "steps: 10\nscore", "steps: 10\n  version: 2\nscore");
    bench.sweep(&["plan", "files/own.yaml"]).expect(0).says(&["trainer.version 1 → 2"]);
    let ended = run(&bench).expect(0);
    assert!(!ended.stderr.contains("warning: counting_trainer.py"), "{ended:#?}");
    assert_eq!(bench.trace().len(), 8);
}

#[test]
fn several_processes_share_a_slot() {
    let bench = own("crash");
    change(&bench, "  steps: 10\nscore", "  steps: 10\n  at_once: 4\nscore");
    run(&bench).expect(0);
    assert_eq!(results(&bench), WHOLE);
    assert_eq!(
        bench.query(
            "SELECT count(*) FROM cohorts AS c JOIN blueprints AS b ON b.id = c.blueprint WHERE b.objective = 'own'"
        ),
        ["1"]
    );
    assert_eq!(bench.trace().len(), 8);
}

#[test]
fn of_several_processes_one_is_cancelled_and_the_others_go_on() {
    let bench = own("hold");
    change(&bench, "  steps: 10\nscore", "  steps: 10\n  at_once: 4\nscore");
    let go = bench.home().with_file_name("go");
    let bench = bench.with("GO", go.display());
    let child = bench.start(&["run", "files/own.yaml", "--no-report"]);
    let step = |job: &Value| {
        let folder = job["SWEEP_DIR"].as_str().unwrap();
        fs::read_to_string(Path::new(folder).join("step")).unwrap_or_default()
    };
    wait("half of the steps", || bench.trace().len() == 4 && bench.trace().iter().all(|job| step(job) == "5"));
    let started = bench.trace();
    let cancelled = started[0]["SWEEP_JOB"].as_str().unwrap();
    bench.sweep(&["cancel", "--job", cancelled]).expect(0).says(&["1 job cancelled"]);
    wait("a checkpoint of the step that it was at", || step(&started[0]) == "6");
    assert!(started[1..].iter().all(|job| step(job) == "5"), "the others have heard of nothing");
    fs::write(&go, "").unwrap();
    Ended::from(child.wait_with_output().unwrap()).expect(0).says(&["5 done, 1 cancelled"]);

    assert_eq!(bench.trace().len(), 4, "nothing was started again");
    assert_eq!(bench.outcomes(), ["finished", "finished"], "of sweep's own cohort and of this");
    let rest = results(&bench).into_iter().filter(|row| !row.contains("cancelled")).collect::<Vec<_>>();
    assert!(rest.len() == 3 && rest.iter().all(|row| WHOLE.contains(&row.as_str())), "{rest:?}");
    assert_eq!(step(&started[0]), "6", "what it has left stays");
    let held = || {
        [
            bench.query("SELECT * FROM jobs ORDER BY id"),
            bench.query("SELECT * FROM attempts ORDER BY cohort, number"),
            bench.query("SELECT * FROM history ORDER BY job, metric, step, asked"),
        ]
    };
    let before = held();
    bench.sweep(&["rebuild"]).expect(0);
    before.iter().zip(&held()).for_each(|(before, after)| assert_same(before, after));
}

#[test]
fn what_cannot_be_started_is_said_before_anything_starts() {
    for (from, to, code, what) in [
        (
            "[python3,",
            "[pyhton3,",
            3,
            "`trainer.command` names the program pyhton3, which is not an executable file in PATH",
        ),
        (
            "[python3, counting_trainer.py,",
            "[./counting.py,",
            3,
            "the program ./counting.py, which is not an executable file in",
        ),
        ("\"${args}\"]", "\"${envvar:NOT_SET_ANYWHERE}\"]", 3, "export NOT_SET_ANYWHERE=…"),
        ("  command: [python3, counting_trainer.py, \"${args}\"]\n", "", 2, "`trainer.command` is not set"),
    ] {
        let bench = own("none");
        change(&bench, from, to);
        run(&bench).expect(code).says(&[what]);
        assert_eq!(bench.trace().len(), 0);
    }
}

#[test]
fn names_are_columns_whatever_they_are() {
    let bench = own("none");
    let text = "
sweep: names
trainer:
  command: [sh, -c, 'echo sweep: step=1 select=2 a.b-c=3 Größe=4 state=5 alpha=6', --, \"${args}\"]
  parameters: {order: word, state: 1.5, Alpha: true, data: x, samples: [1, two], k: 7}
  scores: {select: lower, a.b-c: higher, Größe: higher, state: lower, alpha: lower}
  steps: 1
variants:
  - {name: one, grid: {data: [x, y]}}
  - {name: two, trainer: {parameters: {order: 3, samples: 0.5}}, k: 8}
  - {name: three, trainer: {parameters: {k: 9}}}
";
    let bench = bench.file("names.yaml", text);
    bench.sweep(&["run", "names.yaml", "--no-report"]).expect(0);
    assert_eq!(bench.states(), "done 4");
    let sql = "SELECT variant, \"order\", state_parameter, alpha_parameter, data, samples, k, state, \"select\", \
        \"a.b-c\", \"Größe\", \
               state_score, alpha_score FROM results ORDER BY variant, 5";
    assert_eq!(
        bench.query(sql),
        [
            "one|word|1.5|1|x|[1,\"two\"]|7|done|2|3|4|5|6",
            "one|word|1.5|1|y|[1,\"two\"]|7|done|2|3|4|5|6",
            "three|word|1.5|1|x|[1,\"two\"]|9|done|2|3|4|5|6",
            "two|3|1.5|1|x|0.5|8|done|2|3|4|5|6",
        ]
    );
    let query = bench.sweep(&["query", "SELECT * FROM results", "--format", "csv"]).expect(0);
    let header = query.stdout.lines().next().unwrap().to_owned();
    let names: BTreeSet<String> = header.split(',').map(str::to_ascii_lowercase).collect();
    assert_eq!(names.len(), header.split(',').count(), "{header}");
}
