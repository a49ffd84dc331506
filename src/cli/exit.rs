//! Exit codes, and what leads to them.

use super::stderr::draw;
use sweep_operations::run::End;
use sweep_operations::{Failure, Kind};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything is done, now or before.
    Ok,
    /// A bug.
    Internal,
    /// Bad usage or a bad sweep file.
    Usage,
    /// No libtorch, no data, no disk, no database.
    Environment,
    /// Some jobs failed.
    JobsFailed,
    /// An `expect:` of the sweep did not hold, or a verified job's scores differ.
    Unexpected,
    /// Stopped by this signal.
    Signal(u8),
    /// As the executable ended that took over the command.
    HandedOver(u8),
}

impl Exit {
    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Internal => 1,
            Exit::Usage => 2,
            Exit::Environment => 3,
            Exit::JobsFailed => 100,
            Exit::Unexpected => 101,
            Exit::Signal(signal) => 128 + signal,
            Exit::HandedOver(code) => code,
        }
    }
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Exit::Usage,
            Kind::Environment => Exit::Environment,
            Kind::Internal => Exit::Internal,
        }
    }
}

impl From<End> for Exit {
    fn from(end: End) -> Self {
        match end {
            End::Done | End::HandedOn => Exit::Ok,
            End::JobsFailed => Exit::JobsFailed,
            End::Stopped(Some(signal)) => Exit::Signal(signal),
            // No signal has asked for it.
            End::Stopped(None) => Exit::Internal,
        }
    }
}

/// Prints to stderr why a command has failed.
pub(crate) fn report(failure: Failure) -> Exit {
    let exit = failure.kind().into();
    draw(format_args!("error: {}", failure.into_words().trim_end()));
    exit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_failures_and_ends_of_runs_have_codes_of_their_own() {
        let of = |kind: Kind| Exit::from(kind).code();
        assert_eq!([Kind::Usage, Kind::Environment, Kind::Internal].map(of), [2, 3, 1]);
        let of = |end: End| Exit::from(end).code();
        assert_eq!([End::Done, End::HandedOn, End::JobsFailed].map(of), [0, 0, 100]);
        assert_eq!((of(End::Stopped(Some(2))), of(End::Stopped(None))), (130, 1));
    }
}
