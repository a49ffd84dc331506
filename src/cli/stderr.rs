//! Writing to stderr: lines, and where bars are drawn.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::hints;
use super::terminal::draws;
use sweep_spec::text::plain;

/// How often a line says how far something is that is no run, where there is no terminal.
pub(crate) const EVERY: Duration = Duration::from_secs(10);

/// Prints a line on stderr, without what acts on a terminal, wherever it comes from. Nobody may be listening any more
/// (`sweep run … 2>&1 | head`); the run is worth more than the line.
pub fn say(text: impl Display) {
    draw(plain(&text.to_string()));
}

/// The same of a text of this program's own making, with the colours that it has.
pub(crate) fn draw(text: impl Display) {
    let _ = writeln!(io::stderr(), "{}", hints::complete(&text.to_string()));
}

/// Bars on stderr, where it is a terminal that draws them.
pub(crate) fn bars() -> MultiProgress {
    MultiProgress::with_draw_target(if draws(&io::stderr()) {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    })
}

/// A bar of so many steps on stderr, where it is a terminal that draws one.
pub fn bar(steps: u64) -> ProgressBar {
    if draws(&io::stderr()) { ProgressBar::new(steps) } else { ProgressBar::hidden() }
}

/// What [`say`] does, above `bars`. (Their own `suspend` panics where the terminal has gone.)
pub(crate) fn say_above(bars: &MultiProgress, text: &str) {
    draw_above(bars, &plain(text));
}

/// What [`draw`] does, above `bars`.
pub(crate) fn draw_above(bars: &MultiProgress, text: &str) {
    if bars.is_hidden() {
        draw(text);
    } else {
        let _ = bars.println(hints::complete(text));
    }
}

/// What [`say`] does, above one bar.
pub(crate) fn say_above_one(bar: &ProgressBar, text: &str) {
    if bar.is_hidden() { say(text) } else { bar.println(hints::complete(&plain(text))) }
}
