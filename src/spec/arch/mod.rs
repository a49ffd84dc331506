//! Networks as data: lists of layers, and the architectures that build them, one per file.

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
    /// The distribution of z. The default is not serialized, so that jobs keep the ids from before there was a choice.
    #[serde(default, skip_serializing_if = "NoiseDistribution::is_usual")]
    pub noise_distribution: NoiseDistribution,
    /// How weights are initialised.
    pub init: Init,
    /// Maps z `[noise]` to a sample.
    pub generator: Vec<Layer>,
    /// Maps `pack` samples to one logit, or to whatever output the objective needs. All discriminators have this shape.
    pub discriminator: Vec<Layer>,
    /// Maps a sample to its code; empty if the objective has no encoder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoder: Vec<Layer>,
    /// Maps the input of the discriminators' last layer to a denoised one of the same shape; empty if the objective has
    /// no denoiser.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub denoiser: Vec<Layer>,
    /// Samples that a discriminator gets at a time, concatenated in its input (Lin et al. 2018).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub pack: u32,
}

fn one() -> u32 {
    1
}

fn is_one(pack: &u32) -> bool {
    *pack == 1
}
