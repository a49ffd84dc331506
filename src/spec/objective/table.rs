//! What each objective declares: its parameters with its paper's values, and what else its paper has otherwise than others.

use super::{Critic, Declaration, Encoder, PLAIN};
use crate::arch::Norm;
use crate::keys::model::{DISCRIMINATOR_NORM, GENERATOR_NORM};
use crate::keys::train::{FRESH_NOISE, MOVES};
use crate::keys::{Described, Kind, Range, Usual};
use crate::moves::Moves;
use crate::settings::Settings;
use crate::value::Value;

pub(super) const fn number(name: &'static str, range: Range, usual: Usual, help: &'static str) -> Described {
    Described::of_objective(name, help, Kind::Number(range), usual)
}

const fn whole(name: &'static str, (least, most): (u64, u64), usual: fn() -> Value, help: &'static str) -> Described {
    Described::of_objective(name, help, Kind::Whole(least, most), Usual::Always(usual))
}

const fn flag(name: &'static str, help: &'static str) -> Described {
    Described::of_objective(name, help, Kind::Flag, Usual::Always(|| Value::flag(false)))
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

pub(super) const fn gradient_penalty(usual: fn() -> Value) -> Described {
    let help = "The weight of the gradient penalty: λ of WGAN-GP and DRAGAN, k of WGAN-div.";
    number("gradient_penalty", WEIGHT, Usual::Always(usual), help)
}

/// The distance is a sum over pixels: with the papers' values, of 784 of them, it is all that the generator learns from.
fn reconstruction(settings: &Settings, of_points: f64) -> Option<Value> {
    Some(Value::number(if settings.images() { 0.01 } else { of_points }))
}

const RECONSTRUCTION: &str = "λ1 of Reg-GAN and MDGAN, the weight of the squared distance of a sample from what the generator makes of its code.";
const MODE_WEIGHT: &str = "λ2 of Reg-GAN, λ of MDGAN: the weight of the discriminator's opinion of what the generator makes of a sample's code.";

const fn denoising() -> Described {
    // Over as many features as there are: their distance is a sum.
    let usual = Usual::From("0.03 over the number of the denoised features", |settings| {
        Some(Value::number(0.03 / f64::from(settings.denoised().unwrap_or(1))))
    });
    number("denoising", WEIGHT, usual, "The weight of denoising feature matching.")
}

const REAL_LABEL: &str = "The label of real samples in the discriminator's loss: 0.9 is the one-sided label smoothing of Salimans et al. 2016.";
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
        || Value::count(5),
        "How many moves of the discriminator the generator looks ahead.",
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
        number("mode_weight", WEIGHT, Usual::Always(|| Value::number(0.4)), MODE_WEIGHT),
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
        number("mode_weight", WEIGHT, Usual::Always(|| Value::number(1.0)), MODE_WEIGHT),
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
            Usual::Always(|| Value::number(0.5)),
            "BEGAN's γ: which share of the real samples' loss the generated samples' should be.",
        ),
        number(
            "balance_rate",
            WEIGHT,
            Usual::Always(|| Value::number(1e-3)),
            "BEGAN's λ of k: how fast k follows the balance.",
        ),
    ],
    usual: &[
        (GENERATOR_NORM.described(), || Value::Norm(Norm::None)),
        (DISCRIMINATOR_NORM.described(), || Value::Norm(Norm::None)),
    ],
    critic: Critic::Sample,
    state: &[("k", 0.0)],
    ..PLAIN
};

pub(super) static MAGAN: Declaration = Declaration {
    parameters: &[whole(
        "margin_epoch",
        (1, u32::MAX as u64),
        || Value::count(1000),
        "Steps from one look at MAGAN's margin to the next.",
    )],
    critic: Critic::Sample,
    state: &[("margin", 0.0), ("real", 0.0), ("fake", 0.0), ("fake_before", f32::MAX as f64)],
    ..PLAIN
};

pub(super) static ALI: Declaration = Declaration {
    // With batch normalisation, convolutional discriminators of samples with codes teach nothing.
    usual: &[(DISCRIMINATOR_NORM.described(), || Value::Norm(Norm::None))],
    critic: Critic::Joint,
    encoder: Some(Encoder::Moments),
    ..PLAIN
};

pub(super) static VEEGAN: Declaration = Declaration {
    parameters: &[number(
        "noise_reconstruction",
        WEIGHT,
        Usual::Always(|| Value::number(1.0)),
        "VEEGAN's weight of the squared distance of noise from what its reconstructor makes of the sample that it became; 1 in the paper.",
    )],
    usual: &[
        // All gradients of a step are at the same weights, on the same samples.
        (MOVES.described(), || Value::Moves(Moves::Simultaneous)),
        (FRESH_NOISE.described(), || Value::flag(false)),
        // As with ALI.
        (DISCRIMINATOR_NORM.described(), || Value::Norm(Norm::None)),
    ],
    critic: Critic::Joint,
    encoder: Some(Encoder::Code),
    ..PLAIN
};

pub(super) static MGAN: Declaration = Declaration {
    parameters: &[
        whole("generators", (2, 1000), || Value::count(10), "How many generators MGAN has."),
        number(
            "diversity",
            WEIGHT,
            Usual::Always(|| Value::number(1.0)),
            "MGAN's β: how much its generators shall differ.",
        ),
    ],
    critic: Critic::Classes,
    ..PLAIN
};
