//! The core of the orchestrator: slots, the queue of cohorts, attempts, retries, stopping. It is pure, without I/O or a
//! clock: each [`Input`] comes with its time, and [`Effect`]s say what to do.

mod control;
mod field;
mod judge;
mod machine;
mod message;
mod prober;
pub mod referee;
mod settings;
mod slot;
mod turn;
mod view;
mod work;

pub use machine::Machine;
pub use message::{Clue, Effect, Ending, Fate, Finish, Input, Rest, Summary, Ticket};
pub use prober::Prober;
pub use settings::{Pace, Settings};
pub use view::{SlotView, View};
pub use work::Work;

#[cfg(test)]
mod contest_tests;
#[cfg(test)]
mod control_tests;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod prober_tests;
#[cfg(test)]
mod proptests;
#[cfg(test)]
mod referee_tests;
#[cfg(test)]
mod tests;
