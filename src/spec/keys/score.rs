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
use crate::value::SettingValue;

/// Returns `usual`, but at most the number of samples.
fn at_most_samples(settings: &Settings, usual: u64) -> Option<SettingValue> {
    Some(SettingValue::count(settings.get(&SAMPLES).map_or(usual, |samples| usual.min(samples))))
}

keys! { Score:
    /// Steps between scorings. The last step is always scored; with 0, only the last step is.
    EVERY: u64 = "every", whole(0, 1_000_000_000).always(|| SettingValue::count(0));
    /// Whether a sheet of samples is drawn only at the last step, or at all steps at which a job is scored. Does not
    /// affect scores.
    SHEETS: Sheets = "sheets", choice().always(|| SettingValue::Sheets(Sheets::default()))
        .used(Used::Where("`every` above 0", |s| s.get(&EVERY) != Some(0)));
    /// Number of generated samples to score.
    SAMPLES: u64 = "samples", whole(1, 1_000_000)
        .usually("10000, or 25600 for `mnist_1k`", |s| {
            // The number commonly used for a thousand modes.
            Some(SettingValue::count(if s.dataset() == Some(Dataset::Mnist1k) { 25_600 } else { 10_000 }))
        });
    /// The scores to compute; `[]` for none.
    METRICS: BTreeSet<Metric> = "metrics", metrics()
        .usually("those of the data set", |s| {
            s.dataset().map(|dataset| SettingValue::Metrics(default_metrics(&dataset)))
        });
    /// Splits of the Inception score.
    SPLITS: u64 = "splits", whole(1, 1000).usually("10", |s| at_most_samples(s, 10))
        .used(Used::ByScores).flag("splits", "N");
    /// Bins along each axis of the histograms of symmetric_kl.
    BINS: u64 = "bins", whole(2, 1000).always(|| SettingValue::count(50)).used(Used::ByScores).flag("bins", "N");
    /// The histograms of symmetric_kl cover [−range, range] on each axis.
    RANGE: f64 = "range", number(Range::above(0.0))
        .usually("4, or enough to contain all modes", |s| {
            Some(SettingValue::number(s.dataset().map_or(4.0, default_range)))
        })
        .used(Used::ByScores).flag("range-2d", "X");
    /// Points per side for wasserstein, sliced_wasserstein and sinkhorn.
    WASSERSTEIN_SAMPLES: u64 = "wasserstein_samples", whole(1, 50_000)
        .usually("2048", |s| at_most_samples(s, 2048)).used(Used::ByScores).flag("wasserstein-samples", "N");
    /// Real samples that the other scores compare with.
    REAL_SAMPLES: u64 = "real_samples", whole(1, 10_000_000)
        .usually("`samples`", |s| s.get(&SAMPLES).map(SettingValue::count))
        .used(Used::ByScores).flag("real-samples", "N");
    /// Directions of sliced_wasserstein.
    PROJECTIONS: u64 = "projections", whole(1, 100_000).always(|| SettingValue::count(Score::PROJECTIONS.into()))
        .used(Used::ByScores).flag("projections", "N");
    /// Regularisation of sinkhorn, in data units.
    SINKHORN_REG: f64 = "sinkhorn_reg", number(Range::above(0.0)).always(|| SettingValue::number(Score::SINKHORN_REG))
        .used(Used::ByScores).flag("reg", "EPS");
    /// Nearest neighbours of precision, recall, density and coverage.
    NEIGHBOURS: u64 = "k", whole(1, 1000).always(|| SettingValue::count(Score::NEIGHBOURS.into()))
        .used(Used::ByScores).flag("k", "N");
    /// Samples that must hit a mode or class for modes_covered to count it.
    AT_LEAST: u64 = "at_least", whole(1, 1_000_000).always(|| SettingValue::count(1))
        .used(Used::ByScores).flag("at-least", "N");
    /// Width h of mmd's kernel exp(−‖x − y‖²/2h²), in units of the points or features.
    MMD_BANDWIDTH: f64 = "mmd_bandwidth", number(Range::above(0.0))
        .usually("the median distance of two real samples", |_| None)
        .used(Used::ByScores).flag("mmd-bandwidth", "H");
    /// The network that scores images: the classifier that ships with this program, the Inception network, or a
    /// classifier trained on the data set's own labels.
    CLASSIFIER: ScoringNetwork = "classifier", choice()
        .usually("shipped for MNIST and Fashion-MNIST, else inception", |s| {
            s.dataset().and_then(|dataset| ScoringNetwork::usual(&dataset)).map(SettingValue::Network)
        })
        .used(Used::Where("a data set of images, with scores", |s| {
            s.any_scores() && s.dataset().is_some_and(|dataset| dataset.is_images())
        }))
        .flag("classifier", "NAME");
    /// Which of the generator's weights make the samples: their moving average, or the trained weights.
    /// `grid: {weights: [ema, raw]}` scores both from one training.
    WEIGHTS: Weights = "weights", choice().always(|| SettingValue::Weights(Weights::Ema))
        .used(Used::Where("`ema` or `ema_half_life` above 0", averages));
}
