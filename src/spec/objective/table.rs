//! What each objective declares: its parameters with the paper's values, and other defaults from the paper.

use super::{Critic, Declaration, Encoder, PLAIN};
use crate::arch::Norm;
use crate::keys::model::{DISCRIMINATOR_NORM, GENERATOR_NORM};
use crate::keys::train::{FRESH_NOISE, MOVES};
use crate::keys::{Described, Kind, Range, Usual};
use crate::moves::Moves;
use crate::settings::Settings;
use crate::value::SettingValue;

pub(super) const fn number(name: &'static str, range: Range, usual: Usual, help: &'static str) -> Described {
    Described::of_objective(name, help, Kind::Number(range), usual)
}

const fn whole(
    name: &'static str,
    (least, most): (u64, u64),
    usual: fn() -> SettingValue,
    help: &'static str,
) -> Described {
    Described::of_objective(name, help, Kind::Whole(least, most), Usual::Always(usual))
}

const fn flag(name: &'static str, help: &'static str) -> Described {
    Described::of_objective(name, help, Kind::Flag, Usual::Always(|| SettingValue::flag(false)))
}

const UNIT: Range = Range::above(0.0).up_to(1.0);
const LABEL: Range = Range::from(0.0).up_to(1.0);
const WEIGHT: Range = Range::from(0.0);

pub(super) const fn alpha() -> Described {
    number(
        "alpha",
        Range::above(0.0),
        Usual::Said("0.2"),
        "D2GAN's α, the weight of log D1 on real samples: rewards coverage.",
    )
}

pub(super) const fn beta() -> Described {
    number(
        "beta",
        Range::above(0.0),
        Usual::Said("0.1"),
        "D2GAN's β, the weight of log D2 on generated samples: rewards sharpness.",
    )
}

pub(super) const fn gradient_penalty(usual: fn() -> SettingValue) -> Described {
    let help = "The weight of the gradient penalty: λ of WGAN-GP and DRAGAN, k of WGAN-div.";
    number("gradient_penalty", WEIGHT, Usual::Always(usual), help)
}

/// The distance is a sum over pixels. With the papers' values and 784 pixels, the generator would learn from nothing
/// else.
fn reconstruction(settings: &Settings, of_points: f64) -> Option<SettingValue> {
    Some(SettingValue::number(if settings.images() { 0.01 } else { of_points }))
}

const RECONSTRUCTION: &str = "λ1 of Reg-GAN and MDGAN, the weight of the squared distance between a sample and its \
    reconstruction by the generator from its code.";
const MODE_WEIGHT: &str =
    "λ2 of Reg-GAN, λ of MDGAN: the weight of the discriminator's judgement of a sample's reconstruction.";

const fn denoising() -> Described {
    // The distance is a sum over features, so divide by their number.
    let usual = Usual::From("0.03 divided by the number of denoised features", |settings| {
        Some(SettingValue::number(0.03 / f64::from(settings.denoised().unwrap_or(1))))
    });
    number("denoising", WEIGHT, usual, "The weight of denoising feature matching.")
}

const REAL_LABEL: &str = "The label of real samples in the discriminator's loss: 0.9 is the one-sided label smoothing \
    of Salimans et al. 2016.";
const FAKE_LABEL: &str = "The label of generated samples in the discriminator's loss.";

pub(super) static GAN: Declaration = Declaration {
    parameters: &[
        flag("saturating", "Whether the generator minimises log(1 − D(G(z))) instead of −log D(G(z))."),
        number("real_label", LABEL, Usual::Number(1.0), REAL_LABEL).since(1.0),
        number("fake_label", LABEL, Usual::Number(0.0), FAKE_LABEL).since(0.0),
    ],
    ..PLAIN
};

pub(super) static UNROLLED: Declaration = Declaration {
    parameters: &[whole(
        "unroll_steps",
        (0, 100),
        || SettingValue::count(5),
        "How many discriminator moves the generator looks ahead.",
    )],
    ..PLAIN
};

pub(super) static REG_GAN: Declaration = Declaration {
    parameters: &[
        number(
            "reconstruction",
            WEIGHT,
            Usual::From("0.2, or 0.01 for images", |settings| reconstruction(settings, 0.2)),
            RECONSTRUCTION,
        ),
        number("mode_weight", WEIGHT, Usual::Always(|| SettingValue::number(0.4)), MODE_WEIGHT),
    ],
    encoder: Some(Encoder::Code),
    ..PLAIN
};

pub(super) static MDGAN: Declaration = Declaration {
    parameters: &[
        number(
            "reconstruction",
            WEIGHT,
            Usual::From("1, or 0.01 for images", |settings| reconstruction(settings, 1.0)),
            RECONSTRUCTION,
        ),
        number("mode_weight", WEIGHT, Usual::Always(|| SettingValue::number(1.0)), MODE_WEIGHT),
    ],
    discriminators: 2,
    encoder: Some(Encoder::Code),
    ..PLAIN
};

pub(super) static DFM: Declaration = Declaration { parameters: &[denoising()], denoiser: true, ..PLAIN };

pub(super) static D2GAN_DFM: Declaration =
    Declaration { parameters: &[alpha(), beta(), denoising()], discriminators: 2, denoiser: true, ..PLAIN };

pub(super) static IMPROVED_GAN: Declaration = Declaration {
    parameters: &[flag(
        "feature_matching",
        "Whether the generator matches the means of the discriminator's features instead of fooling it.",
    )],
    minibatch: true,
    ..PLAIN
};

pub(super) static BEGAN: Declaration = Declaration {
    parameters: &[
        number(
            "diversity_ratio",
            UNIT,
            Usual::Always(|| SettingValue::number(0.5)),
            "BEGAN's γ: the target ratio of the generated samples' loss to the real samples' loss.",
        ),
        number(
            "balance_rate",
            WEIGHT,
            Usual::Always(|| SettingValue::number(1e-3)),
            "BEGAN's λ for k: how fast k adapts to the balance.",
        ),
    ],
    usual: &[
        (GENERATOR_NORM.described(), || SettingValue::Norm(Norm::None)),
        (DISCRIMINATOR_NORM.described(), || SettingValue::Norm(Norm::None)),
    ],
    critic: Critic::Sample,
    state: &[("k", 0.0)],
    ..PLAIN
};

pub(super) static MAGAN: Declaration = Declaration {
    parameters: &[whole(
        "margin_epoch",
        (1, u32::MAX as u64),
        || SettingValue::count(1000),
        "Steps between updates of MAGAN's margin.",
    )],
    critic: Critic::Sample,
    state: &[("margin", 0.0), ("real", 0.0), ("fake", 0.0), ("fake_before", f32::MAX as f64)],
    ..PLAIN
};

pub(super) static ALI: Declaration = Declaration {
    // With batch normalisation, convolutional discriminators of samples with codes give the generator nothing to learn
    // from.
    usual: &[(DISCRIMINATOR_NORM.described(), || SettingValue::Norm(Norm::None))],
    critic: Critic::Joint,
    encoder: Some(Encoder::Moments),
    ..PLAIN
};

pub(super) static VEEGAN: Declaration = Declaration {
    parameters: &[number(
        "noise_reconstruction",
        WEIGHT,
        Usual::Always(|| SettingValue::number(1.0)),
        "VEEGAN's weight of the squared distance between noise and its reconstruction from the generated sample; 1 in \
        the paper.",
    )],
    usual: &[
        // All gradients in a step are taken at the same weights and on the same samples.
        (MOVES.described(), || SettingValue::Moves(Moves::Simultaneous)),
        (FRESH_NOISE.described(), || SettingValue::flag(false)),
        // The same as for ALI.
        (DISCRIMINATOR_NORM.described(), || SettingValue::Norm(Norm::None)),
    ],
    critic: Critic::Joint,
    encoder: Some(Encoder::Code),
    ..PLAIN
};

pub(super) static MGAN: Declaration = Declaration {
    parameters: &[
        whole("generators", (2, 1000), || SettingValue::count(10), "The number of generators."),
        number(
            "diversity",
            WEIGHT,
            Usual::Always(|| SettingValue::number(1.0)),
            "MGAN's β: the weight of making the generators differ.",
        ),
    ],
    critic: Critic::Classes,
    ..PLAIN
};
