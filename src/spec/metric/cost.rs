//! What scores cost: seconds on one core, and memory in addition to the samples and their features. Measured on a core
//! of an Intel Xeon with AVX-512, and right within a factor of about three, which is enough for planning.

use std::collections::BTreeSet;
use std::ops::Add;

use super::{Metric, Needs};
use crate::blueprint::Score;
use crate::dataset::Dataset;

/// Bytes of a float64.
const DOUBLE: f64 = 8.0;
/// Seconds to subtract two features and square the difference.
const DIFFERENCE: f64 = 6e-10;
/// Assumed size of a training set, which a plan does not know.
const TRAINING: f64 = 5e4;
/// Seconds per exponential of a squared distance.
const KERNEL: f64 = 6e-9;
/// Assumed number of classes of a classifier trained on the user's labels, which a plan does not know.
const CLASSES: usize = 10;

/// The sizes and settings that the cost of scoring follows from.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// The scoring parameters.
    pub score: &'a Score,
    /// Number of generated samples.
    pub samples: f64,
    /// Number of real samples that their features are compared with.
    pub real: f64,
    /// Number of samples on either side for optimal transport.
    pub part: f64,
    /// Features per sample.
    pub features: f64,
    /// Number of modes or classes.
    pub classes: f64,
}

impl<'a> Sizes<'a> {
    /// Returns the sizes for samples of `dataset`, scored as `score` says.
    pub fn new(dataset: &Dataset, score: &'a Score) -> Self {
        let (features, classes) = match score.network(dataset) {
            // The network evaluates each channel separately.
            Some(network) if *dataset == Dataset::Mnist1k => (3 * network.features(1), network.classes()),
            Some(network) => (network.features(dataset.shape()[0]), network.classes()),
            None => (dataset.features(), None),
        };
        Sizes {
            score,
            samples: score.samples.into(),
            real: score.real().into(),
            part: score.wasserstein_samples.into(),
            features: features as f64,
            classes: dataset.modes().max(classes).unwrap_or(CLASSES) as f64,
        }
    }
}

/// Time and memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Seconds on one core.
    pub seconds: f64,
    /// Peak bytes, in addition to the samples and what a scoring network computes from them.
    pub bytes: f64,
}

/// Costs of one computation after another: the seconds add up.
impl Add for Cost {
    type Output = Cost;

    fn add(self, other: Cost) -> Cost {
        Cost { seconds: self.seconds + other.seconds, bytes: self.bytes.max(other.bytes) }
    }
}

/// Returns what all of `metrics` cost: each score by itself, plus what they need, which is made once.
pub fn together(metrics: &BTreeSet<Metric>, sizes: &Sizes) -> Cost {
    let needs: BTreeSet<Needs> = metrics.iter().map(|metric| metric.needs()).collect();
    let shared = needs.into_iter().map(|needs| needs.cost(sizes));
    let own = metrics.iter().map(|metric| (metric.description().cost)(sizes));
    shared.chain(own).fold(Cost::default(), Cost::add)
}

impl Needs {
    /// Returns the cost of making it.
    fn cost(self, sizes: &Sizes) -> Cost {
        /// Seconds to look at one number.
        const LOOK: f64 = 2e-9;
        /// Seconds per class probability.
        const PROBABILITY: f64 = 2e-8;
        /// Seconds per pair of samples for finding the neighbours, in addition to the distance.
        const PAIR: f64 = 5e-9;
        /// Seconds per pair for finding only the nearest sample.
        const NEAREST: f64 = 4e-9;
        let &Sizes { samples, real, part, features, classes, .. } = sizes;
        let rows = |n: f64| Cost { seconds: LOOK * n * features, bytes: DOUBLE * n * features };
        match self {
            Needs::Part => rows(2.0 * part),
            Needs::Features | Needs::Plane => Cost { bytes: 0.0, ..rows(samples) },
            // Distances among real samples are computed once for all jobs; the rows are in memory twice.
            Needs::Neighbours => Cost {
                seconds: samples * (samples + real) * (PAIR + DIFFERENCE * features),
                ..rows(2.0 * (samples + real))
            },
            Needs::Nearest => Cost {
                seconds: samples * (samples + real) * (NEAREST + DIFFERENCE * features),
                ..rows(2.0 * (samples + real))
            },
            // Distances among training samples are computed once for all jobs.
            Needs::Training => Cost {
                seconds: samples * TRAINING * (NEAREST + DIFFERENCE * features),
                ..rows(2.0 * (samples + TRAINING))
            },
            // Overwrites the logits.
            Needs::Probabilities | Needs::Labels => Cost { seconds: PROBABILITY * samples * classes, bytes: 0.0 },
            Needs::Hits | Needs::Shares | Needs::Modes => {
                Cost { seconds: LOOK * samples * classes, bytes: DOUBLE * classes }
            }
            Needs::Density => Cost { seconds: PROBABILITY * samples * classes, bytes: DOUBLE * (samples + classes) },
        }
    }
}

/// Nothing beyond the cost of [`Needs`].
pub(super) fn nothing_more(_: &Sizes) -> Cost {
    Cost::default()
}

/// One look at each number.
pub(super) fn of_probabilities(sizes: &Sizes) -> Cost {
    Cost { seconds: 2e-8 * sizes.samples * sizes.classes, bytes: 0.0 }
}

/// Exact transport: each pair of points is visited several times, more often the more points there are. With more than
/// two features, distances are stored.
pub(super) fn wasserstein(sizes: &Sizes) -> Cost {
    let pairs = sizes.part * sizes.part;
    let seconds = pairs * (0.3 / (2048.0 * 2048.0) + DIFFERENCE * sizes.features);
    Cost { seconds, bytes: if sizes.features > 2.0 { DOUBLE * pairs } else { 0.0 } }
}

/// Sorts both sides along each direction.
pub(super) fn sliced(sizes: &Sizes) -> Cost {
    let directions = f64::from(sizes.score.projections);
    let seconds = directions * sizes.part * (2e-4 / 2048.0 + 3e-9 * sizes.features);
    Cost { seconds, bytes: 4.0 * DOUBLE * sizes.part }
}

/// All distances and the plan. The number of iterations depends on the regularisation relative to the distances.
pub(super) fn sinkhorn(sizes: &Sizes) -> Cost {
    let pairs = sizes.part * sizes.part;
    let seconds = pairs * (3.0 / (2048.0 * 2048.0) + DIFFERENCE * sizes.features);
    Cost { seconds, bytes: 2.0 * DOUBLE * pairs }
}

/// Two histograms.
pub(super) fn histograms(sizes: &Sizes) -> Cost {
    let cells = f64::from(sizes.score.bins).powi(2) + 1.0;
    Cost { seconds: 1e-8 * sizes.samples + 2e-8 * cells, bytes: 2.0 * DOUBLE * cells }
}

/// A triangular factor of the generated features (the real ones' is kept), and the singular values of its product with
/// the other.
pub(super) fn frechet(sizes: &Sizes) -> Cost {
    let &Sizes { samples, features, .. } = sizes;
    let block = samples.min(4096.0) + features;
    let seconds = 2e-10 * samples * features.powi(2) + 1e-10 * features.powi(3);
    Cost { seconds, bytes: 4.0 * DOUBLE * block * features }
}

/// A kernel per pair of generated samples, and per generated and real sample. Pairs of real samples are computed once
/// for all jobs.
pub(super) fn mmd(sizes: &Sizes) -> Cost {
    let &Sizes { samples, real, features, .. } = sizes;
    let pairs = samples * (samples + real);
    Cost { seconds: pairs * (KERNEL + DIFFERENCE * features), bytes: 3.0 * DOUBLE * (samples + real) * features }
}

/// A hundred subsets of a thousand samples, or one subset if both sides have no more.
pub(super) fn kid(sizes: &Sizes) -> Cost {
    let &Sizes { samples, real, features, .. } = sizes;
    let size = samples.min(real).min(1000.0);
    let subsets = if samples == real && samples <= 1000.0 { 1.0 } else { 100.0 };
    let pairs = 3.0 * size * size;
    Cost { seconds: subsets * pairs * (7e-9 + 4e-11 * features), bytes: 3.0 * DOUBLE * size * (size + features) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Gaussians;
    use crate::scoring::ScoringNetwork;

    /// Every score costs some time, and never less with more samples. Together with others, it costs no more than by
    /// itself.
    #[test]
    fn no_score_is_free() {
        let score = |samples: u32| Score { samples, wasserstein_samples: samples.min(2048), ..Score::default() };
        for metric in Metric::ALL {
            let mut defined = 0;
            for (dataset, network) in [
                (Dataset::Gaussians(Gaussians::RING), None),
                (Dataset::Mnist, None),
                (Dataset::Mnist1k, None),
                (Dataset::Cifar10, Some(ScoringNetwork::Inception)),
                (Dataset::Cifar10, Some(ScoringNetwork::OwnLabels)),
            ] {
                let of = |metrics: &BTreeSet<Metric>, samples| {
                    let score = Score { network, ..score(samples) };
                    together(metrics, &Sizes::new(&dataset, &score))
                };
                let seen = network.or(ScoringNetwork::usual(&dataset));
                if !metric.applies(&dataset, seen) {
                    continue;
                }
                defined += 1;
                let alone = |samples| of(&[metric].into(), samples);
                let (few, many) = (alone(100), alone(10_000));
                assert!(few.seconds > 0.0 && many.seconds > 2.0 * few.seconds, "{metric:?}: {few:?} {many:?}");
                assert!(many.bytes >= few.bytes && many.bytes < 16e9, "{metric:?}: {few:?} {many:?}");
                let others: BTreeSet<Metric> =
                    Metric::ALL.into_iter().filter(|m| m.applies(&dataset, seen) && *m != metric).collect();
                let (rest, all) = (of(&others, 10_000), of(&others.iter().copied().chain([metric]).collect(), 10_000));
                assert!(all.seconds >= rest.seconds && all.seconds <= (rest + many).seconds * 1.000_001, "{metric:?}");
            }
            assert!(defined > 0, "{metric:?} is of no data");
        }
    }

    #[test]
    fn what_looks_at_neighbours_is_counted_once_whichever_is_asked_for() {
        let (dataset, score) = (Dataset::Gaussians(Gaussians::RING), Score::default());
        let sizes = Sizes::new(&dataset, &score);
        let looks: BTreeSet<Metric> = Metric::ALL.into_iter().filter(|m| m.needs() == Needs::Neighbours).collect();
        let all = together(&looks, &sizes);
        // 2 · 10⁸ pairs.
        assert!((0.5..3.0).contains(&all.seconds), "{all:?}");
        for metric in looks {
            assert_eq!(together(&[metric].into(), &sizes), all, "{metric:?}");
        }
    }
}
