//! Scoring networks: what turns images into class probabilities and features.

pub mod augment;
pub mod classifier;
pub mod inception;
mod network;
pub mod train;
pub mod weights;

pub use classifier::NetError;
pub use network::{Network, Outputs};
