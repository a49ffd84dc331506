//! Stopping, dying, going on.

use std::process::Child;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::bench::{Bench, Ended, wait};

/// Slow enough to be met in the middle: 4 s a cohort.
fn slow() -> Bench {
    Bench::new("none").with("STEP_SECONDS", 0.2)
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn one_interrupt_checkpoints_and_the_next_run_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let bench = slow();
        let run = bench.start(&["run", "nine.yaml", "--no-report"]);
        bench.wait_for_orders(1);
        kill_process(pid(&run), signal).unwrap();
        let ended = Ended::from(run.wait_with_output().unwrap()).expect(code);
        ended.says(&["stopping: workers checkpoint (Ctrl-C again to kill)", "sweep run nine.yaml"]);
        assert_eq!(bench.states(), "pending 9");
        assert_eq!(bench.outcomes(), ["stopped"]);

        let bench = bench.with("STEP_SECONDS", 0);
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
    let bench = slow();
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
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let start = Instant::now();
    kill_process(pid(&run), Signal::INT).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    kill_process(pid(&run), Signal::INT).unwrap();
    Ended::from(run.wait_with_output().unwrap()).expect(130);
    assert!(start.elapsed().as_secs() < 8, "{:?}", start.elapsed());
    assert_eq!((bench.states().as_str(), bench.outcomes()), ("pending 9", vec!["died".to_owned()]));
}

#[test]
fn a_killed_orchestrator_takes_its_workers_along_and_leaves_nothing_behind() {
    let bench = slow();
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

    let bench = bench.with("STEP_SECONDS", 0);
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
    let bench = slow();
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
    bench.sweep(&["status", "--watch"]).expect(0).says(&["Nothing runs now", "cut off"]);
    bench.with("STEP_SECONDS", 0).run().expect(0);
}
