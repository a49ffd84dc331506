//! Settings of scores that are given without a sweep file. They are checked in the same way as in a sweep file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::rc::Rc;

use serde_json::{Map, Value as Json, json};

use crate::Failure;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::error::{Mistake, SpecErrors};
use sweep_spec::keys::score::{METRICS, SAMPLES};
use sweep_spec::keys::{Described, Held, Typed, fixed};
use sweep_spec::metric::Metric;
use sweep_spec::own_data::Source;
use sweep_spec::point::json;
use sweep_spec::scoring::readers;
use sweep_spec::sweep::Sweep;
use sweep_spec::value::SettingValue;

/// Given settings of scores, by the names of their keys.
#[derive(Clone, Debug, Default)]
pub struct ScoreSettings(BTreeMap<&'static str, SettingValue>);

/// Returns the keys that have a flag, with the flag and the placeholder of its value.
pub fn flagged() -> impl Iterator<Item = (&'static Described, &'static str, &'static str)> {
    fixed().filter_map(|key| key.flag.map(|(flag, value)| (key, flag, value)))
}

/// The contents of the `score` section of a sweep file.
pub type Keys = Map<String, Json>;

impl ScoreSettings {
    /// Makes settings from given ones, by the names of their keys.
    pub fn new(given: impl IntoIterator<Item = (&'static str, SettingValue)>) -> Self {
        ScoreSettings(given.into_iter().collect())
    }

    /// Returns what is given for `key`, if anything.
    pub fn get<T: Held>(&self, key: &'static Typed<T>) -> Option<T> {
        self.0.get(key.name).and_then(T::of)
    }

    /// Returns each key that has a flag, the flag, and whether it is given.
    pub fn flags(&self) -> impl Iterator<Item = (&'static Described, String, bool)> {
        flagged().map(|(key, flag, _)| (key, format!("--{flag}"), self.0.contains_key(key.name)))
    }

    /// Puts the given settings into `keys`.
    pub fn set(&self, keys: &mut Keys) {
        keys.extend(self.0.iter().map(|(name, value)| ((*name).to_owned(), json(&value.to_string()))));
    }
}

/// Returns the scores that use `key`; all scores if it is about the samples that they are made from.
pub fn read_by(key: &Described) -> Vec<Metric> {
    match readers(key) {
        none if none.is_empty() => Metric::ALL.to_vec(),
        some => some,
    }
}

/// Describes a flag that is used only by these scores when none of them is computed.
pub fn unread(flag: &str, scores: &[Metric]) -> Failure {
    let scores = scores.iter().map(|score| score.name()).collect::<Vec<_>>().join(", ");
    changes_nothing(flag, format_args!("the scores {scores}, and none of these is computed here"))
}

/// Describes a flag that belongs to something else.
pub fn changes_nothing(flag: &str, belongs: impl Display) -> Failure {
    Failure::usage(format!("{flag} changes nothing: it belongs to {belongs}; leave it out"))
}

/// Writes mistakes of a sweep file that was made from flags, one a line, in terms of the flags. `samples` is the flag
/// for the number of samples.
pub fn by_flag(errors: &SpecErrors, samples: &str) -> String {
    let place = |path: &str| match flagged().find(|(key, ..)| key.path() == path) {
        _ if path == SAMPLES.path() => samples.to_owned(),
        _ if path == METRICS.path() => "--metrics".to_owned(),
        Some((_, flag, _)) => format!("--{flag}"),
        None => format!("--{path}").replacen('.', ": ", 1),
    };
    let line = |mistake: &Mistake| {
        let help = mistake.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}: {}{help}", place(&mistake.path), mistake.message)
    };
    errors.mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Returns the keys of `metrics` of this many generated samples.
pub fn keys(samples: usize, metrics: &BTreeSet<Metric>) -> Keys {
    let metrics: Vec<&str> = metrics.iter().map(|metric| metric.name()).collect();
    Map::from_iter([("samples".to_owned(), json!(samples)), ("metrics".to_owned(), json!(metrics))])
}

/// Writes a sweep file with one job that scores samples of `dataset`, in a sweep file's words, with these `keys`.
pub fn sweep_file(dataset: &str, keys: Keys) -> String {
    let score = Json::Object(keys);
    format!("sweep: score\ndataset: {dataset}\nobjective: gan\ntrain: {{steps: 1}}\nscore: {score}\n")
}

/// Returns how to score jobs of `dataset` if `args`, `samples` and `metrics` change `score`. Defaults that depend on
/// changed settings follow the new ones. Messages say `whose` the settings are.
///
/// # Errors
///
/// Settings contradict each other. The error names the flags.
pub(crate) fn changed(
    whose: &str,
    (dataset, score): (&Dataset, &Score),
    args: &ScoreSettings,
    samples: Option<u32>,
    metrics: Option<&BTreeSet<Metric>>,
) -> Result<Score, Failure> {
    let mut keys = keys(samples.unwrap_or(score.samples) as usize, metrics.unwrap_or(&score.metrics));
    let usual = checked(whose, dataset, self::keys(score.samples as usize, &BTreeSet::new()))?;
    let mut own = |key: &str, is_usual: bool, value: Json| {
        if !is_usual {
            keys.insert(key.to_owned(), value);
        }
    };
    own("splits", score.splits == usual.splits, json!(score.splits));
    own("bins", score.bins == usual.bins, json!(score.bins));
    own("range", score.range == usual.range, json!(score.range));
    let points = score.wasserstein_samples;
    own("wasserstein_samples", points == usual.wasserstein_samples, json!(points));
    own("real_samples", score.real_samples.is_none(), json!(score.real()));
    own("projections", score.projections == usual.projections, json!(score.projections));
    own("sinkhorn_reg", score.sinkhorn_reg == usual.sinkhorn_reg, json!(score.sinkhorn_reg));
    own("k", score.neighbours == usual.neighbours, json!(score.neighbours));
    own("at_least", score.at_least.is_none(), json!(score.at_least));
    own("mmd_bandwidth", score.mmd_bandwidth.is_none(), json!(score.mmd_bandwidth));
    own("classifier", score.network.is_none(), json!(score.network.map(|network| network.name())));
    args.set(&mut keys);
    // The job determines the kind of weights, which this check knows nothing about.
    Ok(Score { weights: score.weights, ..checked(whose, dataset, keys)? })
}

/// Returns the scores of a sweep file with these keys.
fn checked(whose: &str, dataset: &Dataset, keys: Keys) -> Result<Score, Failure> {
    let (words, own) = match dataset {
        Dataset::Own(own) => {
            let source = Source { kind: own.kind, path: "its samples".to_owned(), size: None, range: None };
            (source.to_string(), Some(*own))
        }
        Dataset::Gaussians(_) | Dataset::Toy(_) => (SettingValue::Dataset(*dataset).to_string(), None),
        named => (named.name().to_owned(), None),
    };
    let text = sweep_file(&words, keys);
    let sweep = match own {
        Some(own) => Sweep::parse_looking(whose, &text, Rc::new(move |_: &Source| Ok(own))),
        None => Sweep::parse(whose, &text),
    };
    let expansion = sweep
        .and_then(|sweep| sweep.expand())
        .map_err(|errors| Failure::usage(format!("{whose}: {}", by_flag(&errors, "--samples"))))?;
    Ok(expansion.entries[0].score.as_ref().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use sweep_spec::blueprint::Sheets;

    use sweep_spec::own_data::{Kind, OwnData, Shape};

    /// Parses these flags.
    fn args(flags: &[&str]) -> ScoreSettings {
        let given = flags.chunks_exact(2).map(|pair| {
            let (key, ..) = flagged().find(|(_, flag, _)| pair[0] == format!("--{flag}")).unwrap();
            (key.name, key.parse(pair[1]).unwrap())
        });
        ScoreSettings::new(given)
    }

    fn plain((dataset, score): &(Dataset, Score)) -> Score {
        changed("x", (dataset, score), &ScoreSettings::default(), None, None).unwrap()
    }

    fn one(rest: &str) -> (Dataset, Score) {
        let text = format!("sweep: x\nobjective: gan\ntrain: {{steps: 9}}\n{rest}\n");
        let expansion = Sweep::parse("x", &text).and_then(|sweep| sweep.expand()).unwrap();
        let entry = &expansion.entries[0];
        (*entry.job.blueprint.dataset().unwrap(), entry.score.as_ref().clone())
    }

    #[test]
    fn without_flags_every_job_is_scored_as_its_sweep_says() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sweeps");
        let texts =
            std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        let mut seen = 0;
        for text in texts {
            let expansion = Sweep::parse("x", &text).and_then(|sweep| sweep.expand()).unwrap();
            // Only the first cells of the large grid.
            for entry in expansion.entries.iter().take(100) {
                let of = (*entry.job.blueprint.dataset().unwrap(), entry.score.as_ref().clone());
                assert_eq!(plain(&of), Score { every: 0, sheets: Sheets::Last, ..of.1 });
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
        let said = one("dataset: {gaussians: {layout: grid, side: 3, spacing: 9, covariance: 0.5}}\nscore: {metrics: \
            [symmetric_kl, sinkhorn, precision, sliced_wasserstein], samples: 900, bins: 9, range: 30, real_samples: \
            70, k: 3, wasserstein_samples: 50, sinkhorn_reg: 0.5, projections: 7}");
        assert_eq!(plain(&said), said.1);
        let said = one("dataset: gaussians\nscore: {metrics: [modes_covered, mmd], at_least: 20, mmd_bandwidth: 0.5}");
        assert_eq!((plain(&said), said.1.at_least, said.1.mmd_bandwidth), (said.1.clone(), Some(20), Some(0.5)));
        let seen = one("dataset: mnist\nscore: {metrics: [inception_score], splits: 2, classifier: inception}");
        assert_eq!(plain(&seen), seen.1);
    }

    #[test]
    fn flags_change_what_they_name_and_what_follows_from_it() {
        let (dataset, before) = one("dataset: gaussians\nscore: {metrics: [modes_covered], samples: 500}");
        let metrics = BTreeSet::from([Metric::Wasserstein, Metric::Precision]);
        let args = args(&["--k", "4"]);
        let score = changed("x", (&dataset, &before), &args, Some(3000), Some(&metrics)).unwrap();
        assert_eq!((score.samples, score.neighbours, score.wasserstein_samples), (3000, 4, 2048), "{score:?}");
        assert_eq!((&score.metrics, score.real()), (&metrics, 3000));
        let few = changed("x", (&dataset, &before), &args, Some(100), Some(&metrics)).unwrap();
        assert_eq!(few.wasserstein_samples, 100);
    }

    #[test]
    fn what_cannot_go_together_is_said() {
        let points = one("dataset: gaussians\nscore: {samples: 500}");
        let own = OwnData { kind: Kind::Npy, shape: Shape::Image([3, 8, 8]), content: None };
        let images = (Dataset::Own(own), one("dataset: cifar10").1);
        let ask = |(dataset, score): &(Dataset, Score), args, samples, metrics: &[Metric]| {
            let metrics = metrics.iter().copied().collect();
            match changed("job 1234", (dataset, score), &args, samples, Some(&metrics)) {
                Ok(score) => format!("{score:?}"),
                Err(failure) => format!("{failure:?}"),
            }
        };
        let none = ScoreSettings::default;
        let by = |name: &str| args(&["--classifier", name]);
        for (found, expected) in [
            (ask(&points, none(), None, &[Metric::ModeScore]), "`mode_score` is not defined on gaussians"),
            (ask(&points, none(), Some(4), &[Metric::Recall]), "`recall` needs at least 6 samples"),
            (ask(&points, none(), None, &[Metric::Frechet]), "metrics: {Frechet}"),
            (ask(&images, by("shipped"), None, &[Metric::Frechet]), "`shipped` cannot score the images of npy"),
            (ask(&images, by("self"), None, &[Metric::ModeScore]), "network: Some(OwnLabels)"),
        ] {
            assert!(found.contains(expected), "{expected} in {found}");
        }
    }
}
