//! Built-in games that only need logits: their papers, their losses as a sweep file would write them, and how they are
//! trained. To add one, add an entry here.
//!
//! All losses are minimised. Discriminators output logits d; D(x) = σ(d(x)) where a paper has probabilities.

use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sweep_formula::parse::Names;

use super::rules::{Loss, Rules};
use super::table::{alpha, beta, gradient_penalty, number};
use super::{Declaration, Objective, PLAIN};
use crate::amount::Amount;
use crate::arch::Norm;
use crate::blueprint::Optimizer;
use crate::keys::model::DISCRIMINATOR_NORM;
use crate::keys::train::{
    ADAM_BETA1, ADAM_BETA2, D_STEPS, LR_DISCRIMINATOR, LR_GENERATOR, OPTIMIZER_DISCRIMINATOR, OPTIMIZER_GENERATOR,
};
use crate::keys::{Described, Range, Usual};
use crate::penalty::{At, Form, Penalty};
use crate::value::SettingValue;

/// A built-in game that only needs logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Game(usize);

/// A game as written in the table below.
pub(super) struct Text {
    /// What it is, in a sentence.
    pub about: &'static str,
    /// The paper, and where in it the losses are.
    source: &'static str,
    discriminator: &'static str,
    generator: &'static str,
    penalties: fn() -> Vec<Penalty>,
    clip: Option<&'static str>,
    pub declaration: Declaration,
}

/// The losses of a game, with their source.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// The paper, and where in it the losses are.
    pub source: &'static str,
    /// What the discriminators minimise.
    pub discriminator: &'static str,
    /// What the generator minimises.
    pub generator: &'static str,
}

const GAN_D: &str = "mean(softplus(-real)) + mean(softplus(fake))";
const GAN_G: &str = "mean(softplus(-fake))";
const WASSERSTEIN_D: &str = "mean(fake) - mean(real)";
const WASSERSTEIN_G: &str = "-mean(fake)";

const GAN: Text = Text {
    about: "",
    source: "Goodfellow et al. 2014, section 3",
    discriminator: GAN_D,
    generator: GAN_G,
    penalties: Vec::new,
    clip: None,
    declaration: PLAIN,
};

/// With labels other than 0 and 1: each is a sum of cross entropies, which then has one more term.
const LABELLED: Text = Text {
    discriminator: "real_label * mean(softplus(-real)) + (1 - real_label) * mean(softplus(real)) \
                    + (1 - fake_label) * mean(softplus(fake)) + fake_label * mean(softplus(-fake))",
    ..GAN
};

static PLAIN_GAN: Text = GAN;
static LABELLED_GAN: Text = LABELLED;
/// Equation (1) itself: the generator minimises E log(1 − D(G(z))).
static SATURATING: Text =
    Text { source: "Goodfellow et al. 2014, equation 1", generator: "-mean(softplus(fake))", ..LABELLED };

fn amount(name: &str) -> Amount {
    Amount::Parameter(name.into())
}

/// Returns the penalty λ E (‖∇d‖ − 1)².
fn to_one(at: At) -> Vec<Penalty> {
    let form = Form::Distance { distance: amount("gradient_penalty"), target: Amount::Number(1.0) };
    vec![Penalty { at, form, every: 1 }]
}

const fn target(name: &'static str, usual: f64, help: &'static str) -> Described {
    number(name, Range::any(), Usual::Number(usual), help).since(usual)
}

macro_rules! games {
    ($($(#[doc = $about:literal])+ $game:ident = $name:literal: $text:expr;)*) => {
        #[allow(clippy::upper_case_acronyms, non_camel_case_types, reason = "names of constants")]
        enum Place { $($game),* }

        impl Objective {
            $($(#[doc = $about])+ pub const $game: Objective = Objective::Game(Game(Place::$game as usize));)*
        }

        /// The names in YAML, in the database and in reports.
        pub(super) const NAMES: [&str; [$($name),*].len()] = [$($name),*];

        static TEXTS: [Text; NAMES.len()] = [$(Text { about: concat!($($about),+).trim_ascii(), ..$text }),*];
    };
}

games! {
    /// The dual discriminator GAN of Nguyen et al. 2017.
    D2GAN = "d2gan": Text {
        // D1, D2 = softplus(d). α and β only multiply the logarithms.
        source: "Nguyen et al. 2017, equation 1",
        discriminator: "-(alpha * mean(log_softplus(real1)) - mean(softplus(fake1))) \
                        - (beta * mean(log_softplus(fake2)) - mean(softplus(real2)))",
        generator: "beta * mean(log_softplus(fake2)) - mean(softplus(fake1))",
        declaration: Declaration { parameters: &[alpha(), beta()], discriminators: 2, ..PLAIN },
        ..GAN
    };
    /// The least squares GAN of Mao et al. 2017.
    LSGAN = "lsgan": Text {
        source: "Mao et al. 2017, equations 2 and 9",
        discriminator: "0.5 * mean((real - real_target)^2) + 0.5 * mean((fake - fake_target)^2)",
        generator: "0.5 * mean((fake - generator_target)^2)",
        declaration: Declaration {
            parameters: &[
                target("real_target", 1.0, "LSGAN's b: the discriminator's target output for real samples."),
                target("fake_target", 0.0, "LSGAN's a: the discriminator's target output for generated samples."),
                target("generator_target", 1.0, "LSGAN's c: the generator's target for the discriminator's output."),
            ],
            ..PLAIN
        },
        ..GAN
    };
    /// The Wasserstein GAN of Arjovsky et al. 2017, with clipped critic weights.
    WGAN = "wgan": Text {
        source: "Arjovsky et al. 2017, algorithm 1",
        discriminator: WASSERSTEIN_D,
        generator: WASSERSTEIN_G,
        clip: Some("clip"),
        declaration: Declaration {
            parameters: &[number(
                "clip",
                Range::above(0.0),
                Usual::Always(|| SettingValue::number(0.01)),
                "WGAN's c: the critic's weights are clipped to [−c, c] after each of its steps.",
            )],
            usual: &[
                (OPTIMIZER_GENERATOR.described(), || SettingValue::Optimizer(Optimizer::Rmsprop)),
                (OPTIMIZER_DISCRIMINATOR.described(), || SettingValue::Optimizer(Optimizer::Rmsprop)),
                (LR_GENERATOR.described(), || SettingValue::number(5e-5)),
                (LR_DISCRIMINATOR.described(), || SettingValue::number(5e-5)),
                (D_STEPS.described(), || SettingValue::count(5)),
            ],
            ..PLAIN
        },
        ..GAN
    };
    /// WGAN with a gradient penalty, by Gulrajani et al. 2017.
    WGAN_GP = "wgan_gp": Text {
        source: "Gulrajani et al. 2017, equation 3 and algorithm 1",
        discriminator: WASSERSTEIN_D,
        generator: WASSERSTEIN_G,
        penalties: || to_one(At::Between),
        declaration: Declaration {
            parameters: &[gradient_penalty(|| SettingValue::number(10.0))],
            usual: &[
                (ADAM_BETA1.described(), || SettingValue::number(0.0)),
                (ADAM_BETA2.described(), || SettingValue::number(0.9)),
                (LR_GENERATOR.described(), || SettingValue::number(1e-4)),
                (LR_DISCRIMINATOR.described(), || SettingValue::number(1e-4)),
                (D_STEPS.described(), || SettingValue::count(5)),
                (DISCRIMINATOR_NORM.described(), || SettingValue::Norm(Norm::None)),
            ],
            ..PLAIN
        },
        ..GAN
    };
    /// The Wasserstein divergence for GANs, by Wu et al. 2018.
    WGAN_DIV = "wgan_div": Text {
        // The paper has the opposite signs. k/2 · (E ‖∇d(x)‖ᵖ + E ‖∇d(G(z))‖ᵖ) is k times the mean over both.
        source: "Wu et al. 2018, algorithm 1",
        discriminator: WASSERSTEIN_D,
        generator: WASSERSTEIN_G,
        penalties: || {
            let form = Form::Power { power: amount("gradient_penalty"), exponent: amount("penalty_power") };
            vec![Penalty { at: At::Both, form, every: 1 }]
        },
        declaration: Declaration {
            parameters: &[
                gradient_penalty(|| SettingValue::number(2.0)),
                number(
                    "penalty_power",
                    Range::from(2.0).up_to(100.0),
                    Usual::Always(|| SettingValue::number(6.0)),
                    "WGAN-div's p, the power of the gradient norm in its penalty.",
                ),
            ],
            usual: &[
                (D_STEPS.described(), || SettingValue::count(5)),
                (DISCRIMINATOR_NORM.described(), || SettingValue::Norm(Norm::None)),
            ],
            ..PLAIN
        },
        ..GAN
    };
    /// The GAN with a gradient penalty around the real samples, by Kodali et al. 2017.
    DRAGAN = "dragan": Text {
        // The paper's equation (1) has δ ~ N(0, cI). Here the noise is that of the authors' code, which scales with the
        // data: δ = ½ std u, u ~ U[0, 1) per number, with std over the whole batch. (Their code also scales δ by
        // another number from U[0, 1) per sample.)
        source: "Kodali et al. 2017, section 2.3",
        penalties: || to_one(At::Around),
        declaration: Declaration {
            parameters: &[gradient_penalty(|| SettingValue::number(10.0))],
            usual: &[(DISCRIMINATOR_NORM.described(), || SettingValue::Norm(Norm::None))],
            ..PLAIN
        },
        ..GAN
    };
    /// The boundary-seeking GAN of Hjelm et al. 2018, for continuous data.
    BGAN = "bgan": Text {
        // ½ E (log D(G(z)) − log(1 − D(G(z))))²: the generator seeks the boundary, where D = ½.
        source: "Hjelm et al. 2018, equation 11",
        generator: "0.5 * mean(fake^2)",
        ..GAN
    };
    /// The GAN with hinge losses of Lim & Ye 2017.
    HINGE = "hinge": Text {
        source: "Lim & Ye 2017, \"Geometric GAN\", equations 15 and 16",
        discriminator: "mean(relu(margin - real)) + mean(relu(margin + fake))",
        generator: WASSERSTEIN_G,
        declaration: Declaration {
            parameters: &[number(
                "margin",
                Range::above(0.0),
                Usual::Always(|| SettingValue::number(1.0)),
                "The margin of the hinge: the target distance of the discriminator's output from 0.",
            )],
            ..PLAIN
        },
        ..GAN
    };
    /// The relativistic pairing GAN of Jolicoeur-Martineau 2019, which compares each generated sample with a real one.
    RPGAN = "rpgan": Text {
        source: "Jolicoeur-Martineau 2019, \"The relativistic discriminator\", equations 7 and 8 with f = softplus",
        discriminator: "mean(softplus(fake - real))",
        generator: "mean(softplus(real - fake))",
        ..GAN
    };
    /// The relativistic average GAN of Jolicoeur-Martineau 2019, which compares each sample with the mean of the
    /// others.
    RAGAN = "ragan": Text {
        source: "Jolicoeur-Martineau 2019, \"The relativistic discriminator\", equations 9 to 12; halved, as in the \
            author's code",
        discriminator: "(mean(softplus(-(real - mean(fake)))) + mean(softplus(fake - mean(real)))) / 2",
        generator: "(mean(softplus(-(fake - mean(real)))) + mean(softplus(real - mean(fake)))) / 2",
        ..GAN
    };
}

impl Game {
    /// Returns the game at this place in the table.
    pub(super) const fn at(at: usize) -> Game {
        assert!(at < NAMES.len());
        Game(at)
    }

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        NAMES[self.0]
    }

    pub(super) fn text(self) -> &'static Text {
        &TEXTS[self.0]
    }
}

impl Serialize for Game {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Game {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let at = NAMES.iter().position(|known| **known == name);
        at.map(Game).ok_or_else(|| serde::de::Error::custom(format!("`{name}` is not an objective")))
    }
}

impl Objective {
    /// Returns the table entry; `None` if the objective needs more than logits, or is the file's own.
    fn text(self) -> Option<&'static Text> {
        match self {
            Objective::Gan { saturating: false } => Some(&LABELLED_GAN),
            Objective::Gan { saturating: true } => Some(&SATURATING),
            Objective::Game(game) => Some(game.text()),
            Objective::Formula(_)
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
            | Objective::Mgan { .. } => None,
        }
    }

    /// Returns the losses as a file would write them; `None` if the objective needs more than logits, or is the file's
    /// own.
    pub fn losses(self) -> Option<Losses> {
        let Text { source, discriminator, generator, .. } = self.text()?;
        Some(Losses { source, discriminator, generator })
    }

    /// Returns the game as formulas; `None` if the objective needs more than logits.
    pub fn rules(self) -> Option<&'static Rules> {
        static GANS: LazyLock<[Rules; 2]> = LazyLock::new(|| [made(&LABELLED_GAN, 1), made(&SATURATING, 1)]);
        static GAMES: LazyLock<Vec<Rules>> =
            LazyLock::new(|| TEXTS.iter().map(|text| made(text, text.declaration.discriminators)).collect());
        match self {
            Objective::Formula(formulas) => Some(formulas.rules()),
            Objective::Gan { saturating } => Some(&GANS[usize::from(saturating)]),
            Objective::Game(game) => Some(&GAMES[game.0]),
            Objective::Unrolled { .. }
            | Objective::RegGan
            | Objective::Mdgan
            | Objective::Dfm
            | Objective::D2ganDfm
            | Objective::ImprovedGan { .. }
            | Objective::Began
            | Objective::Magan { .. }
            | Objective::Ali
            | Objective::Veegan
            | Objective::Mgan { .. } => None,
        }
    }
}

/// Returns the game of Goodfellow et al. 2014 without settings, which other objectives build on.
pub fn plain_gan() -> &'static Rules {
    static MADE: LazyLock<Rules> = LazyLock::new(|| made(&PLAIN_GAN, 1));
    &MADE
}

fn made(text: &Text, discriminators: usize) -> Rules {
    let names = Names::new(discriminators, None);
    let loss = |formula: &str| {
        let made = names.parse(formula).and_then(|written| Loss::new(&written));
        made.unwrap_or_else(|mistake| panic!("`{formula}`: {}", mistake.message))
    };
    Rules {
        discriminators,
        discriminator: loss(text.discriminator),
        generator: loss(text.generator),
        penalties: (text.penalties)(),
        clip: text.clip.map(amount),
    }
}
