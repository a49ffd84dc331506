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
    /// How many samples hit each known mode or class.
    Hits,
    /// The same of modes that reach so far and no farther, so that samples may hit none.
    Modes,
}

impl Needs {
    /// What there is of samples of `dataset`, images of which are seen by `network`.
    pub fn of(dataset: &Dataset, network: Option<ScoringNetwork>) -> &'static [Needs] {
        use Needs::{Features, Hits, Labels, Modes, Neighbours, Part, Plane, Probabilities};
        match (dataset, network) {
            (Dataset::Gaussians(_), _) if dataset.is_plane() => &[Part, Features, Plane, Neighbours, Hits, Modes],
            (Dataset::Gaussians(_), _) => &[Part, Features, Neighbours, Hits, Modes],
            (Dataset::Toy(_), _) => &[Part, Features, Plane, Neighbours],
            (Dataset::Own(Own { shape: Shape::Points([2]), .. }), _) => &[Part, Features, Plane, Neighbours],
            (Dataset::Own(Own { shape: Shape::Points(_), .. }), _) => &[Part, Features, Neighbours],
            // Three digits an image, each seen by itself: its features are those of all three.
            (Dataset::Mnist1k, _) => &[Part, Features, Neighbours, Hits],
            (_, Some(ScoringNetwork::Shipped | ScoringNetwork::OwnLabels)) => {
                &[Part, Features, Neighbours, Probabilities, Labels, Hits]
            }
            // Probabilities of other classes.
            (_, Some(ScoringNetwork::Inception)) => &[Part, Features, Neighbours, Probabilities],
            (_, None) => &[],
        }
    }

    /// The words for it.
    pub fn name(self) -> &'static str {
        match self {
            Needs::Part | Needs::Features | Needs::Neighbours => "points, features",
            Needs::Plane => "points of the plane",
            Needs::Probabilities => "class probabilities",
            Needs::Labels => "class probabilities, label frequencies",
            Needs::Hits => "known modes or classes",
            Needs::Modes => "known modes",
        }
    }

    /// Whether it is of features of both sides, whatever these are features of.
    pub fn features(self) -> bool {
        match self {
            Needs::Part | Needs::Features | Needs::Neighbours => true,
            Needs::Plane | Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Modes => false,
        }
    }

    /// How many real samples it is made from, where they are scored as `score` says.
    pub fn real_samples(self, score: &Score) -> u32 {
        match self {
            Needs::Part => score.wasserstein_samples,
            Needs::Features | Needs::Plane | Needs::Neighbours => score.real(),
            Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Modes => 0,
        }
    }

    /// The keys of `score:` that it is made by, beside how many samples are generated.
    pub fn keys(self) -> &'static [&'static Described] {
        match self {
            Needs::Part => const { &[WASSERSTEIN_SAMPLES.described()] },
            Needs::Features | Needs::Plane => const { &[REAL_SAMPLES.described()] },
            Needs::Neighbours => const { &[REAL_SAMPLES.described(), NEIGHBOURS.described()] },
            Needs::Probabilities | Needs::Labels | Needs::Hits | Needs::Modes => &[],
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
            | Needs::Modes => 1,
        }
    }
}
