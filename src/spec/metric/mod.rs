//! Scores: what each of them is, described once. `table` has an entry for each; whatever is asked of a score but its value follows from
//! that entry, and the value is computed by a file of `metrics/`.

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

/// Which way a score improves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Larger is better.
    Higher,
    /// Smaller is better.
    Lower,
}

impl Direction {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        }
    }
}

/// What one of a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A pure number.
    Number,
    /// Of points, the unit of the data; of images, of the scoring network's features.
    Data,
    /// The square of that.
    SquaredData,
    /// Of information, by the natural logarithm.
    Nats,
    /// A part of a whole, from 0 to 1.
    Share,
    /// Whole numbers of modes or classes.
    Modes,
}

impl Unit {
    /// The words for it; empty for pure numbers.
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

/// All that there is to say of a score beside its formula.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The name in YAML, in the database and in reports.
    pub name: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    /// Which way it improves.
    pub better: Direction,
    /// What one of it is.
    pub unit: Unit,
    /// What it is made from.
    pub needs: Needs,
    /// The keys of `score:` that it reads, beside those that what it needs is made by: [`Metric::reads`] has both.
    pub keys: &'static [&'static Described],
    /// Samples a side that the formula takes at least; what it needs may take more: [`Metric::least_samples`].
    pub least: u64,
    /// Whether it draws at random (directions, subsets), so that its value follows a seed.
    pub draws: bool,
    /// Why values of each version but the first are other ones than those before. Another way to measure makes a version, so that samples as
    /// they come would give another value: values of two versions are not averaged. Digits that better arithmetic adds where there were few
    /// (`kid` with one feature of 10⁴ deviations was 3·10⁻⁴ off, `frechet` of rank 1 2·10⁻⁶, transport of samples that are all far from the
    /// origin more) are no other way to measure: of samples without such, values are the same to ten digits, and to part a sweep's seeds for
    /// them would tell a difference where there is none.
    pub changes: &'static [&'static str],
    /// What it takes, beside what it takes to make what it needs: [`together`] has both.
    pub cost: fn(&Sizes) -> Cost,
}

impl Metric {
    /// The name in YAML, in the database and in reports.
    pub fn name(self) -> &'static str {
        self.description().name
    }

    /// The score of this name.
    pub fn find(name: &str) -> Option<Metric> {
        Metric::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Which way it improves.
    pub fn better(self) -> Direction {
        self.description().better
    }

    /// What one of it is.
    pub fn unit(self) -> Unit {
        self.description().unit
    }

    /// What it is made from.
    pub fn needs(self) -> Needs {
        self.description().needs
    }

    /// Counts the ways in which it has been measured, from 1: see [`Description::changes`].
    pub fn version(self) -> u32 {
        self.description().changes.len() as u32 + 1
    }

    /// Whether the score is defined on this data set, images of which are seen by `network`.
    pub fn applies(self, dataset: &Dataset, network: Option<ScoringNetwork>) -> bool {
        Needs::of(dataset, network).contains(&self.needs())
    }

    /// Whether its value depends on this key of `score:`, where the samples are the same, and what sees them.
    pub fn reads(self, key: &Described) -> bool {
        self.description().keys.iter().chain(self.needs().keys()).any(|read| read.name == key.name)
    }

    /// Samples a side that it takes at least, where it looks at so many `neighbours`.
    pub fn least_samples(self, neighbours: u64) -> u64 {
        self.description().least.max(self.needs().least_samples(neighbours))
    }

    /// Whether its value follows a seed, whatever part of the samples it looks at.
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

    /// The order is that of tables, and of a job's canonical form, and so part of its id; the names are in databases.
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

    /// Of the scores that there were when this was written.
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
        let own = |shape| Dataset::Own(crate::own::Own { kind: crate::own::Kind::Npy, shape, content: None });
        let points = |dims| own(crate::own::Shape::Points([dims]));
        assert_eq!(all(&points(2), None), format!("{moved} symmetric_kl frechet kid {manifolds}"));
        for dims in [1, 3, 1200] {
            assert_eq!(all(&points(dims), None), format!("{moved} frechet kid {manifolds}"));
        }
        let classes = format!(
            "{moved} modes_covered inception_score mode_score mode_score_printed mode_score_reversed mode_kl frechet kid {manifolds}"
        );
        let images = own(crate::own::Shape::Image([3, 8, 8]));
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
