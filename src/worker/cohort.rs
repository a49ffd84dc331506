//! Trains the jobs of one order, from the first step to the last event.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::bench::BenchError;
use super::dataset_cache::{DatasetCache, DatasetError};
use super::inbox::Inbox;
use super::pending_losses::Pending;
use super::report::Report;
use super::scoring::{Scoring, scored, scorings, watch};
use super::setup::{PrecisionError, TURN, setup, started};
use super::sheet;
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::blueprint::BuiltIn;
use sweep_spec::id::JobId;
use sweep_system::whole;
use sweep_train::checkpoint::{Progress, Source};
use sweep_train::error::CheckpointError;
use sweep_train::game::{Member, RealBatch};
use sweep_train::health::Diverged;
use sweep_train::trainer::Trainer;
use sweep_wire::event::{Cause, Event, Outcome};
use sweep_wire::home::{self, RunFolder};
use sweep_wire::log::LogError;
use sweep_wire::order::Order;

/// Images on a sample sheet.
const SHEET_IMAGES: usize = 100;
/// Points on a sample sheet.
const SHEET_POINTS: usize = 2000;
/// Time between two progress events.
const PROGRESS: Duration = Duration::from_millis(500);

/// Why a cohort cannot continue.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CohortError {
    /// Its data or its scores are not available.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// Its checkpoint cannot be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its log cannot be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A score cannot be computed.
    #[error(transparent)]
    Metric(#[from] sweep_metrics::MetricError),
    /// A sample sheet cannot be written.
    #[error(transparent)]
    Sheet(#[from] sheet::SheetError),
    /// The device does not support the precision.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// Another version planned it.
    #[error(
        "the order has revision {revision} of `{objective}`, and this worker trains another: \
         orchestrator and worker must be the same version of sweep"
    )]
    Revision {
        /// The objective.
        objective: &'static str,
        /// The revision in the order.
        revision: u32,
    },
    /// Another file or folder cannot be written or removed.
    #[error("{path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl CohortError {
    pub(super) fn is_stop(&self) -> bool {
        match self {
            CohortError::Dataset(error) => error.is_stop(),
            CohortError::Metric(error) => error.is_stop(),
            CohortError::Checkpoint(_)
            | CohortError::Log(_)
            | CohortError::Sheet(_)
            | CohortError::Precision(_)
            | CohortError::Revision { .. }
            | CohortError::Io { .. } => false,
        }
    }
}

impl From<BenchError> for CohortError {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Data(error) => CohortError::Dataset(DatasetError::Data(error)),
            BenchError::Precision(error) => CohortError::Precision(error),
        }
    }
}

/// A cohort in training.
struct Run<'a> {
    order: &'a Order,
    /// What the orchestrator asks for during training.
    inbox: Inbox<'a>,
    blueprint: &'a BuiltIn,
    report: &'a mut Report,
    trainer: Trainer,
    folder: RunFolder,
    /// Training time of each member that still trains: its share of the cohort's time, over all attempts.
    seconds: f64,
    /// How many members are already scored at this step.
    scored: usize,
    /// Losses that are not yet in the log.
    pending: Pending,
    /// When the last checkpoint was written.
    durable: Instant,
}

/// Work since the last progress event.
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

    /// Reports the training rate, without the time for scoring.
    fn report(&mut self, report: &mut Report, step: u64) -> Result<(), CohortError> {
        if self.model_steps > 0 {
            let rate = self.model_steps as f64 / self.busy.as_secs_f64().max(1e-9);
            report.append(Event::Progress { step, rate })?;
        }
        *self = Shown::start();
        Ok(())
    }
}

/// Trains the jobs of `order`, all of `blueprint`, until all members have ended. If `stop` is set, it writes a
/// checkpoint and returns early.
pub(crate) fn train(
    (order, blueprint): (&Order, &BuiltIn),
    report: &mut Report,
    cache: &mut DatasetCache,
    stop: &AtomicBool,
) -> Result<Outcome, CohortError> {
    let BuiltIn { objective, revision, .. } = *blueprint;
    if !blueprint.is_current() {
        return Err(CohortError::Revision { objective: objective.name(), revision });
    }
    let setup = setup(blueprint, order.device, order.threads)?;
    let run = RunFolder::at(order.directory.clone());
    let samples = run.samples();
    fs::create_dir_all(&samples).map_err(|source| CohortError::Io { path: samples, source })?;

    let real = cache.data(&blueprint.dataset, &order.data)?;
    let members: Vec<Member> = order
        .members
        .iter()
        .map(|member| Member { id: member.id, parameters: member.parameters.clone(), seed: member.seed })
        .collect();
    let batch: RealBatch = Arc::new(move |seed, index, out| real.batch(seed, index, out));
    let mut trainer = Trainer::new(blueprint, members, batch, setup);
    trainer.trace();
    let (folder, inbox, pending, durable) = (run, Inbox::of(order), Pending::default(), Instant::now());
    let mut run = Run { order, inbox, blueprint, report, trainer, folder, seconds: 0.0, scored: 0, pending, durable };
    let warning = run.resume();
    run.inbox.check();
    run.remove_members()?;
    run.report.append(started(run.trainer.steps(), order.device))?;
    if let Some(message) = warning {
        run.report.append(Event::Warning { message })?;
    }
    if run.trainer.members().is_empty() {
        return run.finish();
    }
    let scorings = match scorings::<CohortError>(order, &blueprint.dataset, run.report, cache, stop) {
        Err(error) if error.is_stop() => return Ok(Outcome::Stopped),
        scorings => scorings?,
    };
    run.train(&scorings, stop)
}

impl Run<'_> {
    /// Continues from the newest usable checkpoint: its own, or one of the cohorts that its members were in before.
    /// Returns a warning if a checkpoint is damaged.
    fn resume(&mut self) -> Option<String> {
        let Order { cohort, resume, ref parents, ref without, .. } = *self.order;
        let own = if resume { vec![(self.folder.checkpoint(), cohort)] } else { Vec::new() };
        let before = parents.iter().map(|parent| (parent.checkpoint.clone(), parent.cohort)).collect();
        let (renamed, in_parents) = (self.order.renamed(), self.order.in_parents());
        let longer = self.order.members.iter().any(|member| member.after.is_some());
        let mut damaged: Vec<String> = Vec::new();
        for (newest, is_own) in [(own, true), (before, false)] {
            let previous = newest.iter().map(|(path, of)| (home::previous(path), *of)).collect();
            for files in [newest, previous] {
                // If it cannot be checked whether a file exists, the reader below reports why.
                if !files.iter().any(|(path, _)| fs::exists(path).unwrap_or(true)) {
                    continue;
                }
                let sources: Vec<Source> =
                    files.iter().map(|(path, cohort)| Source { path, cohort: *cohort }).collect();
                let loaded = match &sources[..] {
                    [own] if is_own => self.trainer.load(own.path, own.cohort, &renamed),
                    parents => self.trainer.load_parts(parents, without, &in_parents),
                };
                match loaded {
                    Ok(Progress { step, seconds, scored }) => {
                        // A shorter training scored this step as its last one. Here it is an ordinary step.
                        let scored = if longer && !is_own { 0 } else { scored };
                        (self.seconds, self.scored) = (seconds, scored);
                        let earlier = format!("training goes on from an earlier checkpoint, at step {step}");
                        return (!damaged.is_empty()).then(|| format!("{}; {earlier}", damaged.join("; ")));
                    }
                    Err(error) => damaged.push(error.to_string()),
                }
            }
        }
        // Starting over costs time; refusing would cost the jobs.
        (!damaged.is_empty()).then(|| format!("{}; training starts over", damaged.join("; ")))
    }

    /// Checks the inbox and removes the members that the orchestrator no longer wants.
    fn check_inbox(&mut self) -> Result<(), CohortError> {
        if self.inbox.check() { self.remove_members() } else { Ok(()) }
    }

    /// Removes members that are no longer wanted. Their collected losses are reported, as at a stop.
    fn remove_members(&mut self) -> Result<(), CohortError> {
        let members = self.trainer.members();
        let (gone, keep): (Vec<usize>, Vec<usize>) =
            (0..members.len()).partition(|&k| self.inbox.is_removed(members[k].id));
        if gone.is_empty() {
            return Ok(());
        }
        gone.into_iter().try_for_each(|k| self.pending.report_of(members[k].id, self.report))?;
        self.scored = keep.iter().filter(|&&k| k < self.scored).count();
        self.trainer.retain(&keep);
        Ok(())
    }

    fn train(&mut self, scorings: &[Scoring], stop: &AtomicBool) -> Result<Outcome, CohortError> {
        let order = self.order;
        let (done, steps) = (self.trainer.steps(), self.blueprint.train.steps);
        let until = order.until.map_or(steps, |until| until.min(steps));
        // Weights are checked at these steps too, whatever is scored, and always at the last step.
        let at: BTreeSet<u64> =
            order.scores.iter().flat_map(|score| score.at(steps)).chain([steps]).filter(|at| *at >= done).collect();
        let mut score_steps = at.into_iter().peekable();
        let mut shown = Shown::start();
        let mut turns = 1;
        loop {
            self.check_inbox()?;
            let step = self.trainer.steps();
            if score_steps.next_if_eq(&step).is_some() {
                shown.report(self.report, step)?;
                if !self.score(scorings, stop)? {
                    self.save()?;
                    return Ok(Outcome::Stopped);
                }
            }
            if step == steps || self.trainer.members().is_empty() {
                return self.finish();
            }
            let stopping = stop.load(Ordering::Relaxed);
            if stopping || step >= until || self.is_due() {
                self.save()?;
            }
            if step >= until {
                return Ok(Outcome::Reached);
            }
            if stopping {
                return Ok(Outcome::Stopped);
            }

            let next = score_steps.peek().map_or(until, |&at| at.min(until));
            let turn = turns.min(next - step);
            let members = self.trainer.members().len();
            let start = Instant::now();
            let diverged = self.trainer.advance(turn);
            self.scored = 0;
            let spent = start.elapsed();
            self.seconds += spent.as_secs_f64() / members as f64;
            shown.add(members * turn as usize, spent);
            self.pending.add(self.trainer.points());
            for Diverged { job, step, message } in diverged {
                self.pending.report_of(job, self.report)?;
                self.report.append(Event::JobFailed { job, step, cause: Cause::Diverged, message })?;
            }
            if shown.is_due() {
                shown.report(self.report, self.trainer.steps())?;
            }
            turns = turn_length(turn, spent);
        }
    }

    /// Whether the next checkpoint is due.
    fn is_due(&self) -> bool {
        let every = self.order.checkpoint_seconds;
        every > 0 && self.durable.elapsed().as_secs() >= every
    }

    /// Writes a checkpoint. Losses up to here are reported first, because training that continues from it does not
    /// report them again.
    fn save(&mut self) -> Result<(), CohortError> {
        self.pending.report(self.report)?;
        self.report.sync()?;
        let Run { folder, order, seconds, scored, .. } = self;
        self.trainer.save(&folder.checkpoint(), Some(&folder.previous()), order.cohort, *seconds, *scored)?;
        self.report.append(Event::Checkpointed { step: self.trainer.steps() })?;
        self.durable = Instant::now();
        Ok(())
    }

    /// Ends the members that have a reason, as diverged.
    fn drop(&mut self, reasons: &[Option<String>]) -> Result<(), CohortError> {
        if reasons.iter().all(Option::is_none) {
            return Ok(());
        }
        let step = self.trainer.steps();
        for (member, reason) in self.trainer.members().iter().zip(reasons) {
            if let Some(message) = reason.clone() {
                self.pending.report_of(member.id, self.report)?;
                self.report.append(Event::JobFailed { job: member.id, step, cause: Cause::Diverged, message })?;
            }
        }
        let keep: Vec<usize> = (0..reasons.len()).filter(|&k| reasons[k].is_none()).collect();
        self.trainer.retain(&keep);
        Ok(())
    }

    /// Scores each healthy member that is not yet scored at this step, and draws its samples if they are due. Returns
    /// whether it finished before `stop`.
    fn score(&mut self, scorings: &[Scoring], stop: &AtomicBool) -> Result<bool, CohortError> {
        let reason = |healthy: bool| (!healthy).then(|| "a weight is not finite".to_owned());
        let reasons: Vec<_> = self.trainer.healthy().into_iter().map(reason).collect();
        self.drop(&reasons)?;
        let (step, steps) = (self.trainer.steps(), self.blueprint.train.steps);
        let due: Vec<&Scoring> = scorings.iter().filter(|scoring| scoring.score.is_at(step, steps)).collect();
        // The last sheet is drawn at the end.
        let drawn = step < steps && self.order.scores.iter().any(|score| score.draws_at(step, steps));
        // Losses come before scores in the log, however often a checkpoint was written on the way: rules read both in
        // this order.
        self.pending.report(self.report)?;
        while let Some(member) = self.trainer.members().get(self.scored).filter(|_| drawn || !due.is_empty()) {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            // A member counts as scored once all scorings are done.
            for Scoring { score, scorer } in &due {
                if stop.load(Ordering::Relaxed) {
                    return Ok(false);
                }
                let n = score.samples as usize;
                let sample =
                    |noise: &Stream| Ok::<_, CohortError>(self.trainer.sample(self.scored, score.weights, noise, n));
                let mut watch = watch(self.report, stop);
                let scored = scored((member.id, member.seed), step, (score, scorer), &mut watch, sample);
                drop(watch);
                match scored {
                    Err(error) if error.is_stop() => return Ok(false),
                    scored => self.report.append(scored?)?,
                }
            }
            if drawn {
                self.draw(self.scored, member.id, RunFolder::sheet_at(member.id, step))?;
            }
            self.scored += 1;
            if self.is_due() {
                self.save()?;
            }
            self.check_inbox()?;
        }
        Ok(true)
    }

    /// Draws samples of member `k` (`job`), from the noise that all sheets share, to `path` in the cohort's folder.
    fn draw(&mut self, k: usize, job: JobId, path: String) -> Result<(), CohortError> {
        let dataset = &self.blueprint.dataset;
        let count = if dataset.is_images() { SHEET_IMAGES } else { SHEET_POINTS };
        // The weights of the first scoring.
        let weights = self.order.scores.first().map(|score| score.weights).unwrap_or_default();
        let samples = self.trainer.sample(k, weights, &Stream::new(0, Purpose::Sheet, 0), count);
        sheet::write(&self.folder.path().join(&path), dataset, &samples)?;
        Ok(self.report.append(Event::Sampled { job, step: self.trainer.steps(), path })?)
    }

    /// After the last step: writes sample sheets, the generators' weights and the last events.
    fn finish(&mut self) -> Result<Outcome, CohortError> {
        let step = self.trainer.steps();
        if !self.trainer.members().is_empty() {
            self.trainer.export_generators(&self.folder.generators())?;
            if self.order.keep {
                let (last, cohort, scored) = (self.folder.last(), self.order.cohort, self.trainer.members().len());
                self.trainer.save(&last, None, cohort, self.seconds, scored)?;
            }
        }
        self.pending.report(self.report)?;
        for (k, member) in self.trainer.members().iter().enumerate() {
            self.draw(k, member.id, RunFolder::sheet(member.id))?;
            self.report.append(Event::JobDone { job: member.id, step, seconds: self.seconds })?;
        }
        // The `Done` events must be on disk before the checkpoints are removed.
        self.report.sync()?;
        for path in [self.folder.previous(), self.folder.checkpoint()] {
            whole::remove(&path).map_err(|source| CohortError::Io { path, source })?;
        }
        Ok(Outcome::Finished)
    }
}

/// The number of steps of the next turn, given that the last one took `spent` for `steps`.
fn turn_length(steps: u64, spent: Duration) -> u64 {
    let fitting = steps as f64 * TURN.as_secs_f64() / spent.as_secs_f64().max(1e-9);
    // The first steps are not typical, so it grows at most eightfold.
    (fitting as u64).clamp(1, 8 * steps)
}

#[cfg(test)]
mod tests;
