//! A process that watches over an agent. It kills the agent and its workers if the agent has not shown for too long
//! that it lives: an orchestrator that hears nothing for this long relies on their being gone. The agent cannot do this
//! itself, since it may hang, alone or in a file system, while its workers continue.

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

/// Time between two checks of the clock.
const LOOK: Duration = Duration::from_millis(500);

/// The agent's side.
#[derive(Debug)]
pub(super) struct Lease {
    watch: Child,
    to: ChildStdin,
}

impl Lease {
    /// Starts to watch over this process, an agent in `home`.
    ///
    /// # Errors
    ///
    /// The watching process cannot be started.
    pub(super) fn new(home: &Home, seconds: f64) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--home").arg(home.path()).arg("lease").arg("--seconds").arg(seconds.to_string());
        // Signals of a terminal or batch system to the agent's group must not reach it.
        let mut watch = command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(to), Some(mut from)) = (watch.stdin.take(), watch.stdout.take()) else {
            return Err(io::Error::other("a process without its pipes"));
        };
        // The agent must not wait for a watching process that hangs.
        ioctl_fionbio(&to, true)?;
        let mut lease = Lease { watch, to };
        lease.extend(awake())?;
        let ready = from.read_exact(&mut [0]);
        ready.map_err(|_| io::Error::other("the process that watches over this agent has ended"))?;
        Ok(lease)
    }

    /// Tells the watching process that the agent was alive at this time, which others know.
    ///
    /// # Errors
    ///
    /// The watching process has ended.
    pub(super) fn extend(&mut self, at: Duration) -> io::Result<()> {
        match self.to.write_all(&(at.as_nanos() as u64).to_le_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(()),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // The agent and its workers have ended.
        let _ = self.watch.kill();
        let _ = self.watch.wait();
    }
}

/// Watches over the agent in `home` that started this process, until the agent is gone. The caller must make sure that
/// the agent's signals do not end this process.
///
/// # Errors
///
/// The agent cannot be watched.
pub fn watch(home: &Home, seconds: f64) -> io::Result<()> {
    let parent = getppid().ok_or_else(|| io::Error::other("this was not started by an agent"))?;
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
            // Messages that came while this process was suspended are all there at once, and the last one counts.
            Ok(at) => last = Duration::from_nanos(said.try_iter().last().unwrap_or(at)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // The agent is gone, and none of its workers may stay.
                orphans::end(&mark);
                return Ok(());
            }
        }
        let now = awake();
        let stood_still = now.saturating_sub(std::mem::replace(&mut looked, now)) > 4 * LOOK;
        let since = now.saturating_sub(last);
        if since.as_secs_f64() > seconds && !stood_still {
            // A suspended agent cannot be told to end, and must not start more workers when it wakes up.
            if getppid() == Some(parent) {
                let _ = kill_process(parent, Signal::KILL);
            }
            orphans::end(&mark);
            // The reader may be gone.
            let _ = writeln!(
                io::stderr(),
                "error: the home directory could not be written for {} s: this agent and its workers were killed; \
                others continue their work",
                since.as_secs()
            );
            return Ok(());
        }
    }
}
