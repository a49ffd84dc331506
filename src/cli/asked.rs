//! Sweep files on their way into a run: read, put into the database, and which of their jobs are to be trained.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::Failure;
use super::budget::{self, Ranks};
use super::changed;
use super::early;
use super::load::{load_ready, warn};
use super::looks::{Looked, in_vain};
use super::progress::say;
use super::reading::failure;
use super::trainers::{self, Seconds, Trainers, folder};
use sweep_plan::Limits;
use sweep_plan::slot::Slot;
use sweep_run::state::Work;
use sweep_run::state::referee::Wanted;
use sweep_spec::expand::Expansion;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::{Task, together};
use sweep_spec::policy::Policy;
use sweep_store::{NewSweep, Store, StoreError};
use sweep_system::clock::now;
use sweep_wire::home::Home;
use sweep_wire::status::Status;

/// A sweep file on its way.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) tasks: Vec<Task>,
    pub(super) new: NewSweep,
    pub(super) policy: Policy,
    /// Trainers of the user's own, and where they are started.
    pub(super) trainers: Trainers,
    pub(super) folder: PathBuf,
    /// Blueprints whose jobs' last states are to stay.
    pub(super) keeps: BTreeSet<BlueprintId>,
    /// Which of its jobs are stopped early.
    pub(super) wanted: Wanted,
    /// Which jobs a budget has first; none where there may be no budget.
    pub(super) ranks: Option<Ranks>,
    /// All that it may ask for, where it adds seeds until its comparisons are decided.
    pub(super) looked: Option<Looked>,
}

impl Asked {
    /// The jobs that it may ask for in the end.
    pub(super) fn all(&self) -> &[Task] {
        self.looked.as_ref().map_or(&self.tasks, |looked| looked.all())
    }
}

/// Reads a sweep file.
pub(super) fn ask(file: &Path, data: &Path) -> Result<Asked, Failure> {
    let loaded = load_ready(file, data)?;
    warn(&loaded.expansion.warnings);
    in_vain(&loaded.expansion).into_iter().for_each(say);
    let tasks = loaded.expansion.tasks();
    let new = changed::sweep(file, &loaded, now());
    let looked = Looked::of(&loaded.expansion, &new, &tasks);
    let (wanted, ranks) = (early::wanted(&loaded.expansion), Ranks::of(&loaded.expansion));
    let Expansion { sweep: name, policy, trainers, keeps, .. } = loaded.expansion;
    Ok(Asked { name, tasks, new, policy, trainers, folder: folder(file)?, keeps, wanted, ranks, looked })
}

/// Two files of one name would replace each other.
pub(super) fn distinct(asked: &[Asked], files: &[PathBuf]) -> Result<(), Failure> {
    let mut names = BTreeMap::new();
    for (asked, file) in asked.iter().zip(files) {
        if let Some(other) = names.insert(&asked.name, file) {
            return Err(Failure::usage(format!(
                "{} and {} are both called `{}`: give one of them another name (`sweep: …`)",
                other.display(),
                file.display(),
                asked.name
            )));
        }
    }
    Ok(())
}

/// Has a sweep ask for as many seeds of each cell as fit into a time, and for what has ended before.
///
/// # Errors
///
/// Nothing fits, or the database cannot be read.
pub(super) async fn fit(
    store: &Store,
    asked: &mut [Asked],
    (seconds, known): (f64, &Seconds),
    place: (&[Slot], &Limits),
) -> Result<(), Failure> {
    for asked in asked {
        let ranks = asked.ranks.as_ref().ok_or_else(budget::has_looks)?;
        let ended = store.ended_jobs().await.map_err(failure)?;
        let has_ended = |job: &JobId| ended.contains(job);
        let open: Vec<Task> = asked.tasks.iter().filter(|task| !has_ended(&task.id)).cloned().collect();
        if let Some(unknown) = budget::unknown(&open, known, seconds) {
            say(format!("budget: {unknown}"));
            continue;
        }
        let fitting = ranks.fitting(&open, seconds, place);
        let fitting = fitting.check(seconds, budget::least(ranks, &open, place))?;
        say(format!("budget: {}", fitting.words(seconds)));
        let keeps = |job: &JobId| has_ended(job) || ranks.has(*job, fitting.seeds);
        asked.new.entries.retain(|entry| keeps(&entry.id));
        asked.tasks.retain(|task| keeps(&task.id));
        asked.wanted.retain(keeps);
    }
    Ok(())
}

/// Puts the sweeps into the database, ends what an earlier orchestrator left open, and says where each job stands. `own`: a worker of the
/// user's own trains.
pub(super) async fn register(
    store: &Store,
    home: &Home,
    asked: &mut [Asked],
    own: bool,
) -> Result<HashMap<JobId, Status>, StoreError> {
    let released = store.release_stale(home).await?;
    if !released.is_empty() {
        tracing::info!(jobs = released.len(), "released jobs of a run that was cut off");
    }
    let mut states = HashMap::new();
    let mut measured = None;
    for Asked { new, tasks, looked, wanted, .. } in asked {
        let old = changed::earlier(home, &new.name);
        // Also where it has none any more: who has looked has looked.
        new.looks = old.as_ref().map(|old| old.looks.clone()).unwrap_or_default();
        if let Some(looked) = looked {
            looked.note(&new.looks).into_iter().for_each(say);
            looked.restrict(new, tasks);
        }
        if let Some(old) = &old {
            let states = store.states(&new.name).await?;
            changed::notes(old, &states, new).into_iter().for_each(say);
        }
        trainers::changed_scripts((store, home), new).await?.into_iter().for_each(say);
        if old.is_none_or(|old| !changed::asks_the_same(&old, new)) {
            let measured = match &measured {
                Some(measured) => measured,
                None => measured.insert(store.measured().await?),
            };
            let unmeasured = changed::unmeasured(measured, new);
            // What is left to the program itself is said when it is done.
            let last = own.then(|| unmeasured.last_note(own)).flatten();
            last.into_iter().chain(unmeasured.between_note()).chain(unmeasured.unreported_notes()).for_each(say);
        }
        new.save(home)?;
        let mut found = store.register(new).await?.states;
        if wanted.is_any() && looked.is_some() {
            // What a rule has stopped that the file has no more is trained on before anybody looks.
            let referee = early::referee(store, &[(&new.name, wanted)]).await?;
            let reopened = early::reopen((store, home), &referee, &found).await?;
            found.extend(reopened.into_iter().map(|job| (job, Status::Pending)));
        }
        if let Some(looked) = looked {
            found = looked.take((store, home), new, tasks, &found).await?.unwrap_or(found);
        }
        states.extend(found);
    }
    Ok(states)
}

/// The jobs that are to be trained and not in a cohort that has begun.
pub(super) fn new_jobs(asked: &[Asked], states: &HashMap<JobId, Status>, begun: &[Work]) -> Vec<Task> {
    let begun: HashSet<JobId> = begun.iter().flat_map(Work::open).collect();
    let is_new = |id: &JobId| !begun.contains(id) && is_open(states, id);
    together(asked.iter().flat_map(|asked| &asked.tasks).filter(|task| is_new(&task.id)).cloned())
}

/// Whether a job needs training.
fn is_open(states: &HashMap<JobId, Status>, job: &JobId) -> bool {
    states.get(job).is_some_and(|state| !state.is_final())
}
