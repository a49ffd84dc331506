//! Signals that ask to stop or suspend a run.

use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// People and systems ask a process to stop with these.
const STOP: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];
/// Batch systems warn with these that the time is nearly over, perhaps more than once.
const WARN: [Signal; 2] = [Signal::USR1, Signal::USR2];
/// Ctrl-Z on the terminal, and its end.
const SUSPEND: [Signal; 2] = [Signal::TSTP, Signal::CONT];

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To stop; if asked twice, at once.
    Stop,
    /// To stop while there is time.
    Warned,
    /// To stand still until [`Asked::Continue`].
    Suspend,
    /// To continue.
    Continue,
}

/// The signals that a run handles.
pub(super) struct Signals {
    heard: Vec<(Signal, unix::Signal)>,
}

impl Signals {
    /// Handles all of them.
    pub(super) fn new() -> io::Result<Self> {
        Signals::of(handled().chain([Signal::CONT]))
    }

    /// Handles none. For tests, one of which sends signals to this process.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Signals { heard: Vec::new() }
    }

    fn of(signals: impl Iterator<Item = Signal>) -> io::Result<Self> {
        let hear = |number: Signal| Ok((number, signal(SignalKind::from_raw(number.as_raw()))?));
        Ok(Signals { heard: signals.map(hear).collect::<io::Result<_>>()? })
    }

    /// Waits for a signal that asks to stop.
    pub(super) async fn stopped(&mut self) {
        while !matches!(self.next().await.1, Asked::Stop | Asked::Warned) {}
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> (Signal, Asked) {
        let number = poll_fn(|context| {
            let is_there =
                |(number, signal): &mut (Signal, unix::Signal)| signal.poll_recv(context).is_ready().then_some(*number);
            self.heard.iter_mut().find_map(is_there).map_or(Poll::Pending, Poll::Ready)
        });
        let number = number.await;
        let asked = match number {
            Signal::TSTP => Asked::Suspend,
            Signal::CONT => Asked::Continue,
            number if WARN.contains(&number) => Asked::Warned,
            _ => Asked::Stop,
        };
        (number, asked)
    }
}

/// Returns the signals that stop or suspend this process. Leaves out those that its parent wants ignored, as `nohup`
/// does for a lost terminal. Signals with which people ask always count, since a shell ignores them for background
/// processes.
fn handled() -> impl Iterator<Item = Signal> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Bit n − 1 is signal n.
    let is_ignored = move |signal: Signal| ignored >> (signal.as_raw() - 1) & 1 == 1;
    let all = STOP.into_iter().chain(WARN).chain([Signal::TSTP]);
    all.filter(move |&signal| matches!(signal, Signal::INT | Signal::TERM) || !is_ignored(signal))
}

/// Returns the numbers of the signals that stop or suspend this process. Call it before any of them is handled.
pub fn stopping() -> Vec<i32> {
    handled().map(Signal::as_raw).collect()
}

/// Returns a future with the number of the next signal that asks this process to stop.
///
/// # Errors
///
/// Signals cannot be received.
pub fn asked_to_stop() -> io::Result<impl Future<Output = u8>> {
    let mut asked = Signals::of(handled().filter(|signal| !SUSPEND.contains(signal)))?;
    Ok(async move { number(asked.next().await.0) })
}

/// Returns its number, as exit codes use it.
pub(super) fn number(signal: Signal) -> u8 {
    signal.as_raw() as u8
}

#[cfg(test)]
mod tests {
    use rustix::process::{getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn each_signal_asks_for_what_it_says() {
        let all = [
            (Signal::INT, Asked::Stop),
            (Signal::TERM, Asked::Stop),
            (Signal::HUP, Asked::Stop),
            (Signal::USR1, Asked::Warned),
            (Signal::USR2, Asked::Warned),
            (Signal::TSTP, Asked::Suspend),
            (Signal::CONT, Asked::Continue),
        ];
        // All handlers are installed before any signal comes, so that none has its default effect on this process.
        let mut signals = Signals::of(all.into_iter().map(|(signal, _)| signal)).unwrap();
        for (signal, asked) in all {
            kill_process(getpid(), signal).unwrap();
            assert_eq!(signals.next().await, (signal, asked));
        }
    }
}
