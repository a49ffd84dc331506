//! Exit codes, and errors on their way to one.

use std::fmt::Display;

use super::progress::draw;
use sweep_spec::text::plain;

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All done, also when all was done before.
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
    /// As the executable ended to which the command was handed over.
    HandedOver(u8),
}

impl Exit {
    /// What a shell sees.
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

/// An error with the exit code that it leads to. Its text says what, where, and what to do, and does nothing to a terminal.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// Bad usage or a bad sweep file.
    pub fn usage(message: impl Display) -> Self {
        Failure { exit: Exit::Usage, message: plain(&message.to_string()) }
    }

    /// The mistakes of a sweep file, as [`SpecErrors::render`](sweep_spec::error::SpecErrors::render) has drawn them: with its colours, and
    /// without anything of the file that acts on a terminal.
    pub fn drawn(mistakes: String) -> Self {
        Failure { exit: Exit::Usage, message: mistakes }
    }

    /// Something outside the program is missing or broken.
    pub fn environment(message: impl Display) -> Self {
        Failure { exit: Exit::Environment, message: plain(&message.to_string()) }
    }

    /// A bug.
    pub fn internal(message: impl Display) -> Self {
        Failure { exit: Exit::Internal, message: plain(&message.to_string()) }
    }

    /// The message alone, for who shows it elsewhere.
    pub fn into_words(self) -> String {
        self.message
    }

    /// Prints the message to stderr.
    pub fn report(self) -> Exit {
        draw(format_args!("error: {}", self.message.trim_end()));
        self.exit
    }
}
