//! What a score is computed from.

use crate::blueprint::Score;
use crate::dataset::Dataset;
use crate::keys::Described;
use crate::keys::score::{NEIGHBOURS, REAL_SAMPLES, WASSERSTEIN_SAMPLES};
use crate::own_data::{OwnData, Shape};
use crate::scoring::ScoringNetwork;

/// What a score is computed from. It is made once for all scores that need it, and determines the data sets a score is
/// defined on, the real samples it compares with and the keys it reads. Points are their own features; images have the
/// features of a scoring network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// The features of `wasserstein_samples` generated and as many real samples.
    Part,
    /// The features of all generated samples and of `real_samples` real ones.
    Features,
    /// The same, for points in the plane.
    Plane,
    /// The `k` nearest neighbours among these, on both sides.
    Neighbours,
    /// Class probabilities from any classifier.
    Probabilities,
    /// Probabilities of the data set's own classes, and the class frequencies in the training set.
    Labels,
    /// The nearest neighbour of each sample among these, on either side.
    Nearest,
    /// The features of all generated and all training samples. The training set must be finite.
    Training,
    /// How many samples hit each known mode or class.
    Hits,
    /// The same, plus the share of real samples in each mode or class.
    Shares,
    /// The same for modes with a limited extent, so that samples may hit none.
    Modes,
    /// The density of the real samples in closed form.
    Density,
}

impl Needs {
    /// Returns what is available for samples of `dataset`, with `network` scoring its images.
    pub fn of(dataset: &Dataset, network: Option<ScoringNetwork>) -> Vec<Needs> {
        use Needs::{
            Density, Features, Hits, Labels, Modes, Nearest, Neighbours, Part, Plane, Probabilities, Shares, Training,
        };
        let mut there = match (dataset, network) {
            (Dataset::Gaussians(_), _) => vec![Part, Features, Neighbours, Nearest, Hits, Shares, Modes],
            (Dataset::Toy(_), _) | (Dataset::Own(OwnData { shape: Shape::Points(_), .. }), _) => {
                vec![Part, Features, Neighbours, Nearest]
            }
            // Three digits per image, each scored separately; the image's features are those of all three.
            (Dataset::Mnist1k, _) => vec![Part, Features, Neighbours, Nearest, Hits, Shares],
            (_, Some(ScoringNetwork::Shipped | ScoringNetwork::OwnLabels)) => {
                vec![Part, Features, Neighbours, Nearest, Probabilities, Labels, Hits, Shares]
            }
            // Probabilities of other classes than the data set's.
            (_, Some(ScoringNetwork::Inception)) => vec![Part, Features, Neighbours, Nearest, Probabilities],
            (_, None) => return Vec::new(),
        };
        let more = [(Plane, dataset.is_plane()), (Density, dataset.has_density()), (Training, dataset.is_finite())];
        there.extend(more.into_iter().filter_map(|(needs, is_there)| is_there.then_some(needs)));
        there
    }

    /// Returns it in words.
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

    /// Returns whether it uses features of both sides.
    pub fn features(self) -> bool {
        match self {
            Needs::Part | Needs::Features | Needs::Neighbours | Needs::Nearest | Needs::Training => true,
            Needs::Plane | Needs::Probabilities | Needs::Labels => false,
            Needs::Hits | Needs::Shares | Needs::Modes | Needs::Density => false,
        }
    }

    /// Returns how many real samples it uses if scored as `score` says; `u32::MAX`: all of them.
    pub fn real_samples(self, score: &Score) -> u32 {
        match self {
            Needs::Part => score.wasserstein_samples,
            Needs::Features | Needs::Plane | Needs::Neighbours | Needs::Nearest => score.real(),
            Needs::Training => u32::MAX,
            Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Shares | Needs::Modes | Needs::Density => 0,
        }
    }

    /// Returns the keys of `score:` that it depends on, in addition to the number of generated samples.
    pub fn keys(self) -> &'static [&'static Described] {
        match self {
            Needs::Part => const { &[WASSERSTEIN_SAMPLES.described()] },
            Needs::Features | Needs::Plane | Needs::Nearest => const { &[REAL_SAMPLES.described()] },
            Needs::Neighbours => const { &[REAL_SAMPLES.described(), NEIGHBOURS.described()] },
            Needs::Training => &[],
            Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Shares | Needs::Modes | Needs::Density => &[],
        }
    }

    /// Returns the fewest samples per side that it needs with this number of `neighbours`.
    pub fn least_samples(self, neighbours: u64) -> u64 {
        match self {
            // A sample is not its own neighbour.
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
            // A sample is not its own nearest neighbour.
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
        // There is a density if all coordinates have noise, in any number of dimensions.
        let whole = Layout::Manifolds { offsets: &[0.0, 1.0], noise_dims: 1200 };
        assert!(there(ring, Needs::Density) && there(Dataset::Gaussians(Gaussians::normal(7)), Needs::Density));
        assert!(there(Dataset::Gaussians(Gaussians::of(whole, 1.0, 1200)), Needs::Density));
        assert!(!there(manifolds, Needs::Density) && !there(toy, Needs::Density));
        assert!(there(manifolds, Needs::Shares) && !there(toy, Needs::Shares));
        assert!(there(ring, Needs::Plane) && there(toy, Needs::Plane) && !there(manifolds, Needs::Plane));
        // There is a training set if the number of draws is limited.
        let limited = Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.1, limit: Some(7) };
        assert!(there(Dataset::Toy(limited), Needs::Training));
        assert!(there(Dataset::Gaussians(Gaussians { limit: Some(9), ..Gaussians::RING }), Needs::Training));
    }
}
