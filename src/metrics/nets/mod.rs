//! Scoring networks: what turns images into class probabilities and features.

pub mod augment;
pub mod classifier;
mod network;
pub mod train;

pub use classifier::NetError;
pub use network::{Network, Outputs};
