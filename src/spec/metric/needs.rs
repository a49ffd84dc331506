//! What a score is made from.

use crate::blueprint::Score;
use crate::dataset::Dataset;
use crate::keys::Described;
use crate::keys::score::{NEIGHBOURS, REAL_SAMPLES, WASSERSTEIN_SAMPLES};
use crate::own::{Own, Shape};
use crate::scoring::ScoringNetwork;

/// What a score is made from: made once for all scores that need it. Which data it is defined on, which real samples it compares with and
/// which keys it reads follow from this. Points are features of themselves; images have those of a scoring network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The features of a part of the samples: `wasserstein_samples` generated and as many real ones.
    Part,
    /// The features of all generated samples, and of `real_samples` real ones.
    Features,
    /// These, where they are points of the plane.
    Plane,
    /// The `k` nearest neighbours among these, on both sides.
    Neighbours,
    /// Probabilities of classes, whichever these are.
    Probabilities,
    /// Probabilities of the data set's own classes, and how frequent each of them is in the training set.
    Labels,
    /// The nearest neighbour of each sample among these, on either side.
    Nearest,
    /// The features of all generated samples, and of all training samples, of which there have to be so many and no more.
    Training,
    /// How many samples hit each known mode or class.
    Hits,
    /// The same, beside the share of the real samples that each has.
    Shares,
    /// The same of modes that reach so far and no farther, so that samples may hit none.
    Modes,
    /// The density that real samples are drawn from, in closed form.
    Density,
}

impl Needs {
    /// What there is of samples of `dataset`, images of which are seen by `network`.
    pub fn of(dataset: &Dataset, network: Option<ScoringNetwork>) -> Vec<Needs> {
        use Needs::{
            Density, Features, Hits, Labels, Modes, Nearest, Neighbours, Part, Plane, Probabilities, Shares, Training,
        };
        let mut there = match (dataset, network) {
            (Dataset::Gaussians(_), _) => vec![Part, Features, Neighbours, Nearest, Hits, Shares, Modes],
            (Dataset::Toy(_), _) | (Dataset::Own(Own { shape: Shape::Points(_), .. }), _) => {
                vec![Part, Features, Neighbours, Nearest]
            }
            // Three digits an image, each seen by itself: its features are those of all three.
            (Dataset::Mnist1k, _) => vec![Part, Features, Neighbours, Nearest, Hits, Shares],
            (_, Some(ScoringNetwork::Shipped | ScoringNetwork::OwnLabels)) => {
                vec![Part, Features, Neighbours, Nearest, Probabilities, Labels, Hits, Shares]
            }
            // Probabilities of other classes.
            (_, Some(ScoringNetwork::Inception)) => vec![Part, Features, Neighbours, Nearest, Probabilities],
            (_, None) => return Vec::new(),
        };
        let more = [(Plane, dataset.is_plane()), (Density, dataset.has_density()), (Training, dataset.is_finite())];
        there.extend(more.into_iter().filter_map(|(needs, is_there)| is_there.then_some(needs)));
        there
    }

    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Needs::Part | Needs::Features | Needs::Neighbours | Needs::Nearest => "points, features",
            Needs::Training => "points, features, all of the training set",
            Needs::Plane => "points of the plane",
            Needs::Probabilities => "class probabilities",
            Needs::Labels => "class probabilities, label frequencies",
            Needs::Hits => "known modes or classes",
            Needs::Shares => "known modes or classes, their true shares",
            Needs::Modes => "known modes",
            Needs::Density => "a known density",
        }
    }

    /// Whether it is of features of both sides, whatever these are features of.
    pub fn features(self) -> bool {
        match self {
            Needs::Part | Needs::Features | Needs::Neighbours | Needs::Nearest | Needs::Training => true,
            Needs::Plane | Needs::Probabilities | Needs::Labels => false,
            Needs::Hits | Needs::Shares | Needs::Modes | Needs::Density => false,
        }
    }

    /// How many real samples it is made from, where they are scored as `score` says; `u32::MAX`: all of them.
    pub fn real_samples(self, score: &Score) -> u32 {
        match self {
            Needs::Part => score.wasserstein_samples,
            Needs::Features | Needs::Plane | Needs::Neighbours | Needs::Nearest => score.real(),
            Needs::Training => u32::MAX,
            Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Shares | Needs::Modes | Needs::Density => 0,
        }
    }

    /// The keys of `score:` that it is made by, beside how many samples are generated.
    pub fn keys(self) -> &'static [&'static Described] {
        match self {
            Needs::Part => const { &[WASSERSTEIN_SAMPLES.described()] },
            Needs::Features | Needs::Plane | Needs::Nearest => const { &[REAL_SAMPLES.described()] },
            Needs::Neighbours => const { &[REAL_SAMPLES.described(), NEIGHBOURS.described()] },
            Needs::Training => &[],
            Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Shares | Needs::Modes | Needs::Density => &[],
        }
    }

    /// Samples a side that it takes at least, where it is of so many `neighbours`.
    pub fn least_samples(self, neighbours: u64) -> u64 {
        match self {
            // The k neighbours of a sample are others than itself.
            Needs::Neighbours => neighbours + 1,
            Needs::Part
            | Needs::Features
            | Needs::Plane
            | Needs::Probabilities
            | Needs::Labels
            | Needs::Hits
            | Needs::Shares
            | Needs::Modes
            | Needs::Density => 1,
            // That of a sample is another one.
            Needs::Nearest | Needs::Training => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{Gaussians, Layout, Toy};

    #[test]
    fn what_there_is_of_points() {
        let there = |dataset: Dataset, needs| Needs::of(&dataset, None).contains(&needs);
        let (ring, manifolds) = (Dataset::Gaussians(Gaussians::RING), Dataset::Gaussians(Gaussians::MANIFOLDS));
        let toy = Dataset::Toy(Toy::ALL[0]);
        for dataset in [ring, manifolds, toy] {
            for needs in [Needs::Part, Needs::Features, Needs::Neighbours, Needs::Nearest] {
                assert!(there(dataset, needs), "{needs:?} of {dataset:?}");
            }
            assert!(!there(dataset, Needs::Training) && !there(dataset, Needs::Labels), "{dataset:?}");
        }
        // A density where all coordinates have noise, in any number of dimensions.
        let whole = Layout::Manifolds { offsets: &[0.0, 1.0], noise_dims: 1200 };
        assert!(there(ring, Needs::Density) && there(Dataset::Gaussians(Gaussians::normal(7)), Needs::Density));
        assert!(there(Dataset::Gaussians(Gaussians::of(whole, 1.0, 1200)), Needs::Density));
        assert!(!there(manifolds, Needs::Density) && !there(toy, Needs::Density));
        assert!(there(manifolds, Needs::Shares) && !there(toy, Needs::Shares));
        assert!(there(ring, Needs::Plane) && there(toy, Needs::Plane) && !there(manifolds, Needs::Plane));
        // A training set where there are so many draws.
        let limited = Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.1, limit: Some(7) };
        assert!(there(Dataset::Toy(limited), Needs::Training));
        assert!(there(Dataset::Gaussians(Gaussians { limit: Some(9), ..Gaussians::RING }), Needs::Training));
    }
}
