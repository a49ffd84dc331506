//! Sweep files in a run: reads them, puts them into the database, and finds which of their jobs to train.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use crate::budget::{self, Ranks};
use crate::database::Records;
use crate::early_stopping;
use crate::file_changes;
use crate::interim_looks::{Looked, in_vain};
use crate::own_trainers::{self, Seconds, Trainers, folder};
use crate::previous_sweep::previous;
use crate::run::following::Coming;
use crate::search::Searched;
use crate::sweep_file::{Around, load_ready, mistaken, warn};
use crate::{Failure, Tell};
use sweep_plan::Limits;
use sweep_plan::slot::Slot;
use sweep_run::RunError;
use sweep_run::state::Work;
use sweep_run::state::referee::Wanted;
use sweep_spec::expand::Expansion;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::{Task, together};
use sweep_spec::policy::Policy;
use sweep_store::NewSweep;
use sweep_system::clock::now;
use sweep_wire::status::Status;

/// A sweep of a run: what its file asks for, and what follows from its results so far.
pub(crate) struct SweepInRun {
    pub(crate) name: String,
    pub(crate) tasks: Vec<Task>,
    pub(crate) new: NewSweep,
    pub(crate) policy: Policy,
    /// Own trainers, and where they start.
    pub(crate) trainers: Trainers,
    pub(crate) folder: PathBuf,
    /// Blueprints whose jobs' last states are kept.
    pub(crate) keeps: BTreeSet<BlueprintId>,
    /// Which of its jobs may be stopped early.
    pub(crate) wanted: Wanted,
    /// Which jobs come first in a budget; `None` if it can have no budget.
    pub(crate) ranks: Option<Ranks>,
    /// All that it may ask for, if it adds seeds until its comparisons are decided.
    pub(crate) looked: Option<Looked>,
    /// The cells that it searches.
    pub(crate) searched: Option<Searched>,
}

impl SweepInRun {
    /// Returns the jobs that it may ask for in the end, as far as cells are known.
    pub(crate) fn all(&self) -> &[Task] {
        self.looked.as_ref().map_or(&self.tasks, |looked| looked.all())
    }

    /// Asks for what its search and its looks have found so far, if it has any.
    fn follow(&mut self, tell: &Tell) -> Result<(), RunError> {
        if let Some(searched) = &self.searched {
            let expansion = searched.expand(&self.new.rounds);
            let expansion = expansion.map_err(|errors| {
                let words = mistaken(&errors, tell).into_words();
                RunError::Next(format!("proposed points cannot be trained: {words}"))
            })?;
            self.tasks = expansion.tasks();
            self.new.entries = file_changes::entries(&expansion);
            // A search or look that no longer waits for scores stays so.
            let is_measured = self.looked.as_ref().is_some_and(Looked::is_measured);
            self.looked = Looked::of(&expansion, &self.new, &self.tasks);
            if let (Some(looked), true) = (&self.looked, is_measured) {
                looked.wait_no_more();
            }
            self.wanted = early_stopping::wanted(&expansion);
            self.keeps = expansion.keeps;
            self.trainers = expansion.trainers;
        }
        if let Some(looked) = &self.looked {
            looked.restrict(&mut self.new, &mut self.tasks);
        }
        Ok(())
    }

    /// Whether what follows waits for scores of jobs trained before.
    pub(crate) fn waits(&self) -> bool {
        self.searched.as_ref().is_some_and(Searched::waits) || self.looked.as_ref().is_some_and(Looked::waits)
    }

    /// No more scores of jobs trained before will come.
    pub(crate) fn wait_no_more(&self) {
        self.searched.iter().for_each(Searched::wait_no_more);
        self.looked.iter().for_each(Looked::wait_no_more);
    }

    /// Returns how many jobs may follow after those it asks for now.
    pub(crate) fn coming(&self) -> Coming {
        let at_most = self.looked.is_some();
        let foreseen = self.searched.as_ref().and_then(|searched| searched.foreseen(&self.new.rounds).ok());
        let all = match (&foreseen, self.has_more()) {
            (_, false) => 0,
            (Some(foreseen), true) => foreseen.tasks().len(),
            (None, true) => self.all().len(),
        };
        Coming { jobs: all.saturating_sub(self.tasks.len()), at_most }
    }

    /// Whether more may follow when everything that it asks for has ended.
    pub(crate) fn has_more(&self) -> bool {
        let searches = self.searched.as_ref().is_some_and(|searched| !searched.is_over(&self.new.rounds));
        searches || self.looked.as_ref().is_some_and(|looked| looked.has_more(&self.new.looks))
    }

    /// Asks for what follows from ended jobs: first the points that a search proposes or picks, then looks. Each is
    /// recorded before it is trained. Returns the status of each job, if anything followed.
    ///
    /// # Errors
    ///
    /// The database or the home directory cannot be read or written, or proposed settings contradict each other.
    pub(crate) async fn advance(
        &mut self,
        records: Records<'_>,
        states: &HashMap<JobId, Status>,
    ) -> Result<Option<HashMap<JobId, Status>>, RunError> {
        let Records { store, home, tell } = records;
        let mut found = None;
        while let Some(searched) = &self.searched {
            let known = found.as_ref().unwrap_or(states);
            if !searched.is_due(&self.new, known) {
                break;
            }
            let results = store.results(&store.sweep(Some(&self.new.name)).await?).await?;
            if !searched.take(tell, &mut self.new, &results, known) {
                break;
            }
            self.follow(tell)?;
            self.new.save(home)?;
            found = Some(store.register(&self.new).await?.states);
        }
        if self.searched.as_ref().is_some_and(|searched| !searched.is_over(&self.new.rounds)) {
            return Ok(found);
        }
        if let Some(looked) = &self.looked {
            let known = found.as_ref().unwrap_or(states);
            let after = looked.take(records, &mut self.new, &mut self.tasks, known).await?;
            found = after.or(found);
        }
        Ok(found)
    }
}

/// Reads a sweep file.
pub(crate) fn read(file: &Path, around: Around) -> Result<SweepInRun, Failure> {
    let loaded = load_ready(file, around)?;
    warn(around.tell, &loaded.expansion.warnings);
    around.tell.say_all(in_vain(&loaded.expansion));
    let tasks = loaded.expansion.tasks();
    let new = file_changes::sweep(file, &loaded, now());
    let looked = Looked::of(&loaded.expansion, &new, &tasks);
    let (wanted, ranks) = (early_stopping::wanted(&loaded.expansion), Ranks::of(&loaded.expansion));
    let searched = Searched::of(&loaded);
    let Expansion { sweep: name, policy, trainers, keeps, .. } = loaded.expansion;
    Ok(SweepInRun { name, tasks, new, policy, trainers, folder: folder(file)?, keeps, wanted, ranks, looked, searched })
}

/// Fails if two files have the same name: they would replace each other.
pub(crate) fn distinct(sweeps: &[SweepInRun], files: &[PathBuf]) -> Result<(), Failure> {
    let mut names = BTreeMap::new();
    for (sweep, file) in sweeps.iter().zip(files) {
        if let Some(other) = names.insert(&sweep.name, file) {
            return Err(Failure::usage(format!(
                "{} and {} have the same name `{}`: give one of them another name (`sweep: …`)",
                other.display(),
                file.display(),
                sweep.name
            )));
        }
    }
    Ok(())
}

/// Restricts a sweep to as many seeds of each cell as fit into a time, and to jobs that ended before.
///
/// # Errors
///
/// Nothing fits, or the database cannot be read.
pub(crate) async fn fit(
    Records { store, tell, .. }: Records<'_>,
    sweeps: &mut [SweepInRun],
    (seconds, known): (f64, &Seconds),
    place: (&[Slot], &Limits),
) -> Result<(), Failure> {
    for sweep in sweeps {
        let ranks = sweep.ranks.as_ref().ok_or_else(budget::has_looks)?;
        let ended = store.ended_jobs().await?;
        let has_ended = |job: &JobId| ended.contains(job);
        let open: Vec<Task> = sweep.tasks.iter().filter(|task| !has_ended(&task.id)).cloned().collect();
        if let Some(unknown) = budget::unknown(&open, known, seconds) {
            tell.say(format!("budget: {unknown}"));
            continue;
        }
        let fitting = ranks.fitting(&open, seconds, place);
        let fitting = fitting.check(seconds, budget::least(ranks, &open, place))?;
        tell.say(format!("budget: {}", fitting.words(seconds)));
        let keeps = |job: &JobId| has_ended(job) || ranks.has(*job, fitting.seeds);
        sweep.new.entries.retain(|entry| keeps(&entry.id));
        sweep.tasks.retain(|task| keeps(&task.id));
        sweep.wanted.retain(keeps);
    }
    Ok(())
}

/// Puts the sweeps into the database, ends what an earlier orchestrator left open, and returns the status of each job.
/// `own`: SWEEP_WORKER trains.
pub(crate) async fn register(
    records: Records<'_>,
    sweeps: &mut [SweepInRun],
    own: bool,
) -> Result<HashMap<JobId, Status>, Failure> {
    let Records { store, home, tell } = records;
    let released = store.release_stale(home).await?;
    if !released.is_empty() {
        tracing::info!(jobs = released.len(), "released jobs of a run that was killed");
    }
    let mut states = HashMap::new();
    let mut measured = None;
    for sweep in sweeps {
        let old = previous(home, &sweep.new.name, tell);
        // Also if the file asks for no looks any more: looks that were taken stay taken.
        sweep.new.looks = old.as_ref().map(|old| old.looks.clone()).unwrap_or_default();
        sweep.new.rounds = old.as_ref().map(|old| old.rounds.clone()).unwrap_or_default();
        let searched = sweep.searched.as_ref();
        tell.say_all(searched.and_then(|searched| searched.note(&sweep.new.rounds)));
        sweep.follow(tell)?;
        if let Some(looked) = &sweep.looked {
            tell.say_all(looked.note(&sweep.new.looks));
        }
        let new = &mut sweep.new;
        let before = match &old {
            Some(_) => store.states(&new.name).await?,
            None => HashMap::new(),
        };
        tell.say_all(own_trainers::changed_scripts((store, home), new).await?);
        if old.as_ref().is_none_or(|old| !file_changes::asks_the_same(old, new)) {
            let measured = match &measured {
                Some(measured) => measured,
                None => measured.insert(store.measured().await?),
            };
            let unmeasured = file_changes::unmeasured(measured, new);
            // Scores that this program measures itself are reported after that.
            let last = own.then(|| unmeasured.last_note(own)).flatten();
            tell.say_all(last.into_iter().chain(unmeasured.between_note()).chain(unmeasured.unreported_notes()));
        }
        new.save(home)?;
        let mut found = store.register(new).await?.states;
        if sweep.looked.is_some() || sweep.searched.is_some() {
            // Jobs that a rule stopped which is no longer in the file are trained first, before anything follows from
            // them.
            let referee = early_stopping::referee(store, &[(&new.name, &sweep.wanted)]).await?;
            let reopened = early_stopping::reopen((store, home), &referee, &found).await?;
            found.extend(reopened.into_iter().map(|job| (job, Status::Pending)));
        }
        found = sweep.advance(records, &found).await?.unwrap_or(found);
        if let Some(old) = &old {
            tell.say_all(file_changes::notes(old, &before, &sweep.new));
        }
        states.extend(found);
    }
    Ok(states)
}

/// Returns the jobs to train that are not in a cohort that has begun.
pub(crate) fn new_jobs(sweeps: &[SweepInRun], states: &HashMap<JobId, Status>, begun: &[Work]) -> Vec<Task> {
    let begun: HashSet<JobId> = begun.iter().flat_map(Work::open).collect();
    let is_new = |id: &JobId| !begun.contains(id) && is_open(states, id);
    together(sweeps.iter().flat_map(|sweep| &sweep.tasks).filter(|task| is_new(&task.id)).cloned())
}

/// Whether a job needs training.
fn is_open(states: &HashMap<JobId, Status>, job: &JobId) -> bool {
    states.get(job).is_some_and(|state| !state.is_final())
}
