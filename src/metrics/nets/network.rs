//! What sees images, whichever it is.

use tch::Tensor;

use super::classifier::{self, Classifier};
use super::error::NetError;
use super::inception::{self, Inception};
use super::outputs::Outputs;
use super::watch::Watch;

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

    /// Channels, height and width of the images that it sees.
    pub fn shape(&self) -> [usize; 3] {
        match self {
            Network::Classifier(classifier) => classifier.design().shape,
            Network::Inception(_, shape) => *shape,
        }
    }

    /// Images after which it tells how far it is: those of some seconds at most.
    pub fn block(&self) -> usize {
        match self {
            Network::Classifier(_) => 10 * classifier::CHUNK,
            Network::Inception(..) => 4 * inception::CHUNK,
        }
    }

    /// Logits and features of `samples`, pixels in [−1, 1]; `watch` is told how far it is. What is not finite spoils the outputs of its
    /// own image only.
    ///
    /// # Errors
    ///
    /// Where the values are no whole number of images, where libtorch fails, and where `watch` ends it.
    pub fn run(&self, samples: &[f32], watch: &mut Watch) -> Result<Outputs, NetError> {
        let block = self.block();
        let size = self.shape().iter().product::<usize>().max(1);
        let (all, mut seen) = (samples.len() / size, 0);
        let (mut logits, mut features) = (Vec::with_capacity(all * self.classes()), Vec::new());
        // No image at all is a block as well, and so is what is no whole number of them.
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
