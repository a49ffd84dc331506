//! Shows events of operations on stderr: bars on a terminal, lines elsewhere.

mod fetching;
mod learning;
mod preparing;
mod scoring;
mod steps;

use std::io;
use std::sync::{Mutex, PoisonError};

use indicatif::MultiProgress;

use super::stderr::say_above;
use super::terminal::{colours, width};
use fetching::Fetching;
use learning::Classifier;
use preparing::Preparing;
use scoring::Counter;
use steps::Steps;
use sweep_operations::{Drawing, Event, Exporting, Learning, Retraining, Scoring, Tell};

/// Columns if the width is unknown.
const COLUMNS: usize = 80;

/// Returns a display of events.
pub fn tell() -> Tell {
    tell_above(&MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::hidden()))
}

/// Returns a display of events, above `bars` if nothing else is drawn.
pub(crate) fn tell_above(bars: &MultiProgress) -> Tell {
    let stderr = io::stderr();
    let drawing = Drawing { columns: width(&stderr).map_or(COLUMNS, usize::from), colours: colours(&stderr) };
    let (bars, now) = (bars.clone(), Mutex::new(Now::Nothing));
    let show = move |event: Event<'_>| now.lock().unwrap_or_else(PoisonError::into_inner).show(event, &bars);
    Tell::new(show, drawing)
}

/// What is shown at present.
enum Now {
    Nothing,
    Preparing(Preparing),
    Fetching(Fetching),
    Learning(Classifier),
    Retraining(Steps),
    Scoring(Counter),
    Exporting(Counter),
}

impl Now {
    fn show(&mut self, event: Event<'_>, bars: &MultiProgress) {
        match event {
            Event::Said(text) => self.say(text, bars),
            Event::Preparing(event) => {
                if !matches!(self, Now::Preparing(_)) {
                    *self = Now::Preparing(Preparing::new());
                }
                if let Now::Preparing(shown) = self {
                    shown.event(&event);
                }
            }
            Event::Fetching { name, event } => {
                if !matches!(self, Now::Fetching(_)) {
                    *self = Now::Fetching(Fetching::new());
                }
                if let Now::Fetching(shown) = self {
                    shown.event(name, event);
                }
            }
            Event::Prepared | Event::Fetched => self.end(),
            Event::Learning(event) => {
                if let Learning::Begun { dataset } = event {
                    *self = Now::Learning(Classifier::new(dataset));
                }
                if let Now::Learning(shown) = self {
                    shown.event(&event);
                }
                if let Learning::Ended { .. } = event {
                    *self = Now::Nothing;
                }
            }
            Event::Retraining(Retraining::Begun { job }) => {
                *self = Now::Retraining(Steps::new(format!("job {}", job.short())))
            }
            Event::Retraining(Retraining::Step { step, steps }) => {
                if let Now::Retraining(shown) = self {
                    shown.at(step, steps);
                }
            }
            Event::Retraining(Retraining::Ended) => self.end(),
            Event::Exporting(Exporting::Begun { jobs }) => *self = Now::Exporting(Counter::new("jobs", jobs)),
            Event::Exporting(Exporting::Exported { seconds }) => {
                if let Now::Exporting(shown) = self {
                    shown.add(seconds);
                }
            }
            Event::Exporting(Exporting::Ended) => self.end(),
            Event::Scoring(Scoring::Begun { jobs }) => *self = Now::Scoring(Counter::new("jobs", jobs)),
            Event::Scoring(Scoring::Ended) => self.end(),
            Event::Scoring(event) => {
                if let Now::Scoring(shown) = self {
                    match event {
                        Scoring::Seen { seen, all } => shown.within("images", seen, all),
                        Scoring::Scored { seconds } => shown.add(seconds),
                        Scoring::Begun { .. } | Scoring::Ended => {}
                    }
                }
            }
        }
    }

    /// Prints `text` above what is drawn.
    fn say(&self, text: &str, bars: &MultiProgress) {
        match self {
            Now::Nothing => say_above(bars, text),
            Now::Preparing(shown) => shown.say(text),
            Now::Fetching(shown) => shown.say(text),
            Now::Learning(shown) => shown.say(text),
            Now::Retraining(shown) => shown.say(text),
            Now::Scoring(shown) | Now::Exporting(shown) => shown.say(text),
        }
    }

    /// Removes what is drawn.
    fn end(&mut self) {
        match self {
            Now::Nothing | Now::Learning(_) => {}
            Now::Preparing(shown) => shown.end(),
            Now::Fetching(shown) => shown.end(),
            Now::Retraining(shown) => shown.end(),
            Now::Scoring(shown) | Now::Exporting(shown) => shown.end(),
        }
        *self = Now::Nothing;
    }
}
