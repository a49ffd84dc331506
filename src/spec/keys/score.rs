//! `score:`, what is measured of a job, and when.

use std::collections::BTreeSet;

use super::train::averages;
use super::{Range, Used, keys};
use crate::blueprint::{Score, Sheets};
use crate::dataset::Dataset;
use crate::metric::Metric;
use crate::moves::Weights;
use crate::scoring::{ScoringNetwork, default_metrics, default_range};
use crate::settings::Settings;
use crate::value::Value;

/// So many, but no more than there are samples.
fn at_most_samples(settings: &Settings, usual: u64) -> Option<Value> {
    Some(Value::count(settings.get(&SAMPLES).map_or(usual, |samples| usual.min(samples))))
}

keys! { Score:
    /// Steps between scorings; 0 scores the last step alone, which is always scored.
    EVERY: u64 = "every", whole(0, 1_000_000_000).always(|| Value::count(0));
    /// Whether a sheet of samples is drawn at the last step alone, or at all steps at which a job is scored. No part of what is measured.
    SHEETS: Sheets = "sheets", choice().always(|| Value::Sheets(Sheets::default()))
        .used(Used::Where("`every` above 0", |s| s.get(&EVERY) != Some(0)));
    /// Generated samples that are scored.
    SAMPLES: u64 = "samples", whole(1, 1_000_000)
        .usually("10000, or 25600 of `mnist_1k`", |s| {
            // As many as everybody takes for a thousand modes.
            Some(Value::count(if s.dataset() == Some(Dataset::Mnist1k) { 25_600 } else { 10_000 }))
        });
    /// The scores to compute; `[]` for none.
    METRICS: BTreeSet<Metric> = "metrics", metrics()
        .usually("those of the data set", |s| s.dataset().map(|dataset| Value::Metrics(default_metrics(&dataset))));
    /// Splits of the Inception score.
    SPLITS: u64 = "splits", whole(1, 1000).usually("10", |s| at_most_samples(s, 10)).used(Used::ByScores).flag("splits", "N");
    /// Bins along each axis of the histograms of symmetric_kl.
    BINS: u64 = "bins", whole(2, 1000).always(|| Value::count(50)).used(Used::ByScores).flag("bins", "N");
    /// These histograms cover [−range, range] on each axis.
    RANGE: f64 = "range", number(Range::above(0.0))
        .usually("4, or what holds all modes", |s| Some(Value::number(s.dataset().map_or(4.0, default_range))))
        .used(Used::ByScores).flag("range-2d", "X");
    /// Points a side of wasserstein, sliced_wasserstein and sinkhorn.
    WASSERSTEIN_SAMPLES: u64 = "wasserstein_samples", whole(1, 50_000)
        .usually("2048", |s| at_most_samples(s, 2048)).used(Used::ByScores).flag("wasserstein-samples", "N");
    /// Real samples that the other scores compare with.
    REAL_SAMPLES: u64 = "real_samples", whole(1, 10_000_000)
        .usually("`samples`", |s| s.get(&SAMPLES).map(Value::count)).used(Used::ByScores).flag("real-samples", "N");
    /// Directions of sliced_wasserstein.
    PROJECTIONS: u64 = "projections", whole(1, 100_000).always(|| Value::count(Score::PROJECTIONS.into()))
        .used(Used::ByScores).flag("projections", "N");
    /// Regularisation of sinkhorn, in data units.
    SINKHORN_REG: f64 = "sinkhorn_reg", number(Range::above(0.0)).always(|| Value::number(Score::SINKHORN_REG))
        .used(Used::ByScores).flag("reg", "EPS");
    /// Nearest neighbours of precision, recall, density and coverage.
    NEIGHBOURS: u64 = "k", whole(1, 1000).always(|| Value::count(Score::NEIGHBOURS.into()))
        .used(Used::ByScores).flag("k", "N");
    /// Samples that have to hit a mode or class for modes_covered to count it.
    AT_LEAST: u64 = "at_least", whole(1, 1_000_000).always(|| Value::count(1)).used(Used::ByScores).flag("at-least", "N");
    /// Width h of mmd's kernel exp(−‖x − y‖²/2h²), in units of the points or features.
    MMD_BANDWIDTH: f64 = "mmd_bandwidth", number(Range::above(0.0))
        .usually("the median distance of two real samples", |_| None)
        .used(Used::ByScores).flag("mmd-bandwidth", "H");
    /// What sees images: the classifier that this program brings along, the Inception network, or a classifier trained on the data set's
    /// own labels.
    CLASSIFIER: ScoringNetwork = "classifier", choice()
        .usually("shipped for MNIST and Fashion-MNIST, else inception", |s| {
            s.dataset().and_then(|dataset| ScoringNetwork::usual(&dataset)).map(Value::Network)
        })
        .used(Used::Where("a data set of images, with scores", |s| {
            s.any_scores() && s.dataset().is_some_and(|dataset| dataset.is_images())
        }))
        .flag("classifier", "NAME");
    /// Which of the generator's weights make the samples: their moving average, or those that train. Both are measured, of one training, by `grid: {weights: [ema, raw]}`.
    WEIGHTS: Weights = "weights", choice().always(|| Value::Weights(Weights::Ema))
        .used(Used::Where("`ema` or `ema_half_life` above 0", averages));
}
