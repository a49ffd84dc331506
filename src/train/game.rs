//! The game: its players, noise and real samples. [`super::moves`] and [`super::play`] have the moves.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::average::Average;
use super::generators;
use super::loss::{Column, Logits, PerMember};
use super::net::{Net, Setup, Tape};
use super::nn::Pass;
use super::optim::Optimizer;
use super::trace::Notes;
use sweep_numerics::random::{Purpose, Stream};
use sweep_spec::amount::Amount;
use sweep_spec::arch::{Layer, NoiseDistribution};
use sweep_spec::blueprint::BuiltIn;
use sweep_spec::id::JobId;
use sweep_spec::keys;
use sweep_spec::keys::job::MODE_SEEKING;
use sweep_spec::keys::train::{LR_DISCRIMINATOR, LR_GENERATOR};
use sweep_spec::moves::{Moves, Weights};
use sweep_spec::objective::Declaration;
use sweep_spec::parameters::Parameters;
use sweep_spec::penalty::Penalty;
use sweep_tensor::{host, transfer};

/// Real samples: fills a row-major `[N, features]` with batch number `index` for the member with this `seed`.
pub type RealBatch = Arc<dyn Fn(u64, u64, &mut [f32]) + Send + Sync>;

/// One member of a cohort.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its job.
    pub id: JobId,
    /// Its hyperparameters.
    pub parameters: Parameters,
    /// The seed of all its randomness.
    pub seed: u64,
}

/// A network and its optimiser.
pub struct Player {
    /// K networks.
    pub net: Net,
    /// K optimisers.
    pub optimizer: Optimizer,
    /// Tape of a pass over one batch.
    pub(super) single: Tape,
    /// Tape of a pass over a real and a generated batch.
    pub(super) double: Tape,
    /// Tapes of the passes of a [`super::play::Play`].
    pub(super) tapes: Vec<Tape>,
}

/// A player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// z -> samples.
    Generator,
    /// Samples -> logits, or another output that the objective needs; counted from 0.
    Discriminator(usize),
    /// Samples -> codes.
    Encoder,
    /// Features -> features.
    Denoiser,
}

/// Logits of one discriminator, for use in a formula.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Logits of real samples.
    pub real: Logits,
    /// Logits of generated samples.
    pub fake: Logits,
}

/// One of the discriminators' moves before a generator's move.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Number of the batch of real samples, counted from the start of training.
    pub(super) batch: u64,
    /// Number of the draw of noise.
    pub(super) draw: u64,
}

/// Which steps are taken together with the generator's.
#[derive(Default)]
pub(super) struct Turns {
    /// Whether the discriminators' last move in a step and the generator's first are simultaneous.
    pub together: bool,
    /// Whether the player that moves now waits for the generator.
    pub waits: bool,
    /// Players that have a gradient and wait.
    waiting: Vec<Role>,
    /// The bound for the discriminators' weights after their move.
    pub bound: Option<Column>,
}

/// The players of K members, and their data. If members are not computed at once, K = 1.
pub struct Game {
    /// z -> samples.
    pub generator: Player,
    /// Samples -> logits, or another output that the objective needs; one for each of its discriminators.
    pub discriminators: Vec<Player>,
    /// Samples -> codes, if the objective has an encoder.
    pub encoder: Option<Player>,
    /// Features -> features, if the objective has a denoiser.
    pub denoiser: Option<Player>,
    /// Numbers that each member has in addition to its networks, `[K]` each, by name.
    pub state: Vec<(&'static str, Tensor)>,
    members: Vec<Member>,
    pub(super) seeds: Vec<u64>,
    pub(super) setup: Setup,
    real: RealBatch,
    /// Rows of a batch for the discriminators: packs of samples.
    pub(super) rows: i64,
    pack: i64,
    batch: i64,
    noise: i64,
    pub(super) distribution: NoiseDistribution,
    pub(super) d_steps: u64,
    pub(super) g_steps: u64,
    /// Whether the generator moves on fresh noise instead of that of the discriminators' last move.
    pub(super) fresh_noise: bool,
    /// Which steps of the discriminators and the generator are simultaneous.
    pub(super) turns: Turns,
    /// The current step, counted from 0.
    pub(super) step: u64,
    average: Option<Average>,
    /// Penalties in the discriminators' losses.
    pub(super) penalties: Vec<Penalty>,
    /// Whether any member's generator has the mode-seeking term.
    pub(super) seeks: bool,
    declares: &'static Declaration,
    /// Noise, `[N, noise]` or `[K, N, noise]`.
    pub(super) z: Tensor,
    /// Packs of real samples above packs of generated ones, `[2 · rows, pack · features]`; with a leading K if members
    /// are computed at once.
    pub(super) x: Tensor,
    /// Values recorded in this step; `None` if it is not recorded.
    pub(super) notes: Option<Notes>,
}

/// Numbers of networks, which give them separate random numbers; discriminators are counted from 1.
const ENCODER: u16 = 64;
const DENOISER: u16 = 65;

impl Game {
    /// Creates the players of `blueprint` with the initial weights of `members`.
    pub fn new(blueprint: &BuiltIn, members: Vec<Member>, real: RealBatch, setup: Setup) -> Self {
        let seeds: Vec<u64> = members.iter().map(|member| member.seed).collect();
        let parameters: Vec<&Parameters> = members.iter().map(|member| &member.parameters).collect();
        let (model, train) = (&blueprint.model, &blueprint.train);
        let player = |layers: &[Layer], number, (rule, lr)| {
            let net = Net::new(layers, model.init, number, &seeds, setup);
            let optimizer = Optimizer::new(rule, &net, lr, &parameters, setup);
            Player { net, optimizer, single: Tape::default(), double: Tape::default(), tapes: Vec::new() }
        };
        let (g, d) = ((train.generator, &LR_GENERATOR), (train.discriminator, &LR_DISCRIMINATOR));
        let helper = |layers: &[Layer], number, rule| (!layers.is_empty()).then(|| player(layers, number, rule));
        let discriminators = (1..=blueprint.objective.declares().discriminators as u16)
            .map(|number| player(&model.discriminator, number, d))
            .collect();
        let generator = player(&model.generator, 0, g);
        let encoder = helper(&model.encoder, ENCODER, g);
        let denoiser = helper(&model.denoiser, DENOISER, d);
        let (batch, noise, features) = (train.batch.into(), model.noise.into(), blueprint.dataset.features() as i64);
        let room = |shape| Tensor::empty(setup.shape(seeds.len() as i64, shape), (setup.kind, setup.device));
        let pack: i64 = model.pack.into();
        let rows = batch / pack;
        let (z, x) = (room([batch, noise]), room([2 * rows, pack * features]));
        let options = (setup.kind, setup.device);
        let first = |&(name, value): &(_, f64)| (name, Tensor::full([seeds.len() as i64], value, options));
        let state = blueprint.objective.declares().state.iter().map(first).collect();
        let average = Average::new(&generator.net, &parameters, train.batch, setup);
        let seeks = members.iter().any(seeks);
        Game {
            generator,
            discriminators,
            encoder,
            denoiser,
            state,
            members,
            seeds,
            setup,
            real,
            rows,
            pack,
            batch,
            noise,
            distribution: model.noise_distribution,
            d_steps: train.d_steps.into(),
            g_steps: train.g_steps.into(),
            fresh_noise: train.fresh_noise,
            turns: Turns { together: train.moves == Moves::Simultaneous, ..Turns::default() },
            step: 0,
            average,
            penalties: blueprint.penalties().cloned().collect(),
            seeks,
            declares: blueprint.objective.declares(),
            z,
            x,
            notes: None,
        }
    }

    /// The members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// How numbers are computed.
    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// All players, with their names in checkpoints.
    pub fn players(&mut self) -> Vec<(String, &mut Player)> {
        let named = |name: &str, player| (name.to_owned(), player);
        let discriminators = self.discriminators.iter_mut().enumerate();
        let mut players = vec![named("generator", &mut self.generator)];
        players.extend(discriminators.map(|(i, player)| (format!("discriminator{}", i + 1), player)));
        players.extend(self.encoder.as_mut().map(|player| named("encoder", player)));
        players.extend(self.denoiser.as_mut().map(|player| named("denoiser", player)));
        players
    }

    /// The player of this role.
    ///
    /// # Panics
    ///
    /// If the objective has none.
    pub fn player(&mut self, role: Role) -> &mut Player {
        match role {
            Role::Generator => &mut self.generator,
            Role::Discriminator(i) => &mut self.discriminators[i],
            Role::Encoder => self.encoder.as_mut().expect("an objective with an encoder"),
            Role::Denoiser => self.denoiser.as_mut().expect("an objective with a denoiser"),
        }
    }

    /// A number that each member has in addition to its networks, `[K]`.
    ///
    /// # Panics
    ///
    /// If the objective has no number of this name.
    pub fn kept(&mut self, name: &str) -> &mut Tensor {
        let found = self.state.iter_mut().find(|(kept, _)| *kept == name);
        &mut found.expect("a number that the objective declares").1
    }

    /// Keeps the members at these positions and drops the others. For members that are computed at once.
    pub fn retain(&mut self, keep: &[usize]) {
        let index: Vec<i64> = keep.iter().map(|&k| k as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.setup.device);
        for (_, player) in self.players() {
            player.net.retain(&index);
            player.optimizer.retain(keep, &index);
            (player.single, player.double, player.tapes) = Default::default();
        }
        for (_, kept) in &mut self.state {
            *kept = kept.index_select(0, &index);
        }
        if let Some(average) = &mut self.average {
            average.retain(keep, &index);
        }
        (self.z, self.x) = (self.z.index_select(0, &index), self.x.index_select(0, &index));
        self.members = keep.iter().map(|&k| self.members[k].clone()).collect();
        self.seeds = self.members.iter().map(|member| member.seed).collect();
        self.seeks = self.members.iter().any(seeks);
    }

    /// Begins step `t`, counted from 0, with the parameters of that step.
    pub(super) fn begin(&mut self, t: u64) {
        self.step = t;
        let helpers = [&mut self.encoder, &mut self.denoiser].into_iter().flatten();
        let players = std::iter::once(&mut self.generator).chain(&mut self.discriminators).chain(helpers);
        players.for_each(|player| player.optimizer.begin(t));
    }

    /// A parameter of every member at the current step.
    ///
    /// # Panics
    ///
    /// If a member lacks it: reading the sweep file ensures that each job has the parameters of its objective.
    pub fn parameter(&self, name: &str) -> Column {
        let known = || self.declares.parameter(name).or_else(|| keys::fixed().find(|key| key.name == name));
        let usual = || known().and_then(|parameter| parameter.before);
        let of = |member: &Member| {
            let number = member.parameters.at(name, self.step).or_else(usual);
            number.unwrap_or_else(|| panic!("{} has no `{name}`", member.id))
        };
        Column(self.members.iter().map(of).collect())
    }

    /// A number of every member at the current step.
    pub fn amount(&self, amount: &Amount) -> Column {
        match amount {
            Amount::Number(number) => Column(vec![*number; self.members.len()]),
            Amount::Parameter(name) => self.parameter(name),
        }
    }

    /// Returns `n` samples of member `k` in evaluation mode, with these `weights`, from the noise of `stream`:
    /// row-major `[n, features]`.
    pub fn sample(&self, k: usize, weights: Weights, stream: &Stream, n: usize) -> Vec<f32> {
        self.evaluate(k, weights, &generators::noise(self.distribution, stream, n * self.noise as usize))
    }

    /// Returns the samples that member `k` makes of `noise` (row-major `[n, values]`) in evaluation mode, with these
    /// `weights`: row-major `[n, features]`.
    pub fn evaluate(&self, k: usize, weights: Weights, noise: &[f32]) -> Vec<f32> {
        let net = &self.generator.net;
        let weights = match weights {
            Weights::Ema => self.average(k).unwrap_or(&net.weights),
            Weights::Raw => &net.weights,
        };
        generators::samples(noise, self.noise, self.setup, |z| net.evaluate_with(weights, k as i64, z))
    }

    /// The averages of the generators' weights, `[K, P]`; `None` if member `k` has none.
    pub(super) fn average(&self, k: usize) -> Option<&Tensor> {
        self.average.as_ref().filter(|average| average.is_of(k)).map(|average| &average.weights)
    }

    /// Takes a step of this player down the gradient of its last backward pass. If it waits for the generator, it moves
    /// together with the generator instead.
    pub(super) fn descend(&mut self, role: Role) {
        if self.turns.waits && role != Role::Generator {
            self.turns.waiting.push(role);
            return;
        }
        self.catch_up();
        let player = self.player(role);
        player.optimizer.step(&mut player.net);
        if let (Role::Generator, Some(average)) = (role, &mut self.average) {
            average.follow(&self.generator.net, self.step);
        }
    }

    /// Moves the players that wait for the generator.
    pub(super) fn catch_up(&mut self) {
        self.turns.waits = false;
        for role in std::mem::take(&mut self.turns.waiting) {
            let player = self.player(role);
            player.optimizer.step(&mut player.net);
        }
        if let Some(bound) = self.turns.bound.take() {
            self.clip_discriminators(&bound);
        }
    }

    /// Returns generated samples, `[N, features]` or `[K, N, features]`, from the noise of `draw`.
    pub(super) fn generate(&mut self, draw: u64) -> Tensor {
        self.draw_noise(draw);
        let generator = &mut self.generator;
        let pass = Pass { training: true, groups: 1, untracked: &[], draw, seeds: &self.seeds };
        generator.net.forward(&self.z, &pass, &mut generator.single)
    }

    /// Fills `z` with the noise of `draw`.
    pub(super) fn draw_noise(&mut self, draw: u64) {
        let (count, distribution) = ((self.batch * self.noise) as usize, self.distribution);
        let noise =
            |seed, out: &mut [f32]| generators::fill_noise(distribution, &Stream::new(seed, Purpose::Noise, draw), out);
        fill(&self.z, &self.seeds, 0..count, noise);
    }

    /// Fills `x` with batch `index` of the real samples, and with samples generated from the noise of `draw`.
    pub(super) fn real_and_fake(&mut self, index: u64, draw: u64) {
        let fake = self.generate(draw);
        let fake = self.packed(&fake);
        self.draw_real(index);
        self.x.narrow(-2, self.rows, self.rows).copy_(&fake);
    }

    /// Fills the upper half of `x` with batch `index` of the real samples.
    pub(super) fn draw_real(&mut self, index: u64) {
        let half = self.x.numel() / self.seeds.len() / 2;
        fill(&self.x, &self.seeds, 0..half, |seed, out| (self.real)(seed, index, out));
    }

    /// Packs `[.., N, F]` into `[.., N / pack, pack · F]`.
    pub(super) fn packed(&self, x: &Tensor) -> Tensor {
        match self.pack {
            1 => x.shallow_clone(),
            pack => x.unflatten(-2, [-1, pack]).flatten(-2, -1),
        }
    }

    /// The reverse of [`Game::packed`].
    pub(super) fn unpacked(&self, x: &Tensor) -> Tensor {
        match self.pack {
            1 => x.shallow_clone(),
            pack => x.unflatten(-1, [pack, -1]).flatten(-3, -2),
        }
    }

    /// The losses of K members. They are read only if members are computed one by one.
    pub(super) fn value(&self, losses: Tensor) -> PerMember {
        match self.setup.host() {
            true => PerMember::Host(host::to_f64(&losses)),
            false => PerMember::Device(losses),
        }
    }

    /// The shape of the output of a network with one output.
    pub(super) fn column(&self) -> Vec<i64> {
        self.setup.shape(self.seeds.len() as i64, [-1, 1])
    }
}

/// Whether a member's generator has the mode-seeking term.
fn seeks(member: &Member) -> bool {
    member.parameters.get(MODE_SEEKING.name).is_some()
}

/// Keeps the members at these positions, counted over all `games`, and drops the others.
pub fn retain(games: &mut Vec<Game>, keep: &[usize]) {
    let mut first = 0;
    games.retain_mut(|game| {
        let count = game.members.len();
        let own: Vec<usize> = keep.iter().filter_map(|k| k.checked_sub(first)).filter(|&k| k < count).collect();
        first += count;
        if !own.is_empty() && own.len() < count {
            game.retain(&own);
        }
        !own.is_empty()
    });
}

/// Fills the values in `range` of each member's part of `tensor` with `fill`, given the member's seed. Always on the
/// CPU, so the values don't depend on the device.
fn fill(tensor: &Tensor, seeds: &[u64], range: Range<usize>, fill: impl Fn(u64, &mut [f32]) + Sync) {
    let host = tensor.device() == Device::Cpu && tensor.kind() == Kind::Float;
    if let (true, &[seed]) = (host, seeds) {
        return fill(seed, &mut host::values_mut::<f32>(&mut tensor.shallow_clone())[range]);
    }
    let (members, options) = (seeds.len(), (tensor.kind(), tensor.device()));
    let made = transfer::members(members, range.len(), options, |k, out| fill(seeds[k], out));
    tensor.view([members as i64, -1]).narrow(1, range.start as i64, range.len() as i64).copy_(&made);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_the_noise_of_their_solo_runs() {
        let options = (Kind::Float, Device::Cpu);
        let noise = |seed, out: &mut [f32]| Stream::new(seed, Purpose::Noise, 7).fill_normal(out);
        let seeds = [3, 1, 4, 1, 5];
        let all = Tensor::zeros([5, 4, 2], options);
        fill(&all, &seeds, 2..7, noise);
        for (k, seed) in seeds.into_iter().enumerate() {
            let alone = Tensor::zeros([4, 2], options);
            fill(&alone, &[seed], 2..7, noise);
            let (one, all) = (host::to_f32(&alone), host::to_f32(&all.get(k as i64)));
            assert_eq!(one, all, "member {k}");
            assert!(one[2..7].iter().all(|x| *x != 0.0) && [one[0], one[1], one[7]] == [0.0; 3]);
        }
    }
}
