//! The orchestrator's mind: slots, the queue of cohorts, attempts, retries, stopping. Pure: no I/O, no clock; what happened goes in
//! as an [`Input`] with the time, what to do comes out as [`Effect`]s.

mod machine;
mod message;
mod slot;
mod view;
mod work;

pub use machine::{Machine, Settings};
pub use message::{Effect, Fate, Finish, Input, Rest, Summary, Ticket};
pub use view::{SlotView, View};
pub use work::Work;

#[cfg(test)]
pub(in crate::run) mod fixtures;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
