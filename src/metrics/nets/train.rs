//! Trains a classifier, for `sweep classifier train` and for `classifier: self`.
//!
//! Uses Adam with a cosine schedule, batch normalisation and light augmentation. At the end, the norms are folded into
//! the convolutions. All random numbers are counter-based and follow from the seed: on one CPU thread, the same seed
//! gives the same weights on the same machine.

use std::collections::HashMap;

use safetensors::{Dtype, tensor::TensorView};
use tch::{Device, Kind, Reduction, Tensor, nn, nn::OptimizerConfig, no_grad};

use super::augment::{self, Augment};
use super::classifier::{Design, Examples, shrunk};
use super::error::NetError;
use sweep_numerics::random::{Permutation, Purpose, Stream};

/// The initial learning rate; it ends at 0.
const LR: f64 = 2e-3;
/// Steps over which the learning rate rises from 0, but at most a tenth of all steps.
const WARM_UP: u64 = 300;
/// Decoupled weight decay (AdamW).
const DECAY: f64 = 0.02;
/// Added to variances in batch normalisation.
const EPSILON: f64 = 1e-5;

/// How to train.
#[derive(Clone, Debug)]
pub struct Options {
    /// What it is trained on and how, to be stored in the file.
    pub note: String,
    /// The seed of all randomness.
    pub seed: u64,
    /// Number of batches.
    pub steps: u64,
    /// How images are augmented.
    pub augment: Augment,
}

/// Images per batch.
pub const BATCH: usize = 100;

/// The progress of training.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Total number of steps.
    pub steps: u64,
    /// Cross-entropy of the last batch, in nats.
    pub loss: f64,
}

/// Trains on the `examples` whose numbers are in `picks`, and returns the weights file (safetensors). Calls `progress`
/// now and then, and once at the end. Sets libtorch to one thread for the whole process, because splitting sums among
/// threads would change the weights.
///
/// # Errors
///
/// If there are fewer than two classes, or images are too small.
pub fn train(
    examples: &dyn Examples,
    picks: &[u32],
    options: &Options,
    mut progress: impl FnMut(Progress),
) -> Result<Vec<u8>, NetError> {
    let design = Design { shape: examples.shape(), classes: examples.classes() };
    if design.classes < 2 || picks.is_empty() {
        return Err(NetError::Unlabelled(options.note.clone()));
    }
    if !design.fits() {
        return Err(NetError::Thin(design.shape));
    }
    tch::set_num_threads(1);
    let store = nn::VarStore::new(Device::Cpu);
    let net = Trainee::new(&store, &design, options.seed);
    let mut optimiser = nn::AdamW { wd: DECAY, ..nn::AdamW::default() }.build(&store, LR)?;
    let per_epoch = picks.len().div_ceil(BATCH) as u64;
    let [depth, height, width] = design.shape.map(|size| size as i64);
    let size = design.pixels();
    let (mut images, mut pixels) = (vec![0; BATCH * size], vec![0.0; BATCH * size]);
    let mut order = None;
    for step in 0..options.steps {
        let (epoch, batch) = (step / per_epoch, (step % per_epoch) as usize);
        if batch == 0 {
            let shuffle = Stream::lane(options.seed, Purpose::Classifier, 2, epoch);
            order = Some(Permutation::new(picks.len() as u32, &shuffle));
        }
        let Some(order) = &order else { unreachable!("step 0 begins an epoch") };
        let places = batch * BATCH..picks.len().min((batch + 1) * BATCH);
        let (images, pixels) = (&mut images[..places.len() * size], &mut pixels[..places.len() * size]);
        let targets: Vec<i64> = places
            .zip(images.chunks_exact_mut(size))
            .map(|(place, image)| examples.read(picks[order.at(place as u32) as usize] as usize, image) as i64)
            .collect();
        augment::batch(images, &design.shape, options.augment, options.seed, step, pixels);
        let x = Tensor::from_slice(pixels).reshape([-1, depth, height, width]);
        let targets = Tensor::from_slice(&targets);
        let loss = net.forward(&shrunk(&x, &design)?)?.f_cross_entropy_loss(
            &targets,
            None::<&Tensor>,
            Reduction::Mean,
            -100,
            0.0,
        )?;
        optimiser.set_lr(rate(step, options.steps));
        optimiser.backward_step(&loss);
        if step % 50 == 49 || step + 1 == options.steps {
            progress(Progress { step: step + 1, steps: options.steps, loss: loss.double_value(&[]) });
        }
    }
    net.weights(&design, options)
}

/// Returns the learning rate: a linear rise, then half a cosine down to 0.
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
    /// Initialises weights after He, biases with 0, and scales with 1.
    fn new(store: &nn::VarStore, design: &Design, seed: u64) -> Self {
        let root = store.root();
        let (mut convs, mut linears) = (Vec::new(), Vec::new());
        for (lane, (name, shape, outputs)) in design.layout().into_iter().enumerate() {
            let fan_in: i64 = shape[1..].iter().product();
            let mut values = vec![0.0f32; (fan_in * outputs) as usize];
            Stream::lane(seed, Purpose::Classifier, 3 + lane as u16, 0).fill_normal(&mut values);
            let weight = Tensor::from_slice(&values).reshape(&shape) * (2.0 / fan_in as f64).sqrt();
            let path = &root / name;
            let weight = path.var_copy("weight", &weight);
            if shape.len() == 4 {
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

    /// Returns the logits of `images` `[n, channels, height, width]`, already shrunk for the convolutions. Updates the
    /// running statistics.
    fn forward(&self, images: &Tensor) -> Result<Tensor, tch::TchError> {
        let mut x = (images + 1.0) * 0.5;
        for conv in &self.convs {
            let half = conv.weight.size()[2] / 2;
            x = x.f_conv2d(&conv.weight, None::<&Tensor>, [1, 1], [half, half], [1, 1], 1)?;
            let (scale, shift) = (Some(&conv.scale), Some(&conv.shift));
            let (mean, variance) = (Some(&conv.mean), Some(&conv.variance));
            x = x.f_batch_norm(scale, shift, mean, variance, true, 0.05, EPSILON, false)?;
            x = x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?.f_relu()?;
        }
        x = x.f_flatten(1, -1)?;
        let (hidden, output) = (&self.linears[0], &self.linears[1]);
        x.f_linear(&hidden.0, Some(&hidden.1))?.f_relu()?.f_linear(&output.0, Some(&output.1))
    }

    /// Returns the weights file, with norms folded into the convolutions.
    fn weights(&self, design: &Design, options: &Options) -> Result<Vec<u8>, NetError> {
        let folded = no_grad(|| {
            let convs = self.convs.iter().map(|conv| {
                let gain = &conv.scale / (&conv.variance + EPSILON).sqrt();
                (&conv.weight * gain.reshape([-1, 1, 1, 1]), &conv.shift - &conv.mean * &gain)
            });
            let linears = self.linears.iter().map(|(weight, bias)| (weight.copy(), bias.copy()));
            convs.chain(linears).collect::<Vec<_>>()
        });
        let mut tensors: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for ((layer, ..), (weight, bias)) in design.layout().into_iter().zip(&folded) {
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
        // One entry only: with more, the order of the hash map, and so the checksum, would vary.
        safetensors::serialize(views, Some(HashMap::from([("trained".to_owned(), options.note.clone())])))
            .map_err(wrong)
    }
}
