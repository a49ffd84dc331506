//! Being asked to stop.

use std::fs;
use std::future::{Future, pending};
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which people and systems ask a process to stop.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let hangup = minds_hangup().then(|| signal(SignalKind::hangup())).transpose()?;
        Ok(Signals { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, hangup })
    }

    /// The number of the next one.
    pub(super) async fn next(&mut self) -> u8 {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            // The terminal is gone.
            _ = hangup => 1,
        }
    }
}

/// Whether a lost terminal ends this process: not where whoever started it wants that ignored, as `nohup` does.
pub fn minds_hangup() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Of signal n, bit n − 1.
    ignored & 1 == 0
}

/// The number of the first signal from now on that asks this process to stop.
///
/// # Errors
///
/// Signals can't be received.
pub fn asked_to_stop() -> io::Result<impl Future<Output = u8>> {
    let mut asked = Signals::new()?;
    Ok(async move { asked.next().await })
}
