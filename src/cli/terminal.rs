//! Properties of the terminal that a stream goes to.

use std::ffi::OsStr;
use std::io::IsTerminal;
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;

use sweep_operations::environment::variable;

/// Columns of a terminal that does not report them (`script`, some continuous integration).
const USUAL: u16 = 80;
/// In fewer columns nothing can be read, and lines are left to the terminal to break.
const LEAST: u16 = 20;

/// Whether `stream` goes to a terminal that can do more than print lines of text.
pub(super) fn draws(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && variable("TERM").is_some_and(|term| term != "dumb")
}

/// Whether `stream` goes to a terminal that can show colours, and the user wants them.
pub(super) fn colours(stream: &impl IsTerminal) -> bool {
    draws(stream) && variable("NO_COLOR").is_none()
}

/// Returns the number of columns for `stream`: `COLUMNS`, or else the terminal's width. `None` if it is not a terminal,
/// in which case lines stay whole.
pub(super) fn width(stream: &(impl IsTerminal + AsFd)) -> Option<u16> {
    let terminal = stream.is_terminal().then(|| tcgetwinsize(stream).map_or(0, |size| size.ws_col));
    columns(variable("COLUMNS").as_deref(), terminal)
}

fn columns(said: Option<&OsStr>, terminal: Option<u16>) -> Option<u16> {
    let said = said.and_then(|text| text.to_str()?.trim().parse::<u64>().ok()).filter(|&columns| columns > 0);
    let said = said.map(|columns| u16::try_from(columns).unwrap_or(u16::MAX));
    let terminal = terminal.map(|columns| if columns == 0 { USUAL } else { columns });
    said.or(terminal).map(|columns| columns.max(LEAST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_narrow_to_read_or_unknown_is_not_taken_at_its_word() {
        let of = |said: &str, terminal| columns(Some(OsStr::new(said)), terminal);
        assert_eq!(
            [None, Some(0), Some(1), Some(20), Some(133)].map(|terminal| columns(None, terminal)),
            [None, Some(80), Some(20), Some(20), Some(133)]
        );
        assert_eq!((of("60", None), of("60", Some(133)), of("1", None)), (Some(60), Some(60), Some(20)));
        assert_eq!(
            (of("1000000", None), of("wide", None), of("0", Some(90)), of("-5", Some(0))),
            (Some(u16::MAX), None, Some(90), Some(80))
        );
    }
}
