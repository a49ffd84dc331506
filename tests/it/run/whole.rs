//! Runs in which nothing goes wrong.

use std::collections::HashSet;

use super::bench::{Bench, NINE, OVERLAP};

#[test]
fn a_run_trains_everything_once_and_the_next_does_nothing() {
    let bench = Bench::new("none");
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.outcomes(), ["finished", "finished"]);
    let trace = bench.trace();
    let sizes: Vec<usize> = trace.iter().map(|order| order["jobs"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [6, 3], "the longest first, in one worker");
    assert_eq!(trace[0]["pid"], trace[1]["pid"]);
    assert_eq!(trace[0]["pid"], trace[0]["group"], "a process group of its own");
    let env = &trace[0]["env"];
    assert_eq!([&env["CUDA_VISIBLE_DEVICES"], &env["OMP_NUM_THREADS"], &env["MKL_NUM_THREADS"]], ["", "1", "1"]);
    let scores = bench.query("SELECT count(*), min(value), max(value) FROM scores");
    assert_eq!(scores, ["9|0.25|2.25"]);

    bench.run().expect(0).says(&["nothing to train"]);
    assert_eq!(bench.trace().len(), 2);
}

#[test]
fn identical_jobs_train_once_across_files() {
    let bench = Bench::new("none").file("overlap.yaml", OVERLAP);
    bench.sweep(&["run", "nine.yaml", "overlap.yaml", "--no-report"]).expect(0);
    assert_eq!(bench.states(), "done 12");
    let trace = bench.trace();
    let jobs: Vec<&str> =
        trace.iter().flat_map(|order| order["jobs"].as_array().unwrap()).flat_map(|job| job.as_str()).collect();
    assert_eq!(jobs.len(), 12);
    assert_eq!(jobs.iter().collect::<HashSet<_>>().len(), 12);
    let shared = bench.query("SELECT count(*) FROM (SELECT job FROM entries GROUP BY job HAVING count(*) = 2)");
    assert_eq!(shared, ["3"]);
}

#[test]
fn a_file_that_asks_for_more_trains_only_what_is_new() {
    let bench = Bench::new("none").file("overlap.yaml", OVERLAP);
    bench.run().expect(0);
    bench.sweep(&["run", "overlap.yaml", "--no-report"]).expect(0);
    let last = bench.trace().pop().unwrap();
    assert_eq!((bench.trace().len(), last["jobs"].as_array().unwrap().len()), (3, 3));
}

#[test]
fn slots_work_side_by_side() {
    let bench = Bench::new("none").with("STEP_SECONDS", 0.02).with("SWEEP_SLOTS", 2);
    bench.run().expect(0);
    let trace = bench.trace();
    assert_ne!(trace[0]["pid"], trace[1]["pid"]);
    let slots = bench.query("SELECT DISTINCT slot FROM attempts ORDER BY 1");
    assert_eq!(slots, ["cpu/0", "cpu/1"]);
}

#[test]
fn the_report_comes_at_the_end() {
    let bench = Bench::new("none");
    let ended = bench.sweep(&["run", "nine.yaml"]).expect(0);
    assert!(ended.stdout.contains("D2GAN") && ended.stdout.contains("wasserstein"), "{ended:#?}");
    let again = bench.sweep(&["run", "nine.yaml"]).expect(0);
    assert_eq!(again.stdout, ended.stdout, "also when there is nothing to do");
    assert_eq!(bench.sweep(&["run", "nine.yaml", "--no-report"]).expect(0).stdout, "");
}

#[test]
fn an_expectation_that_does_not_hold_is_101() {
    let bench = Bench::new("none");
    let text = format!("{NINE}expect:\n  - wasserstein(GAN, best) > 100\n");
    let bench = bench.file("nine.yaml", &text);
    bench.sweep(&["run", "nine.yaml"]).expect(101).says(&["wasserstein(GAN, best) > 100"]);
    bench
        .with("FAULT", "refuses")
        .file("more.yaml", &text.replace("seeds: 3", "seeds: 4"))
        .sweep(&["run", "more.yaml"])
        .expect(100);
}

#[test]
fn a_pipe_gets_plain_lines() {
    let ended = Bench::new("none").run().expect(0);
    ended.says(&["0/9 jobs", "9 jobs in ", ": 9 done", "sweep.db"]);
    assert!(!ended.stderr.contains('\u{1b}'), "{ended:#?}");
}

#[test]
fn where_the_database_is_lost_nothing_trains_again_and_a_rebuild_brings_it_back() {
    let bench = Bench::new("none");
    bench.run().expect(0);
    let orders = bench.trace().len();
    for empty in [false, true] {
        for name in ["sweep.db", "sweep.db-wal", "sweep.db-shm"] {
            let _ = std::fs::remove_file(bench.home().join(name));
        }
        if empty {
            std::fs::write(bench.home().join("sweep.db"), "").unwrap();
        }
        bench.sweep(&["report"]).expect(3).says(&["sweep rebuild"]);
        bench.run().expect(3).says(&["the database was lost", "attempt-1", "`sweep rebuild --home "]);
        bench.sweep(&["rebuild"]).expect(0);
        bench.run().expect(0).says(&["nothing to train"]);
        assert_eq!((bench.states().as_str(), bench.trace().len()), ("done 9", orders));
    }
}
