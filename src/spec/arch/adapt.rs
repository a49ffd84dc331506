//! What objectives need from networks beyond samples from noise and a logit for a sample: changes to lists of layers of
//! any architecture.

use super::{Init, Layer, Model, NoiseDistribution};
use crate::objective::{Critic, Encoder, Objective};

/// An architecture: builds networks for samples of one shape.
pub trait Architecture {
    /// Maps noise to a sample.
    fn generator(&self) -> Vec<Layer>;

    /// Maps `pack` samples at a time to a logit.
    fn discriminator(&self, pack: u32) -> Vec<Layer>;

    /// Maps `pack` samples at a time to reconstructions of them, through a code.
    fn autoencoder(&self, pack: u32) -> Vec<Layer>;

    /// Maps a sample to `outputs` numbers.
    fn encoder(&self, outputs: u32) -> Vec<Layer>;

    /// Maps `features` features of a discriminator to the same number.
    fn denoiser(&self, features: u32) -> Vec<Layer>;
}

/// What an objective and its settings need from the networks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Samples that a discriminator gets at a time.
    pub pack: u32,
    /// What the discriminator outputs.
    pub critic: Critic,
    /// The number of generators.
    pub generators: u32,
    /// The number of minibatch discrimination kernels, and their dimensions.
    pub minibatch: Option<[u32; 2]>,
    /// What the encoder outputs, if there is one.
    pub encoder: Option<Encoder>,
    /// Whether there is a denoiser of the discriminator's features.
    pub denoiser: bool,
}

impl Wanted {
    /// Returns what `objective` needs with `pack` samples at a time. `minibatch` is used by objectives that compare the
    /// samples of a batch.
    pub fn of(objective: Objective, pack: u32, minibatch: [u32; 2]) -> Wanted {
        let declared = objective.declares();
        Wanted {
            pack,
            critic: declared.critic,
            generators: objective.generators(),
            minibatch: declared.minibatch.then_some(minibatch),
            encoder: declared.encoder,
            denoiser: declared.denoiser,
        }
    }

    /// Builds the networks with `architecture`, for noise of this length and distribution.
    ///
    /// # Errors
    ///
    /// If its discriminator or generator does not fit the objective.
    pub fn networks(
        &self,
        architecture: &dyn Architecture,
        (noise, noise_distribution): (u32, NoiseDistribution),
        init: Init,
    ) -> Result<Model, Unfit> {
        let mut generator = architecture.generator();
        let mut discriminator = match self.critic {
            Critic::Sample => architecture.autoencoder(self.pack),
            Critic::Logit | Critic::Joint | Critic::Classes => architecture.discriminator(self.pack),
        };
        if self.critic == Critic::Joint {
            add_inputs(&mut discriminator, noise * self.pack)?;
        }
        if let Some([kernels, dims]) = self.minibatch {
            compare(&mut discriminator, kernels, dims)?;
        }
        if self.critic == Critic::Classes {
            *last(&mut discriminator)?.1 += self.generators;
            mix(&mut generator, self.generators, self.pack)?;
        }
        let encoder = self.encoder.map_or_else(Vec::new, |encoder| match encoder {
            Encoder::Code => architecture.encoder(noise),
            Encoder::Moments => architecture.encoder(2 * noise),
        });
        let denoiser = match self.denoiser {
            true => architecture.denoiser(*last(&mut discriminator)?.0),
            false => Vec::new(),
        };
        Ok(Model { noise, noise_distribution, init, generator, discriminator, encoder, denoiser, pack: self.pack })
    }
}

/// An architecture with some networks replaced by written-out ones.
pub struct Overlay<A> {
    /// The architecture.
    pub base: A,
    /// Replaces its generator.
    pub generator: Option<Vec<Layer>>,
    /// Replaces its discriminator or auto-encoder. Takes packed samples.
    pub discriminator: Option<Vec<Layer>>,
}

impl<A: Architecture> Architecture for Overlay<A> {
    fn generator(&self) -> Vec<Layer> {
        self.generator.clone().unwrap_or_else(|| self.base.generator())
    }

    fn discriminator(&self, pack: u32) -> Vec<Layer> {
        self.discriminator.clone().unwrap_or_else(|| self.base.discriminator(pack))
    }

    fn autoencoder(&self, pack: u32) -> Vec<Layer> {
        self.discriminator.clone().unwrap_or_else(|| self.base.autoencoder(pack))
    }

    fn encoder(&self, outputs: u32) -> Vec<Layer> {
        self.base.encoder(outputs)
    }

    fn denoiser(&self, features: u32) -> Vec<Layer> {
        self.base.denoiser(features)
    }
}

/// A network that an objective cannot use. The text says what the network must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The generator.
    Generator(&'static str),
    /// The discriminator.
    Discriminator(&'static str),
}

const NO_LAST: Unfit = Unfit::Discriminator("end in a linear layer for this objective, which uses that layer's input");
const NO_FIRST: Unfit =
    Unfit::Generator("begin with a linear layer for this objective, which is separate for each generator");
const NO_ROOM: Unfit = Unfit::Discriminator(
    "begin with a linear layer, or with `unflatten` and a convolution or a residual of another shape, for this \
    objective, which also feeds it codes",
);

/// Returns the inputs and outputs of the last layer.
fn last(layers: &mut [Layer]) -> Result<(&mut u32, &mut u32), Unfit> {
    match layers {
        [.., Layer::Linear { inputs, outputs }] | [.., Layer::Linear { inputs, outputs }, Layer::SpectralNorm] => {
            Ok((inputs, outputs))
        }
        _ => Err(NO_LAST),
    }
}

/// Inserts a comparison of the samples of a batch before the last layer.
fn compare(discriminator: &mut Vec<Layer>, kernels: u32, dims: u32) -> Result<(), Unfit> {
    let (inputs, _) = last(discriminator)?;
    let features = *inputs;
    *inputs += kernels;
    let at = discriminator.iter().rposition(|layer| matches!(layer, Layer::Linear { .. })).ok_or(NO_LAST)?;
    discriminator.insert(at, Layer::MinibatchDiscrimination { features, kernels, dims });
    Ok(())
}

/// Makes the first layer separate for each generator.
fn mix(generator: &mut [Layer], generators: u32, run: u32) -> Result<(), Unfit> {
    match generator.first_mut() {
        Some(layer @ &mut Layer::Linear { inputs, outputs }) => {
            *layer = Layer::Mixture { inputs, outputs, generators, run };
        }
        _ => return Err(NO_FIRST),
    }
    if let Some(Layer::WeightNorm { features }) = generator.get_mut(1) {
        *features *= generators;
    }
    Ok(())
}

/// Adds inputs for numbers that accompany the samples: as more features, or as maps with a single value each.
fn add_inputs(discriminator: &mut [Layer], beside: u32) -> Result<(), Unfit> {
    match discriminator {
        [Layer::Linear { inputs, .. }, ..] => *inputs += beside,
        [first @ Layer::Unflatten { .. }, rest @ ..] => {
            if let Layer::Unflatten { maps, side } = *first {
                *first = Layer::UnflattenBeside { maps, side, beside };
            }
            add_maps(rest, beside)?;
        }
        _ => return Err(NO_ROOM),
    }
    Ok(())
}

/// Adds inputs for more maps.
fn add_maps(layers: &mut [Layer], more: u32) -> Result<(), Unfit> {
    match layers {
        [Layer::Conv2d(geometry), ..]
        | [Layer::AvgPool { .. } | Layer::Upsample { .. }, Layer::Conv2d(geometry), ..] => {
            geometry.inputs += more;
            Ok(())
        }
        // Without a shortcut, a residual must output as many maps as it takes.
        [Layer::Residual { body, shortcut }, ..] => add_maps(body, more).and_then(|()| add_maps(shortcut, more)),
        _ => Err(NO_ROOM),
    }
}
