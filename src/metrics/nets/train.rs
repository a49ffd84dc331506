//! Training of the classifier: `sweep classifier train`.
//!
//! Adam with a cosine schedule from a fixed seed, batch normalisation, light augmentation, and at the end the norms folded into the
//! convolutions. All random numbers are counter-based; on one CPU thread the same seed gives the same weights on the same machine.

use std::collections::HashMap;

use safetensors::{Dtype, tensor::TensorView};
use tch::{Device, Kind, Reduction, Tensor, nn, nn::OptimizerConfig, no_grad};

use super::augment::{self, Limits, PIXELS, SIDE};
use super::classifier::{CHANNELS, KERNELS, NetError, check, layout};
use crate::spec::dataset::Dataset;
use crate::tensor::random::{Permutation, Purpose, Stream};

/// Images in a batch.
const BATCH: usize = 100;
/// Where the learning rate starts; it ends at 0.
const LR: f64 = 2e-3;
/// Steps over which the learning rate rises from 0, but at most a tenth of all.
const WARM_UP: u64 = 300;
/// Decoupled weight decay (AdamW).
const DECAY: f64 = 0.02;
/// Added to variances in batch normalisation.
const EPSILON: f64 = 1e-5;

/// How to train.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The name of the data set, for the file.
    pub data: &'static str,
    /// All randomness derives from this.
    pub seed: u64,
    /// Passes over the training set.
    pub epochs: u64,
    /// How far images are bent.
    pub augment: Limits,
}

impl Options {
    /// The settings for a data set; `None` where no network can be trained on it.
    pub fn new(dataset: &Dataset, seed: u64, epochs: u64) -> Option<Self> {
        let augment = match dataset {
            Dataset::Mnist | Dataset::FashionMnist => Limits { turn: 0.2, scale: 0.12, shear: 0.15, shift: 1.5 },
            Dataset::Gaussians(_) | Dataset::Mnist1k | Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => {
                return None;
            }
        };
        Some(Options { data: dataset.name(), seed, epochs, augment })
    }
}

/// How far training is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Cross-entropy of the last batch, in nats.
    pub loss: f64,
}

/// Trains on `images` (u8, `[n, 28, 28]`) with `labels` (0 to 9) and gives the weights file (safetensors). `progress` is called now
/// and then, and last when all is done. Sets libtorch to one thread, for the whole process: how sums are split among threads
/// would show in the weights.
pub fn train(
    images: &[u8],
    labels: &[u8],
    options: &Options,
    mut progress: impl FnMut(Progress),
) -> Result<Vec<u8>, NetError> {
    check(images, labels)?;
    tch::set_num_threads(1);
    let store = nn::VarStore::new(Device::Cpu);
    let net = Trainee::new(&store, options.seed);
    let mut optimiser = nn::AdamW { wd: DECAY, ..nn::AdamW::default() }.build(&store, LR)?;
    let per_epoch = labels.len().div_ceil(BATCH) as u64;
    let steps = per_epoch * options.epochs;
    let mut pixels = vec![0.0; BATCH * PIXELS];
    for epoch in 0..options.epochs {
        let shuffle = Stream::lane(options.seed, Purpose::Classifier, 2, epoch);
        let order = Permutation::new(labels.len() as u32, &shuffle);
        for batch in 0..per_epoch {
            let step = epoch * per_epoch + batch;
            let first = batch as usize * BATCH;
            let picks: Vec<u32> =
                (first..labels.len().min(first + BATCH)).map(|place| order.at(place as u32)).collect();
            let pixels = &mut pixels[..picks.len() * PIXELS];
            augment::batch(images, &picks, &options.augment, options.seed, step, pixels);
            let x = Tensor::from_slice(pixels).reshape([-1, 1, SIDE as i64, SIDE as i64]);
            let targets: Vec<i64> = picks.iter().map(|&pick| i64::from(labels[pick as usize])).collect();
            let targets = Tensor::from_slice(&targets);
            let loss = net.forward(&x)?.f_cross_entropy_loss(&targets, None::<&Tensor>, Reduction::Mean, -100, 0.0)?;
            optimiser.set_lr(rate(step, steps));
            optimiser.backward_step(&loss);
            if step % 50 == 49 || step + 1 == steps {
                progress(Progress { step: step + 1, steps, loss: loss.double_value(&[]) });
            }
        }
    }
    net.weights(options)
}

/// A linear rise, then half a cosine down to 0.
fn rate(step: u64, steps: u64) -> f64 {
    let done = step as f64 / steps as f64;
    let rise = ((step + 1) as f64 / WARM_UP.min(steps / 10).max(1) as f64).min(1.0);
    LR * rise * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// One convolution of the network in training, with its norm instead of a bias.
struct Conv {
    weight: Tensor,
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
}

/// The network in training.
struct Trainee {
    convs: Vec<Conv>,
    linears: Vec<(Tensor, Tensor)>,
}

impl Trainee {
    /// He's initial weights, biases 0, scales 1.
    fn new(store: &nn::VarStore, seed: u64) -> Self {
        let root = store.root();
        let (mut convs, mut linears) = (Vec::new(), Vec::new());
        for (lane, (name, shape, outputs)) in layout().into_iter().enumerate() {
            let fan_in: i64 = shape[1..].iter().product();
            let mut values = vec![0.0f32; (fan_in * outputs) as usize];
            Stream::lane(seed, Purpose::Classifier, 3 + lane as u16, 0).fill_normal(&mut values);
            let weight = Tensor::from_slice(&values).reshape(&shape) * (2.0 / fan_in as f64).sqrt();
            let path = &root / name;
            let weight = path.var_copy("weight", &weight);
            if lane < CHANNELS.len() {
                convs.push(Conv {
                    weight,
                    scale: path.ones("scale", &[outputs]),
                    shift: path.zeros("shift", &[outputs]),
                    mean: path.zeros_no_train("mean", &[outputs]),
                    variance: path.ones_no_train("variance", &[outputs]),
                });
            } else {
                linears.push((weight, path.zeros("bias", &[outputs])));
            }
        }
        Trainee { convs, linears }
    }

    /// Logits `[n, 10]` of `images` `[n, 1, 28, 28]`; moves the running statistics.
    fn forward(&self, images: &Tensor) -> Result<Tensor, tch::TchError> {
        let mut x = (images + 1.0) * 0.5;
        for (conv, kernel) in self.convs.iter().zip(KERNELS) {
            x = x.f_conv2d(&conv.weight, None::<&Tensor>, [1, 1], [kernel / 2, kernel / 2], [1, 1], 1)?;
            let (scale, shift) = (Some(&conv.scale), Some(&conv.shift));
            let (mean, variance) = (Some(&conv.mean), Some(&conv.variance));
            x = x.f_batch_norm(scale, shift, mean, variance, true, 0.05, EPSILON, false)?;
            x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu()?;
        }
        x = x.f_flatten(1, -1)?;
        let (hidden, output) = (&self.linears[0], &self.linears[1]);
        x.f_linear(&hidden.0, Some(&hidden.1))?.f_relu()?.f_linear(&output.0, Some(&output.1))
    }

    /// The weights file, norms folded into the convolutions.
    fn weights(&self, options: &Options) -> Result<Vec<u8>, NetError> {
        let folded = no_grad(|| {
            let convs = self.convs.iter().map(|conv| {
                let gain = &conv.scale / (&conv.variance + EPSILON).sqrt();
                (&conv.weight * gain.reshape([-1, 1, 1, 1]), &conv.shift - &conv.mean * &gain)
            });
            let linears = self.linears.iter().map(|(weight, bias)| (weight.copy(), bias.copy()));
            convs.chain(linears).collect::<Vec<_>>()
        });
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for ((layer, ..), (weight, bias)) in layout().into_iter().zip(&folded) {
            for (part, tensor) in [("weight", weight), ("bias", bias)] {
                let values = Vec::<f32>::try_from(tensor.to_kind(Kind::Float).f_flatten(0, -1)?)?;
                let shape = tensor.size().iter().map(|&size| size as usize).collect();
                tensors.push((format!("{layer}.{part}"), shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()));
            }
        }
        let wrong = |error: safetensors::SafeTensorError| NetError::Weights {
            name: "in training".to_owned(),
            message: error.to_string(),
        };
        let mut views = Vec::new();
        for (name, shape, bytes) in &tensors {
            views.push((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(wrong)?));
        }
        // One entry only: the order of a hash map's entries, and with it the checksum, would vary.
        let how = format!("{}, seed {}, {} epochs", options.data, options.seed, options.epochs);
        safetensors::serialize(views, Some(HashMap::from([("trained".to_owned(), how)]))).map_err(wrong)
    }
}
