//! What every scoring network gives, and how its weights are named.

use tch::Tensor;

/// What a scoring network makes of n images.
#[derive(Debug)]
pub struct Outputs {
    /// `[n, classes]`, row-major.
    pub logits: Vec<f64>,
    /// `[n, features]`, float32, on the CPU.
    pub features: Tensor,
}

/// The first 16 characters of the BLAKE3 hash of a weights file.
pub fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
