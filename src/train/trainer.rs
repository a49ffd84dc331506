//! The trainer: games, an objective and steps.

use std::collections::BTreeMap;
use std::path::Path;

use super::checkpoint::{self, Progress, Renamed, Source};
use super::error::CheckpointError;
use super::game::{self, Game, Member, RealBatch};
use super::health::{self, Diverged, Watch};
use super::net::Setup;
use super::objectives;
use super::trace::{Notes, Point, Trace};
use sweep_numerics::random::Stream;
use sweep_spec::blueprint::BuiltIn;
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::moves::Weights;
use sweep_spec::objective::Objective;
use sweep_spec::trace;

/// Trains the members of one cohort.
pub struct Trainer {
    /// One per member; or one for all if members are computed at once.
    pub(super) games: Vec<Game>,
    pub(super) objective: Objective,
    step: u64,
    /// Steps of the whole training.
    all: u64,
    /// Losses are recorded at multiples of this.
    stride: Option<u64>,
    points: BTreeMap<JobId, Vec<Point>>,
}

impl Trainer {
    /// Creates a trainer at step 0, with the initial weights of `members`.
    pub fn new(blueprint: &BuiltIn, members: Vec<Member>, real: RealBatch, setup: Setup) -> Self {
        let _guard = tch::no_grad_guard();
        let game = |members| Game::new(blueprint, members, RealBatch::clone(&real), setup);
        let games = match setup.fused {
            true => vec![game(members)],
            false => members.into_iter().map(|member| game(vec![member])).collect(),
        };
        let (objective, all) = (blueprint.objective, blueprint.train.steps);
        Trainer { games, objective, step: 0, all, stride: None, points: BTreeMap::new() }
    }

    /// Records losses from now on, at the steps of [`sweep_spec::trace`], for [`Trainer::points`].
    pub fn trace(&mut self) {
        self.stride = Some(trace::stride(self.all));
    }

    /// Returns the points recorded for each member since the last call, in order; includes members that have diverged
    /// since.
    pub fn points(&mut self) -> BTreeMap<JobId, Vec<Point>> {
        std::mem::take(&mut self.points)
    }

    /// Steps done.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// The members that still train, in order.
    pub fn members(&self) -> Vec<Member> {
        self.games.iter().flat_map(Game::members).cloned().collect()
    }

    /// Trains every member for `steps` steps. If members are not computed at once, each does all its steps before the
    /// next one begins, so its weights stay in the cache. A member with a loss that is not finite has diverged: it is
    /// dropped and returned. The others are the same as without it.
    pub fn advance(&mut self, steps: u64) -> Vec<Diverged> {
        let _guard = tch::no_grad_guard();
        let end = self.step + steps;
        let mut all = Vec::new();
        for game in &mut self.games {
            let (mut watch, mut trace) = (Watch::default(), Trace::default());
            for t in self.step..end {
                game.notes = self.stride.is_some_and(|stride| (t + 1).is_multiple_of(stride)).then(Notes::new);
                let losses = objectives::step(self.objective, game, t);
                if let Some(notes) = game.notes.take() {
                    trace.add(t + 1, &losses, notes);
                }
                watch.look(t + 1, losses);
                if watch.all_diverged() {
                    break;
                }
            }
            for (job, points) in trace.close(game.members()).into_iter().filter(|(_, points)| !points.is_empty()) {
                self.points.entry(job).or_default().extend(points);
            }
            all.extend(watch.close(end, game.members()));
        }
        self.step = end;
        let keep: Vec<usize> = (0..all.len()).filter(|&k| all[k].is_none()).collect();
        if keep.len() < all.len() {
            game::retain(&mut self.games, &keep);
        }
        all.into_iter().flatten().collect()
    }

    /// Whether each member's weights are all finite.
    pub fn healthy(&mut self) -> Vec<bool> {
        let _guard = tch::no_grad_guard();
        self.games.iter_mut().flat_map(health::is_finite).collect()
    }

    /// Keeps the members at these positions and drops the others.
    pub fn retain(&mut self, keep: &[usize]) {
        let _guard = tch::no_grad_guard();
        game::retain(&mut self.games, keep);
    }

    /// Returns `n` samples of member `k` with these `weights`, from the noise of `stream`: row-major `[n, features]`.
    /// Does not affect training.
    pub fn sample(&self, k: usize, weights: Weights, stream: &Stream, n: usize) -> Vec<f32> {
        let _guard = tch::no_grad_guard();
        let (game, k) = self.of(k);
        game.sample(k, weights, stream, n)
    }

    /// Returns the samples that member `k` makes of `noise` (row-major `[n, values]`) with these `weights`: row-major
    /// `[n, features]`. Does not affect training.
    pub fn evaluate(&self, k: usize, weights: Weights, noise: &[f32]) -> Vec<f32> {
        let _guard = tch::no_grad_guard();
        let (game, k) = self.of(k);
        game.evaluate(k, weights, noise)
    }

    /// The game of member `k`, and its position there.
    fn of(&self, k: usize) -> (&Game, usize) {
        match self.games.as_slice() {
            [all] => (all, k),
            each => (&each[k], 0),
        }
    }

    /// Saves the state to `path`, durably; the old file moves to `previous` in the same folder. `seconds` is the
    /// training time so far, and `scored` the number of members already scored at this step.
    pub fn save(
        &mut self,
        path: &Path,
        previous: Option<&Path>,
        cohort: CohortId,
        seconds: f64,
        scored: usize,
    ) -> Result<(), CheckpointError> {
        let _guard = tch::no_grad_guard();
        checkpoint::save(&mut self.games, path, previous, cohort, Progress { step: self.step, seconds, scored })
    }

    /// Continues from the checkpoint at `path`, which must belong to this cohort. Members that had ended by then are
    /// dropped. `renamed`: current ids of jobs that have older ids in the file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is damaged, or belongs to another cohort; nothing is changed then.
    pub fn load(&mut self, path: &Path, cohort: CohortId, renamed: &Renamed) -> Result<Progress, CheckpointError> {
        let _guard = tch::no_grad_guard();
        let progress = checkpoint::load(&mut self.games, Source { path, cohort }, self.all, renamed)?;
        self.step = progress.step;
        Ok(progress)
    }

    /// Continues from checkpoints of other cohorts, all of the same step. Each member is taken from a checkpoint that
    /// has it; other members in them are ignored. Members in `without` are dropped.
    ///
    /// # Errors
    ///
    /// If a needed checkpoint cannot be read, is damaged or belongs to another cohort; if they are of different steps;
    /// or if a member is missing. Nothing is changed then.
    pub fn load_parts(
        &mut self,
        sources: &[Source],
        without: &[JobId],
        renamed: &Renamed,
    ) -> Result<Progress, CheckpointError> {
        let _guard = tch::no_grad_guard();
        let progress = checkpoint::load_parts(&mut self.games, sources, (self.all, without), renamed)?;
        self.step = progress.step;
        Ok(progress)
    }

    /// Writes the generators' weights to `path`: tensors named `<job>.<layer>.<name>`, as a PyTorch `nn.Sequential`
    /// names them. For jobs with an average of the weights, these are the average, and the weights themselves are
    /// `<job>.raw.<layer>.<name>`.
    pub fn export_generators(&self, path: &Path) -> Result<(), CheckpointError> {
        let _guard = tch::no_grad_guard();
        checkpoint::export_generators(&self.games, path)
    }
}
