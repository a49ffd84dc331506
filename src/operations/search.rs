//! Searches for cells during a run: which points to try next, and which to confirm.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use crate::Tell;
use crate::sweep_file::Loaded;
use sweep_plan::tpe::propose;
use sweep_report::format::plural;
use sweep_report::search::{Trial, Worth, trials};
use sweep_spec::error::SpecErrors;
use sweep_spec::expand::{Entry, Expansion};
use sweep_spec::id::JobId;
use sweep_spec::point::Point;
use sweep_spec::search::{Given, Plan, Round, Search, of_trials};
use sweep_spec::sweep::Sweep;
use sweep_store::{NewEntry, NewSweep, Results};
use sweep_system::clock::now;
use sweep_wire::status::Status;

/// How often points are proposed again if they were tried before.
const DRAWS: u64 = 20;

/// A sweep with variants that search for cells.
pub(crate) struct Searched {
    sweep: Sweep,
    searches: Vec<Known>,
}

/// A search, and which one it is.
struct Known {
    search: Search,
    identity: String,
    /// Whether nothing follows from what has ended.
    is_barren: Cell<bool>,
    /// Whether it waits for scores of jobs trained before, and whether these are as complete as they will be.
    waits: Cell<bool>,
    is_measured: Cell<bool>,
}

/// What comes next in a search.
enum Next {
    /// These points, for trials or to be confirmed, and what to say about them.
    Round(Round, String),
    /// Nothing until trials are scored, which happens after training.
    Waits,
    /// Nothing at all, and why.
    Nothing(String),
    Over,
}

impl Searched {
    /// Returns what a file searches, if anything.
    pub(crate) fn of(loaded: &Loaded) -> Option<Searched> {
        let known = |search: &Search| {
            let name = of_trials(&search.variant);
            let first = loaded.expansion.entries.iter().filter(|entry| *entry.variant == *name);
            let asked = |entry: &Entry| (entry.id, entry.score.asks(search.metric).to_string());
            let identity = search.identity(first.map(asked), &loaded.expansion.stops);
            Known {
                search: search.clone(),
                identity,
                is_barren: Cell::new(false),
                waits: Cell::new(false),
                is_measured: Cell::new(false),
            }
        };
        let searches: Vec<Known> = loaded.expansion.searches.iter().map(known).collect();
        (!searches.is_empty()).then(|| Searched { sweep: loaded.sweep.clone(), searches })
    }

    /// Returns what to tell if rounds with this name belonged to other searches.
    pub(crate) fn note(&self, rounds: &[Round]) -> Option<String> {
        let is_of = |round: &&Round| {
            self.searches.iter().any(|known| known.search.variant == round.variant && known.identity == round.identity)
        };
        let others = rounds.iter().filter(|round| !is_of(round)).count();
        (others > 0 && others == rounds.len()).then(|| {
            "note: the search or its jobs have changed since points were proposed: they are proposed again, and jobs \
            that were trained are reused if they come up again"
                .to_owned()
        })
    }

    /// Returns what the file asks for after these rounds.
    ///
    /// # Errors
    ///
    /// Proposed settings contradict each other.
    pub(crate) fn expand(&self, rounds: &[Round]) -> Result<Expansion, SpecErrors> {
        let mut sweep = self.sweep.clone();
        for Known { search, identity, .. } in &self.searches {
            sweep.give(&search.variant, search.given(rounds, identity));
        }
        sweep.expand()
    }

    /// Returns what it will ask for. Draws points that are not known yet as a run would.
    pub(crate) fn foreseen(&self, rounds: &[Round]) -> Result<Expansion, SpecErrors> {
        let mut sweep = self.sweep.clone();
        for Known { search, identity, .. } in &self.searches {
            let Given { mut trials, mut confirmed } = search.given(rounds, identity);
            trials.extend(search.drawn(search.plan.trials).into_iter().skip(trials.len()));
            if confirmed.is_empty() {
                confirmed = trials.iter().take(search.plan.confirm).cloned().collect();
            }
            sweep.give(&search.variant, Given { trials, confirmed });
        }
        sweep.expand()
    }

    /// Describes it for a plan.
    pub(crate) fn planned(&self, rounds: &[Round]) -> (&'static str, String) {
        let line = |Known { search, identity, .. }: &Known| {
            let (Plan { trials, startup, batch, seeds, confirm, .. }, given) =
                (search.plan, search.given(rounds, identity));
            let drawn = match startup < trials {
                true => format!("{startup} drawn at random, the others proposed by tpe, {batch} at a time"),
                false => "all drawn".to_owned(),
            };
            let known = match given.trials.len() - startup.min(given.trials.len()) {
                0 => String::new(),
                _ => format!("; {} are known so far", given.trials.len()),
            };
            let best = if confirm == 1 { "the best is".to_owned() } else { format!("the best {confirm} are") };
            format!(
                "{}: {} of {} by {}: {drawn}{known};\n{best} trained with other seeds",
                search.variant,
                plural(trials, "trial"),
                plural(seeds as usize, "seed"),
                search.metric.name()
            )
        };
        ("search", self.searches.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Returns the same as JSON.
    pub(crate) fn planned_json(&self, rounds: &[Round]) -> Vec<Value> {
        let one = |Known { search, identity, .. }: &Known| {
            let (Plan { trials, startup, batch, seeds, confirm, .. }, given) =
                (search.plan, search.given(rounds, identity));
            let metric = search.metric.name();
            json!({
                "variant": search.variant, "metric": metric, "method": "tpe", "trials": trials, "startup": startup,
                "batch": batch, "seeds": seeds, "confirm": confirm, "known": given.trials.len(),
                "confirmed": given.confirmed.len()
            })
        };
        self.searches.iter().map(one).collect()
    }

    /// Whether the search is complete.
    pub(crate) fn is_over(&self, rounds: &[Round]) -> bool {
        self.searches.iter().all(|known| known.is_over(rounds))
    }

    /// Whether a search waits for scores of jobs trained before.
    pub(crate) fn waits(&self) -> bool {
        self.searches.iter().any(|known| known.waits.get())
    }

    /// No more scores of jobs trained before will come. Trials without a score stay unknown.
    pub(crate) fn wait_no_more(&self) {
        self.searches.iter().for_each(|known| known.is_measured.set(true));
    }

    /// Whether trials have ended that lead to a next round.
    pub(crate) fn is_due(&self, new: &NewSweep, states: &HashMap<JobId, Status>) -> bool {
        self.searches.iter().any(|known| known.is_due(new, states))
    }

    /// Adds the rounds that follow from ended trials. Returns whether there were any.
    pub(crate) fn take(
        &self,
        tell: &Tell,
        new: &mut NewSweep,
        results: &Results,
        states: &HashMap<JobId, Status>,
    ) -> bool {
        let mut found = false;
        for known in &self.searches {
            match known.next(new, results, states) {
                Next::Round(round, words) => {
                    tell.say(words);
                    new.rounds.push(round);
                    found = true;
                }
                Next::Nothing(words) => {
                    tell.say(words);
                    known.is_barren.set(true);
                }
                Next::Waits => known.waits.set(true),
                Next::Over => {}
            }
        }
        found
    }
}

impl Known {
    /// Returns what comes next, if trials have ended that lead to a next round.
    fn next(&self, new: &NewSweep, results: &Results, states: &HashMap<JobId, Status>) -> Next {
        self.waits.set(false);
        if !self.is_due(new, states) {
            return Next::Over;
        }
        let Known { search, identity, .. } = self;
        let points = search.given(&new.rounds, identity).trials;
        let Some(ended) = trials(results, search, !self.is_measured.get()) else { return Next::Waits };
        let cancelled = self.count(new, states, Status::Cancelled);
        if cancelled > 0 {
            // A user who cancels jobs wants no more of them.
            return Next::Nothing(format!(
                "search for {} at `{}` has stopped: {cancelled} of its jobs {} cancelled (`sweep retry {} \
                --cancelled` trains them)",
                search.variant,
                new.name,
                if cancelled == 1 { "is" } else { "are" },
                new.name
            ));
        }
        let round = |confirm, next: Vec<Point>| Round {
            variant: search.variant.clone(),
            identity: identity.clone(),
            after: points.len(),
            confirm,
            at: now(),
            points: next,
        };
        let Plan { trials: all, batch, confirm, seed, .. } = search.plan;
        let ranked = ranked(&points, &ended);
        let mut said = format!("search for {} at `{}`: {} of {all} trials", search.variant, new.name, points.len());
        if let Some((worth, _)) = ranked.first() {
            said += &format!(", the best {} {}", search.metric.name(), shown(*worth, search));
        }
        if points.len() < all {
            let seen = points.iter().filter_map(|point| Some((search.place(point)?, badness(point, &ended)?)));
            let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(points.len() as u64);
            let next = fresh(search, &points, seen.collect(), (batch.min(all - points.len()), seed));
            if !next.is_empty() {
                said += &format!("; {} more", next.len());
                return Next::Round(round(None, next), said);
            }
            said += ", which are all possible points";
        }
        let picked: Vec<Point> = ranked.iter().take(confirm).map(|(_, point)| (*point).clone()).collect();
        said += &match picked.len() {
            0 => ", and none has a score: there is nothing to confirm".to_owned(),
            1 => "; the best one with other seeds".to_owned(),
            cells => format!("; the best {cells} with other seeds"),
        };
        match picked.is_empty() {
            true => Next::Nothing(said),
            false => Next::Round(round(Some((all, confirm)), picked), said),
        }
    }

    fn is_due(&self, new: &NewSweep, states: &HashMap<JobId, Status>) -> bool {
        let name = of_trials(&self.search.variant);
        let is_open = |entry: &NewEntry| states.get(&entry.id).is_none_or(|state| !state.is_final());
        !self.is_over(&new.rounds) && !new.entries.iter().any(|entry| entry.variant == name && is_open(entry))
    }

    /// Returns how many jobs of its trials have this status.
    fn count(&self, new: &NewSweep, states: &HashMap<JobId, Status>, state: Status) -> usize {
        let name = of_trials(&self.search.variant);
        let trials = new.entries.iter().filter(|entry| entry.variant == name);
        let jobs: HashSet<JobId> = trials.map(|entry| entry.id).filter(|job| states.get(job) == Some(&state)).collect();
        jobs.len()
    }

    fn is_over(&self, rounds: &[Round]) -> bool {
        self.is_barren.get() || !self.search.given(rounds, &self.identity).confirmed.is_empty()
    }
}

/// Returns `count` points that were not tried before, or fewer if there are no more. Rounding, above all to whole
/// numbers, can turn a new place into one that was tried.
fn fresh(search: &Search, tried: &[Point], mut seen: Vec<(Vec<f64>, f64)>, (count, seed): (usize, u64)) -> Vec<Point> {
    let mut points: Vec<Point> = Vec::new();
    for draw in 0..DRAWS {
        for place in propose(&search.dimensions(), &seen, count - points.len(), seed.wrapping_add(draw << 32)) {
            let point = search.point(&place);
            // An assumed bad result keeps the next points of the batch away from this one.
            seen.push((place, f64::INFINITY));
            if !tried.contains(&point) && !points.contains(&point) {
                points.push(point);
            }
        }
        if points.len() == count {
            break;
        }
    }
    points
}

/// Returns how bad a point is, lower being better; `None` if not known.
fn badness(point: &Point, ended: &[Trial]) -> Option<f64> {
    match ended.iter().find(|trial| trial.is_of(point))?.worth {
        Worth::Known(worth) => Some(-worth),
        Worth::Nothing => Some(f64::INFINITY),
        Worth::Unknown => None,
    }
}

/// Returns the points with a score, best first, each cell once.
fn ranked<'p>(points: &'p [Point], ended: &[Trial]) -> Vec<(f64, &'p Point)> {
    let mut seen = HashSet::new();
    let of = |point: &'p Point| {
        let place = ended.iter().position(|trial| trial.is_of(point))?;
        match ended[place].worth {
            Worth::Known(worth) if seen.insert(place) => Some((worth, point)),
            Worth::Known(_) | Worth::Nothing | Worth::Unknown => None,
        }
    };
    let mut ranked: Vec<(f64, &Point)> = points.iter().filter_map(of).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}

/// Converts how good a cell is back to its score.
fn shown(worth: f64, search: &Search) -> String {
    use sweep_spec::metric::Direction;
    let score = match search.better {
        Direction::Higher => worth,
        Direction::Lower => -worth,
    };
    sweep_figure::format::number(score)
}
