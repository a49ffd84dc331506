//! A job: a blueprint, parameters and a seed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use super::canonical;
use super::id::{BlueprintId, JobId};
use super::parameters::Parameters;

/// One GAN to train. Names, labels, devices and checkpoint cadence are no part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it shares with the other members of its cohort.
    pub blueprint: Arc<Blueprint>,
    /// What may differ from member to member.
    #[serde(alias = "knobs")]
    pub parameters: Parameters,
    /// All its randomness derives from this.
    pub seed: u64,
}

impl Job {
    /// The hash of the canonical form: equal jobs have equal ids, in whatever file they stand.
    pub fn id(&self) -> JobId {
        self.id_in(self.blueprint.id())
    }

    /// The same as [`Job::id`] where the id of this job's blueprint is known: much cheaper for many jobs of one blueprint.
    pub fn id_in(&self, blueprint: BlueprintId) -> JobId {
        JobId::of(&canonical::bytes_of_sorted("job", &(blueprint, &self.parameters, self.seed)))
    }
}
