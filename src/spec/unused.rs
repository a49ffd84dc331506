//! Keys that a file sets although they change nothing. Files are often unfinished, so this is a warning and not an
//! error.

use super::error::Mistakes;
use super::keys::Key;
use super::settings::Place;

/// A key that the file or a variant sets or sweeps.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub key: Key,
    pub place: Place,
}

impl Said {
    /// Warns that the key changes nothing in any job of `whose`, which names a variant or the file.
    pub(super) fn warn(&self, whose: &str, warnings: &mut Mistakes) {
        let Said { key, place } = self;
        warnings.advise(
            &*place.path,
            &place.span,
            format!("`{}` changes nothing in any job of {whose}", key.name()),
            match key.owner() {
                Some(owner) => format!("it belongs to {owner}: remove it, or set that"),
                None => "remove it".to_owned(),
            },
        );
    }
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
                "f:5:7: clip: `clip` changes nothing in any job of `gan` (it belongs to `objective: wgan`; for \
                formulas, set it inside `objective: {…}`: remove it, or set that)",
                "f:6:16: model.width: `width` changes nothing in any job of `gan` (it belongs to `arch: dcgan`, `metz` \
                or `resnet`: remove it, or set that)",
                "f:7:17: score.splits: `splits` changes nothing in any job of `gan` (it belongs to the score \
                `inception_score`: remove it, or set that)",
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
            // Every job has a learning rate, even if the swept one changes nothing here.
            "objective: gan\nvariants: [{name: a, train: {lr: 1}, grid: {lr_generator: [0.1]}}]",
        ] {
            assert_eq!(warnings(fine), [""; 0], "{fine}");
        }
    }

    #[test]
    fn a_variant_has_its_own_keys() {
        let text = "grid: {penalty_power: [2, 3]}\nvariants: [{objective: gan, alpha: 0.1}, \
            {objective: d2gan, alpha: 0.1, beta: 1}]";
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
        assert!(found[0].starts_with("f:7:38: model.discriminator[1]: losses expect logits"), "{found:?}");
    }
}
