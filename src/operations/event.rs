//! How operations report their progress.

use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;

use sweep_data::FetchEvent;
use sweep_data::cache::PrepareEvent;
use sweep_spec::id::JobId;
use sweep_wire::task::Learnt;

/// Something that a waiting person may want to see.
#[derive(Debug)]
pub enum Event<'a> {
    /// One or more lines. Commands in them are in backticks.
    Said(&'a str),
    /// A data set is being prepared, or compared with what was read before.
    Preparing(PrepareEvent<'a>),
    /// The preparation has ended.
    Prepared,
    /// Files are being downloaded.
    Fetching {
        /// The data set or network.
        name: &'a str,
        /// What happens.
        event: FetchEvent<'a>,
    },
    /// The download has ended.
    Fetched,
    /// A classifier is being trained on a data set's own labels.
    Learning(Learning<'a>),
    /// A job is being trained again.
    Retraining(Retraining),
    /// Jobs are being scored from their saved generators.
    Scoring(Scoring),
    /// Jobs are being exported.
    Exporting(Exporting),
}

/// Progress of training a classifier.
#[derive(Debug)]
pub enum Learning<'a> {
    /// It starts, unless there is one already.
    Begun {
        /// The data set.
        dataset: &'a str,
    },
    /// It trains.
    Step {
        /// The data set.
        dataset: &'a str,
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
    /// It has ended.
    Ended {
        /// The data set.
        dataset: &'a str,
        /// The classifier; `None` if there was one before, or if training failed.
        classifier: Option<&'a Learnt>,
        /// Seconds since the start.
        seconds: f64,
    },
}

/// Progress of a job that is trained again.
#[derive(Clone, Copy, Debug)]
pub enum Retraining {
    /// It starts.
    Begun {
        /// The job.
        job: JobId,
    },
    /// It trains.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
    },
    /// It has ended.
    Ended,
}

/// Progress of scoring jobs.
#[derive(Clone, Copy, Debug)]
pub enum Scoring {
    /// It starts.
    Begun {
        /// Jobs in all.
        jobs: usize,
    },
    /// Images of the current job were evaluated.
    Seen {
        /// Images evaluated so far.
        seen: usize,
        /// Images in all; 0 while another process does the same.
        all: usize,
    },
    /// One more job has its scores.
    Scored {
        /// Seconds that this took.
        seconds: f64,
    },
    /// It has ended.
    Ended,
}

/// Progress of an export.
#[derive(Clone, Copy, Debug)]
pub enum Exporting {
    /// It starts.
    Begun {
        /// The number of jobs to export.
        jobs: usize,
    },
    /// One more job was exported.
    Exported {
        /// The time that it took.
        seconds: f64,
    },
    /// It has ended.
    Ended,
}

/// How to draw mistakes of a sweep file, with the lines that they are about.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// The width in columns.
    pub columns: usize,
    /// Whether to use the colours of a terminal.
    pub colours: bool,
}

/// Receives the progress of operations. Threads that outlive a call may hold it.
#[derive(Clone)]
pub struct Tell {
    show: Arc<dyn Fn(Event<'_>) + Send + Sync>,
    drawing: Drawing,
}

impl Tell {
    /// Passes all events to `show`, and draws mistakes of sweep files this way.
    pub fn new(show: impl Fn(Event<'_>) + Send + Sync + 'static, drawing: Drawing) -> Self {
        Tell { show: Arc::new(show), drawing }
    }

    /// Ignores all events.
    pub fn silent() -> Self {
        Tell::new(|_| {}, Drawing { columns: 80, colours: false })
    }

    /// Reports an event.
    pub fn event(&self, event: Event<'_>) {
        (self.show)(event);
    }

    /// Reports one or more lines.
    pub fn say(&self, text: impl Display) {
        self.event(Event::Said(&text.to_string()));
    }

    /// Reports all of these lines.
    pub fn say_all(&self, lines: impl IntoIterator<Item = impl Display>) {
        lines.into_iter().for_each(|line| self.say(line));
    }

    pub(crate) fn drawing(&self) -> Drawing {
        self.drawing
    }
}

impl Debug for Tell {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tell").field("drawing", &self.drawing).finish_non_exhaustive()
    }
}
