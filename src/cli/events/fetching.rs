//! Shows the progress of downloads.

use std::io::stderr;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::stderr::{EVERY, say_above_one};
use crate::table::binary_bytes;
use crate::terminal::draws;
use sweep_data::FetchEvent;

/// A download: a bar on a terminal; elsewhere a line for each step and now and then.
pub(super) struct Fetching {
    bar: ProgressBar,
    terminal: bool,
    said: Instant,
}

impl Fetching {
    pub(super) fn new() -> Self {
        Fetching { bar: ProgressBar::hidden(), terminal: draws(&stderr()), said: Instant::now() }
    }

    /// Prints `text` above the bar.
    pub(super) fn say(&self, text: &str) {
        say_above_one(&self.bar, text);
    }

    /// Shows an event of the files of `name`.
    pub(super) fn event(&mut self, name: &str, event: FetchEvent<'_>) {
        match event {
            FetchEvent::Trying(place) => self.say(&format!("{name}: trying {place}")),
            FetchEvent::Failed(place, error) => {
                self.bar.finish_and_clear();
                self.say(&format!("{name}: {place}: {error}"));
            }
            FetchEvent::File { name: file, bytes } => {
                self.bar.finish_and_clear();
                self.bar = if self.terminal { transfer(file, bytes) } else { ProgressBar::hidden() };
                self.bar.set_length(bytes.unwrap_or(0));
                self.said = Instant::now();
            }
            FetchEvent::Progress(bytes) => {
                self.bar.inc(bytes);
                if !self.terminal && self.said.elapsed() >= EVERY {
                    self.said = Instant::now();
                    let (got, all) = (self.bar.position(), self.bar.length().filter(|&all| all > 0));
                    let all = all.map_or_else(String::new, |all| format!(" of {}", binary_bytes(all)));
                    self.say(&format!("{name}: {}{all}", binary_bytes(got)));
                }
            }
            FetchEvent::Stored(path) => self.say(&format!("{name}: stored {}", path.display())),
        }
    }

    /// Removes the bar.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn transfer(name: &str, bytes: Option<u64>) -> ProgressBar {
    let (bar, template) = match bytes {
        Some(bytes) => (ProgressBar::new(bytes), "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"),
        None => (ProgressBar::new_spinner(), "{msg} {spinner} {bytes} {bytes_per_sec}"),
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(name.to_owned())
}
