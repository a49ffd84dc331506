//! The game: its players, their noise and their real samples, and the two moves that adversarial objectives are made of.

use tch::{Device, Kind, Tensor};

use super::net::{Form, Net, Parts, Setup};
use super::nn::{Need, Pass};
use super::optim::Optimizer;
use crate::spec::blueprint::Blueprint;
use crate::spec::id::JobId;
use crate::spec::knobs::{Knob, Knobs};
use crate::tensor::host;
use crate::tensor::random::{Purpose, Stream};

/// Real samples: fills a row-major `[N, features]` with batch number `index` of the member whose seed is `seed`.
pub type RealBatch = Box<dyn Fn(u64, u64, &mut [f32]) + Send>;

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
}

/// One discriminator's logits, `[K, N]` each.
#[derive(Debug)]
pub struct Judged {
    /// Of real samples.
    pub real: Tensor,
    /// Of generated samples.
    pub fake: Tensor,
}

/// The players of K members, and what they play with.
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
    features: i64,
    d_steps: u64,
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
            Player { net, optimizer }
        };
        let discriminators = (1..=blueprint.objective.discriminators() as u16)
            .map(|number| player(&model.discriminator, number, train.discriminator, Knob::LrDiscriminator))
            .collect();
        let generator = player(&model.generator, 0, train.generator, Knob::LrGenerator);
        Game {
            generator,
            discriminators,
            batch: train.batch.into(),
            noise: model.noise.into(),
            features: blueprint.dataset.features() as i64,
            d_steps: train.d_steps.into(),
            members,
            seeds,
            setup,
            real,
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

    /// All players with the names that checkpoints give them.
    pub fn players(&mut self) -> Vec<(String, &mut Player)> {
        let discriminators = self.discriminators.iter_mut().enumerate();
        let mut players: Vec<_> =
            discriminators.map(|(i, player)| (format!("discriminator{}", i + 1), player)).collect();
        players.insert(0, ("generator".to_owned(), &mut self.generator));
        players
    }

    /// Keeps the members at these positions and drops the others.
    pub fn retain(&mut self, keep: &[usize]) {
        let index: Vec<i64> = keep.iter().map(|&k| k as i64).collect();
        let index = Tensor::from_slice(&index).to_device(self.setup.device);
        for (_, player) in self.players() {
            player.net.retain(&index);
            player.optimizer.retain(keep, &index);
        }
        self.members = keep.iter().map(|&k| self.members[k].clone()).collect();
        self.seeds = self.members.iter().map(|member| member.seed).collect();
    }

    /// A knob of every member, `[K, 1]`.
    ///
    /// # Panics
    ///
    /// If a member lacks it: the sweep file's reader makes sure that each job has the knobs of its objective.
    pub fn knob(&self, knob: Knob) -> Tensor {
        let of =
            |member: &Member| member.knobs.get(knob).unwrap_or_else(|| panic!("{} has no {}", member.id, knob.name()));
        let column: Vec<f64> = self.members.iter().map(of).collect();
        Tensor::from_slice(&column).unsqueeze(1).to_kind(self.setup.kind).to_device(self.setup.device)
    }

    /// The discriminators' move at step `t`: each sees a batch of real and a batch of generated samples, and descends its gradient of
    /// `loss`, which maps their logits to losses `[K]`. Repeated as often as the blueprint says. Returns the last loss.
    pub fn move_discriminators(&mut self, t: u64, loss: impl Fn(&[Judged]) -> Tensor) -> Tensor {
        let mut last = None;
        for round in 0..self.d_steps {
            let draw = t * (self.d_steps + 1) + round;
            let x = self.real_and_fake(t * self.d_steps + round, draw);
            let (logits, tapes): (Vec<_>, Vec<_>) = self.judge(&x, 2, draw).into_iter().unzip();
            let halves: Vec<Tensor> = logits.iter().flat_map(|both| both.chunk(2, 1)).collect();
            let (value, grads) = head(&halves, |halves| {
                let judged = |pair: &[Tensor]| Judged { real: pair[0].shallow_clone(), fake: pair[1].shallow_clone() };
                loss(&halves.chunks(2).map(judged).collect::<Vec<_>>())
            });
            for ((player, tape), grads) in self.discriminators.iter_mut().zip(tapes).zip(grads.chunks(2)) {
                let grad = Parts::unstack(Tensor::cat(grads, 1).unsqueeze(-1), self.setup.form);
                player.net.backward(tape, grad, Need { weights: true, input: false });
                player.optimizer.step(&mut player.net);
            }
            last = Some(value);
        }
        last.expect("at least one discriminator step")
    }

    /// The generator's move at step `t`: with fresh noise, it descends its gradient of `loss`, which maps the discriminators' logits
    /// of generated samples, `[K, N]` each, to losses `[K]`. Returns the loss.
    pub fn move_generator(&mut self, t: u64, loss: impl Fn(&[Tensor]) -> Tensor) -> Tensor {
        let draw = t * (self.d_steps + 1) + self.d_steps;
        let pass = Pass { training: true, groups: 1, draw, seeds: &self.seeds };
        let (fake, tape) = self.generator.net.forward(self.noise(draw), &pass);
        let (logits, tapes): (Vec<_>, Vec<_>) = self.judge(&fake, 1, draw).into_iter().unzip();
        let (value, grads) = head(&logits, loss);
        let through = |((player, tape), grad): ((&mut Player, _), Tensor)| {
            let grad = Parts::unstack(grad.unsqueeze(-1), self.setup.form);
            player.net.backward(tape, grad, Need { weights: false, input: true })
        };
        let grads = self.discriminators.iter_mut().zip(tapes).zip(grads).filter_map(through);
        let grad = grads.reduce(Parts::plus).expect("at least one discriminator");
        self.generator.net.backward(tape, grad, Need { weights: true, input: false });
        self.generator.optimizer.step(&mut self.generator.net);
        value
    }

    /// `n` samples of member `k` in evaluation, from the noise of `stream`: row-major `[n, features]`.
    pub fn sample(&self, k: usize, stream: &Stream, n: usize) -> Vec<f32> {
        /// Bounds the memory of activations.
        const CHUNK: i64 = 1000;
        let mut noise = vec![0.0f32; n * self.noise as usize];
        stream.fill_normal(&mut noise);
        let noise = Tensor::from_slice(&noise)
            .view([n as i64, self.noise])
            .to_device(self.setup.device)
            .to_kind(self.setup.kind);
        let chunks = noise.split(CHUNK, 0);
        chunks.into_iter().flat_map(|z| host::to_f32(&self.generator.net.evaluate(k as i64, z))).collect()
    }

    /// Every discriminator's logits `[K, groups·N]` of `x`, with the tape.
    fn judge(&self, x: &Parts, groups: i64, draw: u64) -> Vec<(Tensor, super::net::Tape)> {
        let pass = Pass { training: true, groups, draw, seeds: &self.seeds };
        let judge = |player: &Player| {
            let x = Parts(x.0.iter().map(Tensor::shallow_clone).collect());
            let (y, tape) = player.net.forward(x, &pass);
            (y.stack().squeeze_dim(-1), tape)
        };
        self.discriminators.iter().map(judge).collect()
    }

    /// Real samples above generated ones: `[2N, F]` for each member.
    fn real_and_fake(&self, index: u64, draw: u64) -> Parts {
        let (n, features) = (self.batch, self.features);
        let pass = Pass { training: true, groups: 1, draw, seeds: &self.seeds };
        let (fake, _) = self.generator.net.forward(self.noise(draw), &pass);
        let both =
            self.draw(2 * n, features, |seed, out| (self.real)(seed, index, &mut out[..(n * features) as usize]));
        for (both, fake) in both.0.iter().zip(&fake.0) {
            both.narrow(-2, n, n).copy_(fake);
        }
        both
    }

    /// Noise for the generator: `[N, noise]` for each member.
    fn noise(&self, draw: u64) -> Parts {
        self.draw(self.batch, self.noise, |seed, out| Stream::new(seed, Purpose::Noise, draw).fill_normal(out))
    }

    /// `[rows, columns]` for each member, filled by `fill` from the member's seed.
    fn draw(&self, rows: i64, columns: i64, fill: impl Fn(u64, &mut [f32])) -> Parts {
        let Setup { device, kind, form } = self.setup;
        let one = |seeds: &[u64], size: &[i64]| {
            let mut tensor = Tensor::empty(size, (Kind::Float, Device::Cpu));
            let each = (rows * columns) as usize;
            for (&seed, out) in seeds.iter().zip(host::values_mut::<f32>(&mut tensor).chunks_mut(each)) {
                fill(seed, out);
            }
            tensor.to_device(device).to_kind(kind)
        };
        Parts(match form {
            Form::Members => self.seeds.iter().map(|&seed| one(&[seed], &[rows, columns])).collect(),
            Form::Batched => vec![one(&self.seeds, &[self.seeds.len() as i64, rows, columns])],
        })
    }
}

/// The losses `[K]` and their gradients with respect to the logits. Autograd sees nothing but this head. The losses are summed over
/// K, so that each member's gradient is that of its own loss.
///
/// libtorch computes full vectors of 32 numbers by other code than what is left over. So a member's bits are those of its solo run
/// where N is a multiple of 32; for other batch sizes the two may differ by a rounding.
fn head(logits: &[Tensor], loss: impl FnOnce(&[Tensor]) -> Tensor) -> (Tensor, Vec<Tensor>) {
    tch::with_grad(|| {
        let leaves: Vec<Tensor> =
            logits.iter().map(|logits| logits.detach().contiguous().set_requires_grad(true)).collect();
        let loss = loss(&leaves);
        let grads = Tensor::run_backward(&[loss.sum(loss.kind())], &leaves, false, false);
        (loss.detach(), grads)
    })
}
