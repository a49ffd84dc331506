//! Sweep files on their way into a run: read, put into the database, and which of their jobs are to be trained.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::Failure;
use super::budget::{self, Ranks};
use super::changed;
use super::early;
use super::load::{Around, load_ready, mistaken, warn};
use super::looks::{Looked, in_vain};
use super::progress::{Coming, say};
use super::reading::{failure, stopped_short};
use super::saved::saved;
use super::searched::Searched;
use super::trainers::{self, Seconds, Trainers, folder};
use sweep_plan::Limits;
use sweep_plan::slot::Slot;
use sweep_run::RunError;
use sweep_run::state::Work;
use sweep_run::state::referee::Wanted;
use sweep_spec::expand::Expansion;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::{Task, together};
use sweep_spec::policy::Policy;
use sweep_store::{NewSweep, Store};
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
    /// The cells that it seeks.
    pub(super) searched: Option<Searched>,
}

impl Asked {
    /// The jobs that it may ask for in the end, as far as cells are known.
    pub(super) fn all(&self) -> &[Task] {
        self.looked.as_ref().map_or(&self.tasks, |looked| looked.all())
    }

    /// Asks for what its search and its looks have found by now, where it has any.
    fn follow(&mut self) -> Result<(), RunError> {
        if let Some(searched) = &self.searched {
            let expansion = searched.expand(&self.new.rounds);
            let expansion = expansion.map_err(|errors| {
                let words = mistaken(&errors).into_words();
                RunError::Next(format!("points that were proposed cannot be trained: {words}"))
            })?;
            self.tasks = expansion.tasks();
            self.new.entries = changed::entries(&expansion);
            // Who waits for nothing any more goes on so.
            let is_measured = self.looked.as_ref().is_some_and(Looked::is_measured);
            self.looked = Looked::of(&expansion, &self.new, &self.tasks);
            if let (Some(looked), true) = (&self.looked, is_measured) {
                looked.wait_no_more();
            }
            self.wanted = early::wanted(&expansion);
            self.keeps = expansion.keeps;
            self.trainers = expansion.trainers;
        }
        if let Some(looked) = &self.looked {
            looked.restrict(&mut self.new, &mut self.tasks);
        }
        Ok(())
    }

    /// Whether what follows waits for scores of what was trained before.
    pub(super) fn waits(&self) -> bool {
        self.searched.as_ref().is_some_and(Searched::waits) || self.looked.as_ref().is_some_and(Looked::waits)
    }

    /// Nobody will measure more of what was trained before.
    pub(super) fn wait_no_more(&self) {
        self.searched.iter().for_each(Searched::wait_no_more);
        self.looked.iter().for_each(Looked::wait_no_more);
    }

    /// How many jobs may follow beside those that it asks for by now.
    pub(super) fn coming(&self) -> Coming {
        let at_most = self.looked.is_some();
        let foreseen = self.searched.as_ref().and_then(|searched| searched.foreseen(&self.new.rounds).ok());
        let all = match (&foreseen, self.has_more()) {
            (_, false) => 0,
            (Some(foreseen), true) => foreseen.tasks().len(),
            (None, true) => self.all().len(),
        };
        Coming { jobs: all.saturating_sub(self.tasks.len()), at_most }
    }

    /// Whether more may follow once all has ended that it asks for.
    pub(super) fn has_more(&self) -> bool {
        let searches = self.searched.as_ref().is_some_and(|searched| !searched.is_over(&self.new.rounds));
        searches || self.looked.as_ref().is_some_and(|looked| looked.has_more(&self.new.looks))
    }

    /// Asks for what follows from what has ended: the points that a search proposes or picks, then looks. Each is written down before it is trained.
    /// Where each job stands, if anything followed.
    ///
    /// # Errors
    ///
    /// The database or the home directory cannot be read or written, or settings that were proposed are wrong together.
    pub(super) async fn advance(
        &mut self,
        (store, home): (&Store, &Home),
        states: &HashMap<JobId, Status>,
    ) -> Result<Option<HashMap<JobId, Status>>, RunError> {
        let mut found = None;
        while let Some(searched) = &self.searched {
            let known = found.as_ref().unwrap_or(states);
            if !searched.is_due(&self.new, known) {
                break;
            }
            let results = store.results(&store.sweep(Some(&self.new.name)).await?).await?;
            if !searched.take(&mut self.new, &results, known) {
                break;
            }
            self.follow()?;
            self.new.save(home)?;
            found = Some(store.register(&self.new).await?.states);
        }
        if self.searched.as_ref().is_some_and(|searched| !searched.is_over(&self.new.rounds)) {
            return Ok(found);
        }
        if let Some(looked) = &self.looked {
            let known = found.as_ref().unwrap_or(states);
            let after = looked.take((store, home), &mut self.new, &mut self.tasks, known).await?;
            found = after.or(found);
        }
        Ok(found)
    }
}

/// Reads a sweep file.
pub(super) fn ask(file: &Path, around: Around) -> Result<Asked, Failure> {
    let loaded = load_ready(file, around)?;
    warn(&loaded.expansion.warnings);
    in_vain(&loaded.expansion).into_iter().for_each(say);
    let tasks = loaded.expansion.tasks();
    let new = changed::sweep(file, &loaded, now());
    let looked = Looked::of(&loaded.expansion, &new, &tasks);
    let (wanted, ranks) = (early::wanted(&loaded.expansion), Ranks::of(&loaded.expansion));
    let searched = Searched::of(&loaded);
    let Expansion { sweep: name, policy, trainers, keeps, .. } = loaded.expansion;
    Ok(Asked { name, tasks, new, policy, trainers, folder: folder(file)?, keeps, wanted, ranks, looked, searched })
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
) -> Result<HashMap<JobId, Status>, Failure> {
    let released = store.release_stale(home).await.map_err(failure)?;
    if !released.is_empty() {
        tracing::info!(jobs = released.len(), "released jobs of a run that was cut off");
    }
    let mut states = HashMap::new();
    let mut measured = None;
    for asked in asked {
        let old = saved(home, &asked.new.name);
        // Also where it has none any more: who has looked has looked.
        asked.new.looks = old.as_ref().map(|old| old.looks.clone()).unwrap_or_default();
        asked.new.rounds = old.as_ref().map(|old| old.rounds.clone()).unwrap_or_default();
        let searched = asked.searched.as_ref();
        searched.and_then(|searched| searched.note(&asked.new.rounds)).into_iter().for_each(say);
        asked.follow().map_err(stopped_short)?;
        if let Some(looked) = &asked.looked {
            looked.note(&asked.new.looks).into_iter().for_each(say);
        }
        let new = &mut asked.new;
        let before = match &old {
            Some(_) => store.states(&new.name).await.map_err(failure)?,
            None => HashMap::new(),
        };
        trainers::changed_scripts((store, home), new).await.map_err(failure)?.into_iter().for_each(say);
        if old.as_ref().is_none_or(|old| !changed::asks_the_same(old, new)) {
            let measured = match &measured {
                Some(measured) => measured,
                None => measured.insert(store.measured().await.map_err(failure)?),
            };
            let unmeasured = changed::unmeasured(measured, new);
            // What is left to the program itself is said when it is done.
            let last = own.then(|| unmeasured.last_note(own)).flatten();
            last.into_iter().chain(unmeasured.between_note()).chain(unmeasured.unreported_notes()).for_each(say);
        }
        new.save(home).map_err(failure)?;
        let mut found = store.register(new).await.map_err(failure)?.states;
        if asked.looked.is_some() || asked.searched.is_some() {
            // What a rule has stopped that the file has no more is trained on before anything follows from it.
            let referee = early::referee(store, &[(&new.name, &asked.wanted)]).await.map_err(failure)?;
            let reopened = early::reopen((store, home), &referee, &found).await.map_err(failure)?;
            found.extend(reopened.into_iter().map(|job| (job, Status::Pending)));
        }
        found = asked.advance((store, home), &found).await.map_err(stopped_short)?.unwrap_or(found);
        if let Some(old) = &old {
            changed::notes(old, &before, &asked.new).into_iter().for_each(say);
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
