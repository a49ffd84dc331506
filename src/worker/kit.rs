//! What the cohorts of one data set share: the real samples, and what scores compare with.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::data::{self, DataError, Real};
use crate::metrics::{MetricError, Reference, Scorer, reference_samples};
use crate::spec::blueprint::{Blueprint, Score};
use crate::spec::dataset::Dataset;

/// Why a data set or its scores can't be had. Trying again will not help.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// The real samples.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The scores.
    #[error(transparent)]
    Metric(#[from] MetricError),
}

/// The real samples and the scorer of the last order, kept for the next one.
#[derive(Default)]
pub struct Kit {
    data: Option<(Dataset, PathBuf, Arc<dyn Real>)>,
    scorer: Option<(Dataset, PathBuf, Score, Rc<Scorer>)>,
}

impl Kit {
    /// The real samples of `blueprint`, from the files under `root`.
    pub fn data(&mut self, blueprint: &Blueprint, root: &Path) -> Result<Arc<dyn Real>, KitError> {
        if let Some((dataset, from, real)) = &self.data
            && *dataset == blueprint.dataset
            && from == root
        {
            return Ok(Arc::clone(real));
        }
        let real: Arc<dyn Real> = data::open(&blueprint.dataset, root)?.into();
        self.data = Some((blueprint.dataset, root.to_owned(), Arc::clone(&real)));
        Ok(real)
    }

    /// The scorer of `blueprint`.
    pub fn scorer(&mut self, blueprint: &Blueprint, root: &Path) -> Result<Rc<Scorer>, KitError> {
        let (dataset, score) = (&blueprint.dataset, &blueprint.score);
        if let Some((of, from, by, scorer)) = &self.scorer
            && of == dataset
            && from == root
            && by == score
        {
            return Ok(Rc::clone(scorer));
        }
        let real = self.data(blueprint, root)?;
        let reference = Reference {
            samples: real.reference(reference_samples(dataset, score)),
            labels: real.labels().map(<[u8]>::to_vec),
            label_frequencies: real.label_frequencies(),
        };
        let scorer = Rc::new(Scorer::new(dataset, score, reference)?);
        self.scorer = Some((*dataset, root.to_owned(), score.clone(), Rc::clone(&scorer)));
        Ok(scorer)
    }
}
