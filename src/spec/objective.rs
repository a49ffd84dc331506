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

/// What a job has beside a generator.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Declaration {
    /// The knobs that it must have, beside those of its optimisers.
    pub knobs: &'static [Knob],
    /// How many discriminators play; each has its own weights.
    pub discriminators: usize,
    /// What a discriminator's output is.
    pub critic: Critic,
    /// What its encoder gives, where it has one.
    pub encoder: Option<Encoder>,
    /// Whether it has a denoiser of the first discriminator's features.
    pub denoiser: bool,
    /// Whether its discriminator compares the samples of a batch.
    pub minibatch: bool,
    /// Numbers that a member keeps beside its networks, with their first values.
    pub state: &'static [(&'static str, f64)],
}

/// One discriminator, and nothing else.
const PLAIN: Declaration = Declaration {
    knobs: &[],
    discriminators: 1,
    critic: Critic::Logit,
    encoder: None,
    denoiser: false,
    minibatch: false,
    state: &[],
};

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

    /// Whether its loss has the discriminator's slopes at samples, each by itself: batch normalisation would tie them together.
    pub fn has_penalty(self) -> bool {
        self.declares().knobs.contains(&Knob::GradientPenalty)
    }

    /// What a job of this objective has beside a generator.
    pub fn declares(self) -> Declaration {
        match self {
            Objective::Gan { .. } | Objective::Lsgan | Objective::Bgan | Objective::Unrolled { .. } => PLAIN,
            Objective::D2gan => Declaration { knobs: &[Knob::Alpha, Knob::Beta], discriminators: 2, ..PLAIN },
            Objective::Wgan => Declaration { knobs: &[Knob::Clip], ..PLAIN },
            Objective::WganGp | Objective::Dragan => Declaration { knobs: &[Knob::GradientPenalty], ..PLAIN },
            Objective::WganDiv => Declaration { knobs: &[Knob::GradientPenalty, Knob::PenaltyPower], ..PLAIN },
            Objective::RegGan => {
                Declaration { knobs: &[Knob::Reconstruction, Knob::ModeWeight], encoder: Some(Encoder::Code), ..PLAIN }
            }
            Objective::Mdgan => Declaration { discriminators: 2, ..Objective::RegGan.declares() },
            Objective::Dfm => Declaration { knobs: &[Knob::Denoising], denoiser: true, ..PLAIN },
            Objective::D2ganDfm => Declaration {
                knobs: &[Knob::Alpha, Knob::Beta, Knob::Denoising],
                discriminators: 2,
                denoiser: true,
                ..PLAIN
            },
            Objective::ImprovedGan { .. } => Declaration { minibatch: true, ..PLAIN },
            Objective::Began => Declaration {
                knobs: &[Knob::DiversityRatio, Knob::BalanceRate],
                critic: Critic::Sample,
                state: &[("k", 0.0)],
                ..PLAIN
            },
            Objective::Magan { .. } => Declaration {
                critic: Critic::Sample,
                state: &[("margin", 0.0), ("real", 0.0), ("fake", 0.0), ("fake_before", f32::MAX as f64)],
                ..PLAIN
            },
            Objective::Ali => Declaration { critic: Critic::Joint, encoder: Some(Encoder::Moments), ..PLAIN },
            Objective::Mgan { generators } => {
                Declaration { knobs: &[Knob::Diversity], critic: Critic::Classes(generators), ..PLAIN }
            }
        }
    }
}
