//! Interim looks: seeds are added as long as comparisons are undecided. Says which jobs a sweep asks for after its
//! looks so far, and takes the next look.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};

use crate::database::Records;
use sweep_report::format::{self, plural};
use sweep_report::race::{Found, comparisons_of, look, void};
use sweep_spec::expand::{Expansion, Summary};
use sweep_spec::id::JobId;
use sweep_spec::job::Task;
use sweep_spec::metric::Measure;
use sweep_spec::race::{Look, Race};
use sweep_spec::search::is_trials;
use sweep_store::{NewEntry, NewSweep, StoreError};
use sweep_system::clock::now;
use sweep_wire::status::Status;

/// What a sweep with looks may ask for.
pub(crate) struct Looked {
    race: Race,
    variants: Vec<String>,
    /// Entries with the seeds of all looks.
    entries: Vec<NewEntry>,
    tasks: Vec<Task>,
    /// The rules that say when jobs have collapsed.
    stops: Vec<String>,
    /// Whether a look waits for scores of jobs trained before, and whether these are as complete as they will be.
    waits: Cell<bool>,
    is_measured: Cell<bool>,
}

impl Looked {
    /// Returns what this file may ask for, if it says after how many seeds to look.
    pub(crate) fn of(expansion: &Expansion, new: &NewSweep, tasks: &[Task]) -> Option<Looked> {
        let race = expansion.race.clone()?;
        let variants = compared(expansion).map(|variant| variant.name.clone()).collect();
        let stops = expansion.stops.iter().map(|stop| stop.text.clone()).collect();
        Some(Looked {
            race,
            variants,
            entries: new.entries.clone(),
            tasks: tasks.to_vec(),
            stops,
            waits: Cell::default(),
            is_measured: Cell::default(),
        })
    }

    /// Returns the jobs of all looks.
    pub(crate) fn all(&self) -> &[Task] {
        &self.tasks
    }

    /// Whether a look waits for scores of jobs trained before.
    pub(crate) fn waits(&self) -> bool {
        self.waits.get()
    }

    pub(crate) fn is_measured(&self) -> bool {
        self.is_measured.get()
    }

    /// No more scores of jobs trained before will come.
    pub(crate) fn wait_no_more(&self) {
        self.is_measured.set(true);
    }

    /// Returns the looks that fit the present declaration and its jobs.
    fn taken<'l>(&self, looks: &'l [Look]) -> Vec<&'l Look> {
        let mut taken = Vec::new();
        for look in looks.iter().filter(|look| look.race == self.race && look.variants == self.variants) {
            if look.number == taken.len() + 1 && look.jobs == self.hash(&taken) {
                taken.push(look);
            }
        }
        taken
    }

    /// Hashes the jobs that are asked for after these looks, and what is measured of them.
    fn hash(&self, taken: &[&Look]) -> String {
        let mut text = self.stops.join("\n");
        let mut before = None;
        for entry in self.due(taken) {
            let scores = entry.scores.as_ptr();
            if before.replace(scores) != Some(scores) {
                text += &serde_json::to_string(&entry.scores).unwrap_or_default();
            }
            text += &entry.id.to_string();
        }
        JobId::of(text.as_bytes()).to_string()
    }

    /// Returns the entries that are asked for after these looks.
    fn due(&self, taken: &[&Look]) -> impl Iterator<Item = &NewEntry> {
        let seeds: HashMap<&str, u64> = {
            let end = |name: &String| self.race.after(self.race.seeds_of(name, taken));
            self.variants.iter().map(|name| (name.as_str(), end(name))).collect()
        };
        let is_due = move |entry: &&NewEntry| seeds.get(entry.variant.as_str()).is_none_or(|&end| entry.job.seed < end);
        self.entries.iter().filter(is_due)
    }

    /// Whether there may be more looks.
    pub(crate) fn has_more(&self, looks: &[Look]) -> bool {
        let taken = self.taken(looks);
        taken.last().is_none_or(|look| !look.more.is_empty())
    }

    /// Returns what to tell if looks were taken with another declaration before.
    pub(crate) fn note(&self, looks: &[Look]) -> Option<String> {
        let others = looks.len() - self.taken(looks).len();
        (others > 0).then(|| {
            format!(
                "note: {} taken of other jobs, or with other `seeds`: looks start again. Findings in jobs that were \
                looked at before are wrong more often than `alpha` says",
                if others == 1 { "a look was".to_owned() } else { plural(others, "look") + " were" },
            )
        })
    }

    /// Restricts the sweep to what its looks ask for.
    pub(crate) fn restrict(&self, new: &mut NewSweep, tasks: &mut Vec<Task>) {
        new.entries = self.due(&self.taken(&new.looks)).cloned().collect();
        let asked: HashSet<JobId> = new.entries.iter().map(|entry| entry.id).collect();
        *tasks = self.tasks.iter().filter(|task| asked.contains(&task.id)).cloned().collect();
    }

    /// Takes the looks that are due when all jobs of the sweep have ended, until there is more to train or no look is
    /// left. Each look is recorded before anything follows from it. Returns the status of each job if there was a look.
    pub(crate) async fn take(
        &self,
        Records { store, home, tell }: Records<'_>,
        new: &mut NewSweep,
        tasks: &mut Vec<Task>,
        states: &HashMap<JobId, Status>,
    ) -> Result<Option<HashMap<JobId, Status>>, StoreError> {
        let mut found = None;
        self.waits.set(false);
        loop {
            let (number, jobs) = {
                let taken = self.taken(&new.looks);
                (taken.len() + 1, self.hash(&taken))
            };
            let known = found.as_ref().unwrap_or(states);
            let are = |state: Status| new.entries.iter().filter(|entry| known.get(&entry.id) == Some(&state)).count();
            let is_open = |entry: &NewEntry| known.get(&entry.id).is_none_or(|state| !state.is_final());
            if !self.has_more(&new.looks) || new.entries.iter().any(is_open) {
                return Ok(found);
            }
            // A user who cancels jobs wants no more of them, but has thereby picked those that are left.
            let cancelled = are(Status::Cancelled);
            if cancelled > 0 {
                tell.say(format!(
                    "look {number} of {} at `{}` waits: {} cancelled (`sweep retry {} --cancelled` trains them)",
                    self.race.looks.len(),
                    new.name,
                    if cancelled == 1 {
                        "one of its jobs is".to_owned()
                    } else {
                        format!("{cancelled} of its jobs are")
                    },
                    new.name
                ));
                return Ok(found);
            }
            let failed = match are(Status::Failed) {
                0 => String::new(),
                failed => format!("; {} left out, with the others of their seeds", plural(failed, "failed job")),
            };
            let results = store.results(&store.sweep(Some(&new.name)).await?).await?;
            let Some(Found { over, words }) = look(&results, &self.race) else {
                self.waits.set(!self.is_measured.get());
                tell.say(format!(
                    "look {number} of {} at `{}` waits until all its jobs are scored",
                    self.race.looks.len(),
                    new.name
                ));
                return Ok(found);
            };
            let is_last = number >= self.race.looks.len();
            let goes_on = |name: &&String| !over.rivals.contains(*name) || over.baselines.contains(*name);
            let mut more: Vec<String> = self.variants.iter().filter(goes_on).cloned().collect();
            // Baselines train together with the variants that are compared with them, and not alone.
            if is_last || more.iter().all(|name| over.baselines.contains(name)) {
                more.clear();
            }
            let (race, variants) = (self.race.clone(), self.variants.clone());
            let seeds = self.race.looks.get(number - 1).copied().unwrap_or_default();
            let next = match more.len() {
                0 if is_last => String::new(),
                0 => "; no more seeds are needed".to_owned(),
                _ => format!("; more seeds for {}", more.join(", ")),
            };
            tell.say(format!(
                "look {number} of {} at `{}` ({}): {}{failed}{next}",
                self.race.looks.len(),
                new.name,
                plural(seeds as usize, "seed"),
                words.join(", ")
            ));
            new.looks.push(Look { race, variants, number, at: now(), jobs, found: words, more });
            self.restrict(new, tasks);
            new.save(home)?;
            found = Some(store.register(new).await?.states);
        }
    }
}

/// Describes looks for a plan, if there are any: the jobs, of which there are at most `unique` different ones, and the
/// looks.
pub fn planned(expansion: &Expansion, unique: usize) -> Option<[(&'static str, String); 2]> {
    let race = expansion.race.as_ref()?;
    let void = void_looks(expansion, race);
    // The first look after which no more may be needed.
    let first = (0..race.looks.len()).find(|look| !void.contains(look)).unwrap_or(race.looks.len() - 1);
    let seeds = |look: &usize| race.looks[*look].to_string();
    let jobs = if first + 1 == race.looks.len() {
        format::count(unique)
    } else {
        let least = least_jobs(expansion, race.looks[first]);
        format!("{} at least, {} at most", format::count(least), format::count(unique))
    };
    let all: Vec<String> = (0..race.looks.len()).map(|look| seeds(&look)).collect();
    let mut looks = format!("with {} seeds; decided variants get no more", all.join(", "));
    if !void.is_empty() {
        let names: Vec<String> = void.iter().map(seeds).collect();
        looks +=
            &format!("\nwith {} nothing can be decided: with so few pairs, no p is small enough", names.join(", "));
    }
    Some([("jobs", jobs), ("looks", looks)])
}

/// Returns what to tell before training if no look can decide anything.
pub(crate) fn in_vain(expansion: &Expansion) -> Option<String> {
    let race = expansion.race.as_ref()?;
    (void_looks(expansion, race).len() == race.looks.len()).then(|| {
        let most = race.looks.last().copied().unwrap_or_default();
        format!(
            "note: with so many comparisons and {} at most, no look can decide anything; add looks with more seeds",
            plural(most as usize, "seed")
        )
    })
}

/// Returns how many different jobs have one of the first `seeds` seeds.
pub fn least_jobs(expansion: &Expansion, seeds: u64) -> usize {
    let end = expansion.race.as_ref().map_or(seeds, |race| race.after(seeds));
    let first = expansion.entries.iter().filter(|entry| entry.job.seed < end || is_trials(&entry.variant));
    first.map(|entry| entry.id).collect::<HashSet<JobId>>().len()
}

/// Returns the variants that are compared. Trials of a search are not, since the search has picked one of them.
fn compared(expansion: &Expansion) -> impl Iterator<Item = &Summary> {
    expansion.variants.iter().filter(|variant| !is_trials(&variant.name))
}

/// Returns the looks, from 0, at which nothing can be decided.
fn void_looks(expansion: &Expansion, race: &Race) -> Vec<usize> {
    let variants: Vec<_> = compared(expansion).map(|variant| (variant.name.as_str(), &variant.objectives)).collect();
    let scores: BTreeSet<Measure> = expansion.entries.iter().flat_map(|entry| entry.score.measures()).collect();
    let scores: Vec<Measure> = scores.into_iter().collect();
    void(race, comparisons_of(&variants, &scores))
}
