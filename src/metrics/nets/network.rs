//! A scoring network of either kind.

use tch::Tensor;

use super::classifier::{self, Classifier};
use super::error::NetError;
use super::inception::{self, Inception};
use super::outputs::Outputs;
use super::watch::Watch;

/// A scoring network with its weights.
#[derive(Debug)]
pub enum Network {
    /// Trained on the data set's own classes.
    Classifier(Classifier),
    /// Trained on a thousand other classes; with the shape of the images: channels, height and width.
    Inception(Inception, [usize; 3]),
}

impl Network {
    /// Returns its name in protocols.
    pub fn name(&self) -> &str {
        match self {
            Network::Classifier(classifier) => classifier.name(),
            Network::Inception(inception, _) => inception.name(),
        }
    }

    /// Returns the first 16 characters of the BLAKE3 hash of its weights file.
    pub fn checksum(&self) -> &str {
        match self {
            Network::Classifier(classifier) => classifier.checksum(),
            Network::Inception(inception, _) => inception.checksum(),
        }
    }

    /// Returns the number of classes it distinguishes.
    pub fn classes(&self) -> usize {
        match self {
            Network::Classifier(classifier) => classifier.design().classes,
            Network::Inception(..) => inception::CLASSES,
        }
    }

    /// Returns channels, height and width of its input images.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Network::Classifier(classifier) => classifier.design().shape,
            Network::Inception(_, shape) => *shape,
        }
    }

    /// Returns after how many images it reports progress: a few seconds' worth at most.
    pub fn block(&self) -> usize {
        match self {
            Network::Classifier(_) => 10 * classifier::CHUNK,
            Network::Inception(..) => 4 * inception::CHUNK,
        }
    }

    /// Returns logits and features of `samples`, pixels in [−1, 1]. Calls `watch` with its progress. Pixels that are
    /// not finite only spoil the outputs of their own image.
    ///
    /// # Errors
    ///
    /// If the values are not a whole number of images, libtorch fails, or `watch` stops it.
    pub fn run(&self, samples: &[f32], watch: &mut Watch) -> Result<Outputs, NetError> {
        let block = self.block();
        let size = self.shape().iter().product::<usize>().max(1);
        let (all, mut seen) = (samples.len() / size, 0);
        let (mut logits, mut features) = (Vec::with_capacity(all * self.classes()), Vec::new());
        // Pass on empty input as one block, and incomplete images, too, so they get checked.
        let blocks = samples.chunks(block * size).chain(samples.is_empty().then_some(samples));
        for block in blocks {
            let outputs = match self {
                Network::Classifier(classifier) => classifier.run(block)?,
                Network::Inception(inception, shape) => inception.run(block, *shape)?,
            };
            logits.extend(outputs.logits);
            features.push(outputs.features);
            seen += block.len() / size;
            if watch(seen, all).is_break() {
                return Err(NetError::Stopped);
            }
        }
        Ok(Outputs { logits, features: Tensor::f_cat(&features, 0)? })
    }
}
