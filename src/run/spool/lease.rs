//! Who watches over an agent: a process that kills its workers, and it, once it has not said for too long that it lives. Whoever waits for that
//! takes them for gone then. It is not the agent itself, since that may stand still, alone or in a file system that hangs, while its workers go
//! on.

use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal};
use rustix::time::{ClockId, clock_gettime};

use super::super::executor::orphans::{self, Mark};
use sweep_wire::home::Home;

/// How often it looks at the clock.
const LOOK: Duration = Duration::from_millis(500);

/// The agent's side of it.
#[derive(Debug)]
pub(super) struct Lease {
    watch: Child,
}

impl Lease {
    /// Has this process, an agent in `home`, watched over from now on.
    pub(super) fn new(home: &Home, seconds: f64) -> io::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--home").arg(home.path()).arg("lease").arg("--seconds").arg(seconds.to_string());
        let watch = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut lease = Lease { watch };
        lease.extend(awake())?;
        Ok(lease)
    }

    /// It was alive `at` this time, which others know.
    ///
    /// # Errors
    ///
    /// Nobody watches over it any more.
    pub(super) fn extend(&mut self, at: Duration) -> io::Result<()> {
        let nanoseconds = (at.as_nanos() as u64).to_le_bytes();
        self.watch.stdin.as_mut().map_or(Ok(()), |stdin| stdin.write_all(&nanoseconds))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

/// The time since this machine was started, which goes on while it sleeps, as it does for everyone else.
pub(super) fn awake() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(now.tv_sec.cast_unsigned(), now.tv_nsec as u32)
}

/// Watches over the agent in `home` that has started this process, until that is gone. It must not end by the signals that the agent gets.
///
/// # Errors
///
/// The agent cannot be watched.
pub fn watch(home: &Home, seconds: f64) -> io::Result<()> {
    let parent = getppid().ok_or_else(|| io::Error::other("no agent has started this"))?;
    let agent = pidfd_open(parent, PidfdFlags::empty())?;
    let mark = Mark::all(home).of(parent);
    let (sender, said) = channel();
    std::thread::spawn(move || {
        let mut at = [0; 8];
        while io::stdin().read_exact(&mut at).is_ok() && sender.send(u64::from_le_bytes(at)).is_ok() {}
    });
    let mut last = awake();
    loop {
        match said.recv_timeout(LOOK) {
            Ok(at) => last = Duration::from_nanos(at),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // It is gone; nothing of it is to stay.
                orphans::end(&mark);
                return Ok(());
            }
        }
        let since = awake().saturating_sub(last);
        if since.as_secs_f64() > seconds {
            // One that is stopped does not hear that it is to end, and must not start others.
            let _ = pidfd_send_signal(&agent, Signal::KILL);
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
