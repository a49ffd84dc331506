//! The two moves that adversarial objectives are made of, for losses on logits alone: of the discriminators and of the generator.

use tch::Tensor;

use super::game::{Game, Judged, Player, Role, Round};
use super::loss::{Column, Logits, Loss, Value};
use super::nn::{Need, Pass};
use super::penalty::{self, Penalty, Points};
use sweep_numerics::random::{Purpose, Stream};
use sweep_tensor::transfer;

impl Game {
    /// The discriminators' moves at step `t`: [`Game::move_discriminators_once`], as often as the blueprint says. Returns the last loss.
    pub fn move_discriminators(&mut self, t: u64, formula: impl Fn(&[Judged]) -> Loss) -> Value {
        self.each_round(t, |game, round| game.move_discriminators_once(round, &formula))
    }

    /// Plays the rounds of the discriminators at step `t`, as many as the blueprint says. Returns what the last one gave.
    pub fn each_round(&mut self, t: u64, mut play: impl FnMut(&mut Game, Round) -> Value) -> Value {
        let mut round = |game: &mut Game, i| {
            // The generator's gradient is to be at the weights that the discriminators have in their last round.
            game.turns.waits = game.turns.together && i + 1 == game.d_steps;
            play(game, Round { batch: t * game.d_steps + i, draw: game.first_draw(t) + i })
        };
        (0..self.d_steps).map(|i| round(self, i)).last().expect("at least one discriminator step")
    }

    /// Plays the rounds of the generator at step `t`, as many as the blueprint says: each on the last real samples of the discriminators', and
    /// on fresh noise, or on the last of theirs. Returns what the last one gave.
    pub fn each_generator_round(&mut self, t: u64, mut play: impl FnMut(&mut Game, Round) -> Value) -> Value {
        let mut round = |game: &mut Game, j| {
            let draw = if game.fresh_noise { game.d_steps + j } else { game.d_steps - 1 };
            play(game, Round { batch: (t + 1) * game.d_steps - 1, draw: game.first_draw(t) + draw })
        };
        (0..self.g_steps).map(|j| round(self, j)).last().expect("at least one generator step")
    }

    /// The draw of noise with which step `t` begins: each round of either side has one.
    fn first_draw(&self, t: u64) -> u64 {
        t * (self.d_steps + self.g_steps)
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
        for (i, logits) in logits.iter().enumerate() {
            let half = logits.size()[1] / 2;
            self.note(i, Some(&logits.narrow(1, 0, half)), Some(&logits.narrow(1, half, half)));
        }
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
        }
        (0..self.discriminators.len()).for_each(|i| self.descend(Role::Discriminator(i)));
        value
    }

    /// Where a penalty looks at slopes, `[.., N, F]`, and how many batches these are.
    fn points(&self, at: Points, draw: u64) -> (Tensor, i64) {
        let (real, fake) = (self.x.narrow(-2, 0, self.rows), self.x.narrow(-2, self.rows, self.rows));
        let uniform = |columns: i64| {
            let (seeds, members, each) = (&self.seeds, self.seeds.len(), (self.rows * columns) as usize);
            let fill = |k: usize, out: &mut [f32]| Stream::new(seeds[k], Purpose::Penalty, draw).fill_uniform(out);
            let all = transfer::members(members, each, (self.setup.kind, self.setup.device), fill);
            all.view(self.setup.shape(members as i64, [self.rows, columns]).as_slice())
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

    /// Cuts all weights of the discriminators to [−bound, bound]; where these have yet to move, when they have.
    pub fn clip_discriminators(&mut self, bound: &Column) {
        if self.turns.waits {
            self.turns.bound = Some(bound.clone());
            return;
        }
        for player in &mut self.discriminators {
            player.net.clip(&bound.0);
        }
    }

    /// The generator's moves at step `t`: in each of its rounds it descends its gradient of the loss that `formula` makes of the
    /// discriminators' logits of generated samples. Returns the last loss.
    pub fn move_generator(&mut self, t: u64, formula: impl Fn(&[Logits]) -> Loss) -> Value {
        let loss = formula(&(0..self.discriminators.len()).map(|i| Logits::of(i, 0)).collect::<Vec<_>>());
        self.each_generator_round(t, |game, round| game.move_generator_once(round, &loss))
    }

    fn move_generator_once(&mut self, Round { draw, .. }: Round, loss: &Loss) -> Value {
        let fake = self.generate(draw);
        let fake = self.packed(&fake);
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
        let grad = self.unpacked(&total.expect("at least one discriminator"));
        let generator = &mut self.generator;
        generator.net.backward(&mut generator.single, grad, Need { weights: true, input: false });
        self.descend(Role::Generator);
        value
    }

    /// The generator's moves at step `t` against discriminators that look ahead: in each of its rounds it ascends the loss that `formula`
    /// makes of the logits of discriminators which have made `ahead` more moves on it, against this very generator on the real samples and
    /// the noise of the round, and it sees how these moves depend on it. The moves are thrown away. Returns the generator's last loss.
    pub fn move_generator_unrolled(&mut self, t: u64, ahead: u32, formula: impl Fn(&[Judged]) -> Loss) -> Value {
        let judged = |i| Judged { real: Logits::of(i, 0), fake: Logits::of(i, 1) };
        let loss = formula(&(0..self.discriminators.len()).map(judged).collect::<Vec<_>>());
        self.each_generator_round(t, |game, round| game.move_generator_unrolled_once(round, ahead, &loss))
    }

    fn move_generator_unrolled_once(&mut self, Round { batch, draw }: Round, ahead: u32, loss: &Loss) -> Value {
        self.draw_real(batch);
        self.draw_noise(draw);
        let real = self.x.narrow(-2, 0, self.rows);
        let (single, double) = (pass(draw, 1, &self.seeds), pass(draw, 2, &self.seeds));
        let (value, gradient) = tch::with_grad(|| {
            let leaf = self.generator.net.leaf();
            let fake = self.generator.net.traced(&leaf, &self.z, &single);
            let x = Tensor::cat(&[real, self.packed(&fake)], -2);
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
        self.descend(Role::Generator);
        self.value(value)
    }
}

fn pass(draw: u64, groups: i64, seeds: &[u64]) -> Pass<'_> {
    Pass { training: true, groups, untracked: &[], draw, seeds }
}

/// Every discriminator's logits `[K, groups · N]` of `x`.
fn judge(discriminators: &mut [Player], x: &Tensor, pass: &Pass) -> Vec<Tensor> {
    let judge = |player: &mut Player| {
        let tape = if pass.groups == 2 { &mut player.double } else { &mut player.single };
        player.net.forward(x, pass, tape).view([pass.seeds.len() as i64, -1])
    };
    discriminators.iter_mut().map(judge).collect()
}
