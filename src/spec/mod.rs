//! WHAT to train: the sweep file and the jobs that it expands to. Pure data; imports nothing else of the crate.

pub mod arch;
pub mod blueprint;
pub mod canonical;
pub mod dataset;
pub mod id;
pub mod job;
pub mod knobs;
pub mod metric;
pub mod objective;
pub mod yaml;
