//! What would run.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::budget::{self, Ranks, has_looks};
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

/// A sweep file that is read, and what is known of its sweep.
pub struct Draft {
    /// What it asks for: where it searches, with the points that are known, or that would be drawn.
    pub expansion: Expansion,
    picked: Vec<Picked>,
    searched: Option<Searched>,
    rounds: Vec<Round>,
}

/// Jobs in cohorts on slots.
pub struct Planned {
    /// What the file asks for.
    pub expansion: Expansion,
    /// How many different jobs there are.
    pub unique: usize,
    /// Where each cohort trains.
    pub plan: sweep_plan::Plan,
    /// The slots.
    pub slots: Vec<Slot>,
    /// What a run measures first.
    pub questions: Vec<Question>,
    /// Seconds that jobs of trainers of the user's own took.
    pub seconds: Seconds,
    /// What fits into a budget, in words.
    pub budget: Option<String>,
    /// What is known of cells that others have picked, or that are sought: names and words.
    pub cells: Vec<(&'static str, String)>,
    /// What is sought, for programs.
    pub searches: Vec<Value>,
}

impl Draft {
    /// Reads `file`, and tells what of its sweep has changed. `foresees`: points that nobody knows yet are planned for.
    ///
    /// # Errors
    ///
    /// It cannot be read, or has mistakes.
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
            // A large sweep's entries take their time.
            if known.iter().any(|path| fs::exists(path).unwrap_or(true)) {
                say_changes(places, tell, &mut file_changes::sweep(file, &loaded, 0.0));
            }
        }
        for source in loaded.unread {
            tell.say(format!(
                "{source} has not been read yet: `sweep run` reads it first, and ids are not final before"
            ));
        }
        let expansion = foreseen.unwrap_or(loaded.expansion);
        Ok(Draft { expansion, picked: loaded.picked, searched, rounds })
    }

    /// Puts the jobs of `file` into cohorts, and these on slots; `budget` is in seconds.
    ///
    /// # Errors
    ///
    /// There are no such slots, or no budget goes together with what the file says.
    pub fn plan(
        self,
        (places, file): (&Places, &Path),
        choice: &SlotChoice,
        budget: Option<f64>,
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
            .map(|budget| Ok::<_, Failure>((budget, Ranks::of(&expansion).ok_or_else(has_looks)?)))
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

/// Says what of the sweep of this name is not used any more, and what is to be measured of jobs that are done.
fn say_changes(places: &Places, tell: &Tell, new: &mut NewSweep) {
    let old = previous(&places.home, &new.name, tell);
    // A plan needs no database; whoever trains hears of one that cannot be read.
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

/// Finds what goes on from shorter jobs, and says so.
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

/// Those of `tasks` that have not ended yet, as far as a database says.
fn open(places: &Places, tasks: &[Task]) -> Vec<Task> {
    let ended = with_store(places, async |store| Ok(store.ended_jobs().await?)).unwrap_or_default();
    tasks.iter().filter(|task| !ended.contains(&task.id)).cloned().collect()
}

/// How long jobs of trainers of the user's own took, as far as a database says.
fn own_seconds(places: &Places, expansion: &Expansion) -> Seconds {
    if expansion.trainers.is_empty() {
        return Seconds::new();
    }
    with_store(places, async |store| Ok(store.own_seconds().await?)).unwrap_or_default()
}
