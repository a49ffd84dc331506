//! Objectives: which game the players play.

use serde::{Deserialize, Serialize};

use super::knobs::Knob;

/// One GAN objective. A new one is a variant here and a file in `train/objectives/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The GAN of Goodfellow et al. 2014.
    Gan {
        /// The generator minimises log(1 − D(G(z))) (saturating) instead of −log D(G(z)).
        saturating: bool,
    },
    /// The dual discriminator GAN of Nguyen et al. 2017.
    D2gan,
    /// The least squares GAN of Mao et al. 2017.
    Lsgan,
    /// The Wasserstein GAN of Arjovsky et al. 2017, its critic's weights clipped.
    Wgan,
    /// WGAN with a gradient penalty, Gulrajani et al. 2017.
    WganGp,
    /// The Wasserstein divergence for GANs, Wu et al. 2018.
    WganDiv,
    /// The GAN with a gradient penalty around the real samples, Kodali et al. 2017.
    Dragan,
    /// The boundary-seeking GAN of Hjelm et al. 2018, for continuous data.
    Bgan,
    /// The unrolled GAN of Metz et al. 2017.
    Unrolled {
        /// How many moves of the discriminator the generator looks ahead.
        steps: u32,
    },
}

impl Objective {
    /// One of each kind, with its default settings: tests and registries iterate over it.
    pub const ALL: [Objective; 9] = [
        Objective::Gan { saturating: false },
        Objective::D2gan,
        Objective::Lsgan,
        Objective::Wgan,
        Objective::WganGp,
        Objective::WganDiv,
        Objective::Dragan,
        Objective::Bgan,
        Objective::Unrolled { steps: 5 },
    ];

    /// The name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Objective::Gan { .. } => "gan",
            Objective::D2gan => "d2gan",
            Objective::Lsgan => "lsgan",
            Objective::Wgan => "wgan",
            Objective::WganGp => "wgan_gp",
            Objective::WganDiv => "wgan_div",
            Objective::Dragan => "dragan",
            Objective::Bgan => "bgan",
            Objective::Unrolled { .. } => "unrolled",
        }
    }

    /// The knobs that every job of this objective must have, beside those of its optimisers.
    pub fn knobs(self) -> &'static [Knob] {
        match self {
            Objective::Gan { .. } | Objective::Lsgan | Objective::Bgan | Objective::Unrolled { .. } => &[],
            Objective::D2gan => &[Knob::Alpha, Knob::Beta],
            Objective::Wgan => &[Knob::Clip],
            Objective::WganGp | Objective::Dragan => &[Knob::GradientPenalty],
            Objective::WganDiv => &[Knob::GradientPenalty, Knob::PenaltyPower],
        }
    }

    /// How many discriminators play; each has its own weights.
    pub fn discriminators(self) -> usize {
        match self {
            Objective::D2gan => 2,
            Objective::Gan { .. }
            | Objective::Lsgan
            | Objective::Wgan
            | Objective::WganGp
            | Objective::WganDiv
            | Objective::Dragan
            | Objective::Bgan
            | Objective::Unrolled { .. } => 1,
        }
    }
}
