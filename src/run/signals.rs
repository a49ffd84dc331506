//! Being asked to stop.

use std::future::Future;
use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals by which people and systems ask a process to stop.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        let [interrupt, terminate, hangup] =
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        Ok(Signals { interrupt: interrupt?, terminate: terminate?, hangup: hangup? })
    }

    /// The number of the next one.
    pub(super) async fn next(&mut self) -> u8 {
        tokio::select! {
            _ = self.interrupt.recv() => 2,
            _ = self.terminate.recv() => 15,
            // The terminal is gone.
            _ = self.hangup.recv() => 1,
        }
    }
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
