//! Orders: what a worker trains.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::home::AttemptFolder;
use sweep_plan::slot::Device;
use sweep_spec::blueprint::{Blueprint, Score};
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Job;
use sweep_spec::parameters::Parameters;

/// One cohort to train: the content of `order.json` in the attempt's directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// [`super::PROTOCOL`] of the writer.
    pub protocol: u32,
    /// The cohort.
    pub cohort: CohortId,
    /// Counts from 1.
    pub attempt: u32,
    /// The blueprint that the members share.
    pub blueprint: Blueprint,
    /// The scores to measure of each member.
    pub scores: Vec<Score>,
    /// The members, in the order of checkpoints.
    pub members: Vec<Member>,
    /// The device to compute on, as this worker numbers its devices.
    pub device: Device,
    /// CPU threads to use.
    pub threads: u32,
    /// The folder of data sets.
    pub data: PathBuf,
    /// The cohort's directory, with `checkpoint.safetensors`, `samples/`, `generators.safetensors` and the attempts.
    pub directory: PathBuf,
    /// Where to append events.
    pub events: PathBuf,
    /// The folder of the sweep file, in which an own trainer is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// The parent of the jobs' own folders, named by job id, in which an own trainer keeps files over attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<PathBuf>,
    /// Seconds between checkpoints; 0 for a checkpoint only at a stop.
    pub checkpoint_seconds: u64,
    /// Whether to continue from `checkpoint.safetensors`, if there is one.
    pub resume: bool,
    /// The cohorts these members were in before. Unless the cohort has a checkpoint of its own, members continue from
    /// the states saved there, which are all at the same step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<Parent>,
    /// Train only up to this step. Then the state is saved and the order ends
    /// ([`Outcome::Reached`](super::event::Outcome::Reached)). A trainer that cannot do this trains to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Whether to keep the last state of training, as `last.safetensors` in the cohort's directory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
    /// Members that are not trained because the user cancelled them. More may be named
    /// [later](super::control::Control).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<JobId>,
    /// Train the members for about this many seconds, only to measure their speed. The events are `started`, one
    /// `progress` with the rate, and `ended`. Nothing is scored or written, and no data files are read. Only this
    /// program's workers get such an order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_seconds: Option<f64>,
    /// The orchestrator's name for the slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// When the orchestrator registered this attempt, in seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<f64>,
}

/// A cohort that members were in before this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The cohort.
    pub cohort: CohortId,
    /// Its checkpoint or its last state. It may have other members, too.
    pub checkpoint: PathBuf,
}

/// One member of an order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The job.
    pub id: JobId,
    /// Its former ids from earlier programs, as in the logs, checkpoints and generators they wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub was: Vec<JobId>,
    /// The shorter job whose last state it continues, which is in one of the order's `parents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<JobId>,
    /// Its parameters; orders of earlier programs call them knobs.
    #[serde(alias = "knobs")]
    pub parameters: Parameters,
    /// Its seed.
    pub seed: u64,
}

impl Order {
    /// Parses an order, which an earlier program may have written. Its jobs then get today's ids and keep the former
    /// ones as additional names.
    ///
    /// # Errors
    ///
    /// If it is not an order.
    pub fn parse(json: &[u8]) -> serde_json::Result<Order> {
        let mut value: Value = serde_json::from_slice(json)?;
        // Orders of version 1 and 2 had at most one parent.
        let one = value.as_object_mut().and_then(|order| order.remove("parent").zip(order.remove("from")));
        if let (Some((cohort, checkpoint)), Some(order)) = (one, value.as_object_mut()) {
            order.insert("parents".to_owned(), json!([{"cohort": cohort, "checkpoint": checkpoint}]));
        }
        if value.get("protocol").is_none_or(|protocol| protocol != 1) {
            return serde_json::from_value(value);
        }
        // Scores were part of the blueprint.
        let score = value.pointer_mut("/blueprint/score").map(Value::take).unwrap_or_default();
        if let Some(order) = value.as_object_mut() {
            order.insert("scores".to_owned(), json!([score]));
        }
        let mut order: Order = serde_json::from_value(value)?;
        let blueprint = Arc::new(order.blueprint.clone());
        let id = blueprint.id();
        let now = |member: &Member| Job {
            blueprint: Arc::clone(&blueprint),
            parameters: member.parameters.clone(),
            seed: member.seed,
        };
        for member in &mut order.members {
            let today = now(member).id_in(id);
            member.was = vec![std::mem::replace(&mut member.id, today)];
        }
        let today = |was: &JobId| order.members.iter().find(|member| member.was.contains(was)).map(|member| member.id);
        order.without = order.without.iter().filter_map(today).collect();
        Ok(order)
    }

    /// Returns the folder of the attempt, which contains its events.
    pub fn attempt_folder(&self) -> AttemptFolder {
        AttemptFolder::at(self.events.parent().unwrap_or(&self.directory).to_owned())
    }

    /// Returns the jobs by their names in parents: their former ids, and the shorter jobs whose states they continue.
    pub fn in_parents(&self) -> HashMap<JobId, JobId> {
        let after = self.members.iter().filter_map(|member| Some((member.after?, member.id)));
        self.renamed().into_iter().chain(after).collect()
    }

    /// Returns the former ids of jobs with today's ids.
    pub fn renamed(&self) -> HashMap<JobId, JobId> {
        self.members.iter().flat_map(|member| member.was.iter().map(|was| (*was, member.id))).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use sweep_spec::sweep::Sweep;

    use super::*;

    #[test]
    fn mutants_of_orders() {
        let text = "sweep: s\ndataset: gaussians\nobjective: d2gan\nalpha: 0.1\nbeta: 0.2\ntrain: {steps: 4}";
        let job = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().entries.remove(0).job;
        let order = Order {
            protocol: crate::PROTOCOL,
            cohort: CohortId::of(b"c"),
            attempt: 1,
            blueprint: (*job.blueprint).clone(),
            scores: vec![Score::default()],
            members: vec![Member {
                id: job.id(),
                was: Vec::new(),
                after: None,
                parameters: job.parameters.clone(),
                seed: 3,
            }],
            device: Device::Cuda(0),
            threads: 1,
            data: "/d".into(),
            directory: "/r".into(),
            events: "/e".into(),
            folder: None,
            jobs: None,
            checkpoint_seconds: 60,
            resume: false,
            parents: [b"p", b"q"].map(|name| Parent { cohort: CohortId::of(name), checkpoint: "/f".into() }).to_vec(),
            until: Some(2),
            keep: true,
            without: vec![job.id()],
            probe_seconds: None,
            slot: Some("cuda:0/0".into()),
            at: Some(1.5),
        };
        let text = serde_json::to_vec(&order).unwrap();
        assert_eq!(Order::parse(&text).unwrap(), order);
        sweep_fuzz::survive(&[text, EARLIER.into()], |bytes| drop(Order::parse(bytes)));
    }

    /// An order written by an earlier program.
    pub(crate) const EARLIER: &str = r#"{"protocol":1,"cohort":"00000000000000000001","attempt":2,
        "blueprint":{"dataset":{"gaussians":{"layout":"ring","modes":8,"radius":2.0,"covariance":0.02}},
        "objective":"d2gan","model":{"noise":2,"init":{"normal":{"std":0.02}},
        "generator":[{"linear":{"inputs":2,"outputs":2,"bias":true}}],
        "discriminator":[{"linear":{"inputs":2,"outputs":1,"bias":true}}]},
        "train":{"steps":4,"batch":64,"d_steps":1,"generator":"adam","discriminator":"adam"},
        "score":{"every":2,"samples":10000,
        "metrics":["wasserstein"],"splits":10,"bins":50,"range":4.0,"wasserstein_samples":2048}},
        "members":[{"id":"0000000000000000000a","knobs":{"alpha":0.1,"beta":0.2,"lr_generator":0.0002,
        "lr_discriminator":0.0002,"adam_beta1":0.5,"adam_beta2":0.999},"seed":3}],
        "device":"cpu","threads":1,"data":"/d","directory":"/r","events":"/e","checkpoint_seconds":60,
        "resume":true,"from":"/f","parent":"0000000000000000000b","without":["0000000000000000000a"]}"#;

    #[test]
    fn an_earlier_order_is_of_the_jobs_of_today() {
        let order = Order::parse(EARLIER.as_bytes()).unwrap();
        let text = "sweep: s\ndataset: gaussians\nobjective: d2gan\nalpha: 0.1\nbeta: 0.2\nseeds: [3]\ntrain: \
            {steps: 4}\n\
                    model: {noise: 2, generator: [], discriminator: []}\nscore: {every: 2, metrics: [wasserstein]}";
        let entry = Sweep::parse("f", text).and_then(|sweep| sweep.expand()).unwrap().entries.remove(0);
        assert_eq!(order.blueprint, *entry.job.blueprint);
        assert_eq!(order.scores, [(*entry.score).clone()]);
        let was: JobId = "0000000000000000000a".parse().unwrap();
        assert_eq!(
            (order.members[0].id, order.members[0].was.clone(), &order.without[..]),
            (entry.id, vec![was], &[entry.id][..])
        );
        assert_eq!(order.renamed(), [(was, entry.id)].into());
        let parent = Parent { cohort: "0000000000000000000b".parse().unwrap(), checkpoint: "/f".into() };
        assert_eq!(order.parents, [parent]);
    }
}
