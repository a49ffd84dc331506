//! Writing to stdout: what a command was asked for.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use super::hints;
use sweep_operations::Failure;
use sweep_spec::text::{self, plain};

/// Writes to stdout, without what acts on a terminal, wherever it comes from, and with commands that work as they stand.
pub fn print(text: &str) -> Result<(), Failure> {
    draw(&hints::complete(&plain(text))).map(|_| ())
}

/// Writes JSON to stdout: all that it says, and nothing that acts on a terminal.
pub fn print_json(text: &str) -> Result<(), Failure> {
    draw(&text::json(text)).map(|_| ())
}

/// Writes text of this program's own making to stdout, with the colours that it has: others' texts in it have been through
/// [`sweep_spec::text`]. Whether anybody goes on reading.
pub(crate) fn draw(text: &str) -> Result<bool, Failure> {
    written(stdout()?.write_all(text.as_bytes()))
}

/// Stdout as a file: the standard library takes all that is written to a closed one for written.
pub(crate) fn stdout() -> Result<File, Failure> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(unwritten)
}

/// Whether anybody goes on reading. A reader that has gone away (`| head`) has what it wanted.
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
