//! Shows the progress of training outside of runs: a bar on a terminal, a line now and then elsewhere.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::stderr::{EVERY, bar, say, say_above_one};
use crate::table::duration;

/// A training.
pub(super) struct Steps {
    what: String,
    bar: ProgressBar,
    start: Instant,
    said: Instant,
}

impl Steps {
    /// Shows nothing before the first steps of `what`.
    pub(super) fn new(what: String) -> Self {
        let (bar, now) = (bar(0), Instant::now());
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} steps, {eta} left") {
            bar.set_style(style);
        }
        bar.set_message(what.clone());
        Steps { what, bar, start: now, said: now }
    }

    /// Shows how many steps are done.
    pub(super) fn at(&mut self, step: u64, steps: u64) {
        self.bar.set_length(steps);
        self.bar.set_position(step);
        if self.bar.is_hidden() && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            let rate = step as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
            let (share, left) = (100 * step / steps.max(1), (steps - step) as f64 / rate);
            say(format!("{}: {share} % of {steps} steps, about {} left", self.what, duration(left)));
        }
    }

    /// Prints `text` above the bar.
    pub(super) fn say(&self, text: &str) {
        say_above_one(&self.bar, text);
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
