//! Properties of plans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use sweep::plan::capacity::{member_bytes, scoring_bytes};
use sweep::plan::measured::{Known, Measured};
use sweep::plan::slot::{Device, Kind, Slot};
use sweep::plan::{Limits, Placed, Plan, Shape, plan};
use sweep::spec::id::{BlueprintId, JobId};
use sweep::spec::job::Task;
use sweep::spec::sweep::Sweep;

/// Jobs of several blueprints and lengths: `groups` are (hidden units, steps, jobs).
fn tasks(groups: &[(u32, u64, usize)]) -> Vec<Task> {
    let mut text = "sweep: s\ndataset: gaussians\nvariants:\n".to_owned();
    for (at, (units, steps, jobs)) in groups.iter().enumerate() {
        text += &format!(
            "- {{name: v{at}, objective: gan, seeds: {jobs}, model: {{generator: [{units}]}}, train: {{steps: \
            {steps}}}}}\n"
        );
    }
    Sweep::parse("f", &text).and_then(|sweep| sweep.expand()).unwrap_or_else(|errors| panic!("{errors}")).tasks()
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
        groups in groups(),
        cpu in 0usize..5,
        cuda in 0usize..3,
        most in 1usize..20,
        memory in prop::option::of(1usize..20),
    ) {
        let slots = slots(cpu + usize::from(cpu + cuda == 0), cuda);
        let tasks = tasks(&groups);
        let bytes = memory.map(|members| {
            let blueprint = &tasks[0].job.blueprint;
            scoring_bytes(blueprint, &tasks[0].scores) + member_bytes(blueprint) * members as u64
        });
        let limits = Limits { cpu_members: most, cuda_members: 2 * most, cpu_bytes: bytes, ..Limits::default() };
        let plan = plan(tasks.clone(), &slots, &limits);

        let members = plan.cohorts.iter().flat_map(|p| p.cohort.members.iter());
        let planned: Vec<JobId> = members.map(|(id, _)| *id).collect();
        let unique: BTreeSet<JobId> = planned.iter().copied().collect();
        prop_assert_eq!(planned.len(), unique.len());
        prop_assert_eq!(unique, tasks.iter().map(|task| task.id).collect::<BTreeSet<_>>());
        let position: BTreeMap<JobId, usize> = tasks.iter().enumerate().map(|(at, task)| (task.id, at)).collect();
        for placed in &plan.cohorts {
            let cohort = &placed.cohort;
            let of: BTreeSet<BlueprintId> = cohort.members.iter().map(|(_, job)| job.blueprint.id()).collect();
            prop_assert_eq!(of, BTreeSet::from([cohort.blueprint.id()]));
            prop_assert!(cohort.members.windows(2).all(|pair| position[&pair[0].0] < position[&pair[1].0]));
            let same = tasks.iter().filter(|task| *task.job.blueprint == *cohort.blueprint).count();
            let of = Shape { id: placed.blueprint, blueprint: &cohort.blueprint, scores: &cohort.scores };
            let capacity = limits.capacity(of, same, &slots);
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
        let mut tasks = tasks(&groups);
        let (slots, limits) = (slots(cpu, 0), Limits::default());
        let first = plan(tasks.clone(), &slots, &limits);
        prop_assert_eq!(shape(&first), shape(&plan(tasks.clone(), &slots, &limits)));
        // Nor does it matter whether blueprints are shared or only equal, or whether a job stands there twice.
        let mut unshared: Vec<_> = tasks.clone();
        for task in &mut unshared {
            task.job.blueprint = Arc::new((*task.job.blueprint).clone());
            task.scores = task.scores.iter().map(|score| Arc::new((**score).clone())).collect();
        }
        unshared.extend(tasks.clone());
        prop_assert_eq!(shape(&first), shape(&plan(unshared, &slots, &limits)));
        // Another order of the jobs makes other cohorts, of the same jobs with the same ids.
        let by = by % tasks.len();
        tasks.rotate_left(by);
        let ids = |plan: &Plan| -> BTreeSet<JobId> {
            plan.cohorts.iter().flat_map(|p| p.cohort.members.iter().map(|(id, _)| *id)).collect()
        };
        let sizes = |plan: &Plan| {
            let mut sizes: Vec<_> = plan.cohorts.iter().map(|p| p.cohort.members.len()).collect();
            sizes.sort();
            sizes
        };
        let rotated = plan(tasks, &slots, &limits);
        prop_assert_eq!(ids(&first), ids(&rotated));
        prop_assert_eq!(sizes(&first), sizes(&rotated));
    }

    #[test]
    fn the_longest_start_first(groups in groups(), cpu in 1usize..5) {
        let plan = plan(tasks(&groups), &slots(cpu, 0), &Limits::default());
        prop_assert!(plan.cohorts.windows(2).all(|pair| pair[0].seconds >= pair[1].seconds));
    }
}

#[test]
fn jobs_of_which_other_things_are_measured_train_apart() {
    let text = "sweep: s\ndataset: gaussians\nseeds: 4\ntrain: {steps: 9}\nvariants: [{name: a, objective: gan}, \
                {name: b, objective: gan, train: {lr: 1}, score: {samples: 50}}, \
                {name: c, objective: gan, score: {samples: 60}}]";
    let tasks = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().tasks();
    let plan = plan(tasks, &slots(1, 0), &Limits::default());
    let samples = |p: &Placed| -> Vec<u32> { p.cohort.scores.iter().map(|score| score.samples).collect() };
    let mut cohorts: Vec<_> = plan.cohorts.iter().map(samples).collect();
    cohorts.sort();
    // The jobs of `a` are those of `c`.
    assert_eq!(cohorts, [vec![50], vec![10_000, 60]]);
}

#[test]
fn few_jobs_are_spread_over_all_slots() {
    let sizes = |groups: &[(u32, u64, usize)], slots: &[Slot]| -> Vec<usize> {
        plan(tasks(groups), slots, &Limits::default())
            .cohorts
            .iter()
            .map(|placed| placed.cohort.members.len())
            .collect()
    };
    assert_eq!(sizes(&[(4, 10, 36)], &slots(2, 0)), [9, 9, 9, 9]);
    assert_eq!(sizes(&[(4, 10, 5)], &slots(4, 0)), [2, 1, 1, 1]);
    assert_eq!(sizes(&[(4, 10, 3)], &slots(4, 0)), [1, 1, 1]);
    assert_eq!(sizes(&[(4, 10, 100)], &slots(0, 1)), [100]);
    assert_eq!(sizes(&[(4, 10, 100)], &slots(0, 4)), [25, 25, 25, 25]);
}

fn sizes(tasks: &[Task], slots: &[Slot], limits: &Limits) -> Vec<usize> {
    let plan = plan(tasks.to_vec(), slots, limits);
    let mut sizes: Vec<usize> = plan.cohorts.iter().map(|placed| placed.cohort.members.len()).collect();
    sizes.sort_unstable();
    sizes
}

/// What is known of `id` on the kind of GPU that `cuda:0` is.
fn known(id: BlueprintId, measured: Measured) -> Limits {
    let kind = Kind::gpu("NVIDIA H100", 80 << 30);
    Limits {
        known: Known::from([(kind.clone(), BTreeMap::from([(id, measured)]))]),
        kinds: [(Device::Cuda(0), kind)].into_iter().collect(),
        ..Limits::default()
    }
}

#[test]
fn a_memory_limit_is_saved_where_it_was_measured() {
    let tasks = tasks(&[(4, 10, 8), (3, 10, 8)]);
    let limits = known(tasks[0].job.blueprint.id(), Measured { limit: Some(3), ..Measured::default() });
    assert_eq!(sizes(&tasks, &slots(0, 1), &limits), [2, 3, 3, 8]);
    assert_eq!(sizes(&tasks, &slots(1, 0), &limits), [8, 8], "a CPU is no such GPU");
    let other = [Slot { device: Device::Cuda(1), threads: 1 }];
    assert_eq!(sizes(&tasks, &other, &limits), [8, 8], "nor is another kind");
    assert_eq!(sizes(&tasks, &slots(0, 2), &limits), [2, 2, 2, 2, 4, 4], "a cohort must fit wherever it may go");
}

#[test]
fn a_measured_number_of_members_trains_together_and_predicts_the_time() {
    let tasks = tasks(&[(4, 1000, 64)]);
    let (id, gpu) = (tasks[0].job.blueprint.id(), slots(0, 1));
    let rates = BTreeMap::from([(1, 500.0), (4, 1900.0), (16, 4000.0), (64, 4100.0)]);
    let limits = known(id, Measured { rates: rates.clone(), limit: None });
    assert_eq!(sizes(&tasks, &gpu, &limits), [16; 4]);
    let planned = plan(tasks.clone(), &gpu, &limits);
    // 64 jobs of 1000 steps at 4000 model-steps/s, and scoring.
    let blueprint = &tasks[0].job.blueprint;
    let expected =
        64_000.0 / 4000.0 + limits.cuda.scoring_seconds(blueprint.built_in().unwrap(), &tasks[0].scores, 64, 1.0);
    assert!((planned.seconds - expected).abs() < 1e-6 * expected, "{} {expected}", planned.seconds);

    assert_eq!(
        sizes(&tasks, &gpu, &Limits { chosen: Some(32), ..limits.clone() }),
        [32; 2],
        "what the user says counts"
    );
    let partial = known(id, Measured { rates: BTreeMap::from([(1, 500.0), (4, 1900.0)]), limit: None });
    assert_eq!(sizes(&tasks, &gpu, &partial), [64], "half of an answer is none");
    let unfit = known(id, Measured { rates, limit: Some(8) });
    assert_eq!(sizes(&tasks, &gpu, &unfit), [8; 8]);
    assert_eq!(sizes(&tasks, &gpu, &Limits { chosen: Some(32), ..unfit }), [8; 8], "but not more than fits");
}
