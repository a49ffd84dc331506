//! Whole runs on real processes, with workers that are faked outside (`SWEEP_WORKER`).

pub mod bench;
mod faults;
mod protocol;
mod signals;
mod whole;
