//! Trains with a trainer of your own: each job of an order is one process, and all of them run at once. Lines that they
//! print become events; samples that they save are scored.

mod ending;
mod message;
mod process;
mod run;
pub(crate) mod samples;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::cohort::CohortError;
use super::dataset_cache::DatasetCache;
use super::inbox::Inbox;
use super::report::Report;
use super::scoring::{Scoring, scorings};
use super::setup::{TURN, started};
use message::{Found, Message, Parser};
use process::{Output, Process, Start};
use run::{Fate, Run};
use sweep_spec::blueprint::OwnTrainer;
use sweep_spec::dataset::Dataset;
use sweep_spec::metric::Measure;
use sweep_spec::trainer::words::Filling;
use sweep_system::whole::{self, Survives};
use sweep_wire::event::{Cause, Event, Outcome, Score};
use sweep_wire::home::{AttemptFolder, RunFolder};
use sweep_wire::order::{Member, Order};
use sweep_wire::shortage::Shortage;

/// How long a process may take to end after a stop signal. The orchestrator waits a little longer for all of them.
const GRACE: Duration = Duration::from_secs(55);
/// Time between two checks of processes and files.
const LOOK: Duration = Duration::from_millis(100);
/// Time between two progress events.
const PROGRESS: Duration = Duration::from_millis(500);
/// Time between two saves of a job's state while its process runs.
const SAVED: Duration = Duration::from_millis(200);
/// Lines that may wait in the queue; processes block if it is full.
const WAITING: usize = 1000;
/// Largest number of warnings for one job.
const WARNINGS: usize = 20;

/// How an attempt ended, with its message.
pub(super) type Ended = (Outcome, String);

/// State that all jobs of an order share.
struct Session<'a> {
    order: &'a Order,
    own: &'a OwnTrainer,
    report: &'a mut Report,
    stop: &'a AtomicBool,
    /// Messages of the orchestrator, and when they were last checked.
    inbox: Inbox<'a>,
    looked: Instant,
    scorings: Vec<Scoring>,
    attempt: AttemptFolder,
    folder: RunFolder,
    several: bool,
    /// When progress was last reported.
    shown: Instant,
    /// The reported step from which all jobs could continue.
    kept: u64,
}

/// Trains the jobs of `order` until all have ended, or until `stop` is set.
pub(super) fn train(
    (order, own): (&Order, &OwnTrainer),
    report: &mut Report,
    cache: &mut DatasetCache,
    stop: &AtomicBool,
) -> Result<Ended, CohortError> {
    if own.command.is_empty() {
        let message = "the sweep file has no `trainer.command`: set SWEEP_WORKER to a program that trains such jobs";
        return Ok((Outcome::Refused, message.to_owned()));
    }
    let Some(jobs) = &order.jobs else {
        return Ok((Outcome::Refused, "the order has no folder for the trainer's files".to_owned()));
    };
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| CohortError::Io { path, source }
    };
    let folder = RunFolder::at(order.directory.clone());
    fs::create_dir_all(folder.samples()).map_err(failed(&folder.samples()))?;
    let mut inbox = Inbox::of(order);
    inbox.check();
    let members = order.members.iter().filter(|member| !inbox.is_removed(member.id));
    let mut runs: Vec<Run> = members.map(|member| Run::new(member, jobs, order)).collect();
    report.append(started(0, order.device))?;
    let scorings =
        match own.dataset.as_ref().map(|dataset| scorings::<CohortError>(order, dataset, report, cache, stop)) {
            Some(Err(error)) if error.is_stop() => return Ok((Outcome::Stopped, String::new())),
            scorings => scorings.transpose()?.unwrap_or_default(),
        };
    let (attempt, several, now) = (order.attempt_folder(), runs.len() > 1, Instant::now());
    let (shown, looked, kept) = (now, now, 0);
    let mut session =
        Session { order, own, report, stop, inbox, looked, scorings, attempt, folder, several, shown, kept };
    session.check_inbox(&mut runs);
    session.run_all(&mut runs)
}

impl Session<'_> {
    fn run_all(&mut self, runs: &mut [Run]) -> Result<Ended, CohortError> {
        let (sender, heard) = mpsc::sync_channel(WAITING);
        for (index, run) in runs.iter_mut().enumerate() {
            if run.is_over() {
                // The order still asks for it, so the earlier report may have been lost.
                self.report_again(run)?;
            } else if !run.state.trained
                && let Err(ended) = self.start(index, run, &sender)?
            {
                return Ok(ended);
            }
        }
        let parser = Parser::new(self.order.scores.iter().map(|score| &score.reported));
        while runs.iter().any(|run| !run.is_over()) {
            let mut next = heard.recv_timeout(LOOK).ok();
            let since = Instant::now();
            // Reads all waiting lines before it checks whether processes have ended, but not for longer than
            // `PROGRESS`: a process may never stop printing.
            let mut all = next.is_none();
            while let Some(one) = next {
                match one {
                    Output::Line { index, line, error } => {
                        self.on_line(&mut runs[index], (&line, error), &parser)?;
                        self.report_progress(runs)?;
                    }
                    Output::Closed(index) => {
                        if let Some(process) = &mut runs[index].process {
                            process.closed();
                        }
                    }
                }
                next = if since.elapsed() < PROGRESS { heard.try_recv().ok() } else { None };
                all = next.is_none() && since.elapsed() < PROGRESS;
            }
            self.check_processes(runs, all, &parser)?;
        }
        Ok(self.outcome(runs))
    }

    /// Checks the inbox and ends the jobs that the orchestrator no longer wants.
    fn check_inbox(&mut self, runs: &mut [Run]) {
        self.looked = Instant::now();
        if self.inbox.check() {
            let gone = runs.iter_mut().filter(|run| self.inbox.is_removed(run.member.id));
            gone.for_each(Run::remove);
        }
    }

    /// Checks each process: new lines in its file of scores, and whether it has ended or should end. `all`: every
    /// printed line was read.
    fn check_processes(&mut self, runs: &mut [Run], all: bool, parser: &Parser) -> Result<(), CohortError> {
        let stopping = self.stop.load(Ordering::Relaxed);
        for at in 0..runs.len() {
            // Scoring samples in this loop takes time, too.
            if self.looked.elapsed() >= TURN {
                self.check_inbox(runs);
            }
            let run = &mut runs[at];
            if run.is_over() {
                continue;
            }
            if let Some(process) = &mut run.process {
                let ended = process.ended(all).map_err(|source| CohortError::Io { path: run.dir.clone(), source })?;
                let lines = process.scores();
                for line in &lines {
                    if let Some(message) = parser.json(line) {
                        self.on_message(run, message, line)?;
                    }
                }
                if stopping || run.diverged.is_some() || self.order.until.is_some_and(|step| run.has_reached(step)) {
                    run.ask();
                }
                if let Some(status) = ended {
                    self.on_exit(run, status)?;
                } else if run.asked.is_some_and(|asked| asked.elapsed() > GRACE)
                    && let Some(process) = &mut run.process
                {
                    process.kill();
                }
                if !lines.is_empty() {
                    self.report_progress(runs)?;
                }
            }
            let run = &mut runs[at];
            if run.process.is_none() && run.state.trained && !run.is_over() {
                self.finish(run)?;
            }
        }
        Ok(())
    }

    /// Reports the end of a job again.
    fn report_again(&mut self, run: &mut Run) -> Result<(), CohortError> {
        let (job, seconds) = (run.member.id, run.state.seconds);
        match run.state.fate.clone() {
            Some(Fate::Done) => {
                self.last_scores(run)?;
                self.report.append(Event::JobDone { job, step: self.own.steps, seconds })?;
            }
            Some(Fate::Diverged { step, message }) => {
                self.report.append(Event::JobFailed { job, step, cause: Cause::Diverged, message })?;
            }
            None => {}
        }
        Ok(())
    }

    /// Starts the process of a job. If that is impossible, the inner error is how the attempt ends.
    fn start(
        &mut self,
        index: usize,
        run: &mut Run,
        heard: &SyncSender<Output>,
    ) -> Result<Result<(), Ended>, CohortError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| CohortError::Io { path, source }
        };
        fs::create_dir_all(&run.dir).map_err(failed(&run.dir))?;
        let is_left = fs::read_dir(&run.dir).map_err(failed(&run.dir))?.next().is_some();
        let Member { id, parameters, seed, .. } = run.member;
        let file = self.attempt.parameters(*id);
        let json = serde_json::to_vec(parameters).map_err(io::Error::from).map_err(failed(&file))?;
        whole::write(&file, &json, Survives::Kill).map_err(failed(&file))?;
        let (dir, params_file) = (run.dir.to_string_lossy(), file.to_string_lossy());
        let variable = |name: &str| std::env::var(name).ok();
        let filling = Filling {
            parameters,
            seed: *seed,
            steps: self.own.steps,
            dir: &dir,
            params_file: &params_file,
            variable: &variable,
        };
        let command = match filling.fill(&self.own.command) {
            Ok(command) => command,
            Err(message) => return Ok(Err((Outcome::Refused, message))),
        };
        let scores = self.attempt.scores(*id);
        let threads = (self.order.threads / self.order.members.len().max(1) as u32).max(1);
        let environment = [
            // First a variable that no process of another run has, even if that trains the same job in another home.
            ("SWEEP_DIR", dir.to_string()),
            ("SWEEP_JOB", id.to_string()),
            ("SWEEP_SEED", seed.to_string()),
            ("SWEEP_STEPS", self.own.steps.to_string()),
            ("SWEEP_RESUME", u8::from(is_left).to_string()),
            ("SWEEP_PARAMS", params_file.to_string()),
            ("SWEEP_SCORES", scores.to_string_lossy().into_owned()),
            ("SWEEP_DATASET", self.own.dataset.as_ref().map_or("", Dataset::name).to_owned()),
            ("OMP_NUM_THREADS", threads.to_string()),
            ("MKL_NUM_THREADS", threads.to_string()),
            // Python buffers what it prints to a pipe.
            ("PYTHONUNBUFFERED", "1".to_owned()),
        ];
        let start =
            Start { command: &command, folder: self.order.folder.as_deref(), environment: &environment, scores };
        (run.since, run.resumed) = (Instant::now(), is_left);
        if !is_left {
            (run.state.last, run.state.origin, run.state.first) = Default::default();
        }
        match Process::start(index, &start, heard) {
            Ok(process) => {
                run.process = Some(process);
                Ok(Ok(()))
            }
            Err(error) => {
                let program = command.first().map_or("", String::as_str);
                let at = self.order.folder.as_ref().map_or(String::new(), |folder| format!(" in {}", folder.display()));
                // A missing program will be missing for the next attempt, too; too many processes may be temporary.
                let outcome = match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::InvalidInput => {
                        Outcome::Refused
                    }
                    _ => Outcome::Failed,
                };
                Ok(Err((outcome, format!("cannot start `{program}`{at}: {error}; see `trainer.command`"))))
            }
        }
    }

    /// Handles a line that a process printed.
    fn on_line(&mut self, run: &mut Run, (line, error): (&str, bool), parser: &Parser) -> Result<(), CohortError> {
        // The worker's stderr repeats it: the orchestrator saves that, and stores its last lines with the attempt.
        if self.several {
            eprintln!("[{}] {line}", run.member.id.short());
        } else {
            eprintln!("{line}");
        }
        if let Some(process) = &mut run.process {
            process.printed(line, error);
        }
        if let Some(message) = parser.line(line) {
            self.on_message(run, message, line)?;
        }
        Ok(())
    }

    /// Reports the progress of the jobs now and then, which is a sign of life, too. The step of the cohort is that of
    /// its last job.
    fn report_progress(&mut self, runs: &[Run]) -> Result<(), CohortError> {
        let open = || runs.iter().filter(|run| !run.is_over());
        let kept = open().map(|run| run.kept).min().unwrap_or(0);
        if kept > self.kept {
            self.kept = kept;
            self.report.append(Event::Checkpointed { step: kept })?;
        }
        if self.shown.elapsed() >= PROGRESS {
            self.shown = Instant::now();
            let step = open().map(|run| run.step).min().unwrap_or(self.own.steps);
            let rate = open().map(Run::rate).sum();
            self.report.append(Event::Progress { step, rate })?;
        }
        Ok(())
    }

    /// Applies what a line says.
    fn on_message(&mut self, run: &mut Run, message: Message, line: &str) -> Result<(), CohortError> {
        let Message { step, scores, samples, checkpoint, diverged, wrong } = message;
        for what in wrong {
            self.warn(run, format!("{what} (in the line `{}`)", shortened(line)))?;
        }
        let steps = self.own.steps;
        if let Some(step) = step {
            if step > steps {
                let what = format!("step {step} is beyond the {steps} of `trainer.steps`; it counts as the last step");
                self.warn(run, what)?;
            }
            run.at(step.min(steps));
        }
        let at = step.map(|_| run.step).or((run.step > 0).then_some(run.step));
        let mut found = Vec::new();
        for Found { name, pattern, value } in scores {
            let Some(measure) = Measure::named(&name) else { continue };
            found.extend(self.scores(measure, pattern.as_ref(), value));
            run.scored((measure, pattern), value, at);
        }
        // Scores at the last step are reported once training is over.
        if let Some(step) = at.filter(|step| *step < steps && !found.is_empty()) {
            self.report.append(Event::Scored { job: run.member.id, step, scores: found, seconds: 0.0 })?;
        }
        // If another attempt continues from here, it does not report these scores again.
        if checkpoint || run.saved.elapsed() >= SAVED {
            run.save()?;
            run.saved = Instant::now();
        }
        if checkpoint {
            run.kept = run.step;
        }
        if let Some(path) = samples {
            self.score_samples(run, &path, at.unwrap_or(run.step))?;
        }
        if let Some(message) = diverged {
            let message = if message.is_empty() { "reported by the trainer".to_owned() } else { message };
            run.diverged = Some(message);
        }
        Ok(())
    }

    /// A score in the form of events: one for each scoring of the order that it matches, or an empty list.
    fn scores(&self, measure: Measure, pattern: Option<&Arc<str>>, value: f64) -> Vec<Score> {
        let asks = self.order.scores.iter().filter(|score| match score.reported.scores.get(measure.name()) {
            Some(declared) => pattern.is_none() || declared.pattern.as_ref() == pattern,
            None => false,
        });
        let mut asked: Vec<Value> = Vec::new();
        for ask in asks.map(|score| score.asks(measure)) {
            if !asked.contains(&ask) {
                asked.push(ask);
            }
        }
        if asked.is_empty() {
            asked.push(json!({}));
        }
        let of = |asked| Score {
            metric: measure,
            value,
            std: None,
            protocol: json!({"reported": "by its trainer"}),
            asked: Some(asked),
        };
        asked.into_iter().map(of).collect()
    }

    /// Logs a warning once.
    fn warn(&mut self, run: &mut Run, what: String) -> Result<(), CohortError> {
        // Many lines may have the same mistake.
        let kind = what.split(" (in the line").next().unwrap_or_default().to_owned();
        let kind: String = kind.chars().filter(|c| !c.is_ascii_digit()).collect();
        if run.warned.len() >= WARNINGS || !run.warned.insert(kind) {
            return Ok(());
        }
        let message = format!("job {}: {what}", run.member.id.short());
        Ok(self.report.append(Event::Warning { message })?)
    }

    /// The process of a job has ended.
    fn on_exit(&mut self, run: &mut Run, status: ExitStatus) -> Result<(), CohortError> {
        run.state.seconds += run.since.elapsed().as_secs_f64();
        let Some(process) = run.process.take() else { return Ok(()) };
        let steps = self.own.steps;
        if let Some(message) = run.diverged.take() {
            self.report.append(Event::JobFailed {
                job: run.member.id,
                step: run.step,
                cause: Cause::Diverged,
                message: message.clone(),
            })?;
            self.report.sync()?;
            run.state.fate = Some(Fate::Diverged { step: run.step, message });
            return run.save();
        }
        // A process that ends after a stop signal is not done, unless it was at the end. A removed job is never done.
        if run.removed || run.asked.is_some() && !(status.success() && self.is_whole(run)) {
            run.stopped = true;
            return run.save();
        }
        if !status.success() {
            let words = process.words(status);
            let message = match Shortage::told_by(&process.last_lines()) {
                Some(Shortage::Memory) => format!("out of memory: {words}"),
                Some(Shortage::Space) | None => words,
            };
            run.failed = Some(message);
            return run.save();
        }
        if run.step > 0 && run.step < steps - steps / 10 {
            let what =
                format!("the trainer on_exit with code 0 at step {} of {steps}; the job counts as done", run.step);
            self.warn(run, what)?;
        }
        self.last_scores(run)?;
        // The log must be on disk before the state says that it is complete.
        self.report.sync()?;
        run.state.trained = true;
        run.save()
    }

    /// Whether a job has reported everything: the last step and all its scores there.
    fn is_whole(&self, run: &Run) -> bool {
        let steps = self.own.steps;
        let declared = self.order.scores.iter().flat_map(|score| score.reported.measures());
        let has = |measure: Measure| {
            let mut found = run.state.last.iter().filter(|((of, _), _)| *of == measure);
            found.any(|(_, (_, at))| at.is_none_or(|at| at >= steps))
        };
        run.step == steps && declared.into_iter().all(has)
    }

    /// How the attempt ended.
    fn outcome(&self, runs: &[Run]) -> Ended {
        let failed: Vec<&Run> = runs.iter().filter(|run| run.failed.is_some()).collect();
        let words = |run: &&Run| {
            let message = run.failed.as_deref().unwrap_or_default();
            if self.several { format!("job {}: {message}", run.member.id.short()) } else { message.to_owned() }
        };
        let message = failed.iter().map(words).collect::<Vec<_>>().join("; ");
        if !failed.is_empty() {
            let is_memory = message.contains("out of memory: ") && self.several;
            return (if is_memory { Outcome::OutOfMemory } else { Outcome::Failed }, message);
        }
        let mut stopped = runs.iter().filter(|run| run.stopped && !run.removed).map(|run| run.step);
        let outcome = match (stopped.clone().next(), self.order.until) {
            (None, _) => Outcome::Finished,
            (Some(_), Some(until)) if stopped.all(|step| step >= until) => Outcome::Reached,
            (Some(_), _) => Outcome::Stopped,
        };
        (outcome, String::new())
    }
}

/// Shortens a line for a message.
fn shortened(line: &str) -> String {
    let line = line.trim();
    if line.chars().count() > 200 { line.chars().take(200).chain(['…']).collect() } else { line.to_owned() }
}

#[cfg(test)]
mod tests;
