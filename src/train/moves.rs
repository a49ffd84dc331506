//! The two moves of adversarial objectives with losses on logits: the discriminators' and the generator's.

use tch::Tensor;

use super::game::{Game, Judged, Player, Role, Round};
use super::loss::{Column, Logits, Loss, PerMember, Terms};
use super::net::Tape;
use super::nn::{Need, Pass};
use super::penalty;
use super::seeking::Sought;
use sweep_formula::ast::Row;
use sweep_spec::objective::rules;

impl Game {
    /// Plays the discriminators' moves at step `t`: [`Game::move_discriminators_once`], as often as the blueprint says.
    /// Returns the last loss.
    pub fn move_discriminators(&mut self, t: u64, formula: impl Fn(&[Judged]) -> Terms) -> PerMember {
        self.each_round(t, |game, round| game.move_discriminators_once(round, &formula))
    }

    /// Plays the discriminators' rounds at step `t`, as many as the blueprint says. Returns the result of the last one.
    pub fn each_round(&mut self, t: u64, mut play: impl FnMut(&mut Game, Round) -> PerMember) -> PerMember {
        let mut round = |game: &mut Game, i| {
            // The generator's gradient uses the discriminators' weights in their last round.
            game.turns.waits = game.turns.together && i + 1 == game.d_steps;
            play(game, Round { batch: t * game.d_steps + i, draw: game.first_draw(t) + i })
        };
        (0..self.d_steps).map(|i| round(self, i)).last().expect("at least one discriminator step")
    }

    /// Plays the generator's rounds at step `t`, as many as the blueprint says: each on the discriminators' last real
    /// samples, and on fresh noise or their last noise. Returns the result of the last one.
    pub fn each_generator_round(&mut self, t: u64, mut play: impl FnMut(&mut Game, Round) -> PerMember) -> PerMember {
        let mut round = |game: &mut Game, j| {
            let draw = if game.fresh_noise { game.d_steps + j } else { game.d_steps - 1 };
            play(game, Round { batch: (t + 1) * game.d_steps - 1, draw: game.first_draw(t) + draw })
        };
        (0..self.g_steps).map(|j| round(self, j)).last().expect("at least one generator step")
    }

    /// The first draw of noise in step `t`: each round of either side has one.
    fn first_draw(&self, t: u64) -> u64 {
        t * (self.d_steps + self.g_steps)
    }

    /// Plays the discriminators' move in one round: each gets a batch of real and a batch of generated samples, and
    /// descends its gradient of the loss that `formula` makes of their logits. Returns the loss.
    pub fn move_discriminators_once(&mut self, round: Round, formula: impl Fn(&[Judged]) -> Terms) -> PerMember {
        let judged = |i| Judged { real: Logits::of(i, 0), fake: Logits::of(i, 1) };
        let loss = formula(&(0..self.discriminators.len()).map(judged).collect::<Vec<_>>());
        self.descend_discriminators(round, &loss.into())
    }

    /// The form of a game's loss in the discriminators' moves.
    pub fn discriminators_loss(&self, loss: &'static rules::Loss) -> Loss {
        self.loss(loss, |row| Logits::of(row.discriminator, usize::from(!row.real)))
    }

    fn loss(&self, loss: &'static rules::Loss, logits: impl Fn(Row) -> Logits) -> Loss {
        Loss::new(loss, |name| self.parameter(name), logits)
    }

    /// Plays the discriminators' move in one round, on a loss of their logits of real (batch 0) and generated samples
    /// (batch 1) plus the game's penalties. Returns the loss.
    pub fn descend_discriminators(&mut self, round: Round, loss: &Loss) -> PerMember {
        self.real_and_fake(round.batch, round.draw);
        let logits = judge(&mut self.discriminators, &self.x, &pass(round.draw, 2, &self.seeds));
        for (i, logits) in logits.iter().enumerate() {
            let half = logits.size()[1] / 2;
            self.note(i, Some(&logits.narrow(1, 0, half)), Some(&logits.narrow(1, half, half)));
        }
        let (mut value, grads) = loss.evaluate(&logits, 2, self.setup.host());
        let column = self.column();
        let penalties = self.penalised_points(&self.x, round);
        for (player, grad) in self.discriminators.iter_mut().zip(grads) {
            let need = Need { weights: true, input: false };
            player.net.backward(&mut player.double, grad.view(column.as_slice()), need);
            for points in &penalties {
                value = value.plus(&penalty::add(&mut player.net, points, round.draw, &self.seeds));
            }
        }
        (0..self.discriminators.len()).for_each(|i| self.descend(Role::Discriminator(i)));
        value
    }

    /// Clips all weights of the discriminators to [−bound, bound]; if they have not yet moved, after their move.
    pub fn clip_discriminators(&mut self, bound: &Column) {
        if self.turns.waits {
            self.turns.bound = Some(bound.clone());
            return;
        }
        for player in &mut self.discriminators {
            player.net.clip(&bound.0);
        }
    }

    /// Plays the generator's moves at step `t`: in each round it descends its gradient of the loss that `formula` makes
    /// of the discriminators' logits of generated samples. Returns the last loss.
    pub fn move_generator(&mut self, t: u64, formula: impl Fn(&[Logits]) -> Terms) -> PerMember {
        let loss = Loss::from(formula(&(0..self.discriminators.len()).map(|i| Logits::of(i, 0)).collect::<Vec<_>>()));
        self.each_generator_round(t, |game, round| game.descend_generator(round, &loss, false))
    }

    /// The same on a loss of a game, which may also use the discriminators' logits of the last real samples.
    pub fn move_generator_by(&mut self, t: u64, loss: &'static rules::Loss) -> PerMember {
        let sees_real = loss.program.rows.iter().any(|row| row.real);
        // Generated samples come first, so a loss without real samples has one batch.
        let loss = self.loss(loss, |row| Logits::of(row.discriminator, usize::from(row.real)));
        self.each_generator_round(t, |game, round| game.descend_generator(round, &loss, sees_real))
    }

    /// Plays the generator's move in one round, on a loss of the discriminators' logits of generated samples (batch 0)
    /// and, if `sees_real`, of the last real samples (batch 1), whose logits are constants. Returns the loss.
    fn descend_generator(&mut self, Round { batch, draw }: Round, loss: &Loss, sees_real: bool) -> PerMember {
        let of_real = if sees_real { self.logits_of_real(batch, draw) } else { Vec::new() };
        let made = self.generate(draw);
        let sought = self.seek(&made, draw);
        let fake = self.packed(&made);
        let mut logits = judge(&mut self.discriminators, &fake, &pass(draw, 1, &self.seeds));
        let rows = logits[0].size()[1];
        if sees_real {
            logits = logits.iter().zip(&of_real).map(|(fake, real)| Tensor::cat(&[fake, real], 1)).collect();
        }
        let (mut value, grads) = loss.evaluate(&logits, if sees_real { 2 } else { 1 }, self.setup.host());
        let column = self.column();
        let mut total: Option<Tensor> = None;
        for (player, grad) in self.discriminators.iter_mut().zip(grads) {
            let need = Need { weights: false, input: true };
            let grad = if sees_real { grad.narrow(1, 0, rows).contiguous() } else { grad };
            let grad = player.net.backward(&mut player.single, grad.view(column.as_slice()), need);
            total = match (total, grad) {
                (Some(mut total), Some(grad)) => Some(total.g_add_(&grad)),
                (total, grad) => total.or(grad),
            };
        }
        let mut grad = self.unpacked(&total.expect("at least one discriminator"));
        if let Some(sought) = &sought {
            grad += &sought.gradients[0];
            value = value.plus(&sought.value);
        }
        let generator = &mut self.generator;
        generator.net.backward(&mut generator.single, grad, Need { weights: true, input: false });
        if let Some(Sought { gradients: [_, of_second], .. }) = sought {
            self.follow_second(of_second);
        }
        self.descend(Role::Generator);
        value
    }

    /// Every discriminator's logits `[K, N]` of batch `index` of the real samples, as constants.
    fn logits_of_real(&mut self, index: u64, draw: u64) -> Vec<Tensor> {
        self.draw_real(index);
        let real = self.x.narrow(-2, 0, self.rows).contiguous();
        // This pass has its own dropout masks.
        let pass = pass(draw | 2 << 48, 1, &self.seeds);
        let judge = |player: &mut Player| {
            // The pass over generated samples comes later and has its own tape.
            player.tapes.resize_with(player.tapes.len().max(1), Tape::default);
            player.net.forward(&real, &pass, &mut player.tapes[0]).view([pass.seeds.len() as i64, -1]).copy()
        };
        self.discriminators.iter_mut().map(judge).collect()
    }

    /// Plays the generator's moves at step `t` against discriminators that look ahead: in each round the generator
    /// ascends the discriminators' `loss` after they have made `ahead` more moves on this loss and the game's
    /// penalties, against this generator, on the real samples and noise of the round. The gradient includes how these
    /// moves depend on the generator. The moves are then discarded. Returns the generator's last loss.
    pub fn move_generator_unrolled(&mut self, t: u64, ahead: u32, loss: &Loss) -> PerMember {
        self.each_generator_round(t, |game, round| game.move_generator_unrolled_once(round, ahead, loss))
    }

    fn move_generator_unrolled_once(&mut self, Round { batch, draw }: Round, ahead: u32, loss: &Loss) -> PerMember {
        self.draw_real(batch);
        self.draw_noise(draw);
        let real = self.x.narrow(-2, 0, self.rows);
        let second = self.seeks.then(|| self.second_noise(draw));
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
                let mut now = judge(&weights);
                // As in the moves that come next.
                let penalties = self.penalised_points(&x, Round { batch: batch + 1 + step, draw });
                for (player, weights) in self.discriminators.iter().zip(&weights) {
                    for points in &penalties {
                        now += penalty::traced(&player.net, weights, points, draw, &self.seeds);
                    }
                }
                let gradients = Tensor::run_backward(&[now.sum(now.kind())], &weights, true, true);
                for (i, player) in self.discriminators.iter().enumerate() {
                    let optimizer = &player.optimizer;
                    (weights[i], moments[i]) = optimizer.look_ahead(&weights[i], &moments[i], &gradients[i], step);
                }
            }
            let mut value = -judge(&weights);
            if let Some(second) = &second {
                let made = self.generator.net.traced(&leaf, second, &Game::second_pass(draw, &self.seeds));
                value += self.seeking([&self.z, second], [&fake, &made]);
            }
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
