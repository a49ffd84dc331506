//! What comes next in a run when everything has ended.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::database::Records;
use crate::early_stopping;
use crate::run::sweeps::SweepInRun;
use crate::shorter_jobs;
use sweep_report::format::plural;
use sweep_run::RunError;
use sweep_run::state::referee::Wanted;
use sweep_spec::id::JobId;
use sweep_spec::job::{Earlier, Task, together};

/// Jobs that are not known yet.
#[derive(Clone, Copy, Default)]
pub struct Coming {
    /// Their number.
    pub jobs: usize,
    /// Whether there may be fewer.
    pub at_most: bool,
}

impl Coming {
    /// Writes `, then 12 more jobs`; nothing if there are none.
    pub fn words(self) -> String {
        match (self.jobs, self.at_most) {
            (0, _) => String::new(),
            (jobs, true) => format!(", then up to {}", plural(jobs, "more job")),
            (jobs, false) => format!(", then {}", plural(jobs, "more job")),
        }
    }
}

/// What comes next.
pub(crate) struct Next<'a> {
    pub(crate) records: Records<'a>,
    pub(crate) sweeps: &'a mut [SweepInRun],
    /// Jobs that continue from shorter ones.
    pub(crate) longer: &'a HashMap<JobId, Earlier>,
    /// The jobs that were known when these were found.
    pub(crate) known: HashSet<JobId>,
    /// Which jobs of all sweeps may be stopped early, as the sweeps were when the run began.
    pub(crate) wanted: &'a [(&'a str, &'a Wanted)],
    /// All jobs that they asked for then, if cells are compared.
    pub(crate) all: &'a [Task],
    /// What follows after what is known by now.
    pub(crate) coming: Rc<Cell<Coming>>,
}

/// What to train next.
#[derive(Default)]
pub(crate) struct Following {
    pub(crate) tasks: Vec<Task>,
    /// Which of these may be stopped early, unless that was said before.
    pub(crate) wanted: Vec<Wanted>,
    /// Which of these continue from shorter jobs.
    pub(crate) longer: HashMap<JobId, Earlier>,
}

/// How many jobs may follow in all.
pub(crate) fn coming(sweeps: &[SweepInRun]) -> Coming {
    let each = sweeps.iter().map(SweepInRun::coming);
    each.fold(Coming::default(), |all, of| Coming {
        jobs: all.jobs + of.jobs,
        at_most: all.at_most || of.at_most && of.jobs > 0,
    })
}

impl Next<'_> {
    /// Whether there may be some.
    pub(crate) fn has_more(&self) -> bool {
        self.sweeps.iter().any(SweepInRun::has_more)
    }

    /// The jobs that follow from what has ended.
    pub(crate) async fn following(&mut self) -> Result<Following, RunError> {
        let (mut open, mut wanted) = (Vec::new(), Vec::new());
        let Records { store, home, .. } = self.records;
        for sweep in self.sweeps.iter_mut().filter(|sweep| sweep.has_more()) {
            let before: HashSet<JobId> = sweep.all().iter().map(|task| task.id).collect();
            let states = store.states(&sweep.new.name).await?;
            let Some(states) = sweep.advance(self.records, &states).await? else { continue };
            // What another file's rules have stopped is wanted by now.
            let referee = early_stopping::referee(store, &[(&sweep.new.name, &sweep.wanted)]).await?;
            let reopened = early_stopping::reopen((store, home), &referee, &states).await?;
            let is_open = |task: &&Task| {
                reopened.contains(&task.id) || states.get(&task.id).is_some_and(|state| !state.is_final())
            };
            open.extend(sweep.tasks.iter().filter(is_open).cloned());
            let mut new = sweep.wanted.clone();
            new.retain(|job| !before.contains(job));
            if new.is_any() {
                wanted.push(new);
            }
        }
        // A job that had failed when cells were compared may have been trained by now.
        if self.wanted.iter().any(|(_, wanted)| !wanted.contests.is_empty()) {
            let referee = early_stopping::referee(store, self.wanted).await?;
            let mut states = HashMap::new();
            for (name, _) in self.wanted {
                states.extend(store.states(name).await?);
            }
            let reopened = early_stopping::reopen((store, home), &referee, &states).await?;
            open.extend(self.all.iter().filter(|task| reopened.contains(&task.id)).cloned());
        }
        self.coming.set(coming(self.sweeps));
        let mut tasks = together(open);
        let is_new = |task: &&Task| !self.known.contains(&task.id);
        let found = shorter_jobs::find(store, home, (tasks.iter().filter(is_new), false)).await;
        let mut longer = found.map_err(|failure| RunError::Next(failure.into_words()))?;
        longer.extend(tasks.iter().filter_map(|task| Some((task.id, *self.longer.get(&task.id)?))));
        tasks.iter_mut().for_each(|task| task.earlier = longer.get(&task.id).copied());
        Ok(Following { tasks, wanted, longer })
    }
}
