//! How a job is scored at a step, whoever asks.

use std::time::Instant;

use crate::metrics::{MetricError, Scorer};
use crate::spec::id::JobId;
use crate::tensor::random::{Purpose, Stream};
use crate::wire::event::{Event, Score};

/// Scores what `sample` makes of the noise of this job, with this seed, at `step`: an [`Event::Scored`].
pub(super) fn scored<E: From<MetricError>>(
    (job, seed): (JobId, u64),
    step: u64,
    scorer: &Scorer,
    sample: impl FnOnce(&Stream) -> Result<Vec<f32>, E>,
) -> Result<Event, E> {
    let start = Instant::now();
    let samples = sample(&Stream::new(seed, Purpose::Score, step))?;
    let scores = scorer.score(&samples)?.into_iter();
    let scores = scores
        .map(|value| Score { metric: value.metric, value: value.value, std: value.std, protocol: value.protocol })
        .collect();
    Ok(Event::Scored { job, step, scores, seconds: start.elapsed().as_secs_f64() })
}
