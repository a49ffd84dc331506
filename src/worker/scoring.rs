//! Scores a job at a step.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::dataset_cache::{DatasetCache, DatasetError};
use super::report::Report;
use sweep_metrics::nets::Watch;
use sweep_metrics::{self as metrics, MetricError, ScoreValue, Scorer};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::blueprint;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::JobId;
use sweep_wire::event::{Event, Score};
use sweep_wire::log::LogError;
use sweep_wire::order::Order;

/// How often a long scoring reports its progress.
const EVERY: Duration = Duration::from_secs(2);

/// Returns a callback that passes the progress of a scoring to `report`, and ends the scoring once `stop` is set.
pub(super) fn watch(report: &mut Report, stop: &AtomicBool) -> impl FnMut(usize, usize) -> ControlFlow<()> {
    let mut reported = Instant::now();
    move |seen, all| {
        if stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        if reported.elapsed() >= EVERY {
            reported = Instant::now();
            // A log that cannot be written also ends the scoring; the next event reports the error.
            if report.append(Event::Scoring { seen: seen as u64, all: all as u64 }).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Scores the samples that `sample` makes from the noise of this job and `seed` at `step`, and returns an
/// [`Event::Scored`].
pub(super) fn scored<E: From<MetricError>>(
    (job, seed): (JobId, u64),
    step: u64,
    (asked, scorer): (&blueprint::Score, &Scorer),
    watch: &mut Watch,
    sample: impl FnOnce(&Stream) -> Result<Vec<f32>, E>,
) -> Result<Event, E> {
    let start = Instant::now();
    let samples = sample(&Stream::new(seed, Purpose::Score, step))?;
    let scores = scorer.score(&samples, metrics::Order::Random, watch)?.into_iter();
    let scores = scores.map(|value| Score { asked: Some(asked.asked(value.metric)), ..score(value) }).collect();
    Ok(Event::Scored { job, step, scores, seconds: start.elapsed().as_secs_f64() })
}

/// A kind of scores to compute, and its scorer.
pub(super) struct Scoring {
    pub(super) score: blueprint::Score,
    pub(super) scorer: Rc<Scorer>,
}

/// Prepares the scorers of samples of `dataset` that `order` asks for, and reports the scores of a perfect generator.
pub(super) fn scorings<E: From<DatasetError> + From<LogError>>(
    order: &Order,
    dataset: &Dataset,
    report: &mut Report,
    cache: &mut DatasetCache,
    stop: &AtomicBool,
) -> Result<Vec<Scoring>, E> {
    let Order { scores, data, device, .. } = order;
    cache.keep(dataset, data, scores);
    let mut scorings = Vec::new();
    for score in scores.iter().filter(|score| !score.metrics.is_empty()) {
        let mut watch = watch(report, stop);
        let scorer = cache.scorer(dataset, score, data, 0, *device, &mut watch)?;
        let perfect = cache.floor(dataset, score, data, &scorer, &mut watch)?;
        drop(watch);
        if let Some(floor) = floor(&perfect) {
            report.append(floor)?;
        }
        scorings.push(Scoring { score: score.clone(), scorer });
    }
    Ok(scorings)
}

/// The event with the scores of a perfect generator; `None` if they are not known.
pub(super) fn floor(scores: &[Score]) -> Option<Event> {
    (!scores.is_empty()).then(|| Event::Floor { scores: scores.to_vec() })
}

/// Converts a score to its form in events.
pub(super) fn score(ScoreValue { metric, value, std, protocol }: ScoreValue) -> Score {
    Score { metric: metric.into(), value, std, protocol, asked: None }
}
