//! Processes that workers have left behind, or that an earlier orchestrator has: found by a mark in their environment, which what they start
//! inherits. Never by name, and not by process ids that may be others' by now.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, getpid, pidfd_open, pidfd_send_signal};

/// The variable that marks a worker.
pub const MARK: &str = "SWEEP_WORKER_OF";
/// So long may a killed process take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The mark of all workers that work in `home`.
pub fn mark(home: &Path) -> String {
    home.display().to_string()
}

/// Kills the processes with this mark, or with a longer one that begins with it and a colon, and waits until they are gone. Returns their
/// ids. The caller must know that none of them is at work: all workers of a home are orphans for who has just locked it.
pub fn end(mark: &str) -> Vec<i32> {
    let marked = |environment: &[u8]| {
        environment.split(|&byte| byte == 0).any(|entry| {
            let value = entry.strip_prefix(MARK.as_bytes()).and_then(|rest| rest.strip_prefix(b"="));
            value
                .and_then(|value| value.strip_prefix(mark.as_bytes()))
                .is_some_and(|rest| rest.is_empty() || rest[0] == b':')
        })
    };
    let me = getpid().as_raw_nonzero().get();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|&pid| pid != me);
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
        let mark = mark(home.path());
        let sleep = |value: &str| Command::new("sleep").arg("60").env(MARK, value).spawn().unwrap();
        let mut marked = sleep(&format!("{mark}:7:0"));
        let mut other = sleep(&format!("{mark}-other:7:0"));
        // Until it has become `sleep` it has no environment of its own.
        let start = Instant::now();
        let mut found = Vec::new();
        while found.is_empty() && start.elapsed() < PATIENCE {
            found = end(&mark);
        }
        assert_eq!(found, [marked.id().cast_signed()]);
        assert!(!marked.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none(), "of another home");
        other.kill().unwrap();
        other.wait().unwrap();
        assert_eq!(end(&mark), [0; 0]);
    }
}
