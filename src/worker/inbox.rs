//! What a worker is told of an order while it is at it.

use std::collections::HashSet;
use std::path::PathBuf;

use sweep_data::regular;
use sweep_spec::id::JobId;
use sweep_wire::control::Control;
use sweep_wire::order::Order;

/// Bytes of such a file at most: of a million jobs, say.
const MOST: u64 = 1 << 26;

/// What has come for an order.
pub(super) struct Inbox<'a> {
    order: &'a Order,
    path: PathBuf,
    /// What was there the last time.
    seen: Vec<u8>,
    without: HashSet<JobId>,
}

impl<'a> Inbox<'a> {
    /// With what the order says itself.
    pub(super) fn of(order: &'a Order) -> Self {
        let without = order.without.iter().copied().collect();
        Inbox { order, path: order.attempt_folder().control(), seen: Vec::new(), without }
    }

    /// Looks for what is new; whether more members are not to be trained any more. What was said once holds, whatever is there later; where
    /// nothing is there, or nothing that can be read, nothing was said.
    pub(super) fn look(&mut self) -> bool {
        let Ok(text) = regular::read(&self.path, MOST) else { return false };
        if text == self.seen {
            return false;
        }
        let before = self.without.len();
        self.without.extend(Control::read(&text, self.order).into_iter().flat_map(|control| control.without));
        self.seen = text;
        self.without.len() > before
    }

    /// Whether `job` is not to be trained any more.
    pub(super) fn is_without(&self, job: JobId) -> bool {
        self.without.contains(&job)
    }
}
