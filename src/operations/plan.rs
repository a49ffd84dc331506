//! What would run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::budget::{self, Budget, Ranks, has_looks};
use crate::cohort_sizes::open_questions;
use crate::database::with_store;
use crate::environment::variable;
use crate::own_trainers::Seconds;
use crate::previous_sweep::previous;
use crate::search::Searched;
use crate::slots::{SlotChoice, check_precision};
use crate::sweep_file::{Around, load, mistaken, warn};
use crate::{Failure, Places, Tell, best_cells, file_changes, own_trainers, shorter_jobs};
use sweep_plan::measured::Question;
use sweep_plan::slot::Slot;
use sweep_spec::expand::Expansion;
use sweep_spec::from::Picked;
use sweep_spec::job::Task;
use sweep_spec::search::Round;
use sweep_store::NewSweep;

/// A sweep file that was read, and what is known of its sweep.
pub struct Draft {
    /// What it asks for. With a search, includes the points that are known or would be drawn.
    pub expansion: Expansion,
    picked: Vec<Picked>,
    searched: Option<Searched>,
    rounds: Vec<Round>,
}

/// Jobs in cohorts on slots.
pub struct Planned {
    /// What the file asks for.
    pub expansion: Expansion,
    /// The number of different jobs.
    pub unique: usize,
    /// The slot of each cohort.
    pub plan: sweep_plan::Plan,
    /// The slots.
    pub slots: Vec<Slot>,
    /// What a run measures first.
    pub questions: Vec<Question>,
    /// Seconds that jobs of own trainers took.
    pub seconds: Seconds,
    /// What fits into a budget, in words.
    pub budget: Option<String>,
    /// What is known of cells that were picked from other sweeps or are searched: names and descriptions.
    pub cells: Vec<(&'static str, String)>,
    /// Searches, as JSON.
    pub searches: Vec<Value>,
}

impl Draft {
    /// Reads `file`, and reports what has changed in its sweep. `foresees`: also plans for points of a search that are
    /// not known yet.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or has mistakes.
    pub fn read(places: &Places, file: &Path, foresees: bool, tell: &Tell) -> Result<Draft, Failure> {
        let mut loaded = load(file, Around { root: &places.data_root()?, places: Some(places), tell })?;
        warn(tell, &loaded.expansion.warnings);
        let searched = Searched::of(&loaded);
        let rounds = match &searched {
            Some(_) => previous(&places.home, &loaded.expansion.sweep, tell).map(|old| old.rounds).unwrap_or_default(),
            None => Vec::new(),
        };
        let mut foreseen = None;
        if let Some(searched) = &searched {
            loaded.expansion = searched.expand(&rounds).map_err(|errors| mistaken(&errors, tell))?;
            if foresees {
                foreseen = Some(searched.foreseen(&rounds).map_err(|errors| mistaken(&errors, tell))?);
            }
        }
        if loaded.unread.is_empty() {
            let known = [places.database(), places.home.sweep(&loaded.expansion.sweep)];
            // Reading the entries of a large sweep takes time.
            if known.iter().any(|path| fs::exists(path).unwrap_or(true)) {
                say_changes(places, tell, &mut file_changes::sweep(file, &loaded, 0.0));
            }
        }
        for source in loaded.unread {
            tell.say(format!(
                "{source} has not been read yet: `sweep run` reads it first, and job ids may change then"
            ));
        }
        let expansion = foreseen.unwrap_or(loaded.expansion);
        Ok(Draft { expansion, picked: loaded.picked, searched, rounds })
    }

    /// Puts the jobs of `file` into cohorts, and these on slots.
    ///
    /// # Errors
    ///
    /// There are no such slots, or they or the file cannot be combined with the budget.
    pub fn plan(
        self,
        (places, file): (&Places, &Path),
        choice: &SlotChoice,
        budget: Option<Budget>,
        tell: &Tell,
    ) -> Result<Planned, Failure> {
        let Draft { expansion, picked, searched, rounds } = self;
        let slots = choice.slots(tell)?;
        let mut tasks = expansion.tasks();
        check_precision(file.display(), "--devices", tasks.iter().map(|task| &*task.job.blueprint), &slots)?;
        let unique = tasks.len();
        say_longer(places, tell, &mut tasks);
        let mut limits = choice.limits(&slots, 0, &places.home)?;
        let seconds = own_seconds(places, &expansion);
        own_trainers::plan_with(&mut limits, &expansion.trainers, &seconds);
        let questions = open_questions(&tasks, &slots, &limits);
        let of = budget
            .map(|budget| {
                Ok::<_, Failure>((budget.seconds(&slots, false)?, Ranks::of(&expansion).ok_or_else(has_looks)?))
            })
            .transpose()?;
        let budget = of.map(|(budget, ranks)| {
            let open = open(places, &tasks);
            let unknown = budget::unknown(&open, &seconds, budget);
            unknown.unwrap_or_else(|| ranks.planned(&open, budget, (&slots, &limits)))
        });
        let plan = sweep_plan::plan(tasks, &slots, &limits);
        let searches = searched.iter().flat_map(|searched| searched.planned_json(&rounds)).collect();
        let cells = best_cells::planned(&picked, &expansion).into_iter();
        let cells = cells.chain(searched.as_ref().map(|searched| searched.planned(&rounds))).collect();
        Ok(Planned { expansion, unique, plan, slots, questions, seconds, budget, cells, searches })
    }
}

/// Reports which jobs of the sweep with this name are no longer used, and what will be measured of finished jobs.
fn say_changes(places: &Places, tell: &Tell, new: &mut NewSweep) {
    let old = previous(&places.home, &new.name, tell);
    // A plan needs no database. The run will report one that cannot be read.
    let read = with_store(places, async |store| Ok((store.states(&new.name).await?, store.measured().await?)));
    let (states, measured) = read.unwrap_or_default();
    if let Some(old) = &old {
        tell.say_all(file_changes::notes(old, &states, new));
    }
    let scripts =
        with_store(places, async |store| Ok(own_trainers::changed_scripts((&store, &places.home), new).await?));
    tell.say_all(scripts.unwrap_or_default());
    let unmeasured = file_changes::unmeasured(&measured, new);
    let own = variable("SWEEP_WORKER").is_some();
    let notes = unmeasured.last_note(own).into_iter().chain(unmeasured.between_note());
    tell.say_all(notes.chain(unmeasured.unreported_notes()));
}

/// Finds jobs that continue from shorter ones, and reports them.
fn say_longer(places: &Places, tell: &Tell, tasks: &mut [Task]) {
    // A plan needs no database.
    let found = with_store(places, async |store| {
        let ended = store.ended_jobs().await?;
        let open = tasks.iter().filter(|task| !ended.contains(&task.id));
        let found = shorter_jobs::find(&store, &places.home, (open, false)).await?;
        if !found.is_empty() {
            tasks.iter_mut().for_each(|task| task.earlier = found.get(&task.id).copied());
        }
        shorter_jobs::notes(&store, tasks.iter()).await
    });
    tell.say_all(found.unwrap_or_default());
}

/// Returns those of `tasks` that have not ended, according to the database if there is one.
fn open(places: &Places, tasks: &[Task]) -> Vec<Task> {
    let ended = with_store(places, async |store| Ok(store.ended_jobs().await?)).unwrap_or_default();
    tasks.iter().filter(|task| !ended.contains(&task.id)).cloned().collect()
}

/// Returns how long jobs of own trainers took, according to the database if there is one.
fn own_seconds(places: &Places, expansion: &Expansion) -> Seconds {
    if expansion.trainers.is_empty() {
        return Seconds::new();
    }
    with_store(places, async |store| Ok(store.own_seconds().await?)).unwrap_or_default()
}
