//! Scoring networks: they turn images into class probabilities and features.

pub mod augment;
pub mod classifier;
mod error;
pub mod inception;
mod network;
mod outputs;
pub mod train;
mod watch;
pub mod weights;

pub use error::NetError;
pub use network::Network;
pub use outputs::{Outputs, checksum};
pub use watch::{Watch, unwatched};
