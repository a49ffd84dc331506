//! The orchestrator: starts workers, sends orders, turns their event logs into rows, and decides what comes next.
//!
//! [`state`] decides, purely; the driver acts; [`executor`] is where processes are.

mod attempt;
pub mod executor;
mod lock;
pub mod state;
