//! A plan, and the jobs of a sweep, as JSON and YAML.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use super::Failure;
use sweep_operations::own_trainers::commands;
use sweep_operations::plan::Planned;
use sweep_operations::{early_stopping, interim_looks};
use sweep_plan::slot::Slot;
use sweep_spec::blueprint::Blueprint;
use sweep_spec::expand::Expansion;
use sweep_spec::id::{BlueprintId, JobId};
use sweep_spec::parameters::Parameters;
use sweep_wire::home::Home;

#[derive(Serialize)]
struct JsonPlan<'a> {
    sweep: &'a str,
    jobs: JsonJobs,
    variants: Vec<JsonVariant<'a>>,
    /// Which jobs may be stopped early.
    early: serde_json::Value,
    /// Which cells are searched. No other figure includes points that are not known yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    searches: Vec<serde_json::Value>,
    slots: &'a [Slot],
    cohorts: Vec<JsonCohort>,
    /// Blueprints for which it is not known how many jobs train best together on a slot's GPU.
    unmeasured: BTreeSet<BlueprintId>,
    /// The command line of one job of each variant with an own trainer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    commands: Vec<JsonCommand<'a>>,
    seconds: f64,
}

#[derive(Serialize)]
struct JsonCommand<'a> {
    variant: &'a str,
    job: JobId,
    command: Vec<String>,
}

#[derive(Serialize)]
struct JsonJobs {
    total: usize,
    unique: usize,
    /// How many different jobs there are after each look, as long as nothing is decided.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    by_look: Vec<usize>,
}

#[derive(Serialize)]
struct JsonVariant<'a> {
    name: &'a str,
    objectives: &'a BTreeSet<&'static str>,
    datasets: &'a BTreeSet<&'static str>,
    axes: Vec<JsonAxis<'a>>,
    seeds: usize,
    jobs: usize,
}

#[derive(Serialize)]
struct JsonAxis<'a> {
    keys: &'a [String],
    points: usize,
}

#[derive(Serialize)]
struct JsonCohort {
    id: String,
    blueprint: String,
    jobs: Vec<JobId>,
    slot: usize,
    bytes: u64,
    seconds: f64,
}

pub(super) fn json(planned: &Planned, home: &Home) -> Result<String, Failure> {
    let Planned { expansion, unique, plan, slots, questions, searches, .. } = planned;
    let variants = expansion.variants.iter().map(|variant| JsonVariant {
        name: &variant.name,
        objectives: &variant.objectives,
        datasets: &variant.datasets,
        axes: variant.axes.iter().map(|(keys, points)| JsonAxis { keys, points: *points }).collect(),
        seeds: variant.seeds,
        jobs: variant.jobs,
    });
    let cohorts = plan.cohorts.iter().map(|placed| JsonCohort {
        id: placed.cohort.id.to_string(),
        blueprint: placed.blueprint.to_string(),
        jobs: placed.cohort.members.iter().map(|(id, _)| *id).collect(),
        slot: placed.slot,
        bytes: placed.bytes,
        seconds: placed.seconds,
    });
    let looks = expansion.race.iter().flat_map(|race| &race.looks);
    let by_look = looks.map(|&seeds| interim_looks::least_jobs(expansion, seeds));
    let document = JsonPlan {
        sweep: &expansion.sweep,
        jobs: JsonJobs { total: expansion.entries.len(), unique: *unique, by_look: by_look.collect() },
        variants: variants.collect(),
        early: early_stopping::planned_json(expansion),
        searches: searches.clone(),
        slots,
        cohorts: cohorts.collect(),
        commands: commands(expansion, home)
            .into_iter()
            .map(|(entry, command)| JsonCommand { variant: &entry.variant, job: entry.id, command })
            .collect(),
        unmeasured: questions.iter().map(|question| question.blueprint).collect(),
        seconds: plan.seconds,
    };
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(Failure::internal)
}

#[derive(Serialize)]
struct YamlSweep<'a> {
    sweep: &'a str,
    /// As in JSON: serde_yaml cannot write an enum in an enum.
    blueprints: BTreeMap<BlueprintId, serde_json::Value>,
    jobs: Vec<YamlJob<'a>>,
}

#[derive(Serialize)]
struct YamlJob<'a> {
    id: JobId,
    variant: &'a str,
    axes: BTreeMap<&'a str, &'a str>,
    blueprint: BlueprintId,
    parameters: &'a Parameters,
    seed: u64,
}

/// Writes the typed settings that are hashed into ids, as YAML.
pub(super) fn expanded(expansion: &Expansion) -> Result<String, Failure> {
    let mut ids: BTreeMap<*const Blueprint, BlueprintId> = BTreeMap::new();
    let mut blueprints = BTreeMap::new();
    let jobs = expansion.entries.iter().map(|entry| {
        let blueprint = &entry.job.blueprint;
        let id = *ids.entry(Arc::as_ptr(blueprint)).or_insert_with(|| blueprint.id());
        blueprints.entry(id).or_insert_with(|| serde_json::json!(&**blueprint));
        YamlJob {
            id: entry.id,
            variant: &entry.variant,
            axes: entry.axes.iter().map(|(key, value)| (&**key, &**value)).collect(),
            blueprint: id,
            parameters: &entry.job.parameters,
            seed: entry.job.seed,
        }
    });
    let jobs = jobs.collect();
    serde_yaml::to_string(&YamlSweep { sweep: &expansion.sweep, blueprints, jobs }).map_err(Failure::internal)
}
