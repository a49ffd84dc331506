//! Published figures, to stand beside ours.
//!
//! Those of other authors' runs, with networks and training of their own: for orientation, never for a test.

use sweep_figure::format;
use sweep_spec::metric::{Measure, Metric};

/// Where a figure was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Read in the paper, its authors' code or another public source.
    Verified,
    /// Recalled or told.
    Unverified,
}

/// One published figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Published {
    dataset: &'static str,
    metric: Metric,
    objective: &'static str,
    value: Value,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Value {
    Alone(f64),
    Mean(f64, f64),
    Range(f64, f64),
}

/// Data sets and objectives go by the names that they have in sweep files. All from Nguyen et al. 2017 and what it compares with.
const PUBLISHED: [Published; 23] = {
    use Metric::{InceptionScore, ModeKl, ModeScore, ModesCovered};
    use Source::{Unverified, Verified};
    [
        // Figure 3: where most of D2GAN's MODE scores lie, over the whole grid of networks.
        of("mnist", ModeScore, "d2gan", Value::Range(8.0, 9.0), Unverified),
        // Table 1.
        of("mnist_1k", ModesCovered, "gan", Value::Mean(628.0, 140.9), Verified),
        of("mnist_1k", ModesCovered, "unrolled", Value::Mean(817.4, 37.9), Verified),
        of("mnist_1k", ModesCovered, "reg_gan", Value::Mean(955.5, 18.7), Unverified),
        of("mnist_1k", ModesCovered, "d2gan", Value::Mean(1000.0, 0.0), Unverified),
        of("mnist_1k", ModeKl, "gan", Value::Mean(2.58, 0.75), Verified),
        of("mnist_1k", ModeKl, "unrolled", Value::Mean(1.43, 0.12), Verified),
        of("mnist_1k", ModeKl, "reg_gan", Value::Mean(0.64, 0.05), Unverified),
        of("mnist_1k", ModeKl, "d2gan", Value::Mean(0.08, 0.01), Unverified),
        // Table 2.
        of("cifar10", InceptionScore, "wgan", Value::Mean(3.82, 0.06), Verified),
        of("cifar10", InceptionScore, "improved_gan", Value::Mean(4.36, 0.04), Verified),
        of("cifar10", InceptionScore, "ali", Value::Mean(5.34, 0.05), Verified),
        of("cifar10", InceptionScore, "began", Value::Alone(5.62), Verified),
        of("cifar10", InceptionScore, "magan", Value::Alone(5.67), Verified),
        // As DCGAN.
        of("cifar10", InceptionScore, "gan", Value::Mean(6.40, 0.05), Verified),
        of("cifar10", InceptionScore, "d2gan", Value::Mean(7.15, 0.07), Verified),
        of("cifar10", InceptionScore, "dfm", Value::Mean(7.72, 0.13), Unverified),
        of("stl10", InceptionScore, "gan", Value::Alone(7.54), Unverified),
        of("stl10", InceptionScore, "d2gan", Value::Alone(7.98), Unverified),
        of("stl10", InceptionScore, "dfm", Value::Alone(8.51), Unverified),
        of("imagenet32", InceptionScore, "gan", Value::Alone(7.89), Unverified),
        of("imagenet32", InceptionScore, "d2gan", Value::Alone(8.25), Unverified),
        of("imagenet32", InceptionScore, "dfm", Value::Alone(9.18), Unverified),
    ]
};

const fn of(dataset: &'static str, metric: Metric, objective: &'static str, value: Value, source: Source) -> Published {
    Published { dataset, metric, objective, value, source }
}

/// The published figure for an objective's metric on a data set.
pub(super) fn find(dataset: &str, metric: Measure, objective: &str) -> Option<Published> {
    let is = |published: &&Published| {
        (published.dataset, Measure::Known(published.metric), published.objective) == (dataset, metric, objective)
    };
    PUBLISHED.iter().find(is).copied()
}

impl Published {
    /// `7.15 ± 0.07`, or `8.00–9.00 (unverified)`.
    pub(super) fn text(&self) -> String {
        let value = match self.value {
            Value::Alone(value) => format::number(value),
            Value::Mean(mean, std) => format::mean(mean, Some(std)),
            Value::Range(low, high) => format!("{}–{}", format::number(low), format::number(high)),
        };
        match self.source {
            Source::Verified => value,
            Source::Unverified => format!("{value} (unverified)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_checked_says_so() {
        let text = |dataset, metric: Metric| find(dataset, metric.into(), "d2gan").unwrap().text();
        assert_eq!(text("mnist", Metric::ModeScore), "8.00–9.00 (unverified)");
        assert_eq!(text("cifar10", Metric::InceptionScore), "7.15 ± 0.07");
        assert_eq!(find("mnist", Metric::ModeScore.into(), "lsgan"), None);
    }
}
