//! New scores of jobs that are done, from the generators, or the samples, that they left.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use super::kit::{Kit, KitError};
use super::own::samples::{LeftError, of_job};
use super::scored::{floor, scored};
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

/// Jobs of one cohort, and how they are to be scored.
#[derive(Clone, Copy, Debug)]
pub struct Rescoring<'a> {
    /// What makes their samples.
    pub source: Source<'a>,
    /// Which scores, and how.
    pub score: &'a Score,
    /// The jobs with their seeds.
    pub jobs: &'a [(JobId, u64)],
    /// Where the data sets are.
    pub data: &'a Path,
    /// Where to compute.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
}

/// Where samples of jobs are from.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// The generators that training left.
    Generators {
        /// What the jobs share.
        blueprint: &'a BuiltIn,
        /// The file.
        file: &'a Path,
        /// What jobs are called that the file may call otherwise.
        renamed: &'a Renamed,
    },
    /// Samples that a trainer of the user's own has left.
    Left {
        /// The trainer.
        own: &'a OwnTrainer,
        /// The folder of what it keeps of its jobs.
        jobs: &'a Path,
    },
}

/// Why jobs cannot be scored anew.
#[derive(Debug, thiserror::Error)]
pub enum RescoreError {
    /// Their data or their scores can't be had.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// Their generators can't be had.
    #[error(transparent)]
    Generators(#[from] CheckpointError),
    /// The samples that a trainer of the user's own has left can't be used.
    #[error(transparent)]
    Samples(#[from] LeftError),
    /// A score can't be computed.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// They can't be computed here.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// The log can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// libtorch gave up: out of memory, for one.
    #[error("libtorch: {0}")]
    Torch(String),
}

impl RescoreError {
    fn is_stop(&self) -> bool {
        match self {
            RescoreError::Kit(error) => error.is_stop(),
            RescoreError::Metric(error) => error.is_stop(),
            RescoreError::Generators(_)
            | RescoreError::Samples(_)
            | RescoreError::Precision(_)
            | RescoreError::Log(_)
            | RescoreError::Torch(_) => false,
        }
    }
}

/// Scores each job from the samples that training would have scored at the last step, and hands an [`Event::Scored`] for it to `report`.
/// `watch` is told how far the scoring of each job is, and may end it all; says whether it came to the end.
///
/// # Errors
///
/// Where data, generators or scores can't be had, and what `report` says.
pub fn rescore(
    work: &Rescoring,
    kit: &mut Kit,
    watch: &mut Watch,
    report: &mut dyn FnMut(Event) -> Result<(), LogError>,
) -> Result<bool, RescoreError> {
    // libtorch's errors are panics.
    match panic::catch_unwind(AssertUnwindSafe(|| score(work, kit, watch, report))) {
        Ok(Err(error)) if error.is_stop() => Ok(false),
        Ok(result) => result,
        Err(panic) => Err(RescoreError::Torch(without_frames(&text_of(panic)))),
    }
}

fn score(
    work: &Rescoring,
    kit: &mut Kit,
    watch: &mut Watch,
    report: &mut dyn FnMut(Event) -> Result<(), LogError>,
) -> Result<bool, RescoreError> {
    let &Rescoring { source, score, jobs, device, .. } = work;
    let (dataset, step) = match source {
        Source::Generators { blueprint, .. } => (&blueprint.dataset, blueprint.train.steps),
        // Without real samples there is nothing to score.
        Source::Left { own, .. } => match &own.dataset {
            Some(dataset) => (dataset, own.steps),
            None => return Ok(true),
        },
    };
    kit.keep(dataset, work.data, std::slice::from_ref(score));
    let scorer = kit.scorer(dataset, score, work.data, 0, device, watch)?;
    let perfect = kit.floor(dataset, score, work.data, &scorer, watch)?;
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
