//! Networks as data: lists of layers, and the architectures that make them, one a file.

mod adapt;
mod conv;
mod fit;
mod layer;
mod mlp;
mod parts;
mod resnet;
mod written;

pub use adapt::{Architecture, Overlay, Unfit, Wanted};
pub use conv::{Conv, Design};
pub use fit::{Misfit, layers};
pub use layer::{Geometry, Layer};
pub use mlp::Mlp;
pub use parts::{Activation, Init, NoiseDistribution, Norm, SELU};
pub use resnet::Resnet;
pub use written::Written;

use serde::{Deserialize, Serialize};

/// The networks of a job, layer by layer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Model {
    /// Length of the noise vector z.
    pub noise: u32,
    /// What z is drawn from. The usual one is not written, so that jobs have the ids that they had when there was no other.
    #[serde(default, skip_serializing_if = "NoiseDistribution::is_usual")]
    pub noise_distribution: NoiseDistribution,
    /// How weights start.
    pub init: Init,
    /// z `[noise]` to a sample.
    pub generator: Vec<Layer>,
    /// `pack` samples to one logit, or to what else the objective asks of it; every discriminator has this shape.
    pub discriminator: Vec<Layer>,
    /// A sample to its code, of an objective with an encoder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoder: Vec<Layer>,
    /// What goes into the discriminators' last layer to the same, of an objective with a denoiser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denoiser: Vec<Layer>,
    /// Samples that a discriminator sees at a time, one after another in its input (Lin et al. 2018).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pack: u32,
}

fn one() -> u32 {
    1
}

fn is_one(pack: &u32) -> bool {
    *pack == 1
}
