//! `model:`, the players' networks.

use super::{Range, Used, keys};
use crate::arch::{Activation, Design, Init, NoiseDistribution, Norm};
use crate::settings::Settings;
use crate::value::{Arch, Hidden, Value};

/// Sizes for images, and for points.
fn sizes(settings: &Settings, images: &[u32], points: &[u32]) -> Option<Value> {
    Some(Value::sizes(if settings.images() { images } else { points }))
}

fn norm(settings: &Settings) -> Option<Value> {
    Some(Value::Norm(if settings.convolutional() { Norm::Batch } else { Norm::None }))
}

/// Of discriminators.
fn judges(settings: &Settings) -> Option<Value> {
    if arch(settings, Arch::Resnet) { Some(Value::Norm(Norm::Spectral)) } else { norm(settings) }
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

/// Whether the network of `key` has hidden layers whose kind other keys say.
fn hidden(settings: &Settings, key: &'static super::Typed<Hidden>) -> bool {
    settings.convolutional()
        || !settings.sound(&[key.name])
        || settings.get(key).is_some_and(|it| !it.sizes().is_empty())
}

keys! { Model:
    /// The kind of networks: fully connected, one of two convolutional designs, or the residual networks of spectral normalisation's paper.
    ARCH: Arch = "arch", choice().always(|| Value::Arch(Arch::Mlp));
    /// Hidden layers of the generator, by their sizes, or the whole network layer by layer: `[{linear: 400}, batch_norm, relu, {linear: 2}]`.
    GENERATOR: Hidden = "generator", network()
        .usually("[400, 400] for images, [128, 128] for points", |s| sizes(s, &[400, 400], &[128, 128]))
        .used(Used::Where("`arch: mlp`", mlp));
    /// Hidden layers of each discriminator, or the whole network layer by layer.
    DISCRIMINATOR: Hidden = "discriminator", network()
        .usually("[256, 256] for images, [128] for points", |s| sizes(s, &[256, 256], &[128]))
        .used(Used::Where("`arch: mlp`", mlp));
    /// Hidden layers of the encoder, by their sizes.
    ENCODER: Vec<u32> = "encoder", sizes()
        .usually("those of the generator in reverse", |s| match s.get(&GENERATOR) {
            Some(Hidden::Sizes(sizes)) => Some(Value::sizes(sizes.iter().rev())),
            Some(Hidden::Layers(_)) | None => sizes(s, &[400, 400], &[128, 128]),
        })
        .used(Used::ByObjectivesWith(|declared| declared.encoder.is_some(), "`arch: mlp`", mlp));
    /// Hidden layers of the denoiser, by their sizes.
    DENOISER: Vec<u32> = "denoiser", sizes()
        .usually("[1024, 1024] for images, [128, 128] for points", |s| sizes(s, &[1024, 1024], &[128, 128]))
        .used(Used::ByObjectives(|declared| declared.denoiser));
    /// Kernels of minibatch discrimination.
    MINIBATCH_KERNELS: u64 = "minibatch_kernels", whole(1, 1000).always(|| Value::count(100))
        .used(Used::ByObjectives(|declared| declared.minibatch));
    /// Dimensions of each of these kernels.
    MINIBATCH_DIMS: u64 = "minibatch_dims", whole(1, 100).always(|| Value::count(5))
        .used(Used::ByObjectives(|declared| declared.minibatch));
    /// Samples that a discriminator sees at a time (PacGAN).
    PACK: u64 = "pack", whole(1, 64).always(|| Value::count(1));
    /// Maps of the discriminators' first convolution. All others, the generator's too, have a multiple of them; of `arch: resnet` the
    /// discriminators' have as many, the generator's twice as many.
    WIDTH: u64 = "width", whole(1, 1024)
        .usually("128, or 4 with `arch: metz`", |s| Some(Value::count(if arch(s, METZ) { 4 } else { 128 })))
        .used(Used::Where("`arch: dcgan`, `metz` or `resnet`", convolutions));
    /// The same for the discriminators alone.
    DISCRIMINATOR_WIDTH: u64 = "discriminator_width", whole(1, 1024)
        .usually("`width`", |s| s.get(&WIDTH).map(Value::count))
        .used(Used::Where("`arch: dcgan`, `metz` or `resnet`", convolutions));
    /// Pixels along a side of the convolutions' kernels.
    KERNEL: u64 = "kernel", whole(3, 5).always(|| Value::count(5))
        .used(Used::Where("`arch: dcgan`", |s| !s.sound(&[ARCH.name]) || arch(s, Arch::Conv(Design::Dcgan))));
    /// Length of the noise vector.
    NOISE: u64 = "noise", whole(1, crate::value::MAX_SIZE)
        .usually("100 for images, 128 with `arch: resnet`, 256 for points and with `arch: metz`", |s| {
            let images = if arch(s, Arch::Resnet) { 128 } else { 100 };
            Some(Value::count(if s.images() && !arch(s, METZ) { images } else { 256 }))
        });
    /// What the noise is drawn from: N(0, I), or evenly from [−1, 1].
    NOISE_DISTRIBUTION: NoiseDistribution = "noise_distribution", choice()
        .always(|| Value::NoiseDistribution(NoiseDistribution::Normal));
    /// Normalisation of the generator's hidden layers.
    GENERATOR_NORM: Norm = "generator_norm", choice().usually("batch for convolutions, else none", norm)
        .used(Used::Where("hidden layers that `generator` gives by their sizes", |s| hidden(s, &GENERATOR)));
    /// Normalisation of the discriminators' hidden layers. `spectral` divides the weights of every layer, the last one's too, by their largest
    /// singular value. The estimate of it takes one power iteration in each training pass. The discriminators see real and generated samples in
    /// one pass, where PyTorch code often has two. Each of the generator's moves is a pass, too. Gradient penalties, unrolled steps and evaluation
    /// leave it as it is.
    DISCRIMINATOR_NORM: Norm = "discriminator_norm", choice()
        .usually("spectral with `arch: resnet`, batch for other convolutions, else none", judges)
        .used(Used::Where("hidden layers that `discriminator` gives by their sizes", |s| hidden(s, &DISCRIMINATOR)));
    /// Activation of the generator's hidden layers.
    GENERATOR_ACTIVATION: Activation = "generator_activation", activation()
        .always(|| Value::Activation(Some(Activation::Relu)))
        .used(Used::Where("hidden layers that `generator` gives by their sizes", |s| hidden(s, &GENERATOR)));
    /// Activation of the discriminators' hidden layers.
    DISCRIMINATOR_ACTIVATION: Activation = "discriminator_activation", activation()
        .usually("{leaky_relu: 0.2}, {leaky_relu: 0.3} with `arch: metz`, relu with `arch: resnet`", |s| {
            let slope = if arch(s, METZ) { 0.3 } else { 0.2 };
            let relu = arch(s, Arch::Resnet).then_some(Activation::Relu);
            Some(Value::Activation(relu.or(Some(Activation::LeakyRelu { slope }))))
        })
        .used(Used::Where("hidden layers that `discriminator` gives by their sizes", |s| hidden(s, &DISCRIMINATOR)));
    /// Dropout after each hidden layer of the discriminators.
    DROPOUT: f64 = "dropout", number(Range::from(0.0).below(1.0)).always(|| Value::number(0.0))
        .used(Used::Where("`arch: mlp` with hidden layers that `discriminator` gives by their sizes", |s| mlp(s) && hidden(s, &DISCRIMINATOR)));
    /// How weights start. Biases start at 0.
    INIT: Init = "init", init().usually("{normal: 0.02}, xavier_uniform with `arch: resnet`", |s| {
        Some(Value::Init(if arch(s, Arch::Resnet) { Init::XavierUniform } else { Init::Normal { std: 0.02 } }))
    });
    /// Activation of the generator's output.
    OUTPUT: Option<Activation> = "output", activation_or_none()
        .usually("tanh for images, none for points", |s| Some(Value::Activation(s.images().then_some(Activation::Tanh))))
        .used(Used::Where("a generator that is not written out", |s| s.convolutional() || !s.layer_by_layer(&GENERATOR)));
}
