//! Processes that workers, or an earlier orchestrator, left behind. They are found by a variable in their environment,
//! which child processes inherit. They are never found by name, nor by process ids, which may belong to other processes
//! by now.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

use sweep_wire::home::Home;

/// The variable that marks a worker.
pub const MARK: &str = "SWEEP_WORKER_OF";
/// How long a killed process may take to disappear.
const PATIENCE: Duration = Duration::from_secs(5);

/// The value of [`MARK`] for workers of a home directory: `process:number:home`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The id of the process that started it, and the worker's number; `None` stands for all.
    process: Option<u32>,
    number: Option<u32>,
    /// The path without symbolic links.
    home: String,
}

impl Mark {
    /// Matches all workers in `home`, no matter which process started them.
    pub fn all(home: &Home) -> Self {
        let home = home.path().canonicalize().unwrap_or_else(|_| home.path().to_owned());
        Mark { process: None, number: None, home: home.to_string_lossy().into_owned() }
    }

    /// Matches all workers that this process starts.
    #[must_use]
    pub fn own(&self) -> Self {
        Mark { process: Some(std::process::id()), ..self.clone() }
    }

    /// Matches all workers that `process` started.
    #[must_use]
    pub fn of(&self, process: Pid) -> Self {
        Mark { process: Some(process.as_raw_nonzero().get().cast_unsigned()), ..self.clone() }
    }

    /// Matches worker `number` of this process.
    #[must_use]
    pub fn worker(&self, number: u32) -> Self {
        Mark { number: Some(number), ..self.own() }
    }

    /// Whether a process with this environment has the mark.
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

/// Returns the parent of process `pid`.
fn parent(pid: i32) -> Option<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

/// Kills the processes that have `mark`, except for this process and its ancestors, and waits until they are gone.
/// Returns their ids. The caller must know that they are all orphans: the process that has just locked a home directory
/// knows that of all its workers.
pub fn end(mark: &Mark) -> Vec<i32> {
    let me = getpid().as_raw_nonzero().get();
    // This process may have been started by a shell that a worker started.
    let line: Vec<i32> = std::iter::successors(Some(me), |pid| parent(*pid)).take_while(|pid| *pid > 0).collect();
    let marked = |environment: &[u8]| mark.is_on(environment);
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let pids = pids.filter(|pid| !line.contains(pid));
    let mut ended = Vec::new();
    for pid in pids {
        // The handle is opened before the environment is read. This makes sure that the process killed is the one
        // checked, even if its id is reused.
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
        // Until it has become `sleep`, it has no environment of its own.
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
