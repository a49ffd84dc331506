//! What is damaged or cut off stops nothing, and the database can be had again as it was.

use std::fs::{self, OpenOptions};
use std::io::Write;

use super::bench::{Bench, Ended, OVERLAP, wait};

#[test]
fn an_event_that_makes_no_sense_ends_its_attempt() {
    let bench = Bench::new("strays").with("FAULT_TIMES", 1);
    bench.run().expect(0).says(&["must be inside the cohort's directory"]);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.outcomes().iter().filter(|outcome| *outcome == "died").count(), 2);
    assert_eq!(bench.query("SELECT count(*) FROM samples"), ["0"]);
    bench.sweep(&["rebuild"]).expect(0).says(&["must be inside the cohort's directory"]);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.query("SELECT count(*) FROM samples"), ["0"]);
}

#[test]
fn a_lost_line_and_a_damaged_end_stop_neither_the_next_run_nor_a_rebuild() {
    let bench = Bench::new("hangs");
    let mut child = bench.start(&["run", "nine.yaml", "--no-report"]);
    // The database has its tables by then.
    bench.wait_for_orders(1);
    wait("a running job", || bench.states().contains("running"));
    child.kill().unwrap();
    child.wait().unwrap();
    let attempt =
        bench.query("SELECT c.directory || '/attempt-1' FROM attempts AS a JOIN cohorts AS c ON c.id = a.cohort");
    let attempt = bench.home().join(&attempt[0]);
    let mut log = OpenOptions::new().append(true).open(attempt.join("events.jsonl")).unwrap();
    log.write_all(b"{\"seq\": 5, \"at\": 1.0, \"event\": {\"checkpointed\": {\"step\": 10}}}\n").unwrap();
    fs::write(attempt.join("end.json"), "{").unwrap();
    let bench = bench.with("FAULT", "none");
    bench.run().expect(0).says(&["event 5 where 1 was expected", "end.json: not the end of an attempt"]);
    assert_eq!(bench.states(), "done 9");
    fs::write(attempt.join("end.json"), "{").unwrap();
    bench.sweep(&["rebuild"]).expect(0).says(&["event 5 where 1 was expected", "end.json: not the end of an attempt"]);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn a_database_is_rebuilt_as_it_was() {
    let bench = Bench::new("out_of_memory").with("FITS", 2).with("SWEEP_SLOTS", 2).file("overlap.yaml", OVERLAP);
    bench.run().expect(0);
    let bench = bench.with("FAULT", "refuses").with("FAULT_TIMES", 1);
    bench.sweep(&["run", "overlap.yaml", "--no-report"]).expect(100);
    let bench = bench.with("FAULT", "dies_late").with("FAULT_TIMES", 2);
    bench.sweep(&["retry", "--failed"]).expect(0);
    bench.sweep(&["run", "overlap.yaml", "--no-report"]).expect(0);
    let tables = || {
        [
            bench.query("SELECT * FROM attempts ORDER BY cohort, number"),
            bench.query("SELECT * FROM cohorts ORDER BY ordinal"),
            bench.query("SELECT * FROM members ORDER BY cohort, position"),
            bench.query("SELECT * FROM jobs ORDER BY id"),
            bench.query("SELECT * FROM scores ORDER BY job, metric, step"),
            bench.query("SELECT * FROM results"),
            bench.query("SELECT * FROM home"),
        ]
    };
    let before = tables();
    assert!(before.iter().all(|rows| !rows.is_empty()));
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(tables(), before);
}

#[test]
fn a_database_stays_with_its_home() {
    let bench = Bench::new("none");
    bench.run().expect(0);
    for args in [&["run", "nine.yaml", "--no-report"][..], &["rebuild"], &["rescore"]] {
        let other = bench.home().with_file_name("other");
        fs::create_dir_all(other.join("sweeps")).unwrap();
        // Runs of its own, which the database does not know, are no reason to advise a rebuild.
        fs::create_dir_all(other.join("runs/a/attempt-1")).unwrap();
        fs::write(other.join("runs/a/attempt-1/order.json"), "{}").unwrap();
        let mut command = bench.command(args);
        command.env("SWEEP_HOME", &other).env("SWEEP_DB", bench.home().join("sweep.db"));
        let ended = Ended::from(command.output().unwrap()).expect(3);
        ended.says(&["has the runs of", &bench.home().display().to_string()]);
    }
    assert_eq!(bench.states(), "done 9");
    // A home that was moved with its database goes on.
    fs::rename(bench.home(), bench.home().with_file_name("moved")).unwrap();
    let home = bench.home().with_file_name("moved");
    let bench = bench.with("SWEEP_HOME", home.display());
    bench.run().expect(0).says(&["the runs of this database were in", "nothing to train"]);
    let again = bench.run().expect(0);
    assert!(!again.stderr.contains("the runs of this database were in"), "once: {again:#?}");
}

#[test]
fn what_a_worker_warns_of_is_shown_with_its_job() {
    let bench = Bench::new("warns");
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    let job = bench.query("SELECT id FROM jobs LIMIT 1").remove(0);
    let shown = bench.sweep(&["show", &job]).expect(0);
    shown.says(&["attempt 1: the checkpoint is", "damaged"]);
    assert!(!shown.stdout.contains('\u{1b}'), "{shown:#?}");
    let before = bench.query("SELECT DISTINCT warnings FROM attempts");
    assert_eq!(before.len(), 1);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.query("SELECT DISTINCT warnings FROM attempts"), before);
}
