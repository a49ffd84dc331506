//! The trainer: a game, an objective and a step.

use std::path::Path;

use tch::Tensor;

use super::checkpoint::{self, CheckpointError, Progress};
use super::game::{Game, Member, RealBatch};
use super::net::Setup;
use super::objectives;
use crate::spec::blueprint::Blueprint;
use crate::spec::id::CohortId;
use crate::spec::objective::Objective;
use crate::tensor::host;
use crate::tensor::random::Stream;

/// The losses of one member at one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Loss {
    /// Of its discriminators, together.
    pub discriminator: f64,
    /// Of its generator.
    pub generator: f64,
}

/// Trains the members of one cohort, step by step.
pub struct Trainer {
    pub(super) game: Game,
    objective: Objective,
    step: u64,
}

impl Trainer {
    /// A trainer at step 0, with the initial weights of `members`.
    pub fn new(blueprint: &Blueprint, members: Vec<Member>, real: RealBatch, setup: Setup) -> Self {
        let _guard = tch::no_grad_guard();
        let game = Game::new(blueprint, members, real, setup);
        Trainer { game, objective: blueprint.objective, step: 0 }
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The members that still train, in order.
    pub fn members(&self) -> &[Member] {
        self.game.members()
    }

    /// One step. Returns the losses of each member. A loss that is not finite means that this member has diverged; the others are as
    /// they would be without it.
    pub fn step(&mut self) -> Vec<Loss> {
        let _guard = tch::no_grad_guard();
        let losses = objectives::step(self.objective, &mut self.game, self.step);
        self.step += 1;
        let both = Tensor::stack(&[losses.discriminator, losses.generator], 1);
        let loss = |pair: &[f64]| Loss { discriminator: pair[0], generator: pair[1] };
        host::to_f64(&both).chunks_exact(2).map(loss).collect()
    }

    /// Whether each member's weights are all finite.
    pub fn healthy(&mut self) -> Vec<bool> {
        let _guard = tch::no_grad_guard();
        let finite = |net: &super::net::Net| net.weights.isfinite().all_dim(1, false);
        let players = self.game.players();
        let all = players.iter().map(|(_, player)| finite(&player.net)).reduce(|a, b| a.logical_and(&b));
        let all = all.expect("a game has players");
        host::to_f64(&all).iter().map(|&flag| flag == 1.0).collect()
    }

    /// Keeps the members at these positions and drops the others.
    pub fn retain(&mut self, keep: &[usize]) {
        let _guard = tch::no_grad_guard();
        self.game.retain(keep);
    }

    /// `n` samples of member `k` from the noise of `stream`: row-major `[n, features]`. Training is not disturbed.
    pub fn sample(&self, k: usize, stream: &Stream, n: usize) -> Vec<f32> {
        let _guard = tch::no_grad_guard();
        self.game.sample(k, stream, n)
    }

    /// Makes the state durable at `path`; `seconds` is the training time so far, `scored` says whether what is due at this step has
    /// been scored.
    pub fn save(&mut self, path: &Path, cohort: CohortId, seconds: f64, scored: bool) -> Result<(), CheckpointError> {
        let _guard = tch::no_grad_guard();
        checkpoint::save(&mut self.game, path, cohort, Progress { step: self.step, seconds, scored })
    }

    /// Goes on from the checkpoint at `path`, which must be of the same cohort. Members that had ended by then are dropped.
    pub fn load(&mut self, path: &Path, cohort: CohortId) -> Result<Progress, CheckpointError> {
        let _guard = tch::no_grad_guard();
        let progress = checkpoint::load(&mut self.game, path, cohort)?;
        self.step = progress.step;
        Ok(progress)
    }

    /// Writes the generators' weights to `path`: tensors named `<job>.<layer>.<name>`, as a PyTorch `nn.Sequential` names them.
    pub fn export_generators(&self, path: &Path) -> Result<(), CheckpointError> {
        let _guard = tch::no_grad_guard();
        checkpoint::export_generators(&self.game, path)
    }
}
