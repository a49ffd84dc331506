//! The blueprint: everything that fixes a job's tensor shapes and program. Jobs with the same blueprint can train as
//! one cohort.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use super::arch::{Layer, Model};
use super::canonical;
use super::dataset::Dataset;
use super::id::BlueprintId;
use super::metric::{Measure, Metric};
use super::moves::{Moves, Weights};
use super::objective::Objective;
use super::penalty::Penalty;
use super::scoring::ScoringNetwork;
use super::trainer::Reported;

pub use super::moves::Optimizer;

/// What the members of a cohort share.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Blueprint {
    /// Jobs that this program trains.
    BuiltIn(BuiltIn),
    /// Jobs that the user's own trainer trains.
    Own(OwnTrainer),
}

/// A GAN that this program trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuiltIn {
    /// The real samples.
    pub dataset: Dataset,
    /// The game between generator and discriminators.
    pub objective: Objective,
    /// The players' networks.
    pub model: Model,
    /// The training settings except parameters.
    pub train: Train,
    /// Penalties that the file adds to the discriminators' losses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<Penalty>,
    /// Counts changes of the results of jobs with this objective and these networks: see [`BuiltIn::is_current`]. The
    /// first revision is not serialized, so that jobs keep their ids.
    #[serde(default, skip_serializing_if = "is_first")]
    pub revision: u32,
}

/// The part of the user's own trainer that determines what is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnTrainer {
    /// The program and its arguments as in the file; empty if `SWEEP_WORKER` trains.
    pub command: Vec<String>,
    /// The version that the file declares.
    pub version: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// The data set that samples are compared with, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Dataset>,
}

fn is_first(revision: &u32) -> bool {
    *revision == 0
}

/// Training settings, except parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// Steps, each with moves of the discriminators and then of the generator.
    pub steps: u64,
    /// Number of real samples in a batch, and of generated ones.
    pub batch: u32,
    /// Discriminator steps before each generator step.
    pub d_steps: u32,
    /// The generator's optimiser.
    pub generator: Optimizer,
    /// The optimiser of every discriminator.
    pub discriminator: Optimizer,
    /// The precision of products. The default is not serialized, so that jobs keep their ids.
    #[serde(default, skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
    // Defaults of the following fields are not serialized either.
    /// Generator steps after the discriminators'.
    #[serde(default = "Train::usual_g_steps", skip_serializing_if = "Train::is_usual_g_steps")]
    pub g_steps: u32,
    /// The order in which players move.
    #[serde(default, skip_serializing_if = "Moves::is_usual")]
    pub moves: Moves,
    /// Whether the generator gets fresh noise, instead of that of the discriminators' last move.
    #[serde(default = "Train::usual_fresh_noise", skip_serializing_if = "Train::is_usual_fresh_noise")]
    pub fresh_noise: bool,
}

impl Train {
    fn usual_g_steps() -> u32 {
        1
    }

    fn usual_fresh_noise() -> bool {
        true
    }

    fn is_usual_fresh_noise(fresh_noise: &bool) -> bool {
        *fresh_noise
    }

    fn is_usual_g_steps(g_steps: &u32) -> bool {
        *g_steps == 1
    }
}

/// The precision of matrix products and convolutions on a GPU. Weights, moments and losses are always float32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Float32, on all devices.
    #[default]
    Float32,
    /// Inputs with 10 bits of mantissa, summed in float32: NVIDIA's TensorFloat-32. GPUs before Ampere compute in
    /// float32.
    Tf32,
    /// Inputs in bfloat16, summed in float32. The output of a convolution is rounded to bfloat16.
    Bf16,
}

impl Precision {
    /// All precisions, the default first.
    pub const ALL: [Precision; 3] = [Precision::Float32, Precision::Tf32, Precision::Bf16];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }

    fn is_usual(&self) -> bool {
        *self == Precision::default()
    }

    /// Returns whether only a GPU supports it.
    pub fn needs_gpu(self) -> bool {
        match self {
            Precision::Float32 => false,
            Precision::Tf32 | Precision::Bf16 => true,
        }
    }
}

/// What happens to the final checkpoint of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// It is kept, so that a longer training can continue from it.
    Keep,
    /// It is deleted.
    Drop,
}

impl Checkpoints {
    /// Both.
    pub const ALL: [Checkpoints; 2] = [Checkpoints::Keep, Checkpoints::Drop];

    /// The largest state of a job, in bytes, that is kept by default.
    pub const SMALL: u64 = 1 << 20;

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Checkpoints::Keep => "keep",
            Checkpoints::Drop => "drop",
        }
    }
}

/// The scored steps at which a sheet of samples is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sheets {
    /// Only the last step.
    #[default]
    Last,
    /// All scored steps.
    All,
}

impl Sheets {
    /// Both, the default first.
    pub const ALL: [Sheets; 2] = [Sheets::Last, Sheets::All];

    /// Returns the name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Sheets::Last => "last",
            Sheets::All => "all",
        }
    }

    fn is_usual(&self) -> bool {
        *self == Sheets::default()
    }
}

/// Scoring: which metrics, when, and from how many samples. It is not part of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Steps between scorings; the last step is always scored. 0: only the last.
    pub every: u64,
    /// Number of generated samples to score.
    pub samples: u32,
    /// The scores to compute.
    pub metrics: BTreeSet<Metric>,
    /// Consecutive splits of the Inception score.
    pub splits: u32,
    /// Bins along each axis of the 2-D histograms.
    pub bins: u32,
    /// The 2-D histograms cover [−range, range]².
    pub range: f64,
    /// Points per side for Wasserstein distances and entropic transport.
    pub wasserstein_samples: u32,
    // Defaults of the following fields are not serialized, so that jobs keep their ids.
    /// Real samples that features are compared with; `None`: as many as generated ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_samples: Option<u32>,
    /// Directions of the sliced Wasserstein distance.
    #[serde(default = "Score::usual_projections", skip_serializing_if = "is_usual_projections")]
    pub projections: u32,
    /// Regularisation of entropic transport, in data units.
    #[serde(default = "Score::usual_sinkhorn_reg", skip_serializing_if = "is_usual_sinkhorn_reg")]
    pub sinkhorn_reg: f64,
    /// Nearest neighbours that define a manifold.
    #[serde(default = "Score::usual_neighbours", skip_serializing_if = "is_usual_neighbours")]
    pub neighbours: u32,
    /// Samples that must hit a mode for it to be covered; `None`: one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
    /// Width of the MMD kernel; `None`: the median distance of real samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmd_bandwidth: Option<f64>,
    /// The network that scores images; `None`: the data set's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<ScoringNetwork>,
    /// Which of the generator's weights make the samples.
    #[serde(default, skip_serializing_if = "Weights::is_usual")]
    pub weights: Weights,
    /// What the user's own trainer reports itself.
    #[serde(default, skip_serializing_if = "Reported::is_nothing")]
    pub reported: Reported,
    /// When sheets are drawn. This is not part of what is measured.
    #[serde(default, skip_serializing_if = "Sheets::is_usual")]
    pub sheets: Sheets,
}

fn is_usual_projections(projections: &u32) -> bool {
    *projections == Score::PROJECTIONS
}

fn is_usual_sinkhorn_reg(reg: &f64) -> bool {
    *reg == Score::SINKHORN_REG
}

fn is_usual_neighbours(neighbours: &u32) -> bool {
    *neighbours == Score::NEIGHBOURS
}

/// No scores, and otherwise the defaults for the ring of Gaussians.
impl Default for Score {
    fn default() -> Self {
        Score {
            every: 0,
            samples: 10_000,
            metrics: BTreeSet::new(),
            splits: 10,
            bins: 50,
            range: 4.0,
            wasserstein_samples: 2048,
            real_samples: None,
            projections: Score::PROJECTIONS,
            sinkhorn_reg: Score::SINKHORN_REG,
            neighbours: Score::NEIGHBOURS,
            at_least: None,
            mmd_bandwidth: None,
            network: None,
            weights: Weights::default(),
            reported: Reported::default(),
            sheets: Sheets::default(),
        }
    }
}

impl Score {
    /// Default number of directions.
    pub const PROJECTIONS: u32 = 1000;
    /// Default regularisation: about the distance of a perfect generator's points from as many real ones.
    pub const SINKHORN_REG: f64 = 0.1;
    /// Default number of neighbours (Naeem et al. 2020).
    pub const NEIGHBOURS: u32 = 5;

    fn usual_projections() -> u32 {
        Score::PROJECTIONS
    }

    fn usual_sinkhorn_reg() -> f64 {
        Score::SINKHORN_REG
    }

    fn usual_neighbours() -> u32 {
        Score::NEIGHBOURS
    }

    /// Returns the steps at which a training of `steps` steps is scored, in order; the last is `steps`.
    pub fn at(&self, steps: u64) -> impl Iterator<Item = u64> + use<> {
        let every = self.every;
        let between = (steps - 1).checked_div(every).unwrap_or(0);
        (1..=between).map(move |n| n * every).chain(std::iter::once(steps))
    }

    /// Returns whether a training of `steps` steps is scored at `step`.
    pub fn is_at(&self, step: u64, steps: u64) -> bool {
        step == steps || self.every > 0 && step > 0 && step.is_multiple_of(self.every)
    }

    /// Returns whether both measure the same, ignoring sheets.
    pub fn measures_as(&self, other: &Score) -> bool {
        self == other || Score { sheets: other.sheets, ..self.clone() } == *other
    }

    /// Returns whether a sheet of samples is drawn at `step` of a training of `steps` steps.
    pub fn draws_at(&self, step: u64, steps: u64) -> bool {
        match self.sheets {
            Sheets::Last => step == steps,
            Sheets::All => self.is_at(step, steps),
        }
    }

    /// Returns the number of real samples that features are compared with.
    pub fn real(&self) -> u32 {
        self.real_samples.unwrap_or(self.samples)
    }

    /// Returns all scores, including those of the user's own trainer.
    pub fn measures(&self) -> impl Iterator<Item = Measure> + '_ {
        self.metrics.iter().map(|metric| Measure::Known(*metric)).chain(self.reported.measures())
    }

    /// Returns the network that scores images of `dataset`; `None` for points.
    pub fn network(&self, dataset: &Dataset) -> Option<ScoringNetwork> {
        self.network.or_else(|| ScoringNetwork::usual(dataset))
    }
}

impl BuiltIn {
    /// Makes the blueprint of jobs that this program trains.
    pub fn new(dataset: Dataset, objective: Objective, model: Model, train: Train) -> Self {
        let revision = revision(objective, &model);
        BuiltIn { dataset, objective, model, train, penalties: Vec::new(), revision }
    }

    /// Returns all penalties in the discriminators' losses: the objective's own, and those that the file adds.
    pub fn penalties(&self) -> impl Iterator<Item = &Penalty> {
        self.objective.rules().into_iter().flat_map(|rules| &rules.penalties).chain(&self.penalties)
    }

    /// Returns whether this program can train such jobs. Jobs of an earlier revision had other results: these can be
    /// shown, compared and scored, but not be reproduced.
    pub fn is_current(&self) -> bool {
        self.revision == revision(self.objective, &self.model)
    }
}

impl Blueprint {
    /// Returns the hash of the canonical form.
    pub fn id(&self) -> BlueprintId {
        BlueprintId::of(&canonical::bytes("blueprint", self))
    }

    /// Returns the steps of the whole training.
    pub fn steps(&self) -> u64 {
        match self {
            Blueprint::BuiltIn(built_in) => built_in.train.steps,
            Blueprint::Own(own) => own.steps,
        }
    }

    /// Returns the real samples, or `None` if the user's own trainer has no data set.
    pub fn dataset(&self) -> Option<&Dataset> {
        match self {
            Blueprint::BuiltIn(built_in) => Some(&built_in.dataset),
            Blueprint::Own(own) => own.dataset.as_ref(),
        }
    }

    /// Returns the name of the data set in the database and in reports; empty if there is none.
    pub fn dataset_name(&self) -> &'static str {
        self.dataset().map_or("", Dataset::name)
    }

    /// Returns the name of the objective in the database and in reports; `own` for the user's own trainer.
    pub fn objective_name(&self) -> &'static str {
        match self {
            Blueprint::BuiltIn(built_in) => built_in.objective.name(),
            Blueprint::Own(_) => "own",
        }
    }

    /// Returns the blueprint if this program trains the jobs.
    pub fn built_in(&self) -> Option<&BuiltIn> {
        match self {
            Blueprint::BuiltIn(built_in) => Some(built_in),
            Blueprint::Own(_) => None,
        }
    }

    /// Returns the user's own trainer if it trains the jobs.
    pub fn own(&self) -> Option<&OwnTrainer> {
        match self {
            Blueprint::BuiltIn(_) => None,
            Blueprint::Own(own) => Some(own),
        }
    }
}

impl<'de> Deserialize<'de> for Blueprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Distinguish both kinds first, so that an error is about the right one.
        let json = serde_json::Value::deserialize(deserializer)?;
        let blueprint = match json.get("command") {
            Some(_) => serde_json::from_value(json).map(Blueprint::Own),
            None => serde_json::from_value(json).map(Blueprint::BuiltIn),
        };
        blueprint.map_err(serde::de::Error::custom)
    }
}

/// Counts how often the results of these jobs have changed. After a change, jobs get new ids, and old results stay as
/// they are. If you change the results of some jobs, increase the count for exactly these.
fn revision(objective: Objective, model: &Model) -> u32 {
    match objective {
        // 1: the denoiser's output for features is a constant in the generator's loss.
        Objective::Dfm | Objective::D2ganDfm => 1,
        // 1: running statistics come from noise only, not from codes.
        Objective::RegGan | Objective::Mdgan => {
            let normalised = |layer: &Layer| layer.any(&|layer| matches!(layer, Layer::BatchNorm { .. }));
            u32::from(model.generator.iter().any(normalised))
        }
        Objective::Gan { .. }
        | Objective::Game(_)
        | Objective::Unrolled { .. }
        | Objective::ImprovedGan { .. }
        | Objective::Began
        | Objective::Magan { .. }
        | Objective::Ali
        | Objective::Veegan
        | Objective::Mgan { .. }
        | Objective::Formula(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use crate::job::Job;
    use crate::sweep::Sweep;

    /// Jobs whose results have changed get new ids; what an earlier version stored is read under its old id.
    #[test]
    fn jobs_of_a_changed_program_have_other_ids() {
        for (settings, changed) in [
            ("objective: dfm", true),
            ("objective: d2gan_dfm\nalpha: 0.2\nbeta: 0.1", true),
            ("objective: reg_gan\nmodel: {generator_norm: batch}", true),
            ("objective: mdgan\nmodel: {generator_norm: batch}", true),
            ("objective: reg_gan\nmodel: {discriminator_norm: batch}", false),
            ("objective: mdgan", false),
            ("objective: ali\nmodel: {generator_norm: batch}", false),
        ] {
            let text = format!("sweep: s\ndataset: gaussians\ntrain: {{steps: 100}}\nseeds: [3]\n{settings}\n");
            let job = Sweep::parse("f", &text).unwrap().expand().unwrap().entries.remove(0).job;
            let is_current = |job: &Job| job.blueprint.built_in().is_some_and(super::BuiltIn::is_current);
            assert!(is_current(&job), "{settings}");
            let mut stored = serde_json::to_value(&job).unwrap();
            stored["blueprint"].as_object_mut().unwrap().remove("revision");
            let old: Job = serde_json::from_value(stored).unwrap();
            assert_eq!((old.id() != job.id(), !is_current(&old)), (changed, changed), "{settings}");
        }
    }
}
