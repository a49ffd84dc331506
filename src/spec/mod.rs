//! WHAT to train: the sweep file and the jobs that it expands to. Pure data; imports nothing else of the crate.

pub mod arch;
mod axes;
pub mod blueprint;
pub mod canonical;
mod condition;
mod data_value;
pub mod dataset;
mod defaults;
pub mod error;
pub mod expand;
pub mod expect;
pub mod id;
pub mod job;
pub mod keys;
pub mod knobs;
pub mod metric;
mod net_value;
pub mod network;
pub mod objective;
pub mod own;
pub mod relation;
mod settings;
pub mod sweep;
mod unused;
pub mod value;
mod walk;
pub mod yaml;
