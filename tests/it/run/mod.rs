//! Whole runs on real processes, with workers that are faked outside (`SWEEP_WORKER`).

mod agents;
pub(crate) mod bench;
mod budget;
mod changed;
mod chaos;
mod control;
mod dropped;
mod early;
pub(crate) mod elsewhere;
mod far;
mod faults;
mod hints;
mod late;
mod locked;
mod logs;
mod looks;
mod probe;
mod protocol;
mod recovery;
mod search;
mod signals;
mod whole;
