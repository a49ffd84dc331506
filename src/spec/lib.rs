//! WHAT to train: the sweep file and the jobs that it expands to. Pure data.

pub mod amount;
pub mod arch;
mod assemble;
mod axes;
pub mod blueprint;
pub mod canonical;
pub mod cluster;
mod condition;
mod cost;
mod data_value;
pub mod dataset;
mod drawn_value;
pub mod error;
pub mod expand;
#[cfg(test)]
mod expand_tests;
mod expand_variant;
pub mod expect;
pub mod former;
pub mod from;
mod gaussians;
pub mod id;
pub mod job;
pub mod keys;
mod law;
mod level;
mod merge;
pub mod metric;
pub mod moves;
mod net_value;
pub mod network;
pub mod objective;
pub mod own_data;
pub mod parameters;
mod parts;
pub mod penalty;
pub mod point;
pub mod policy;
pub mod prune;
pub mod published;
pub mod race;
pub mod relation;
pub mod schedule;
pub mod scoring;
pub mod search;
#[cfg(test)]
mod search_tests;
mod setting_warnings;
pub mod settings;
#[cfg(test)]
mod settings_tests;
mod spaces;
pub mod stop;
pub mod sweep;
pub mod text;
mod toy;
pub mod trace;
pub mod trainer;
mod unused;
pub mod value;
#[cfg(test)]
mod value_tests;
#[cfg(test)]
mod values_tests;
mod vocabulary;
pub mod yaml;
