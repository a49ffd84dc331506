//! Keys that a file sets and that change nothing: no mistake, since a file may be on its way, but worth a word.

use super::error::Mistakes;
use super::keys::Key;
use super::metric::Metric;
use super::objective::Objective;
use super::scoring::readers;
use super::settings::Place;

/// A key that the file, or a variant, sets or sweeps.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub key: Key,
    pub place: Place,
}

impl Said {
    /// Says that it changes nothing in any job of `whose`: a variant, or the file.
    pub(super) fn warn(&self, whose: &str, warnings: &mut Mistakes) {
        let Said { key, place } = self;
        warnings.advise(
            &*place.path,
            &place.span,
            format!("`{}` changes nothing in any job of {whose}", key.name()),
            match owner(*key) {
                Some(owner) => format!("it belongs to {owner}: leave it out, or set that"),
                None => "leave it out".to_owned(),
            },
        );
    }
}

/// What has this key; none if every job has it.
fn owner(key: Key) -> Option<String> {
    Some(match key {
        Key::Alpha
        | Key::Beta
        | Key::Clip
        | Key::GradientPenalty
        | Key::PenaltyPower
        | Key::Reconstruction
        | Key::ModeWeight
        | Key::Denoising
        | Key::DiversityRatio
        | Key::BalanceRate
        | Key::Diversity => objectives(|o| o.declares().knobs.iter().any(|&knob| key.knob() == Some(knob))),
        Key::FeatureMatching | Key::MinibatchKernels | Key::MinibatchDims => objectives(|o| o.declares().minibatch),
        Key::MarginEpoch => "`objective: magan`".to_owned(),
        Key::Generators => "`objective: mgan`".to_owned(),
        Key::Encoder => format!("{} with `arch: mlp`", objectives(|objective| objective.declares().encoder.is_some())),
        Key::Denoiser => objectives(|o| o.declares().denoiser),
        Key::UnrollSteps => "`objective: unrolled`".to_owned(),
        Key::Saturating => "`objective: gan`".to_owned(),
        Key::AdamBetas | Key::AdamBeta1 | Key::AdamBeta2 => "`optimizer: adam`".to_owned(),
        Key::RmspropDecay => "`optimizer: rmsprop`".to_owned(),
        Key::Momentum => "`optimizer: sgd`".to_owned(),
        Key::Splits
        | Key::Bins
        | Key::Range
        | Key::WassersteinSamples
        | Key::RealSamples
        | Key::Projections
        | Key::SinkhornReg
        | Key::Neighbours => scores(readers(key)?),
        Key::Classifier => "a data set of images, with scores".to_owned(),
        Key::Generator | Key::Discriminator => "`arch: mlp`".to_owned(),
        Key::Width | Key::DiscriminatorWidth => "`arch: dcgan` or `metz`".to_owned(),
        Key::Kernel => "`arch: dcgan`".to_owned(),
        Key::GeneratorNorm | Key::GeneratorActivation => {
            "hidden layers that `generator` gives by their sizes".to_owned()
        }
        Key::DiscriminatorNorm | Key::DiscriminatorActivation => {
            "hidden layers that `discriminator` gives by their sizes".to_owned()
        }
        Key::Dropout => "`arch: mlp` with hidden layers that `discriminator` gives by their sizes".to_owned(),
        Key::Output => "a generator that is not written out".to_owned(),
        Key::Dataset
        | Key::Objective
        | Key::Arch
        | Key::Pack
        | Key::Noise
        | Key::NoiseDistribution
        | Key::Init
        | Key::Steps
        | Key::Batch
        | Key::DSteps
        | Key::Lr
        | Key::LrGenerator
        | Key::LrDiscriminator
        | Key::Optimizer
        | Key::OptimizerGenerator
        | Key::OptimizerDiscriminator
        | Key::Precision
        | Key::Every
        | Key::Samples
        | Key::Metrics => return None,
    })
}

/// The objectives for which `has` holds.
fn scores(readers: Vec<Metric>) -> String {
    let names: Vec<&str> = readers.into_iter().map(Metric::name).collect();
    format!("the score `{}`", names.join("` or `"))
}

fn objectives(has: impl Fn(Objective) -> bool) -> String {
    let names: Vec<&str> =
        Objective::ALL.into_iter().filter(|&objective| has(objective)).map(Objective::name).collect();
    format!("`objective: {}`", names.join("` or `"))
}

#[cfg(test)]
mod tests {
    use crate::sweep::Sweep;

    fn warnings(rest: &str) -> Vec<String> {
        let text = format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 10}}\n{rest}\n");
        let expansion = Sweep::parse("f", &text).and_then(|sweep| sweep.expand());
        expansion.unwrap_or_else(|errors| panic!("{errors}")).warnings
    }

    #[test]
    fn what_no_job_uses_is_named_with_its_place_and_its_owner() {
        assert_eq!(
            warnings("objective: gan\nclip: 0.1\nmodel: {width: 64, dropout: 0.5, noise: 3}\nscore: {splits: 4}"),
            [
                "f:5:7: clip: `clip` changes nothing in any job of `gan` (it belongs to `objective: wgan`: leave it out, or set that)",
                "f:6:16: model.width: `width` changes nothing in any job of `gan` (it belongs to `arch: dcgan` or `metz`: leave it out, or set that)",
                "f:7:17: score.splits: `splits` changes nothing in any job of `gan` (it belongs to the score `inception_score`: leave it out, or set that)",
            ]
        );
        let written =
            warnings("objective: gan\nmodel: {generator: [{linear: 2}], output: tanh, generator_norm: batch}");
        assert!(
            written.len() == 2 && written[0].contains("model.output") && written[1].contains("model.generator_norm")
        );
    }

    #[test]
    fn what_one_job_uses_is_fine() {
        for fine in [
            "clip: 0.1\nvariants: [{objective: gan}, {objective: wgan}]",
            "objective: gan\nmodel: {dropout: 0.5}\ngrid: {discriminator: [[], [8]]}",
            "objective: gan\nvariants: [{name: a, train: {momentum: 0.5}, grid: {optimizer: [adam, sgd]}}]",
            "objective: gan\nvariants: [{name: a, train: {adam_betas: [0.5, 0.9], optimizer_generator: sgd}}]",
            "grid: {clip: [0.1, 0.2]}\nvariants: [{objective: gan}, {objective: wgan}]",
            // Every job has a learning rate, if not this one.
            "objective: gan\nvariants: [{name: a, train: {lr: 1}, grid: {lr_generator: [0.1]}}]",
        ] {
            assert_eq!(warnings(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_variant_has_its_own_keys() {
        let text = "grid: {penalty_power: [2, 3]}\nvariants: [{objective: gan, alpha: 0.1}, {objective: d2gan, alpha: 0.1, beta: 1}]";
        let found = warnings(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].starts_with("f:4:8: grid.penalty_power: `penalty_power` changes nothing in any job of this file")
        );
        assert!(found[1].starts_with("f:5:36: variants[0].alpha: `alpha` changes nothing in any job of `gan`"));
    }

    #[test]
    fn logits_that_are_squashed_are_doubted() {
        let found = warnings("objective: d2gan\nalpha: 1\nbeta: 1\nmodel: {discriminator: [{linear: 1}, softplus]}");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("f:7:38: model.discriminator[1]: losses are of logits"), "{found:?}");
    }
}
