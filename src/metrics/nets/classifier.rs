//! The conv classifier behind the scores of 28×28 images: three convolutions, a hidden layer, ten classes.
//!
//! Conv 5×5, 3×3, 3×3 with ReLU and 2×2 max pooling each, a linear layer of [`FEATURES`] with ReLU (the penultimate features), and
//! a linear layer to the logits. It was trained by `sweep classifier train` with batch normalisation, which is folded into the
//! convolutions, so that an image's outputs do not depend on the others of its batch.

use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor, no_grad};

use super::augment::{PIXELS, SIDE};
use crate::spec::dataset::Dataset;

/// Classes.
pub const CLASSES: usize = 10;
/// Penultimate features.
pub const FEATURES: usize = 64;
/// Channels after each convolution.
pub(super) const CHANNELS: [i64; 3] = [16, 32, 64];
/// Kernel size of each convolution; the padding keeps the size.
pub(super) const KERNELS: [i64; 3] = [5, 3, 3];
/// Values that the last pooling leaves: 28 → 14 → 7 → 3 pixels a side.
pub(super) const FLAT: i64 = CHANNELS[2] * 3 * 3;
/// Images that go through at once: small enough that activations stay in the cache.
const CHUNK: usize = 100;

/// A set of weights that is part of the program.
struct Shipped {
    name: &'static str,
    bytes: &'static [u8],
    checksum: &'static str,
}

/// Wrong on 0.44 % of the test set.
const MNIST: Shipped =
    Shipped { name: "mnist-conv3", bytes: include_bytes!("mnist.safetensors"), checksum: include_str!("mnist.blake3") };

/// Wrong on 8.87 % of the test set.
const FASHION_MNIST: Shipped = Shipped {
    name: "fashion-mnist-conv3",
    bytes: include_bytes!("fashion_mnist.safetensors"),
    checksum: include_str!("fashion_mnist.blake3"),
};

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
        "expected whole 28×28 images and as many labels of 0 to 9, found {pixels} pixels and {labels} labels up to {largest}"
    )]
    Data {
        /// Values in all images.
        pixels: usize,
        /// Labels.
        labels: usize,
        /// The largest label.
        largest: u8,
    },
    /// libtorch refused.
    #[error("scoring network: {0}")]
    Torch(#[from] tch::TchError),
}

/// A trained network.
#[derive(Debug)]
pub struct Classifier {
    name: String,
    checksum: String,
    layers: Vec<(Tensor, Tensor)>,
}

/// What a network says about n images.
#[derive(Debug)]
pub struct Outputs {
    /// Logits `[n, classes]`, row-major, float64.
    pub logits: Vec<f64>,
    /// Penultimate features `[n, features]`, on the CPU.
    pub features: Tensor,
}

/// The name and shape of each tensor in a weights file, weight and bias of a layer together.
pub(super) fn layout() -> [(&'static str, Vec<i64>, i64); 5] {
    let conv = |k: usize| vec![CHANNELS[k], if k == 0 { 1 } else { CHANNELS[k - 1] }, KERNELS[k], KERNELS[k]];
    [
        ("conv1", conv(0), CHANNELS[0]),
        ("conv2", conv(1), CHANNELS[1]),
        ("conv3", conv(2), CHANNELS[2]),
        ("hidden", vec![FEATURES as i64, FLAT], FEATURES as i64),
        ("output", vec![CLASSES as i64, FEATURES as i64], CLASSES as i64),
    ]
}

/// The first 16 characters of the BLAKE3 hash of a weights file.
pub fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}

impl Classifier {
    /// The network that scores samples of `dataset`, from the weights in the program.
    pub fn shipped(dataset: &Dataset) -> Result<Self, NetError> {
        let shipped = match dataset {
            // A digit at a time.
            Dataset::Mnist | Dataset::Mnist1k => MNIST,
            Dataset::FashionMnist => FASHION_MNIST,
            Dataset::Gaussians(_) | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => {
                return Err(NetError::None(dataset.name()));
            }
        };
        let (expected, found) = (shipped.checksum.trim().to_owned(), checksum(shipped.bytes));
        if expected != found {
            return Err(NetError::Checksum { name: shipped.name, expected, found });
        }
        Self::read(shipped.name, shipped.bytes)
    }

    /// The network in a weights file (safetensors, float32). `name` says where it comes from.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, NetError> {
        let wrong = |message: String| NetError::Weights { name: name.to_owned(), message };
        let file = SafeTensors::deserialize(bytes).map_err(|error| wrong(error.to_string()))?;
        let tensor = |key: String, shape: &[i64]| {
            let view = file.tensor(&key).map_err(|_| wrong(format!("no tensor `{key}`")))?;
            let found: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
            if view.dtype() != Dtype::F32 || found != shape {
                return Err(wrong(format!("`{key}` is {:?} {found:?}, not F32 {shape:?}", view.dtype())));
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(4)
                .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
                .collect();
            Ok(Tensor::from_slice(&values).reshape(shape))
        };
        let mut layers = Vec::new();
        for (layer, weight, bias) in layout() {
            layers.push((tensor(format!("{layer}.weight"), &weight)?, tensor(format!("{layer}.bias"), &[bias])?));
        }
        Ok(Classifier { name: name.to_owned(), checksum: checksum(bytes), layers })
    }

    /// Its name in protocols.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first 16 characters of the BLAKE3 hash of its weights file.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Logits and features of `samples` `[n, 784]` with pixels in [−1, 1]. NaN pixels give NaN outputs of their own image only.
    pub fn run(&self, samples: &[f32]) -> Result<Outputs, NetError> {
        if !samples.len().is_multiple_of(PIXELS) {
            return Err(NetError::Data { pixels: samples.len(), labels: 0, largest: 0 });
        }
        no_grad(|| {
            let mut logits = Vec::with_capacity(samples.len() / PIXELS * CLASSES);
            let mut features = vec![Tensor::zeros([0, FEATURES as i64], (Kind::Double, Device::Cpu))];
            for chunk in samples.chunks(CHUNK * PIXELS) {
                let images = Tensor::from_slice(chunk).reshape([-1, 1, SIDE as i64, SIDE as i64]);
                let (hidden, out) = self.forward(&images)?;
                logits.extend(Vec::<f64>::try_from(out.to_kind(Kind::Double).f_flatten(0, -1)?)?);
                features.push(hidden.to_kind(Kind::Double));
            }
            Ok(Outputs { logits, features: Tensor::f_cat(&features, 0)? })
        })
    }

    /// The most probable class of each of `samples` `[n, 784]`.
    pub fn classify(&self, samples: &[f32]) -> Result<Vec<u8>, NetError> {
        let outputs = self.run(samples)?;
        let best = |row: &[f64]| (0..CLASSES).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0) as u8;
        Ok(outputs.logits.chunks(CLASSES).map(best).collect())
    }

    /// How many of `images` (u8, `[n, 28, 28]`) it takes for something else than `labels` say.
    pub fn errors(&self, images: &[u8], labels: &[u8]) -> Result<usize, NetError> {
        check(images, labels)?;
        let samples: Vec<f32> = images.iter().map(|&pixel| f32::from(pixel) * (1.0 / 127.5) - 1.0).collect();
        Ok(self.classify(&samples)?.iter().zip(labels).filter(|(found, label)| found != label).count())
    }

    /// Features `[n, 64]` and logits `[n, 10]` of `images` `[n, 1, 28, 28]`.
    fn forward(&self, images: &Tensor) -> Result<(Tensor, Tensor), tch::TchError> {
        // Black is 0 inside the network, so that the padding of the convolutions looks like background.
        let mut x = (images + 1.0) * 0.5;
        for ((weight, bias), kernel) in self.layers.iter().zip(KERNELS) {
            x = x.f_conv2d(weight, Some(bias), [1, 1], [kernel / 2, kernel / 2], [1, 1], 1)?;
            x = pool(&x)?.f_relu_()?;
        }
        let [.., (hidden, hidden_bias), (output, output_bias)] = &self.layers[..] else {
            unreachable!("`read` makes five layers")
        };
        let features = x.f_flatten(1, -1)?.f_linear(hidden, Some(hidden_bias))?.f_relu_()?;
        let logits = features.f_linear(output, Some(output_bias))?;
        Ok((features, logits))
    }
}

/// 2×2 max pooling of `x` `[n, channels, height, width]`; an odd last row or column is left out. Ten times as fast as libtorch's
/// own, which also finds out where each maximum was.
fn pool(x: &Tensor) -> Result<Tensor, tch::TchError> {
    let half = |x: &Tensor, axis: i64| {
        let even = x.size()[axis as usize] / 2 * 2;
        x.f_slice(axis, 0, even, 2)?.f_maximum(&x.f_slice(axis, 1, even, 2)?)
    };
    half(&half(x, 2)?, 3)
}

/// Whether `images` and `labels` fit together.
pub(super) fn check(images: &[u8], labels: &[u8]) -> Result<(), NetError> {
    let largest = labels.iter().copied().max().unwrap_or(0);
    let fits = images.len() == labels.len() * PIXELS && usize::from(largest) < CLASSES;
    if fits { Ok(()) } else { Err(NetError::Data { pixels: images.len(), labels: labels.len(), largest }) }
}
