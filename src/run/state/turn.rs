//! In which order works are trained.

use std::cmp::{Ordering, Reverse};

/// When a work is next: whether it waits for a decision, since it would be done before it; how many decisions it is ahead of; how good it is; and in how
/// many milliseconds it would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) waits: bool,
    pub(super) ahead: usize,
    pub(super) merit: Reverse<Merit>,
    pub(super) milliseconds: Reverse<u64>,
}

impl Turn {
    /// After all others.
    pub(super) const LAST: Turn =
        Turn { waits: false, ahead: usize::MAX, merit: Reverse(Merit::NONE), milliseconds: Reverse(0) };
}

/// How good a cell is, the more the better.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merit(pub(super) f64);

impl Merit {
    /// Where nothing is known.
    pub(super) const NONE: Merit = Merit(f64::NEG_INFINITY);
}

impl Ord for Merit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Merit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merit {}
