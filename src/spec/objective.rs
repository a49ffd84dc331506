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
    /// The mode regularised GAN of Che et al. 2017: an encoder beside the generator.
    RegGan,
    /// The manifold-diffusion GAN of Che et al. 2017: an encoder, and a discriminator for each of two moves.
    Mdgan,
    /// The GAN of Warde-Farley & Bengio 2017, with denoising feature matching.
    Dfm,
    /// D2GAN with denoising feature matching, as its paper proposes.
    D2ganDfm,
    /// The GAN of Salimans et al. 2016, with minibatch discrimination.
    ImprovedGan {
        /// The generator matches the means of the discriminator's features instead.
        feature_matching: bool,
    },
    /// The boundary equilibrium GAN of Berthelot et al. 2017, whose critic is an auto-encoder.
    Began,
    /// The margin adapting GAN of Wang et al. 2017, whose critic is an auto-encoder.
    Magan {
        /// Steps from one look at the margin to the next.
        epoch: u32,
    },
    /// Adversarially learned inference, Dumoulin et al. 2017: a discriminator of samples with their codes.
    Ali,
    /// The mixture of generators of Hoang et al. 2018, and a classifier that tells them apart.
    Mgan {
        /// How many generators.
        generators: u32,
    },
}

/// What a discriminator's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critic {
    /// A logit of a sample.
    Logit,
    /// A logit of a sample with its code.
    Joint,
    /// A logit of a sample, then the logits of the generators that it may be from.
    Classes(u32),
    /// The sample itself, from an auto-encoder.
    Sample,
}

/// What an encoder gives for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// A code.
    Code,
    /// The means and the log variances of a code.
    Moments,
}

impl Objective {
    /// One of each kind, with its default settings: tests and registries iterate over it.
    pub const ALL: [Objective; 18] = [
        Objective::Gan { saturating: false },
        Objective::D2gan,
        Objective::Lsgan,
        Objective::Wgan,
        Objective::WganGp,
        Objective::WganDiv,
        Objective::Dragan,
        Objective::Bgan,
        Objective::Unrolled { steps: 5 },
        Objective::RegGan,
        Objective::Mdgan,
        Objective::Dfm,
        Objective::D2ganDfm,
        Objective::ImprovedGan { feature_matching: false },
        Objective::Began,
        Objective::Magan { epoch: 1000 },
        Objective::Ali,
        Objective::Mgan { generators: 10 },
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
            Objective::RegGan => "reg_gan",
            Objective::Mdgan => "mdgan",
            Objective::Dfm => "dfm",
            Objective::D2ganDfm => "d2gan_dfm",
            Objective::ImprovedGan { .. } => "improved_gan",
            Objective::Began => "began",
            Objective::Magan { .. } => "magan",
            Objective::Ali => "ali",
            Objective::Mgan { .. } => "mgan",
        }
    }

    /// The knobs that every job of this objective must have, beside those of its optimisers.
    pub fn knobs(self) -> &'static [Knob] {
        match self {
            Objective::Gan { .. }
            | Objective::Lsgan
            | Objective::Bgan
            | Objective::Unrolled { .. }
            | Objective::ImprovedGan { .. }
            | Objective::Magan { .. }
            | Objective::Ali => &[],
            Objective::D2gan => &[Knob::Alpha, Knob::Beta],
            Objective::Wgan => &[Knob::Clip],
            Objective::WganGp | Objective::Dragan => &[Knob::GradientPenalty],
            Objective::WganDiv => &[Knob::GradientPenalty, Knob::PenaltyPower],
            Objective::RegGan | Objective::Mdgan => &[Knob::Reconstruction, Knob::ModeWeight],
            Objective::Dfm => &[Knob::Denoising],
            Objective::D2ganDfm => &[Knob::Alpha, Knob::Beta, Knob::Denoising],
            Objective::Began => &[Knob::DiversityRatio, Knob::BalanceRate],
            Objective::Mgan { .. } => &[Knob::Diversity],
        }
    }

    /// How many discriminators play; each has its own weights.
    pub fn discriminators(self) -> usize {
        match self {
            Objective::D2gan | Objective::D2ganDfm | Objective::Mdgan => 2,
            Objective::Gan { .. }
            | Objective::Lsgan
            | Objective::Wgan
            | Objective::WganGp
            | Objective::WganDiv
            | Objective::Dragan
            | Objective::Bgan
            | Objective::Unrolled { .. }
            | Objective::RegGan
            | Objective::Dfm
            | Objective::ImprovedGan { .. }
            | Objective::Began
            | Objective::Magan { .. }
            | Objective::Ali
            | Objective::Mgan { .. } => 1,
        }
    }

    /// What a discriminator's output is.
    pub fn critic(self) -> Critic {
        match self {
            Objective::Began | Objective::Magan { .. } => Critic::Sample,
            Objective::Ali => Critic::Joint,
            Objective::Mgan { generators } => Critic::Classes(generators),
            Objective::Gan { .. }
            | Objective::D2gan
            | Objective::Lsgan
            | Objective::Wgan
            | Objective::WganGp
            | Objective::WganDiv
            | Objective::Dragan
            | Objective::Bgan
            | Objective::Unrolled { .. }
            | Objective::RegGan
            | Objective::Mdgan
            | Objective::Dfm
            | Objective::D2ganDfm
            | Objective::ImprovedGan { .. } => Critic::Logit,
        }
    }

    /// What its encoder gives, where it has one.
    pub fn encoder(self) -> Option<Encoder> {
        match self {
            Objective::RegGan | Objective::Mdgan => Some(Encoder::Code),
            Objective::Ali => Some(Encoder::Moments),
            _ => None,
        }
    }

    /// Whether it has a denoiser of the first discriminator's features.
    pub fn has_denoiser(self) -> bool {
        matches!(self, Objective::Dfm | Objective::D2ganDfm)
    }

    /// Whether its discriminator compares the samples of a batch.
    pub fn has_minibatch(self) -> bool {
        matches!(self, Objective::ImprovedGan { .. })
    }

    /// Numbers that a member keeps beside its networks, with their first values.
    pub fn state(self) -> &'static [(&'static str, f64)] {
        match self {
            Objective::Began => &[("k", 0.0)],
            Objective::Magan { .. } => {
                &[("margin", 0.0), ("real", 0.0), ("fake", 0.0), ("fake_before", f32::MAX as f64)]
            }
            _ => &[],
        }
    }
}
