//! Places jobs: which train together, and in which order the cohorts start.
//!
//! Jobs with the same blueprint make a group. A group is split into cohorts that fit on a slot, and further as long as
//! some slot would be idle. The longest cohorts start first, and whichever slot is free takes the next one. The same
//! jobs, slots and limits always give the same cohorts.

use super::capacity::{self, Speed};
use super::cohort::Cohort;
use super::group::{Group, group};
use super::measured::{Known, Measured};
use super::slot::{Device, Kinds, Slot};
use std::collections::HashMap;
use std::sync::Arc;
use sweep_spec::blueprint::{Blueprint, Score};
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::{Job, Task};

/// With this many cohorts per slot, starting the longest first keeps all slots busy to the end.
const PLENTY: usize = 8;

/// What the jobs of a cohort have in common.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// The hash of the blueprint.
    pub id: BlueprintId,
    /// The blueprint.
    pub blueprint: &'a Blueprint,
    /// How each job is scored.
    pub scores: &'a [Arc<Score>],
}

/// How jobs of the user's own trainer run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Own {
    /// Processes per slot.
    pub at_once: usize,
    /// Seconds per job, once one has ended.
    pub seconds: Option<f64>,
}

/// Assumed seconds per job of the user's own trainer until one has ended.
const UNKNOWN_SECONDS: f64 = 60.0;

/// Limits on the size of cohorts, and the speed of devices.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Maximum members of a cohort on CPU slots. Members take turns there, so more of them gain nothing, and a retry
    /// loses more.
    pub cpu_members: usize,
    /// Maximum members of a cohort on GPUs.
    pub cuda_members: usize,
    /// Bytes available for a cohort on a CPU slot, if known.
    pub cpu_bytes: Option<u64>,
    /// Bytes available for a cohort on a GPU, if known.
    pub cuda_bytes: Option<u64>,
    /// Members of a cohort on any slot, if the user chose it.
    pub chosen: Option<usize>,
    /// The user's own trainers, by the blueprints of their jobs.
    pub own: HashMap<BlueprintId, Own>,
    /// Measurements of blueprints on kinds of devices.
    pub known: Known,
    /// The kinds of the slots' devices.
    pub kinds: Kinds,
    /// The speed of one CPU thread.
    pub cpu: Speed,
    /// The speed of a GPU.
    pub cuda: Speed,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            cpu_members: 16,
            cuda_members: 256,
            cpu_bytes: None,
            cuda_bytes: None,
            chosen: None,
            own: HashMap::new(),
            known: Known::new(),
            kinds: Kinds::default(),
            cpu: Speed::CPU,
            cuda: Speed::CUDA,
        }
    }
}

impl Limits {
    fn members(&self, device: Device) -> usize {
        match device {
            Device::Cpu => self.cpu_members,
            Device::Cuda(_) => self.cuda_members,
        }
    }

    fn bytes(&self, device: Device) -> Option<u64> {
        match device {
            Device::Cpu => self.cpu_bytes,
            Device::Cuda(_) => self.cuda_bytes,
        }
    }

    /// Returns how many of `jobs` jobs train together: the best number that fits on each of `slots`, and at least one.
    pub fn capacity(&self, of: Shape, jobs: usize, slots: &[Slot]) -> usize {
        let Shape { id, blueprint, scores } = of;
        if blueprint.own().is_some() {
            let fits = |slot: &Slot| self.measured(id, slot).and_then(|measured| measured.limit).unwrap_or(usize::MAX);
            let most = slots.iter().map(fits).min().unwrap_or(usize::MAX);
            return self.own.get(&id).map_or(1, |own| own.at_once).min(most).max(1);
        }
        let (shared, each) = (capacity::scoring_bytes(blueprint, scores), capacity::member_bytes(blueprint).max(1));
        let room = |slot: &Slot| {
            let measured = self.measured(id, slot);
            let best = measured.and_then(|measured| measured.best(jobs)).unwrap_or(usize::MAX);
            let bytes = self.bytes(slot.device).map(|bytes| bytes.saturating_sub(shared) / each);
            self.chosen
                .unwrap_or(self.members(slot.device).min(best))
                .min(bytes.map_or(usize::MAX, |members| usize::try_from(members).unwrap_or(usize::MAX)))
                .min(measured.and_then(|measured| measured.limit).unwrap_or(usize::MAX))
        };
        // A cohort is made before it is known which slot will be free.
        slots.iter().map(room).min().unwrap_or(1).max(1)
    }

    /// Returns the estimated seconds for training and scoring a cohort of this many members on `slot`.
    pub fn seconds(&self, of: Shape, members: usize, slot: &Slot) -> f64 {
        let Shape { id, blueprint, scores } = of;
        let (speed, factor) = match slot.device {
            // Small products gain little from more threads.
            Device::Cpu => (&self.cpu, f64::from(slot.threads.max(1)).sqrt()),
            Device::Cuda(_) => (&self.cuda, 1.0),
        };
        let blueprint = match blueprint {
            Blueprint::BuiltIn(built_in) => built_in,
            // Its processes run at once, but their samples are scored one after the other.
            Blueprint::Own(own) => {
                let scored = own.dataset.iter().flat_map(|dataset| {
                    scores.iter().map(move |score| speed.score_seconds((dataset, 0.0), score, factor))
                });
                let training = self.own.get(&id).and_then(|own| own.seconds).unwrap_or(UNKNOWN_SECONDS);
                return training + members as f64 * scored.sum::<f64>();
            }
        };
        match self.measured(id, slot).and_then(|measured| measured.step_seconds(members)) {
            None => speed.seconds(blueprint, scores, members, factor),
            Some(step) => {
                step * blueprint.train.steps as f64 + speed.scoring_seconds(blueprint, scores, members, factor)
            }
        }
    }

    fn measured(&self, id: BlueprintId, slot: &Slot) -> Option<&Measured> {
        // Usually nothing is known, and there may be many jobs.
        if self.known.is_empty() {
            return None;
        }
        self.known.get(&self.kinds.of(slot.device))?.get(&id)
    }
}

/// One cohort in a plan.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The cohort.
    pub cohort: Cohort,
    /// The hash of the blueprint.
    pub blueprint: BlueprintId,
    /// The cohort whose final checkpoints its members continue from, and its steps.
    pub earlier: Option<(CohortId, u64)>,
    /// Estimated bytes for training and scoring, in addition to what a worker itself needs.
    pub bytes: u64,
    /// Estimated seconds on its slot.
    pub seconds: f64,
    /// The slot it would run on if all estimates were right.
    pub slot: usize,
}

/// What runs, and in which order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The cohorts, in the order in which they start.
    pub cohorts: Vec<Placed>,
    /// Estimated seconds until all are done.
    pub seconds: f64,
}

/// Groups the jobs of `tasks` into cohorts for `slots`. A job that occurs twice is planned once. Members keep the order
/// of `tasks`.
pub fn plan(tasks: Vec<Task>, slots: &[Slot], limits: &Limits) -> Plan {
    let groups = group(tasks);
    let parts = parts(&groups, slots, limits);
    let mut cohorts: Vec<Placed> = Vec::with_capacity(parts.iter().sum());
    let usual = slots.first().cloned().unwrap_or(Slot { device: Device::Cpu, threads: 1 });
    for (group, parts) in groups.into_iter().zip(parts) {
        let each = capacity::member_bytes(&group.blueprint);
        let shared = capacity::scoring_bytes(&group.blueprint, &group.scores);
        for members in split(group.members, parts) {
            let bytes = shared + each * members.len() as u64;
            let of = Shape { id: group.id, blueprint: &group.blueprint, scores: &group.scores };
            let seconds = limits.seconds(of, members.len(), &usual) * left(&group.blueprint, group.earlier);
            let cohort = Cohort::new(members, Arc::clone(&group.scores));
            let (blueprint, earlier) = (group.id, group.earlier);
            cohorts.push(Placed { cohort, blueprint, earlier, bytes, seconds, slot: 0 });
        }
    }
    // The sort is stable, so cohorts of equal length keep the order of their jobs.
    cohorts.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let seconds = simulate(&mut cohorts, slots, limits);
    Plan { cohorts, seconds }
}

/// Returns the fraction of the steps that is left.
fn left(blueprint: &Blueprint, earlier: Option<(CohortId, u64)>) -> f64 {
    let done = earlier.map_or(0, |(_, step)| step);
    1.0 - done as f64 / blueprint.steps().max(1) as f64
}

/// Returns into how many cohorts each group is split: as few as fit, or a multiple of the number of slots if those are
/// few.
fn parts(groups: &[Group], slots: &[Slot], limits: &Limits) -> Vec<usize> {
    let least = |group: &Group| {
        let jobs = group.members.len();
        let of = Shape { id: group.id, blueprint: &group.blueprint, scores: &group.scores };
        jobs.div_ceil(limits.capacity(of, jobs, slots))
    };
    let (least, slots): (Vec<usize>, usize) = (groups.iter().map(least).collect(), slots.len().max(1));
    if least.iter().sum::<usize>() >= PLENTY * slots {
        return least;
    }
    let even = |(group, parts): (&Group, &usize)| parts.next_multiple_of(slots).min(group.members.len());
    groups.iter().zip(&least).map(even).collect()
}

/// Splits members into `parts` runs whose lengths differ by at most one, longer ones first.
fn split(members: Vec<(JobId, Job)>, parts: usize) -> Vec<Vec<(JobId, Job)>> {
    let (length, longer) = (members.len() / parts, members.len() % parts);
    let mut members = members.into_iter();
    (0..parts).map(|part| members.by_ref().take(length + usize::from(part < longer)).collect()).collect()
}

/// Gives each cohort in turn to the slot that is free first, and returns the time when the last one ends.
fn simulate(cohorts: &mut [Placed], slots: &[Slot], limits: &Limits) -> f64 {
    let mut free = vec![0.0_f64; slots.len()];
    for placed in cohorts {
        let Some(slot) = (0..free.len()).min_by(|&a, &b| free[a].total_cmp(&free[b])) else { return 0.0 };
        placed.slot = slot;
        let Cohort { blueprint, scores, members, .. } = &placed.cohort;
        let of = Shape { id: placed.blueprint, blueprint, scores };
        placed.seconds = limits.seconds(of, members.len(), &slots[slot]) * left(blueprint, placed.earlier);
        free[slot] += placed.seconds;
    }
    free.into_iter().fold(0.0, f64::max)
}
