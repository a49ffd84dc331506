//! Tests for every objective and every layer, by iterating over the enums.

mod algorithms;
mod autograd;
mod averages;
mod convolution;
mod equivalence;
mod exams;
mod games;
mod generators;
mod noise;
mod optimisers;
mod papers;
mod penalties;
mod players;
mod precision;
mod race;
mod schedules;
mod spectral;
mod statistics;
mod terms;
mod traces;
mod weights;
mod written;

use std::sync::Arc;

use tch::{Device, Kind};

use super::game::{Member, RealBatch};
use super::net::Setup;
use super::trainer::Trainer;
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::arch::{
    Activation, Architecture, Conv, Design, Geometry, Init, Layer, Model, NoiseDistribution, Norm, Resnet, Wanted,
};
use sweep_spec::blueprint::{BuiltIn, Optimizer, Precision, Train};
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_spec::job::Job;
use sweep_spec::moves::{Moves, Weights};
use sweep_spec::objective::Objective;
use sweep_spec::parameters::{Parameters, Plain};

/// The device for training tests: the CPU, or the one that `scripts/gpu-check` names.
pub(super) fn device() -> Device {
    match std::env::var("SWEEP_TEST_DEVICE").as_deref() {
        Ok("cuda:0") => {
            sweep_tensor::device::init();
            Device::Cuda(0)
        }
        _ => Device::Cpu,
    }
}

/// In float64.
pub(super) fn exact(fused: bool) -> Setup {
    Setup { kind: Kind::Double, ..single(fused) }
}

/// In float32. A GPU always computes members at once.
pub(super) fn single(fused: bool) -> Setup {
    let device = device();
    Setup { device, kind: Kind::Float, fused: fused || device != Device::Cpu, precision: Precision::Float32 }
}

/// Networks with every kind of layer for points.
pub(super) struct Every;

fn linear(inputs: u32, outputs: u32) -> Layer {
    Layer::Linear { inputs, outputs }
}

impl Architecture for Every {
    fn generator(&self) -> Vec<Layer> {
        vec![
            linear(6, 16),
            Layer::BatchNorm { features: 16 },
            Layer::Activation(Activation::Relu),
            linear(16, 8),
            Layer::LayerNorm { features: 8 },
            Layer::Activation(Activation::Elu),
            linear(8, 8),
            Layer::WeightNorm { features: 8 },
            Layer::Activation(Activation::Softplus),
            linear(8, 2),
            Layer::Activation(Activation::Tanh),
        ]
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        vec![
            linear(2 * pack, 16),
            Layer::WeightNorm { features: 16 },
            Layer::Activation(Activation::LeakyRelu { slope: 0.2 }),
            Layer::Dropout { rate: 0.3 },
            linear(16, 16),
            Layer::Maxout { pieces: 2 },
            Layer::BatchNorm { features: 8 },
            Layer::Activation(Activation::Sigmoid),
            linear(8, 1),
        ]
    }

    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        let tanh = || Layer::Activation(Activation::Tanh);
        vec![linear(2 * pack, 8), tanh(), linear(8, 1), tanh(), linear(1, 8), tanh(), linear(8, 2 * pack)]
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        vec![linear(2, 8), Layer::BatchNorm { features: 8 }, Layer::Activation(Activation::Relu), linear(8, outputs)]
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        vec![linear(features, 8), Layer::Activation(Activation::Relu), linear(8, features)]
    }
}

/// Networks of [`Every`] for an objective, with `pack` samples in a pack.
pub(super) fn model_of(objective: Objective, pack: u32) -> Model {
    adapted(&Every, objective, pack, 0.3)
}

fn adapted(architecture: &dyn Architecture, objective: Objective, pack: u32, std: f64) -> Model {
    let noise = (6, NoiseDistribution::Normal);
    Wanted::of(objective, pack, [3, 2]).networks(architecture, noise, Init::Normal { std }).unwrap()
}

/// Networks with every kind of layer for points.
pub(super) fn model() -> Model {
    model_of(Objective::Gan { saturating: false }, 1)
}

/// Networks with maps of 1×28×28, and every kind of layer for maps.
pub(super) fn maps_of_every_kind() -> Model {
    let activation = Layer::Activation;
    Model {
        noise: 6,
        noise_distribution: NoiseDistribution::Uniform,
        init: Init::Normal { std: 0.3 },
        generator: vec![
            Layer::Linear { inputs: 6, outputs: 4 * 49 },
            Layer::Unflatten { maps: 4, side: 7 },
            Layer::LayerNorm { features: 4 },
            activation(Activation::Elu),
            Layer::ConvTranspose2d(Geometry::back(4, 6, 4, 4, 28, true)),
            Layer::WeightNorm { features: 6 },
            Layer::Maxout { pieces: 3 },
            Layer::BatchNorm { features: 2 },
            Layer::Conv2d(Geometry::same(2, 1, 3, 1, 28, true)),
            Layer::Flatten { maps: 1, side: 28 },
            activation(Activation::Tanh),
        ],
        discriminator: vec![
            Layer::Unflatten { maps: 1, side: 28 },
            Layer::Conv2d(Geometry::same(1, 6, 5, 3, 28, true)),
            Layer::Maxout { pieces: 2 },
            Layer::LayerNorm { features: 3 },
            Layer::Dropout { rate: 0.3 },
            Layer::Conv2d(Geometry::same(3, 2, 1, 2, 10, true)),
            Layer::WeightNorm { features: 2 },
            activation(Activation::Elu),
            Layer::Dropout { rate: 0.2 },
            Layer::Flatten { maps: 2, side: 5 },
            Layer::LayerNorm { features: 50 },
            Layer::Linear { inputs: 50, outputs: 1 },
        ],
        encoder: vec![],
        denoiser: vec![],
        pack: 1,
    }
}

/// Networks with maps of 1×28×28, with nested layers, and all kinds that [`maps_of_every_kind`] lacks.
pub(super) fn layers_within_layers() -> Model {
    let activation = Layer::Activation;
    let conv = |maps: [u32; 2], kernel, side| Layer::Conv2d(Geometry::same(maps[0], maps[1], kernel, 1, side, true));
    let padded =
        |maps, kernel, stride, side| Layer::Conv2d(Geometry::padded(maps, kernel, stride, 0, side, true).unwrap());
    let residual =
        |body: &[Layer], shortcut: &[Layer]| Layer::Residual { body: body.to_vec(), shortcut: shortcut.to_vec() };
    Model {
        generator: vec![
            linear(6, 3 * 49),
            Layer::SpectralNorm,
            Layer::Unflatten { maps: 3, side: 7 },
            Layer::Prelu,
            residual(
                &[
                    Layer::BatchNorm { features: 3 },
                    activation(Activation::Gelu),
                    Layer::Upsample { factor: 2 },
                    conv([3, 4], 3, 14),
                    Layer::SpectralNorm,
                    Layer::Dropout { rate: 0.2 },
                ],
                &[conv([3, 4], 1, 7), Layer::SpectralNorm, Layer::Upsample { factor: 2 }],
            ),
            activation(Activation::Selu),
            Layer::ConvTranspose2d(Geometry::padded_back([4, 1], 4, 2, 1, (14, 0), true).unwrap()),
            Layer::SpectralNorm,
            Layer::Flatten { maps: 1, side: 28 },
            activation(Activation::Tanh),
        ],
        discriminator: vec![
            Layer::Unflatten { maps: 1, side: 28 },
            padded([1, 4], 3, 2, 28),
            activation(Activation::Silu),
            Layer::Dropout { rate: 0.2 },
            residual(
                &[
                    conv([4, 4], 3, 13),
                    Layer::WeightNorm { features: 4 },
                    residual(&[activation(Activation::Elu), Layer::Dropout { rate: 0.3 }, conv([4, 4], 1, 13)], &[]),
                ],
                &[],
            ),
            padded([4, 3], 2, 1, 13),
            Layer::AvgPool { factor: 2 },
            Layer::Prelu,
            residual(
                &[
                    activation(Activation::Relu),
                    conv([3, 5], 3, 6),
                    Layer::SpectralNorm,
                    Layer::Dropout { rate: 0.1 },
                    Layer::AvgPool { factor: 3 },
                ],
                &[Layer::AvgPool { factor: 3 }, conv([3, 5], 1, 2), Layer::SpectralNorm],
            ),
            Layer::SumPool { maps: 5, side: 2 },
            residual(&[linear(5, 4), Layer::SpectralNorm, activation(Activation::Gelu)], &[linear(5, 4)]),
            Layer::Prelu,
            linear(4, 1),
            Layer::SpectralNorm,
        ],
        ..maps_of_every_kind()
    }
}

/// Residual networks of few maps.
pub(super) fn narrow_resnet(channels: u32, side: u32) -> Resnet {
    Resnet {
        width: 2,
        discriminator_width: 3,
        noise: 6,
        generator_norm: Norm::Batch,
        discriminator_norm: Norm::Spectral,
        generator_activation: Activation::Relu,
        discriminator_activation: Activation::Relu,
        output: Some(Activation::Tanh),
        denoiser: vec![8],
        channels,
        side,
    }
}

/// Convolutional networks of few maps.
pub(super) fn narrow(design: Design, kernel: u32, channels: u32, side: u32) -> Conv {
    Conv {
        design,
        width: 2,
        discriminator_width: 2,
        kernel,
        noise: 6,
        generator_norm: Norm::Batch,
        discriminator_norm: Norm::Batch,
        generator_activation: Activation::Relu,
        discriminator_activation: Activation::LeakyRelu { slope: 0.2 },
        output: Some(Activation::Tanh),
        denoiser: vec![8],
        channels,
        side,
    }
}

/// For square images.
pub(super) fn dcgan(kernel: u32, channels: u32, side: u32) -> Model {
    conv_model(&narrow(Design::Dcgan, kernel, channels, side), Objective::D2GAN)
}

/// For square images.
pub(super) fn metz(channels: u32, side: u32) -> Model {
    conv_model(&narrow(Design::Metz, 3, channels, side), Objective::D2GAN)
}

/// For an objective.
pub(super) fn conv_model(architecture: &dyn Architecture, objective: Objective) -> Model {
    adapted(architecture, objective, 1, 0.2)
}

/// A small job of `objective`.
pub(super) fn blueprint(objective: Objective, optimizer: Optimizer) -> BuiltIn {
    let objective = match objective {
        // So its margin changes.
        Objective::Magan { .. } => Objective::Magan { epoch: 1 },
        other => other,
    };
    let train = Train {
        steps: 5,
        // A multiple of the pack size and of the number of generators.
        batch: if matches!(objective, Objective::Mgan { .. }) { 30 } else { 32 },
        d_steps: 2,
        generator: optimizer,
        discriminator: optimizer,
        precision: Precision::Float32,
        g_steps: 1,
        moves: Moves::Alternating,
        fresh_noise: true,
    };
    BuiltIn::new(Dataset::Gaussians(Gaussians::RING), objective, model_of(objective, 1), train)
}

/// A small job of `objective` with packs of 2 samples.
pub(super) fn packed(objective: Objective) -> BuiltIn {
    let mut packed = blueprint(objective, Optimizer::Adam);
    packed.train.batch = if matches!(objective, Objective::Mgan { .. }) { 40 } else { 32 };
    packed.model = model_of(packed.objective, 2);
    packed
}

/// A small job of convolutional networks.
pub(super) fn convolutional() -> BuiltIn {
    BuiltIn { dataset: Dataset::Mnist, model: dcgan(5, 1, 28), ..blueprint(Objective::D2GAN, Optimizer::Adam) }
}

/// Members that differ in every parameter and in their seeds.
pub(super) fn members(blueprint: &BuiltIn, count: usize) -> Vec<Member> {
    let member = |i: usize| {
        let x = i as f64 / count as f64;
        let parameters: Parameters = [
            ("alpha", 0.1 + x / 2.0),
            ("beta", 0.9 - x / 2.0),
            ("clip", 0.05 + x / 20.0),
            ("margin", 0.8 + x),
            ("gradient_penalty", 0.5 + x),
            ("penalty_power", 2.5 + x),
            ("reconstruction", 0.2 + x),
            ("mode_weight", 0.4 + x),
            ("noise_reconstruction", 0.3 + x),
            ("denoising", 0.1 + x),
            ("diversity_ratio", 0.9 - x / 2.0),
            ("balance_rate", 0.1 + x),
            ("diversity", 0.5 + x),
            ("lr_generator", 1e-3 * (1.0 + x)),
            ("lr_discriminator", 2e-3 * (1.0 + x)),
            ("adam_beta1", 0.5 + 0.3 * x),
            ("adam_beta2", 0.9 + 0.09 * x),
            ("rmsprop_decay", 0.9 + 0.09 * x),
            ("momentum", 0.5 * x),
            // For games in sweep files, and for penalties.
            ("alpha_d", 0.5 + x),
            ("alpha_g", 1.0 + x),
            ("softness", 1.5 - x),
            ("edge", 0.9 + x),
            ("share", 0.5 + x),
            ("bound", 0.5 + x),
            ("penalty_target", 0.7 + x),
        ]
        .into_iter()
        .collect();
        let job = Job {
            blueprint: Arc::new(sweep_spec::blueprint::Blueprint::BuiltIn(blueprint.clone())),
            parameters,
            seed: 10 + i as u64,
        };
        Member { id: job.id(), parameters: job.parameters, seed: job.seed }
    };
    (0..count).map(member).collect()
}

/// Real samples: plain normals of the member's stream.
pub(super) fn real() -> RealBatch {
    Arc::new(|seed, index, out| Stream::new(seed, Purpose::Data, index).fill_normal(out))
}

/// A trainer after `steps` steps.
pub(super) fn trained(blueprint: &BuiltIn, members: Vec<Member>, setup: Setup, steps: u64) -> Trainer {
    let mut trainer = Trainer::new(blueprint, members, real(), setup);
    assert_eq!(trainer.advance(steps), []);
    trainer
}

/// All numbers of member `k`: its state, weights, statistics and moments of all players, and an average.
pub(super) fn numbers(trainer: &mut Trainer, k: usize) -> Vec<f64> {
    let (game, k) = match trainer.games.as_mut_slice() {
        [game] => (game, k),
        games => (&mut games[k], 0),
    };
    let mut all: Vec<f64> =
        game.state.iter().flat_map(|(_, kept)| sweep_tensor::host::to_f64(&kept.get(k as i64))).collect();
    for (_, player) in game.players() {
        let moments = player.optimizer.moments.iter().map(|(_, moment)| moment);
        for flat in [&player.net.weights, &player.net.buffers].into_iter().chain(moments) {
            all.extend(sweep_tensor::host::to_f64(&flat.get(k as i64)));
        }
    }
    if let Some(average) = game.average(k) {
        all.extend(sweep_tensor::host::to_f64(&average.get(k as i64)));
    }
    all
}

/// Asserts that both are the same to the last bit, with a message that fits on a screen.
pub(super) fn same(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// The largest difference, relative to the largest number.
pub(super) fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    let scale = a.iter().fold(0.0f64, |max, x| max.max(x.abs()));
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / scale
}
