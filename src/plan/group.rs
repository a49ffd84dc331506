//! Groups jobs that could train together: same blueprint and same scoring.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::{BlueprintId, CohortId, JobId};
use sweep_spec::job::{Job, Scores, Task};

/// Jobs with the same blueprint and scoring, in order.
pub(super) struct Group {
    pub id: BlueprintId,
    pub blueprint: Arc<Blueprint>,
    pub scores: Scores,
    /// The cohort whose final checkpoints the members continue from, and its steps.
    pub earlier: Option<(CohortId, u64)>,
    pub members: Vec<(JobId, Job)>,
}

/// What is the same in a group: the blueprint, the scoring, and what its members continue from.
type Key = (BlueprintId, usize, Option<(CohortId, u64)>);

/// Groups the jobs, each once, by blueprint, scoring and what they continue from.
pub(super) fn group(tasks: impl IntoIterator<Item = Task>) -> Vec<Group> {
    // Jobs of a sweep share their blueprints, so hash each only once.
    let mut ids: HashMap<*const Blueprint, BlueprintId> = HashMap::new();
    let mut scorings: Vec<Scores> = Vec::new();
    let mut index: HashMap<Key, usize> = HashMap::new();
    let tasks = tasks.into_iter();
    let mut seen = HashSet::with_capacity(tasks.size_hint().0);
    let mut groups: Vec<Group> = Vec::new();
    // Keeps every blueprint alive while its address is used as a key.
    let mut held: Vec<Arc<Blueprint>> = Vec::new();
    for Task { id, job, scores, earlier } in tasks {
        if !seen.insert(id) {
            continue;
        }
        let blueprint = *ids.entry(Arc::as_ptr(&job.blueprint)).or_insert_with(|| {
            held.push(Arc::clone(&job.blueprint));
            job.blueprint.id()
        });
        // There are few, and usually the same one.
        let known = scorings.iter().position(|known| Arc::ptr_eq(known, &scores) || *known == scores);
        let scoring = known.unwrap_or_else(|| {
            scorings.push(Arc::clone(&scores));
            scorings.len() - 1
        });
        let earlier = earlier.map(|earlier| (earlier.cohort, earlier.step));
        let at = *index.entry((blueprint, scoring, earlier)).or_insert_with(|| {
            let blueprint_of = Arc::clone(&job.blueprint);
            groups.push(Group { id: blueprint, blueprint: blueprint_of, scores, earlier, members: Vec::new() });
            groups.len() - 1
        });
        groups[at].members.push((id, job));
    }
    groups
}
