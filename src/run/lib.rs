//! The orchestrator: starts workers, sends orders, stores their event logs in the database, and decides what comes
//! next.
//!
//! [`state`] decides and is pure, the driver carries out its decisions, and [`executor`] runs the processes.

mod attempt;
mod distance;
mod driver;
pub mod executor;
pub mod launch;
mod ledger;
mod leftovers;
mod lock;
mod measurements;
mod orchestrator;
mod outcome;
mod presence;
mod requests;
mod resume;
mod signals;
pub mod spool;
pub mod state;
#[cfg(test)]
#[path = "../store/tests/sweeps.rs"]
#[allow(dead_code, reason = "shared by the tests of three crates, each of which needs a part of it")]
mod sweeps;
mod unneeded;
mod workplace;

pub use attempt::{Orders, WriteError};
pub use distance::{DELAY, delay, host, is_far};
pub use driver::run;
pub use ledger::{Unwritten, open};
pub use leftovers::{discard_spent, sweep_up};
pub use lock::{Lock, LockError};
pub use measurements::{add_measurements, load_measurements};
pub use orchestrator::Orchestrator;
pub use outcome::{Interrupted, Later, More, Observer, Options, Outcomes, Planner, RunError, Standing};
pub use presence::Hold;
pub use requests::{Answer, Request, ask, forget, is_paused};
pub use resume::resumed;
pub use signals::{asked_to_stop, stopping};
pub use unneeded::{Unneeded, Why, remove, unneeded};
pub use workplace::{Workplace, copied, readable};
