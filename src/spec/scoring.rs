//! What a sweep file says about scores: what sees images, the scores of a data set, and what each of them reads.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::blueprint::{Score, Sheets};
use super::dataset::Dataset;
use super::error::Mistakes;
use super::keys::score::{
    AT_LEAST, BINS, CLASSIFIER, EVERY, METRICS, MMD_BANDWIDTH, NEIGHBOURS, PROJECTIONS, RANGE, REAL_SAMPLES, SAMPLES,
    SHEETS, SINKHORN_REG, SPLITS, WASSERSTEIN_SAMPLES, WEIGHTS,
};
use super::keys::train::STEPS;
use super::keys::{Described, Held, Section, Typed, Used};
use super::metric::{Measure, Metric, Needs};
use super::moves::Weights;
use super::own::Shape;
use super::settings::{Place, Settings};
use super::trainer::Reported;

/// A network that makes class probabilities and features of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoringNetwork {
    /// The classifier of digits, or of clothing, that this program brings along.
    Shipped,
    /// The Inception network of the usual tools, whose weights are a file.
    Inception,
    /// A classifier trained on the data set's own labels.
    #[serde(rename = "self")]
    OwnLabels,
}

impl ScoringNetwork {
    /// All of them.
    pub const ALL: [ScoringNetwork; 3] =
        [ScoringNetwork::Shipped, ScoringNetwork::Inception, ScoringNetwork::OwnLabels];

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            ScoringNetwork::Shipped => "shipped",
            ScoringNetwork::Inception => "inception",
            ScoringNetwork::OwnLabels => "self",
        }
    }

    /// Values of its last layer but one, which are the features of an image of so many `channels`.
    pub const fn features(self, channels: usize) -> usize {
        match self {
            ScoringNetwork::Inception => 2048,
            ScoringNetwork::Shipped | ScoringNetwork::OwnLabels => {
                if channels == 1 {
                    64
                } else {
                    128
                }
            }
        }
    }

    /// Classes that it tells apart, where these are not the data set's own.
    pub const fn classes(self) -> Option<usize> {
        match self {
            ScoringNetwork::Inception => Some(1008),
            ScoringNetwork::Shipped | ScoringNetwork::OwnLabels => None,
        }
    }

    /// Those that can see samples of `dataset`, the usual one first; none where samples are points.
    pub fn of(dataset: &Dataset) -> &'static [ScoringNetwork] {
        match dataset {
            Dataset::Mnist | Dataset::FashionMnist => {
                &[ScoringNetwork::Shipped, ScoringNetwork::Inception, ScoringNetwork::OwnLabels]
            }
            Dataset::Mnist1k => &[ScoringNetwork::Shipped],
            Dataset::Cifar10 => &[ScoringNetwork::Inception, ScoringNetwork::OwnLabels],
            // Without labels.
            Dataset::Stl10 => &[ScoringNetwork::Inception],
            Dataset::Own(own) => match own.shape {
                Shape::Points(_) => &[],
                // Whether there are labels shows when they are read.
                Shape::Image(_) => &[ScoringNetwork::Inception, ScoringNetwork::OwnLabels],
            },
            Dataset::Gaussians(_) | Dataset::Toy(_) => &[],
        }
    }

    /// What sees samples of `dataset` unless a file says otherwise.
    pub fn usual(dataset: &Dataset) -> Option<ScoringNetwork> {
        ScoringNetwork::of(dataset).first().copied()
    }
}

/// The scores that read this key of `score`; none of a key that all jobs, or none, have.
pub fn readers(key: &Described) -> Vec<Metric> {
    Metric::ALL.into_iter().filter(|metric| metric.reads(key)).collect()
}

impl Score {
    /// What is asked for of `metric`: the settings that its value depends on, by their keys. Values of equal settings of one job at one step
    /// are one value, whoever asked for it.
    pub fn asked(&self, metric: Metric) -> Value {
        let read = Section::Score
            .keys()
            .iter()
            .filter(|key| matches!(key.used, Used::ByScores) && readers(key).contains(&metric));
        let said = |key: &Described| Some((key.name.to_owned(), self.setting(key.name)?));
        let mut asked: Map<String, Value> = read.filter_map(|key| said(key)).collect();
        asked.insert(SAMPLES.name.to_owned(), json!(self.samples));
        // The usual one, which is not said, follows from the job's data.
        if let Some(network) = self.network {
            asked.insert(CLASSIFIER.name.to_owned(), json!(network));
        }
        if self.weights != Weights::default() {
            asked.insert(WEIGHTS.name.to_owned(), json!(self.weights));
        }
        Value::Object(asked)
    }

    /// The same of a score of whichever kind; of one that nobody asks for, nothing.
    pub fn asks(&self, measure: Measure) -> Value {
        match measure {
            Measure::Known(metric) => self.asked(metric),
            Measure::Own { name, .. } => {
                match self.reported.scores.get(name).and_then(|score| score.pattern.as_ref()) {
                    Some(pattern) => json!({ "pattern": pattern }),
                    None => json!({}),
                }
            }
        }
    }

    /// `scores`, and of the metrics that this one names, what it asks for.
    pub fn instead(&self, scores: &[Arc<Score>]) -> Vec<Arc<Score>> {
        let others = scores.iter().filter_map(|score| {
            let metrics: BTreeSet<Metric> = score.metrics.difference(&self.metrics).copied().collect();
            let is_left = !metrics.is_empty() || !score.reported.is_nothing();
            is_left.then(|| Arc::new(Score { metrics, ..Score::clone(score) }))
        });
        others.chain([Arc::new(self.clone())]).collect()
    }

    /// The value of a key that scores read; none of one that came later than the scores that read it, where it is the usual one.
    fn setting(&self, name: &str) -> Option<Value> {
        Some(match name {
            "splits" => json!(self.splits),
            "bins" => json!(self.bins),
            "range" => json!(self.range),
            "wasserstein_samples" => json!(self.wasserstein_samples),
            "real_samples" => json!(self.real()),
            "projections" => json!(self.projections),
            "sinkhorn_reg" => json!(self.sinkhorn_reg),
            "k" => json!(self.neighbours),
            "at_least" => json!(self.at_least?),
            "mmd_bandwidth" => json!(self.mmd_bandwidth?),
            other => unreachable!("`{other}` is no setting of scores"),
        })
    }
}

/// Why there is no such score of `dataset`.
fn lacks(metric: Metric, dataset: &Dataset) -> String {
    let (name, data) = (metric.name(), dataset.name());
    match (metric.needs(), dataset) {
        (Needs::Plane, _) if !dataset.is_images() => {
            let coordinates = match dataset.features() {
                1 => "one coordinate".to_owned(),
                more => format!("{more} coordinates"),
            };
            format!("`{name}` is of points of the plane, but those of {data} have {coordinates}")
        }
        (Needs::Density, Dataset::Gaussians(mixture)) => {
            let (dims, noisy) = (mixture.dims, mixture.noise_dims());
            format!(
                "`{name}` is of a density, and this mixture has none in {dims} coordinates: noise is in {noisy} of them"
            )
        }
        (Needs::Training, _) if !dataset.is_finite() => {
            let unless = match dataset {
                Dataset::Gaussians(_) | Dataset::Toy(_) => ", unless `limit` says how many there are",
                Dataset::Mnist | Dataset::FashionMnist | Dataset::Mnist1k => "",
                Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => "",
            };
            let anew = "they are drawn anew for each batch";
            format!("`{name}` looks for copies of training samples, and {data} has no end of them: {anew}{unless}")
        }
        _ => format!("`{name}` is not defined on {data}"),
    }
}

impl Settings {
    /// Whether a score of the job reads `key` of `score`.
    pub(super) fn scores_with(&self, key: &Described) -> bool {
        // After a mistake nobody knows.
        self.get(&METRICS).is_none_or(|metrics| readers(key).iter().any(|metric| metrics.contains(metric)))
    }

    /// What no score reads is at its default, so that it cannot make two jobs of one.
    pub(super) fn score(&self, dataset: &Dataset) -> Option<Score> {
        fn read<T: Held>(settings: &Settings, key: &'static Typed<T>) -> Option<T> {
            if settings.matters(&key.into()) { settings.get(key) } else { settings.usual(key).as_ref().and_then(T::of) }
        }
        let count = |key| read(self, key).map(|count| count as u32);
        // Scoring less often than once is scoring at the end.
        let every = self.get(&EVERY)?;
        let every = if self.get(&STEPS).is_some_and(|steps| every >= steps) { 0 } else { every };
        let (samples, real) = (count(&SAMPLES)?, count(&REAL_SAMPLES)?);
        Some(Score {
            every,
            samples,
            metrics: self.get(&METRICS)?,
            splits: count(&SPLITS)?,
            bins: count(&BINS)?,
            range: read(self, &RANGE)?,
            wasserstein_samples: count(&WASSERSTEIN_SAMPLES)?,
            real_samples: (real != samples).then_some(real),
            projections: count(&PROJECTIONS)?,
            sinkhorn_reg: read(self, &SINKHORN_REG)?,
            neighbours: count(&NEIGHBOURS)?,
            at_least: count(&AT_LEAST).filter(|&least| least > 1),
            mmd_bandwidth: read(self, &MMD_BANDWIDTH),
            network: read(self, &CLASSIFIER).filter(|&network| ScoringNetwork::usual(dataset) != Some(network)),
            weights: read(self, &WEIGHTS)?,
            reported: Reported::default(),
            sheets: if every > 0 { read(self, &SHEETS)? } else { Sheets::Last },
        })
    }

    /// Scores that the data do not have, and settings of scores that do not fit together.
    pub(super) fn check_score(&self, variant: &Place, mistakes: &mut Mistakes) {
        let Some(dataset) = self.dataset() else { return };
        let network = self.get(&CLASSIFIER);
        let known = ScoringNetwork::of(&dataset);
        if let Some(network) = network.filter(|network| self.matters(&(&CLASSIFIER).into()) && !known.contains(network))
        {
            let place = self.place(&[CLASSIFIER.name], variant);
            let message = format!("`{}` cannot see the images of {}", network.name(), dataset.name());
            let names: Vec<&str> = known.iter().map(|network| network.name()).collect();
            mistakes.advise(&*place.path, &place.span, message, format!("take `{}`", names.join("` or `")));
            return;
        }
        let metrics = self.get(&METRICS).unwrap_or_default();
        for metric in metrics.iter().filter(|metric| !metric.applies(&dataset, network)) {
            let place = self.place(&[METRICS.name], variant);
            let message = match network {
                Some(ScoringNetwork::Inception) if known.contains(&ScoringNetwork::OwnLabels) => {
                    format!("`{}` is of the data set's own classes, which Inception does not know", metric.name())
                }
                _ => lacks(*metric, &dataset),
            };
            let names: Vec<_> = Metric::ALL.iter().filter(|m| m.applies(&dataset, network)).map(|m| m.name()).collect();
            let mut help = format!("scores of {}: {}", dataset.name(), names.join(", "));
            if known.contains(&ScoringNetwork::OwnLabels) && metric.applies(&dataset, Some(ScoringNetwork::OwnLabels)) {
                help.push_str("; or `classifier: self`, which is trained on its labels");
            }
            mistakes.advise(&*place.path, &place.span, message, help);
        }
        let Some(samples) = self.get(&SAMPLES) else { return };
        for key in [&SPLITS, &WASSERSTEIN_SAMPLES] {
            if let Some(count) = self.get(key).filter(|&count| count > samples && self.matters(&key.into())) {
                let place = self.place(&[key.name, SAMPLES.name], variant);
                let message = format!("{count} {} of {samples} samples", key.name);
                mistakes.advise(&*place.path, &place.span, message, format!("make it at most `samples` ({samples})"));
            }
        }
        let (Some(neighbours), Some(real)) = (self.get(&NEIGHBOURS), self.get(&REAL_SAMPLES)) else { return };
        for metric in metrics {
            let least = metric.least_samples(neighbours);
            for (key, count) in [(&SAMPLES, samples), (&REAL_SAMPLES, real)] {
                // As many as there are samples, unless a file says otherwise: said once.
                if (key.name == SAMPLES.name || metric.reads(key) && count != samples) && count < least {
                    let place = self.place(&[key.name, SAMPLES.name], variant);
                    let message = format!("`{}` needs at least {least} {}", metric.name(), key.name);
                    mistakes.add(&*place.path, &place.span, message);
                }
            }
        }
    }
}

/// The scores of a data set unless a file names others.
pub(super) fn default_metrics(dataset: &Dataset) -> BTreeSet<Metric> {
    match dataset {
        Dataset::Gaussians(_) => {
            let plane = dataset.is_plane().then_some(Metric::SymmetricKl);
            let modes = [Metric::Wasserstein, Metric::ModesCovered, Metric::HighQuality];
            modes.into_iter().chain(plane).collect()
        }
        Dataset::Toy(_) => BTreeSet::from([Metric::Wasserstein, Metric::SymmetricKl]),
        Dataset::Mnist | Dataset::FashionMnist => BTreeSet::from([
            Metric::InceptionScore,
            Metric::ModeScore,
            Metric::ModesCovered,
            Metric::ModeKl,
            Metric::Frechet,
        ]),
        Dataset::Mnist1k => BTreeSet::from([Metric::ModesCovered, Metric::ModeKl]),
        // What sees them is large, and not there until it is fetched: nobody gets it without asking.
        Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => BTreeSet::new(),
    }
}

/// 4, or as much more as it takes to have all modes with three standard deviations inside.
pub(super) fn default_range(dataset: Dataset) -> f64 {
    match dataset {
        Dataset::Gaussians(gaussians) => {
            let furthest = gaussians.centres().into_iter().flatten().fold(0.0, |far: f64, x| far.max(x.abs()));
            let widest = gaussians.variances().into_iter().fold(0.0, f64::max);
            (furthest + 3.0 * widest.sqrt()).ceil().max(4.0)
        }
        Dataset::Toy(toy) => toy.reach().ceil().max(4.0),
        Dataset::Mnist
        | Dataset::FashionMnist
        | Dataset::Mnist1k
        | Dataset::Cifar10
        | Dataset::Stl10
        | Dataset::Own(_) => 4.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expand::Entry;
    use crate::job::{Task, together};
    use crate::sweep::Sweep;

    fn entry(score: &str) -> Entry {
        let text = format!("sweep: s\ndataset: gaussians\nobjective: gan\ntrain: {{steps: 100}}\nscore: {{{score}}}\n");
        Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap().entries.remove(0)
    }

    #[test]
    fn sheets_are_no_part_of_a_job_nor_of_what_is_measured() {
        let (plain, all) = (entry("every: 30"), entry("every: 30, sheets: all"));
        assert_eq!((plain.id, plain.job.id()), (all.id, all.job.id()));
        for metric in &plain.score.metrics {
            assert_eq!(plain.score.asked(*metric), all.score.asked(*metric));
        }
        let json = |score: &Score| serde_json::to_value(score).unwrap();
        assert_eq!((json(&plain.score).get("sheets"), json(&all.score)["sheets"].as_str()), (None, Some("all")));
        for score in [&plain.score, &all.score] {
            assert_eq!(serde_json::from_value::<Score>(json(score)).unwrap(), **score);
        }
        let drawn = |score: &Score| (0..=100).filter(|&step| score.draws_at(step, 100)).collect::<Vec<u64>>();
        assert_eq!(drawn(&plain.score), [100]);
        assert_eq!(drawn(&all.score), [30, 60, 90, 100]);
        // Who asks for both gets one.
        let task = |entry: &Entry| Task {
            id: entry.id,
            job: entry.job.clone(),
            scores: [Arc::clone(&entry.score)].into(),
            earlier: None,
        };
        for tasks in [[&plain, &all], [&all, &plain]] {
            let together = together(tasks.map(task));
            assert_eq!(together[0].scores[..], [Arc::clone(&all.score)]);
        }
        // Where only the last step is scored there is nothing to choose.
        assert_eq!(entry("sheets: all").score, entry("every: 100").score);
        assert_eq!(entry("every: 100, sheets: all").score, entry("every: 0, sheets: last").score);
    }
}
