//! The network behind the Inception score and the Fréchet distance ("FID") of photographs: the TensorFlow graph of
//! 2015-12-05, as the usual PyTorch tools compute it (torch-fidelity's `FeatureExtractorInceptionV3`, pytorch-fid). It
//! has 1,008 classes. The logits omit the last layer's bias, as in the published code of the Inception score.
//!
//! Its weights (95 MB) are not part of the program.

mod blocks;
mod input;

use std::io;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor, no_grad};

use super::outputs::{Outputs, checksum};
use super::weights::{Flaw, Weights};
use blocks::{Block, Conv, Pool, network};
use input::{Levels, prepare};
use sweep_spec::scoring::ScoringNetwork;

/// Number of classes.
pub const CLASSES: usize = ScoringNetwork::Inception.classes().unwrap();
/// Number of features, each the mean over 8×8 places.
pub const FEATURES: usize = ScoringNetwork::Inception.features(3);
/// Images evaluated at once: on a CPU, faster than 1, 4 or 64.
pub(super) const CHUNK: usize = 16;
/// Added to variances in batch normalisation.
const EPSILON: f64 = 0.001;

/// Why the network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum InceptionError {
    /// The file cannot be read.
    #[error(
        "{}: cannot be read: {source}; set SWEEP_INCEPTION to another file, or run `sweep data fetch inception`",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is truncated, or has other weights.
    #[error(
        "{}: {flaw}; expected the weights of the Inception network of 2015-12-05, as torch-fidelity and pytorch-fid \
        use them: \
         run `sweep data fetch inception`",
        path.display()
    )]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// The values are not whole images.
    #[error(
        "the Inception network expects whole images with 1 or 3 channels, found {found} values for images of \
        {channels}×{height}×{width}"
    )]
    Samples {
        /// Total number of values.
        found: usize,
        /// Channels of an image.
        channels: usize,
        /// Height of an image.
        height: usize,
        /// Width of an image.
        width: usize,
    },
    /// libtorch refused.
    #[error("Inception network: {0}")]
    Torch(#[from] TchError),
}

/// The network with its weights.
#[derive(Debug)]
pub struct Inception {
    checksum: String,
    device: Device,
    blocks: Vec<Block<Layer>>,
    /// `[2048, 1008]`.
    output: Tensor,
}

/// A convolution with its batch normalisation folded in.
#[derive(Debug)]
struct Layer {
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: [i64; 2],
}

impl Inception {
    /// Reads the network from a file by `torch.save` (`pt_inception-2015-12-05-6726825d.pth`, or the same under the
    /// name `weights-…`), or from a safetensors file with the same tensor names. It will run on `device`.
    ///
    /// # Errors
    /// If the file cannot be read, is truncated, or lacks a tensor. The text says which, and what to do.
    pub fn read(path: &Path, device: Device) -> Result<Self, InceptionError> {
        let bytes = std::fs::read(path).map_err(|source| InceptionError::Read { path: path.to_owned(), source })?;
        let wrong = |flaw| InceptionError::Weights { path: path.to_owned(), flaw };
        let weights = Weights::read(&bytes).map_err(wrong)?;
        let tensor = |name: &str, shape: &[i64]| {
            let values = weights.floats(name, shape).map_err(wrong)?;
            Ok::<_, InceptionError>(Tensor::f_from_slice(&values)?.f_view(shape)?)
        };
        let (mut blocks, mut channels) = (Vec::new(), 3);
        for block in network() {
            let (block, after) =
                block.load(channels, |name, conv, channels| folded(name, conv, channels, device, &tensor))?;
            blocks.push(block);
            channels = after;
        }
        let output = tensor("fc.weight", &[CLASSES as i64, FEATURES as i64])?.f_transpose(0, 1)?.f_contiguous()?;
        Ok(Inception { checksum: checksum(&bytes), device, blocks, output: output.f_to_device(device)? })
    }

    /// Returns its name in protocols.
    pub fn name(&self) -> &'static str {
        "inception-2015-12-05"
    }

    /// Returns the first 16 characters of the BLAKE3 hash of its weights file.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Returns logits `[n, 1008]` and features `[n, 2048]` (float32) of `samples`: n images of `shape` (channels,
    /// height, width) with pixels in [−1, 1]. Pixels are rounded to 256 levels; grey images get three equal channels.
    /// Pixels that are not finite only affect their own image, whose outputs become NaN. Needs about 20 MB for each of
    /// the 16 images evaluated at once.
    ///
    /// # Errors
    /// If the values are not a whole number of images, and if libtorch fails, for example for lack of memory.
    pub fn run(&self, samples: &[f32], shape: [usize; 3]) -> Result<Outputs, InceptionError> {
        let [channels, height, width] = shape;
        let size: usize = shape.iter().product();
        if size == 0 || !matches!(channels, 1 | 3) || !samples.len().is_multiple_of(size) {
            return Err(InceptionError::Samples { found: samples.len(), channels, height, width });
        }
        no_grad(|| {
            let mut logits = Vec::with_capacity(samples.len() / size * CLASSES);
            let mut features = vec![Tensor::f_zeros([0, FEATURES as i64], (Kind::Float, Device::Cpu))?];
            for chunk in samples.chunks(CHUNK * size) {
                let Levels { images, broken } = Levels::of(chunk, shape)?;
                let pooled = self.features(&images.f_to_device(self.device)?)?;
                let out = pooled.f_matmul(&self.output)?.f_to_device(Device::Cpu)?;
                let out = out.f_masked_fill(&broken, f64::NAN)?.f_to_kind(Kind::Double)?;
                logits.extend(Vec::<f64>::try_from(out.f_flatten(0, -1)?)?);
                features.push(pooled.f_to_device(Device::Cpu)?.f_masked_fill(&broken, f64::NAN)?);
            }
            Ok(Outputs { logits, features: Tensor::f_cat(&features, 0)? })
        })
    }

    /// Returns features of levels `[n, 1 or 3, height, width]`.
    fn features(&self, images: &Tensor) -> Result<Tensor, TchError> {
        let mut x = channels_last(&prepare(images)?)?;
        for block in &self.blocks {
            let mut outputs = Vec::new();
            for branch in &block.branches {
                let mut y = branch.pool.apply(&x)?;
                for layer in &branch.chain {
                    y = layer.apply(&y)?;
                }
                if branch.fork.is_empty() {
                    outputs.push(y);
                } else {
                    for layer in &branch.fork {
                        outputs.push(layer.apply(&y)?);
                    }
                }
            }
            x = Tensor::f_cat(&outputs, 1)?;
        }
        x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)
    }
}

impl Pool {
    fn apply(self, x: &Tensor) -> Result<Tensor, TchError> {
        match self {
            Pool::None => Ok(x.shallow_clone()),
            Pool::Mean => x.f_avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None),
            Pool::Max => x.f_max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false),
            Pool::Halve => x.f_max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false),
        }
    }
}

impl Layer {
    fn apply(&self, x: &Tensor) -> Result<Tensor, TchError> {
        let stride = [self.stride, self.stride];
        x.f_conv2d(&self.weight, Some(&self.bias), stride, self.padding, [1, 1], 1)?.f_relu_()
    }
}

/// Returns the convolution `name` with its batch normalisation folded in, computed in float64.
fn folded(
    name: &str,
    conv: &Conv,
    channels: i64,
    device: Device,
    tensor: &impl Fn(&str, &[i64]) -> Result<Tensor, InceptionError>,
) -> Result<Layer, InceptionError> {
    let [height, width] = conv.kernel;
    let double = |part: &str, shape: &[i64]| {
        Ok::<_, InceptionError>(tensor(&format!("{name}.{part}"), shape)?.f_to_kind(Kind::Double)?)
    };
    let norm = |part: &str| double(&format!("bn.{part}"), &[conv.out]);
    let gain = norm("weight")?.f_div(&norm("running_var")?.f_add_scalar(EPSILON)?.f_sqrt()?)?;
    let bias = norm("bias")?.f_sub(&norm("running_mean")?.f_mul(&gain)?)?;
    let weight = double("conv.weight", &[conv.out, channels, height, width])?.f_mul(&gain.f_view([-1, 1, 1, 1])?)?;
    let place = |tensor: Tensor| tensor.f_to_kind(Kind::Float)?.f_to_device(device);
    Ok(Layer {
        weight: channels_last(&place(weight)?)?,
        bias: place(bias)?,
        stride: conv.stride,
        padding: conv.padding,
    })
}

/// Returns `x` `[a, b, height, width]` with the b values of each place adjacent in memory. On a CPU, the network then
/// takes three fifths of the time.
fn channels_last(x: &Tensor) -> Result<Tensor, TchError> {
    x.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])
}
