//! How a job is scored at a step, whoever asks.

use std::time::Instant;

use crate::metrics::{MetricError, Scorer, Value};
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
    let scores = scorer.score(&samples)?.into_iter().map(score).collect();
    Ok(Event::Scored { job, step, scores, seconds: start.elapsed().as_secs_f64() })
}

/// What a perfect generator scores, as an event; none where that is not known.
pub(super) fn floor(scores: &[Score]) -> Option<Event> {
    (!scores.is_empty()).then(|| Event::Floor { scores: scores.to_vec() })
}

/// A score as events have it.
pub(super) fn score(Value { metric, value, std, protocol }: Value) -> Score {
    Score { metric, value, std, protocol }
}
