//! Errors of operations.

use std::fmt::{self, Display, Formatter};

use sweep_run::RunError;
use sweep_spec::text::plain;
use sweep_store::StoreError;

/// What has to change before the same operation can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was asked for: arguments, or a sweep file.
    Usage,
    /// Something outside the program is missing or broken: libtorch, data, disk, the database.
    Environment,
    /// The program: this is a bug.
    Internal,
}

/// Why an operation has failed. Its text says what, where, and what to do. It contains nothing that a terminal would
/// act on.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    message: String,
}

impl Failure {
    /// Bad usage or a bad sweep file.
    pub fn usage(message: impl Display) -> Self {
        Failure { kind: Kind::Usage, message: plain(&message.to_string()) }
    }

    /// The mistakes of a sweep file, as drawn by [`SpecErrors::render`](sweep_spec::error::SpecErrors::render): with
    /// colours, but with nothing from the file that a terminal would act on.
    pub fn drawn(mistakes: String) -> Self {
        Failure { kind: Kind::Usage, message: mistakes }
    }

    /// Something outside the program is missing or broken.
    pub fn environment(message: impl Display) -> Self {
        Failure { kind: Kind::Environment, message: plain(&message.to_string()) }
    }

    /// A bug.
    pub fn internal(message: impl Display) -> Self {
        Failure { kind: Kind::Internal, message: plain(&message.to_string()) }
    }

    /// Returns what has to change.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns only the message, to show it elsewhere.
    pub fn into_words(self) -> String {
        self.message
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        if error.is_usage() {
            Failure::usage(error)
        } else if error.is_environment() {
            Failure::environment(error)
        } else {
            Failure::internal(error)
        }
    }
}

/// A run that could not continue.
impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Store(error) => error.into(),
            RunError::Next(message) => Failure::drawn(message),
            RunError::Write(_) | RunError::Start(_) | RunError::TakenOver { .. } | RunError::Io(_) => {
                Failure::environment(error)
            }
        }
    }
}
