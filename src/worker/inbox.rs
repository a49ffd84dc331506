//! Messages of the orchestrator to a worker that is training an order.

use std::collections::HashSet;
use std::path::PathBuf;

use sweep_data::regular;
use sweep_spec::id::JobId;
use sweep_wire::control::Control;
use sweep_wire::order::Order;

/// Largest size of the file, in bytes: enough for about a million jobs.
const MOST: u64 = 1 << 26;

/// The members that the orchestrator no longer wants trained.
pub(super) struct Inbox<'a> {
    order: &'a Order,
    path: PathBuf,
    /// The content of the file when it was last read.
    seen: Vec<u8>,
    without: HashSet<JobId>,
}

impl<'a> Inbox<'a> {
    /// Starts with what the order itself says.
    pub(super) fn of(order: &'a Order) -> Self {
        let without = order.without.iter().copied().collect();
        Inbox { order, path: order.attempt_folder().control(), seen: Vec::new(), without }
    }

    /// Reads the file if it has changed. Returns whether more members were removed. A removed member stays removed,
    /// whatever the file says later; a missing or unreadable file changes nothing.
    pub(super) fn check(&mut self) -> bool {
        let Ok(text) = regular::read(&self.path, MOST) else { return false };
        if text == self.seen {
            return false;
        }
        let before = self.without.len();
        self.without.extend(Control::read(&text, self.order).into_iter().flat_map(|control| control.without));
        self.seen = text;
        self.without.len() > before
    }

    /// Whether `job` should no longer be trained.
    pub(super) fn is_removed(&self, job: JobId) -> bool {
        self.without.contains(&job)
    }
}
