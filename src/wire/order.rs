//! Orders: what a worker is told to train.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use sweep_plan::slot::Device;
use sweep_spec::blueprint::Blueprint;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::parameters::Parameters;

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
    /// Its parameters; an order of an earlier program calls them knobs.
    #[serde(alias = "knobs")]
    pub parameters: Parameters,
    /// Its seed.
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use sweep_spec::sweep::Sweep;

    use super::*;

    #[test]
    fn mutants_of_orders() {
        let text = "sweep: s\ndataset: gaussians\nobjective: d2gan\nalpha: 0.1\nbeta: 0.2\ntrain: {steps: 4}";
        let job = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().jobs().remove(0).1;
        let order = Order {
            protocol: 1,
            cohort: CohortId::of(b"c"),
            attempt: 1,
            blueprint: (*job.blueprint).clone(),
            members: vec![Member { id: job.id(), parameters: job.parameters.clone(), seed: 3 }],
            device: Device::Cuda(0),
            threads: 1,
            data: "/d".into(),
            directory: "/r".into(),
            events: "/e".into(),
            checkpoint_seconds: 60,
            resume: false,
            from: Some("/f".into()),
            parent: Some(CohortId::of(b"p")),
            without: vec![job.id()],
            probe_seconds: None,
            slot: Some("cuda:0/0".into()),
            at: Some(1.5),
        };
        let text = serde_json::to_vec(&order).unwrap();
        assert_eq!(serde_json::from_slice::<Order>(&text).unwrap(), order);
        sweep_fuzz::survive(&[text], |bytes| drop(serde_json::from_slice::<Order>(bytes)));
    }
}
