//! Shows progress as a count: a bar on a terminal, a line now and then elsewhere.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::stderr::{EVERY, bar, say, say_above_one};
use crate::table::{count, duration};

/// A count.
pub(super) struct Counter {
    bar: ProgressBar,
    /// The name of what is counted, in the plural.
    what: &'static str,
    done: usize,
    total: usize,
    /// Seconds that the finished ones took.
    seconds: f64,
    said: Instant,
}

impl Counter {
    /// Starts a count of `total` things called `what`.
    pub(super) fn new(what: &'static str, total: usize) -> Self {
        let bar = bar(total as u64);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        let counter = Counter { bar, what, done: 0, total, seconds: 0.0, said: Instant::now() };
        counter.bar.set_message(counter.line());
        counter
    }

    /// Counts one more, which took this many seconds.
    pub(super) fn add(&mut self, seconds: f64) {
        self.done += 1;
        self.seconds += seconds;
        self.bar.set_position(self.done as u64);
        self.bar.set_message(self.line());
        if self.bar.is_hidden() && self.done < self.total && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            say(self.line());
        }
    }

    /// Shows progress within the current one: `seen` of `all`, which are called `what`.
    pub(super) fn within(&mut self, what: &str, seen: usize, all: usize) {
        if all > 0 {
            let line = format!("{}; {} of {} {what}", self.line(), count(seen), count(all));
            if !self.bar.is_hidden() {
                self.bar.set_message(line);
            } else if self.said.elapsed() >= EVERY {
                self.said = Instant::now();
                say(line);
            }
        }
    }

    /// Prints `text` above the bar.
    pub(super) fn say(&self, text: &str) {
        say_above_one(&self.bar, text);
    }

    /// Writes `12 of 40 jobs, about 20 s left`.
    fn line(&self) -> String {
        let left = match self.done {
            0 => String::new(),
            done => {
                let left = self.seconds / done as f64 * self.total.saturating_sub(done) as f64;
                format!(", about {} left", duration(left))
            }
        };
        format!("{} of {} {}{left}", count(self.done), count(self.total), self.what)
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

const TEMPLATE: &str = "{wide_bar:.green} {msg}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_is_done() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
        let mut counter = Counter::new("jobs", 1200);
        assert_eq!(counter.line(), "0 of 1,200 jobs");
        counter.add(2.0);
        counter.add(1.0);
        assert_eq!(counter.line(), "2 of 1,200 jobs, about 29 min 57 s left");
    }
}
