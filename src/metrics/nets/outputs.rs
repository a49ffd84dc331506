//! The outputs of a scoring network, and the checksum of its weights.

use tch::Tensor;

/// The outputs of a scoring network for n images.
#[derive(Debug)]
pub struct Outputs {
    /// `[n, classes]`, row-major.
    pub logits: Vec<f64>,
    /// `[n, features]`, float32, on the CPU.
    pub features: Tensor,
}

/// Returns the first 16 characters of the BLAKE3 hash of a weights file.
pub fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
