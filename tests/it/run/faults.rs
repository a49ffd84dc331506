//! Workers that do not do what they should.

use super::bench::{Bench, wait};

#[test]
fn a_dead_worker_is_replaced_and_its_cohort_goes_on_from_the_checkpoint() {
    let bench = Bench::new("dies_late").with("FAULT_TIMES", 1);
    bench.run().expect(0).says(&["killed by signal 9"]);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.outcomes().iter().filter(|outcome| *outcome == "died").count(), 2);
    let second = bench.trace().into_iter().find(|order| order["attempt"] == 2).unwrap();
    assert_eq!(second["first"], 10, "half of the 20 steps were done");
    let stderr = bench.query("SELECT stderr FROM attempts WHERE outcome = 'died'").remove(0);
    assert!(stderr.starts_with("order ") && stderr.ends_with("attempt 1: dies_late"), "{stderr}");
    assert!(bench.home().join("logs/worker-0.log").exists());
}

#[test]
fn three_attempts_without_progress_are_enough() {
    let bench = Bench::new("garbage");
    bench.run().expect(100).says(&["9 of 9 jobs failed", "not an event", "sweep show"]);
    assert_eq!(bench.states(), "failed 9");
    assert_eq!(bench.outcomes(), ["died"; 6]);
    assert_eq!(bench.query("SELECT DISTINCT message LIKE '3 attempts without progress; the last: %' FROM jobs"), ["1"]);

    bench.run().expect(100).says(&["9 jobs failed before", "sweep retry --failed"]);
    assert_eq!(bench.outcomes().len(), 6, "failed jobs are left alone");
    let bench = bench.with("FAULT", "none");
    bench.sweep(&["retry", "--failed"]).expect(0);
    bench.sweep(&["run", "nine.yaml", "--no-report"]).expect(0);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn a_retry_that_succeeds_stays_a_success_in_a_rebuilt_database() {
    let bench = Bench::new("refuses");
    bench.run().expect(100);
    let bench = bench.with("FAULT", "none");
    bench.sweep(&["retry", "--failed"]).expect(0);
    bench.sweep(&["run", "nine.yaml", "--no-report"]).expect(0);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn a_retry_whose_orchestrator_is_killed_goes_on_as_a_retry() {
    let bench = Bench::new("refuses");
    bench.run().expect(100);
    let bench = bench.with("FAULT", "hangs");
    let orders = bench.trace().len();
    bench.sweep(&["retry", "--failed"]).expect(0);
    let mut child = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(orders + 1);
    wait("a running job", || bench.states().contains("running"));
    child.kill().unwrap();
    child.wait().unwrap();
    let bench = bench.with("FAULT", "none");
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn retries_can_be_chosen() {
    let bench = Bench::new("fails");
    bench.sweep(&["run", "nine.yaml", "--no-report", "--retries", "0"]).expect(100).says(&["the matrix is singular"]);
    assert_eq!(bench.outcomes(), ["failed", "failed"]);
}

#[test]
fn workers_that_cannot_start_end_the_run() {
    let bench = Bench::new("dies").with("SWEEP_SLOTS", 2);
    let ended = bench.run().expect(3);
    ended.says(&["exit code 7", "order "]);
    assert_eq!(bench.states(), "pending 9", "no job is to blame");
}

#[test]
fn a_worker_that_is_not_there_is_an_error_of_the_environment() {
    let bench = Bench::new("none").with("SWEEP_WORKER", "/no/such/worker");
    bench.run().expect(3).says(&["/no/such/worker", "SWEEP_WORKER"]);
    assert_eq!(bench.states(), "pending 9");
    let bench = bench.with("SWEEP_WORKER", "worker.sh");
    bench.run().expect(3).says(&["worker.sh"]);
}

#[test]
fn exit_0_in_the_middle_is_a_death() {
    let bench = Bench::new("exits_0").with("FAULT_TIMES", 1);
    bench.run().expect(0).says(&["exit code 0"]);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn half_a_line_is_no_line() {
    let bench = Bench::new("tears").with("FAULT_TIMES", 2);
    bench.run().expect(0);
    assert_eq!((bench.states().as_str(), bench.outcomes().len()), ("done 9", 6));
}

#[test]
fn finished_without_its_jobs_is_not_believed() {
    let bench = Bench::new("forgets");
    bench.run().expect(100).says(&["reported nothing about"]);
    assert_eq!(bench.states(), "failed 9");
}

#[test]
fn a_silent_worker_is_killed() {
    // Ten seconds, since a worker on a busy machine needs some for its first word.
    let bench = Bench::new("hangs").with("FAULT_TIMES", 1);
    bench.sweep(&["run", "nine.yaml", "--no-report", "--silence-seconds", "10"]).expect(0).says(&["no sign of life"]);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn refused_is_final() {
    let bench = Bench::new("refuses");
    bench.run().expect(100).says(&["no such data set here"]);
    assert_eq!(bench.outcomes(), ["refused", "refused"]);
}

#[test]
fn out_of_memory_halves_cohorts() {
    let bench = Bench::new("out_of_memory").with("FITS", 2);
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    let sizes: Vec<usize> = bench.trace().iter().map(|order| order["jobs"].as_array().unwrap().len()).collect();
    assert_eq!(sizes.iter().filter(|size| **size <= 2).sum::<usize>(), 9, "{sizes:?}");
    assert!(sizes.len() <= 10, "the limit that one half has found holds for the other: {sizes:?}");
}

#[test]
fn a_diverged_job_is_a_result() {
    let bench = Bench::new("diverges");
    bench.run().expect(0).says(&["2 diverged"]);
    assert_eq!(bench.states(), "diverged 2, done 7");
    bench.run().expect(0).says(&["nothing to train"]);
}

#[test]
fn a_log_of_megabytes_is_read_to_its_end() {
    let bench = Bench::new("floods");
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    // 50,000 events and a few; of the last one nothing is missing.
    assert_eq!(bench.query("SELECT count(*) FROM attempts WHERE outcome = 'finished' AND log_events > 50000"), ["2"]);
    let rows = bench.query(
        "SELECT c.directory || '/attempt-' || a.number, a.log_offset FROM attempts AS a \
                            JOIN cohorts AS c ON c.id = a.cohort WHERE a.outcome = 'finished'",
    );
    for row in rows {
        let (attempt, offset) = row.split_once('|').unwrap();
        let log = std::fs::metadata(bench.home().join(attempt).join("events.jsonl")).unwrap();
        assert!(log.len() > 3 << 20);
        assert_eq!(log.len().to_string(), offset);
    }
    let before = bench.query("SELECT job, metric, step, value FROM scores ORDER BY 1, 2, 3");
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.query("SELECT job, metric, step, value FROM scores ORDER BY 1, 2, 3"), before);
}
