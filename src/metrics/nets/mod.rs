//! Scoring networks: what turns images into class probabilities and features.

pub mod augment;
pub mod classifier;
pub mod inception;
pub mod train;
pub mod weights;
