//! A bench whose runs train on agents: its processes are seen, and end with it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use serde_json::Value;

use super::bench::{Bench, Ended, wait, wait_long};

/// A bench, and whatever works for it.
pub(crate) struct Elsewhere {
    /// Ends before the folder goes.
    pub processes: Processes,
    bench: Bench,
}

impl Deref for Elsewhere {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Elsewhere {
    /// This one, but that what the sweep file says of slots counts.
    pub(crate) fn new(bench: Bench) -> Self {
        Elsewhere { processes: Processes(bench.home()), bench: bench.without("SWEEP_SLOTS") }
    }

    /// Waits until so many cohorts train at a time.
    #[track_caller]
    pub(crate) fn wait_for_work(&self, cohorts: usize) {
        self.hold_until("training", 60, || self.at_work().len() >= cohorts);
    }

    /// Waits for `condition`. Who has made its first steps stands still until then, so that none comes to its end
    /// before, however fast it is.
    #[track_caller]
    pub(crate) fn hold_until(&self, what: &str, seconds: u64, condition: impl Fn() -> bool) {
        let held = RefCell::new(BTreeSet::new());
        wait_long(what, seconds, || {
            let pids = self.at_work().into_iter().filter(|pid| kill_process(*pid, Signal::STOP).is_ok());
            held.borrow_mut().extend(pids.map(|pid| pid.as_raw_nonzero()));
            condition()
        });
        // One may have ended its attempt meanwhile: it stands still, too.
        for pid in held.into_inner().into_iter().filter_map(|pid| Pid::from_raw(pid.get())) {
            let _ = kill_process(pid, Signal::CONT);
        }
    }

    /// The workers of attempts that have made steps and not ended.
    fn at_work(&self) -> Vec<Pid> {
        let worker = |log: String| {
            let started: Value = serde_json::from_str(log.lines().nth(1)?).ok()?;
            let pid = Pid::from_raw(started["event"]["started"]["pid"].as_i64()? as i32);
            pid.filter(|_| log.contains("\"progress\"") && !log.contains("\"ended\""))
        };
        self.logs().into_iter().filter_map(worker).collect()
    }

    /// What workers have reported, an attempt each.
    pub(crate) fn logs(&self) -> Vec<String> {
        let folders = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let attempts = folders(self.home().join("runs")).flat_map(folders);
        attempts.filter_map(|attempt| fs::read_to_string(attempt.join("events.jsonl")).ok()).collect()
    }

    /// What agent `number`, and those before it under this number, have said.
    pub(crate) fn log_of(&self, number: usize) -> String {
        fs::read_to_string(self.home().join(format!("agents/{number}/agent.log"))).unwrap_or_default()
    }

    /// What agent `number` says of itself.
    pub(crate) fn state_of(&self, number: usize) -> Value {
        let text = fs::read(self.home().join(format!("agents/{number}/state.json"))).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Everything that must not depend on where, in which order, and how often something was trained.
    pub(crate) fn content(&self) -> Content {
        content(&self.bench)
    }

    /// Asserts that nothing is left of a run: no process, no word of agents, no file that was under way.
    #[track_caller]
    pub(crate) fn expect_nothing_left(&self) {
        wait("the last process", || self.processes.all().is_empty());
        let fleet = fs::read_to_string(self.home().join("agents/fleet.json")).unwrap_or_default();
        assert_eq!(fleet, "", "agents are still listed");
        let mut names = Vec::new();
        files(&self.home(), &mut names);
        let is_left = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            let under_way = ["checkpoint", ".tmp", "paused", "requests"].iter().any(|start| name.starts_with(start));
            under_way || name.ends_with(".new") || name.ends_with(".part")
        };
        names.retain(is_left);
        assert!(names.is_empty(), "files are left: {names:?}");
    }
}

/// Jobs, scores and entries.
pub(crate) type Content = [Vec<String>; 3];

pub(crate) fn content(bench: &Bench) -> Content {
    [
        bench.query("SELECT id, blueprint, seed, state, step, message FROM jobs ORDER BY id"),
        // Numbers are written so that each has a text of its own.
        bench.query(
            "SELECT s.job, s.step, s.metric, s.kind, s.value, s.std, p.json FROM scores AS s JOIN protocols AS p ON \
            p.id = s.protocol \
             ORDER BY 1, 2, 3",
        ),
        bench.query("SELECT ordinal, variant, axes, job FROM entries ORDER BY ordinal"),
    ]
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => files(&entry.path(), found),
            false => found.push(entry.path()),
        }
    }
}

/// The processes of a home: those that have its path among their arguments, or in their environment. All are killed
/// when this is dropped, so that a test that fails leaves none.
pub(crate) struct Processes(PathBuf);

impl Processes {
    /// All of them.
    pub(crate) fn all(&self) -> Vec<Pid> {
        self.found().into_iter().map(|(pid, _)| pid).collect()
    }

    /// Agents, by their numbers.
    pub(crate) fn agents(&self) -> BTreeMap<usize, Pid> {
        let agent = |(pid, words): (Pid, Vec<String>)| {
            let at = words.iter().position(|word| word == "--number")?;
            let is_agent = words.first()?.ends_with("/sweep") && words.contains(&"agent".to_owned());
            Some((words.get(at + 1)?.parse().ok()?, pid)).filter(|_| is_agent)
        };
        self.found().into_iter().filter_map(agent).collect()
    }

    /// The workers that an agent has started.
    pub(crate) fn workers_of(&self, agent: Pid) -> Vec<Pid> {
        let mark = format!("SWEEP_WORKER_OF={}:", agent.as_raw_nonzero());
        let is_its = |pid: &Pid| {
            let environment = fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
            String::from_utf8_lossy(&environment).split('\0').any(|entry| entry.starts_with(&mark))
        };
        self.all().into_iter().filter(is_its).collect()
    }

    /// They, with their arguments.
    fn found(&self) -> Vec<(Pid, Vec<String>)> {
        let me = std::process::id() as i32;
        let path = self.0.to_str().unwrap();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let found = pids.filter(|pid| *pid != me).filter_map(|pid| {
            let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let [arguments, environment] =
                ["cmdline", "environ"].map(|name| String::from_utf8_lossy(&read(name)).into_owned());
            let is_of = arguments.contains(path) || environment.contains(path);
            let words = arguments.split('\0').map(str::to_owned).collect();
            is_of.then_some((Pid::from_raw(pid)?, words))
        });
        found.collect()
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        // Who is killed last may have started another one before.
        for _ in 0..50 {
            let left = self.all();
            if left.is_empty() {
                return;
            }
            for pid in left {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// What was said by a process that is killed now.
pub(crate) fn kill(mut run: std::process::Child) -> Ended {
    run.kill().unwrap();
    Ended::from(run.wait_with_output().unwrap())
}

/// How a process ends by itself, within so many seconds.
#[track_caller]
pub(crate) fn end(mut run: std::process::Child, seconds: u64) -> Ended {
    let start = std::time::Instant::now();
    while run.try_wait().unwrap().is_none() {
        if start.elapsed().as_secs() > seconds {
            panic!("it does not end: {:#?}", kill(run));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ended::from(run.wait_with_output().unwrap())
}
