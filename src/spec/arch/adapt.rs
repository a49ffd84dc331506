//! What objectives ask of networks beside samples from noise and a logit from a sample: changes to lists of layers, whatever
//! architecture made them.

use super::{Init, Layer, Model, NoiseDistribution};
use crate::objective::{Critic, Encoder, Objective};

/// An architecture: networks for samples of one shape.
pub trait Architecture {
    /// Noise to a sample.
    fn generator(&self) -> Vec<Layer>;

    /// `pack` samples at a time to a logit.
    fn discriminator(&self, pack: u32) -> Vec<Layer>;

    /// `pack` samples at a time to the same, by way of a code.
    fn autoencoder(&self, pack: u32) -> Vec<Layer>;

    /// A sample to so many numbers.
    fn encoder(&self, outputs: u32) -> Vec<Layer>;

    /// So many features of a discriminator to the same.
    fn denoiser(&self, features: u32) -> Vec<Layer>;
}

/// What an objective and its settings ask of the networks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// Samples that a discriminator sees at a time.
    pub pack: u32,
    /// What its output is.
    pub critic: Critic,
    /// How many generators there are.
    pub generators: u32,
    /// Kernels of minibatch discrimination and dimensions of each.
    pub minibatch: Option<[u32; 2]>,
    /// What the encoder gives.
    pub encoder: Option<Encoder>,
    /// Whether there is a denoiser of the discriminator's features.
    pub denoiser: bool,
}

impl Wanted {
    /// What `objective` asks, with `pack` samples at a time; `minibatch` is for those that compare the samples of a batch.
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

    /// The networks of `architecture`, for noise of this length and distribution.
    ///
    /// # Errors
    ///
    /// What of its discriminator or generator does not go with what is wanted.
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

/// An architecture with networks that are written out in the places of its own.
pub struct Overlay<A> {
    /// The architecture.
    pub base: A,
    /// In the place of its generator.
    pub generator: Option<Vec<Layer>>,
    /// In the place of its discriminator or auto-encoder, for samples as they are packed.
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

/// A network that an objective can't use: what it must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// The generator.
    Generator(&'static str),
    /// The discriminator.
    Discriminator(&'static str),
}

const NO_LAST: Unfit =
    Unfit::Discriminator("end in a linear layer for this objective, which looks at what goes into it");
const NO_FIRST: Unfit =
    Unfit::Generator("begin with a linear layer for this objective, which each generator has of its own");
const NO_ROOM: Unfit = Unfit::Discriminator(
    "begin with a linear layer, or with `unflatten` and a convolution or a residual of another shape, for this objective, which shows it codes, too",
);

/// Inputs and outputs of the last layer.
fn last(layers: &mut [Layer]) -> Result<(&mut u32, &mut u32), Unfit> {
    match layers {
        [.., Layer::Linear { inputs, outputs }] | [.., Layer::Linear { inputs, outputs }, Layer::SpectralNorm] => {
            Ok((inputs, outputs))
        }
        _ => Err(NO_LAST),
    }
}

/// Puts a comparison of the samples of a batch before the last layer.
fn compare(discriminator: &mut Vec<Layer>, kernels: u32, dims: u32) -> Result<(), Unfit> {
    let (inputs, _) = last(discriminator)?;
    let features = *inputs;
    *inputs += kernels;
    let at = discriminator.iter().rposition(|layer| matches!(layer, Layer::Linear { .. })).ok_or(NO_LAST)?;
    discriminator.insert(at, Layer::MinibatchDiscrimination { features, kernels, dims });
    Ok(())
}

/// Makes the first layer one of each of so many generators.
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

/// Lets so many numbers in beside the samples: as more features, or as maps of one value each.
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

/// Lets so many more maps in.
fn add_maps(layers: &mut [Layer], more: u32) -> Result<(), Unfit> {
    match layers {
        [Layer::Conv2d(geometry), ..]
        | [Layer::AvgPool { .. } | Layer::Upsample { .. }, Layer::Conv2d(geometry), ..] => {
            geometry.inputs += more;
            Ok(())
        }
        // Where there is no shortcut, what goes in must come out.
        [Layer::Residual { body, shortcut }, ..] => add_maps(body, more).and_then(|()| add_maps(shortcut, more)),
        _ => Err(NO_ROOM),
    }
}
