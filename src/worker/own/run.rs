//! One job of a trainer of the user's own on its way.

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

/// How far a job had got.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct State {
    /// In which cohort: in another one it goes on as the trainer does.
    pub cohort: Option<CohortId>,
    /// Seconds of all processes.
    pub seconds: f64,
    /// The last value of each score.
    #[serde(with = "last")]
    pub last: Last,
    /// The step that its first process said first, and that the last one did.
    pub origin: Option<u64>,
    pub first: Option<u64>,
    /// Its training is over, and what it reported of the last step is in a log.
    pub trained: bool,
    /// What became of it, once all that was to be done is.
    pub fate: Option<Fate>,
}

/// What became of a job.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Done,
    Diverged { step: u64, message: String },
}

/// Scores by their names and the regular expressions that have found them, where some have: with their steps, where these are known.
pub(super) type Last = BTreeMap<(Measure, Option<Arc<str>>), (f64, Option<u64>)>;

/// One job on its way.
pub(super) struct Run<'a> {
    pub member: &'a Member,
    /// The folder that it keeps.
    pub dir: PathBuf,
    pub state: State,
    pub state_path: PathBuf,
    pub process: Option<Process>,
    pub since: Instant,
    pub step: u64,
    /// When it said a step first in this attempt, and which.
    pub first: Option<(Instant, u64)>,
    /// The step from which another attempt would go on, as far as it has said so.
    pub kept: u64,
    /// Whether its process was told that an earlier one had left something, and has said no step yet.
    pub resumed: bool,
    /// When its state was written down.
    pub saved: Instant,
    pub diverged: Option<String>,
    /// When it was asked to end.
    pub asked: Option<Instant>,
    pub warned: HashSet<String>,
    /// Why it failed.
    pub failed: Option<String>,
    pub stopped: bool,
    /// It is not to be trained any more: what it has left so far stays, and nothing is made of it.
    pub left_out: bool,
}

impl<'a> Run<'a> {
    pub(super) fn new(member: &'a Member, jobs: &Path, order: &Order) -> Self {
        let state_path = home::job_state(jobs, member.id);
        let read = || -> Option<State> { serde_json::from_slice(&fs::read(&state_path).ok()?).ok() };
        let state = read().unwrap_or_default();
        // What another cohort has ended is to be looked at again; what it reported stands until it is reported again.
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
            left_out: false,
        }
    }

    /// Writes down how far it has got.
    pub(super) fn save(&self) -> Result<(), CohortError> {
        let write = || whole::write(&self.state_path, &serde_json::to_vec(&self.state)?, Survives::Kill);
        write().map_err(|source| CohortError::Io { path: self.state_path.clone(), source })
    }

    /// Whether nothing is to be done any more in this attempt.
    pub(super) fn is_over(&self) -> bool {
        self.state.fate.is_some() || self.failed.is_some() || self.stopped
    }

    /// Model-steps a second in this attempt.
    pub(super) fn rate(&self) -> f64 {
        let Some((at, step)) = self.first.filter(|_| !self.is_over()) else { return 0.0 };
        let seconds = at.elapsed().as_secs_f64();
        if seconds > 0.0 { self.step.saturating_sub(step) as f64 / seconds } else { 0.0 }
    }

    /// It is at `step`.
    pub(super) fn at(&mut self, step: u64) {
        self.step = step;
        if self.first.is_none() {
            self.first = Some((Instant::now(), step));
            let before = self.state.first.replace(step);
            let origin = *self.state.origin.get_or_insert(step);
            if std::mem::take(&mut self.resumed) {
                // It has gone on from what an earlier process left, and further than the one before: that much is kept.
                if before.is_some_and(|before| step > before) {
                    self.kept = step;
                }
                // What was reported beyond is no more; who begins where the first one did has begun again.
                let begun_again = step <= origin;
                self.state.last.retain(|_, (_, at)| match at {
                    Some(at) => *at <= step,
                    None => !begun_again,
                });
            }
        }
    }

    /// It has reported a score: of two steps, the later counts.
    pub(super) fn scored(&mut self, of: (Measure, Option<Arc<str>>), value: f64, at: Option<u64>) {
        let later =
            self.state.last.get(&of).is_some_and(|(_, known)| known.zip(at).is_some_and(|(known, at)| known > at));
        if !later {
            self.state.last.insert(of, (value, at));
        }
    }

    /// Whether it has come to a step, and said all that it has to say there. One that has never said that another attempt would go on from somewhere is not
    /// to be stopped on its way: it would begin anew.
    pub(super) fn has_come_to(&self, step: u64) -> bool {
        let has_scored = || self.state.last.values().any(|(_, at)| *at == Some(step));
        self.kept > 0 && (self.step > step || self.step == step && has_scored())
    }

    /// Ends it, as a stop would, unless it is over.
    pub(super) fn leave_out(&mut self) {
        if self.is_over() {
            return;
        }
        self.left_out = true;
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

/// Scores in a file: JSON has no numbers that are not finite.
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
