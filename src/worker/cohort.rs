//! One order, from its first step to its last event.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::bench::BenchError;
use super::kit::{Kit, KitError};
use super::report::Report;
use super::scored::{floor, scored};
use super::setup::{PrecisionError, TURN, setup, started};
use super::sheet;
use crate::metrics::Scorer;
use crate::tensor::random::{Purpose, Stream};
use crate::train::checkpoint::{CheckpointError, Progress};
use crate::train::game::{Member, RealBatch};
use crate::train::health::Diverged;
use crate::train::trainer::Trainer;
use crate::wire::event::{Cause, Event, Outcome, Score};
use crate::wire::log::LogError;
use crate::wire::order::Order;

/// Samples on a sheet.
const SHEET_IMAGES: usize = 100;
/// Points on a sheet.
const SHEET_POINTS: usize = 2000;
/// Between two progress events.
const PROGRESS: Duration = Duration::from_millis(500);

/// Why a cohort could not go on.
#[derive(Debug, thiserror::Error)]
pub enum CohortError {
    /// Its data or its scores can't be had.
    #[error(transparent)]
    Kit(#[from] KitError),
    /// Its state can't be made durable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its log can't be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A score can't be computed.
    #[error(transparent)]
    Metric(#[from] crate::metrics::MetricError),
    /// A sample sheet can't be written.
    #[error(transparent)]
    Sheet(#[from] sheet::SheetError),
    /// It can't be computed here.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// Something else can't be written.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl From<BenchError> for CohortError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Data(error) => CohortError::Kit(KitError::Data(error)),
            BenchError::Precision(error) => CohortError::Precision(error),
        }
    }
}

/// A cohort in training.
struct Run<'a> {
    order: &'a Order,
    report: &'a mut Report,
    trainer: Trainer,
    scorer: Rc<Scorer>,
    floor: Rc<[Score]>,
    checkpoint: PathBuf,
    /// Training time of each member that still trains: its share of the cohort's, over all attempts.
    seconds: f64,
    /// What was due at the step that it goes on from has been scored.
    scored: bool,
}

/// Work done since the last progress event.
struct Shown {
    at: Instant,
    model_steps: usize,
    busy: Duration,
}

impl Shown {
    fn start() -> Self {
        Shown { at: Instant::now(), model_steps: 0, busy: Duration::ZERO }
    }

    fn add(&mut self, model_steps: usize, busy: Duration) {
        self.model_steps += model_steps;
        self.busy += busy;
    }

    fn is_due(&self) -> bool {
        self.at.elapsed() >= PROGRESS
    }

    /// Reports the rate of training alone, scoring left out.
    fn report(&mut self, report: &mut Report, step: u64) -> Result<(), CohortError> {
        if self.model_steps > 0 {
            let rate = self.model_steps as f64 / self.busy.as_secs_f64().max(1e-9);
            report.append(Event::Progress { step, rate })?;
        }
        *self = Shown::start();
        Ok(())
    }
}

/// Trains what `order` says until all members have ended, or until `stop` is set: then after a checkpoint.
pub fn train(order: &Order, report: &mut Report, kit: &mut Kit, stop: &AtomicBool) -> Result<Outcome, CohortError> {
    let setup = setup(&order.blueprint, order.device, order.threads)?;
    let samples = order.directory.join("samples");
    fs::create_dir_all(&samples).map_err(|source| CohortError::Io { path: samples, source })?;

    let real = kit.data(&order.blueprint.dataset, &order.data)?;
    let scorer = kit.scorer(&order.blueprint.dataset, &order.blueprint.score, &order.data, 0, order.device)?;
    let floor = kit.floor(&order.blueprint.dataset, &order.blueprint.score, &order.data, &scorer)?;
    let members: Vec<Member> = order
        .members
        .iter()
        .map(|member| Member { id: member.id, knobs: member.knobs.clone(), seed: member.seed })
        .collect();
    let batch: RealBatch = Arc::new(move |seed, index, out| real.batch(seed, index, out));
    let trainer = Trainer::new(&order.blueprint, members, batch, setup);
    let checkpoint = order.directory.join("checkpoint.safetensors");
    let mut run = Run { order, report, trainer, scorer, floor, checkpoint, seconds: 0.0, scored: false };
    if order.resume && run.checkpoint.exists() {
        match run.trainer.load(&run.checkpoint, order.cohort) {
            Ok(Progress { seconds, scored, .. }) => (run.seconds, run.scored) = (seconds, scored),
            // Training again from the start loses time; refusing would lose the job.
            Err(error) => tracing::warn!("starting over, since the checkpoint can't be used: {error}"),
        }
    }
    run.train(stop)
}

impl Run<'_> {
    fn train(&mut self, stop: &AtomicBool) -> Result<Outcome, CohortError> {
        let order = self.order;
        let (done, steps) = (self.trainer.steps(), order.blueprint.train.steps);
        self.report.append(started(done, order.device))?;
        if let Some(floor) = floor(&self.floor) {
            self.report.append(floor)?;
        }

        let scored = self.scored;
        let past = move |at: &u64| *at < done || (*at == done && scored);
        let mut score_steps = order.blueprint.score_steps().skip_while(past).peekable();
        let mut durable = Instant::now();
        let mut shown = Shown::start();
        let mut turns = 1;
        loop {
            let step = self.trainer.steps();
            if score_steps.next_if_eq(&step).is_some() {
                shown.report(self.report, step)?;
                if !self.score(stop)? {
                    self.save(false)?;
                    return Ok(Outcome::Stopped);
                }
            }
            if step == steps || self.trainer.members().is_empty() {
                return self.finish();
            }
            let stopping = stop.load(Ordering::Relaxed);
            let every = order.checkpoint_seconds;
            if stopping || (every > 0 && durable.elapsed().as_secs() >= every) {
                self.save(true)?;
                durable = Instant::now();
            }
            if stopping {
                return Ok(Outcome::Stopped);
            }

            let next = score_steps.peek().map_or(steps, |&at| at.min(steps));
            let turn = turns.min(next - step);
            let members = self.trainer.members().len();
            let start = Instant::now();
            let diverged = self.trainer.advance(turn);
            let spent = start.elapsed();
            self.seconds += spent.as_secs_f64() / members as f64;
            shown.add(members * turn as usize, spent);
            for Diverged { job, step, message } in diverged {
                self.report.append(Event::JobFailed { job, step, cause: Cause::Diverged, message })?;
            }
            if shown.is_due() {
                shown.report(self.report, self.trainer.steps())?;
            }
            turns = turn_length(turn, spent);
        }
    }

    /// Makes the state durable.
    fn save(&mut self, scored: bool) -> Result<(), CohortError> {
        self.trainer.save(&self.checkpoint, self.order.cohort, self.seconds, scored)?;
        self.report.append(Event::Checkpointed { step: self.trainer.steps() })?;
        Ok(())
    }

    /// Ends the members that have a reason to, as diverged.
    fn drop(&mut self, reasons: &[Option<String>]) -> Result<(), CohortError> {
        if reasons.iter().all(Option::is_none) {
            return Ok(());
        }
        let step = self.trainer.steps();
        for (member, reason) in self.trainer.members().iter().zip(reasons) {
            if let Some(message) = reason.clone() {
                self.report.append(Event::JobFailed { job: member.id, step, cause: Cause::Diverged, message })?;
            }
        }
        let keep: Vec<usize> = (0..reasons.len()).filter(|&k| reasons[k].is_none()).collect();
        self.trainer.retain(&keep);
        Ok(())
    }

    /// Scores every member that is well. Says whether it came to the end: `stop` is heeded between members.
    fn score(&mut self, stop: &AtomicBool) -> Result<bool, CohortError> {
        let reason = |healthy: bool| (!healthy).then(|| "a weight is not finite".to_owned());
        let reasons: Vec<_> = self.trainer.healthy().into_iter().map(reason).collect();
        self.drop(&reasons)?;
        if self.order.blueprint.score.metrics.is_empty() {
            return Ok(true);
        }

        let step = self.trainer.steps();
        for (k, member) in self.trainer.members().iter().enumerate() {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let n = self.order.blueprint.score.samples as usize;
            let sample = |noise: &Stream| Ok::<_, CohortError>(self.trainer.sample(k, noise, n));
            self.report.append(scored((member.id, member.seed), step, &self.scorer, sample)?)?;
        }
        Ok(true)
    }

    /// After the last step: sample sheets, the generators' weights, and the last events.
    fn finish(&mut self) -> Result<Outcome, CohortError> {
        let step = self.trainer.steps();
        let dataset = &self.order.blueprint.dataset;
        let count = if dataset.is_images() { SHEET_IMAGES } else { SHEET_POINTS };
        if !self.trainer.members().is_empty() {
            self.trainer.export_generators(&self.order.directory.join("generators.safetensors"))?;
        }
        for (k, member) in self.trainer.members().iter().enumerate() {
            let samples = self.trainer.sample(k, &Stream::new(0, Purpose::Sheet, 0), count);
            let path = format!("samples/{}.png", member.id);
            sheet::write(&self.order.directory.join(&path), dataset, &samples)?;
            self.report.append(Event::Sampled { job: member.id, step, path })?;
            self.report.append(Event::JobDone { job: member.id, step, seconds: self.seconds })?;
        }
        // Nothing will go on from it any more.
        match fs::remove_file(&self.checkpoint) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(CohortError::Io { path: self.checkpoint.clone(), source })
            }
            _ => Ok(Outcome::Finished),
        }
    }
}

/// How many steps the next turn should have when the last one had `steps` and took `spent`.
fn turn_length(steps: u64, spent: Duration) -> u64 {
    let fitting = steps as f64 * TURN.as_secs_f64() / spent.as_secs_f64().max(1e-9);
    // Not many times more at once: the first steps are not like the others.
    (fitting as u64).clamp(1, 8 * steps)
}
