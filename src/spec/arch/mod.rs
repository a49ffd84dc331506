//! Networks as data: lists of layers, and the architectures that make them, one a file.

mod conv;
mod layer;
mod mlp;
mod parts;
mod written;

pub use conv::{Conv, Design};
pub use layer::{Geometry, Layer};
pub use mlp::Mlp;
pub use parts::{Activation, Init, NoiseDistribution, Norm};
pub use written::{Misfit, Written, layers};

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
    /// A sample to one logit; every discriminator of the objective has this shape.
    pub discriminator: Vec<Layer>,
}
