//! A slot: its worker, and what that is at.

use std::collections::VecDeque;

use super::message::Ticket;
use crate::plan::slot::Kind;
use crate::wire::event::Score;

#[derive(Debug)]
pub(super) struct Slot {
    /// Of its device.
    pub(super) kind: Kind,
    pub(super) worker: Worker,
    /// The order that its worker is at, and perhaps the next one.
    pub(super) orders: VecDeque<Sent>,
    /// When it last gave a sign of life or got something to do.
    pub(super) heard: f64,
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
    pub(super) started: bool,
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
    pub(super) fn new(kind: Kind) -> Self {
        let worker = Worker::Absent;
        Slot { kind, worker, orders: VecDeque::new(), heard: 0.0, rate: 0.0, scoring: None, scores: Vec::new() }
    }
}
