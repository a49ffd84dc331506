//! `model:`, the players' networks.

use super::{Range, Used, keys};
use crate::arch::{Activation, Design, Init, NoiseDistribution, Norm};
use crate::settings::Settings;
use crate::value::{Arch, Hidden, SettingValue};

/// Returns layer sizes for images or for points.
fn sizes(settings: &Settings, images: &[u32], points: &[u32]) -> Option<SettingValue> {
    Some(SettingValue::sizes(if settings.images() { images } else { points }))
}

fn norm(settings: &Settings) -> Option<SettingValue> {
    Some(SettingValue::Norm(if settings.convolutional() { Norm::Batch } else { Norm::None }))
}

/// Returns the normalisation of discriminators.
fn judges(settings: &Settings) -> Option<SettingValue> {
    if arch(settings, Arch::Resnet) { Some(SettingValue::Norm(Norm::Spectral)) } else { norm(settings) }
}

fn mlp(settings: &Settings) -> bool {
    !settings.convolutional()
}

fn convolutions(settings: &Settings) -> bool {
    !settings.sound(&[ARCH.name]) || settings.convolutional()
}

fn arch(settings: &Settings, arch: Arch) -> bool {
    settings.get(&ARCH) == Some(arch)
}

const METZ: Arch = Arch::Conv(Design::Metz);

/// Returns whether the network of `key` has hidden layers whose kind is set by other keys.
fn hidden(settings: &Settings, key: &'static super::Typed<Hidden>) -> bool {
    settings.convolutional()
        || !settings.sound(&[key.name])
        || settings.get(key).is_some_and(|it| !it.sizes().is_empty())
}

keys! { Model:
    /// The kind of networks: fully connected, one of two convolutional designs, or the residual networks of the
    /// spectral normalisation paper.
    ARCH: Arch = "arch", choice().always(|| SettingValue::Arch(Arch::Mlp));
    /// Sizes of the generator's hidden layers, or the whole network layer by layer:
    /// `[{linear: 400}, batch_norm, relu, {linear: 2}]`.
    GENERATOR: Hidden = "generator", network()
        .usually("[400, 400] for images, [128, 128] for points", |s| sizes(s, &[400, 400], &[128, 128]))
        .used(Used::Where("`arch: mlp`", mlp));
    /// Sizes of each discriminator's hidden layers, or the whole network layer by layer.
    DISCRIMINATOR: Hidden = "discriminator", network()
        .usually("[256, 256] for images, [128] for points", |s| sizes(s, &[256, 256], &[128]))
        .used(Used::Where("`arch: mlp`", mlp));
    /// Sizes of the encoder's hidden layers.
    ENCODER: Vec<u32> = "encoder", sizes()
        .usually("those of the generator in reverse", |s| match s.get(&GENERATOR) {
            Some(Hidden::Sizes(sizes)) => Some(SettingValue::sizes(sizes.iter().rev())),
            Some(Hidden::Layers(_)) | None => sizes(s, &[400, 400], &[128, 128]),
        })
        .used(Used::ByObjectivesWith(|declared| declared.encoder.is_some(), "`arch: mlp`", mlp));
    /// Sizes of the denoiser's hidden layers.
    DENOISER: Vec<u32> = "denoiser", sizes()
        .usually("[1024, 1024] for images, [128, 128] for points", |s| sizes(s, &[1024, 1024], &[128, 128]))
        .used(Used::ByObjectives(|declared| declared.denoiser));
    /// Kernels of minibatch discrimination.
    MINIBATCH_KERNELS: u64 = "minibatch_kernels", whole(1, 1000).always(|| SettingValue::count(100))
        .used(Used::ByObjectives(|declared| declared.minibatch));
    /// Dimensions of each of these kernels.
    MINIBATCH_DIMS: u64 = "minibatch_dims", whole(1, 100).always(|| SettingValue::count(5))
        .used(Used::ByObjectives(|declared| declared.minibatch));
    /// Samples that a discriminator gets at a time (PacGAN).
    PACK: u64 = "pack", whole(1, 64).always(|| SettingValue::count(1));
    /// Feature maps of the discriminators' first convolution. All other convolutions, including the generator's, have a
    /// multiple of it. With `arch: resnet`, all of the discriminators' convolutions have this many maps, and the
    /// generator's twice as many.
    WIDTH: u64 = "width", whole(1, 1024)
        .usually("128, or 4 with `arch: metz`", |s| Some(SettingValue::count(if arch(s, METZ) { 4 } else { 128 })))
        .used(Used::Where("`arch: dcgan`, `metz` or `resnet`", convolutions));
    /// The same for the discriminators only.
    DISCRIMINATOR_WIDTH: u64 = "discriminator_width", whole(1, 1024)
        .usually("`width`", |s| s.get(&WIDTH).map(SettingValue::count))
        .used(Used::Where("`arch: dcgan`, `metz` or `resnet`", convolutions));
    /// Side of the convolution kernels, in pixels.
    KERNEL: u64 = "kernel", whole(3, 5).always(|| SettingValue::count(5))
        .used(Used::Where("`arch: dcgan`", |s| !s.sound(&[ARCH.name]) || arch(s, Arch::Conv(Design::Dcgan))));
    /// Length of the noise vector.
    NOISE: u64 = "noise", whole(1, crate::value::MAX_SIZE)
        .usually("100 for images, 128 with `arch: resnet`, 256 for points and with `arch: metz`", |s| {
            let images = if arch(s, Arch::Resnet) { 128 } else { 100 };
            Some(SettingValue::count(if s.images() && !arch(s, METZ) { images } else { 256 }))
        });
    /// The distribution of the noise: N(0, I), or uniform on [−1, 1].
    NOISE_DISTRIBUTION: NoiseDistribution = "noise_distribution", choice()
        .always(|| SettingValue::NoiseDistribution(NoiseDistribution::Normal));
    /// Normalisation of the generator's hidden layers.
    GENERATOR_NORM: Norm = "generator_norm", choice().usually("batch for convolutions, else none", norm)
        .used(Used::Where("hidden layers whose sizes `generator` sets", |s| hidden(s, &GENERATOR)));
    /// Normalisation of the discriminators' hidden layers. `spectral` divides the weights of every layer, including the
    /// last, by their largest singular value. The estimate of it is updated by one power iteration in each training
    /// pass. The discriminators process real and generated samples in one pass, where PyTorch code often uses two. Each
    /// of the generator's moves is a pass too. Gradient penalties, unrolled steps and evaluation do not update it.
    DISCRIMINATOR_NORM: Norm = "discriminator_norm", choice()
        .usually("spectral with `arch: resnet`, batch for other convolutions, else none", judges)
        .used(Used::Where("hidden layers whose sizes `discriminator` sets", |s| hidden(s, &DISCRIMINATOR)));
    /// Activation of the generator's hidden layers.
    GENERATOR_ACTIVATION: Activation = "generator_activation", activation()
        .always(|| SettingValue::Activation(Some(Activation::Relu)))
        .used(Used::Where("hidden layers whose sizes `generator` sets", |s| hidden(s, &GENERATOR)));
    /// Activation of the discriminators' hidden layers.
    DISCRIMINATOR_ACTIVATION: Activation = "discriminator_activation", activation()
        .usually("{leaky_relu: 0.2}, {leaky_relu: 0.3} with `arch: metz`, relu with `arch: resnet`", |s| {
            let slope = if arch(s, METZ) { 0.3 } else { 0.2 };
            let relu = arch(s, Arch::Resnet).then_some(Activation::Relu);
            Some(SettingValue::Activation(relu.or(Some(Activation::LeakyRelu { slope }))))
        })
        .used(Used::Where("hidden layers whose sizes `discriminator` sets", |s| hidden(s, &DISCRIMINATOR)));
    /// Dropout after each hidden layer of the discriminators.
    DROPOUT: f64 = "dropout", number(Range::from(0.0).below(1.0)).always(|| SettingValue::number(0.0))
        .used(Used::Where("`arch: mlp` with hidden layers whose sizes `discriminator` sets", |s| {
            mlp(s) && hidden(s, &DISCRIMINATOR)
        }));
    /// Initialisation of weights. Biases start at 0.
    INIT: Init = "init", init().usually("{normal: 0.02}, xavier_uniform with `arch: resnet`", |s| {
        Some(SettingValue::Init(if arch(s, Arch::Resnet) { Init::XavierUniform } else { Init::Normal { std: 0.02 } }))
    });
    /// Activation of the generator's output.
    OUTPUT: Option<Activation> = "output", activation_or_none()
        .usually("tanh for images, none for points", |s| {
            Some(SettingValue::Activation(s.images().then_some(Activation::Tanh)))
        })
        .used(Used::Where("a generator that is not written out", |s| {
            s.convolutional() || !s.layer_by_layer(&GENERATOR)
        }));
}
