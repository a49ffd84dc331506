//! Properties of plans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use sweep::plan::capacity::{member_bytes, scoring_bytes};
use sweep::plan::slot::{Device, Slot};
use sweep::plan::{Limits, Plan, plan};
use sweep::spec::id::{BlueprintId, JobId};
use sweep::spec::job::Job;
use sweep::spec::sweep::Sweep;

/// Jobs of several blueprints and lengths: `groups` are (hidden units, steps, jobs).
fn jobs(groups: &[(u32, u64, usize)]) -> Vec<(JobId, Job)> {
    let mut text = "sweep: s\ndataset: gaussians\nvariants:\n".to_owned();
    for (at, (units, steps, jobs)) in groups.iter().enumerate() {
        text += &format!(
            "- {{name: v{at}, objective: gan, seeds: {jobs}, model: {{generator: [{units}]}}, train: {{steps: {steps}}}}}\n"
        );
    }
    Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap_or_else(|errors| panic!("{errors}")).jobs()
}

fn slots(cpu: usize, cuda: usize) -> Vec<Slot> {
    let cuda = (0..cuda).map(|index| Slot { device: Device::Cuda(index as u32), threads: 1 });
    cuda.chain((0..cpu).map(|_| Slot { device: Device::Cpu, threads: 1 })).collect()
}

/// What a plan is, without its times.
fn shape(plan: &Plan) -> Vec<(String, usize)> {
    plan.cohorts.iter().map(|placed| (placed.cohort.id.to_string(), placed.slot)).collect()
}

fn groups() -> impl Strategy<Value = Vec<(u32, u64, usize)>> {
    prop::collection::vec((1u32..5, 1u64..4, 1usize..40), 1..6)
}

proptest! {
    #[test]
    fn every_job_is_in_exactly_one_cohort_of_its_blueprint(
        groups in groups(), cpu in 0usize..5, cuda in 0usize..3, most in 1usize..20, memory in prop::option::of(1usize..20),
    ) {
        let slots = slots(cpu + usize::from(cpu + cuda == 0), cuda);
        let jobs = jobs(&groups);
        let bytes = memory.map(|members| {
            let blueprint = &jobs[0].1.blueprint;
            scoring_bytes(blueprint) + member_bytes(blueprint) * members as u64
        });
        let limits = Limits { cpu_members: most, cuda_members: 2 * most, cpu_bytes: bytes, ..Limits::default() };
        let plan = plan(jobs.clone(), &slots, &limits);

        let planned: Vec<JobId> = plan.cohorts.iter().flat_map(|p| p.cohort.members.iter().map(|(id, _)| *id)).collect();
        let unique: BTreeSet<JobId> = planned.iter().copied().collect();
        prop_assert_eq!(planned.len(), unique.len());
        prop_assert_eq!(unique, jobs.iter().map(|(id, _)| *id).collect::<BTreeSet<_>>());
        let position: BTreeMap<JobId, usize> = jobs.iter().enumerate().map(|(at, (id, _))| (*id, at)).collect();
        for placed in &plan.cohorts {
            let cohort = &placed.cohort;
            let of: BTreeSet<BlueprintId> = cohort.members.iter().map(|(_, job)| job.blueprint.id()).collect();
            prop_assert_eq!(of, BTreeSet::from([cohort.blueprint.id()]));
            prop_assert!(cohort.members.windows(2).all(|pair| position[&pair[0].0] < position[&pair[1].0]));
            let capacity = limits.capacity(cohort.blueprint.id(), &cohort.blueprint, &slots);
            prop_assert!((1..=capacity).contains(&cohort.members.len()));
            if let Some(bytes) = bytes && cpu > 0 && capacity > 1 {
                prop_assert!(placed.bytes <= bytes);
            }
            prop_assert!(placed.slot < slots.len() && placed.seconds > 0.0);
        }
        // A slot takes its cohorts one after another, and the last to end ends the plan.
        let mut busy = vec![0.0; slots.len()];
        plan.cohorts.iter().for_each(|placed| busy[placed.slot] += placed.seconds);
        prop_assert_eq!(busy.into_iter().fold(0.0, f64::max), plan.seconds);
    }

    #[test]
    fn plans_are_deterministic_and_jobs_keep_their_ids(groups in groups(), cpu in 1usize..5, by in 0usize..100) {
        let mut jobs = jobs(&groups);
        let (slots, limits) = (slots(cpu, 0), Limits::default());
        let first = plan(jobs.clone(), &slots, &limits);
        prop_assert_eq!(shape(&first), shape(&plan(jobs.clone(), &slots, &limits)));
        // Nor does it matter whether blueprints are shared or only equal, or whether a job stands there twice.
        let mut unshared: Vec<_> = jobs.clone();
        for (_, job) in &mut unshared {
            job.blueprint = Arc::new((*job.blueprint).clone());
        }
        unshared.extend(jobs.clone());
        prop_assert_eq!(shape(&first), shape(&plan(unshared, &slots, &limits)));
        // Another order of the jobs makes other cohorts, of the same jobs with the same ids.
        let by = by % jobs.len();
        jobs.rotate_left(by);
        let ids = |plan: &Plan| -> BTreeSet<JobId> { plan.cohorts.iter().flat_map(|p| p.cohort.members.iter().map(|(id, _)| *id)).collect() };
        let sizes = |plan: &Plan| { let mut sizes: Vec<_> = plan.cohorts.iter().map(|p| p.cohort.members.len()).collect(); sizes.sort(); sizes };
        let rotated = plan(jobs, &slots, &limits);
        prop_assert_eq!(ids(&first), ids(&rotated));
        prop_assert_eq!(sizes(&first), sizes(&rotated));
    }

    #[test]
    fn the_longest_start_first(groups in groups(), cpu in 1usize..5) {
        let plan = plan(jobs(&groups), &slots(cpu, 0), &Limits::default());
        prop_assert!(plan.cohorts.windows(2).all(|pair| pair[0].seconds >= pair[1].seconds));
    }
}

#[test]
fn few_jobs_are_spread_over_all_slots() {
    let sizes = |groups: &[(u32, u64, usize)], slots: &[Slot]| -> Vec<usize> {
        plan(jobs(groups), slots, &Limits::default()).cohorts.iter().map(|placed| placed.cohort.members.len()).collect()
    };
    assert_eq!(sizes(&[(4, 10, 36)], &slots(2, 0)), [9, 9, 9, 9]);
    assert_eq!(sizes(&[(4, 10, 5)], &slots(4, 0)), [2, 1, 1, 1]);
    assert_eq!(sizes(&[(4, 10, 3)], &slots(4, 0)), [1, 1, 1]);
    assert_eq!(sizes(&[(4, 10, 100)], &slots(0, 1)), [100]);
    assert_eq!(sizes(&[(4, 10, 100)], &slots(0, 4)), [25, 25, 25, 25]);
}

#[test]
fn a_learnt_limit_is_kept() {
    let jobs = jobs(&[(4, 10, 8), (3, 10, 8)]);
    let learnt = BTreeMap::from([(jobs[0].1.blueprint.id(), 3)]);
    let plan = plan(jobs, &slots(1, 0), &Limits { learnt, ..Limits::default() });
    let mut sizes: Vec<usize> = plan.cohorts.iter().map(|placed| placed.cohort.members.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3, 3, 8]);
}
