//! A job: a blueprint, knobs and a seed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use super::canonical;
use super::id::JobId;
use super::knobs::Knobs;

/// One GAN to train. Names, labels, devices and checkpoint cadence are no part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// What it shares with the other members of its cohort.
    pub blueprint: Arc<Blueprint>,
    /// What may differ from member to member.
    pub knobs: Knobs,
    /// All its randomness derives from this.
    pub seed: u64,
}

impl Job {
    /// The hash of the canonical form: equal jobs have equal ids, in whatever file they stand.
    pub fn id(&self) -> JobId {
        JobId::of(&canonical::bytes("job", &(self.blueprint.id(), &self.knobs, self.seed)))
    }
}
