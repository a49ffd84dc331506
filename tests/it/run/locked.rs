//! Another program keeps the database locked.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::bench::{Bench, Ended, wait};

/// A process that holds the database's write lock until it is dropped.
struct Holder(Child);

impl Holder {
    fn of(bench: &Bench) -> Holder {
        let code = "import sqlite3, sys\n\
                    connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)\n\
                    connection.execute('BEGIN IMMEDIATE')\n\
                    print('held', flush=True)\n\
                    sys.stdin.read()\n";
        let mut command = Command::new("python3");
        command.args(["-c", code]).arg(bench.home().join("sweep.db"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        Holder(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How many attempts have logged that they have finished.
fn finished(bench: &Bench) -> usize {
    let cohorts = std::fs::read_dir(bench.home().join("runs")).into_iter().flatten().flatten();
    let logs = cohorts.filter_map(|cohort| std::fs::read_to_string(cohort.path().join("attempt-1/events.jsonl")).ok());
    logs.filter(|log| log.contains("\"finished\"") && log.ends_with('\n')).count()
}

#[test]
fn a_run_trains_on_while_the_database_is_locked_and_catches_up() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let holder = Holder::of(&bench);
    bench.go();
    // New cohorts start, too.
    wait("the end of training", || finished(&bench) == 2);
    let log = || std::fs::read_to_string(bench.home().join("logs/sweep.log")).unwrap();
    let word = format!("has been locked by process {} (python3) for", holder.pid());
    wait("a word of it", || log().contains(&word));
    assert!(!bench.states().contains("done 9"), "nothing could be written: {}", bench.states());
    drop(holder);
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["9 done", &word, "was released after"]);
    assert_eq!((bench.states().as_str(), bench.outcomes().len()), ("done 9", 2));
    assert_eq!(log().matches("has been locked by").count(), 1, "said once");
    let scores = "SELECT job, metric, step, value FROM scores ORDER BY 1, 2, 3";
    let before = bench.query(scores);
    assert_eq!(before.len(), 9);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!((bench.states().as_str(), bench.query(scores)), ("done 9", before));
}

#[test]
fn a_run_whose_last_words_find_the_database_locked_says_what_to_do() {
    // The database knows of all attempts, or of the first of two.
    for (file, cohorts, jobs) in [("one.yaml", 1, 3), ("nine.yaml", 2, 9)] {
        let next = ["run", file, "--no-report"];
        let one = "sweep: one\ndataset: gaussians\nobjective: gan\nseeds: 3\ntrain: {steps: 20}\nscore: \
            {metrics: [wasserstein]}\n";
        let bench = Bench::held().file("one.yaml", one);
        let mut run = bench.start(&["run", file, "--no-report"]);
        bench.wait_for_orders(1);
        let holder = Holder::of(&bench);
        bench.go();
        wait("the end of training", || finished(&bench) == cohorts);
        // It would wait for a minute; who is impatient need not.
        let pid = Pid::from_child(&run);
        while run.try_wait().unwrap().is_none() {
            let _ = kill_process(pid, Signal::TERM);
            std::thread::sleep(Duration::from_millis(300));
        }
        let ended = Ended::from(run.wait_with_output().unwrap()).expect(3);
        let (done, who) = (format!("{jobs} done"), format!("is locked by process {} (python3)", holder.pid()));
        ended.says(&[&done, &who, "Nothing is lost", &format!("`sweep {}", next.join(" "))]);
        drop(holder);
        bench.sweep(&next).expect(0);
        assert_eq!(bench.states(), format!("done {jobs}"));
        assert_eq!(bench.trace().len(), cohorts, "nothing is trained again");
    }
}

#[test]
fn a_run_waits_for_a_database_that_is_locked_from_the_start() {
    let bench = Bench::new("none");
    let short = "sweep: one\ndataset: gaussians\nobjective: gan\ntrain: {steps: 20}\nscore: {metrics: [wasserstein]}\n";
    let bench = bench.file("one.yaml", short);
    bench.sweep(&["run", "one.yaml", "--no-report"]).expect(0);
    let holder = Holder::of(&bench);
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    let log = || std::fs::read_to_string(bench.home().join("logs/sweep.log")).unwrap_or_default();
    let word = format!("is locked by process {} (python3): the run starts as soon as it is released", holder.pid());
    wait("a word of it", || log().contains(&word));
    drop(holder);
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["9 done", &word]);
    assert_eq!(bench.states(), "done 10");
}

#[test]
fn a_cancel_is_not_lost_in_a_lock() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let first = bench.trace()[0]["jobs"][0].as_str().unwrap().to_owned();
    let holder = Holder::of(&bench);
    bench.sweep(&["cancel", "--job", &first]).expect(0);
    let noted = std::fs::read_to_string(bench.home().join("decisions.jsonl")).unwrap();
    assert!(noted.contains(&first), "{noted}");
    bench.go();
    drop(holder);
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["8 done, 1 cancelled"]);
    assert_eq!(bench.states(), "cancelled 1, done 8");
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.states(), "cancelled 1, done 8");
}

#[test]
fn a_run_that_was_killed_in_the_lock_goes_on() {
    let bench = Bench::held();
    let mut run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let first = bench.trace()[0]["jobs"][0].as_str().unwrap().to_owned();
    let holder = Holder::of(&bench);
    // The rest of its cohort is a new attempt, or the other cohort is begun.
    bench.sweep(&["cancel", "--job", &first]).expect(0);
    bench.wait_for_orders(2);
    run.kill().unwrap();
    run.wait().unwrap();
    drop(holder);
    bench.go();
    bench.run().expect(0).says(&["of an earlier run and now has them"]);
    assert_eq!(bench.states(), "cancelled 1, done 8");
    bench.run().expect(0).says(&["nothing to train"]);
    // All that a rebuild finds.
    let tables = [
        "SELECT id, state, step, message FROM jobs ORDER BY 1",
        "SELECT job, metric, step, value FROM scores ORDER BY 1, 2, 3",
        "SELECT cohort, number, slot, started_at, outcome, log_events FROM attempts ORDER BY 1, 2",
        "SELECT cohort, position, job, gone FROM members ORDER BY 1, 2",
    ];
    let before = tables.map(|sql| bench.query(sql));
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(tables.map(|sql| bench.query(sql)), before);
}
