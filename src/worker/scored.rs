//! How a job is scored at a step, whoever asks.

use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::kit::{Kit, KitError};
use super::report::Report;
use sweep_metrics::nets::Watch;
use sweep_metrics::{self as metrics, MetricError, Scorer, Value};
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::blueprint;
use sweep_spec::dataset::Dataset;
use sweep_spec::id::JobId;
use sweep_wire::event::{Event, Score};
use sweep_wire::log::LogError;
use sweep_wire::order::Order;

/// How often a long scoring says how far it is.
const EVERY: Duration = Duration::from_secs(2);

/// What a scoring tells `report` how far it is with, and what ends it once `stop` is set.
pub(super) fn watch(report: &mut Report, stop: &AtomicBool) -> impl FnMut(usize, usize) -> ControlFlow<()> {
    let mut said = Instant::now();
    move |seen, all| {
        if stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        if said.elapsed() >= EVERY {
            said = Instant::now();
            // A log that cannot be written to ends it as well; whatever is logged next says why.
            if report.append(Event::Scoring { seen: seen as u64, all: all as u64 }).is_err() {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }
}

/// Scores what `sample` makes of the noise of this job, with this seed, at `step`, as is asked for: an [`Event::Scored`].
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

/// A way of scoring, and what does it.
pub(super) struct Scoring {
    pub(super) score: blueprint::Score,
    pub(super) scorer: Rc<Scorer>,
}

/// Gets ready to score samples of `dataset` as `order` says, and reports what a perfect generator scores.
pub(super) fn scorings<E: From<KitError> + From<LogError>>(
    order: &Order,
    dataset: &Dataset,
    report: &mut Report,
    kit: &mut Kit,
    stop: &AtomicBool,
) -> Result<Vec<Scoring>, E> {
    let Order { scores, data, device, .. } = order;
    kit.keep(dataset, data, scores);
    let mut scorings = Vec::new();
    for score in scores.iter().filter(|score| !score.metrics.is_empty()) {
        let mut watch = watch(report, stop);
        let scorer = kit.scorer(dataset, score, data, 0, *device, &mut watch)?;
        let perfect = kit.floor(dataset, score, data, &scorer, &mut watch)?;
        drop(watch);
        if let Some(floor) = floor(&perfect) {
            report.append(floor)?;
        }
        scorings.push(Scoring { score: score.clone(), scorer });
    }
    Ok(scorings)
}

/// What a perfect generator scores, as an event; none where that is not known.
pub(super) fn floor(scores: &[Score]) -> Option<Event> {
    (!scores.is_empty()).then(|| Event::Floor { scores: scores.to_vec() })
}

/// A score as events have it.
pub(super) fn score(Value { metric, value, std, protocol }: Value) -> Score {
    Score { metric: metric.into(), value, std, protocol, asked: None }
}
