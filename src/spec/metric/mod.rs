//! Scores, each described once. `table` has one entry per score, and everything but the value follows from it. The
//! values are computed in `metrics/`.

mod cost;
mod measure;
mod needs;
mod table;

pub use cost::{Cost, Sizes, together};
pub use measure::{Measure, is_name};
pub use needs::Needs;
pub use table::Metric;

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::keys::Described;
use super::scoring::ScoringNetwork;

/// The direction in which a score improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
}

impl Direction {
    /// Returns the direction as a word.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        }
    }
}

/// The unit of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A pure number.
    Number,
    /// The unit of the data for points, or of the scoring network's features for images.
    Data,
    /// The square of [`Unit::Data`].
    SquaredData,
    /// Information with the natural logarithm.
    Nats,
    /// A fraction from 0 to 1.
    Share,
    /// A whole number of modes or classes.
    Modes,
}

impl Unit {
    /// Returns the unit in words; empty for pure numbers.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Number => "",
            Unit::Data => "units of the points or features",
            Unit::SquaredData => "squared units of the points or features",
            Unit::Nats => "nats",
            Unit::Share => "share",
            Unit::Modes => "modes",
        }
    }
}

/// Everything about a score except its formula.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The name in YAML, in the database and in reports.
    pub name: &'static str,
    /// A description in one line.
    pub help: &'static str,
    /// The direction in which it improves.
    pub better: Direction,
    /// Its unit.
    pub unit: Unit,
    /// The data that it is computed from.
    pub needs: Needs,
    /// The keys of `score:` that the formula reads. What it needs reads further keys: [`Metric::reads`] covers both.
    pub keys: &'static [&'static Described],
    /// The fewest samples per side for the formula. What it needs may require more: [`Metric::least_samples`].
    pub least: u64,
    /// Whether it uses random numbers (directions, subsets), so that its value depends on a seed.
    pub draws: bool,
    /// Why each version after the first gives other values than the one before. A change that gives other values for
    /// ordinary samples makes a new version, and values of two versions are never averaged. Higher numerical precision
    /// does not make a new version: `kid` with one feature of 10⁴ deviations was 3·10⁻⁴ off, `frechet` of rank 1 was
    /// 2·10⁻⁶ off, and transport of samples far from the origin more. For ordinary samples, the values agree to ten
    /// digits, so separating the seeds of a sweep would show a difference where there is none.
    pub changes: &'static [&'static str],
    /// The cost of the formula, without making what it needs: [`together`] includes both.
    pub cost: fn(&Sizes) -> Cost,
}

impl Metric {
    /// Returns the name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// Returns the score with this name.
    pub fn find(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Returns the direction in which it improves.
    pub fn better(self) -> Direction {
        self.description().better
    }

    /// Returns its unit.
    pub fn unit(self) -> Unit {
        self.description().unit
    }

    /// Returns the data that it is computed from.
    pub fn needs(self) -> Needs {
        self.description().needs
    }

    /// Returns the version of its measurement, from 1: see [`Description::changes`].
    pub fn version(self) -> u32 {
        self.description().changes.len() as u32 + 1
    }

    /// Returns whether the score is defined on this data set, with `network` scoring its images.
    pub fn applies(self, dataset: &Dataset, network: Option<ScoringNetwork>) -> bool {
        Needs::of(dataset, network).contains(&self.needs())
    }

    /// Returns whether its value depends on this key of `score:`, for the same samples and scoring network.
    pub fn reads(self, key: &Described) -> bool {
        self.description().keys.iter().chain(self.needs().keys()).any(|read| read.name == key.name)
    }

    /// Returns the fewest samples per side that it needs with this number of `neighbours`.
    pub fn least_samples(self, neighbours: u64) -> u64 {
        self.description().least.max(self.needs().least_samples(neighbours))
    }

    /// Returns whether its value depends on a seed even for the same samples.
    pub fn draws(self) -> bool {
        self.description().draws
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::keys::Section;

    #[test]
    fn entries_are_whole_and_tell_each_other_apart() {
        for metric in Metric::ALL {
            let Description { name, help, keys, least, .. } = metric.description();
            assert_eq!(Metric::find(name), Some(metric));
            assert_eq!(serde_json::to_value(metric).unwrap(), *name);
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{name}");
            assert!(help.len() > 20 && !help.ends_with('.') && !help.contains('\n'), "{name}: {help}");
            assert!(*least >= 1, "{name}");
            for key in *keys {
                let implied = metric.needs().keys().iter().any(|implied| implied.name == key.name);
                assert!(key.section == Section::Score && !implied, "{name}: {key:?}");
            }
        }
        let different = |of: fn(Metric) -> &'static str| Metric::ALL.map(of).into_iter().collect::<BTreeSet<_>>().len();
        assert_eq!(different(Metric::name), Metric::ALL.len());
        assert_eq!(different(|metric| metric.description().help), Metric::ALL.len());
    }

    /// The order is that of tables and of a job's canonical form, so it is part of job ids. The names are in databases.
    #[test]
    fn names_and_their_order_stay() {
        let names = Metric::ALL.map(Metric::name);
        let first = [
            "wasserstein",
            "sliced_wasserstein",
            "sinkhorn",
            "symmetric_kl",
            "modes_covered",
            "high_quality",
            "inception_score",
            "mode_score",
            "mode_score_printed",
            "mode_score_reversed",
            "mode_kl",
            "frechet",
            "kid",
            "precision",
            "recall",
            "density",
            "coverage",
        ];
        assert_eq!(names[..first.len()], first);
        assert!(Metric::ALL.is_sorted());
    }

    #[test]
    fn the_page_on_scores_has_every_score_as_it_is() {
        let mut said = std::collections::BTreeMap::new();
        for line in include_str!("../../../docs/scores.md").lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            for name in cells[1].split(", ").map(|name| name.trim_matches('`')) {
                if let (Some(metric), "lower" | "higher") = (Metric::find(name), cells[2]) {
                    assert!(said.insert(metric, (cells[2], cells[3])).is_none(), "{name} twice");
                }
            }
        }
        for metric in Metric::ALL {
            assert_eq!(said.get(&metric), Some(&(metric.better().name(), metric.needs().name())), "{metric:?}");
        }
    }

    /// Covers the scores that existed when this test was written.
    #[test]
    fn what_is_defined_on_what() {
        use ScoringNetwork::{Inception, OwnLabels, Shipped};
        let all = |dataset: &Dataset, network| {
            let applies = |metric: &Metric| *metric <= Metric::Coverage && metric.applies(dataset, network);
            Metric::ALL.into_iter().filter(applies).map(Metric::name).collect::<Vec<_>>().join(" ")
        };
        let (moved, manifolds) = ("wasserstein sliced_wasserstein sinkhorn", "precision recall density coverage");
        let ring = Dataset::Gaussians(crate::dataset::Gaussians::RING);
        assert_eq!(
            all(&ring, None),
            format!("{moved} symmetric_kl modes_covered high_quality mode_kl frechet kid {manifolds}")
        );
        let own =
            |shape| Dataset::Own(crate::own_data::OwnData { kind: crate::own_data::Kind::Npy, shape, content: None });
        let points = |dims| own(crate::own_data::Shape::Points([dims]));
        assert_eq!(all(&points(2), None), format!("{moved} symmetric_kl frechet kid {manifolds}"));
        for dims in [1, 3, 1200] {
            assert_eq!(all(&points(dims), None), format!("{moved} frechet kid {manifolds}"));
        }
        let classes = format!(
            "{moved} modes_covered inception_score mode_score mode_score_printed mode_score_reversed mode_kl frechet \
            kid {manifolds}"
        );
        let images = own(crate::own_data::Shape::Image([3, 8, 8]));
        for (dataset, network) in [
            (Dataset::Mnist, Shipped),
            (Dataset::FashionMnist, Shipped),
            (Dataset::Cifar10, OwnLabels),
            (images, OwnLabels),
        ] {
            assert_eq!(all(&dataset, Some(network)), classes, "{dataset:?}");
        }
        for dataset in [Dataset::Mnist, Dataset::Cifar10, Dataset::Stl10, images] {
            assert_eq!(all(&dataset, Some(Inception)), format!("{moved} inception_score frechet kid {manifolds}"));
            assert_eq!(all(&dataset, None), "");
        }
        assert_eq!(
            all(&Dataset::Mnist1k, Some(Shipped)),
            format!("{moved} modes_covered mode_kl frechet kid {manifolds}")
        );
    }
}
