//! Being asked to stop, for good or for a while.

use std::fs;
use std::future::{Future, poll_fn};
use std::io;
use std::task::Poll;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// By these people and systems ask a process to stop.
const STOP: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];
/// By these batch systems say that the time is nearly over; they may say so more than once.
const WARN: [Signal; 2] = [Signal::USR1, Signal::USR2];
/// A Ctrl-Z on the terminal, and the end of that.
const SUSPEND: [Signal; 2] = [Signal::TSTP, Signal::CONT];

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// To stop; asked twice, at once.
    Stop,
    /// To stop, while there is time.
    Warned,
    /// To stand still until [`Asked::Continue`].
    Suspend,
    /// To go on.
    Continue,
}

/// The signals that a run hears.
pub(super) struct Signals {
    heard: Vec<(Signal, unix::Signal)>,
}

impl Signals {
    /// All of them.
    pub(super) fn new() -> io::Result<Self> {
        Signals::of(minded().chain([Signal::CONT]))
    }

    /// None: for tests, one of which sends them to this process.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Signals { heard: Vec::new() }
    }

    fn of(signals: impl Iterator<Item = Signal>) -> io::Result<Self> {
        let hear = |number: Signal| Ok((number, signal(SignalKind::from_raw(number.as_raw()))?));
        Ok(Signals { heard: signals.map(hear).collect::<io::Result<_>>()? })
    }

    /// Comes when somebody wants an end.
    pub(super) async fn stopped(&mut self) {
        while !matches!(self.next().await.1, Asked::Stop | Asked::Warned) {}
    }

    /// The next one.
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

/// The signals that stop this process, for good or for a while, but for those that whoever started it wants ignored, as `nohup` does that of
/// a lost terminal. Those of a person who asks count in any case: a shell that starts something in the background ignores them in its name.
fn minded() -> impl Iterator<Item = Signal> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    // Of signal n, bit n − 1.
    let is_ignored = move |signal: Signal| ignored >> (signal.as_raw() - 1) & 1 == 1;
    let all = STOP.into_iter().chain(WARN).chain([Signal::TSTP]);
    all.filter(move |&signal| matches!(signal, Signal::INT | Signal::TERM) || !is_ignored(signal))
}

/// The numbers of the signals that stop this process, for good or for a while. To be asked before any of them is heard.
pub fn stopping() -> Vec<i32> {
    minded().map(Signal::as_raw).collect()
}

/// The number of the first signal from now on that asks this process to stop.
///
/// # Errors
///
/// Signals can't be received.
pub fn asked_to_stop() -> io::Result<impl Future<Output = u8>> {
    let mut asked = Signals::of(minded().filter(|signal| !SUSPEND.contains(signal)))?;
    Ok(async move { number(asked.next().await.0) })
}

/// As exit codes have it.
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
        // All are heard before any comes: none does to this process what it would do by itself.
        let mut signals = Signals::of(all.into_iter().map(|(signal, _)| signal)).unwrap();
        for (signal, asked) in all {
            kill_process(getpid(), signal).unwrap();
            assert_eq!(signals.next().await, (signal, asked));
        }
    }
}
