//! The inputs of `sweep score`: samples of a data set, class probabilities, or features.

use std::collections::BTreeSet;
use std::path::Path;

use super::Args;
use super::given::{array, short};
use super::moments::Moments;
use super::rules::{Kind, asked, check, is_of_labels, is_usual};
use super::show::Current;
use sweep_cli::stderr::say;
use sweep_cli::table::count;
use sweep_cli::{Failure, Global, events};
use sweep_data::numbers::{Numbers, Wanted};
use sweep_metrics::classes::{frequencies, of_given};
use sweep_metrics::features::compare;
use sweep_metrics::mode_score::unknown_class;
use sweep_metrics::posterior::Posterior;
use sweep_metrics::rows::Rows;
use sweep_metrics::{Cause, MetricError, Order, ScoreValue, scorer, sinkhorn};
use sweep_operations::prepare::ensure;
use sweep_operations::score_settings::{self, by_flag};
use sweep_operations::slots::check_present;
use sweep_operations::sweep_file::{Around, ready};
use sweep_plan::slot::{Device, Slot};
use sweep_report::format::number;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::Dataset;
use sweep_spec::error::SpecErrors;
use sweep_spec::keys::score::{
    AT_LEAST, CLASSIFIER, MMD_BANDWIDTH, NEIGHBOURS, PROJECTIONS, SINKHORN_REG, SPLITS, WASSERSTEIN_SAMPLES,
};
use sweep_spec::metric::{Metric, Needs};
use sweep_worker::dataset_cache::{DatasetCache, DatasetError};

/// Rows of features for exact transport by default: its time grows with their square.
const POINTS: usize = 10_000;
/// How far the sum of a sample's probabilities may be from 1.
const SUM: f64 = 1e-4;

/// Reads the array in the first file, named `usual` by default.
fn read(args: &Args, path: &Path, usual: &'static str) -> Result<Numbers, Failure> {
    let found = array(path, Wanted { key: args.key.as_deref(), flag: "--key", usual }).map_err(Failure::usage)?;
    if let Some(left_out) = &found.left_out {
        say(format!("{}: left out: {left_out}", found.path().display()));
    }
    Ok(found)
}

/// Converts the error of a score: usually the samples are at fault.
fn refused(error: MetricError) -> Failure {
    match error.cause() {
        Cause::Request => Failure::usage(error),
        Cause::Environment => Failure::environment(error),
        Cause::Program => Failure::internal(error),
    }
}

/// Converts the error of a scorer.
fn unready(error: DatasetError) -> Failure {
    match error {
        DatasetError::Metric(error @ MetricError::TooFewReal { .. }) => {
            Failure::usage(format!("{error}: lower --wasserstein-samples or --real-samples"))
        }
        DatasetError::Metric(error) => refused(error),
        DatasetError::Data(_) | DatasetError::Network(_) => Failure::environment(error),
    }
}

/// Scores points or images against a data set, by the rules of `sweep run`.
pub(super) fn of_samples(global: &Global, args: &Args, path: &Path) -> Result<Vec<ScoreValue>, Failure> {
    let root = global.places.data_root()?;
    let tell = events::tell();
    let samples = read(args, path, "samples")?;
    let (name, shown) = (args.dataset.as_deref().unwrap_or_default(), samples.path().display().to_string());
    // Same keys, checks and defaults as in a sweep file. The shape check refuses an array without samples.
    let ask = |metrics: &BTreeSet<Metric>| -> Result<(Dataset, Score), Failure> {
        let mut keys = score_settings::keys(samples.count().max(1), metrics);
        args.how.0.set(&mut keys);
        let text = score_settings::sweep_file(name, keys);
        let refuse = |errors: &SpecErrors| Failure::usage(by_flag(errors, &shown));
        let around = Around { root: &root, places: None, tell: &tell };
        let entry = ready(Path::new("the command line"), text, around, refuse)?.expansion.entries.swap_remove(0);
        // Only a trainer of your own may have no data set, and the text above has none.
        let dataset = *entry.job.blueprint.dataset().expect("a file with a data set");
        Ok((dataset, entry.score.as_ref().clone()))
    };
    // The format of samples and the scores that apply depend on the data set and its scoring network, so these come
    // first.
    let (dataset, bare) = ask(&BTreeSet::new())?;
    let (kind, values) = match *dataset.shape() {
        [channels, height, width] => (Kind::Images, samples.images([channels, height, width], args.range)),
        _ => (Kind::Points, samples.points(dataset.features())),
    };
    let values = values.map_err(Failure::usage)?;
    let metrics = match &args.metrics {
        Some(metrics) => metrics.iter().copied().collect(),
        None => {
            let network = args.how.0.get(&CLASSIFIER).or_else(|| bare.network(&dataset));
            let k = args.how.0.get(&NEIGHBOURS).unwrap_or(Score::NEIGHBOURS.into());
            let enough = |metric: &Metric| metric.least_samples(k) <= samples.count() as u64;
            let applies = |metric: &Metric| metric.applies(&dataset, network) && is_usual(metric);
            Metric::ALL.into_iter().filter(applies).filter(enough).collect()
        }
    };
    let points = args.how.0.get(&WASSERSTEIN_SAMPLES).unwrap_or(bare.wasserstein_samples.into());
    check(args, kind, &metrics, samples.count() > points as usize)?;
    let (dataset, score) = ask(&metrics)?;
    let device = args.device.unwrap_or(Device::Cpu);
    check_present(&[Slot { device, threads: 1 }], &tell)?;
    ensure(&root, &tell, [(&dataset, &score)])?;
    let mut cache = DatasetCache::default();
    let (current, seed) = (Current::new(), args.seed.unwrap_or(0));
    let mut watch = |seen, all| current.seen(seen, all);
    let judge = cache.scorer(&dataset, &score, &root, seed, device, &mut watch).map_err(unready)?;
    let found = judge.score(&values, Order::Given, &mut watch).map_err(refused)?;
    drop(current);
    warned(args, found)
}

/// Warns if the samples look sorted and their order matters, and if entropic transport did not converge. If transport
/// has no plan, it is an error if the user named sinkhorn; otherwise sinkhorn is left out.
fn warned(args: &Args, mut found: Vec<ScoreValue>) -> Result<Vec<ScoreValue>, Failure> {
    if let Some(ScoreValue { value, protocol, .. }) = found.iter().find(|found| found.metric == Metric::InceptionScore)
        && let Some(other) = protocol["in_random_order"].as_f64()
    {
        let (value, other) = (number(*value), number(other));
        say(format!(
            "warning: the samples look sorted: the Inception score of consecutive splits is {value}, \
             and {other} in a random order; shuffle them, or use --splits 1"
        ));
    }

    let Some(at) = found.iter().position(|value| value.metric == Metric::Sinkhorn) else { return Ok(found) };
    let ScoreValue { value, protocol, .. } = &found[at];
    let reg = &protocol["regularization"];
    if value.is_nan() {
        let why =
            format!("a regularisation of {reg} is too small for the distances between the samples: use a larger --reg");
        if args.metrics.is_some() {
            return Err(Failure::usage(format!("sinkhorn: {why}, or choose other scores with --metrics")));
        }
        say(format!("warning: sinkhorn is left out: {why}"));
        found.remove(at);
    } else if let Some(missed) = protocol.get("marginal_error") {
        let after = count(sinkhorn::MOST);
        say(format!(
            "warning: sinkhorn did not converge in {after} iterations: the marginals of its plan are off \
             by up to {missed}; use a larger --reg than {reg}"
        ));
    }
    Ok(found)
}

/// Scores class probabilities, or logits, of another network.
pub(super) fn of_probabilities(args: &Args, path: &Path, logits: bool) -> Result<Vec<ScoreValue>, Failure> {
    let numbers = read(args, path, if logits { "logits" } else { "probs" })?;
    let (values, classes) = numbers.rows().map_err(Failure::usage)?;
    let rows = values.len() / classes;
    let path = numbers.path().display();
    let posterior = if logits {
        Posterior::from_logits(values, classes)
    } else {
        for (row, values) in values.chunks_exact(classes).enumerate() {
            let sum: f64 = values.iter().sum();
            if (sum - 1.0).abs() > SUM + numbers.rounding() || values.iter().any(|&p| p < 0.0) {
                let message = format!(
                    "{path}: the probabilities of sample {row} sum to {sum}, and the smallest is {}: expected \
                     a sum of 1 and none below 0; for logits, use --logits",
                    values.iter().copied().fold(f64::INFINITY, f64::min)
                );
                return Err(Failure::usage(message));
            }
        }
        Posterior::from_probabilities(&values, classes)
    };
    let given = match (&args.labels, &args.prior) {
        (Some(path), _) => {
            let wanted = Wanted { key: args.labels_key.as_deref(), flag: "--labels-key", usual: "labels" };
            Some(array(path, wanted).and_then(|labels| labels.label_counts(classes)).map_err(Failure::usage)?)
        }
        (None, prior) => prior.clone(),
    };
    let applies = |metric: &Metric| Kind::Classes.has(*metric) && (given.is_some() || !is_of_labels(metric));
    let metrics = asked(args, applies, |metric| match is_of_labels(&metric) {
        true => format!("{} needs --labels or --prior", metric.name()),
        false => format!("{} does not apply to class probabilities", metric.name()),
    })?;
    check(args, Kind::Classes, &metrics, false)?;
    let splits = args.how.0.get(&SPLITS).unwrap_or(10) as u32;
    if metrics.iter().any(|metric| metric.reads(&SPLITS)) && splits as usize > rows {
        return Err(Failure::usage(format!(
            "{path}: {rows} samples are too few for {splits} splits: use --splits {rows} or less"
        )));
    }
    let labels = match metrics.iter().find(|metric| is_of_labels(metric)) {
        Some(metric) => Some(frequencies(metric.name(), given, classes).map_err(refused)?),
        None => None,
    };
    let is_mode_score = |metric: &Metric| metric.needs() == Needs::Labels;
    let compared = labels.as_ref().filter(|_| metrics.iter().any(is_mode_score));
    if let Some(class) = compared.and_then(|labels| unknown_class(&posterior, labels)) {
        let flag = if args.labels.is_some() { "--labels" } else { "--prior" };
        return Err(Failure::usage(format!(
            "{flag}: class {class} has no share in the training set, but some samples have it: the MODE score is \
            undefined; \
             give labels of all classes, or leave out {flag}"
        )));
    }
    let at_least = args.how.0.get(&AT_LEAST).map(|least| least as u32).filter(|&least| least > 1);
    let score = Score { metrics, splits, at_least, ..Score::default() };
    let origin = format!("given {}", short(labels.iter().flatten().copied()));
    let labels = labels.as_deref().map(|labels| (labels, &*origin));
    let found = of_given(posterior, &score, labels).map_err(refused)?;
    warned(args, scorer::values(found, ""))
}

/// Scores features of generated samples against those of real samples.
pub(super) fn of_features(args: &Args, path: &Path) -> Result<Vec<ScoreValue>, Failure> {
    let rows = |numbers: Numbers| {
        let (values, width) = numbers.rows().map_err(Failure::usage)?;
        Ok::<_, Failure>((numbers.path().display().to_string(), Rows::new(values, width)))
    };
    let wanted = Wanted { key: args.reference_key.as_deref(), flag: "--reference-key", usual: "reference" };
    let reference = args.reference.as_deref().unwrap_or(Path::new(""));
    let (path, generated) = rows(read(args, path, "features")?)?;
    if let Some(moments) = Moments::read(reference, wanted)? {
        return moments.compared(args, (&path, &generated));
    }
    let (reference, real) = rows(array(reference, wanted).map_err(Failure::usage)?)?;
    if generated.width() != real.width() {
        let (wide, other) = (generated.width(), real.width());
        return Err(Failure::usage(format!(
            "{path} has rows of {wide} values and {reference} of {other}: both must have features of the same network"
        )));
    }
    let most = generated.len().max(real.len());
    let (least, fewer) = if real.len() < generated.len() { (real.len(), reference) } else { (generated.len(), path) };
    let k = args.how.0.get(&NEIGHBOURS).unwrap_or(Score::NEIGHBOURS.into());
    let enough = |metric: &Metric| {
        Kind::Features.has(*metric) && (args.metrics.is_some() || metric.least_samples(k) <= least as u64)
    };
    let metrics = asked(args, enough, |metric| format!("{} does not apply to features", metric.name()))?;
    let points = match args.how.0.get(&WASSERSTEIN_SAMPLES) {
        Some(asked) if asked as usize > most => {
            return Err(Failure::usage(format!("at most {most} rows: use --wasserstein-samples {most} or less")));
        }
        Some(asked) => asked as usize,
        None => POINTS,
    };
    check(args, Kind::Features, &metrics, points < most)?;
    for metric in &metrics {
        let expected = metric.least_samples(k);
        if expected > least as u64 {
            let metric = metric.name();
            return Err(Failure::usage(format!("{fewer}: {metric} needs at least {expected} rows, found {least}")));
        }
    }
    let score = Score {
        samples: generated.len() as u32,
        real_samples: Some(real.len() as u32),
        metrics,
        wasserstein_samples: points as u32,
        projections: args.how.0.get(&PROJECTIONS).map_or(Score::PROJECTIONS, |n| n as u32),
        sinkhorn_reg: args.how.0.get(&SINKHORN_REG).unwrap_or(Score::SINKHORN_REG),
        neighbours: k as u32,
        mmd_bandwidth: args.how.0.get(&MMD_BANDWIDTH),
        ..Score::default()
    };
    let part = score.metrics.iter().any(|metric| metric.needs() == Needs::Part);
    if part && points < most && args.how.0.get(&WASSERSTEIN_SAMPLES).is_none() {
        let points = count(points);
        say(format!(
            "transport uses at most {points} random rows of each file; raise --wasserstein-samples to use more"
        ));
    }
    let current = Current::new();
    let found = compare(&generated, &real, &score, args.seed.unwrap_or(0), &mut |metric| current.set(metric));
    drop(current);
    let data = format!("given {}", short(real.values().iter().copied()));
    warned(args, scorer::values(found.map_err(refused)?, &data))
}
