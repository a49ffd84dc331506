//! Stopping, dying, going on.

use std::io::{BufRead, BufReader};
use std::process::Child;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::bench::{Bench, Ended, wait};

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

#[test]
fn one_interrupt_checkpoints_and_the_next_run_goes_on() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
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
    std::thread::sleep(std::time::Duration::from_millis(300));
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
    bench.sweep(&["status", "--watch"]).expect(0).says(&["Nothing runs now", "cut off"]);
    bench.go();
    bench.run().expect(0);
}
