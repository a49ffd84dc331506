//! The end of a job of a trainer of your own: scores the saved samples and draws a sheet.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;

use super::run::{Fate, Run};
use super::{Session, samples};
use crate::cohort::CohortError;
use crate::scoring::{Scoring, scored, watch};
use crate::sheet;
use sweep_spec::metric::Measure;
use sweep_system::whole::{self, Survives};
use sweep_wire::event::{Event, Score};
use sweep_wire::home::{RunFolder, left_samples};

/// Samples on a sheet.
const SHEET_IMAGES: usize = 100;
const SHEET_POINTS: usize = 2000;

/// The result of scoring samples.
pub(super) enum Judged {
    /// They were scored; holds the samples.
    Scored(Vec<f32>),
    /// They could not be scored.
    Not,
    /// The order is being stopped.
    Stopped,
}

impl Session<'_> {
    /// Scores the samples at `path`, of `step`.
    pub(super) fn score_samples(&mut self, run: &mut Run, path: &Path, step: u64) -> Result<(), CohortError> {
        if run.removed {
            return Ok(());
        }
        if step >= self.own.steps {
            // Samples of the last step are scored once the process has ended; the trainer may not name others.
            return self.warn(run, "for the last step, save the samples in SWEEP_DIR instead".to_owned());
        }
        let inside = run.dir.join(path);
        let place =
            if inside.exists() { inside } else { self.order.folder.as_deref().unwrap_or(Path::new("")).join(path) };
        self.judge(run, &place, step).map(drop)
    }

    /// Scores samples. An error that means "stopped" is not an error.
    fn judge(&mut self, run: &mut Run, path: &Path, step: u64) -> Result<Judged, CohortError> {
        let Some(dataset) = self.own.dataset else {
            self.warn(run, format!("{} is not scored: the sweep file has no `dataset`", path.display()))?;
            return Ok(Judged::Not);
        };
        if self.scorings.is_empty() {
            return Ok(Judged::Not);
        }
        let most = self.scorings.iter().map(|scoring| scoring.score.samples as usize).max().unwrap_or(0);
        let samples = match samples::first(path, &dataset, most) {
            Ok(samples) => samples,
            Err(error) => {
                self.warn(run, format!("samples are not scored: {error}"))?;
                return Ok(Judged::Not);
            }
        };
        for at in 0..self.scorings.len() {
            let Scoring { score, scorer } = &self.scorings[at];
            let wanted = score.samples as usize;
            let part = samples[..wanted * dataset.features()].to_vec();
            let (job, asked) = ((run.member.id, run.member.seed), (score, &**scorer));
            let mut watch = watch(self.report, self.stop);
            let found = scored::<CohortError>(job, step, asked, &mut watch, |_| Ok(part));
            drop(watch);
            match found {
                Err(error) if error.is_stop() => return Ok(Judged::Stopped),
                found => self.report.append(found?)?,
            }
        }
        Ok(Judged::Scored(samples))
    }

    /// Reports the last value of each score as its value at the last step.
    pub(super) fn last_scores(&mut self, run: &mut Run) -> Result<(), CohortError> {
        let steps = self.own.steps;
        let last = run.state.last.clone();
        let late = last.iter().filter(|(_, (_, at))| at.is_some_and(|at| at + 1 < steps && at < run.step));
        let late: Vec<String> =
            late.map(|((measure, _), (_, at))| format!("{} of step {}", measure.name(), at.unwrap_or(0))).collect();
        if !late.is_empty() {
            let what = format!("using the last reported values for the last step, {steps}: {}", late.join(", "));
            self.warn(run, what)?;
        }
        let declared: BTreeSet<Measure> =
            self.order.scores.iter().flat_map(|score| score.reported.measures()).collect();
        let is_missing = |measure: &&Measure| !last.keys().any(|(of, _)| of == *measure);
        let missing: Vec<&str> = declared.iter().filter(is_missing).map(|measure| measure.name()).collect();
        if !missing.is_empty() {
            let what = format!("the trainer ended and never reported {}", missing.join(", "));
            self.warn(run, what)?;
        }
        // A name in the line itself comes last here, and wins over a pattern.
        let found = last.iter().rev();
        let scores: Vec<Score> = found
            .flat_map(|((measure, pattern), (value, _))| self.scores(*measure, pattern.as_ref(), *value))
            .collect();
        if !scores.is_empty() {
            self.report.append(Event::Scored { job: run.member.id, step: steps, scores, seconds: 0.0 })?;
        }
        Ok(())
    }

    /// Scores the saved samples of a job, draws its sheet and ends the job.
    pub(super) fn finish(&mut self, run: &mut Run) -> Result<(), CohortError> {
        let (job, steps) = (run.member.id, self.own.steps);
        let mut seen = None;
        match left_samples(&run.dir) {
            Some(path) => match self.judge(run, &path, steps)? {
                Judged::Stopped => {
                    run.stopped = true;
                    return Ok(());
                }
                Judged::Scored(samples) => seen = Some(samples),
                Judged::Not => {}
            },
            None if !self.scorings.is_empty() => {
                let what = "`score` needs samples, but the trainer saved neither samples.npy nor \
                            a folder samples in SWEEP_DIR";
                self.warn(run, what.to_owned())?;
            }
            None => {}
        }
        if self.sheet(run, seen.as_deref())? {
            self.report.append(Event::Sampled { job, step: steps, path: RunFolder::sheet(job) })?;
        }
        self.report.append(Event::JobDone { job, step: steps, seconds: run.state.seconds })?;
        self.report.sync()?;
        run.state.fate = Some(Fate::Done);
        run.save()
    }

    /// Saves a sheet of a job: its own PNG, or a picture of its samples. Returns whether there is one.
    fn sheet(&mut self, run: &mut Run, samples: Option<&[f32]>) -> Result<bool, CohortError> {
        let (own, path) = (run.dir.join("sheet.png"), self.folder.path().join(RunFolder::sheet(run.member.id)));
        match fs::read(&own) {
            Ok(bytes) if bytes.starts_with(b"\x89PNG\r\n\x1a\n") => {
                whole::write(&path, &bytes, Survives::Kill).map_err(|source| CohortError::Io { path, source })?;
                return Ok(true);
            }
            Ok(_) => self.warn(run, format!("{} is not a PNG file", own.display()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.warn(run, format!("{}: {error}", own.display()))?,
        }
        let (Some(samples), Some(dataset)) = (samples, self.own.dataset.as_ref()) else { return Ok(false) };
        let most = if dataset.is_images() { SHEET_IMAGES } else { SHEET_POINTS };
        let shown = samples.len().min(most * dataset.features());
        sheet::write(&path, dataset, &samples[..shown])?;
        Ok(true)
    }
}
