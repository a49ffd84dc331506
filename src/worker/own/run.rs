//! One job of a trainer of your own in training.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::process::Process;
use crate::cohort::CohortError;
use sweep_spec::id::CohortId;
use sweep_spec::metric::Measure;
use sweep_system::whole::{self, Survives};
use sweep_wire::home;
use sweep_wire::order::{Member, Order};

/// The saved progress of a job.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// The cohort that it was in. In another cohort, it continues if the trainer can.
    pub cohort: Option<CohortId>,
    /// Seconds of all its processes.
    pub seconds: f64,
    /// The last value of each score.
    #[serde(with = "last")]
    pub last: Last,
    /// The first step that its first process reported, and the last step that its latest process reported.
    pub origin: Option<u64>,
    pub first: Option<u64>,
    /// Whether training is over and the scores of the last step are in a log.
    pub trained: bool,
    /// How the job ended; `None` before.
    pub fate: Option<Fate>,
}

/// How a job ended.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Done,
    Diverged { step: u64, message: String },
}

/// Scores by name and by the regular expression that found them, if any, with their step if it is known.
pub(super) type Last = BTreeMap<(Measure, Option<Arc<str>>), (f64, Option<u64>)>;

/// A job in training.
pub(super) struct Run<'a> {
    pub member: &'a Member,
    /// The folder of its files.
    pub dir: PathBuf,
    pub state: State,
    pub state_path: PathBuf,
    pub process: Option<Process>,
    pub since: Instant,
    pub step: u64,
    /// The first step that it reported in this attempt, and when.
    pub first: Option<(Instant, u64)>,
    /// The step from which another attempt would continue, as far as it has reported.
    pub kept: u64,
    /// Whether its process was told about files of an earlier one, and has reported no step yet.
    pub resumed: bool,
    /// When its state was saved.
    pub saved: Instant,
    pub diverged: Option<String>,
    /// When it was asked to end.
    pub asked: Option<Instant>,
    pub warned: HashSet<String>,
    /// Why it failed.
    pub failed: Option<String>,
    pub stopped: bool,
    /// Whether the orchestrator no longer wants it: its files stay, but are not scored.
    pub removed: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(member: &'a Member, jobs: &Path, order: &Order) -> Self {
        let state_path = home::job_state(jobs, member.id);
        let read = || -> Option<State> { serde_json::from_slice(&fs::read(&state_path).ok()?).ok() };
        let state = read().unwrap_or_default();
        // If another cohort ended the job, its end is checked again. Its scores stay until new ones are reported.
        let same = order.resume && state.cohort == Some(order.cohort);
        let state = State {
            cohort: Some(order.cohort),
            trained: state.trained && same,
            fate: state.fate.filter(|_| same),
            ..state
        };
        Run {
            member,
            dir: home::job_folder(jobs, member.id),
            state,
            state_path,
            process: None,
            since: Instant::now(),
            step: 0,
            first: None,
            kept: 0,
            resumed: false,
            saved: Instant::now(),
            diverged: None,
            asked: None,
            warned: HashSet::new(),
            failed: None,
            stopped: false,
            removed: false,
        }
    }

    /// Saves its progress.
    pub(super) fn save(&self) -> Result<(), CohortError> {
        let write = || whole::write(&self.state_path, &serde_json::to_vec(&self.state)?, Survives::Kill);
        write().map_err(|source| CohortError::Io { path: self.state_path.clone(), source })
    }

    /// Whether nothing is left to do in this attempt.
    pub(super) fn is_over(&self) -> bool {
        self.state.fate.is_some() || self.failed.is_some() || self.stopped
    }

    /// Model-steps a second in this attempt.
    pub(super) fn rate(&self) -> f64 {
        let Some((at, step)) = self.first.filter(|_| !self.is_over()) else { return 0.0 };
        let seconds = at.elapsed().as_secs_f64();
        if seconds > 0.0 { self.step.saturating_sub(step) as f64 / seconds } else { 0.0 }
    }

    /// It has reached `step`.
    pub(super) fn at(&mut self, step: u64) {
        self.step = step;
        if self.first.is_none() {
            self.first = Some((Instant::now(), step));
            let before = self.state.first.replace(step);
            let origin = *self.state.origin.get_or_insert(step);
            if std::mem::take(&mut self.resumed) {
                // It continued from the files of an earlier process that had got further than the one before.
                if before.is_some_and(|before| step > before) {
                    self.kept = step;
                }
                // Scores beyond this step are void. A process that begins where the first one did has started from
                // scratch.
                let begun_again = step <= origin;
                self.state.last.retain(|_, (_, at)| match at {
                    Some(at) => *at <= step,
                    None => !begun_again,
                });
            }
        }
    }

    /// It has reported a score. The value at the later step wins.
    pub(super) fn scored(&mut self, of: (Measure, Option<Arc<str>>), value: f64, at: Option<u64>) {
        let later =
            self.state.last.get(&of).is_some_and(|(_, known)| known.zip(at).is_some_and(|(known, at)| known > at));
        if !later {
            self.state.last.insert(of, (value, at));
        }
    }

    /// Whether it has reached a step and reported all scores there. Always false for a job that has never reported a
    /// checkpoint: it would start from scratch.
    pub(super) fn has_reached(&self, step: u64) -> bool {
        let has_scored = || self.state.last.values().any(|(_, at)| *at == Some(step));
        self.kept > 0 && (self.step > step || self.step == step && has_scored())
    }

    /// Ends it as a stop would, unless it is over.
    pub(super) fn remove(&mut self) {
        if self.is_over() {
            return;
        }
        self.removed = true;
        match self.process {
            Some(_) => self.ask(),
            None => self.stopped = true,
        }
    }

    /// Asks its process to end.
    pub(super) fn ask(&mut self) {
        if self.asked.is_none()
            && let Some(process) = &mut self.process
        {
            process.ask();
            self.asked = Some(Instant::now());
        }
    }
}

/// Scores in a file, as strings: JSON has no NaN or infinity.
mod last {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Last;
    use sweep_spec::metric::Measure;

    type Row<M> = (M, Option<Arc<str>>, String, Option<u64>);

    pub(super) fn serialize<S: Serializer>(last: &Last, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows: Vec<Row<&str>> = Vec::with_capacity(last.len());
        for ((measure, pattern), (value, step)) in last {
            rows.push((measure.name(), pattern.clone(), value.to_string(), *step));
        }
        rows.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Last, D::Error> {
        let rows = Vec::<Row<Measure>>::deserialize(deserializer)?;
        let row = |(measure, pattern, value, step): Row<Measure>| {
            Ok(((measure, pattern), (value.parse().map_err(serde::de::Error::custom)?, step)))
        };
        rows.into_iter().map(row).collect()
    }
}
