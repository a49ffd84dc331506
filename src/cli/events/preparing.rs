//! Shows the progress of preparing a data set.

use std::io::stderr;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::stderr::{EVERY, say, say_above_one};
use crate::table::{count, duration};
use crate::terminal::draws;
use sweep_data::cache::PrepareEvent;

/// The largest number of classes that are named.
const NAMED: usize = 5;
/// The largest number of damaged samples that are reported one by one.
const TOLD: usize = 10;

/// What is done with samples: they are read, or read again for comparison with an earlier reading.
const READ: &str = "read";
const COMPARED: &str = "compared";

/// Writes ` of 3 classes (cat, cow, dog)`, to show what was taken for a class.
fn in_classes(classes: &[String]) -> String {
    if classes.is_empty() {
        return String::new();
    }
    let more = if classes.len() > NAMED { ", …" } else { "" };
    format!(" of {} classes ({}{more})", count(classes.len()), classes[..classes.len().min(NAMED)].join(", "))
}

/// A data set that is prepared: a bar on a terminal, a line now and then elsewhere.
pub(super) struct Preparing {
    bar: ProgressBar,
    terminal: bool,
    name: String,
    /// What is done with samples.
    what: &'static str,
    start: Instant,
    said: Instant,
    /// Numbers of samples: read by an earlier process, read now, and all.
    before: usize,
    done: usize,
    total: usize,
    damaged: usize,
}

impl Preparing {
    pub(super) fn new() -> Self {
        let (bar, now) = (ProgressBar::hidden(), Instant::now());
        let terminal = draws(&stderr());
        let (name, what) = (String::new(), "");
        Preparing { bar, terminal, name, what, start: now, said: now, before: 0, done: 0, total: 0, damaged: 0 }
    }

    /// Starts with `total` samples, of which `done` are done.
    fn begin(&mut self, name: &str, what: &'static str, done: usize, total: usize) {
        self.bar.finish_and_clear();
        (self.name, self.what, self.before, self.done, self.total) = (name.to_owned(), what, done, 0, total);
        self.start = Instant::now();
        self.said = self.start;
        if self.terminal {
            let template = "{msg} {wide_bar} {pos}/{len}, {per_sec}, {eta} left";
            self.bar = ProgressBar::new(total as u64).with_position(done as u64).with_message(name.to_owned());
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.reset_eta();
        }
    }

    /// Prints `text` above the bar.
    pub(super) fn say(&self, text: &str) {
        say_above_one(&self.bar, text);
    }

    /// Shows an event.
    pub(super) fn event(&mut self, event: &PrepareEvent<'_>) {
        match *event {
            PrepareEvent::Waiting(holder) => {
                let who = if holder.is_empty() { "another process" } else { holder };
                self.say(&format!("waiting for {who}, which is preparing a data set in the same folder"));
            }
            PrepareEvent::Begun { name, path, done, total, classes, left_out } => {
                let onwards = if done == 0 { String::new() } else { format!(", going on after {}", count(done)) };
                let (samples, of) = (count(total), in_classes(classes));
                self.say(&format!("reading {name}: {samples} samples{of} in {}{onwards}", path.display()));
                if let Some(left_out) = left_out {
                    self.say(&format!("{name}: left out: {left_out}"));
                }
                self.begin(name, READ, done, total);
            }
            PrepareEvent::Comparing { name, total } => self.begin(name, COMPARED, 0, total),
            PrepareEvent::Read(more) => {
                self.done += more;
                self.bar.inc(more as u64);
                if !self.terminal && self.said.elapsed() >= EVERY {
                    self.said = Instant::now();
                    self.say(&self.line());
                }
            }
            PrepareEvent::Damaged(damaged) => {
                self.damaged += 1;
                if self.damaged <= TOLD {
                    self.say(&format!("warning: {} is damaged and left out: {}", damaged.name, damaged.why));
                } else if self.damaged == TOLD + 1 {
                    self.say("warning: more are damaged; `sweep data list --json` lists them all");
                }
            }
        }
    }

    /// Returns a line about the progress.
    fn line(&self) -> String {
        let rate = self.done as f64 / self.start.elapsed().as_secs_f64().max(1e-9);
        let now = self.before + self.done;
        let left = duration((self.total - now.min(self.total)) as f64 / rate);
        let share = 100 * now / self.total.max(1);
        format!(
            "{}: {} of {} samples {} ({share} %), {rate:.0} a second, about {left} left",
            self.name,
            count(now),
            count(self.total),
            self.what
        )
    }

    /// Removes the bar, and reports what was read.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
        let seconds = self.start.elapsed().as_secs_f64();
        // A comparison that took less than a second is not worth a line.
        if self.done > 0 && (self.what == READ || seconds >= 1.0) {
            let (name, what, done, took) = (&self.name, self.what, count(self.done), duration(seconds));
            let rate = self.done as f64 / seconds.max(1e-9);
            say(format!("{name}: {done} samples {what} in {took}, {rate:.0} a second"));
        }
    }
}
