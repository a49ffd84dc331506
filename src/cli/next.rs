//! What comes next in a run once all has ended.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::asked::Asked;
use super::earlier;
use super::early;
use super::progress::Coming;
use sweep_run::RunError;
use sweep_run::state::referee::Wanted;
use sweep_spec::id::JobId;
use sweep_spec::job::{Earlier, Task, together};
use sweep_store::Store;
use sweep_wire::home::Home;

/// What comes next.
pub(super) struct Next<'a> {
    pub(super) store: &'a Store,
    pub(super) home: &'a Home,
    pub(super) asked: &'a mut [Asked],
    /// Where jobs go on from shorter ones.
    pub(super) longer: &'a HashMap<JobId, Earlier>,
    /// The jobs that were known when these were found.
    pub(super) known: HashSet<JobId>,
    /// Which jobs are stopped early, of all sweeps, as these were when the run began.
    pub(super) wanted: &'a [(&'a str, &'a Wanted)],
    /// All that they asked for then, where cells are compared.
    pub(super) all: &'a [Task],
    /// What follows after what is known by now.
    pub(super) coming: Rc<Cell<Coming>>,
}

/// What is trained next.
#[derive(Default)]
pub(super) struct Following {
    pub(super) tasks: Vec<Task>,
    /// Which of these are stopped early, where nobody has said so before.
    pub(super) wanted: Vec<Wanted>,
    /// Which of these go on from shorter jobs.
    pub(super) longer: HashMap<JobId, Earlier>,
}

/// How many jobs may follow in all.
pub(super) fn coming(asked: &[Asked]) -> Coming {
    let each = asked.iter().map(Asked::coming);
    each.fold(Coming::default(), |all, of| Coming {
        jobs: all.jobs + of.jobs,
        at_most: all.at_most || of.at_most && of.jobs > 0,
    })
}

impl Next<'_> {
    /// Whether there may be some.
    pub(super) fn has_more(&self) -> bool {
        self.asked.iter().any(Asked::has_more)
    }

    /// The jobs that follow from what has ended.
    pub(super) async fn following(&mut self) -> Result<Following, RunError> {
        let (mut open, mut wanted) = (Vec::new(), Vec::new());
        for asked in self.asked.iter_mut().filter(|asked| asked.has_more()) {
            let before: HashSet<JobId> = asked.all().iter().map(|task| task.id).collect();
            let states = self.store.states(&asked.new.name).await?;
            let Some(states) = asked.advance((self.store, self.home), &states).await? else { continue };
            // What another file's rules have stopped is wanted by now.
            let referee = early::referee(self.store, &[(&asked.new.name, &asked.wanted)]).await?;
            let reopened = early::reopen((self.store, self.home), &referee, &states).await?;
            let is_open = |task: &&Task| {
                reopened.contains(&task.id) || states.get(&task.id).is_some_and(|state| !state.is_final())
            };
            open.extend(asked.tasks.iter().filter(is_open).cloned());
            let mut new = asked.wanted.clone();
            new.retain(|job| !before.contains(job));
            if new.is_any() {
                wanted.push(new);
            }
        }
        // A job that had failed when cells were compared may have been trained by now.
        if self.wanted.iter().any(|(_, wanted)| !wanted.contests.is_empty()) {
            let referee = early::referee(self.store, self.wanted).await?;
            let mut states = HashMap::new();
            for (name, _) in self.wanted {
                states.extend(self.store.states(name).await?);
            }
            let reopened = early::reopen((self.store, self.home), &referee, &states).await?;
            open.extend(self.all.iter().filter(|task| reopened.contains(&task.id)).cloned());
        }
        self.coming.set(coming(self.asked));
        let mut tasks = together(open);
        let is_new = |task: &&Task| !self.known.contains(&task.id);
        let found = earlier::find(self.store, self.home, (tasks.iter().filter(is_new), false)).await;
        let mut longer = found.map_err(|failure| RunError::Next(failure.into_words()))?;
        longer.extend(tasks.iter().filter_map(|task| Some((task.id, *self.longer.get(&task.id)?))));
        tasks.iter_mut().for_each(|task| task.earlier = longer.get(&task.id).copied());
        Ok(Following { tasks, wanted, longer })
    }
}
