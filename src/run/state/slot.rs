//! A slot: its worker, and what that is at.

use std::collections::VecDeque;

use super::message::Ticket;
use sweep_plan::slot::Kind;
use sweep_wire::event::Score;

#[derive(Debug)]
pub(super) struct Slot {
    /// Of its device; none as long as the slot is not there: its machine has yet to come, or has gone.
    pub(super) kind: Option<Kind>,
    pub(super) worker: Worker,
    /// The order that its worker is at, and perhaps the next one.
    pub(super) orders: VecDeque<Sent>,
    /// When its worker was asked to stop.
    pub(super) asked: Option<f64>,
    /// When it last gave a sign of life or got something to do.
    pub(super) heard: f64,
    /// How many times longer than predicted its cohorts have taken of late.
    pub(super) slowness: f64,
    /// Model-steps per second, last reported.
    pub(super) rate: f64,
    /// Images seen of those that are scored now.
    pub(super) scoring: Option<(u64, u64)>,
    /// Last reported.
    pub(super) scores: Vec<Score>,
}

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    pub(super) work: usize,
    /// When its worker said that it starts.
    pub(super) since: Option<f64>,
    /// The same by the clock of its machine, and in how many seconds it was predicted to finish.
    pub(super) began: Option<(f64, f64)>,
    /// Its jobs have had their time; it was asked to stop.
    pub(super) timed_out: bool,
    /// Its worker gave no sign of life for too long; it was asked to stop.
    pub(super) silent: bool,
    /// Its log has turned out not to be one: nothing more of it counts.
    pub(super) broken: bool,
}

#[derive(Debug, Default)]
pub(super) enum Worker {
    #[default]
    Absent,
    Alive,
    /// Killed, and why; its exit has not been reported yet. Its orders are to blame for it, or they are not.
    Doomed {
        why: String,
        to_blame: bool,
    },
}

impl Slot {
    /// One that is not there yet.
    pub(super) fn new() -> Self {
        Slot {
            kind: None,
            worker: Worker::Absent,
            orders: VecDeque::new(),
            asked: None,
            heard: 0.0,
            slowness: 1.0,
            rate: 0.0,
            scoring: None,
            scores: Vec::new(),
        }
    }

    /// One of its cohorts, predicted to take so many seconds, took as many as this.
    pub(super) fn took(&mut self, seconds: f64, predicted: f64) {
        // A clock may be set back while it trains.
        if seconds > 0.0 && predicted > 0.0 {
            // One alone says little: it may have been the first on its device.
            self.slowness = (self.slowness * (seconds / predicted).clamp(1e-6, 1e6)).sqrt();
        }
    }

    /// Whether it takes orders: it is there, and its worker is not about to go.
    pub(super) fn takes_orders(&self) -> bool {
        self.kind.is_some() && self.asked.is_none() && !matches!(self.worker, Worker::Doomed { .. })
    }

    /// Forgets what its worker has said.
    pub(super) fn forget(&mut self) {
        (self.rate, self.scoring) = (0.0, None);
        self.scores.clear();
    }
}

impl Sent {
    pub(super) fn new(ticket: Ticket, work: usize) -> Self {
        Sent { ticket, work, since: None, began: None, timed_out: false, silent: false, broken: false }
    }

    /// Whether its worker has said that it starts.
    pub(super) fn is_started(&self) -> bool {
        self.since.is_some()
    }
}
