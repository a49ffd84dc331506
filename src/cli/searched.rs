//! Cells that are sought while a run trains: which points are tried next, and which are confirmed.

use std::collections::{HashMap, HashSet};

use super::load::Loaded;
use super::progress::say;
use super::table::plural;
use sweep_plan::tpe::propose;
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

/// How often points are proposed anew where they were tried before.
const DRAWS: u64 = 20;

/// A sweep with variants whose cells are sought.
pub(super) struct Searched {
    sweep: Sweep,
    searches: Vec<Known>,
}

/// A search, and which one it is.
struct Known {
    search: Search,
    identity: String,
}

/// What comes next in a search.
enum Next {
    /// These points, for trials or to be confirmed, and what to say of that.
    Round(Round, String),
    /// Nothing before trials are scored, which happens after training.
    Waits,
    Over,
}

impl Searched {
    /// What a file searches, if anything.
    pub(super) fn of(loaded: &Loaded) -> Option<Searched> {
        let known = |search: &Search| {
            let name = of_trials(&search.variant);
            let first = loaded.expansion.entries.iter().filter(|entry| *entry.variant == *name);
            let asked = |entry: &Entry| serde_json::to_string(&*entry.score).unwrap_or_default();
            Known { search: search.clone(), identity: search.identity(first.map(|entry| (entry.id, asked(entry)))) }
        };
        let searches: Vec<Known> = loaded.expansion.searches.iter().map(known).collect();
        (!searches.is_empty()).then(|| Searched { sweep: loaded.sweep.clone(), searches })
    }

    /// What to tell where rounds of this name were of other searches.
    pub(super) fn note(&self, rounds: &[Round]) -> Option<String> {
        let is_of = |round: &&Round| {
            self.searches.iter().any(|known| known.search.variant == round.variant && known.identity == round.identity)
        };
        let others = rounds.iter().filter(|round| !is_of(round)).count();
        (others > 0 && others == rounds.len()).then(|| {
            "note: the file asks for another search, or other jobs, than when points were proposed: they are proposed anew, and what was trained \
             is used where it is asked for again"
                .to_owned()
        })
    }

    /// What the file asks for after these rounds.
    ///
    /// # Errors
    ///
    /// Settings of points that were proposed are wrong together.
    pub(super) fn expand(&self, rounds: &[Round]) -> Result<Expansion, SpecErrors> {
        let mut sweep = self.sweep.clone();
        for Known { search, identity } in &self.searches {
            sweep.give(&search.variant, search.given(rounds, identity));
        }
        sweep.expand()
    }

    /// What it will ask for, where points that are not known yet are as those that would be drawn.
    pub(super) fn foreseen(&self, rounds: &[Round]) -> Result<Expansion, SpecErrors> {
        let mut sweep = self.sweep.clone();
        for Known { search, identity } in &self.searches {
            let Given { mut trials, mut confirmed } = search.given(rounds, identity);
            trials.extend(search.drawn(search.plan.trials).into_iter().skip(trials.len()));
            if confirmed.is_empty() {
                confirmed = trials.iter().take(search.plan.confirm).cloned().collect();
            }
            sweep.give(&search.variant, Given { trials, confirmed });
        }
        sweep.expand()
    }

    /// What a plan says of it.
    pub(super) fn planned(&self, rounds: &[Round]) -> (&'static str, String) {
        let line = |Known { search, identity }: &Known| {
            let (Plan { trials, startup, batch, seeds, confirm, .. }, given) =
                (search.plan, search.given(rounds, identity));
            let known = match given.trials.len() - startup.min(given.trials.len()) {
                0 => String::new(),
                known => format!(", {known} of them by now"),
            };
            format!(
                "{}: {} of {} by {}: {startup} drawn, the others proposed by tpe, {batch} at once{known};\nthe best {confirm} are trained with other seeds",
                search.variant,
                plural(trials, "trial"),
                plural(seeds as usize, "seed"),
                search.metric.name()
            )
        };
        ("search", self.searches.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// Whether all is found that is sought.
    pub(super) fn is_over(&self, rounds: &[Round]) -> bool {
        self.searches.iter().all(|Known { search, identity }| !search.given(rounds, identity).confirmed.is_empty())
    }

    /// Whether the trials of a search have ended that something follows from.
    pub(super) fn is_due(&self, new: &NewSweep, states: &HashMap<JobId, Status>) -> bool {
        self.searches.iter().any(|known| known.is_due(new, states))
    }

    /// Adds the rounds that follow from what has ended. Whether there were any.
    pub(super) fn take(&self, new: &mut NewSweep, results: &Results, states: &HashMap<JobId, Status>) -> bool {
        let mut found = false;
        for known in &self.searches {
            match known.next(new, results, states) {
                Next::Round(round, words) => {
                    say(words);
                    new.rounds.push(round);
                    found = true;
                }
                Next::Waits => say(format!(
                    "the search for {} at `{}` waits until all its trials are scored",
                    known.search.variant, new.name
                )),
                Next::Over => {}
            }
        }
        found
    }
}

impl Known {
    fn next(&self, new: &NewSweep, results: &Results, states: &HashMap<JobId, Status>) -> Next {
        if !self.is_due(new, states) {
            return Next::Over;
        }
        let Known { search, identity } = self;
        let points = search.given(&new.rounds, identity).trials;
        let Some(ended) = trials(results, search) else { return Next::Waits };
        let round = |confirm, points: Vec<Point>| Round {
            variant: search.variant.clone(),
            identity: identity.clone(),
            after: self.tried(&new.rounds),
            confirm,
            at: now(),
            points,
        };
        let ranked = ranked(&points, &ended);
        let best =
            ranked.first().map(|(worth, _)| format!(", the best {} {}", search.metric.name(), shown(*worth, search)));
        let best = best.unwrap_or_default();
        let tried = format!(
            "search for {} at `{}`: {} of {} trials",
            search.variant,
            new.name,
            points.len(),
            search.plan.trials
        );
        if points.len() < search.plan.trials {
            let count = search.plan.batch.min(search.plan.trials - points.len());
            let seen: Vec<(Vec<f64>, f64)> =
                points.iter().filter_map(|point| Some((search.place(point)?, badness(point, &ended)?))).collect();
            let seed = search.plan.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(points.len() as u64);
            let points = fresh(search, &points, &seen, (count, seed));
            return Next::Round(round(None, points), format!("{tried}{best}; {count} more"));
        }
        let picked: Vec<Point> = ranked.iter().take(search.plan.confirm).map(|(_, point)| (*point).clone()).collect();
        if picked.is_empty() {
            say(format!("{tried}, and none has come to anything: there is nothing to confirm"));
            return Next::Over;
        }
        let cells = plural(picked.len(), "cell");
        Next::Round(
            round(Some(search.plan.confirm), picked),
            format!("{tried}{best}; the best {cells} with other seeds"),
        )
    }

    fn is_due(&self, new: &NewSweep, states: &HashMap<JobId, Status>) -> bool {
        let name = of_trials(&self.search.variant);
        let is_open = |entry: &NewEntry| states.get(&entry.id).is_none_or(|state| !state.is_final());
        self.search.given(&new.rounds, &self.identity).confirmed.is_empty()
            && !new.entries.iter().any(|entry| entry.variant == name && is_open(entry))
    }

    fn tried(&self, rounds: &[Round]) -> usize {
        self.search.given(rounds, &self.identity).trials.len()
    }
}

/// So many points that were not tried before, as far as any are left: numbers that are rounded, whole ones above all, may be those of other places.
fn fresh(search: &Search, tried: &[Point], seen: &[(Vec<f64>, f64)], (count, seed): (usize, u64)) -> Vec<Point> {
    let mut seen = seen.to_vec();
    let (mut points, mut again): (Vec<Point>, Vec<Point>) = (Vec::new(), Vec::new());
    for draw in 0..DRAWS {
        let places = propose(&search.dimensions(), &seen, count - points.len(), seed.wrapping_add(draw << 32));
        for place in places {
            let point = search.point(&place);
            // A lie, as those of one batch tell each other, so that the next ones keep away from it.
            seen.push((place, f64::INFINITY));
            match tried.contains(&point) || points.contains(&point) {
                true => again.push(point),
                false => points.push(point),
            }
        }
        if points.len() == count {
            return points;
        }
    }
    let missing = count - points.len();
    points.extend(again.into_iter().take(missing));
    points
}

/// How bad a point is, the smaller the better: nothing where nobody knows.
fn badness(point: &Point, ended: &[Trial]) -> Option<f64> {
    match ended.iter().find(|trial| trial.is_of(point))?.worth {
        Worth::Known(worth) => Some(-worth),
        Worth::Nothing => Some(f64::INFINITY),
        Worth::Unknown => None,
    }
}

/// The points that have come to something, the best first, each cell once.
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

/// A score from how good it is.
fn shown(worth: f64, search: &Search) -> String {
    use sweep_spec::metric::Direction;
    let score = match search.better {
        Direction::Higher => worth,
        Direction::Lower => -worth,
    };
    sweep_figure::format::number(score)
}
