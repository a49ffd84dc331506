//! The order in which works are trained.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use super::machine::Machine;
use super::message::{Effect, Fate};
use super::referee::Verdict;
use super::work::Work;
use sweep_wire::status::Early;

/// The place of a work in the queue. In order of importance: whether it waits for a decision, since it would finish
/// before that; how many decisions it is ahead; how good it is; and in how many milliseconds it would finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) waits: bool,
    pub(super) ahead: usize,
    pub(super) merit: Reverse<Merit>,
    pub(super) milliseconds: Reverse<u64>,
}

impl Turn {
    /// Comes after all others.
    pub(super) const LAST: Turn =
        Turn { waits: false, ahead: usize::MAX, merit: Reverse(Merit::NONE), milliseconds: Reverse(0) };
}

/// How good a cell is; more is better.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merit(pub(super) f64);

impl Merit {
    /// Nothing is known.
    pub(super) const NONE: Merit = Merit(f64::NEG_INFINITY);
}

impl Ord for Merit {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Merit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Merit {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Merit {}

impl Machine {
    /// Sorts the queue again after new decisions.
    pub(super) fn resort_queue(&mut self) {
        let waiting: Vec<usize> = std::mem::take(&mut self.queue).into_iter().map(|(_, work)| work).collect();
        waiting.into_iter().for_each(|work| self.enqueue(work));
    }

    /// Moves works that have rested long enough to the queue.
    pub(super) fn wake(&mut self) {
        let rested = |(due, _): &mut (f64, usize)| *due <= self.now;
        let due: Vec<(f64, usize)> = self.resting.extract_if(.., rested).collect();
        due.into_iter().for_each(|(_, work)| self.enqueue(work));
    }

    /// The members of a work have passed a step.
    pub(super) fn passed(&mut self, work: usize, step: u64) {
        for job in self.works[work].open.iter().copied().collect::<Vec<_>>() {
            self.referee.passed(job, step);
        }
    }

    pub(super) fn enqueue(&mut self, work: usize) {
        let of = &mut self.works[work];
        let from = of.reached_step();
        of.until = self.referee.until(of.open.iter().copied(), from);
        let (ahead, merit) = self.referee.ahead(of.open.iter().copied(), from);
        let milliseconds = Reverse((of.remaining_seconds() * 1e3) as u64);
        let waits = self.referee.waits(of.open.iter().copied(), from);
        self.queue.insert((Turn { waits, ahead, merit: Reverse(merit), milliseconds }, work));
    }

    /// Records decisions to stop jobs early. Returns the works whose workers have not been told yet.
    pub(super) fn judge(&mut self, effects: &mut Vec<Effect>) -> BTreeSet<usize> {
        let (mut done, mut touched) = (Vec::new(), BTreeSet::new());
        while self.referee.has_verdicts() {
            for verdict in self.referee.verdicts() {
                let (mut jobs, works) = self.drop(&verdict.jobs, &Fate::Early(verdict.early));
                // These jobs continued while the decision was not known yet, and then diverged or collapsed, in this
                // run or an earlier one.
                for job in verdict.jobs.iter().filter(|_| verdict.early == Early::Pruned) {
                    let fate = self.fates.get_mut(job);
                    let nothing = [Fate::Diverged, Fate::Early(Early::Collapsed)];
                    match fate {
                        Some(fate) if nothing.contains(fate) => {
                            *fate = Fate::Early(Early::Pruned);
                            jobs.push(*job);
                        }
                        Some(_) => {}
                        None if self.referee.is_pruned_late(*job) => jobs.push(*job),
                        None => {}
                    }
                }
                touched.extend(works);
                if !jobs.is_empty() {
                    done.push(Verdict { jobs, ..verdict });
                }
            }
        }
        if !done.is_empty() {
            effects.push(Effect::Early(done));
        }
        if self.referee.has_decided() {
            // Work that was ahead may not be any more.
            self.resort_queue();
        }
        touched
    }

    /// Takes the longest work off the queue. If it is known to be too large for the device of `slot`, splits it first;
    /// a work that is known to fit stays whole. May pack it with others. Returns `None` if all that is left waits for a
    /// decision that running jobs lead to.
    pub(super) fn next(&mut self, slot: usize) -> Option<usize> {
        loop {
            let &(turn, work) = self.queue.first()?;
            if turn.waits && (self.out > 0 || !self.resting.is_empty()) {
                return None;
            }
            if turn.waits && self.stuck != Some(true) {
                self.stuck.get_or_insert(false);
                return None;
            }
            let limit = self.limit(slot, work).filter(|_| !self.works[work].fits);
            if let Some(limit) = limit.filter(|limit| self.works[work].cohort.members.len() > *limit) {
                self.queue.remove(&(turn, work));
                self.split(work, limit);
            } else if let Some((group, cohorts)) = self.packable(slot, turn, work) {
                self.pack(&group, cohorts);
            } else {
                self.queue.remove(&(turn, work));
                self.stuck = None;
                return Some(work);
            }
        }
    }

    /// Returns how many members of a work fit into the memory of the device of `slot`, if there is a known limit.
    fn limit(&self, slot: usize, work: usize) -> Option<usize> {
        if self.memory_limits.is_empty() {
            return None;
        }
        self.memory_limits.get(self.slots[slot].kind.as_ref()?)?.get(&self.works[work].blueprint)?.limit
    }

    /// Whether a work waits at a rung that a running worker will reach with others that can join it.
    pub(super) fn may_grow(&self, work: usize) -> bool {
        let work = &self.works[work];
        let mut out = self.slots.iter().flat_map(|slot| &slot.orders).map(|sent| &self.works[sent.work]);
        work.is_at_a_rung() && out.any(|other| other.until == Some(work.reached) && other.is_of(work))
    }

    /// Cohorts that have lost members at a rung continue as fewer and fuller ones. None becomes larger than planned,
    /// and there are no fewer than there are slots. Returns the works that `work`, the next for `slot`, is packed with,
    /// and into how many cohorts.
    pub(super) fn packable(&self, slot: usize, turn: Turn, work: usize) -> Option<(Vec<usize>, usize)> {
        let first = &self.works[work];
        // With a time limit, each job's own time counts.
        if !first.is_at_a_rung() || self.settings.job_time.is_finite() {
            return None;
        }
        let size = self.planned.get(&first.blueprint).copied().unwrap_or(1);
        let size = size.min(self.limit(slot, work).unwrap_or(usize::MAX));
        if size <= 1 {
            return None;
        }
        let waits_so = |other: &Turn| (other.waits, other.ahead) == (turn.waits, turn.ahead);
        let mates = self.queue.iter().filter(|(turn, _)| waits_so(turn)).map(|(_, other)| *other);
        let group: Vec<usize> = mates.filter(|other| self.works[*other].goes_with(first)).collect();
        let open: usize = group.iter().map(|work| self.works[*work].open.len()).sum();
        let cohorts = open.div_ceil(size).max(group.len().min(self.slots.len())).max(1);
        (cohorts < group.len()).then_some((group, cohorts))
    }

    /// Packs the members of `group` into this many cohorts.
    fn pack(&mut self, group: &[usize], cohorts: usize) {
        let works: Vec<&Work> = group.iter().map(|work| &self.works[*work]).collect();
        let packed = Work::packed(&works, cohorts);
        let gone: BTreeSet<usize> = group.iter().copied().collect();
        self.queue.retain(|(_, work)| !gone.contains(work));
        gone.iter().for_each(|work| self.works[*work].open.clear());
        for part in packed {
            self.works.push(part);
            self.enqueue(self.works.len() - 1);
        }
    }
}
