//! Jobs by blueprint: what could train together.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::job::Job;

/// Jobs of one blueprint, in their order.
pub(super) struct Group {
    pub id: BlueprintId,
    pub blueprint: Arc<Blueprint>,
    pub members: Vec<(JobId, Job)>,
}
/// The jobs by blueprint, each once.
pub(super) fn group(jobs: impl IntoIterator<Item = (JobId, Job)>) -> Vec<Group> {
    // Jobs of a sweep share their blueprints, so that few of these need to be hashed.
    let mut ids: HashMap<*const Blueprint, BlueprintId> = HashMap::new();
    let mut index: HashMap<BlueprintId, usize> = HashMap::new();
    let jobs = jobs.into_iter();
    let mut seen = HashSet::with_capacity(jobs.size_hint().0);
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
            groups.push(Group { id: blueprint, blueprint: Arc::clone(&job.blueprint), members: Vec::new() });
            groups.len() - 1
        });
        debug_assert_eq!(groups[at].id, blueprint);
        groups[at].members.push((id, job));
    }
    groups
}
