//! Objectives: which game the players play.

pub mod games;
#[cfg(test)]
mod lint_tests;
mod placed;
pub mod rules;
mod several;
mod table;
#[cfg(test)]
mod tests;
pub(super) mod written;

use serde::{Deserialize, Serialize};

use super::keys::{Described, Held};
use super::settings::Settings;
use super::value::Value;
pub use games::Game;
pub use placed::Written;
pub use rules::{Formulas, Rules};
pub use sweep_formula::ast::Function;

/// Names the objectives: for each what it is, its settings that change the program (with the parameter that each is, and its default),
/// its name in YAML, and its declaration.
macro_rules! objectives {
    ($($(#[doc = $about:literal])+
        $objective:ident $({ $(#[$of:meta])+ $setting:ident: $type:ty = $parameter:literal, $usual:expr })? = $name:literal, $declaration:path;)*
    ) => {
        /// One GAN objective. A new one is an entry here with its declaration in `table.rs`, and a file in `train/objectives/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Objective {
            $($(#[doc = $about])+ $objective $({ $(#[$of])+ $setting: $type })?,)*
            /// Formulas of the file's own.
            Formula(Formulas),
            /// A game of the program's own on logits alone.
            #[serde(untagged)]
            Game(Game),
        }

        impl Objective {
            /// One of each kind that the program has, with its default settings: tests and registries iterate over it.
            pub const ALL: [Objective; Objective::OTHERS.len() + games::NAMES.len()] = Objective::all();

            const OTHERS: [Objective; [$($name),*].len()] = [$(Objective::$objective $({ $setting: $usual })?),*];

            /// The plain GAN, the other games on logits, then those with more to them.
            const fn all() -> [Objective; Objective::OTHERS.len() + games::NAMES.len()] {
                let mut all = [Objective::OTHERS[0]; Objective::OTHERS.len() + games::NAMES.len()];
                let mut at = 0;
                while at < games::NAMES.len() {
                    all[1 + at] = Objective::Game(Game::at(at));
                    at += 1;
                }
                let mut other = 1;
                while other < Objective::OTHERS.len() {
                    all[games::NAMES.len() + other] = Objective::OTHERS[other];
                    other += 1;
                }
                all
            }

            /// The name in YAML, in the database and in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Objective::$objective { .. } => $name,)*
                    Objective::Formula(_) => "formula",
                    Objective::Game(game) => game.name(),
                }
            }

            /// What it is, in a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Objective::$objective { .. } => concat!($($about),+).trim_ascii(),)*
                    Objective::Formula(_) => "Formulas of the file's own.",
                    Objective::Game(game) => game.text().about,
                }
            }

            /// What a job of this objective has beside a generator.
            pub fn declares(self) -> &'static Declaration {
                match self {
                    $(Objective::$objective { .. } => &$declaration,)*
                    Objective::Formula(formulas) => formulas.declares(),
                    Objective::Game(game) => &game.text().declaration,
                }
            }

            /// The same with what `settings` say of its own settings; `None` where one of them is a mistake.
            pub(super) fn with(self, settings: &Settings) -> Option<Objective> {
                Some(match self {
                    $(Objective::$objective { .. } => Objective::$objective $({ $setting: setting(settings, $parameter)? })?,)*
                    Objective::Formula(_) | Objective::Game(_) => self,
                })
            }
        }
    };
}

objectives! {
    /// The GAN of Goodfellow et al. 2014.
    Gan {
        /// The generator minimises log(1 − D(G(z))) (saturating) instead of −log D(G(z)).
        saturating: bool = "saturating", false
    } = "gan", table::GAN;
    /// The unrolled GAN of Metz et al. 2017.
    Unrolled {
        /// How many moves of the discriminator the generator looks ahead.
        steps: u32 = "unroll_steps", 5
    } = "unrolled", table::UNROLLED;
    /// The mode regularised GAN of Che et al. 2017: an encoder beside the generator.
    RegGan = "reg_gan", table::REG_GAN;
    /// The manifold-diffusion GAN of Che et al. 2017: an encoder, and a discriminator for each of two moves.
    Mdgan = "mdgan", table::MDGAN;
    /// The GAN of Warde-Farley & Bengio 2017, with denoising feature matching.
    Dfm = "dfm", table::DFM;
    /// D2GAN with denoising feature matching, as its paper proposes.
    D2ganDfm = "d2gan_dfm", table::D2GAN_DFM;
    /// The GAN of Salimans et al. 2016, with minibatch discrimination.
    ImprovedGan {
        /// The generator matches the means of the discriminator's features instead.
        feature_matching: bool = "feature_matching", false
    } = "improved_gan", table::IMPROVED_GAN;
    /// The boundary equilibrium GAN of Berthelot et al. 2017, whose critic is an auto-encoder.
    Began = "began", table::BEGAN;
    /// The margin adapting GAN of Wang et al. 2017, whose critic is an auto-encoder.
    Magan {
        /// Steps from one look at the margin to the next.
        epoch: u32 = "margin_epoch", 1000
    } = "magan", table::MAGAN;
    /// Adversarially learned inference, Dumoulin et al. 2017: a discriminator of samples with their codes.
    Ali = "ali", table::ALI;
    /// The GAN of Srivastava et al. 2017 with a reconstructor of the noise, and a discriminator of samples with their noise.
    Veegan = "veegan", table::VEEGAN;
    /// The mixture of generators of Hoang et al. 2018, and a classifier that tells them apart.
    Mgan {
        /// How many generators.
        generators: u32 = "generators", 10
    } = "mgan", table::MGAN;
}

/// What `settings` say of the parameter with this name.
fn setting<T: Held>(settings: &Settings, name: &str) -> Option<T> {
    settings.parameter(name).map(|value| T::of(&value).unwrap_or_else(|| panic!("`{name}` is {value:?}")))
}

/// What a discriminator's output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critic {
    /// A logit of a sample.
    Logit,
    /// A logit of a sample with its code.
    Joint,
    /// A logit of a sample, then the logits of the generators that it may be from.
    Classes,
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

/// A key, and what holds for it in the jobs of one objective where the file says nothing.
pub(super) type Otherwise = (&'static Described, fn() -> Value);

/// One discriminator, and nothing else.
const PLAIN: Declaration = Declaration {
    parameters: &[],
    usual: &[],
    discriminators: 1,
    critic: Critic::Logit,
    encoder: None,
    denoiser: false,
    minibatch: false,
    state: &[],
};

/// What a job has beside a generator, and how its paper trains it.
#[derive(Debug)]
pub struct Declaration {
    /// Its parameters. Numbers may differ between the members of a cohort; the others change the program.
    pub parameters: &'static [Described],
    /// What holds in its jobs where the file says nothing, and not in those of others.
    pub(super) usual: &'static [Otherwise],
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

impl Declaration {
    /// Its parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&'static Described> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// What its paper has for `key`, where that is not what others have.
    pub(super) fn usual(&self, key: &Described) -> Option<Value> {
        self.usual.iter().find(|(of, _)| of.name == key.name).map(|(_, value)| value())
    }
}

impl Objective {
    /// Whether its discriminators give logits, which have slopes that a file's penalties look at.
    pub fn takes_penalties(self) -> bool {
        match self.declares().critic {
            Critic::Logit | Critic::Joint | Critic::Classes => true,
            Critic::Sample => false,
        }
    }

    /// How many moves of the discriminators a generator looks ahead in each of its own.
    pub fn ahead(self) -> u32 {
        if let Objective::Unrolled { steps } = self { steps } else { 0 }
    }

    /// How many generators play; each makes as large a part of a batch.
    pub fn generators(self) -> u32 {
        match self {
            Objective::Mgan { generators } => generators,
            Objective::Gan { .. }
            | Objective::Unrolled { .. }
            | Objective::RegGan
            | Objective::Mdgan
            | Objective::Dfm
            | Objective::D2ganDfm
            | Objective::ImprovedGan { .. }
            | Objective::Began
            | Objective::Magan { .. }
            | Objective::Ali
            | Objective::Veegan
            | Objective::Formula(_)
            | Objective::Game(_) => 1,
        }
    }
}
