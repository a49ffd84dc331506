//! Objectives: the games that the players play.

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
use super::value::SettingValue;
pub use games::Game;
pub use placed::Written;
pub use rules::{Formulas, Rules};
pub use sweep_formula::ast::Function;

/// Defines the objectives: for each its description, its settings that change the program (with their parameters and
/// defaults), its name in YAML, and its declaration.
macro_rules! objectives {
    ($($(#[doc = $about:literal])+
        $objective:ident $({ $(#[$of:meta])+ $setting:ident: $type:ty = $parameter:literal, $usual:expr })?
            = $name:literal, $declaration:path;)*
    ) => {
        /// A GAN objective. To add one, add an entry here with its declaration in `table.rs`, and a file in
        /// `train/objectives/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Objective {
            $($(#[doc = $about])+ $objective $({ $(#[$of])+ $setting: $type })?,)*
            /// Formulas written in the file.
            Formula(Formulas),
            /// A built-in game that only needs logits.
            #[serde(untagged)]
            Game(Game),
        }

        impl Objective {
            /// One built-in objective of each kind, with default settings. Tests and registries iterate over it.
            pub const ALL: [Objective; Objective::OTHERS.len() + games::NAMES.len()] = Objective::all();

            const OTHERS: [Objective; [$($name),*].len()] = [$(Objective::$objective $({ $setting: $usual })?),*];

            /// The plain GAN, the other games on logits, then those that need more.
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

            /// Returns the name in YAML, in the database and in reports.
            pub fn name(self) -> &'static str {
                match self {
                    $(Objective::$objective { .. } => $name,)*
                    Objective::Formula(_) => "formula",
                    Objective::Game(game) => game.name(),
                }
            }

            /// Returns a description in a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Objective::$objective { .. } => concat!($($about),+).trim_ascii(),)*
                    Objective::Formula(_) => "Formulas written in the file.",
                    Objective::Game(game) => game.text().about,
                }
            }

            /// Returns the declaration: what a job with this objective has in addition to a generator.
            pub fn declares(self) -> &'static Declaration {
                match self {
                    $(Objective::$objective { .. } => &$declaration,)*
                    Objective::Formula(formulas) => formulas.declares(),
                    Objective::Game(game) => &game.text().declaration,
                }
            }

            /// Returns the objective with its settings taken from `settings`; `None` if one of them has a mistake.
            pub(super) fn with(self, settings: &Settings) -> Option<Objective> {
                Some(match self {
                    $(Objective::$objective { .. } =>
                        Objective::$objective $({ $setting: setting(settings, $parameter)? })?,)*
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
        /// The number of discriminator moves that the generator looks ahead.
        steps: u32 = "unroll_steps", 5
    } = "unrolled", table::UNROLLED;
    /// The mode regularised GAN of Che et al. 2017, with an encoder in addition to the generator.
    RegGan = "reg_gan", table::REG_GAN;
    /// The manifold-diffusion GAN of Che et al. 2017, with an encoder and two discriminators, one for each of its two
    /// steps.
    Mdgan = "mdgan", table::MDGAN;
    /// The GAN of Warde-Farley & Bengio 2017, with denoising feature matching.
    Dfm = "dfm", table::DFM;
    /// D2GAN with denoising feature matching, as its paper proposes.
    D2ganDfm = "d2gan_dfm", table::D2GAN_DFM;
    /// The GAN of Salimans et al. 2016, with minibatch discrimination.
    ImprovedGan {
        /// The generator matches the means of the discriminator's features instead of fooling it.
        feature_matching: bool = "feature_matching", false
    } = "improved_gan", table::IMPROVED_GAN;
    /// The boundary equilibrium GAN of Berthelot et al. 2017, whose critic is an auto-encoder.
    Began = "began", table::BEGAN;
    /// The margin adapting GAN of Wang et al. 2017, whose critic is an auto-encoder.
    Magan {
        /// Steps between updates of the margin.
        epoch: u32 = "margin_epoch", 1000
    } = "magan", table::MAGAN;
    /// Adversarially learned inference, by Dumoulin et al. 2017, with a discriminator of samples together with their
    /// codes.
    Ali = "ali", table::ALI;
    /// The GAN of Srivastava et al. 2017, with a reconstructor of the noise and a discriminator of samples together
    /// with their noise.
    Veegan = "veegan", table::VEEGAN;
    /// The mixture of generators of Hoang et al. 2018, with a classifier that tells them apart.
    Mgan {
        /// The number of generators.
        generators: u32 = "generators", 10
    } = "mgan", table::MGAN;
}

/// Returns the value of the parameter with this name.
fn setting<T: Held>(settings: &Settings, name: &str) -> Option<T> {
    settings.parameter(name).map(|value| T::of(&value).unwrap_or_else(|| panic!("`{name}` is {value:?}")))
}

/// What a discriminator outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Critic {
    /// A logit for a sample.
    Logit,
    /// A logit for a sample together with its code.
    Joint,
    /// A logit for a sample, followed by logits for which generator made it.
    Classes,
    /// A reconstruction of the sample, since it is an auto-encoder.
    Sample,
}

/// What an encoder outputs for a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// A code.
    Code,
    /// The means and the log variances of a code.
    Moments,
}

/// A key with its default in the jobs of one objective.
pub(super) type Otherwise = (&'static Described, fn() -> SettingValue);

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

/// What a job has in addition to a generator, and how the paper trains it.
#[derive(Debug)]
pub struct Declaration {
    /// Its parameters. Numbers may differ between members of a cohort; other parameters change the program.
    pub parameters: &'static [Described],
    /// Defaults of keys that differ from those of other objectives.
    pub(super) usual: &'static [Otherwise],
    /// The number of discriminators, each with its own weights.
    pub discriminators: usize,
    /// What a discriminator outputs.
    pub critic: Critic,
    /// What its encoder outputs, if it has one.
    pub encoder: Option<Encoder>,
    /// Whether it has a denoiser of the first discriminator's features.
    pub denoiser: bool,
    /// Whether its discriminator compares the samples of a batch.
    pub minibatch: bool,
    /// Numbers that a member keeps in addition to its networks, with their initial values.
    pub state: &'static [(&'static str, f64)],
}

impl Declaration {
    /// Returns its parameter with this name.
    pub fn parameter(&self, name: &str) -> Option<&'static Described> {
        self.parameters.iter().find(|parameter| parameter.name == name)
    }

    /// Returns the paper's value of `key` if it differs from the general default.
    pub(super) fn usual(&self, key: &Described) -> Option<SettingValue> {
        self.usual.iter().find(|(of, _)| of.name == key.name).map(|(_, value)| value())
    }
}

impl Objective {
    /// Returns whether its discriminators output logits, whose gradients a file can penalise.
    pub fn takes_penalties(self) -> bool {
        match self.declares().critic {
            Critic::Logit | Critic::Joint | Critic::Classes => true,
            Critic::Sample => false,
        }
    }

    /// Returns how many discriminator moves the generator looks ahead in each of its own moves.
    pub fn ahead(self) -> u32 {
        if let Objective::Unrolled { steps } = self { steps } else { 0 }
    }

    /// Returns the number of generators. Each makes an equal part of a batch.
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
