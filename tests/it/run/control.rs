//! What users ask of runs, and where runs end by themselves.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::bench::{Bench, Ended, NINE, root, wait};

#[test]
fn a_pause_frees_the_slots_and_a_resume_goes_on() {
    let bench = Bench::held();
    bench.sweep(&["pause"]).expect(3).says(&["no run is at work", "--home"]);
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let worker = bench.trace()[0]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32)).unwrap();
    bench.sweep(&["pause"]).expect(0).says(&["paused", "sweep resume"]);
    wait("the worker's end", || test_kill_process(worker).is_err());
    wait("the jobs' rest", || bench.states() == "pending 9");
    bench.sweep(&["status"]).expect(0).says(&["The run is paused; `sweep resume --home ", "` continues it."]);
    assert!(bench.sweep(&["status", "--json"]).stdout.contains("\"paused\": true"));
    bench.go();
    bench.sweep(&["resume"]).expect(0);
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    assert_eq!(bench.states(), "done 9");
    assert_eq!(bench.outcomes(), ["stopped", "finished", "finished"]);
    assert!(!bench.home().join("paused").exists() && !bench.home().join("requests").exists());
}

#[test]
fn a_cancelled_job_is_trained_no_more_until_it_is_taken_back() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let first = bench.trace()[0]["jobs"][0].as_str().unwrap().to_owned();
    bench.sweep(&["cancel"]).expect(2);
    bench.sweep(&["cancel", "--job", &first]).expect(0).says(&["1 job cancelled", "sweep retry --cancelled"]);
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0).says(&["8 done, 1 cancelled"]);
    assert_eq!(bench.states(), "cancelled 1, done 8");
    let orders = bench.trace();
    let again = orders.iter().skip(1).find(|order| order["cohort"] == orders[0]["cohort"]).unwrap();
    assert!(again["first"].as_u64().unwrap() > 0, "the others go on from the checkpoint");

    bench.run().expect(0).says(&["nothing to train", "1 job was cancelled before; after `sweep retry --cancelled "]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.states(), "cancelled 1, done 8");
    bench.sweep(&["cancel", "nine"]).expect(2).says(&["nothing to cancel: 1 job is cancelled, 8 jobs are done"]);
    bench.sweep(&["retry", "--failed"]).expect(2).says(&["nothing to retry: 1 job is cancelled, 8 jobs are done"]);
    bench.sweep(&["retry", "--cancelled"]).expect(0).says(&["1 job waits again", "nine.yaml"]);
    assert_eq!(bench.states(), "done 8, pending 1");
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn a_cohort_that_was_cancelled_as_a_whole_is_taken_back() {
    let bench = Bench::held();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    bench.sweep(&["cancel", "nine"]).expect(0).says(&["9 jobs cancelled"]);
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    bench.sweep(&["retry", "--cancelled"]).expect(0).says(&["9 jobs wait again"]);
    bench.go();
    bench.run().expect(0).says(&["9 done"]);
    assert_eq!(bench.states(), "done 9");
    bench.run().expect(0).says(&["nothing to train"]);
    bench.sweep(&["rebuild"]).expect(0);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn what_another_run_is_not_about_is_cancelled_too() {
    let bench = Bench::held().file("other.yaml", &NINE.replace("nine", "other").replace("seeds: 3", "seeds: [7]"));
    bench.sweep(&["run", "other.yaml", "--no-report", "--run-time", "0.3s"]).expect(100);
    let orders = bench.trace().len();
    let run = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(orders + 1);
    bench.sweep(&["cancel", "other"]).expect(0).says(&["3 jobs cancelled"]);
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    assert_eq!(bench.states(), "cancelled 3, done 9");
}

#[test]
fn jobs_are_cancelled_while_nothing_runs() {
    let bench = Bench::new("refuses");
    bench.run().expect(100).says(&["no such data set here", "sweep retry --failed"]);
    bench.sweep(&["report"]).expect(0).says(&["Failed jobs by cause", "no such data set here"]);
    bench.sweep(&["retry", "--failed"]).expect(0).says(&["9 jobs wait again"]);
    bench.sweep(&["cancel", "nine"]).expect(0).says(&["9 jobs cancelled"]);
    assert_eq!(bench.states(), "cancelled 9");
}

#[test]
fn a_run_and_its_jobs_have_their_time() {
    let bench = Bench::held();
    let ended = bench.sweep(&["run", "nine.yaml", "--no-report", "--run-time", "1s"]).expect(100);
    ended.says(&["the time limit of the run has passed", "continue with: sweep run nine.yaml"]);
    assert_eq!(bench.states(), "pending 9");
    let limited = format!("{NINE}run: {{job_time: 0.3s, retries: 0}}\n");
    let bench = bench.file("limited.yaml", &limited.replace("nine", "limited"));
    bench.sweep(&["run", "limited.yaml", "--no-report"]).expect(100).says(&["time limit of 0.3 s for a job"]);
    assert_eq!(bench.states(), "failed 9");
}

#[test]
fn too_many_failures_end_a_run() {
    let bench = Bench::new("refuses");
    bench
        .sweep(&["run", "nine.yaml", "--no-report", "--max-failures", "1"])
        .expect(100)
        .says(&["too many jobs have failed", "no such data set here"]);
    assert_eq!(bench.states(), "failed 6, pending 3");
}

#[test]
fn a_run_can_wait_for_another() {
    let bench = Bench::held();
    let first = bench.start(&["run", "nine.yaml", "--no-report"]);
    bench.wait_for_orders(1);
    let mut second = bench.start(&["run", "nine.yaml", "--no-report", "--wait"]);
    let mut stderr = BufReader::new(second.stderr.take().unwrap());
    let waiting = format!("waiting for process {}", first.id());
    assert!(stderr.by_ref().lines().any(|line| line.unwrap().contains(&waiting)));
    bench.go();
    Ended::from(first.wait_with_output().unwrap()).expect(0);
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let second = second.wait_with_output().unwrap();
    said += &String::from_utf8(second.stdout).unwrap();
    assert!(second.status.success() && said.contains("nothing to train"), "{said}");
}

#[test]
fn a_terminal_that_goes_away_is_a_stop() {
    let bench = Bench::held();
    // Whatever the tests themselves run under.
    let mut run = by(&bench, "env", &["--default-signal=HUP".as_ref()]);
    let run = run.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bench.wait_for_orders(1);
    kill_process(Pid::from_child(&run), Signal::HUP).unwrap();
    Ended::from(run.wait_with_output().unwrap()).expect(129);
    assert_eq!((bench.states().as_str(), bench.outcomes()), ("pending 9", vec!["stopped".to_owned()]));
}

/// The command line behind another program.
fn by(bench: &Bench, program: impl AsRef<OsStr>, args: &[&OsStr]) -> Command {
    let run = bench.command(&["run", "nine.yaml", "--no-report"]);
    let mut command = Command::new(program);
    command.args(args).arg(run.get_program()).args(run.get_args());
    command.current_dir(run.get_current_dir().unwrap()).stdin(Stdio::null());
    for (name, value) in run.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn on_a_terminal_that_goes_away_workers_checkpoint() {
    let bench = Bench::held();
    let trace = bench.home().with_file_name("trace");
    let ended = by(&bench, root().join("tests/fixtures/on_terminal.py"), &[trace.as_os_str()]).output().unwrap();
    assert_eq!(Ended::from(ended).expect(0).stdout, "129\n");
    assert_eq!((bench.states().as_str(), bench.outcomes()), ("pending 9", vec!["stopped".to_owned()]));
}

#[test]
fn nohup_holds() {
    let bench = Bench::held();
    let run = by(&bench, "nohup", &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bench.wait_for_orders(1);
    kill_process(Pid::from_child(&run), Signal::HUP).unwrap();
    bench.go();
    Ended::from(run.wait_with_output().unwrap()).expect(0);
    assert_eq!(bench.states(), "done 9");
}

#[test]
fn a_full_disk_ends_the_run_and_fails_no_job() {
    let bench = Bench::new("no_space");
    bench.run().expect(3).says(&["No space left on device", "free some space", "sweep run nine.yaml"]);
    assert_eq!(bench.states(), "pending 9");
    bench.with("FAULT", "none").run().expect(0);
}

#[test]
fn what_must_not_be_written_ends_the_run_and_fails_no_job() {
    let bench = Bench::new("denied");
    bench.run().expect(3).says(&["PermissionError: [Errno 13] Permission denied: 'generator.npy'", "make it writable"]);
    assert_eq!(bench.states(), "pending 9");
    bench.with("FAULT", "none").run().expect(0);
}

#[test]
fn no_memory_of_the_host_halves_cohorts_too() {
    let bench = Bench::new("no_memory").with("FITS", 2);
    bench.run().expect(0);
    assert_eq!(bench.states(), "done 9");
    assert!(bench.outcomes().contains(&"out_of_memory".to_owned()));
}

#[test]
fn what_workers_leave_behind_ends_with_them() {
    let bench = Bench::new("leaves").with("FAULT_TIMES", 1);
    bench.run().expect(0);
    let left = std::fs::read_to_string(bench.home().with_file_name("trace-left")).unwrap();
    assert_eq!(left.lines().count(), 2);
    for pid in left.lines() {
        assert!(!std::path::Path::new("/proc").join(pid).join("exe").exists(), "process {pid} is left");
    }
}
