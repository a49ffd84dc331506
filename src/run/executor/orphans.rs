//! Processes that workers have left behind, or that an earlier orchestrator has: found by a mark in their environment, which what they start
//! inherits. Never by name, and not by process ids that may be others' by now.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use sweep_wire::home::Home;

/// The variable that marks a worker.
pub const MARK: &str = "SWEEP_WORKER_OF";
/// So long may a killed process take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// What workers of a home directory are marked with: `process:number:home`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The process id of who has started it, and the worker's number; none stands for all.
    process: Option<u32>,
    number: Option<u32>,
    /// Without symbolic links.
    home: String,
}

impl Mark {
    /// Of all workers in `home`, whoever has started them.
    pub fn all(home: &Home) -> Self {
        let home = home.path().canonicalize().unwrap_or_else(|_| home.path().to_owned());
        Mark { process: None, number: None, home: home.to_string_lossy().into_owned() }
    }

    /// Of all workers that this process has started, or will start.
    #[must_use]
    pub fn own(&self) -> Self {
        Mark { process: Some(std::process::id()), ..self.clone() }
    }

    /// Of all workers that this process has started.
    #[must_use]
    pub fn of(&self, process: Pid) -> Self {
        Mark { process: Some(process.as_raw_nonzero().get().cast_unsigned()), ..self.clone() }
    }

    /// Of the worker `number` that this process starts.
    #[must_use]
    pub fn worker(&self, number: u32) -> Self {
        Mark { number: Some(number), ..self.own() }
    }

    /// Whether a process with this environment bears it.
    fn is_on(&self, environment: &[u8]) -> bool {
        let mut values = environment.split(|&byte| byte == 0).filter_map(|entry| {
            let value = entry.strip_prefix(MARK.as_bytes())?.strip_prefix(b"=")?;
            String::from_utf8_lossy(value).into_owned().into()
        });
        values.any(|value: String| {
            let mut parts = value.splitn(3, ':');
            let mut next = || parts.next().and_then(|number| number.parse::<u32>().ok());
            let numbers = (next(), next());
            let (Some(process), Some(number)) = numbers else { return false };
            parts.next() == Some(&self.home)
                && self.process.is_none_or(|own| own == process)
                && self.number.is_none_or(|own| own == number)
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (process, number) = (self.process.unwrap_or_default(), self.number.unwrap_or_default());
        write!(f, "{process}:{number}:{}", self.home)
    }
}

/// The process that has started `pid`.
fn parent(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// Kills the processes that bear `mark`, but none that this one comes from, and waits until they are gone. Returns their ids. The caller must
/// know that none of them is at work: all workers of a home are orphans for who has just locked it.
pub fn end(mark: &Mark) -> Vec<i32> {
    let me = getpid().as_raw_nonzero().get();
    // A shell in a worker's environment may have started this.
    let line: Vec<i32> = std::iter::successors(Some(me), |pid| parent(*pid)).take_while(|pid| *pid > 0).collect();
    let marked = |environment: &[u8]| mark.is_on(environment);
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let pids = pids.filter(|pid| !line.contains(pid));
    let mut ended = Vec::new();
    for pid in pids {
        // First a handle, then a look: what is killed is what was looked at, whatever becomes of the number.
        let Some(handle) = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
            continue;
        };
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if marked(&environment) && pidfd_send_signal(&handle, Signal::KILL).is_ok() {
            ended.push((pid, handle));
        }
    }
    let start = Instant::now();
    let alive = |pid: i32| fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| marked(&environment));
    while ended.iter().any(|(pid, _)| alive(*pid)) && start.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(5));
    }
    ended.into_iter().map(|(pid, _)| pid).collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_bears_the_mark_is_ended_and_nothing_else() {
        let home = tempfile::tempdir().unwrap();
        let mark = Mark::all(&Home::new(home.path()));
        let sleep = |value: &str| Command::new("sleep").arg("60").env(MARK, value).spawn().unwrap();
        let mut marked = sleep(&mark.worker(3).to_string());
        let mut other = sleep(&format!("{}:b", mark.worker(3)));
        assert_eq!(end(&mark.worker(4)), [0; 0], "of another worker");
        assert_eq!(end(&Mark { process: Some(1), ..mark.clone() }), [0; 0], "of another process");
        // Until it has become `sleep` it has no environment of its own.
        let start = Instant::now();
        let mut found = Vec::new();
        while found.is_empty() && start.elapsed() < PATIENCE {
            found = end(&mark.own());
        }
        assert_eq!(found, [marked.id().cast_signed()]);
        assert!(!marked.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "of another home");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(end(&mark), [0; 0]);
    }
}
