//! Stopping, dying, going on.

use std::fs::DirEntry;
use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use super::bench::{Bench, Ended, NINE, wait};

pub(super) fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn one_interrupt_checkpoints_and_the_next_run_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::USR1, 138), (Signal::USR2, 140)] {
        let bench = Bench::held();
        let run = bench.start(&["run", "nine.yaml", "--no-report"]);
        bench.wait_for_orders(1);
        kill_process(pid(&run), signal).unwrap();
        let ended = Ended::from(run.wait_with_output().unwrap()).expect(code);
        ended.says(&["stopping: workers checkpoint (Ctrl-C again to kill)", "sweep run nine.yaml"]);
        assert_eq!(bench.states(), "pending 9");
        assert_eq!(bench.outcomes(), ["stopped"]);

        bench.go();
        bench.run().expect(0);
        assert_eq!(bench.states(), "done 9");
        let trace = bench.trace();
        let again = trace.iter().skip(1).find(|order| order["cohort"] == trace[0]["cohort"]).unwrap();
        assert!(again["first"].as_u64().unwrap() > 0, "from the checkpoint");
        assert_eq!(again["jobs"], trace[0]["jobs"], "in the same composition");
    }
}

/// As `timeout` sends them, to a process and to its group: nobody has asked twice.
#[test]
fn signals_that_come_together_are_one() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    // Of one kind they would be one to the kernel.
    for signal in [Signal::TERM, Signal::INT] {
        kill_process(pid(&run), signal).unwrap();
    }
    let output = run.wait_with_output().unwrap();
    assert!([Some(130), Some(143)].contains(&output.status.code()), "{output:?}");
    assert_eq!((bench.states().as_str(), bench.outcomes()), ("pending 9", vec!["stopped".to_owned()]));
}

#[test]
fn the_second_interrupt_kills() {
    let bench = Bench::new("hangs");
    let mut run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let start = Instant::now();
    kill_process(pid(&run), Signal::INT).unwrap();
    let mut said = BufReader::new(run.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("Ctrl-C again to kill")));
    // Two at once are one: `timeout` sends them so.
    std::thread::sleep(Duration::from_millis(300));
    kill_process(pid(&run), Signal::INT).unwrap();
    Ended::from(run.wait_with_output().unwrap()).expect(130);
    // A worker that is deaf would be killed after a minute anyway.
    assert!(start.elapsed().as_secs() < 50, "{:?}", start.elapsed());
    assert_eq!((bench.states().as_str(), bench.outcomes()), ("pending 9", vec!["died".to_owned()]));
}

#[test]
fn a_killed_orchestrator_takes_its_workers_along_and_leaves_nothing_behind() {
    let bench = Bench::held();
    let mut run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let worker = bench.trace()[0]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
    // Past the checkpoint at half of the steps, before the end.
    let log = || {
        std::fs::read_dir(bench.home().join("runs"))
            .unwrap()
            .flatten()
            .any(|cohort| cohort.path().join("step").exists())
    };
    wait("a checkpoint", log);
    run.kill().unwrap();
    run.wait().unwrap();
    wait("the worker's death", || test_kill_process(worker).is_err());

    bench.go();
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    let trace = bench.trace();
    let again = trace.iter().skip(1).find(|order| order["cohort"] == trace[0]["cohort"]).unwrap();
    assert_eq!(again["first"], 10, "from the checkpoint");
    assert_eq!(again["jobs"], trace[0]["jobs"], "in the same composition");
    assert_eq!(bench.outcomes()[0], "died");
}

#[test]
fn one_run_a_home() {
    let bench = Bench::held();
    let mut first = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    bench.run().expect(3).says(&["another `sweep run`", &first.id().to_string()]);
    let database = bench.home().join("sweep.db").display().to_string();
    bench
        .sweep(&["run", "nine.yaml", "--home", "other", "--db", &database])
        .expect(3)
        .says(&["sweep.db", &first.id().to_string()]);
    first.kill().unwrap();
    first.wait().unwrap();
    // It ends, although the database knows of running jobs.
    bench.sweep(&["status", "--watch"]).expect(0).says(&["Nothing runs now", "stopped when their run was killed"]);
    bench.go();
    bench.run().expect(0);
}

/// Jobs of many steps, by the program's own worker: it is the end of the test that ends them.
fn endless() -> Bench {
    Bench::real().file("nine.yaml", &NINE.replace("steps: 20", "steps: 100000000"))
}

/// What all logs of attempts with this number say.
pub(super) fn logs(bench: &Bench, number: u32) -> String {
    let cohorts = std::fs::read_dir(bench.home().join("runs")).into_iter().flatten().flatten();
    let log = |cohort: DirEntry| cohort.path().join(format!("attempt-{number}/events.jsonl"));
    cohorts.filter_map(|cohort| std::fs::read_to_string(log(cohort)).ok()).collect()
}

/// The process of the first attempt with this number, once it trains.
pub(super) fn worker(bench: &Bench, number: u32) -> Pid {
    wait("a worker at work", || logs(bench, number).contains("\"progress\""));
    let events = logs(bench, number);
    let mut events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let pid = events.find_map(|line| line["event"]["started"]["pid"].as_i64()).unwrap();
    Pid::from_raw(pid as i32).unwrap()
}

/// Whether a process stands still.
pub(super) fn is_stopped(pid: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tT"))
}

#[test]
fn a_worker_that_a_batch_system_warns_checkpoints_and_is_replaced() {
    for signal in [Signal::USR1, Signal::USR2] {
        let bench = endless();
        let run = bench.start(&["run", "nine.yaml", "--no-report"]);
        let first = worker(&bench, 1);
        kill_process(first, signal).unwrap();
        assert_ne!(worker(&bench, 2), first);
        kill_process(pid(&run), signal).unwrap();
        Ended::from(run.wait_with_output().unwrap()).expect(128 + signal.as_raw());
        assert_eq!(bench.outcomes(), ["stopped", "stopped"]);
        assert_eq!(bench.states(), "pending 9");
    }
}

#[test]
fn a_machine_that_was_frozen_for_longer_than_the_silence_goes_on() {
    let bench = endless();
    let run = bench.start(&["run", "nine.yaml", "--no-report", "--silence-seconds", "5"]);
    let worker = worker(&bench, 1);
    let steps = || logs(&bench, 1).matches("\"progress\"").count();
    for process in [pid(&run), worker] {
        kill_process(process, Signal::STOP).unwrap();
    }
    wait("the frost", || is_stopped(pid(&run)) && is_stopped(worker));
    std::thread::sleep(Duration::from_secs(7));
    let before = steps();
    kill_process(pid(&run), Signal::CONT).unwrap();
    // It has time to do something rash.
    std::thread::sleep(Duration::from_secs(1));
    kill_process(worker, Signal::CONT).unwrap();
    wait("the thaw", || steps() > before + 4);
    kill_process(pid(&run), Signal::TERM).unwrap();
    Ended::from(run.wait_with_output().unwrap()).expect(143);
    assert_eq!(bench.outcomes(), ["stopped"]);
}

#[test]
fn a_suspended_run_suspends_its_workers_and_both_go_on() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let worker = bench.trace()[0]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
    // What a Ctrl-Z and `fg` send.
    kill_process(pid(&run), Signal::TSTP).unwrap();
    wait("both to stand still", || is_stopped(pid(&run)) && is_stopped(worker));
    kill_process(pid(&run), Signal::CONT).unwrap();
    wait("both to go on", || !is_stopped(pid(&run)) && !is_stopped(worker));
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    assert_eq!((bench.states().as_str(), bench.outcomes().len()), ("done 9", 2));
}
