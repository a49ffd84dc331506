//! Orders: what a worker is told to train.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plan::slot::Device;
use crate::spec::blueprint::Blueprint;
use crate::spec::id::{CohortId, JobId};
use crate::spec::knobs::Knobs;

/// One cohort to train: the content of `order.json` in the attempt's directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// [`super::PROTOCOL`] of the writer.
    pub protocol: u32,
    /// Which cohort.
    pub cohort: CohortId,
    /// Counts from 1.
    pub attempt: u32,
    /// What the members share.
    pub blueprint: Blueprint,
    /// The members, in the order in which checkpoints hold them.
    pub members: Vec<Member>,
    /// Where to compute, as this worker sees its devices.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
    /// Where the data sets are.
    pub data: PathBuf,
    /// The cohort's directory: `checkpoint.safetensors`, `samples/`, `generators.safetensors` and the attempts are in it.
    pub directory: PathBuf,
    /// Where to append events.
    pub events: PathBuf,
    /// Seconds between checkpoints; 0 for none but at a stop.
    pub checkpoint_seconds: u64,
    /// Go on from `checkpoint.safetensors`, where there is one.
    pub resume: bool,
    /// The checkpoint of a larger cohort that these members were part of: what they go on from as long as there is none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<PathBuf>,
    /// That larger cohort.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CohortId>,
    /// Members that are not to be trained any more: the user has cancelled them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<JobId>,
    /// Train the members for about so many seconds, only to see how fast they do: the events are `started`, one `progress` with the rate,
    /// and `ended`. Nothing is scored or written, and no data files are read. Workers other than this program's get no such order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_seconds: Option<f64>,
    /// The orchestrator's name for where this runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// When the orchestrator made this attempt known, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
}

/// One member of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The job.
    pub id: JobId,
    /// Its knobs.
    pub knobs: Knobs,
    /// Its seed.
    pub seed: u64,
}
