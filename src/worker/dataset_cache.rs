//! What cohorts of the same data set share: the real samples and the scorers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::scoring;
use super::scoring_network::{self, ScoringNetworkError};
use super::setup::place;
use sweep_data::{DataError, Real, shared_folders};
use sweep_metrics::nets::{Network, Watch};
use sweep_metrics::{MetricError, Order, Reference, Scorer, reference_samples, statistics};
use sweep_plan::slot::Device;
use sweep_spec::blueprint::Score;
use sweep_spec::dataset::{Dataset, Gaussians};
use sweep_spec::metric::{Metric, Needs};
use sweep_spec::scoring::ScoringNetwork;
use sweep_spec::trainer::Reported;
use sweep_system::whole::{self, Survives};
use sweep_wire::event::Score as Scored;

/// Why a data set or its scores are not available. A retry does not help.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The real samples cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The scores cannot be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The scoring network is not available.
    #[error(transparent)]
    Network(#[from] ScoringNetworkError),
}

impl DatasetError {
    /// Whether the caller stopped it.
    pub fn is_stop(&self) -> bool {
        matches!(self, DatasetError::Metric(error) if error.is_stop())
    }
}

/// The real samples and the scorers of recent orders, kept for the next order.
#[derive(Default)]
pub struct DatasetCache {
    data: Option<(Dataset, PathBuf, Arc<dyn Real>)>,
    network: Option<(ScoringNetwork, Dataset, PathBuf, Rc<Network>)>,
    scorers: Vec<KnownScorer>,
}

/// A scorer and what it belongs to, with the scores of a perfect generator once they are known.
struct KnownScorer {
    dataset: Dataset,
    root: PathBuf,
    score: Score,
    seed: u64,
    scorer: Rc<Scorer>,
    /// The checksum of the network that reads the images.
    checksum: Option<String>,
    floor: Option<Rc<[Scored]>>,
}

impl DatasetCache {
    /// Returns the real samples of `dataset`, from the files under `root`.
    pub fn data(&mut self, dataset: &Dataset, root: &Path) -> Result<Arc<dyn Real>, DatasetError> {
        if let Some((of, from, real)) = &self.data
            && of == dataset
            && from == root
        {
            return Ok(Arc::clone(real));
        }
        let real: Arc<dyn Real> = sweep_data::open(dataset, root)?.into();
        self.data = Some((*dataset, root.to_owned(), Arc::clone(&real)));
        Ok(real)
    }

    /// Drops all scorers except those of `dataset` for these `scores`.
    pub fn keep(&mut self, dataset: &Dataset, root: &Path, scores: &[Score]) {
        self.scorers.retain(|known| known.dataset == *dataset && known.root == root && scores.contains(&known.score));
    }

    /// Returns the scorer for samples of `dataset` that `score` describes. Random choices follow `seed`; large networks
    /// run on `device`. `watch` receives the progress, and can stop the work.
    pub fn scorer(
        &mut self,
        dataset: &Dataset,
        score: &Score,
        root: &Path,
        seed: u64,
        device: Device,
        watch: &mut Watch,
    ) -> Result<Rc<Scorer>, DatasetError> {
        let wanted = (dataset, root, score, seed);
        let is_wanted =
            |known: &&KnownScorer| (&known.dataset, known.root.as_path(), &known.score, known.seed) == wanted;
        if let Some(known) = self.scorers.iter().find(is_wanted) {
            return Ok(Rc::clone(&known.scorer));
        }
        let real = self.data(dataset, root)?;
        let network = match score.network(dataset).filter(|_| !score.metrics.is_empty()) {
            Some(which) => Some(self.network(which, dataset, &*real, root, device)?),
            None => None,
        };
        let checksum = network.as_ref().map(|network| network.checksum().to_owned());
        let reference = Reference {
            samples: real.reference(reference_samples(dataset, score)),
            training: real.training().filter(|_| score.metrics.iter().any(of_training)).map(<[f32]>::to_vec),
            data: identity(dataset, &*real),
            label_frequencies: real.label_frequencies(),
            statistics: Some(shared_folders::statistics(root)),
        };
        let scorer = Rc::new(Scorer::new(dataset, score, network, reference, seed, watch)?);
        let (dataset, root, score) = (*dataset, root.to_owned(), score.clone());
        self.scorers.push(KnownScorer {
            dataset,
            root,
            score,
            seed,
            scorer: Rc::clone(&scorer),
            checksum,
            floor: None,
        });
        Ok(scorer)
    }

    /// Returns the scores of a perfect generator: those of real samples that `scorer` does not compare with. Empty if
    /// the data set has too few of them. Scores of images are saved under `root`.
    ///
    /// # Errors
    ///
    /// As [`DatasetCache::scorer`].
    pub fn floor(
        &mut self,
        dataset: &Dataset,
        score: &Score,
        root: &Path,
        scorer: &Rc<Scorer>,
        watch: &mut Watch,
    ) -> Result<Rc<[Scored]>, DatasetError> {
        let place = self.scorers.iter().position(|known| Rc::ptr_eq(&known.scorer, scorer));
        if let Some(floor) = place.and_then(|at| self.scorers[at].floor.as_ref()) {
            return Ok(Rc::clone(floor));
        }
        let real = self.data(dataset, root)?;
        let make = |watch: &mut Watch| -> Result<Vec<Scored>, DatasetError> {
            // No real samples are left besides a whole training set, unless the distribution is known: then the floor
            // of such a score is unknown.
            let has_others = |metric: &Metric| !of_training(metric) || dataset.is_drawn();
            let metrics = score.metrics.iter().copied().filter(has_others).collect();
            let compared = reference_samples(dataset, &Score { metrics, ..score.clone() });
            let others = real.others(score.samples as usize, compared).filter(|_| !score.metrics.is_empty());
            match others {
                Some(others) => {
                    let found = scorer.score(&others, Order::Random, watch)?;
                    Ok(found.into_iter().filter(|found| has_others(&found.metric)).map(scoring::score).collect())
                }
                None => Ok(Vec::new()),
            }
        };
        let checksum = place.and_then(|at| self.scorers[at].checksum.clone());
        let floor: Rc<[Scored]> = match checksum.zip(real.content()) {
            Some((checksum, content)) => {
                let score = Score { every: 0, reported: Reported::default(), ..score.clone() };
                let versions: Vec<u32> = score.metrics.iter().map(|metric| metric.version()).collect();
                let key = serde_json::json!([dataset, score, versions, checksum, content]).to_string();
                kept(&shared_folders::statistics(root), &key, watch, make)?.into()
            }
            None => make(watch)?.into(),
        };
        if let Some(at) = place {
            self.scorers[at].floor = Some(Rc::clone(&floor));
        }
        Ok(floor)
    }

    /// The scoring network of `dataset`, shared by all orders that ask for it.
    fn network(
        &mut self,
        which: ScoringNetwork,
        dataset: &Dataset,
        real: &dyn Real,
        root: &Path,
        device: Device,
    ) -> Result<Rc<Network>, DatasetError> {
        if let Some((known, of, from, network)) = &self.network
            && (*known, of, from.as_path()) == (which, dataset, root)
        {
            return Ok(Rc::clone(network));
        }
        let network = Rc::new(scoring_network::open(which, dataset, real, root, place(device))?);
        self.network = Some((which, *dataset, root.to_owned(), Rc::clone(&network)));
        Ok(network)
    }
}

/// Whether the metric compares with the whole training set.
fn of_training(metric: &Metric) -> bool {
    metric.needs() == Needs::Training
}

/// A short name of the data that scores compare with. It differs between mixtures, and between image sets of the same
/// name.
fn identity(dataset: &Dataset, real: &dyn Real) -> String {
    let of = match dataset {
        // Files with known checksums.
        Dataset::Mnist | Dataset::FashionMnist | Dataset::Mnist1k | Dataset::Stl10 => return dataset.name().to_owned(),
        // The same however many samples are trained on.
        Dataset::Gaussians(mixture) => serde_json::json!(Gaussians { limit: None, ..*mixture }).to_string(),
        Dataset::Toy(toy) => serde_json::json!(toy.endless()).to_string(),
        Dataset::Cifar10 | Dataset::Own(_) => real.content().unwrap_or_default(),
    };
    format!("{} {}", dataset.name(), &blake3::hash(of.as_bytes()).to_hex()[..8])
}

/// Returns the saved scores for `key` from `folder`, or computes and saves them with `make`. Waits for another process
/// that is computing them.
fn kept(
    folder: &Path,
    key: &str,
    watch: &mut Watch,
    make: impl FnOnce(&mut Watch) -> Result<Vec<Scored>, DatasetError>,
) -> Result<Vec<Scored>, DatasetError> {
    let path = folder.join(format!("floor-{}.json", &blake3::hash(key.as_bytes()).to_hex()[..32]));
    let digest = |scores: &str| blake3::hash(scores.as_bytes()).to_hex().to_string();
    // The first line is the checksum of the second.
    let read = || {
        let text = fs::read_to_string(&path).ok()?;
        let (checksum, scores) = text.split_once('\n')?;
        (checksum == digest(scores)).then(|| serde_json::from_str(scores).ok())?
    };
    if let Some(found) = read() {
        return Ok(found);
    }
    let _lock = statistics::lock(folder, watch).map_err(MetricError::from)?;
    if let Some(found) = read() {
        return Ok(found);
    }
    let made = make(watch)?;
    let write = || -> io::Result<()> {
        whole::sweep_up(folder);
        let scores = serde_json::to_string(&made)?;
        // If a power cut damages it, it is computed again.
        whole::write(&path, format!("{}\n{scores}", digest(&scores)).as_bytes(), Survives::Kill)
    };
    if let Err(error) = write() {
        tracing::warn!("scores of real images are not saved: cannot write {}: {error}", path.display());
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_metrics::nets::unwatched;
    use sweep_spec::metric::Metric;

    #[test]
    fn protocols_say_what_scores_compare_with() {
        let root = tempfile::tempdir().unwrap();
        let score = Score {
            samples: 50,
            wasserstein_samples: 20,
            metrics: [Metric::Wasserstein, Metric::Frechet].into(),
            ..Score::default()
        };
        let mut cache = DatasetCache::default();
        let mut protocols = |mixture, score: &Score| {
            let dataset = Dataset::Gaussians(mixture);
            let scorer = cache.scorer(&dataset, score, root.path(), 0, Device::Cpu, &mut unwatched).unwrap();
            let floor = cache.floor(&dataset, score, root.path(), &scorer, &mut unwatched).unwrap();
            assert_eq!(floor.len(), 2);
            scorer
                .score(&[0.0; 100], Order::Random, &mut unwatched)
                .unwrap()
                .into_iter()
                .map(|value| value.protocol)
                .collect::<Vec<_>>()
        };
        let (ring, grid) = (protocols(Gaussians::RING, &score), protocols(Gaussians::GRID, &score));
        assert_ne!(ring, grid);
        assert_eq!(ring, protocols(Gaussians { limit: Some(90), ..Gaussians::RING }, &score));
        assert_eq!(ring[1]["real"], 50);
        assert!(ring[0]["data"].as_str().unwrap().starts_with("gaussians "), "{ring:?}");
        // Fewer real samples than transport uses.
        let fewer = Score { real_samples: Some(10), ..score };
        assert_eq!(protocols(Gaussians::RING, &fewer)[1]["real"], 10);
    }

    /// Training draws differ from the draws that scores compare with, so a copy of the latter is not a copy.
    #[test]
    fn copies_of_training_draws_differ_from_new_samples() {
        let root = tempfile::tempdir().unwrap();
        let n = 2000;
        let dataset = Dataset::Gaussians(Gaussians { limit: Some(n), ..Gaussians::RING });
        // As many real samples as draws, so neighbours come from other draws.
        let metrics = [Metric::NnAccuracy, Metric::Authenticity].into();
        let score = Score { samples: n, real_samples: Some(n), metrics, ..Score::default() };
        let mut cache = DatasetCache::default();
        let scorer = cache.scorer(&dataset, &score, root.path(), 0, Device::Cpu, &mut unwatched).unwrap();
        let real = cache.data(&dataset, root.path()).unwrap();
        let authenticity = |samples: &[f32]| {
            let found = scorer.score(samples, Order::Random, &mut unwatched).unwrap();
            let found = found.into_iter().find(|found| found.metric == Metric::Authenticity).unwrap();
            assert_eq!(found.protocol["real"], n, "{:?}", found.protocol);
            found.value
        };
        let mut trained_on = vec![0.0; 2 * n as usize];
        real.batch(3, 5, &mut trained_on);
        assert_eq!(authenticity(&trained_on), 0.0);
        // The share for new samples in the plane, whatever their distribution (Pickard 1982), is 0.378; the tolerance
        // is five standard errors.
        for new in [real.reference(n as usize), real.others(n as usize, 0).unwrap()] {
            let share = authenticity(&new);
            assert!((share - 0.378).abs() < 0.055, "{share}");
        }
        let floor = cache.floor(&dataset, &score, root.path(), &scorer, &mut unwatched).unwrap();
        let floor = floor.iter().find(|score| score.metric == Metric::Authenticity).unwrap();
        assert_eq!(floor.value, authenticity(&real.others(n as usize, 0).unwrap()));
    }
}
