//! What sees images, whichever it is.

use super::classifier::Classifier;
use super::error::NetError;
use super::inception::{self, Inception};
use super::outputs::Outputs;

/// A scoring network with its weights.
#[derive(Debug)]
pub enum Network {
    /// Of the data set's own classes.
    Classifier(Classifier),
    /// Of a thousand other classes, and the shape of the images: channels, height and width.
    Inception(Inception, [usize; 3]),
}

impl Network {
    /// Its name in protocols.
    pub fn name(&self) -> &str {
        match self {
            Network::Classifier(classifier) => classifier.name(),
            Network::Inception(inception, _) => inception.name(),
        }
    }

    /// The first 16 characters of the BLAKE3 hash of its weights file.
    pub fn checksum(&self) -> &str {
        match self {
            Network::Classifier(classifier) => classifier.checksum(),
            Network::Inception(inception, _) => inception.checksum(),
        }
    }

    /// Classes that it tells apart.
    pub fn classes(&self) -> usize {
        match self {
            Network::Classifier(classifier) => classifier.design().classes,
            Network::Inception(..) => inception::CLASSES,
        }
    }

    /// Logits and features of `samples`, pixels in [−1, 1]. What is not finite spoils the outputs of its own image only.
    pub fn run(&self, samples: &[f32]) -> Result<Outputs, NetError> {
        match self {
            Network::Classifier(classifier) => classifier.run(samples),
            Network::Inception(inception, shape) => Ok(inception.run(samples, *shape)?),
        }
    }
}
