//! WHAT to train: the sweep file and the jobs that it expands to. Pure data; imports nothing else of the crate.

pub mod arch;
mod assemble;
mod axes;
pub mod blueprint;
pub mod canonical;
mod condition;
mod cost;
mod data_value;
pub mod dataset;
mod doubts;
pub mod error;
pub mod expand;
pub mod expect;
pub mod former;
pub mod id;
pub mod job;
pub mod keys;
pub mod metric;
mod net_value;
pub mod network;
pub mod objective;
pub mod own;
pub mod parameters;
pub mod policy;
pub mod relation;
pub mod scoring;
pub mod settings;
mod spaces;
pub mod sweep;
pub mod text;
mod unused;
pub mod value;
#[cfg(test)]
mod values_tests;
mod walk;
pub mod yaml;
