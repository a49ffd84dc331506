//! Who watches over an agent: a process that kills its workers, and it, once it has not said for too long that it lives. Whoever waits for that
//! takes them for gone then. It is not the agent itself, since that may stand still, alone or in a file system that hangs, while its workers go
//! on.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::io::ioctl_fionbio;
use rustix::process::{Signal, getppid, kill_process};

use super::super::executor::orphans::{self, Mark};
use sweep_system::clock::awake;
use sweep_wire::home::Home;

/// How often it looks at the clock.
const LOOK: Duration = Duration::from_millis(500);

/// An agent's side of it.
#[derive(Debug)]
pub(super) struct Lease {
    watch: Child,
    to: ChildStdin,
}

impl Lease {
    /// Has this process, an agent in `home`, watched over from now on.
    ///
    /// # Errors
    ///
    /// Nobody can watch over it here.
    pub(super) fn new(home: &Home, seconds: f64) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--home").arg(home.path()).arg("lease").arg("--seconds").arg(seconds.to_string());
        // What a terminal or a batch system has the agent's group do is not for it.
        let mut watch = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(mut from)) = (watch.stdin.take(), watch.stdout.take()) else {
            return Err(io::Error::other("a process without its pipes"));
        };
        // A watch that stands still must not have the agent wait.
        ioctl_fionbio(&to, true)?;
        let mut lease = Lease { watch, to };
        lease.extend(awake())?;
        let ready = from.read_exact(&mut [0]);
        ready.map_err(|_| io::Error::other("who is to watch over this agent has ended"))?;
        Ok(lease)
    }

    /// It was alive `at` this time, which others know.
    ///
    /// # Errors
    ///
    /// Nobody watches over it any more.
    pub(super) fn extend(&mut self, at: Duration) -> io::Result<()> {
        match self.to.write_all(&(at.as_nanos() as u64).to_le_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The agent has ended, and its workers have.
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

/// Watches over the agent in `home` that has started this process, until that is gone. It must not end by the signals that the agent gets.
///
/// # Errors
///
/// The agent cannot be watched.
pub fn watch(home: &Home, seconds: f64) -> io::Result<()> {
    let parent = getppid().ok_or_else(|| io::Error::other("no agent has started this"))?;
    let mark = Mark::all(home).of(parent);
    let mut stdout = io::stdout();
    stdout.write_all(b"!").and_then(|()| stdout.flush())?;
    let (sender, said) = channel();
    std::thread::spawn(move || {
        let mut at = [0; 8];
        while io::stdin().read_exact(&mut at).is_ok() && sender.send(u64::from_le_bytes(at)).is_ok() {}
    });
    let (mut last, mut looked) = (awake(), awake());
    loop {
        match said.recv_timeout(LOOK) {
            // What came while this process stood still is there all at once.
            Ok(at) => last = Duration::from_nanos(said.try_iter().last().unwrap_or(at)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // It is gone; nothing of it is to stay.
                orphans::end(&mark);
                return Ok(());
            }
        }
        let now = awake();
        let stood_still = now.saturating_sub(std::mem::replace(&mut looked, now)) > 4 * LOOK;
        let since = now.saturating_sub(last);
        if since.as_secs_f64() > seconds && !stood_still {
            // One that is stopped does not hear that it is to end, and must not start others.
            if getppid() == Some(parent) {
                let _ = kill_process(parent, Signal::KILL);
            }
            orphans::end(&mark);
            // Nobody may be listening any more.
            let _ = writeln!(
                io::stderr(),
                "error: the home directory was not written for {} s: this agent and its workers were killed; others go on with their work",
                since.as_secs()
            );
            return Ok(());
        }
    }
}
