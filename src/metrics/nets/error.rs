//! What is wrong with a scoring network.

use super::inception::InceptionError;
use sweep_tensor::message::without_frames;

/// What is wrong with a scoring network or with what it is fed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// No network is known for the data set.
    #[error("no scoring network for data set `{0}`: there is one for mnist and one for fashion_mnist")]
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
    /// A file is no safetensors file, or lacks a tensor, or one has another shape or type.
    #[error("scoring network {name}: {message}; expected weights written by `sweep classifier train`")]
    Weights {
        /// The network, or the file.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// Images and labels do not fit together.
    #[error(
        "expected whole images of {}×{}×{} pixels, found {found} values in all",
        .expected[0], .expected[1], .expected[2]
    )]
    Data {
        /// Channels, height and width of an image.
        expected: [usize; 3],
        /// Values in all images.
        found: usize,
    },
    /// Images without classes.
    #[error("{0} has no labels, or one alone: no classifier can be trained on it")]
    Unlabelled(String),
    /// Images that convolutions see nothing in.
    #[error("images of {}×{} pixels are too narrow for a classifier: leave out the scores that need one", .0[1], .0[2])]
    Thin([usize; 3]),
    /// The Inception network.
    #[error(transparent)]
    Inception(#[from] InceptionError),
    /// Whoever waited for it has ended it.
    #[error("stopped before all images were seen")]
    Stopped,
    /// libtorch refused.
    #[error("scoring network: {}", without_frames(&.0.to_string()))]
    Torch(#[from] tch::TchError),
}
