//! Writes lines and bars to stderr.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::hints;
use super::terminal::draws;
use sweep_spec::text::plain;

/// Time between two lines about progress outside of runs, without a terminal.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// Prints a line to stderr, without characters that a terminal would act on, no matter where the text comes from. The
/// reader may be gone (`sweep run … 2>&1 | head`); the run is worth more than the line.
pub fn say(text: impl Display) {
    draw(plain(&text.to_string()));
}

/// Prints a text made by this program, with its colours.
pub(crate) fn draw(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", hints::complete(&text.to_string()));
}

/// Returns bars on stderr, if it is a terminal that can draw them.
pub(crate) fn bars() -> MultiProgress {
    MultiProgress::with_draw_target(if draws(&io::stderr()) {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    })
}

/// Returns a bar of this many steps on stderr, if it is a terminal that can draw one.
pub fn bar(steps: u64) -> ProgressBar {
    if draws(&io::stderr()) { ProgressBar::new(steps) } else { ProgressBar::hidden() }
}

/// Like [`say`], above `bars`. (Their own `suspend` panics if the terminal is gone.)
pub(crate) fn say_above(bars: &MultiProgress, text: &str) {
    draw_above(bars, &plain(text));
}

/// Like [`draw`], above `bars`.
pub(crate) fn draw_above(bars: &MultiProgress, text: &str) {
    if bars.is_hidden() {
        draw(text);
    } else {
        let _ = bars.println(hints::complete(text));
    }
}

/// Like [`say`], above one bar.
pub(crate) fn say_above_one(bar: &ProgressBar, text: &str) {
    if bar.is_hidden() { say(text) } else { bar.println(hints::complete(&plain(text))) }
}
