//! A slot: its worker, and the worker's orders.

use std::collections::VecDeque;

use super::message::Ticket;
use sweep_plan::slot::Kind;
use sweep_wire::event::Score;

#[derive(Debug)]
pub(super) struct Slot {
    /// The kind of its device; `None` while the slot is not there, since its machine has not come yet or is gone.
    pub(super) kind: Option<Kind>,
    pub(super) worker: Worker,
    /// The current order of its worker, and perhaps the next ones.
    pub(super) orders: VecDeque<Sent>,
    /// When its worker was asked to stop.
    pub(super) asked: Option<f64>,
    /// When it last gave a sign of life or got an order.
    pub(super) heard: f64,
    /// How many times longer than predicted its recent cohorts took.
    pub(super) slowness: f64,
    /// Model-steps per second, as last reported.
    pub(super) rate: f64,
    /// Images evaluated so far for the current score, and their total.
    pub(super) scoring: Option<(u64, u64)>,
    /// The scores last reported.
    pub(super) scores: Vec<Score>,
}

#[derive(Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    pub(super) work: usize,
    /// When its worker reported that it started.
    pub(super) since: Option<f64>,
    /// The same by its machine's clock, and the predicted seconds until the end.
    pub(super) began: Option<(f64, f64)>,
    /// Its jobs have used up their time, and its worker was asked to stop.
    pub(super) timed_out: bool,
    /// Its worker was silent for too long, and was asked to stop.
    pub(super) silent: bool,
    /// Its log is invalid, so the rest of it is ignored.
    pub(super) broken: bool,
}

#[derive(Debug, Default)]
pub(super) enum Worker {
    #[default]
    Absent,
    Alive,
    /// Killed, and why; its exit has not been reported yet. `to_blame`: whether its orders are to blame.
    Doomed {
        why: String,
        to_blame: bool,
    },
}

impl Slot {
    /// Makes a slot that is not there yet.
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

    /// One of its cohorts, predicted to take `predicted` seconds, took `seconds`.
    pub(super) fn took(&mut self, seconds: f64, predicted: f64) {
        // A clock may be set back during training.
        if seconds > 0.0 && predicted > 0.0 {
            // One cohort alone says little: it may have been the first on its device.
            self.slowness = (self.slowness * (seconds / predicted).clamp(1e-6, 1e6)).sqrt();
        }
    }

    /// Whether it takes orders: it is there, and its worker is not about to exit.
    pub(super) fn takes_orders(&self) -> bool {
        self.kind.is_some() && self.asked.is_none() && !matches!(self.worker, Worker::Doomed { .. })
    }

    /// Forgets what its worker has reported.
    pub(super) fn forget(&mut self) {
        (self.rate, self.scoring) = (0.0, None);
        self.scores.clear();
    }
}

impl Sent {
    pub(super) fn new(ticket: Ticket, work: usize) -> Self {
        Sent { ticket, work, since: None, began: None, timed_out: false, silent: false, broken: false }
    }

    /// Whether its worker has reported that it started.
    pub(super) fn is_started(&self) -> bool {
        self.since.is_some()
    }
}
