//! Errors of scoring networks.

use super::inception::InceptionError;
use sweep_tensor::message::without_frames;

/// What is wrong with a scoring network or its input.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is no network for the data set.
    #[error("there is no scoring network for data set `{0}`, only for mnist and fashion_mnist")]
    None(&'static str),
    /// The shipped weights are not those that the program was built for.
    #[error(
        "scoring network {name}: expected weights with checksum {expected}, found {found}; the source tree is damaged: \
         check out src/metrics/nets again and rebuild"
    )]
    Checksum {
        /// The network.
        name: &'static str,
        /// As recorded.
        expected: String,
        /// As computed.
        found: String,
    },
    /// A file is not a safetensors file, lacks a tensor, or has a tensor of another shape or type.
    #[error("scoring network {name}: {message}; expected weights written by `sweep classifier train`")]
    Weights {
        /// The network, or the file.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// The values are not whole images.
    #[error(
        "expected images of {}×{}×{} pixels, but {found} values in total is not a whole number of images",
        .expected[0], .expected[1], .expected[2]
    )]
    Data {
        /// Channels, height and width of an image.
        expected: [usize; 3],
        /// Total number of values.
        found: usize,
    },
    /// Images without at least two classes.
    #[error("{0} has no labels, or only one: a classifier cannot be trained on it")]
    Unlabelled(String),
    /// Images too small for the convolutions.
    #[error("images of {}×{} pixels are too narrow for a classifier: leave out the scores that need one", .0[1], .0[2])]
    Thin([usize; 3]),
    /// The Inception network.
    #[error(transparent)]
    Inception(#[from] InceptionError),
    /// Stopped on request.
    #[error("stopped before all images were evaluated")]
    Stopped,
    /// libtorch refused.
    #[error("scoring network: {}", without_frames(&.0.to_string()))]
    Torch(#[from] tch::TchError),
}
