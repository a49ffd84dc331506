//! The convolutional classifier for a data set's own classes: convolutions with pooling, a hidden layer, and the
//! classes.
//!
//! Convolutions (the first 5×5, the others 3×3), each with ReLU and 2×2 max pooling; a linear layer with ReLU (the
//! penultimate features); and a linear layer to the logits. It is trained with batch normalisation, which is then
//! folded into the convolutions, so an image's outputs do not depend on the rest of its batch. Two sets of weights, for
//! digits and for clothing, are part of the program.

use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor, no_grad};

use super::error::NetError;
use super::outputs::{Outputs, checksum};
use sweep_spec::dataset::Dataset;
use sweep_spec::scoring::ScoringNetwork;

/// Images evaluated at once: few enough that activations stay in the cache.
pub(super) const CHUNK: usize = 100;
/// The most pixels per side that the convolutions see: larger inputs cost memory and time but gain little.
const SIDE: usize = 64;

/// The dimensions of a classifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Design {
    /// Channels, height and width of an image.
    pub shape: [usize; 3],
    /// Classes.
    pub classes: usize,
}

/// A layer: its name in a weights file, the shape of its weights, and its number of outputs.
pub(super) type Sized = (String, Vec<i64>, i64);

impl Design {
    /// Returns by which factor images are first averaged down in each direction. The convolutions see at most [`SIDE`]
    /// pixels per side.
    pub(super) fn shrink(&self) -> usize {
        self.shape[1].max(self.shape[2]).div_ceil(SIDE)
    }

    /// Returns height and width as the convolutions see them.
    fn seen(&self) -> [usize; 2] {
        [self.shape[1], self.shape[2]].map(|side| side / self.shrink())
    }

    /// Returns whether images are large enough: the convolutions need at least two pixels in each direction.
    pub fn fits(&self) -> bool {
        self.seen().into_iter().all(|side| side >= 2)
    }

    /// Returns the channels after each convolution. There are as many convolutions as leave two or three pixels per
    /// side.
    pub(super) fn channels(&self) -> Vec<i64> {
        let (depth, [height, width]) = (self.shape[0], self.seen());
        let (first, most) = if depth == 1 { (16, 64) } else { (32, 128) };
        let halvings = height.min(width).max(1).ilog2().saturating_sub(1).max(1);
        (0..halvings).map(|k| (first << k.min(10)).min(most)).collect()
    }

    /// Returns the number of penultimate features.
    pub fn features(&self) -> i64 {
        ScoringNetwork::OwnLabels.features(self.shape[0]) as i64
    }

    /// Returns the number of values per image.
    pub fn pixels(&self) -> usize {
        self.shape.iter().product()
    }

    /// Returns each layer, convolutions first.
    pub(super) fn layout(&self) -> Vec<Sized> {
        let channels = self.channels();
        let mut layout: Vec<Sized> = Vec::new();
        let mut depth = self.shape[0] as i64;
        for (k, &outputs) in channels.iter().enumerate() {
            let kernel = if k == 0 { 5 } else { 3 };
            layout.push((format!("conv{}", k + 1), vec![outputs, depth, kernel, kernel], outputs));
            depth = outputs;
        }
        let side = |side: usize| (side >> channels.len()) as i64;
        let flat = depth * self.seen().map(side).iter().product::<i64>();
        let (features, classes) = (self.features(), self.classes as i64);
        layout.push(("hidden".to_owned(), vec![features, flat], features));
        layout.push(("output".to_owned(), vec![classes, features], classes));
        layout
    }

    /// Returns the floating-point operations per image, counting products only.
    pub fn flops(&self) -> u64 {
        let [mut height, mut width] = self.seen();
        let mut flops = 0;
        for (_, weight, _) in self.layout() {
            let weights = weight.iter().product::<i64>() as u64;
            let places = if weight.len() == 4 { height * width } else { 1 };
            flops += 2 * weights * places as u64;
            (height, width) = (height / 2, width / 2);
        }
        flops
    }
}

/// A set of weights that is part of the program.
struct Shipped {
    name: &'static str,
    bytes: &'static [u8],
    checksum: &'static str,
}

/// Error rate 0.44 % on the test set.
const MNIST: Shipped =
    Shipped { name: "mnist-conv3", bytes: include_bytes!("mnist.safetensors"), checksum: include_str!("mnist.blake3") };

/// Error rate 8.87 % on the test set.
const FASHION_MNIST: Shipped = Shipped {
    name: "fashion-mnist-conv3",
    bytes: include_bytes!("fashion_mnist.safetensors"),
    checksum: include_str!("fashion_mnist.blake3"),
};

/// Images, each with a class.
pub trait Examples {
    /// Returns the number of images.
    fn count(&self) -> usize;
    /// Returns channels, height and width of each image.
    fn shape(&self) -> [usize; 3];
    /// Returns the number of classes.
    fn classes(&self) -> usize;
    /// Writes image `number`, `[channels, height, width]`, to `pixels`, and returns its class.
    fn read(&self, number: usize, pixels: &mut [u8]) -> usize;
}

/// A trained network.
#[derive(Debug)]
pub struct Classifier {
    name: String,
    checksum: String,
    design: Design,
    layers: Vec<(Tensor, Tensor)>,
}

impl Classifier {
    /// Returns the network that scores samples of `dataset`, with the weights in the program.
    pub fn shipped(dataset: &Dataset) -> Result<Self, NetError> {
        let shipped = match dataset {
            // One digit at a time.
            Dataset::Mnist | Dataset::Mnist1k => MNIST,
            Dataset::FashionMnist => FASHION_MNIST,
            Dataset::Gaussians(_) | Dataset::Toy(_) | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => {
                return Err(NetError::None(dataset.name()));
            }
        };
        let (expected, found) = (shipped.checksum.trim().to_owned(), checksum(shipped.bytes));
        if expected != found {
            return Err(NetError::Checksum { name: shipped.name, expected, found });
        }
        Self::read(shipped.name, shipped.bytes, Design { shape: [1, 28, 28], classes: 10 })
    }

    /// Reads the network of this `design` from a weights file (safetensors, float32). `name` is its name.
    pub fn read(name: &str, bytes: &[u8], design: Design) -> Result<Self, NetError> {
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
        for (layer, weight, bias) in design.layout() {
            layers.push((tensor(format!("{layer}.weight"), &weight)?, tensor(format!("{layer}.bias"), &[bias])?));
        }
        Ok(Classifier { name: name.to_owned(), checksum: checksum(bytes), design, layers })
    }

    /// Returns its name in protocols.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first 16 characters of the BLAKE3 hash of its weights file.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Returns its dimensions.
    pub fn design(&self) -> &Design {
        &self.design
    }

    /// Returns logits and features of `samples` `[n, channels × height × width]` with pixels in [−1, 1]. NaN pixels
    /// only affect their own image, whose outputs become NaN.
    pub fn run(&self, samples: &[f32]) -> Result<Outputs, NetError> {
        let (pixels, classes) = (self.design.pixels(), self.design.classes);
        if !samples.len().is_multiple_of(pixels) {
            return Err(NetError::Data { expected: self.design.shape, found: samples.len() });
        }
        let [depth, height, width] = self.design.shape.map(|size| size as i64);
        no_grad(|| {
            let mut logits = Vec::with_capacity(samples.len() / pixels * classes);
            let mut features = vec![Tensor::zeros([0, self.design.features()], (Kind::Float, Device::Cpu))];
            for chunk in samples.chunks(CHUNK * pixels) {
                let images = Tensor::from_slice(chunk).reshape([-1, depth, height, width]);
                let (hidden, out) = self.forward(&images)?;
                logits.extend(Vec::<f64>::try_from(out.to_kind(Kind::Double).f_flatten(0, -1)?)?);
                features.push(hidden);
            }
            Ok(Outputs { logits, features: Tensor::f_cat(&features, 0)? })
        })
    }

    /// Returns the most probable class of each of `samples` `[n, channels × height × width]`.
    pub fn classify(&self, samples: &[f32]) -> Result<Vec<usize>, NetError> {
        let outputs = self.run(samples)?;
        let classes = self.design.classes;
        let best = |row: &[f64]| (0..classes).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap_or(0);
        Ok(outputs.logits.chunks(classes).map(best).collect())
    }

    /// Returns how many of the `examples` with these numbers it misclassifies.
    pub fn errors(&self, examples: &dyn Examples, numbers: impl Iterator<Item = usize>) -> Result<usize, NetError> {
        let mut pixels = vec![0; self.design.pixels()];
        let (mut wrong, mut samples, mut labels) = (0, Vec::new(), Vec::new());
        let mut numbers = numbers.peekable();
        while let Some(number) = numbers.next() {
            labels.push(examples.read(number, &mut pixels));
            samples.extend(pixels.iter().map(|&pixel| f32::from(pixel) * (1.0 / 127.5) - 1.0));
            if labels.len() == CHUNK || numbers.peek().is_none() {
                wrong += self.classify(&samples)?.iter().zip(&labels).filter(|(found, label)| found != label).count();
                samples.clear();
                labels.clear();
            }
        }
        Ok(wrong)
    }

    /// Returns features and logits of `images` `[n, channels, height, width]`.
    fn forward(&self, images: &Tensor) -> Result<(Tensor, Tensor), tch::TchError> {
        // Black is 0 inside the network, so the padding of the convolutions looks like background.
        let mut x = shrunk(&((images + 1.0) * 0.5), &self.design)?;
        let [convs @ .., (hidden, hidden_bias), (output, output_bias)] = &self.layers[..] else {
            unreachable!("`read` makes all layers of a design, and each ends in these two")
        };
        for (weight, bias) in convs {
            let half = weight.size()[2] / 2;
            x = x.f_conv2d(weight, Some(bias), [1, 1], [half, half], [1, 1], 1)?;
            x = pool(&x)?.f_relu_()?;
        }
        let features = x.f_flatten(1, -1)?.f_linear(hidden, Some(hidden_bias))?.f_relu_()?;
        let logits = features.f_linear(output, Some(output_bias))?;
        Ok((features, logits))
    }
}

/// Shrinks `x` `[n, channels, height, width]` to what the convolutions of `design` see.
pub(super) fn shrunk(x: &Tensor, design: &Design) -> Result<Tensor, tch::TchError> {
    match design.shrink() as i64 {
        1 => Ok(x.shallow_clone()),
        by => x.f_avg_pool2d([by, by], [by, by], [0, 0], false, true, None),
    }
}

/// Applies 2×2 max pooling to `x` `[n, channels, height, width]`, ignoring an odd last row or column. Ten times as fast
/// as libtorch's own, which also finds the position of each maximum.
fn pool(x: &Tensor) -> Result<Tensor, tch::TchError> {
    let half = |x: &Tensor, axis: i64| {
        let even = x.size()[axis as usize] / 2 * 2;
        x.f_slice(axis, 0, even, 2)?.f_maximum(&x.f_slice(axis, 1, even, 2)?)
    };
    half(&half(x, 2)?, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_images_are_shrunk_and_thin_ones_do_not_fit() {
        let design = |height, width| Design { shape: [3, height, width], classes: 10 };
        assert_eq!(design(256, 256).layout(), design(64, 64).layout());
        assert_eq!(design(256, 256).flops(), design(64, 64).flops());
        assert_eq!((design(64, 32).shrink(), design(65, 32).shrink()), (1, 2));
        let x = Tensor::arange(65 * 130, (Kind::Float, Device::Cpu)).reshape([1, 1, 65, 130]);
        let y = shrunk(&x, &Design { shape: [1, 65, 130], classes: 2 }).unwrap();
        assert_eq!(y.size(), [1, 1, 21, 43]);
        assert_eq!(y.double_value(&[0, 0, 0, 0]), 131.0);
        assert!(design(2, 3).fits() && !design(1, 3).fits() && !design(2, 256).fits());
    }
}
