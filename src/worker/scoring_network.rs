//! The network that scores the images of a data set: a shipped one, Inception, or a classifier trained on the data
//! set's own labels.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tch::Device;

use sweep_data::{Real, inception, regular, shared_folders};
use sweep_metrics::nets::augment::Augment;
use sweep_metrics::nets::classifier::{Classifier, Design, Examples};
use sweep_metrics::nets::inception::Inception;
use sweep_metrics::nets::train::{self, BATCH, Options, Progress};
use sweep_metrics::nets::{NetError, Network};
use sweep_numerics::random::{Permutation, Purpose, Stream};
use sweep_spec::dataset::Dataset;
use sweep_spec::scoring::ScoringNetwork;
use sweep_system::whole::{self, NewFile, Survives};

/// Increase it when the same labelled images would give a different classifier.
const RECIPE: u32 = 2;
/// Largest size of the classifier's weights, in bytes.
const WEIGHTS: u64 = 1 << 28;
/// The seed of its training.
const SEED: u64 = 1;
/// Largest number of batches, and of passes over the images.
const STEPS: u64 = 4000;
const PASSES: u64 = 20;
/// Images held out to measure the classifier's error: at most this many, and at most one in `SHARE`.
const HELD_OUT: usize = 5000;
const SHARE: usize = 10;

/// Why there is no scoring network for a data set.
#[derive(Debug, thiserror::Error)]
pub enum ScoringNetworkError {
    /// The network cannot be read or trained.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The weights of the Inception network.
    #[error(
        "the Inception network is not in {}: run `sweep data fetch inception`, name its file in SWEEP_INCEPTION, or \
         set `classifier: self`, which is trained on the data set's own labels",
        .0.display()
    )]
    Missing(PathBuf),
    /// `classifier: self`, but it is not trained yet.
    #[error(
        "the classifier trained on the labels of {dataset} is not in {}: \
         run `sweep data prepare FILE`, or `sweep run`, to train it",
        path.display()
    )]
    Untrained {
        /// The data set.
        dataset: &'static str,
        /// Where it should be.
        path: PathBuf,
    },
    /// The weights cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Opens the network that scores `dataset`, whose samples are `real`. The weights are in the program or under `root`. A
/// large network runs on `device`.
///
/// # Errors
///
/// If the weights are missing or damaged; the message says how to get them.
pub fn open(
    which: ScoringNetwork,
    dataset: &Dataset,
    real: &dyn Real,
    root: &Path,
    device: Device,
) -> Result<Network, ScoringNetworkError> {
    match which {
        ScoringNetwork::Shipped => Ok(Network::Classifier(Classifier::shipped(dataset)?)),
        ScoringNetwork::Inception => {
            let [channels, height, width] = *dataset.shape() else { return Err(NetError::None(dataset.name()).into()) };
            let path = inception::locate(root).ok_or_else(|| ScoringNetworkError::Missing(inception::home(root)))?;
            let network = Inception::read(&path, device).map_err(NetError::from)?;
            Ok(Network::Inception(network, [channels, height, width]))
        }
        ScoringNetwork::OwnLabels => {
            let examples = Labelled::of(dataset, real)?;
            let path = examples.path(root);
            let bytes = match regular::read(&path, WEIGHTS) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(ScoringNetworkError::Untrained { dataset: dataset.name(), path });
                }
                Err(source) => return Err(ScoringNetworkError::Io { path, source }),
            };
            let name = format!("self-{}", dataset.name());
            let design = Design { shape: examples.shape(), classes: examples.classes() };
            Ok(Network::Classifier(Classifier::read(&name, &bytes, design)?))
        }
    }
}

/// What [`train_classifier`] did.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedClassifier {
    /// The weights.
    pub path: PathBuf,
    /// Wrong answers on held-out images, and the number of these images.
    pub errors: (usize, usize),
}

/// Trains a classifier on the data set's own labels, unless there already is one under `root`.
///
/// # Errors
///
/// If there are no labels, or the weights cannot be written.
pub fn train_classifier(
    dataset: &Dataset,
    real: &dyn Real,
    root: &Path,
    progress: impl FnMut(Progress),
) -> Result<Option<TrainedClassifier>, ScoringNetworkError> {
    let examples = Labelled::of(dataset, real)?;
    let path = examples.path(root);
    let design = Design { shape: examples.shape(), classes: examples.classes() };
    match regular::read(&path, WEIGHTS).map(|bytes| Classifier::read("self", &bytes, design.clone())) {
        Ok(Ok(_)) => return Ok(None),
        Ok(Err(error)) => tracing::warn!("training the classifier in {} again: {error}", path.display()),
        Err(_) => {}
    }
    let refused = |source| ScoringNetworkError::Io { path: path.clone(), source };
    // Before training, so a folder that is not writable fails at once.
    fs::create_dir_all(shared_folders::classifiers(root)).map_err(refused)?;
    whole::sweep_up(&shared_folders::classifiers(root));
    let mut file = NewFile::beside(&path).map_err(refused)?;

    let order = Permutation::new(examples.count() as u32, &Stream::new(SEED, Purpose::Classifier, 0));
    let picks: Vec<u32> = (0..examples.count() as u32).map(|place| order.at(place)).collect();
    let (others, picks) = picks.split_at((picks.len() / SHARE).min(HELD_OUT));
    let steps = STEPS.min(PASSES * picks.len().div_ceil(BATCH) as u64);
    let augment = match dataset {
        Dataset::Mnist | Dataset::FashionMnist => Augment::DRAWINGS,
        Dataset::Gaussians(_)
        | Dataset::Toy(_)
        | Dataset::Mnist1k
        | Dataset::Cifar10
        | Dataset::Stl10
        | Dataset::Own(_) => Augment::PHOTOGRAPHS,
    };
    let note = format!("{}, seed {SEED}, {steps} steps, recipe {RECIPE}", dataset.name());
    let bytes = train::train(&examples, picks, &Options { note, seed: SEED, steps, augment }, progress)?;
    let design = Design { shape: examples.shape(), classes: examples.classes() };
    let errors =
        Classifier::read("self", &bytes, design)?.errors(&examples, others.iter().map(|&pick| pick as usize))?;
    file.write_all(&bytes).and_then(|()| file.put(Survives::PowerCut)).map_err(refused)?;
    let errors = (errors, others.len());
    Ok(Some(TrainedClassifier { path, errors }))
}

/// The images of a data set with their labels.
struct Labelled<'a> {
    dataset: Dataset,
    real: &'a dyn Real,
    shape: [usize; 3],
    classes: usize,
    content: String,
}

impl<'a> Labelled<'a> {
    fn of(dataset: &Dataset, real: &'a dyn Real) -> Result<Self, NetError> {
        let none = || NetError::Unlabelled(dataset.name().to_owned());
        let [channels, height, width] = *dataset.shape() else { return Err(none()) };
        let frequencies = real.label_frequencies().ok_or_else(none)?;
        let content = real.content().filter(|_| frequencies.len() > 1).ok_or_else(none)?;
        Ok(Labelled { dataset: *dataset, real, shape: [channels, height, width], classes: frequencies.len(), content })
    }

    /// The path of its classifier.
    fn path(&self, root: &Path) -> PathBuf {
        let name = format!("{}-{}-{RECIPE}.safetensors", self.dataset.name(), self.content);
        shared_folders::classifiers(root).join(name)
    }
}

impl Examples for Labelled<'_> {
    fn count(&self) -> usize {
        self.real.len().unwrap_or(0)
    }

    fn shape(&self) -> [usize; 3] {
        self.shape
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn read(&self, number: usize, pixels: &mut [u8]) -> usize {
        self.real.labelled(number, pixels).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_data::Idx;
    use sweep_data::{Images, Resident};
    use sweep_metrics::nets::unwatched;

    /// Photographs of two colours, with a little noise.
    fn coloured(n: usize) -> Resident {
        let mut noise = vec![0.0; n * 3072];
        Stream::new(4, Purpose::Reference, 0).fill_uniform(&mut noise);
        let labels: Vec<u8> = (0..n).map(|i| (i % 2) as u8).collect();
        let values = noise
            .iter()
            .enumerate()
            .map(|(at, noise)| {
                let (image, channel) = (at / 3072, at % 3072 / 1024);
                (noise * 60.0) as u8 + if channel == 2 * usize::from(labels[image]) { 150 } else { 0 }
            })
            .collect();
        Resident::new(Images::new(Idx { dims: vec![n, 3072], values }, Idx { dims: vec![n], values: labels }).unwrap())
    }

    #[test]
    fn a_classifier_is_trained_once_on_a_data_sets_own_labels() {
        let root = tempfile::tempdir().unwrap();
        let (real, dataset) = (coloured(200), Dataset::Cifar10);
        let open = || open(ScoringNetwork::OwnLabels, &dataset, &real, root.path(), Device::Cpu);
        let error = open().unwrap_err().to_string();
        assert!(error.contains("run `sweep data prepare FILE`"), "{error}");

        let mut last = None;
        let learnt = train_classifier(&dataset, &real, root.path(), |progress| last = Some(progress)).unwrap().unwrap();
        assert_eq!(last.map(|last| (last.step, last.steps)), Some((40, 40)));
        assert_eq!(learnt.errors, (0, 20));
        assert_eq!(train_classifier(&dataset, &real, root.path(), |_| ()).unwrap(), None, "it exists already");
        let network = open().unwrap();
        assert_eq!((network.name(), network.classes()), ("self-cifar10", 2));
        let outputs = network.run(&real.reference(50), &mut unwatched).unwrap();
        assert_eq!((outputs.logits.len(), outputs.features.size()), (100, vec![50, 128]));

        // Other images need another classifier.
        let others = coloured(210);
        assert!(matches!(
            super::open(ScoringNetwork::OwnLabels, &dataset, &others, root.path(), Device::Cpu),
            Err(ScoringNetworkError::Untrained { .. })
        ));
        let damaged = learnt.path;
        fs::write(&damaged, "nothing").unwrap();
        assert!(matches!(open(), Err(ScoringNetworkError::Net(_))));
        assert!(train_classifier(&dataset, &real, root.path(), |_| ()).unwrap().is_some(), "it is trained again");
        assert!(open().is_ok());
    }

    #[test]
    fn no_classifier_without_labels() {
        let points = sweep_data::Mixture::new(&sweep_spec::dataset::Gaussians::RING).unwrap();
        let root = tempfile::tempdir().unwrap();
        let error = train_classifier(&Dataset::Stl10, &points, root.path(), |_| ()).unwrap_err().to_string();
        assert!(error.starts_with("stl10 has no labels"), "{error}");
    }
}
