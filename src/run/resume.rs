//! What earlier runs have begun. These cohorts continue with the members that their checkpoints have.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::Arc;

use super::state::Work;
use sweep_spec::id::JobId;
use sweep_store::{AttemptOutcome, Resumable, Store, StoreError};
use sweep_wire::status::Status;

/// Returns the begun cohorts of `sweeps`. Each unfinished job is in at most one of them. Their durations are still to
/// be predicted.
///
/// # Errors
///
/// The database cannot be read.
pub async fn resumed(store: &Store, sweeps: &[&str]) -> Result<Vec<Work>, StoreError> {
    let mut begun = Vec::new();
    for sweep in sweeps {
        begun.extend(store.resumable(sweep).await?);
    }
    Ok(works(begun))
}

fn works(begun: Vec<Resumable>) -> Vec<Work> {
    let mut known = HashSet::new();
    let mut taken: HashSet<JobId> = HashSet::new();
    let mut works = Vec::new();
    let mut begun = begun;
    // Later cohorts first: if members of one cohort moved to others that have begun, those now have them.
    begun.sort_by_key(|cohort| Reverse(cohort.ordinal));
    for Resumable { cohort, parents, states, last, step, .. } in begun {
        if !known.insert(cohort.id) {
            continue;
        }
        let members = || cohort.members.iter().map(|(id, _)| *id).zip(&states);
        let settled: HashSet<JobId> =
            members().filter(|(id, state)| state.is_final() || taken.contains(id)).map(|(id, _)| id).collect();
        let open: Vec<JobId> = members().map(|(id, _)| id).filter(|id| !settled.contains(id)).collect();
        if open.is_empty() {
            continue;
        }
        taken.extend(&open);
        let size = cohort.members.len();
        let ended = members().filter(|(_, state)| state.is_final()).map(|(id, _)| id).collect();
        let failed = states.contains(&Status::Failed);
        let elsewhere = members().any(|(id, state)| !state.is_final() && !open.contains(&id));
        let work = Work::new(Arc::new(cohort), step, &settled, 0.0)
            .with(parents.into_iter().map(|parent| vec![parent]).collect(), ended);
        match last {
            // Failed members may be retried later, and some are in another cohort by now. Their state stays where it
            // is, and the others get their own cohort.
            _ if failed || elsewhere => works.extend(work.split(size)),
            Some(AttemptOutcome::OutOfMemory) if size > 1 => works.extend(work.split(size.div_ceil(2))),
            Some(_) | None => works.push(work),
        }
    }
    works
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::fixtures::cohort;
    use sweep_plan::cohort::Cohort;

    fn begun(members: std::ops::Range<usize>, last: AttemptOutcome, states: &[Status]) -> Resumable {
        let cohort = Cohort::new(cohort(1, 8).members[members].to_vec(), [].into());
        let states = states.to_vec();
        Resumable {
            ordinal: 0,
            cohort,
            parents: Vec::new(),
            states,
            directory: "runs/x".into(),
            attempts: 1,
            last: Some(last),
            step: 40,
        }
    }

    #[test]
    fn a_begun_cohort_keeps_its_composition() {
        let (died, states) = (AttemptOutcome::Died, [Status::Pending, Status::Diverged, Status::Pending]);
        let works = works(vec![begun(0..3, died, &states), begun(0..3, died, &states)]);
        assert_eq!(works.len(), 1, "two sweeps may share it");
        assert_eq!(works[0].cohort().members.len(), 3);
        assert_eq!(works[0].open().count(), 2);
    }

    #[test]
    fn the_parts_of_a_split_cohort_have_its_jobs() {
        let pending = [Status::Pending; 8];
        let whole = begun(0..8, AttemptOutcome::OutOfMemory, &pending);
        let part = begun(0..4, AttemptOutcome::Stopped, &pending[..4]);
        let works = works(vec![Resumable { ordinal: 2, ..part }, Resumable { ordinal: 1, ..whole }]);
        assert_eq!(works.iter().map(|work| work.open().count()).collect::<Vec<_>>(), [4, 4]);
        let jobs: HashSet<JobId> = works.iter().flat_map(Work::open).collect();
        assert_eq!(jobs.len(), 8);
    }

    #[test]
    fn a_cohort_of_which_members_are_in_another_goes_on_as_one_of_the_others() {
        // Two of the first four are packed with two of the second four, and one of these waits.
        let pending = [Status::Pending; 8];
        let stopped = AttemptOutcome::Stopped;
        let [first, second] = [0..4, 4..8].map(|range| begun(range, stopped, &pending[..4]));
        let packed = begun(2..6, stopped, &pending[..4]);
        let ids = [&first, &second, &packed].map(|of| of.cohort.id);
        let all = [(1, first), (2, second), (3, packed)].map(|(ordinal, of)| Resumable { ordinal, ..of });
        let found = works(all.to_vec());
        let mut open: Vec<JobId> = found.iter().flat_map(Work::open).collect();
        let count = open.len();
        open.sort_unstable();
        open.dedup();
        assert_eq!((count, open.len()), (8, 8), "each in one");
        for work in &found {
            let members = work.cohort().members.len();
            assert_eq!((members, work.open().count()), if work.cohort().id == ids[2] { (4, 4) } else { (2, 2) });
            assert!(!ids[..2].contains(&work.cohort().id), "its folder and checkpoint are others' too");
        }
    }
}
