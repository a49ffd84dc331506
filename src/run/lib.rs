//! The orchestrator: starts workers, sends orders, turns their event logs into rows, and decides what comes next.
//!
//! [`state`] decides, purely; the driver acts; [`executor`] is where processes are. Before that, [`mod@probe`] finds out how many jobs
//! train best together.

mod attempt;
mod driver;
pub mod executor;
mod learnt;
mod ledger;
mod leftovers;
mod lock;
mod orchestrator;
pub mod probe;
mod requests;
mod resume;
mod signals;
pub mod state;
#[cfg(test)]
#[path = "../store/tests/sweeps.rs"]
#[allow(dead_code, reason = "shared by the tests of three crates, each of which needs a part of it")]
mod sweeps;

pub use attempt::{Orders, WriteError};
pub use driver::{Options, Outcomes, RunError, run};
pub use learnt::{learn, learnt};
pub use ledger::{Unwritten, open};
pub use leftovers::{discard_spent, sweep_up};
pub use lock::{Lock, LockError};
pub use orchestrator::Orchestrator;
pub use requests::{Answer, Request, ask, forget, is_paused};
pub use resume::resumed;
pub use signals::{asked_to_stop, stopping};

use state::View;

/// Sees how a run goes on.
pub trait Observer {
    /// Called a few times a second, and when something has changed that the user waits for.
    fn update(&mut self, view: &View);
}
