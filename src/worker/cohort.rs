//! One order, from its first step to its last event.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::bench::BenchError;
use super::inbox::Inbox;
use super::kit::{Kit, KitError};
use super::report::Report;
use super::scored::{Scoring, scored, scorings, watch};
use super::setup::{PrecisionError, TURN, setup, started};
use super::sheet;
use super::traced::Pending;
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

/// Samples on a sheet.
const SHEET_IMAGES: usize = 100;
/// Points on a sheet.
const SHEET_POINTS: usize = 2000;
/// Between two progress events.
const PROGRESS: Duration = Duration::from_millis(500);

/// Why a cohort could not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CohortError {
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
    Metric(#[from] sweep_metrics::MetricError),
    /// A sample sheet can't be written.
    #[error(transparent)]
    Sheet(#[from] sheet::SheetError),
    /// It can't be computed here.
    #[error(transparent)]
    Precision(#[from] PrecisionError),
    /// It was planned by another version.
    #[error(
        "this worker trains `{objective}` as of another revision than the {revision} that the order has: orchestrator and worker must be the same \
         version of sweep"
    )]
    Revision {
        /// The objective.
        objective: &'static str,
        /// The order's.
        revision: u32,
    },
    /// Something else can't be written or removed.
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
            CohortError::Kit(error) => error.is_stop(),
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
            BenchError::Data(error) => CohortError::Kit(KitError::Data(error)),
            BenchError::Precision(error) => CohortError::Precision(error),
        }
    }
}

/// A cohort in training.
struct Run<'a> {
    order: &'a Order,
    /// What has come for it.
    inbox: Inbox<'a>,
    blueprint: &'a BuiltIn,
    report: &'a mut Report,
    trainer: Trainer,
    folder: RunFolder,
    /// Training time of each member that still trains: its share of the cohort's, over all attempts.
    seconds: f64,
    /// How many members have been scored at this step.
    scored: usize,
    /// Losses that are not in the log yet.
    pending: Pending,
    /// When the state was made durable last.
    durable: Instant,
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

/// Trains what `order` says, jobs of `blueprint`, until all members have ended, or until `stop` is set: then after a checkpoint.
pub(crate) fn train(
    (order, blueprint): (&Order, &BuiltIn),
    report: &mut Report,
    kit: &mut Kit,
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

    let real = kit.data(&blueprint.dataset, &order.data)?;
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
    let warning = run.go_on();
    run.inbox.look();
    run.leave_out()?;
    run.report.append(started(run.trainer.steps(), order.device))?;
    if let Some(message) = warning {
        run.report.append(Event::Warning { message })?;
    }
    if run.trainer.members().is_empty() {
        return run.finish();
    }
    let scorings = match scorings::<CohortError>(order, &blueprint.dataset, run.report, kit, stop) {
        Err(error) if error.is_stop() => return Ok(Outcome::Stopped),
        scorings => scorings?,
    };
    run.train(&scorings, stop)
}

impl Run<'_> {
    /// Goes on from the newest checkpoint that can be used: of this cohort, or those of the ones that its members were in before. Says what is wrong
    /// with those that can't, in words.
    fn go_on(&mut self) -> Option<String> {
        let Order { cohort, resume, ref parents, ref without, .. } = *self.order;
        let own = if resume { vec![(self.folder.checkpoint(), cohort)] } else { Vec::new() };
        let before = parents.iter().map(|parent| (parent.checkpoint.clone(), parent.cohort)).collect();
        let (renamed, in_parents) = (self.order.renamed(), self.order.in_parents());
        let longer = self.order.members.iter().any(|member| member.after.is_some());
        let mut damaged: Vec<String> = Vec::new();
        for (newest, is_own) in [(own, true), (before, false)] {
            let previous = newest.iter().map(|(path, of)| (home::previous(path), *of)).collect();
            for files in [newest, previous] {
                // What is wrong with one that cannot be seen is said by who reads it.
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
                        // A shorter job was scored at its last step as it was asked for; here that is a step like any other.
                        let scored = if longer && !is_own { 0 } else { scored };
                        (self.seconds, self.scored) = (seconds, scored);
                        let earlier = format!("training goes on from an earlier checkpoint, at step {step}");
                        return (!damaged.is_empty()).then(|| format!("{}; {earlier}", damaged.join("; ")));
                    }
                    Err(error) => damaged.push(error.to_string()),
                }
            }
        }
        // Training again from the start loses time; refusing would lose the jobs.
        (!damaged.is_empty()).then(|| format!("{}; training starts over", damaged.join("; ")))
    }

    /// Drops members of which word has come that they are not to be trained any more.
    fn heed(&mut self) -> Result<(), CohortError> {
        if self.inbox.look() { self.leave_out() } else { Ok(()) }
    }

    /// Drops members that are not to be trained any more. What training has kept of them is reported, as it is at a stop.
    fn leave_out(&mut self) -> Result<(), CohortError> {
        let members = self.trainer.members();
        let (gone, keep): (Vec<usize>, Vec<usize>) =
            (0..members.len()).partition(|&k| self.inbox.is_without(members[k].id));
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
        // Weights are looked at there, too, whatever is measured; at the last one at least.
        let at: BTreeSet<u64> =
            order.scores.iter().flat_map(|score| score.at(steps)).chain([steps]).filter(|at| *at >= done).collect();
        let mut score_steps = at.into_iter().peekable();
        let mut shown = Shown::start();
        let mut turns = 1;
        loop {
            self.heed()?;
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

    /// Whether the state has not been made durable for as long as the order says.
    fn is_due(&self) -> bool {
        let every = self.order.checkpoint_seconds;
        every > 0 && self.durable.elapsed().as_secs() >= every
    }

    /// Makes the state durable, after what was reported on the way to it: training that goes on from it does not report that again.
    fn save(&mut self) -> Result<(), CohortError> {
        self.pending.report(self.report)?;
        self.report.sync()?;
        let Run { folder, order, seconds, scored, .. } = self;
        self.trainer.save(&folder.checkpoint(), Some(&folder.previous()), order.cohort, *seconds, *scored)?;
        self.report.append(Event::Checkpointed { step: self.trainer.steps() })?;
        self.durable = Instant::now();
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
                self.pending.report_of(member.id, self.report)?;
                self.report.append(Event::JobFailed { job: member.id, step, cause: Cause::Diverged, message })?;
            }
        }
        let keep: Vec<usize> = (0..reasons.len()).filter(|&k| reasons[k].is_none()).collect();
        self.trainer.retain(&keep);
        Ok(())
    }

    /// Scores every member that is well, and draws its samples where that is asked for, but those that have been. Says whether it came to the end before `stop`.
    fn score(&mut self, scorings: &[Scoring], stop: &AtomicBool) -> Result<bool, CohortError> {
        let reason = |healthy: bool| (!healthy).then(|| "a weight is not finite".to_owned());
        let reasons: Vec<_> = self.trainer.healthy().into_iter().map(reason).collect();
        self.drop(&reasons)?;
        let (step, steps) = (self.trainer.steps(), self.blueprint.train.steps);
        let due: Vec<&Scoring> = scorings.iter().filter(|scoring| scoring.score.is_at(step, steps)).collect();
        // The last sheet is drawn when all is done.
        let drawn = step < steps && self.order.scores.iter().any(|score| score.draws_at(step, steps));
        // What is known of these steps stands before, however often the state was saved on the way: rules look at both, in their order.
        self.pending.report(self.report)?;
        while let Some(member) = self.trainer.members().get(self.scored).filter(|_| drawn || !due.is_empty()) {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            // A member is scored once it is in all ways.
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
            self.heed()?;
        }
        Ok(true)
    }

    /// Draws samples of member `k`, which is `job`, from the noise of all sheets, to `path` in the cohort's folder.
    fn draw(&mut self, k: usize, job: JobId, path: String) -> Result<(), CohortError> {
        let dataset = &self.blueprint.dataset;
        let count = if dataset.is_images() { SHEET_IMAGES } else { SHEET_POINTS };
        // Of what is scored first.
        let weights = self.order.scores.first().map(|score| score.weights).unwrap_or_default();
        let samples = self.trainer.sample(k, weights, &Stream::new(0, Purpose::Sheet, 0), count);
        sheet::write(&self.folder.path().join(&path), dataset, &samples)?;
        Ok(self.report.append(Event::Sampled { job, step: self.trainer.steps(), path })?)
    }

    /// After the last step: sample sheets, the generators' weights, and the last events.
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
        // The end of these jobs must not be lost together with what they could go on from.
        self.report.sync()?;
        for path in [self.folder.previous(), self.folder.checkpoint()] {
            whole::remove(&path).map_err(|source| CohortError::Io { path, source })?;
        }
        Ok(Outcome::Finished)
    }
}

/// How many steps the next turn should have when the last one had `steps` and took `spent`.
fn turn_length(steps: u64, spent: Duration) -> u64 {
    let fitting = steps as f64 * TURN.as_secs_f64() / spent.as_secs_f64().max(1e-9);
    // Not many times more at once: the first steps are not like the others.
    (fitting as u64).clamp(1, 8 * steps)
}

#[cfg(test)]
mod tests;
