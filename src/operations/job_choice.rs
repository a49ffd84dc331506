//! Which jobs of a sweep a user means.

use std::collections::{BTreeSet, HashMap};

use crate::Failure;
use sweep_spec::id::JobId;
use sweep_store::Store;
use sweep_wire::status::Status;

/// Returns the jobs that the user means, with their status.
pub(crate) async fn chosen_jobs(
    store: &Store,
    sweep: &str,
    prefixes: &[String],
) -> Result<HashMap<JobId, Status>, Failure> {
    let all = store.states(sweep).await?;
    if prefixes.is_empty() {
        return Ok(all);
    }
    let mut asked = HashMap::new();
    for prefix in prefixes {
        let id = store.find_job(prefix).await?;
        let Some(&status) = all.get(&id) else {
            let entries = store.job(id).await?.entries;
            let sweeps: BTreeSet<&str> = entries.iter().map(|(sweep, ..)| sweep.as_str()).collect();
            let known = if sweeps.is_empty() { "none".to_owned() } else { Vec::from_iter(sweeps).join(", ") };
            return Err(Failure::usage(format!("job {} is not of the sweep {sweep}; it is of: {known}", id.short())));
        };
        asked.insert(id, status);
    }
    Ok(asked)
}
