//! What sees images, whichever it is.

use tch::Tensor;

use super::classifier::{Classifier, NetError};

/// What a scoring network makes of n images.
#[derive(Debug)]
pub struct Outputs {
    /// `[n, classes]`, row-major.
    pub logits: Vec<f64>,
    /// `[n, features]`
    pub features: Tensor,
}

/// A scoring network with its weights.
#[derive(Debug)]
pub enum Network {
    /// Of the data set's own classes.
    Classifier(Classifier),
}

impl Network {
    /// Its name in protocols.
    pub fn name(&self) -> &str {
        match self {
            Network::Classifier(classifier) => classifier.name(),
        }
    }

    /// The first 16 characters of the BLAKE3 hash of its weights file.
    pub fn checksum(&self) -> &str {
        match self {
            Network::Classifier(classifier) => classifier.checksum(),
        }
    }

    /// Classes that it tells apart.
    pub fn classes(&self) -> usize {
        match self {
            Network::Classifier(classifier) => classifier.design().classes,
        }
    }

    /// Logits and features of `samples`, pixels in [−1, 1]. What is not finite spoils the outputs of its own image only.
    pub fn run(&self, samples: &[f32]) -> Result<Outputs, NetError> {
        match self {
            Network::Classifier(classifier) => classifier.run(samples),
        }
    }
}
