//! Knobs: the scalars that may differ between the members of a cohort.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// One scalar of a job that does not change the shape of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knob {
    /// D2GAN's α: the weight of log D1 on real samples, rewards coverage.
    Alpha,
    /// D2GAN's β: the weight of log D2 on generated samples, rewards sharpness.
    Beta,
    /// WGAN's c: after each of its steps, the critic's weights are cut to [−c, c].
    Clip,
    /// The weight of a gradient penalty: λ of WGAN-GP and DRAGAN, k of WGAN-div.
    GradientPenalty,
    /// WGAN-div's p: the power of the slopes in its penalty.
    PenaltyPower,
    /// λ1 of Reg-GAN and MDGAN: the weight of the squared distance of a sample from what the generator makes of its code.
    Reconstruction,
    /// λ2 of Reg-GAN, λ of MDGAN: the weight of the discriminator's opinion of what the generator makes of a sample's code.
    ModeWeight,
    /// The weight of denoising feature matching.
    Denoising,
    /// BEGAN's γ: which share of the real samples' loss the generated samples' should be.
    DiversityRatio,
    /// BEGAN's λ of k: how fast k follows the balance.
    BalanceRate,
    /// MGAN's β: how much its generators shall differ.
    Diversity,
    /// The generator's learning rate.
    LrGenerator,
    /// The learning rate of every discriminator.
    LrDiscriminator,
    /// Adam's β1, the decay of the mean of gradients.
    AdamBeta1,
    /// Adam's β2, the decay of the mean of squared gradients.
    AdamBeta2,
    /// RMSprop's α, the decay of the mean of squared gradients.
    RmspropDecay,
    /// SGD's momentum.
    Momentum,
}

impl Knob {
    /// Every knob, in the order in which tables show them.
    pub const ALL: [Knob; 17] = [
        Knob::Alpha,
        Knob::Beta,
        Knob::Clip,
        Knob::GradientPenalty,
        Knob::PenaltyPower,
        Knob::Reconstruction,
        Knob::ModeWeight,
        Knob::Denoising,
        Knob::DiversityRatio,
        Knob::BalanceRate,
        Knob::Diversity,
        Knob::LrGenerator,
        Knob::LrDiscriminator,
        Knob::AdamBeta1,
        Knob::AdamBeta2,
        Knob::RmspropDecay,
        Knob::Momentum,
    ];

    /// The name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Knob::Alpha => "alpha",
            Knob::Beta => "beta",
            Knob::Clip => "clip",
            Knob::GradientPenalty => "gradient_penalty",
            Knob::PenaltyPower => "penalty_power",
            Knob::Reconstruction => "reconstruction",
            Knob::ModeWeight => "mode_weight",
            Knob::Denoising => "denoising",
            Knob::DiversityRatio => "diversity_ratio",
            Knob::BalanceRate => "balance_rate",
            Knob::Diversity => "diversity",
            Knob::LrGenerator => "lr_generator",
            Knob::LrDiscriminator => "lr_discriminator",
            Knob::AdamBeta1 => "adam_beta1",
            Knob::AdamBeta2 => "adam_beta2",
            Knob::RmspropDecay => "rmsprop_decay",
            Knob::Momentum => "momentum",
        }
    }

    /// What values make sense; the error says what was expected.
    pub fn check(self, value: f64) -> Result<(), &'static str> {
        let (ok, expected) = match self {
            Knob::Alpha | Knob::Beta | Knob::DiversityRatio => (value > 0.0 && value <= 1.0, "a number in (0, 1]"),
            Knob::LrGenerator | Knob::LrDiscriminator | Knob::Clip => {
                (value > 0.0 && value.is_finite(), "a number above 0")
            }
            Knob::GradientPenalty
            | Knob::Reconstruction
            | Knob::ModeWeight
            | Knob::Denoising
            | Knob::BalanceRate
            | Knob::Diversity => (value >= 0.0 && value.is_finite(), "a number from 0 on"),
            Knob::PenaltyPower => ((2.0..=100.0).contains(&value), "a number in [2, 100]"),
            Knob::AdamBeta1 | Knob::AdamBeta2 | Knob::RmspropDecay | Knob::Momentum => {
                ((0.0..1.0).contains(&value), "a number in [0, 1)")
            }
        };
        if ok { Ok(()) } else { Err(expected) }
    }
}

/// The knobs of one job.
// An array: a sweep has a million of these, and a map each would be a million allocations.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Knobs([Option<f64>; Knob::ALL.len()]);

impl Knobs {
    /// Sets `knob`; −0 becomes 0, so that both have one canonical form.
    pub fn set(&mut self, knob: Knob, value: f64) {
        self.0[knob as usize] = Some(value + 0.0);
    }

    /// The value of `knob`, where this job has it.
    pub fn get(&self, knob: Knob) -> Option<f64> {
        self.0[knob as usize]
    }

    /// All knobs of this job with their values, in the order of [`Knob::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Knob, f64)> + '_ {
        Knob::ALL.into_iter().filter_map(|knob| Some((knob, self.get(knob)?)))
    }

    /// The knobs as a map that is sorted by name.
    pub(super) fn by_name(&self) -> ByName<'_> {
        ByName(self)
    }
}

impl FromIterator<(Knob, f64)> for Knobs {
    fn from_iter<I: IntoIterator<Item = (Knob, f64)>>(iter: I) -> Self {
        let mut knobs = Knobs::default();
        iter.into_iter().for_each(|(knob, value)| knobs.set(knob, value));
        knobs
    }
}

impl Serialize for Knobs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Knobs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Knob, f64>::deserialize(deserializer).map(Knobs::from_iter)
    }
}

/// Knobs, to be written in the order of their names.
pub(super) struct ByName<'a>(&'a Knobs);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut knobs = Knob::ALL;
        knobs.sort_unstable_by_key(|knob| knob.name());
        serializer.collect_map(knobs.into_iter().filter_map(|knob| Some((knob, self.0.get(knob)?))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knobs_have_their_places_and_names() {
        for (place, knob) in Knob::ALL.into_iter().enumerate() {
            assert_eq!(knob as usize, place);
            assert_eq!(serde_json::to_value(knob).unwrap(), knob.name());
        }
        let knobs: Knobs = [(Knob::Momentum, -0.0), (Knob::AdamBeta1, 0.5), (Knob::Alpha, 1.0)].into_iter().collect();
        let text = serde_json::to_string(&knobs).unwrap();
        assert_eq!(text, r#"{"alpha":1.0,"adam_beta1":0.5,"momentum":0.0}"#);
        assert_eq!(serde_json::from_str::<Knobs>(&text).unwrap(), knobs);
        let sorted = serde_json::to_string(&knobs.by_name()).unwrap();
        assert_eq!(sorted, r#"{"adam_beta1":0.5,"alpha":1.0,"momentum":0.0}"#);
    }
}
