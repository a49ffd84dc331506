//! The game: its players, their noise and their real samples, and the two moves that adversarial objectives are made of.

use std::ops::Range;
use std::sync::Arc;

use tch::{Device, Kind, Tensor};

use super::loss::{Column, Logits, Loss, Value};
use super::net::{Net, Setup, Tape};
use super::nn::{Need, Pass};
use super::optim::Optimizer;
use super::penalty::{self, Penalty, Points};
use crate::spec::arch::NoiseDistribution;
use crate::spec::blueprint::Blueprint;
use crate::spec::id::JobId;
use crate::spec::knobs::{Knob, Knobs};
use crate::tensor::random::{Purpose, Stream};
use crate::tensor::{host, transfer};

/// Real samples: fills a row-major `[N, features]` with batch number `index` of the member whose seed is `seed`.
pub type RealBatch = Arc<dyn Fn(u64, u64, &mut [f32]) + Send + Sync>;

/// One member of a cohort.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its job.
    pub id: JobId,
    /// What may differ between members.
    pub knobs: Knobs,
    /// All its randomness derives from this.
    pub seed: u64,
}

/// A network and its optimiser.
pub struct Player {
    /// K networks.
    pub net: Net,
    /// K optimisers.
    pub optimizer: Optimizer,
    /// Of a pass over one batch.
    single: Tape,
    /// Of a pass over a real and a generated batch.
    double: Tape,
}

/// One discriminator's logits, to name in a formula.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// Of real samples.
    pub real: Logits,
    /// Of generated samples.
    pub fake: Logits,
}

/// One of the discriminators' moves before a generator's.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    /// Which batch of real samples, counted from the start of training.
    batch: u64,
    /// Which draw of noise.
    draw: u64,
}

/// The players of K members, and what they play with; of one member, where members are not computed at once.
pub struct Game {
    /// z -> samples.
    pub generator: Player,
    /// Samples -> logits; as many as the objective has.
    pub discriminators: Vec<Player>,
    members: Vec<Member>,
    seeds: Vec<u64>,
    setup: Setup,
    real: RealBatch,
    batch: i64,
    noise: i64,
    distribution: NoiseDistribution,
    d_steps: u64,
    /// Noise, `[N, noise]` or `[K, N, noise]`.
    z: Tensor,
    /// Real samples above generated ones, `[2N, features]` or `[K, 2N, features]`.
    x: Tensor,
}

impl Game {
    /// Players of `blueprint` with the initial weights of `members`.
    pub fn new(blueprint: &Blueprint, members: Vec<Member>, real: RealBatch, setup: Setup) -> Self {
        let seeds: Vec<u64> = members.iter().map(|member| member.seed).collect();
        let knobs: Vec<&Knobs> = members.iter().map(|member| &member.knobs).collect();
        let (model, train) = (&blueprint.model, &blueprint.train);
        let player = |layers, number, rule, lr| {
            let net = Net::new(layers, model.init, number, &seeds, setup);
            let optimizer = Optimizer::new(rule, &net, lr, &knobs, setup);
            Player { net, optimizer, single: Tape::default(), double: Tape::default() }
        };
        let discriminators = (1..=blueprint.objective.discriminators() as u16)
            .map(|number| player(&model.discriminator, number, train.discriminator, Knob::LrDiscriminator))
            .collect();
        let generator = player(&model.generator, 0, train.generator, Knob::LrGenerator);
        let (batch, noise, features) = (train.batch.into(), model.noise.into(), blueprint.dataset.features() as i64);
        let room = |shape| Tensor::empty(setup.shape(seeds.len() as i64, shape), (setup.kind, setup.device));
        let (z, x) = (room([batch, noise]), room([2 * batch, features]));
        let d_steps = train.d_steps.into();
        let distribution = model.noise_distribution;
        Game { generator, discriminators, members, seeds, setup, real, batch, noise, distribution, d_steps, z, x }
    }

    /// The members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// How numbers are computed.
    pub fn setup(&self) -> Setup {
        self.setup
    }

    /// All players with the names that checkpoints give them.
    pub fn players(&mut self) -> Vec<(String, &mut Player)> {
        let discriminators = self.discriminators.iter_mut().enumerate();
        let mut players: Vec<_> =
            discriminators.map(|(i, player)| (format!("discriminator{}", i + 1), player)).collect();
        players.insert(0, ("generator".to_owned(), &mut self.generator));
        players
    }

    /// Keeps the members at these positions and drops the others. For members that are computed at once.
    pub fn retain(&mut self, keep: &[usize]) {
        let index: Vec<i64> = keep.iter().map(|&k| k as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.setup.device);
        for (_, player) in self.players() {
            player.net.retain(&index);
            player.optimizer.retain(keep, &index);
            (player.single, player.double) = Default::default();
        }
        (self.z, self.x) = (self.z.index_select(0, &index), self.x.index_select(0, &index));
        self.members = keep.iter().map(|&k| self.members[k].clone()).collect();
        self.seeds = self.members.iter().map(|member| member.seed).collect();
    }

    /// A knob of every member.
    ///
    /// # Panics
    ///
    /// If a member lacks it: the sweep file's reader makes sure that each job has the knobs of its objective.
    pub fn knob(&self, knob: Knob) -> Column {
        let of =
            |member: &Member| member.knobs.get(knob).unwrap_or_else(|| panic!("{} has no {}", member.id, knob.name()));
        Column(self.members.iter().map(of).collect())
    }

    /// The discriminators' moves at step `t`: [`Game::move_discriminators_once`], as often as the blueprint says. Returns the last loss.
    pub fn move_discriminators(&mut self, t: u64, formula: impl Fn(&[Judged]) -> Loss) -> Value {
        self.each_round(t, |game, round| game.move_discriminators_once(round, &formula))
    }

    /// Plays the rounds of the discriminators at step `t`, as many as the blueprint says. Returns what the last one gave.
    pub fn each_round(&mut self, t: u64, mut play: impl FnMut(&mut Game, Round) -> Value) -> Value {
        let d_steps = self.d_steps;
        let round = |i| Round { batch: t * d_steps + i, draw: t * (d_steps + 1) + i };
        (0..d_steps).map(|i| play(self, round(i))).last().expect("at least one discriminator step")
    }

    /// The discriminators' move in one round: each sees a batch of real and a batch of generated samples, and descends its gradient of
    /// the loss that `formula` makes of their logits. Returns the loss.
    pub fn move_discriminators_once(&mut self, round: Round, formula: impl Fn(&[Judged]) -> Loss) -> Value {
        self.move_penalised(round, formula, None)
    }

    /// As [`Game::move_discriminators_once`], with a gradient penalty in each discriminator's loss.
    pub fn move_penalised(
        &mut self,
        round: Round,
        formula: impl Fn(&[Judged]) -> Loss,
        penalty: Option<Penalty>,
    ) -> Value {
        let judged = |i| Judged { real: Logits::of(i, 0), fake: Logits::of(i, 1) };
        let loss = formula(&(0..self.discriminators.len()).map(judged).collect::<Vec<_>>());
        self.real_and_fake(round.batch, round.draw);
        let logits = judge(&mut self.discriminators, &self.x, &pass(round.draw, 2, &self.seeds));
        let (mut value, grads) = loss.evaluate(&logits, 2);
        let column = self.column();
        let points = penalty.map(|penalty| (penalty, self.points(penalty.at, round.draw)));
        for (player, grad) in self.discriminators.iter_mut().zip(grads) {
            let need = Need { weights: true, input: false };
            player.net.backward(&mut player.double, grad.view(column.as_slice()), need);
            if let Some((penalty, (x, groups))) = &points {
                let pass = pass(round.draw, *groups, &self.seeds);
                value = value.plus(&penalty::add(&mut player.net, x, &pass, penalty));
            }
            player.optimizer.step(&mut player.net);
        }
        value
    }

    /// Where a penalty looks at slopes, `[.., N, F]`, and how many batches these are.
    fn points(&self, at: Points, draw: u64) -> (Tensor, i64) {
        let (real, fake) = (self.x.narrow(-2, 0, self.batch), self.x.narrow(-2, self.batch, self.batch));
        let uniform = |columns: i64| {
            let (seeds, members, each) = (&self.seeds, self.seeds.len(), (self.batch * columns) as usize);
            let fill = |k: usize, out: &mut [f32]| Stream::new(seeds[k], Purpose::Penalty, draw).fill_uniform(out);
            let all = transfer::members(members, each, (self.setup.kind, self.setup.device), fill);
            all.view(self.setup.shape(members as i64, [self.batch, columns]).as_slice())
        };
        match at {
            Points::Between => (&fake + (&real - &fake) * uniform(1), 1),
            Points::AroundReal => {
                let spread = real.std_dim([-2, -1].as_slice(), false, true);
                (&real + spread * 0.5 * uniform(real.size()[real.dim() - 1]), 1)
            }
            Points::RealAndFake => (self.x.shallow_clone(), 2),
        }
    }

    /// Cuts all weights of the discriminators to [−bound, bound].
    pub fn clip_discriminators(&mut self, bound: &Column) {
        for player in &mut self.discriminators {
            player.net.clip(&bound.0);
        }
    }

    /// The generator's move at step `t`: with fresh noise, it descends its gradient of the loss that `formula` makes of the
    /// discriminators' logits of generated samples. Returns the loss.
    pub fn move_generator(&mut self, t: u64, formula: impl Fn(&[Logits]) -> Loss) -> Value {
        let loss = formula(&(0..self.discriminators.len()).map(|i| Logits::of(i, 0)).collect::<Vec<_>>());
        let draw = t * (self.d_steps + 1) + self.d_steps;
        let fake = self.generate(draw);
        let logits = judge(&mut self.discriminators, &fake, &pass(draw, 1, &self.seeds));
        let (value, grads) = loss.evaluate(&logits, 1);
        let column = self.column();
        let mut total: Option<Tensor> = None;
        for (player, grad) in self.discriminators.iter_mut().zip(grads) {
            let need = Need { weights: false, input: true };
            let grad = player.net.backward(&mut player.single, grad.view(column.as_slice()), need);
            total = match (total, grad) {
                (Some(mut total), Some(grad)) => Some(total.g_add_(&grad)),
                (total, grad) => total.or(grad),
            };
        }
        let grad = total.expect("at least one discriminator");
        let generator = &mut self.generator;
        generator.net.backward(&mut generator.single, grad, Need { weights: true, input: false });
        generator.optimizer.step(&mut generator.net);
        value
    }

    /// The generator's move at step `t` against discriminators that look ahead: it ascends the loss that `formula` makes of the logits of
    /// discriminators which have made `ahead` more moves on it, against this very generator on the last real samples and fresh noise,
    /// and it sees how these moves depend on it. The moves are thrown away. Returns the generator's loss.
    pub fn move_generator_unrolled(&mut self, t: u64, ahead: u32, formula: impl Fn(&[Judged]) -> Loss) -> Value {
        let judged = |i| Judged { real: Logits::of(i, 0), fake: Logits::of(i, 1) };
        let loss = formula(&(0..self.discriminators.len()).map(judged).collect::<Vec<_>>());
        let draw = t * (self.d_steps + 1) + self.d_steps;
        self.draw_noise(draw);
        let real = self.x.narrow(-2, 0, self.batch);
        let (single, double) = (pass(draw, 1, &self.seeds), pass(draw, 2, &self.seeds));
        let (value, gradient) = tch::with_grad(|| {
            let leaf = self.generator.net.leaf();
            let x = Tensor::cat(&[real, self.generator.net.traced(&leaf, &self.z, &single)], -2);
            let members = self.seeds.len() as i64;
            let judge = |weights: &[Tensor]| {
                let logits = |(player, weights): (&Player, &Tensor)| player.net.traced(weights, &x, &double);
                let logits = self.discriminators.iter().zip(weights).map(logits);
                loss.traced(&logits.map(|logits| logits.view([members, -1])).collect::<Vec<_>>(), 2)
            };
            let mut weights: Vec<Tensor> = self.discriminators.iter().map(|player| player.net.leaf()).collect();
            let mut moments: Vec<_> = self.discriminators.iter().map(|player| player.optimizer.ahead()).collect();
            for step in 0..u64::from(ahead) {
                let now = judge(&weights);
                let gradients = Tensor::run_backward(&[now.sum(now.kind())], &weights, true, true);
                for (i, player) in self.discriminators.iter().enumerate() {
                    let optimizer = &player.optimizer;
                    (weights[i], moments[i]) = optimizer.look_ahead(&weights[i], &moments[i], &gradients[i], step);
                }
            }
            let value = -judge(&weights);
            let gradient = Tensor::run_backward(&[value.sum(value.kind())], &[leaf], false, false).remove(0);
            (value.detach(), gradient)
        });
        self.generator.net.grads.copy_(&gradient);
        self.generator.optimizer.step(&mut self.generator.net);
        match self.setup.device {
            Device::Cpu => Value::Host(host::to_f64(&value)),
            _ => Value::Device(value),
        }
    }

    /// `n` samples of member `k` in evaluation, from the noise of `stream`: row-major `[n, features]`.
    pub fn sample(&self, k: usize, stream: &Stream, n: usize) -> Vec<f32> {
        /// Bounds the memory of activations.
        const CHUNK: i64 = 1000;
        let mut noise = vec![0.0f32; n * self.noise as usize];
        fill_noise(self.distribution, stream, &mut noise);
        let noise = Tensor::from_slice(&noise)
            .view([n as i64, self.noise])
            .to_device(self.setup.device)
            .to_kind(self.setup.kind);
        let chunks = noise.split(CHUNK, 0);
        chunks.into_iter().flat_map(|z| host::to_f32(&self.generator.net.evaluate(k as i64, &z))).collect()
    }

    /// Generated samples, `[N, features]` or `[K, N, features]`, from the noise of `draw`.
    fn generate(&mut self, draw: u64) -> Tensor {
        self.draw_noise(draw);
        let generator = &mut self.generator;
        generator.net.forward(&self.z, &pass(draw, 1, &self.seeds), &mut generator.single)
    }

    /// Fills `z` with the noise of `draw`.
    fn draw_noise(&mut self, draw: u64) {
        let (count, distribution) = ((self.batch * self.noise) as usize, self.distribution);
        let noise = |seed, out: &mut [f32]| fill_noise(distribution, &Stream::new(seed, Purpose::Noise, draw), out);
        fill(&self.z, &self.seeds, 0..count, noise);
    }

    /// Fills `x` with batch `index` of the real samples and what the generator makes of the noise of `draw`.
    fn real_and_fake(&mut self, index: u64, draw: u64) {
        let fake = self.generate(draw);
        let half = self.x.numel() / self.seeds.len() / 2;
        fill(&self.x, &self.seeds, 0..half, |seed, out| (self.real)(seed, index, out));
        self.x.narrow(-2, self.batch, self.batch).copy_(&fake);
    }

    /// The shape of the output of a network with one output.
    fn column(&self) -> Vec<i64> {
        self.setup.shape(self.seeds.len() as i64, [-1, 1])
    }
}

/// Keeps the members at these positions among those of all `games` and drops the others.
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

/// Fills `out` with noise from `stream`.
fn fill_noise(distribution: NoiseDistribution, stream: &Stream, out: &mut [f32]) {
    match distribution {
        NoiseDistribution::Normal => stream.fill_normal(out),
        NoiseDistribution::Uniform => stream.fill_symmetric(out),
    }
}

fn pass(draw: u64, groups: i64, seeds: &[u64]) -> Pass<'_> {
    Pass { training: true, groups, draw, seeds }
}

/// Every discriminator's logits `[K, groups · N]` of `x`.
fn judge(discriminators: &mut [Player], x: &Tensor, pass: &Pass) -> Vec<Tensor> {
    let judge = |player: &mut Player| {
        let tape = if pass.groups == 2 { &mut player.double } else { &mut player.single };
        player.net.forward(x, pass, tape).view([pass.seeds.len() as i64, -1])
    };
    discriminators.iter_mut().map(judge).collect()
}

/// Fills the values at `range` of each member's part of `tensor` by `fill` from the member's seed: always on the CPU, so that they
/// don't depend on the device.
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
    fn many_members_have_the_noise_that_each_has_alone() {
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
