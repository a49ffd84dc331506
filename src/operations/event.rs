//! How operations tell how they go.

use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;

use sweep_data::FetchEvent;
use sweep_data::cache::PrepareEvent;
use sweep_spec::id::JobId;
use sweep_wire::task::Learnt;

/// Something that a person who waits may want to see.
#[derive(Debug)]
pub enum Event<'a> {
    /// A line, or several. Commands in it stand between backticks.
    Said(&'a str),
    /// A data set is made ready, or compared with what was read before.
    Preparing(PrepareEvent<'a>),
    /// Nothing more comes of that.
    Prepared,
    /// Files are fetched.
    Fetching {
        /// Of this data set, or of this network.
        name: &'a str,
        /// What goes on.
        event: FetchEvent<'a>,
    },
    /// Nothing more comes of that.
    Fetched,
    /// A classifier of a data set's own labels is trained.
    Learning(Learning<'a>),
    /// A job is trained again.
    Retraining(Retraining),
    /// Jobs are scored from the generators that they left.
    Scoring(Scoring),
    /// Jobs are exported.
    Exporting(Exporting),
}

/// How far a classifier is.
#[derive(Debug)]
pub enum Learning<'a> {
    /// It begins, unless there is one already.
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
        /// Of so many.
        steps: u64,
    },
    /// Nothing more comes of it.
    Ended {
        /// The data set.
        dataset: &'a str,
        /// What came of it; none where there was one before, or it has failed.
        learnt: Option<&'a Learnt>,
        /// Seconds since it has begun.
        seconds: f64,
    },
}

/// How far a job is that is trained again.
#[derive(Clone, Copy, Debug)]
pub enum Retraining {
    /// It begins.
    Begun {
        /// The job.
        job: JobId,
    },
    /// It trains.
    Step {
        /// Steps done.
        step: u64,
        /// Of so many.
        steps: u64,
    },
    /// Nothing more comes of it.
    Ended,
}

/// How far the scoring of jobs is.
#[derive(Clone, Copy, Debug)]
pub enum Scoring {
    /// So many jobs are to be scored.
    Begun {
        /// Jobs in all.
        jobs: usize,
    },
    /// Of the job that is scored now so many images have been seen.
    Seen {
        /// Seen.
        seen: usize,
        /// Of so many; 0 while another process is at the same.
        all: usize,
    },
    /// One more job has its scores.
    Scored {
        /// What that took.
        seconds: f64,
    },
    /// No more jobs are scored.
    Ended,
}

/// How far an export is.
#[derive(Clone, Copy, Debug)]
pub enum Exporting {
    /// So many jobs are to be exported.
    Begun {
        /// Jobs in all.
        jobs: usize,
    },
    /// One more job is exported.
    Exported {
        /// What that took.
        seconds: f64,
    },
    /// Nothing more comes of it.
    Ended,
}

/// How mistakes of a sweep file are drawn, with the lines that they are about.
#[derive(Clone, Copy, Debug)]
pub struct Drawing {
    /// In so many columns.
    pub columns: usize,
    /// With the colours of a terminal.
    pub colours: bool,
}

/// Whom operations tell how they go. Threads may hold it that outlive a call.
#[derive(Clone)]
pub struct Tell {
    show: Arc<dyn Fn(Event<'_>) + Send + Sync>,
    drawing: Drawing,
}

impl Tell {
    /// Has `show` see all events, and mistakes of sweep files drawn so.
    pub fn new(show: impl Fn(Event<'_>) + Send + Sync + 'static, drawing: Drawing) -> Self {
        Tell { show: Arc::new(show), drawing }
    }

    /// Tells nobody.
    pub fn nobody() -> Self {
        Tell::new(|_| {}, Drawing { columns: 80, colours: false })
    }

    /// Tells of one event.
    pub fn event(&self, event: Event<'_>) {
        (self.show)(event);
    }

    /// Says a line, or several.
    pub fn say(&self, text: impl Display) {
        self.event(Event::Said(&text.to_string()));
    }

    /// Says all of these.
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
