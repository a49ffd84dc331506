//! What a sweep file says about scores: the network that scores images, the scores of a data set, and the keys each
//! score reads.

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
use super::own_data::Shape;
use super::settings::{Place, Settings};
use super::trainer::Reported;

/// A network that computes class probabilities and features of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoringNetwork {
    /// The classifier of digits or of clothing that ships with this program.
    Shipped,
    /// The Inception network that the usual tools use. Its weights are a separate file.
    Inception,
    /// A classifier trained on the data set's own labels.
    #[serde(rename = "self")]
    OwnLabels,
}

impl ScoringNetwork {
    /// All networks.
    pub const ALL: [ScoringNetwork; 3] =
        [ScoringNetwork::Shipped, ScoringNetwork::Inception, ScoringNetwork::OwnLabels];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            ScoringNetwork::Shipped => "shipped",
            ScoringNetwork::Inception => "inception",
            ScoringNetwork::OwnLabels => "self",
        }
    }

    /// Returns the size of its last hidden layer: the features of an image with this number of `channels`.
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

    /// Returns the number of its classes, or `None` if they are the data set's own.
    pub const fn classes(self) -> Option<usize> {
        match self {
            ScoringNetwork::Inception => Some(1008),
            ScoringNetwork::Shipped | ScoringNetwork::OwnLabels => None,
        }
    }

    /// Returns the networks that can score samples of `dataset`, the default first; none for points.
    pub fn of(dataset: &Dataset) -> &'static [ScoringNetwork] {
        match dataset {
            Dataset::Mnist | Dataset::FashionMnist => {
                &[ScoringNetwork::Shipped, ScoringNetwork::Inception, ScoringNetwork::OwnLabels]
            }
            Dataset::Mnist1k => &[ScoringNetwork::Shipped],
            Dataset::Cifar10 => &[ScoringNetwork::Inception, ScoringNetwork::OwnLabels],
            // STL-10's training images have no labels.
            Dataset::Stl10 => &[ScoringNetwork::Inception],
            Dataset::Own(own) => match own.shape {
                Shape::Points(_) => &[],
                // Whether there are labels is only known once the data are read.
                Shape::Image(_) => &[ScoringNetwork::Inception, ScoringNetwork::OwnLabels],
            },
            Dataset::Gaussians(_) | Dataset::Toy(_) => &[],
        }
    }

    /// Returns the default scoring network for `dataset`, or `None` for points.
    pub fn usual(dataset: &Dataset) -> Option<ScoringNetwork> {
        ScoringNetwork::of(dataset).first().copied()
    }
}

/// Returns the scores that read this key of `score:`; empty if it is a key that all jobs or no jobs have.
pub fn readers(key: &Described) -> Vec<Metric> {
    Metric::ALL.into_iter().filter(|metric| metric.reads(key)).collect()
}

impl Score {
    /// Returns the settings that the value of `metric` depends on, by key. Equal settings for the same job and step
    /// give the same value, whichever sweep requested it.
    pub fn asked(&self, metric: Metric) -> Value {
        let read = Section::Score
            .keys()
            .iter()
            .filter(|key| matches!(key.used, Used::ByScores) && readers(key).contains(&metric));
        let said = |key: &Described| Some((key.name.to_owned(), self.setting(key.name)?));
        let mut asked: Map<String, Value> = read.filter_map(|key| said(key)).collect();
        asked.insert(SAMPLES.name.to_owned(), json!(self.samples));
        // The default network is not included, since it follows from the job's data.
        if let Some(network) = self.network {
            asked.insert(CLASSIFIER.name.to_owned(), json!(network));
        }
        if self.weights != Weights::default() {
            asked.insert(WEIGHTS.name.to_owned(), json!(self.weights));
        }
        Value::Object(asked)
    }

    /// The same for any score; an empty map for a reported score without a pattern.
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

    /// Returns `scores` with the settings of this one for the metrics that it names.
    pub fn instead(&self, scores: &[Arc<Score>]) -> Vec<Arc<Score>> {
        let others = scores.iter().filter_map(|score| {
            let metrics: BTreeSet<Metric> = score.metrics.difference(&self.metrics).copied().collect();
            let is_left = !metrics.is_empty() || !score.reported.is_nothing();
            is_left.then(|| Arc::new(Score { metrics, ..Score::clone(score) }))
        });
        others.chain([Arc::new(self.clone())]).collect()
    }

    /// Returns the value of a key that scores read. Returns `None` for a key added later than the scores that read it
    /// if it is at its default, so that older values stay valid.
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

/// Explains why `metric` is not defined on `dataset`.
fn lacks(metric: Metric, dataset: &Dataset) -> String {
    let (name, data) = (metric.name(), dataset.name());
    match (metric.needs(), dataset) {
        (Needs::Plane, _) if !dataset.is_images() => {
            let coordinates = match dataset.features() {
                1 => "one coordinate".to_owned(),
                more => format!("{more} coordinates"),
            };
            format!("`{name}` needs points in the plane, but those of {data} have {coordinates}")
        }
        (Needs::Density, Dataset::Gaussians(mixture)) => {
            let (dims, noisy) = (mixture.dims, mixture.noise_dims());
            format!(
                "`{name}` needs a density, but this mixture has none: only {noisy} of its {dims} coordinates have noise"
            )
        }
        (Needs::Training, _) if !dataset.is_finite() => {
            let unless = match dataset {
                Dataset::Gaussians(_) | Dataset::Toy(_) => "; set `limit` to make it finite",
                Dataset::Mnist | Dataset::FashionMnist | Dataset::Mnist1k => "",
                Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => "",
            };
            let fresh = "new ones are drawn for each batch";
            format!(
                "`{name}` looks for copies of training samples, but {data} has no fixed set of them: {fresh}{unless}"
            )
        }
        _ => format!("`{name}` is not defined on {data}"),
    }
}

impl Settings {
    /// Returns whether a score of the job reads `key` of `score:`.
    pub(super) fn scores_with(&self, key: &Described) -> bool {
        // After a mistake in the list of scores, assume that it is read.
        self.get(&METRICS).is_none_or(|metrics| readers(key).iter().any(|metric| metrics.contains(metric)))
    }

    /// Returns how the job is scored. Settings that no score reads are at their defaults, so that they do not make two
    /// scorings of one.
    pub(super) fn score(&self, dataset: &Dataset) -> Option<Score> {
        fn read<T: Held>(settings: &Settings, key: &'static Typed<T>) -> Option<T> {
            if settings.matters(&key.into()) { settings.get(key) } else { settings.usual(key).as_ref().and_then(T::of) }
        }
        let count = |key| read(self, key).map(|count| count as u32);
        // Scoring less often than once means scoring at the end.
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

    /// Reports scores that are not defined on the data, and scoring settings that do not fit together.
    pub(super) fn check_score(&self, variant: &Place, mistakes: &mut Mistakes) {
        let Some(dataset) = self.dataset() else { return };
        let network = self.get(&CLASSIFIER);
        let known = ScoringNetwork::of(&dataset);
        if let Some(network) = network.filter(|network| self.matters(&(&CLASSIFIER).into()) && !known.contains(network))
        {
            let place = self.place(&[CLASSIFIER.name], variant);
            let message = format!("`{}` cannot score the images of {}", network.name(), dataset.name());
            let names: Vec<&str> = known.iter().map(|network| network.name()).collect();
            mistakes.advise(&*place.path, &place.span, message, format!("use `{}`", names.join("` or `")));
            return;
        }
        let metrics = self.get(&METRICS).unwrap_or_default();
        for metric in metrics.iter().filter(|metric| !metric.applies(&dataset, network)) {
            let place = self.place(&[METRICS.name], variant);
            let message = match network {
                Some(ScoringNetwork::Inception) if known.contains(&ScoringNetwork::OwnLabels) => {
                    format!("`{}` needs the data set's own classes, which Inception does not have", metric.name())
                }
                _ => lacks(*metric, &dataset),
            };
            let names: Vec<_> = Metric::ALL.iter().filter(|m| m.applies(&dataset, network)).map(|m| m.name()).collect();
            let mut help = format!("scores of {}: {}", dataset.name(), names.join(", "));
            if known.contains(&ScoringNetwork::OwnLabels) && metric.applies(&dataset, Some(ScoringNetwork::OwnLabels)) {
                help.push_str("; or use `classifier: self`, which is trained on the data set's labels");
            }
            mistakes.advise(&*place.path, &place.span, message, help);
        }
        let Some(samples) = self.get(&SAMPLES) else { return };
        for key in [&SPLITS, &WASSERSTEIN_SAMPLES] {
            if let Some(count) = self.get(key).filter(|&count| count > samples && self.matters(&key.into())) {
                let place = self.place(&[key.name, SAMPLES.name], variant);
                let message = format!("{count} {}, but only {samples} samples", key.name);
                mistakes.advise(&*place.path, &place.span, message, format!("set it to at most `samples` ({samples})"));
            }
        }
        let (Some(neighbours), Some(real)) = (self.get(&NEIGHBOURS), self.get(&REAL_SAMPLES)) else { return };
        for metric in metrics {
            let least = metric.least_samples(neighbours);
            for (key, count) in [(&SAMPLES, samples), (&REAL_SAMPLES, real)] {
                // It defaults to the number of samples; report that case only once.
                if (key.name == SAMPLES.name || metric.reads(key) && count != samples) && count < least {
                    let place = self.place(&[key.name, SAMPLES.name], variant);
                    let message = format!("`{}` needs at least {least} {}", metric.name(), key.name);
                    mistakes.add(&*place.path, &place.span, message);
                }
            }
        }
    }
}

/// Returns the scores of a data set if the file names none.
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
        // The network that scores them is large and has to be fetched, so it is never used unasked.
        Dataset::Cifar10 | Dataset::Stl10 | Dataset::Own(_) => BTreeSet::new(),
    }
}

/// Returns 4, or as much as it takes to contain all modes with three standard deviations.
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
        // If both scorings are requested, they become one.
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
        // If only the last step is scored, both settings mean the same.
        assert_eq!(entry("sheets: all").score, entry("every: 100").score);
        assert_eq!(entry("every: 100, sheets: all").score, entry("every: 0, sheets: last").score);
    }
}
