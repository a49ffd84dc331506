//! The blueprint: everything that fixes a job's tensor shapes and program. Jobs of one blueprint can train as one cohort.

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
    /// This program trains them.
    BuiltIn(BuiltIn),
    /// A program of the user's own trains them.
    Own(OwnTrainer),
}

/// A GAN that this program trains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BuiltIn {
    /// The real samples.
    pub dataset: Dataset,
    /// The game.
    pub objective: Objective,
    /// The players' networks.
    pub model: Model,
    /// How long and how.
    pub train: Train,
    /// What the file adds to the discriminators' losses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub penalties: Vec<Penalty>,
    /// Which of the programs that jobs of this objective and these networks have had: [`BuiltIn::is_current`]. The first is not written,
    /// so that jobs have the ids that they had when there was no other.
    #[serde(default, skip_serializing_if = "is_first")]
    pub revision: u32,
}

/// What of a trainer of the user's own determines what is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnTrainer {
    /// The program and its arguments, as the file has them; empty where `SWEEP_WORKER` trains.
    pub command: Vec<String>,
    /// Which version of it.
    pub version: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// What its samples are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<Dataset>,
}

fn is_first(revision: &u32) -> bool {
    *revision == 0
}

/// Training: everything but the parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// Steps: of the discriminators, and then of the generator.
    pub steps: u64,
    /// Real samples in a batch, and generated ones.
    pub batch: u32,
    /// Discriminator steps before each generator step.
    pub d_steps: u32,
    /// The generator's optimiser.
    pub generator: Optimizer,
    /// The optimiser of every discriminator.
    pub discriminator: Optimizer,
    /// How products are computed. The usual one is not written, so that jobs have the ids that they had when there was no other.
    #[serde(default, skip_serializing_if = "Precision::is_usual")]
    pub precision: Precision,
    // Nor is the usual of what follows.
    /// Generator steps after the discriminators'.
    #[serde(default = "Train::usual_g_steps", skip_serializing_if = "Train::is_usual_g_steps")]
    pub g_steps: u32,
    /// In which order players move.
    #[serde(default, skip_serializing_if = "Moves::is_usual")]
    pub moves: Moves,
    /// Whether the generator moves on fresh noise, and not on that of the discriminators' last step.
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

/// How products (of matrices, and convolutions) are computed on a GPU. Weights, moments and losses are float32 in all of these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// In float32; everywhere.
    #[default]
    Float32,
    /// From inputs with 10 bits of mantissa, summed in float32: NVIDIA's TensorFloat-32. GPUs from before Ampere compute in float32.
    Tf32,
    /// From inputs in bfloat16, summed in float32; a convolution's output is rounded to bfloat16.
    Bf16,
}

impl Precision {
    /// All of them, the usual one first.
    pub const ALL: [Precision; 3] = [Precision::Float32, Precision::Tf32, Precision::Bf16];

    /// The name in YAML.
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

    /// Whether only a GPU computes so.
    pub fn needs_gpu(self) -> bool {
        match self {
            Precision::Float32 => false,
            Precision::Tf32 | Precision::Bf16 => true,
        }
    }
}

/// What becomes of the state in which training ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoints {
    /// It stays, so that a longer training goes on from it.
    Keep,
    /// It goes.
    Drop,
}

impl Checkpoints {
    /// Both.
    pub const ALL: [Checkpoints; 2] = [Checkpoints::Keep, Checkpoints::Drop];

    /// Bytes of a job's state up to which it stays where nobody says so.
    pub const SMALL: u64 = 1 << 20;

    /// The name in YAML.
    pub fn name(self) -> &'static str {
        match self {
            Checkpoints::Keep => "keep",
            Checkpoints::Drop => "drop",
        }
    }
}

/// At which of the steps at which a job is scored a sheet of samples is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sheets {
    /// The last.
    #[default]
    Last,
    /// All.
    All,
}

impl Sheets {
    /// Both, the usual one first.
    pub const ALL: [Sheets; 2] = [Sheets::Last, Sheets::All];

    /// The name in YAML.
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

/// Scoring: which metrics, when and from how many samples. It is measured of a job, and no part of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Steps between scorings; the last step is always scored. 0: only the last.
    pub every: u64,
    /// Generated samples that are scored.
    pub samples: u32,
    /// Which scores.
    pub metrics: BTreeSet<Metric>,
    /// Consecutive splits of the Inception score.
    pub splits: u32,
    /// Bins along each axis of the 2-D histograms.
    pub bins: u32,
    /// The 2-D histograms cover [−range, range]².
    pub range: f64,
    /// Points a side of the Wasserstein distances and of entropic transport.
    pub wasserstein_samples: u32,
    // What follows is not written where it is the usual, so that jobs have the ids that they had when there was nothing else.
    /// Real samples that features are compared with, where they are not as many as generated ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_samples: Option<u32>,
    /// Directions of the sliced Wasserstein distance.
    #[serde(default = "Score::usual_projections", skip_serializing_if = "is_usual_projections")]
    pub projections: u32,
    /// Regularisation of entropic transport, in data units.
    #[serde(default = "Score::usual_sinkhorn_reg", skip_serializing_if = "is_usual_sinkhorn_reg")]
    pub sinkhorn_reg: f64,
    /// Nearest neighbours that make a manifold.
    #[serde(default = "Score::usual_neighbours", skip_serializing_if = "is_usual_neighbours")]
    pub neighbours: u32,
    /// Samples that have to hit a mode for it to be covered, where one is not enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<u32>,
    /// Width of the kernel of the MMD, where it is not the median distance of real samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mmd_bandwidth: Option<f64>,
    /// What sees images, where it is not what usually sees those of the data set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<ScoringNetwork>,
    /// Which of the generator's weights make the samples.
    #[serde(default, skip_serializing_if = "Weights::is_usual")]
    pub weights: Weights,
    /// What a trainer of the user's own reports by itself.
    #[serde(default, skip_serializing_if = "Reported::is_nothing")]
    pub reported: Reported,
    /// When samples are drawn: no part of what is measured.
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

/// No scores, and otherwise what holds for the ring unless a file says otherwise.
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
    /// Directions, unless others are asked for.
    pub const PROJECTIONS: u32 = 1000;
    /// Regularisation, unless another is asked for: about what a perfect generator's points are apart from as many real ones.
    pub const SINKHORN_REG: f64 = 0.1;
    /// Neighbours, unless others are asked for (Naeem et al. 2020).
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

    /// The steps at which a job that trains for so many `steps` is scored, in order; the last is `steps`.
    pub fn at(&self, steps: u64) -> impl Iterator<Item = u64> + use<> {
        let every = self.every;
        let between = (steps - 1).checked_div(every).unwrap_or(0);
        (1..=between).map(move |n| n * every).chain(std::iter::once(steps))
    }

    /// Whether a job that trains for so many `steps` is scored at `step`.
    pub fn is_at(&self, step: u64, steps: u64) -> bool {
        step == steps || self.every > 0 && step > 0 && step.is_multiple_of(self.every)
    }

    /// Whether it is the same as another, whatever sheets they draw.
    pub fn measures_as(&self, other: &Score) -> bool {
        self == other || Score { sheets: other.sheets, ..self.clone() } == *other
    }

    /// Whether a sheet of samples of a job that trains for so many `steps` is drawn at `step`.
    pub fn draws_at(&self, step: u64, steps: u64) -> bool {
        match self.sheets {
            Sheets::Last => step == steps,
            Sheets::All => self.is_at(step, steps),
        }
    }

    /// Real samples that features are compared with.
    pub fn real(&self) -> u32 {
        self.real_samples.unwrap_or(self.samples)
    }

    /// All scores, those of a trainer of the user's own included.
    pub fn measures(&self) -> impl Iterator<Item = Measure> + '_ {
        self.metrics.iter().map(|metric| Measure::Known(*metric)).chain(self.reported.measures())
    }

    /// What sees images of `dataset`; nothing where its samples are points.
    pub fn network(&self, dataset: &Dataset) -> Option<ScoringNetwork> {
        self.network.or_else(|| ScoringNetwork::usual(dataset))
    }
}

impl BuiltIn {
    /// The blueprint of jobs that this program trains.
    pub fn new(dataset: Dataset, objective: Objective, model: Model, train: Train) -> Self {
        let revision = revision(objective, &model);
        BuiltIn { dataset, objective, model, train, penalties: Vec::new(), revision }
    }

    /// All that the discriminators' losses have beside what logits say: what the objective itself has, and what the file adds.
    pub fn penalties(&self) -> impl Iterator<Item = &Penalty> {
        self.objective.rules().into_iter().flat_map(|rules| &rules.penalties).chain(&self.penalties)
    }

    /// Whether this program trains such jobs. Those of an earlier revision had other numbers: what they left can be shown, compared and
    /// scored, but not be trained again.
    pub fn is_current(&self) -> bool {
        self.revision == revision(self.objective, &self.model)
    }
}

impl Blueprint {
    /// The hash of the canonical form.
    pub fn id(&self) -> BlueprintId {
        BlueprintId::of(&canonical::bytes("blueprint", self))
    }

    /// Steps of the whole training.
    pub fn steps(&self) -> u64 {
        match self {
            Blueprint::BuiltIn(built_in) => built_in.train.steps,
            Blueprint::Own(own) => own.steps,
        }
    }

    /// The real samples; a trainer of the user's own may do without.
    pub fn dataset(&self) -> Option<&Dataset> {
        match self {
            Blueprint::BuiltIn(built_in) => Some(&built_in.dataset),
            Blueprint::Own(own) => own.dataset.as_ref(),
        }
    }

    /// The name of the data set in the database and in reports; empty where there is none.
    pub fn dataset_name(&self) -> &'static str {
        self.dataset().map_or("", Dataset::name)
    }

    /// The name of the objective in the database and in reports; `own` where a trainer of the user's own has one.
    pub fn objective_name(&self) -> &'static str {
        match self {
            Blueprint::BuiltIn(built_in) => built_in.objective.name(),
            Blueprint::Own(_) => "own",
        }
    }

    /// What this program trains; none where another does.
    pub fn built_in(&self) -> Option<&BuiltIn> {
        match self {
            Blueprint::BuiltIn(built_in) => Some(built_in),
            Blueprint::Own(_) => None,
        }
    }

    /// The trainer of the user's own.
    pub fn own(&self) -> Option<&OwnTrainer> {
        match self {
            Blueprint::BuiltIn(_) => None,
            Blueprint::Own(own) => Some(own),
        }
    }
}

impl<'de> Deserialize<'de> for Blueprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Told apart first, so that what is wrong with one is said of it.
        let json = serde_json::Value::deserialize(deserializer)?;
        let blueprint = match json.get("command") {
            Some(_) => serde_json::from_value(json).map(Blueprint::Own),
            None => serde_json::from_value(json).map(Blueprint::BuiltIn),
        };
        blueprint.map_err(serde::de::Error::custom)
    }
}

/// How often what these jobs compute has changed since the first of them, so that a new program's jobs have ids of their own and old
/// results stay what they are. Whoever changes a job's numbers counts on here, for the jobs that it changes.
fn revision(objective: Objective, model: &Model) -> u32 {
    match objective {
        // 1: what the denoiser makes of features is constant where the generator learns.
        Objective::Dfm | Objective::D2ganDfm => 1,
        // 1: running statistics are of what is made of noise, and not of codes.
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

    /// Jobs whose numbers have changed are other jobs now; what an earlier program stored is read as what it was, under its own id.
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
