//! What happened to one job.

use std::fs;
use std::process::Stdio;

use super::bench::{Bench, Ended};

#[test]
fn a_job_is_followed_to_its_end_and_told_of_again() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let job = bench.trace()[0]["jobs"][0].as_str().unwrap().to_owned();
    let follow = bench.command(&["logs", &job[..10], "--follow"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    let followed = Ended::from(follow.unwrap().wait_with_output().unwrap()).expect(0);
    let after = bench.sweep(&["logs", &job]).expect(0);
    assert_eq!(followed.stdout, after.stdout);
    let lines: Vec<&str> = after.stdout.lines().collect();
    assert!(lines[0].starts_with("+00:00:00.0  attempt 1 of cohort ") && lines[0].contains(" others"), "{lines:?}");
    assert!(lines[1].contains("started on "), "{lines:?}");
    let last = lines.last().unwrap();
    assert!(last.contains("done: 20 steps") && !after.stdout.contains("failed"), "{last}");
    bench.sweep(&["logs", "0000000000"]).expect(2);
}

#[test]
fn what_a_worker_could_not_say_is_told_too() {
    let bench = Bench::real();
    bench.run().expect(0);
    let job = bench.query("SELECT id FROM jobs ORDER BY id")[0].clone();
    let place = bench.query(
        "SELECT c.directory FROM cohorts AS c JOIN members AS m ON m.cohort = c.id JOIN jobs AS j \
        ON j.id = m.job ORDER BY j.id",
    );
    let log = bench.home().join(&place[0]).join("attempt-1/events.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    let cut = text.find("\"job_done\"").unwrap();
    fs::write(&log, &text[..cut]).unwrap();
    let said = bench.sweep(&["logs", &job]).expect(0).stdout;
    // As the database has it, where the log ends before.
    assert!(said.contains("scored at step 20: wasserstein ") && said.trim_end().ends_with("finished"), "{said}");
}
