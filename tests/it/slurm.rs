//! Runs on agents that a real Slurm starts: one on this machine alone, which each test starts for itself.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::bench::{Bench, Ended, NINE, assert_same, root, wait, wait_long};
use crate::run::elsewhere::{Elsewhere, content, end, kill};

/// A Slurm with four nodes of one core, which ends when this is dropped.
struct Slurm {
    folder: tempfile::TempDir,
}

impl Slurm {
    /// None, and a word of it, where it cannot be had; an error where everything must be tried.
    fn start() -> Option<Slurm> {
        let slurm = Slurm { folder: tempfile::tempdir().unwrap() };
        let started = slurm.script(&["start"]);
        if started.code == Some(0) {
            return Some(slurm);
        }
        assert!(std::env::var_os("CI").is_none(), "{started:#?}");
        println!("skipped: there is no Slurm here: {}", started.stderr.trim());
        None
    }

    /// scripts/slurm-local does this.
    fn script(&self, args: &[&str]) -> Ended {
        let mut command = Command::new(root().join("scripts/slurm-local"));
        command.args(args).arg(self.home()).stdin(Stdio::null());
        Ended::from(command.output().unwrap())
    }

    fn home(&self) -> std::path::PathBuf {
        self.folder.path().join("slurm")
    }

    fn conf(&self) -> String {
        self.home().join("slurm.conf").display().to_string()
    }

    /// What a command of Slurm prints.
    #[track_caller]
    fn ask(&self, program: &str, args: &[&str]) -> String {
        let output = Command::new(program).args(args).env("SLURM_CONF", self.conf()).output().unwrap();
        Ended::from(output).expect(0).stdout
    }

    /// The jobs that are waiting or at work, one a line.
    fn queue(&self) -> String {
        self.ask("squeue", &["--noheader", "--array", "--format=%i %T"])
    }

    fn bench(&self, bench: Bench, text: &str) -> Elsewhere {
        Elsewhere::new(bench.with("SLURM_CONF", self.conf()).file("nine.yaml", text))
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        self.script(&["stop"]);
    }
}

const ON: [&str; 9] =
    ["run", "nine.yaml", "--no-report", "--on", "slurm", "--backoff", "0.01", "--checkpoint-seconds", "1"];

fn with_slurm(text: &str, keys: &str) -> String {
    format!("{text}run: {{slurm: {{{keys}}}}}\n")
}

fn start(bench: &Elsewhere) -> Child {
    bench.start(&ON)
}

/// What Slurm calls an agent that has a worker, and its number, once there is one beside these.
#[track_caller]
fn busy_agent(bench: &Elsewhere, others: &[String]) -> (usize, String) {
    let find = || {
        (0..4).find_map(|number| {
            let state = bench.state_of(number);
            let job = state["hello"]["job"].as_str()?.to_owned();
            let works = state["workers"][0]["taken"].as_u64()? > 0 && state["workers"][0]["exit"].is_null();
            let is_there = state["gone"] == false && state["leaving"].is_null();
            (works && is_there && !others.contains(&job)).then_some((number, job))
        })
    };
    wait_long("an agent at work", 60, || find().is_some());
    find().unwrap()
}

#[test]
fn whatever_befalls_agents_of_slurm_the_scores_are_those_of_a_run_here() {
    let Some(slurm) = Slurm::start() else { return };
    let text = NINE.replace("steps: 20", "steps: 30000").replace("samples: 100", "every: 10000, samples: 100");
    let here = Bench::real().with("SWEEP_SLOTS", 2).file("nine.yaml", &text);
    here.sweep(&["run", "nine.yaml", "--no-report"]).expect(0);

    // Slurm counts time in minutes, and warns half a minute early: these have some 30 seconds each.
    let bench = slurm.bench(Bench::real(), &with_slurm(&text, "agents: 4, time: 1m, idle: 20s"));
    let begun = Instant::now();
    let mut run = start(&bench);
    let mut hit = Vec::new();
    // One is cancelled,
    let (first, job) = busy_agent(&bench, &hit);
    slurm.ask("scancel", &[&job]);
    hit.push(job);
    // one queued again,
    let (_, job) = busy_agent(&bench, &hit);
    slurm.ask("scontrol", &["requeue", &job]);
    hit.push(job);
    // the controller is away for a moment,
    let ended = slurm.script(&["restart-controller"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    // the orchestrator dies,
    busy_agent(&bench, &hit);
    kill(run);
    run = start(&bench);
    // and a node is taken down, with what is on it.
    let (_, job) = busy_agent(&bench, &hit);
    let node = slurm.ask("squeue", &["--noheader", "--format=%N", "--jobs", &job]).trim().to_owned();
    slurm.ask("scontrol", &["update", &format!("nodename={node}"), "state=down", "reason=test"]);
    std::thread::sleep(Duration::from_secs(2));
    slurm.ask("scontrol", &["update", &format!("nodename={node}"), "state=resume"]);

    // The time of another is over before it is done.
    let is_warned = |number: usize| {
        let state = bench.state_of(number);
        let why = state["leaving"].as_str().unwrap_or_default();
        state["gone"] == false && (why.contains("time is over") || why.contains("(signal 10)"))
    };
    bench.hold_until("the end of an agent's time", 120, || (0..4).any(is_warned));

    end(run, 240).expect(0);
    println!("{} s; the queue: {}", begun.elapsed().as_secs(), slurm.queue());
    let [found, expected] = [bench.content(), content(&here)];
    found.iter().zip(&expected).for_each(|(found, expected)| assert_same(found, expected));
    let log = bench.log_of(first);
    assert!(log.contains("ends: its agent was told to end (signal 15)"), "{log}");
    let all: String = (0..4).map(|number| bench.log_of(number)).collect();
    println!("{all}\n{}", std::fs::read_to_string(bench.home().join("logs/sweep.log")).unwrap());
    assert!(all.contains("ends: its time is over") || all.contains("(signal 10)"), "{all}");
    // One that was queued again comes, finds that there is another of its number, and goes.
    wait_long("the end of all jobs", 90, || slurm.queue().is_empty());
    bench.expect_nothing_left();
}

#[test]
fn what_is_shown_is_what_slurm_takes_and_what_it_does_not_take_is_said() {
    let Some(slurm) = Slurm::start() else { return };
    let keys = "agents: 3, time: 90m, gpus: 1, cpus: 1, memory: 500M, sbatch: [--partition=main, --comment=test]";
    let bench = slurm.bench(Bench::new("none"), &with_slurm(NINE, keys));
    for more in [&[][..], &["--detach"]] {
        let args = ["run", "nine.yaml", "--on", "slurm", "--dry-run"];
        let shown = bench.sweep(&[&args[..], more].concat()).expect(0);
        shown.says(&["sbatch: Job ", " to start at "]);
        let scripts: Vec<&str> = shown.stdout.split("#!/bin/sh\n").skip(1).collect();
        assert_eq!(scripts.len(), 1 + more.len());
        for script in scripts {
            let mut sbatch = Command::new("sbatch");
            sbatch.arg("--test-only").env("SLURM_CONF", slurm.conf()).stdin(Stdio::piped());
            let mut sbatch = sbatch.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            sbatch.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}").as_bytes()).unwrap();
            Ended::from(sbatch.wait_with_output().unwrap()).expect(0).says(&["to start at"]);
        }
    }
    assert_eq!(slurm.queue(), "");
    assert!(!bench.home().exists(), "nothing was done");

    let bench = slurm.bench(Bench::new("none"), &with_slurm(NINE, "time: 1h, sbatch: --partition=night"));
    let words = "invalid partition specified: night";
    bench
        .sweep(&["run", "nine.yaml", "--on", "slurm", "--dry-run"])
        .expect(3)
        .says(&["Slurm would not accept it", words]);
    bench
        .sweep(&["run", "nine.yaml", "--on", "slurm", "--detach"])
        .expect(3)
        .says(&["Slurm does not accept the run", words]);
    bench.sweep(&ON).expect(3).says(&["Slurm cannot start agents", words]);
    let log = std::fs::read_to_string(bench.home().join("logs/sweep.log")).unwrap();
    assert!((1..=3).contains(&log.matches("asking Slurm for agents").count()), "{log}");
    bench.expect_nothing_left();
}

#[test]
fn a_run_that_is_a_job_itself_is_led_from_outside_and_goes_on_after_it_was_queued_again() {
    let Some(slurm) = Slurm::start() else { return };
    let bench = slurm.bench(Bench::held(), &with_slurm(NINE, "agents: 2, time: 1h, idle: 5s"));
    let said = bench.sweep(&[&ON[..], &["--detach"]].concat()).expect(0);
    let words: Vec<&str> = said.stderr.split_whitespace().collect();
    let at =
        words.windows(4).position(|words| words == ["the", "run", "is", "job"]).unwrap_or_else(|| panic!("{said:#?}"));
    let job = words[at + 4].to_owned();
    said.says(&["of Slurm: `sweep status --home ", "` shows its progress", "logs/run.log"]);

    bench.wait_for_orders(2);
    bench.sweep(&["status"]).expect(0).says(&["agent-0/cpu/0", "agent-1/cpu/0"]);
    let cancelled = bench.trace()[0]["jobs"][0].as_str().unwrap().to_owned();
    bench.sweep(&["cancel", "--job", &cancelled]).expect(0).says(&["1 job cancelled"]);
    bench.sweep(&["pause"]).expect(0).says(&["paused"]);
    wait("the jobs' rest", || bench.states() == "cancelled 1, pending 8");
    let orders = bench.trace().len();
    bench.sweep(&["resume"]).expect(0);
    bench.wait_for_orders(orders + 2);

    // It is the same job afterwards; agents wait for it, or others come.
    slurm.ask("scontrol", &["requeue", &job]);
    let log = || std::fs::read_to_string(bench.home().join("logs/run.log")).unwrap_or_default();
    let starts = || log().matches("nine: 9 jobs").count();
    wait_long("the run to begin again", 90, || starts() == 2);
    assert!(log().contains("agents finish their cohorts"), "{}", log());
    let orders = bench.trace().len();
    bench.wait_for_orders(orders + 1);

    // Warned that its time is nearly over, it has another job follow it.
    slurm.ask("scancel", &["--batch", "--signal=USR1", &job]);
    wait_long("the next job", 90, || starts() == 3);
    assert!(!slurm.queue().lines().any(|line| line.starts_with(&format!("{job} "))), "{}", slurm.queue());
    bench.go();
    wait_long("the end", 90, || bench.states() == "cancelled 1, done 8");
    wait_long("the end of all jobs", 60, || slurm.queue().is_empty());
    bench.expect_nothing_left();
    assert!(log().contains("results: "), "{}", log());
}
