//! New scores of finished jobs, from their saved generators or samples.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use super::dataset_cache::{DatasetCache, DatasetError};
use super::own::samples::{LeftError, of_job};
use super::scoring::{floor, scored};
use super::serve::text_of;
use super::setup::{PrecisionError, setup};
use sweep_metrics::MetricError;
use sweep_metrics::nets::Watch;
use sweep_numerics::random::Stream;
use sweep_plan::slot::Device;
use sweep_spec::blueprint::{BuiltIn, OwnTrainer, Score};
use sweep_spec::id::JobId;
use sweep_tensor::message::without_frames;
use sweep_train::checkpoint::Renamed;
use sweep_train::error::CheckpointError;
use sweep_train::generators::Generators;
use sweep_wire::event::Event;
use sweep_wire::home::job_folder;
use sweep_wire::log::LogError;

/// Jobs of one cohort, and how to score them.
#[derive(Clone, Copy, Debug)]
pub struct Rescoring<'a> {
    /// Where their samples come from.
    pub source: Source<'a>,
    /// Which scores, and how.
    pub score: &'a Score,
    /// The jobs and their seeds.
    pub jobs: &'a [(JobId, u64)],
    /// The folder of data sets.
    pub data: &'a Path,
    /// The device to compute on.
    pub device: Device,
    /// Number of CPU threads.
    pub threads: u32,
}

/// Where samples of jobs come from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The generators that training saved.
    Generators {
        /// The blueprint of the jobs.
        blueprint: &'a BuiltIn,
        /// The file.
        file: &'a Path,
        /// Current ids of jobs that have older ids in the file.
        renamed: &'a Renamed,
    },
    /// Samples that a trainer of your own saved.
    Left {
        /// The trainer.
        own: &'a OwnTrainer,
        /// The folder with the folders of its jobs.
        jobs: &'a Path,
    },
}

/// Why jobs cannot be scored again.
#[derive(Debug, thiserror::Error)]
pub enum RescoreError {
    /// Their data or scores are not available.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Their generators cannot be read.
    #[error(transparent)]
    Generators(#[from] CheckpointError),
    /// The samples that a trainer of your own saved cannot be used.
    #[error(transparent)]
    Samples(#[from] LeftError),
    /// A score cannot be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// The device does not support the precision.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// libtorch failed, for example because memory ran out.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl RescoreError {
    fn is_stop(&self) -> bool {
        match self {
            RescoreError::Dataset(error) => error.is_stop(),
            RescoreError::Metric(error) => error.is_stop(),
            RescoreError::Generators(_)
            | RescoreError::Samples(_)
            | RescoreError::Precision(_)
            | RescoreError::Log(_)
            | RescoreError::Torch(_) => false,
        }
    }
}

/// Scores each job from the samples that training would have scored at the last step, and passes an [`Event::Scored`]
/// for it to `report`. `watch` receives the progress of each job, and can stop the work. Returns whether it finished.
///
/// # Errors
///
/// If data, generators or scores are not available, or `report` fails.
pub fn rescore(
    work: &Rescoring,
    cache: &mut DatasetCache,
    watch: &mut Watch,
    report: &mut dyn FnMut(Event) -> Result<(), LogError>,
) -> Result<bool, RescoreError> {
    // libtorch reports errors as panics.
    match panic::catch_unwind(AssertUnwindSafe(|| score(work, cache, watch, report))) {
        Ok(Err(error)) if error.is_stop() => Ok(false),
        Ok(result) => result,
        Err(panic) => Err(RescoreError::Torch(without_frames(&text_of(panic)))),
    }
}

fn score(
    work: &Rescoring,
    cache: &mut DatasetCache,
    watch: &mut Watch,
    report: &mut dyn FnMut(Event) -> Result<(), LogError>,
) -> Result<bool, RescoreError> {
    let &Rescoring { source, score, jobs, device, .. } = work;
    let (dataset, step) = match source {
        Source::Generators { blueprint, .. } => (&blueprint.dataset, blueprint.train.steps),
        // Nothing can be scored without real samples.
        Source::Left { own, .. } => match &own.dataset {
            Some(dataset) => (dataset, own.steps),
            None => return Ok(true),
        },
    };
    cache.keep(dataset, work.data, std::slice::from_ref(score));
    let scorer = cache.scorer(dataset, score, work.data, 0, device, watch)?;
    let perfect = cache.floor(dataset, score, work.data, &scorer, watch)?;
    if let Some(floor) = floor(&perfect) {
        report(floor)?;
    }
    let samples = score.samples as usize;
    match source {
        Source::Generators { blueprint, file, renamed } => {
            let setup = setup(blueprint, device, work.threads)?;
            let mut generators = Generators::open(file, blueprint, setup, renamed)?;
            for &(job, seed) in jobs {
                let sample =
                    |noise: &Stream| Ok::<_, RescoreError>(generators.sample(job, score.weights, noise, samples)?);
                report(scored((job, seed), step, (score, &scorer), watch, sample)?)?;
            }
        }
        Source::Left { jobs: folder, .. } => {
            for &(job, seed) in jobs {
                let sample = |_: &Stream| Ok::<_, RescoreError>(of_job(&job_folder(folder, job), dataset, samples)?);
                report(scored((job, seed), step, (score, &scorer), watch, sample)?)?;
            }
        }
    }
    Ok(true)
}
