//! Placing jobs: which train together, and in which order the cohorts start.
//!
//! Jobs of one blueprint make a group. A group is split into cohorts that a slot has room for, and further while some slot would
//! have nothing to do; the longest cohorts start first. Whichever slot is free takes the next cohort. The same jobs, slots and
//! limits always give the same cohorts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::capacity::{self, Speed};
use super::cohort::Cohort;
use super::slot::{Device, Slot};
use crate::spec::blueprint::Blueprint;
use crate::spec::id::{BlueprintId, JobId};
use crate::spec::job::Job;

/// When there are this many cohorts a slot anyway, starting the longest first keeps all slots busy to the end.
const PLENTY: usize = 8;

/// What bounds a cohort, and how fast it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Members of a cohort on CPU slots. Members take turns there, so that more of them gain nothing and a retry loses more.
    pub cpu_members: usize,
    /// Members of a cohort on GPUs.
    pub cuda_members: usize,
    /// Bytes for a cohort on a CPU slot, where that is known.
    pub cpu_bytes: Option<u64>,
    /// Bytes for a cohort on a GPU, where that is known.
    pub cuda_bytes: Option<u64>,
    /// Members that a device had room for, learnt from running out of memory.
    pub learnt: BTreeMap<BlueprintId, usize>,
    /// One thread of the CPU.
    pub cpu: Speed,
    /// A GPU.
    pub cuda: Speed,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            cpu_members: 16,
            cuda_members: 256,
            cpu_bytes: None,
            cuda_bytes: None,
            learnt: BTreeMap::new(),
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

    /// Members of `blueprint` that every one of `slots` has room for; at least one.
    pub fn capacity(&self, id: BlueprintId, blueprint: &Blueprint, slots: &[Slot]) -> usize {
        let (shared, each) = (capacity::scoring_bytes(blueprint), capacity::member_bytes(blueprint).max(1));
        let room = |slot: &Slot| {
            let bytes = self.bytes(slot.device).map(|bytes| bytes.saturating_sub(shared) / each);
            self.members(slot.device)
                .min(bytes.map_or(usize::MAX, |members| usize::try_from(members).unwrap_or(usize::MAX)))
        };
        // A cohort is made before it is known which slot will be free.
        let least = slots.iter().map(room).min().unwrap_or(1);
        least.min(self.learnt.get(&id).copied().unwrap_or(usize::MAX)).max(1)
    }

    fn seconds(&self, blueprint: &Blueprint, members: usize, slot: &Slot) -> f64 {
        match slot.device {
            // Small products gain little from more threads.
            Device::Cpu => self.cpu.seconds(blueprint, members, f64::from(slot.threads.max(1)).sqrt()),
            Device::Cuda(_) => self.cuda.seconds(blueprint, members, 1.0),
        }
    }
}

/// One cohort in a plan.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The cohort.
    pub cohort: Cohort,
    /// Estimated bytes of its training and scoring, beside what a worker needs for itself.
    pub bytes: u64,
    /// Estimated seconds on the slot that would take it.
    pub seconds: f64,
    /// The slot that would take it, if all estimates were right.
    pub slot: usize,
}

/// What would run, in which order.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The cohorts, in the order in which they start.
    pub cohorts: Vec<Placed>,
    /// Estimated seconds until all are done.
    pub seconds: f64,
}

/// Jobs of one blueprint, in their order.
struct Group {
    id: BlueprintId,
    blueprint: Arc<Blueprint>,
    members: Vec<(JobId, Job)>,
    capacity: usize,
}

/// Groups `jobs` into cohorts for `slots`. A job that stands twice is planned once; members keep the order of `jobs`.
pub fn plan(jobs: Vec<(JobId, Job)>, slots: &[Slot], limits: &Limits) -> Plan {
    let groups = group(jobs, slots, limits);
    let parts = parts(&groups, slots.len().max(1));
    let mut cohorts: Vec<Placed> = Vec::with_capacity(parts.iter().sum());
    let usual = slots.first().cloned().unwrap_or(Slot { device: Device::Cpu, threads: 1 });
    for (group, parts) in groups.into_iter().zip(parts) {
        let each = capacity::member_bytes(&group.blueprint);
        let shared = capacity::scoring_bytes(&group.blueprint);
        for members in split(group.members, parts) {
            let bytes = shared + each * members.len() as u64;
            let seconds = limits.seconds(&group.blueprint, members.len(), &usual);
            cohorts.push(Placed { cohort: Cohort::new(members), bytes, seconds, slot: 0 });
        }
    }
    // The sort keeps the order of the jobs among cohorts of one length.
    cohorts.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    let seconds = simulate(&mut cohorts, slots, limits);
    Plan { cohorts, seconds }
}

fn group(jobs: Vec<(JobId, Job)>, slots: &[Slot], limits: &Limits) -> Vec<Group> {
    // Jobs of a sweep share their blueprints, so that few of these need to be hashed.
    let mut ids: HashMap<*const Blueprint, BlueprintId> = HashMap::new();
    let mut index: HashMap<BlueprintId, usize> = HashMap::new();
    let mut seen = HashSet::with_capacity(jobs.len());
    let mut groups: Vec<Group> = Vec::new();
    // Keeps every blueprint alive while its address stands for it.
    let mut held: Vec<Arc<Blueprint>> = Vec::new();
    for (id, job) in jobs {
        if !seen.insert(id) {
            continue;
        }
        let blueprint = *ids.entry(Arc::as_ptr(&job.blueprint)).or_insert_with(|| {
            held.push(Arc::clone(&job.blueprint));
            job.blueprint.id()
        });
        let at = *index.entry(blueprint).or_insert_with(|| {
            let capacity = limits.capacity(blueprint, &job.blueprint, slots);
            groups.push(Group { id: blueprint, blueprint: Arc::clone(&job.blueprint), members: Vec::new(), capacity });
            groups.len() - 1
        });
        debug_assert_eq!(groups[at].id, blueprint);
        groups[at].members.push((id, job));
    }
    groups
}

/// Into how many cohorts each group is split: as few as have room, or, if those are few, a multiple of the slots.
fn parts(groups: &[Group], slots: usize) -> Vec<usize> {
    let least: Vec<usize> = groups.iter().map(|group| group.members.len().div_ceil(group.capacity)).collect();
    if least.iter().sum::<usize>() >= PLENTY * slots {
        return least;
    }
    let even = |(group, parts): (&Group, &usize)| parts.next_multiple_of(slots).min(group.members.len());
    groups.iter().zip(&least).map(even).collect()
}

/// `parts` runs of members whose lengths differ by one at most, longer ones first.
fn split(members: Vec<(JobId, Job)>, parts: usize) -> Vec<Vec<(JobId, Job)>> {
    let (length, longer) = (members.len() / parts, members.len() % parts);
    let mut members = members.into_iter();
    (0..parts).map(|part| members.by_ref().take(length + usize::from(part < longer)).collect()).collect()
}

/// Gives each cohort in turn to the slot that is free first; the time when the last one ends.
fn simulate(cohorts: &mut [Placed], slots: &[Slot], limits: &Limits) -> f64 {
    let mut free = vec![0.0_f64; slots.len()];
    for placed in cohorts {
        let Some(slot) = (0..free.len()).min_by(|&a, &b| free[a].total_cmp(&free[b])) else { return 0.0 };
        placed.slot = slot;
        placed.seconds = limits.seconds(&placed.cohort.blueprint, placed.cohort.members.len(), &slots[slot]);
        free[slot] += placed.seconds;
    }
    free.into_iter().fold(0.0, f64::max)
}
