//! Writes the results of a command to stdout.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::hints;
use sweep_operations::Failure;
use sweep_spec::text::{self, plain};

/// Writes to stdout, without characters that a terminal would act on, no matter where they come from. Completes
/// commands in the text.
pub fn print(text: &str) -> Result<(), Failure> {
    draw(&hints::complete(&plain(text))).map(|_| ())
}

/// Writes JSON to stdout with its full content, but nothing that a terminal would act on.
pub fn print_json(text: &str) -> Result<(), Failure> {
    draw(&text::json(text)).map(|_| ())
}

/// Writes text made by this program to stdout, with its colours. Texts of others in it have been through
/// [`sweep_spec::text`]. Returns whether there is still a reader.
pub(crate) fn draw(text: &str) -> Result<bool, Failure> {
    written(stdout()?.write_all(text.as_bytes()))
}

/// Returns stdout as a file: the standard library reports no error when stdout is closed.
pub(crate) fn stdout() -> Result<File, Failure> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(unwritten)
}

/// Returns whether there is still a reader. One that is gone (`| head`) has what it wanted.
pub(crate) fn written(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(unwritten(error)),
    }
}

fn unwritten(error: io::Error) -> Failure {
    Failure::environment(format!("cannot write to stdout: {error}"))
}
