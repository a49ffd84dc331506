//! `sweep`: experiment sweeps for GAN research.

pub mod cli;
pub mod data;
pub mod metrics;
pub mod plan;
pub mod report;
pub mod run;
pub mod spec;
pub mod store;
pub mod tensor;
pub mod train;
pub mod wire;
pub mod worker;
