//! In which order works are trained.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use super::machine::Machine;
use super::message::{Effect, Fate};
use super::referee::Verdict;
use super::work::Work;
use sweep_wire::status::Early;

/// When a work is next: whether it waits for a decision, since it would be done before it; how many decisions it is ahead of; how good it is; and in how
/// many milliseconds it would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn {
    pub(super) waits: bool,
    pub(super) ahead: usize,
    pub(super) merit: Reverse<Merit>,
    pub(super) milliseconds: Reverse<u64>,
}

impl Turn {
    /// After all others.
    pub(super) const LAST: Turn =
        Turn { waits: false, ahead: usize::MAX, merit: Reverse(Merit::NONE), milliseconds: Reverse(0) };
}

/// How good a cell is, the more the better.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merit(pub(super) f64);

impl Merit {
    /// Where nothing is known.
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
    /// Queues up what waits by what is decided now.
    pub(super) fn queue_anew(&mut self) {
        let waiting: Vec<usize> = std::mem::take(&mut self.queue).into_iter().map(|(_, work)| work).collect();
        waiting.into_iter().for_each(|work| self.enqueue(work));
    }

    /// Queues up what has rested long enough.
    pub(super) fn wake(&mut self) {
        let rested = |(due, _): &mut (f64, usize)| *due <= self.now;
        let due: Vec<(f64, usize)> = self.resting.extract_if(.., rested).collect();
        due.into_iter().for_each(|(_, work)| self.enqueue(work));
    }

    /// The members of a work have gone beyond a step.
    pub(super) fn passed(&mut self, work: usize, step: u64) {
        for job in self.works[work].open.iter().copied().collect::<Vec<_>>() {
            self.referee.passed(job, step);
        }
    }

    pub(super) fn enqueue(&mut self, work: usize) {
        let of = &mut self.works[work];
        let from = of.come_to();
        of.until = self.referee.until(of.open.iter().copied(), from);
        let (ahead, merit) = self.referee.ahead(of.open.iter().copied(), from);
        let milliseconds = Reverse((of.remaining_seconds() * 1e3) as u64);
        let waits = self.referee.waits(of.open.iter().copied(), from);
        self.queue.insert((Turn { waits, ahead, merit: Reverse(merit), milliseconds }, work));
    }

    /// Records what is decided about jobs that are to be stopped early. Workers are yet to hear of these works.
    pub(super) fn judge(&mut self, effects: &mut Vec<Effect>) -> BTreeSet<usize> {
        let (mut done, mut touched) = (Vec::new(), BTreeSet::new());
        while self.referee.has_verdicts() {
            for verdict in self.referee.verdicts() {
                let (mut jobs, works) = self.drop(&verdict.jobs, &Fate::Early(verdict.early));
                // Those that went on while nobody knew yet, and came to nothing then, in this run or an earlier one.
                for job in verdict.jobs.iter().filter(|_| verdict.early == Early::Pruned) {
                    let fate = self.fates.get_mut(job);
                    let nothing = [Fate::Diverged, Fate::Early(Early::Collapsed)];
                    match fate {
                        Some(fate) if nothing.contains(fate) => {
                            *fate = Fate::Early(Early::Pruned);
                            jobs.push(*job);
                        }
                        Some(_) => {}
                        None if self.referee.is_turned(*job) => jobs.push(*job),
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
            // What was ahead may not be any more.
            self.queue_anew();
        }
        touched
    }

    /// Takes the longest work off the queue, after splitting it if it is known to be too large for the device of `slot`, and not that it
    /// fits all the same, or packing it with others. None where all that is left waits for a decision, to which others are on their way.
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

    /// How many members of a work fit into the memory of the device of `slot`, where it is known that not all sizes do.
    fn limit(&self, slot: usize, work: usize) -> Option<usize> {
        if self.learnt.is_empty() {
            return None;
        }
        self.learnt.get(self.slots[slot].kind.as_ref()?)?.get(&self.works[work].blueprint)?.limit
    }

    /// Whether a work waits at a rung to which a worker is on the way with others that may go on with it.
    pub(super) fn may_grow(&self, work: usize) -> bool {
        let work = &self.works[work];
        let mut out = self.slots.iter().flat_map(|slot| &slot.orders).map(|sent| &self.works[sent.work]);
        work.is_at_a_rung() && out.any(|other| other.until == Some(work.reached) && other.is_of(work))
    }

    /// Cohorts that have lost members at a rung go on as fewer and fuller ones, none larger than they were planned, and no fewer than there are slots: of a
    /// work that is next for `slot`, those that it goes on with, and as how many.
    pub(super) fn packable(&self, slot: usize, turn: Turn, work: usize) -> Option<(Vec<usize>, usize)> {
        let first = &self.works[work];
        // What each of them has taken counts where there is a limit for it.
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

    /// Has the members of `group` go on in so many cohorts.
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
