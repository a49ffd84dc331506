//! Decides which jobs are stopped early: those of cells that others of their variant beat, and those that have
//! collapsed. Decisions depend only on the scores and losses of jobs, not on the order in which they are reported. A
//! second run, or one that was killed, therefore decides the same.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::field::Field;
pub use super::field::{Contest, Replicate};
use super::turn::Merit;
use serde_json::Value;

use sweep_spec::id::JobId;
use sweep_spec::prune::{Standing, ladder};
use sweep_spec::stop::{Stop, Watch, Watched};
use sweep_wire::event::Score;
use sweep_wire::losses::Losses;
use sweep_wire::status::Early;

/// A decision about jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The jobs; never empty.
    pub jobs: Vec<JobId>,
    /// Why they are stopped.
    pub early: Early,
    /// The step whose scores or losses decided it.
    pub step: u64,
    /// The reason, in words.
    pub why: String,
}

/// What a sweep asks for.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The cells that are compared.
    pub contests: Vec<Contest>,
    /// Jobs that are in no such cell, each as often as it is asked for.
    pub others: Vec<JobId>,
    /// The rules that say when its jobs have collapsed.
    pub stops: Vec<Stop>,
    /// For each job and rule: the settings that the file asks for in the score that the rule watches, if it watches a
    /// score.
    pub watched: HashMap<JobId, Arc<[Option<Value>]>>,
}

impl Wanted {
    /// Whether any job may be stopped early.
    pub fn is_any(&self) -> bool {
        !self.contests.is_empty() || !self.stops.is_empty()
    }

    /// Removes jobs for which `keeps` is false, and then cells without jobs.
    pub fn retain(&mut self, keeps: impl Fn(&JobId) -> bool) {
        self.others.retain(&keeps);
        for contest in &mut self.contests {
            contest.cells.iter_mut().for_each(|cell| cell.retain(|of| keeps(&of.job)));
            contest.cells.retain(|cell| !cell.is_empty());
        }
    }
}

/// Decides which jobs are stopped early.
#[derive(Debug, Default)]
pub struct Referee {
    fields: Vec<Field>,
    rules: Vec<Rules>,
    /// The cells of each job.
    places: HashMap<JobId, Vec<Place>>,
    /// The sweeps whose rules apply to each job.
    under: HashMap<JobId, Vec<usize>>,
    /// How many cells of each sweep still want a job.
    wants: HashMap<(usize, JobId), usize>,
    /// How many sweeps do.
    wanted: HashMap<JobId, usize>,
    /// Why each job is no longer wanted. If several sweeps wanted it, the reason of the one that kept it longest.
    gone: HashMap<JobId, Reason>,
    /// The step at which jobs have diverged.
    diverged: HashMap<JobId, u64>,
    /// Jobs that had diverged or collapsed before the decision that would have stopped them earlier, and those that are
    /// recorded as pruned.
    pruned_late: HashSet<JobId>,
    pruned: HashSet<JobId>,
    verdicts: Vec<Verdict>,
    /// There was a decision.
    decided: bool,
    /// Jobs that a sweep asks for without comparing them.
    alone: HashSet<JobId>,
}

/// Why a sweep no longer wants a job. The later step counts; at the same step, the comparison.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    step: u64,
    early: Early,
    why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    field: usize,
    cell: usize,
    seed: usize,
}

/// The rules of a sweep.
#[derive(Debug)]
struct Rules {
    stops: Vec<Stop>,
    watched: HashMap<JobId, Arc<[Option<Value>]>>,
    watches: HashMap<JobId, Vec<Watch>>,
}

impl Referee {
    /// Makes a referee for these sweeps.
    pub fn new(wanted: Vec<Wanted>) -> Referee {
        let mut referee = Referee::default();
        wanted.into_iter().for_each(|wanted| referee.ask(wanted));
        referee
    }

    /// Adds what another sweep asks for, or what one of these asks for by now. Nothing may be known yet of its jobs.
    pub fn ask(&mut self, Wanted { contests, others, stops, watched }: Wanted) {
        let sweep = self.rules.len();
        self.alone.extend(&others);
        let in_contests = contests.iter().flat_map(|contest| &contest.cells).flatten().map(|of| of.job);
        for job in in_contests.chain(others) {
            *self.wants.entry((sweep, job)).or_default() += 1;
            if self.wants[&(sweep, job)] == 1 {
                *self.wanted.entry(job).or_default() += 1;
                if !stops.is_empty() {
                    self.under.entry(job).or_default().push(sweep);
                }
            }
        }
        for contest in contests {
            let field = self.fields.len();
            for (cell, replicates) in contest.cells.iter().enumerate() {
                for (seed, of) in replicates.iter().enumerate() {
                    self.places.entry(of.job).or_default().push(Place { field, cell, seed });
                }
            }
            self.fields.push(Field::new(sweep, contest));
        }
        self.rules.push(Rules { stops, watched, watches: HashMap::new() });
    }

    /// Whether no job is ever stopped.
    pub fn is_idle(&self) -> bool {
        self.fields.is_empty() && self.under.is_empty()
    }

    /// A job was scored.
    pub fn scored(&mut self, job: JobId, step: u64, scores: &[Score]) {
        if self.is_idle() {
            return;
        }
        for sweep in self.under.get(&job).cloned().unwrap_or_default() {
            for rule in 0..self.rules[sweep].stops.len() {
                let Rules { stops, watched, .. } = &self.rules[sweep];
                let Watched::Score(metric) = stops[rule].what else { continue };
                let asked = watched.get(&job).and_then(|asked| asked[rule].as_ref());
                let found = scores.iter().find(|score| score.metric == metric && is_asked(score, asked));
                if let Some(value) = found.map(|score| score.value) {
                    self.look(sweep, rule, job, step, value);
                }
            }
        }
        for place in self.places.get(&job).cloned().unwrap_or_default() {
            let field = &mut self.fields[place.field];
            let Some(rung) = field.rungs.iter().position(|rung| *rung == step) else { continue };
            let asked = &field.contest.cells[place.cell][place.seed].asked;
            let is_it = |score: &&Score| score.metric == field.contest.prune.metric && is_asked(score, asked.as_ref());
            let known = &mut field.known[place.cell][place.seed][rung];
            if let (Some(score), None) = (scores.iter().find(is_it), &known) {
                *known = Some(Some(score.value));
                if field.next() == Some(rung) {
                    field.waiting.remove(&(place.cell, place.seed));
                    self.decide(place.field);
                }
            }
        }
    }

    /// A job has passed a step. Scores at earlier rungs will not come any more.
    pub fn passed(&mut self, job: JobId, step: u64) {
        for place in self.places.get(&job).cloned().unwrap_or_default() {
            let field = &mut self.fields[place.field];
            let known = field.known[place.cell][place.seed].iter_mut().zip(&field.rungs);
            known.filter(|(_, rung)| **rung < step).for_each(|(known, _)| {
                known.get_or_insert(None);
            });
            let is_known = |rung: usize| field.known[place.cell][place.seed][rung].is_some();
            if field.next().is_some_and(is_known) && field.waiting.remove(&(place.cell, place.seed)) {
                self.decide(place.field);
            }
        }
    }

    /// A job reported these losses.
    pub fn lost(&mut self, job: JobId, losses: &Losses) {
        for sweep in self.under.get(&job).cloned().unwrap_or_default() {
            for rule in 0..self.rules[sweep].stops.len() {
                let Watched::Loss(name) = self.rules[sweep].stops[rule].what else { continue };
                for (step, value) in losses.series(name) {
                    self.look(sweep, rule, job, step, value);
                }
            }
        }
    }

    fn look(&mut self, sweep: usize, rule: usize, job: JobId, step: u64, value: f64) {
        let rules = &mut self.rules[sweep];
        let watches = rules.watches.entry(job).or_insert_with(|| vec![Watch::default(); rules.stops.len()]);
        let wants = self.wants.get_mut(&(sweep, job)).filter(|wants| **wants > 0);
        if let (true, Some(wants)) = (watches[rule].look(&rules.stops[rule], step, value), wants) {
            *wants = 0;
            let why = format!("`{}` held at step {step}", rules.stops[rule].text);
            self.let_go(vec![job], &Reason { step, early: Early::Collapsed, why });
            self.end(job, Some(sweep));
        }
    }

    /// A job has ended. What is not known of it by now never will be.
    pub fn ended(&mut self, job: JobId) {
        self.end(job, None);
    }

    /// A job has diverged at a step, and has ended.
    pub fn diverged(&mut self, job: JobId, step: u64) {
        self.diverged.insert(job, step);
        self.end(job, None);
    }

    /// A job is recorded as pruned.
    pub fn was_pruned(&mut self, job: JobId) {
        self.pruned.insert(job);
    }

    /// Whether a job that diverged or collapsed is pruned, and not recorded so yet.
    pub(super) fn is_pruned_late(&self, job: JobId) -> bool {
        self.pruned_late.contains(&job) && !self.pruned.contains(&job)
    }

    /// Ends a job for the cells of one sweep, or of all.
    fn end(&mut self, job: JobId, sweep: Option<usize>) {
        for place in self.places.get(&job).cloned().unwrap_or_default() {
            let field = &mut self.fields[place.field];
            if sweep.is_some_and(|sweep| sweep != field.sweep) {
                continue;
            }
            for known in &mut field.known[place.cell][place.seed] {
                known.get_or_insert(None);
            }
            if field.waiting.remove(&(place.cell, place.seed)) {
                self.decide(place.field);
            }
        }
    }

    /// Decides as much as it can.
    fn decide(&mut self, at: usize) {
        let field = &mut self.fields[at];
        if !field.waiting.is_empty() {
            return;
        }
        let before = field.decided.len();
        if field.next().is_none() {
            return;
        }
        let (contest, known, rungs) = (&field.contest, &field.known, &field.rungs);
        let standing = |cell: usize, step: u64| {
            let rung = rungs.iter().position(|rung| *rung == step)?;
            let scores: Option<Vec<Option<f64>>> = known[cell].iter().map(|seed| seed[rung]).collect();
            Some(Standing::of(scores?))
        };
        let decided = ladder(&contest.prune, contest.steps, contest.cells.len(), standing);
        if decided.len() == before {
            return;
        }
        self.decided = true;
        let sweep = field.sweep;
        let mut gone = Vec::new();
        for rung in &decided[before..] {
            for (cell, place) in rung.stopped() {
                field.alive.remove(&cell);
                let (metric, cells) = (contest.prune.metric.name(), rung.order.len());
                let why = format!(
                    "place {place} of {cells} cells by mean {metric} at step {}; {} on",
                    rung.step,
                    if rung.go_on == 1 { "1 goes".to_owned() } else { format!("{} go", rung.go_on) }
                );
                let jobs: Vec<JobId> = contest.cells[cell].iter().map(|of| of.job).collect();
                gone.push((jobs, rung.step, why));
            }
        }
        field.decided = decided;
        field.wait();
        for (jobs, step, why) in gone {
            let mut free = Vec::new();
            let reason = Reason { step, early: Early::Pruned, why };
            for job in jobs {
                // It had diverged before it was compared.
                match self.diverged.get(&job) {
                    Some(at) if *at <= step => continue,
                    Some(_) => drop(self.pruned_late.insert(job)),
                    None => {}
                }
                match self.wants.get_mut(&(sweep, job)) {
                    Some(wants) if *wants > 0 => {
                        *wants -= 1;
                        if *wants == 0 {
                            free.push(job);
                        }
                    }
                    // It was ahead when it collapsed. An earlier comparison would have stopped it before that.
                    Some(_) if self.wanted.get(&job) == Some(&0) => {
                        if self.gone.get(&job).is_some_and(|gone| gone.early == Early::Collapsed && gone.step > step) {
                            self.gone.remove(&job);
                            self.wanted.insert(job, 1);
                            self.pruned_late.insert(job);
                            free.push(job);
                        }
                    }
                    Some(_) | None => {}
                }
            }
            self.let_go(free, &reason);
        }
    }

    /// A sweep no longer wants these jobs.
    fn let_go(&mut self, jobs: Vec<JobId>, reason: &Reason) {
        let mut by_reason: BTreeMap<Reason, Vec<JobId>> = BTreeMap::new();
        for job in jobs {
            let Some(wanted) = self.wanted.get_mut(&job) else { continue };
            *wanted -= 1;
            let is_last = *wanted == 0;
            let known = self.gone.entry(job).or_insert_with(|| reason.clone());
            if *known < *reason {
                known.clone_from(reason);
            }
            if is_last {
                by_reason.entry(known.clone()).or_default().push(job);
            }
        }
        let verdict = |(Reason { step, early, why }, jobs)| Verdict { jobs, early, step, why };
        self.verdicts.extend(by_reason.into_iter().map(verdict));
    }

    /// Whether there are decisions about jobs since the last call of [`Referee::verdicts`].
    pub(super) fn has_verdicts(&self) -> bool {
        !self.verdicts.is_empty()
    }

    /// Whether there was a decision since the last call, even one that stops no job.
    pub(super) fn has_decided(&mut self) -> bool {
        std::mem::take(&mut self.decided)
    }

    /// Returns the decisions since the last call.
    pub fn verdicts(&mut self) -> Vec<Verdict> {
        std::mem::take(&mut self.verdicts)
    }

    /// Whether a job is stopped, as far as is known.
    pub fn is_stopped(&self, job: JobId) -> bool {
        self.gone.contains_key(&job) && self.wanted.get(&job) == Some(&0)
    }

    /// Whether a job that was stopped is needed: it is to finish, or a decision waits for it.
    pub fn needs(&self, job: JobId) -> bool {
        let waits = |place: &Place| {
            let field = &self.fields[place.field];
            field.alive.contains(&place.cell)
                && (field.next().is_none() || field.waiting.contains(&(place.cell, place.seed)))
        };
        let places = self.places.get(&job).map_or(&[][..], Vec::as_slice);
        !self.is_stopped(job) && (self.alone.contains(&job) || places.iter().any(waits))
    }

    /// Returns the next step after `base` at which one of `jobs` is compared, unless it is already decided that it
    /// finishes.
    pub(super) fn until(&self, jobs: impl Iterator<Item = JobId>, base: u64) -> Option<u64> {
        let mut until = None;
        let compared = jobs.filter(|job| !self.alone.contains(job));
        for place in compared.filter_map(|job| self.places.get(&job)).flatten() {
            let field = &self.fields[place.field];
            if !field.alive.contains(&place.cell) || field.next().is_none() {
                continue;
            }
            let next = field.rungs.iter().copied().find(|rung| *rung > base);
            until = [until, next].into_iter().flatten().min();
        }
        until
    }

    /// Whether one of `jobs`, all at `from`, would finish before it is decided whether it should.
    pub(super) fn waits(&self, jobs: impl Iterator<Item = JobId>, from: u64) -> bool {
        let compared = jobs.filter(|job| !self.alone.contains(job));
        compared.filter_map(|job| self.places.get(&job)).flatten().any(|place| {
            let field = &self.fields[place.field];
            field.alive.contains(&place.cell) && field.next().is_some() && field.rungs.iter().all(|rung| *rung <= from)
        })
    }

    /// Whether a job is compared or may collapse.
    pub fn looks_at(&self, job: JobId) -> bool {
        self.places.contains_key(&job) || self.under.contains_key(&job)
    }

    /// Whether decisions about a job are based on these scores with the settings asked for at these steps.
    pub fn is_scored_by(&self, job: JobId, scores: &[Arc<sweep_spec::blueprint::Score>]) -> bool {
        let places = self.places.get(&job).map_or(&[][..], Vec::as_slice);
        let contests = places.iter().all(|place| {
            let field = &self.fields[place.field];
            let (metric, steps) = (field.contest.prune.metric, field.contest.steps);
            let asked = field.contest.cells[place.cell][place.seed].asked.as_ref();
            let has = |score: &Arc<sweep_spec::blueprint::Score>| {
                let is_it = score.measures().any(|measure| measure == metric)
                    && asked.is_none_or(|asked| *asked == score.asks(metric));
                is_it && (metric.known().is_none() || field.rungs.iter().all(|rung| score.is_at(*rung, steps)))
            };
            scores.iter().any(has)
        });
        let rules = self.under.get(&job).into_iter().flatten().all(|sweep| {
            let Rules { stops, watched, .. } = &self.rules[*sweep];
            stops.iter().enumerate().all(|(rule, stop)| match stop.what {
                Watched::Loss(_) => true,
                Watched::Score(metric) => {
                    let asked = watched.get(&job).and_then(|asked| asked[rule].as_ref());
                    scores.iter().any(|score| asked.is_none_or(|asked| *asked == score.asks(metric)))
                }
            })
        });
        contests && rules
    }

    /// Returns the least number of undecided rungs that one of `jobs`, all of which have reached `base`, has passed,
    /// and how good it was at the last of them.
    pub(super) fn ahead(&self, jobs: impl Iterator<Item = JobId>, base: u64) -> (usize, Merit) {
        let mut least: Option<(usize, Reverse<Merit>)> = None;
        for job in jobs {
            let Some(places) = self.places.get(&job).filter(|_| !self.alone.contains(&job)) else {
                return (0, Merit::NONE);
            };
            for place in places {
                let field = &self.fields[place.field];
                if !field.alive.contains(&place.cell) {
                    continue;
                }
                let passed = field.rungs.iter().take_while(|rung| **rung <= base).count();
                let ahead = match field.next() {
                    None => 0,
                    Some(_) => passed.saturating_sub(field.decided.len()),
                };
                let merit = if ahead == 0 { Merit::NONE } else { field.merit(place.cell, passed - 1) };
                let found = (ahead, Reverse(merit));
                least = Some(least.map_or(found, |least| least.min(found)));
            }
        }
        least.map_or((0, Merit::NONE), |(ahead, Reverse(merit))| (ahead, merit))
    }
}

/// Whether a score has the settings that are asked for, if any are.
fn is_asked(score: &Score, asked: Option<&Value>) -> bool {
    asked.is_none() || score.asked.is_none() || score.asked.as_ref() == asked
}
