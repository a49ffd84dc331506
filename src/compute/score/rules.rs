//! Which scores apply to which kinds of samples, and which flags apply to both.

use std::collections::BTreeSet;

use super::Args;
use sweep_cli::Failure;
use sweep_operations::score_settings::{changes_nothing, read_by, unread};
use sweep_spec::keys::score::REAL_SAMPLES;
use sweep_spec::metric::{Metric, Needs};
use sweep_spec::scoring::readers;

/// What is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Points of a data set.
    Points,
    /// Images of a data set.
    Images,
    /// Probabilities of classes, or their logits.
    Classes,
    /// Features of generated and of real samples.
    Features,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::Points, Kind::Images, Kind::Classes, Kind::Features];

    /// Whether a score may apply to such samples; it also depends on the data set and its scoring network.
    pub(super) fn has(self, metric: Metric) -> bool {
        match metric.needs() {
            Needs::Part | Needs::Features | Needs::Neighbours | Needs::Nearest => self != Kind::Classes,
            Needs::Training => self != Kind::Classes,
            Needs::Plane | Needs::Modes | Needs::Density => self == Kind::Points,
            Needs::Probabilities | Needs::Labels => matches!(self, Kind::Images | Kind::Classes),
            Needs::Hits | Needs::Shares => self != Kind::Features,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Kind::Points => "points",
            Kind::Images => "images",
            Kind::Classes => "class probabilities",
            Kind::Features => "features",
        }
    }
}

/// Whether a score needs the class frequencies that a user gives if there is no data set.
pub(super) fn is_of_labels(metric: &Metric) -> bool {
    matches!(metric.needs(), Needs::Labels | Needs::Shares)
}

/// Whether a score is computed by default. Scores against a whole training set may take many times as long as all
/// others.
pub(super) fn is_usual(metric: &Metric) -> bool {
    metric.needs() != Needs::Training
}

/// A flag, whether it is given, and who reads it.
struct Rule {
    flag: String,
    given: bool,
    kinds: Vec<Kind>,
    scores: Vec<Metric>,
}

/// `drawn`: transport uses a subset of the samples.
fn rules(args: &Args, drawn: bool) -> Vec<Rule> {
    use Kind::{Classes, Features, Images, Points};
    let rule = |flag: &str, given, kinds: &[Kind], reads: &dyn Fn(&Metric) -> bool| Rule {
        flag: flag.to_owned(),
        given,
        kinds: kinds.to_vec(),
        scores: Metric::ALL.into_iter().filter(reads).collect(),
    };
    let random = |metric: &Metric| metric.draws() || drawn && metric.needs() == Needs::Part;
    let mut rules = vec![
        rule("--range", args.range.is_some(), &[Images], &|_| true),
        rule("--device", args.device.is_some(), &[Images], &|_| true),
        rule("--labels", args.labels.is_some(), &[Classes], &is_of_labels),
        rule("--prior", args.prior.is_some(), &[Classes], &is_of_labels),
        rule("--seed", args.seed.is_some(), &[Points, Images, Features], &random),
    ];
    rules.extend(args.how.0.flags().map(|(key, flag, given)| {
        let scores = read_by(key);
        let kinds = match readers(key).is_empty() {
            false => {
                let has = |kind: &Kind| scores.iter().any(|&metric| kind.has(metric));
                // Features are all of the real ones.
                let all = |kind: &Kind| key.name == REAL_SAMPLES.name && *kind == Features;
                Kind::ALL.into_iter().filter(|kind| has(kind) && !all(kind)).collect()
            }
            // The scoring network reads images.
            true => vec![Images],
        };
        Rule { flag, given, kinds, scores }
    }));
    rules
}

/// Refuses a flag that has no effect on these `metrics` for this `kind` of samples. `drawn`: transport uses a subset of
/// the samples.
pub(super) fn check(args: &Args, kind: Kind, metrics: &BTreeSet<Metric>, drawn: bool) -> Result<(), Failure> {
    for Rule { flag, kinds, scores, .. } in rules(args, drawn).into_iter().filter(|rule| rule.given) {
        if !kinds.contains(&kind) {
            let kinds: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
            return Err(changes_nothing(&flag, format_args!("{}, but these are {}", kinds.join(", "), kind.name())));
        }
        if !scores.iter().any(|score| metrics.contains(score)) {
            return Err(unread(&flag, &scores));
        }
    }
    Ok(())
}

/// The scores that the user named, or all that apply.
pub(super) fn asked(
    args: &Args,
    applies: impl Fn(&Metric) -> bool,
    why: impl Fn(Metric) -> String,
) -> Result<BTreeSet<Metric>, Failure> {
    match &args.metrics {
        None => Ok(Metric::ALL.into_iter().filter(is_usual).filter(applies).collect()),
        Some(metrics) => match metrics.iter().find(|metric| !applies(metric)) {
            Some(&metric) => Err(Failure::usage(why(metric))),
            None => Ok(metrics.iter().copied().collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn checked(line: &str, kind: Kind, metrics: &[Metric]) -> Result<(), String> {
        let args = Line::parse_from(["score"].into_iter().chain(line.split(' '))).args;
        check(&args, kind, &metrics.iter().copied().collect(), line.contains("2048"))
            .map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn every_flag_applies_to_some_kinds_and_scores_but_not_to_all() {
        let lines = [
            "--range -1,1",
            "--device cpu",
            "--labels l.npy",
            "--prior 1,1",
            "--seed 3",
            "--classifier self",
            "--splits 3",
            "--k 3",
            "--bins 3",
            "--range-2d 3",
            "--wasserstein-samples 3",
            "--real-samples 3",
            "--projections 3",
            "--reg 3",
            "--at-least 3",
            "--mmd-bandwidth 3",
        ];
        let kinds = Kind::ALL;
        for line in lines {
            let text = format!("--probs p.npy {line}");
            let read = |kind| checked(&text, kind, &Metric::ALL).is_ok();
            assert!(kinds.into_iter().any(read) && !kinds.into_iter().all(read), "{line}");
            let flag = line.split(' ').next().unwrap();
            let refused = kinds.into_iter().find_map(|kind| checked(&text, kind, &[]).err()).unwrap();
            assert!(refused.contains(&format!("{flag} changes nothing: it belongs to ")), "{refused}");
        }
        assert_eq!(rules(&Line::parse_from(["score", "--probs", "p"]).args, false).len(), lines.len());
    }

    #[test]
    fn a_flag_is_read_by_its_own_scores() {
        assert_eq!(checked("x --dataset d --k 3", Kind::Points, &[Metric::Recall, Metric::ModeKl]), Ok(()));
        let unread = checked("x --dataset d --k 3", Kind::Points, &[Metric::ModeKl]).unwrap_err();
        assert!(unread.contains("it belongs to the scores precision, recall, density, coverage, and none"), "{unread}");
        assert!(checked("x --dataset d --seed 3", Kind::Points, &[Metric::Wasserstein]).is_err());
        let drawn = "x --dataset d --seed 3 --wasserstein-samples 2048";
        assert_eq!(checked(drawn, Kind::Points, &[Metric::Wasserstein]), Ok(()));
        let kind = checked("x --dataset d --range 0,1", Kind::Points, &[Metric::ModeKl]).unwrap_err();
        assert!(kind.contains("it belongs to images, but these are points"), "{kind}");
    }
}
