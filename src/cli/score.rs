//! `sweep score`: the scores of samples that any program made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json, json};

use super::load::ready;
use super::prepare::ensure;
use super::progress::say;
use super::reading::print;
use super::scoring::{self, ScoreArgs};
use super::slots::check_present;
use super::table::{self, Align, count};
use super::{Exit, Failure, Global};
use crate::data::numbers::{self, Numbers};
use crate::metrics::features::compare;
use crate::metrics::images::{frequencies, of_classes};
use crate::metrics::nets::unwatched;
use crate::metrics::posterior::Posterior;
use crate::metrics::rows::Rows;
use crate::metrics::{MetricError, Value, scorer};
use crate::plan::slot::{Device, Slot};
use crate::spec::blueprint::Score;
use crate::spec::dataset::Dataset;
use crate::spec::metric::{Direction, Metric};
use crate::spec::scoring::ScoringNetwork;
use crate::worker::kit::{Kit, KitError};

/// Rows of features that exact transport looks at unless told otherwise: its time grows with their square.
const POINTS: usize = 10_000;
/// How far the probabilities of a sample may be from a sum of 1.
const SUM: f64 = 1e-4;

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["samples", "probs", "logits", "features"]))]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Samples: points [N, 2] or images [N, channels, height, width], as .npy, .npz, .safetensors or a folder of PNGs and JPEGs of
    /// the data set's size
    #[arg(value_name = "SAMPLES", requires = "dataset")]
    samples: Option<PathBuf>,
    /// What they are samples of, as a sweep file would say it: gaussians, mnist, cifar10, "{name: images, path: DIR}", …
    #[arg(long, value_name = "NAME", conflicts_with_all = ["probs", "logits", "features"])]
    dataset: Option<String>,
    /// What black and white are in images of floats: -1,1 or 0,1 or 0,255
    #[arg(long, value_name = "LOW,HIGH", allow_hyphen_values = true, value_parser = pair, requires = "dataset")]
    range: Option<(f64, f64)>,
    /// Class probabilities [N, classes]
    #[arg(long, value_name = "FILE")]
    probs: Option<PathBuf>,
    /// Logits [N, classes]
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,
    /// Labels of the training set [M], 0 to classes − 1: for the MODE scores
    #[arg(long, value_name = "FILE", conflicts_with_all = ["prior", "samples", "features"])]
    labels: Option<PathBuf>,
    /// The share of each class in the training set: for the MODE scores
    #[arg(long, value_name = "P,…", value_delimiter = ',', conflicts_with_all = ["samples", "features"])]
    prior: Option<Vec<f64>>,
    /// Features of generated samples [N, values]
    #[arg(long, value_name = "FILE", requires = "reference")]
    features: Option<PathBuf>,
    /// Features of real samples [M, values]
    #[arg(long, value_name = "FILE", requires = "features")]
    reference: Option<PathBuf>,
    /// Which scores [default: all that apply]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = super::report::metric)]
    metrics: Option<Vec<Metric>>,
    /// The array's name in a file with several
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// What random directions and subsets follow
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    how: ScoreArgs,
    /// Where the network that sees images runs: cpu or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    device: Device,
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

const AFTER: &str = "\
Examples:
  sweep score samples.npy --dataset gaussians
  sweep score pictures/ --dataset mnist
  sweep score samples.npy --dataset mnist --range 0,1
  sweep score --probs p.npy --labels train_labels.npy
  sweep score --features f.npy --reference r.npy --metrics frechet,kid

Unless told otherwise: 10 splits, k = 5, 50 bins in a range that goes by the data set, 2048 points a side for transport (of features all,
up to 10000), as many real samples as generated ones, 1000 projections, and a regularisation of 0.1.";

fn pair(text: &str) -> Result<(f64, f64), String> {
    let numbers: Vec<f64> = text.split(',').filter_map(|part| part.trim().parse().ok()).collect();
    match numbers[..] {
        [low, high] if low < high && low.is_finite() && high.is_finite() && text.split(',').count() == 2 => {
            Ok((low, high))
        }
        _ => Err("expected two numbers, the lower first, such as -1,1".to_owned()),
    }
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    if let (None, Some(flag)) = (&args.dataset, args.how.of_a_data_set()) {
        return Err(Failure::usage(format!("{flag} is for samples of a data set: give SAMPLES and --dataset NAME")));
    }
    let found = match (&args.samples, &args.probs, &args.logits, &args.features) {
        (Some(samples), ..) => of_samples(global, &args, samples)?,
        (_, Some(path), ..) => of_probabilities(&args, path, false)?,
        (_, _, Some(path), _) => of_probabilities(&args, path, true)?,
        (.., Some(path)) => of_features(&args, path)?,
        _ => return Err(Failure::usage("name samples, --probs, --logits or --features")),
    };
    print(&if args.json { as_json(&found)? } else { as_table(&found) })?;
    Ok(Exit::Ok)
}

fn read(args: &Args, path: &Path, usual: &str) -> Result<Numbers, Failure> {
    numbers::read(path, args.key.as_deref(), usual).map_err(Failure::usage)
}

/// Why a set of samples cannot be scored is mostly something about it.
fn refused(error: MetricError) -> Failure {
    match error {
        MetricError::Torch(_) => Failure::internal(error),
        MetricError::Net(_) => Failure::environment(error),
        _ => Failure::usage(error),
    }
}

/// Why there is nothing to score with.
fn unready(error: KitError) -> Failure {
    match error {
        KitError::Metric(error @ MetricError::TooFewReal { .. }) => {
            Failure::usage(format!("{error}: --wasserstein-samples and --real-samples take fewer"))
        }
        KitError::Metric(error) => refused(error),
        KitError::Data(_) | KitError::Sight(_) => Failure::environment(error),
    }
}

/// A short name of numbers that no file has a name for.
fn short(values: impl Iterator<Item = f64>) -> String {
    let mut hasher = blake3::Hasher::new();
    values.for_each(|value| {
        hasher.update(&value.to_le_bytes());
    });
    hasher.finalize().to_hex()[..8].to_owned()
}

/// Points or images against a data set, by the rules that `sweep run` follows.
fn of_samples(global: &Global, args: &Args, path: &Path) -> Result<Vec<Value>, Failure> {
    let root = global.data_root();
    let samples = read(args, path, "samples")?;
    let name = args.dataset.as_deref().unwrap_or_default();
    // The same words, the same checks and the same defaults as in a sweep file.
    let ask = |metrics: &BTreeSet<Metric>| -> Result<(Dataset, Score), Failure> {
        let mut keys = scoring::keys(samples.count(), metrics);
        args.how.set(&mut keys);
        let text = scoring::sweep_file(name, keys);
        let job = ready(Path::new("the command line"), text, &root)?.expansion.jobs().swap_remove(0).1;
        Ok((job.blueprint.dataset, job.blueprint.score.clone()))
    };
    let (dataset, score) = match &args.metrics {
        Some(metrics) => ask(&metrics.iter().copied().collect())?,
        None => {
            // Which apply depends on the data set and on what sees it, so these are read first.
            let (dataset, bare) = ask(&BTreeSet::new())?;
            let named = args.how.classifier.as_deref();
            let named = ScoringNetwork::ALL.into_iter().find(|network| Some(network.name()) == named);
            let network = named.or_else(|| bare.network(&dataset));
            let k = args.how.k.unwrap_or(Score::NEIGHBOURS).into();
            let enough = |metric: &Metric| metric.least_samples(k) <= samples.count() as u64;
            ask(&Metric::ALL.into_iter().filter(|metric| metric.applies(&dataset, network)).filter(enough).collect())?
        }
    };
    let values = match *dataset.shape() {
        [channels, height, width] => samples.images([channels, height, width], args.range).map_err(Failure::usage)?,
        _ => {
            let (values, width) = samples.rows().map_err(Failure::usage)?;
            if width != 2 {
                let (path, dims) = (samples.path().display(), &samples.dims);
                return Err(Failure::usage(format!("{path}: expected points [N, 2], found shape {dims:?}")));
            }
            values.into_iter().map(|value| value as f32).collect()
        }
    };
    check_present(&[Slot { device: args.device, threads: 1 }])?;
    ensure(&root, [(&dataset, &score)])?;
    let mut kit = Kit::default();
    let judge = kit.scorer(&dataset, &score, &root, args.seed, args.device, &mut unwatched).map_err(unready)?;
    judge.score(&values, &mut unwatched).map_err(refused)
}

/// Class probabilities, or logits, that another network gave.
fn of_probabilities(args: &Args, path: &Path, logits: bool) -> Result<Vec<Value>, Failure> {
    let numbers = read(args, path, if logits { "logits" } else { "probs" })?;
    let (values, classes) = numbers.rows().map_err(Failure::usage)?;
    let rows = values.len() / classes;
    let path = numbers.path().display();
    let posterior = if logits {
        Posterior::from_logits(values, classes)
    } else {
        for (row, values) in values.chunks_exact(classes).enumerate() {
            let sum: f64 = values.iter().sum();
            if (sum - 1.0).abs() > SUM || values.iter().any(|&p| p < 0.0) {
                let message = format!(
                    "{path}: the probabilities of sample {row} sum to {sum}, the least is {}: expected 1, and none below 0; are these --logits?",
                    values.iter().copied().fold(f64::INFINITY, f64::min)
                );
                return Err(Failure::usage(message));
            }
        }
        Posterior::from_probabilities(&values, classes)
    };
    let given = match (&args.labels, &args.prior) {
        (Some(path), _) => Some(read(args, path, "labels")?.label_counts(classes).map_err(Failure::usage)?),
        (None, prior) => prior.clone(),
    };
    let mode_scores = [Metric::ModeScore, Metric::ModeScorePrinted, Metric::ModeScoreReversed];
    let applies = |metric: &Metric| match metric {
        Metric::InceptionScore | Metric::ModesCovered | Metric::ModeKl => true,
        metric => given.is_some() && mode_scores.contains(metric),
    };
    let metrics = asked(args, applies, |metric| match metric {
        metric if mode_scores.contains(&metric) => format!("{} needs --labels or --prior", metric.name()),
        metric => format!("{} is not of class probabilities", metric.name()),
    })?;
    let splits = args.how.splits.unwrap_or(10);
    if metrics.contains(&Metric::InceptionScore) && splits as usize > rows {
        return Err(Failure::usage(format!("{path}: {splits} splits of {rows} samples: make --splits at most {rows}")));
    }
    let labels = match given {
        Some(given) => frequencies("mode_score", Some(given), classes).map_err(refused)?,
        None => Vec::new(),
    };
    let score = Score { metrics, splits, ..Score::default() };
    let origin = format!("given {}", short(labels.iter().copied()));
    Ok(scorer::values(of_classes(&posterior, &score, &labels, &origin, &json!({"network": "given"})), &score, ""))
}

/// Features of generated samples against those of real ones.
fn of_features(args: &Args, path: &Path) -> Result<Vec<Value>, Failure> {
    let rows = |path: &Path, usual: &str| {
        let (values, width) = read(args, path, usual)?.rows().map_err(Failure::usage)?;
        Ok::<_, Failure>(Rows::new(values, width))
    };
    let reference = args.reference.as_deref().unwrap_or(Path::new(""));
    let (generated, real) = (rows(path, "features")?, rows(reference, "reference")?);
    if generated.width() != real.width() {
        return Err(Failure::usage(format!(
            "{} has rows of {} values, {} of {}: expected features of one network",
            path.display(),
            generated.width(),
            reference.display(),
            real.width()
        )));
    }
    let least = generated.len().min(real.len());
    let k = args.how.k.unwrap_or(Score::NEIGHBOURS);
    let applies =
        |metric: &Metric| metric.transports() || metric.neighbours() || matches!(metric, Metric::Frechet | Metric::Kid);
    let enough =
        |metric: &Metric| applies(metric) && (args.metrics.is_some() || metric.least_samples(k.into()) <= least as u64);
    let metrics = asked(args, enough, |metric| format!("{} is not of features", metric.name()))?;
    for metric in &metrics {
        let expected = metric.least_samples(k.into());
        if expected > least as u64 {
            let metric = metric.name();
            return Err(Failure::usage(format!(
                "{metric} needs at least {expected} rows in both files, found {least}"
            )));
        }
    }
    let points = args.how.wasserstein_samples.map_or(POINTS, |n| n as usize).min(least);
    let score = Score {
        metrics,
        wasserstein_samples: points as u32,
        projections: args.how.projections.unwrap_or(Score::PROJECTIONS),
        sinkhorn_reg: args.how.reg.unwrap_or(Score::SINKHORN_REG),
        neighbours: k,
        ..Score::default()
    };
    if score.metrics.iter().any(|metric| metric.transports())
        && points < least
        && args.how.wasserstein_samples.is_none()
    {
        say(format!("transport is of the first {} rows of each file; --wasserstein-samples takes more", count(points)));
    }
    let found = compare(&generated, &real, &score, args.seed).map_err(refused)?;
    Ok(scorer::values(found, &score, &format!("given {}", short(real.values().iter().copied()))))
}

/// The scores that are asked for, or all that apply.
fn asked(
    args: &Args,
    applies: impl Fn(&Metric) -> bool,
    why: impl Fn(Metric) -> String,
) -> Result<BTreeSet<Metric>, Failure> {
    match &args.metrics {
        None => Ok(Metric::ALL.into_iter().filter(applies).collect()),
        Some(metrics) => match metrics.iter().find(|metric| !applies(metric)) {
            Some(&metric) => Err(Failure::usage(why(metric))),
            None => Ok(metrics.iter().copied().collect()),
        },
    }
}

/// How a score was measured.
type Protocol = Map<String, Json>;

/// What all protocols have in common, and what each has of its own.
fn protocols(found: &[Value]) -> (Protocol, Vec<(Metric, Protocol)>) {
    let all: Vec<(Metric, Protocol)> =
        found.iter().filter_map(|value| Some((value.metric, value.protocol.as_object()?.clone()))).collect();
    let Some((_, first)) = all.first() else { return (Map::new(), Vec::new()) };
    let shared = |(key, value): &(&String, &Json)| all.iter().all(|(_, other)| other.get(*key) == Some(*value));
    let common: Protocol = first.iter().filter(shared).map(|(key, value)| (key.clone(), value.clone())).collect();
    let own = all.iter().map(|(metric, protocol)| {
        let own = protocol.iter().filter(|(key, _)| !common.contains_key(*key));
        (*metric, own.map(|(key, value)| (key.clone(), value.clone())).collect())
    });
    let own = own.collect();
    (common, own)
}

#[derive(serde::Serialize)]
struct Found {
    #[serde(with = "crate::wire::real")]
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    std: Option<f64>,
}

fn as_json(found: &[Value]) -> Result<String, Failure> {
    let scores: BTreeMap<&str, Found> =
        found.iter().map(|value| (value.metric.name(), Found { value: value.value, std: value.std })).collect();
    let (mut protocol, own) = protocols(found);
    protocol.extend(
        own.into_iter().filter(|(_, own)| !own.is_empty()).map(|(metric, own)| (metric.name().to_owned(), own.into())),
    );
    let text =
        serde_json::to_string_pretty(&json!({"scores": scores, "protocol": protocol})).map_err(Failure::internal)?;
    Ok(text + "\n")
}

fn as_table(found: &[Value]) -> String {
    let header = [
        ("score", Align::Left),
        ("value", Align::Right),
        ("std", Align::Right),
        ("better", Align::Left),
        ("how", Align::Left),
    ];
    let words = |protocol: &Protocol| {
        let word = |(key, value): (&String, &Json)| {
            let value = match value {
                Json::Number(number) => number.as_u64().map_or_else(|| number.to_string(), |n| count(n as usize)),
                Json::String(text) => text.clone(),
                other => other.to_string(),
            };
            format!("{} {value}", key.replace('_', " "))
        };
        protocol.iter().map(word).collect::<Vec<_>>().join(", ")
    };
    let (common, own) = protocols(found);
    let rows = found.iter().zip(&own).map(|(value, (_, own))| {
        let better = match value.metric.better() {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        };
        let std = value.std.map_or(String::new(), |std| format!("{std:.6}"));
        vec![value.metric.name().to_owned(), format!("{:.6}", value.value), std, better.to_owned(), words(own)]
    });
    let mut text = table::table(&header, rows);
    if !common.is_empty() {
        text.push_str(&format!("\n{}\n", words(&common)));
    }
    text
}
