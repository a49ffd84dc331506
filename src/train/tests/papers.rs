//! The papers' algorithms, independent of the code under test: plain operations on weights by name, autograd over the
//! loss as in the paper, and `detach` where the paper holds something constant. After some steps every player must have
//! the same weights: [`super::algorithms`].

use super::algorithms::of_pairs;
use super::written::Written;
use super::*;
use crate::game::Role;
use crate::nn::Pass;
use sweep_spec::moves::Moves;
use sweep_tensor::host::to_f64;
use tch::Tensor;

pub(super) const G: Role = Role::Generator;
pub(super) const D: Role = Role::Discriminator(0);
pub(super) const D2: Role = Role::Discriminator(1);
pub(super) const E: Role = Role::Encoder;
pub(super) const R: Role = Role::Denoiser;

/// Real samples, noise, and the number of that noise.
pub(super) type Round = (Tensor, Tensor, u64);

/// Weights by name, leaves for autograd.
type Weights = Vec<(String, Tensor)>;

/// The state of a paper's algorithm, with plain gradient descent.
pub(super) struct Algorithm {
    pub(super) blueprint: BuiltIn,
    pub(super) parameters: Parameters,
    seed: u64,
    pub(super) players: Vec<(Role, Vec<Layer>, Weights)>,
    /// The batches of this step: for each round of the discriminators, then for each of the generator.
    pub(super) turns: [Vec<Round>; 2],
    /// Used batches of real samples and of noise.
    pub(super) used: [u64; 2],
    /// Players on the discriminators' side that have moved in this step, and players whose step is simultaneous with
    /// the generator's.
    pub(super) made: Vec<Role>,
    waiting: Vec<(Role, Weights)>,
    /// The game, if no paper has it.
    written: Option<Written>,
    /// The generator's weights after each of its moves.
    pub(super) seen: Vec<Vec<f64>>,
    /// Players that moved, and the loss that they descended.
    pub(super) moves: Vec<(Vec<Role>, f64)>,
    /// BEGAN's k; MAGAN's margin, and the mean energy of generated samples in the epoch before.
    k: f64,
    margin: f64,
    before: f64,
}

impl Algorithm {
    pub(super) fn of(trainer: &mut Trainer, blueprint: &BuiltIn) -> Algorithm {
        let model = &blueprint.model;
        let game = &mut trainer.games[0];
        let (parameters, seed) = (game.members()[0].parameters.clone(), game.members()[0].seed);
        let mut roles = vec![(G, &model.generator)];
        roles.extend((0..game.discriminators.len()).map(|i| (Role::Discriminator(i), &model.discriminator)));
        roles.extend(game.encoder.as_ref().map(|_| (E, &model.encoder)));
        roles.extend(game.denoiser.as_ref().map(|_| (R, &model.denoiser)));
        let leaf = |(name, tensor): (String, Tensor)| (name, tensor.copy().set_requires_grad(true));
        let mut player = |(role, layers): (Role, &Vec<Layer>)| {
            let weights = game.player(role).net.named(0).into_iter().filter(|(name, _)| !name.contains("running"));
            (role, layers.clone(), weights.map(leaf).collect())
        };
        let players = roles.into_iter().map(&mut player).collect();
        let (used, moves, k, margin, before) = ([0, 0], Vec::new(), 0.0, f64::NAN, f64::INFINITY);
        let (blueprint, made, waiting) = (blueprint.clone(), Vec::new(), Vec::new());
        let turns = Default::default();
        let (written, seen) = (None, Vec::new());
        Algorithm {
            blueprint,
            parameters,
            seed,
            players,
            turns,
            used,
            made,
            waiting,
            written,
            seen,
            moves,
            k,
            margin,
            before,
        }
    }

    /// The same for the game `written`.
    pub(super) fn playing(self, written: Option<Written>) -> Algorithm {
        Algorithm { written, ..self }
    }

    pub(super) fn parameter(&self, parameter: &str) -> f64 {
        self.parameters.number(parameter).unwrap()
    }

    fn weights(&self, role: Role) -> &[(String, Tensor)] {
        &self.players.iter().find(|(own, ..)| *own == role).unwrap().2
    }

    fn layers(&self, role: Role) -> &[Layer] {
        &self.players.iter().find(|(own, ..)| *own == role).unwrap().1
    }

    /// Applies a player with these weights to one batch.
    fn with(&self, role: Role, layers: &[Layer], weights: &[(String, Tensor)], x: &Tensor) -> Tensor {
        // Discriminators see packs of samples.
        let inputs = match (role, &layers[0]) {
            (Role::Discriminator(_), Layer::Linear { inputs, .. }) => i64::from(*inputs),
            _ => x.size()[1],
        };
        let pass = Pass { training: true, groups: 1, untracked: &[], draw: 0, seeds: &[0] };
        autograd::reference(layers, weights, &x.reshape([-1, inputs]), &pass, 0)
    }

    pub(super) fn net(&self, role: Role, x: &Tensor) -> Tensor {
        self.with(role, self.layers(role), self.weights(role), x)
    }

    /// The input of the last layer of a player.
    pub(super) fn features(&self, role: Role, x: &Tensor) -> Tensor {
        let layers = self.layers(role);
        self.with(role, &layers[..layers.len() - 1], self.weights(role), x)
    }

    /// Random numbers of this member, `[rows, columns]`.
    pub(super) fn random(&self, purpose: Purpose, index: u64, shape: [i64; 2]) -> Tensor {
        self.random_of_lane((purpose, 0), index, shape)
    }

    pub(super) fn random_of_lane(
        &self,
        (purpose, lane): (Purpose, u16),
        index: u64,
        [rows, columns]: [i64; 2],
    ) -> Tensor {
        let (stream, mut out) =
            (Stream::lane(self.seed, purpose, lane, index), vec![0.0f32; (rows * columns) as usize]);
        match purpose {
            Purpose::Penalty => stream.fill_uniform(&mut out),
            _ => stream.fill_normal(&mut out),
        }
        Tensor::from_slice(&out).view([rows, columns]).to_kind(Kind::Double)
    }

    fn samples(&self) -> [i64; 2] {
        [self.blueprint.train.batch.into(), 2]
    }

    /// Each of the players takes a step down its own gradient: at once, or together with the generator's step if they
    /// are simultaneous.
    pub(super) fn descend(&mut self, loss: &Tensor, movers: &[Role]) {
        let loss = &(loss + self.beside(movers));
        self.moves.push((movers.to_vec(), loss.double_value(&[])));
        let moved = self.players.iter().filter(|(role, ..)| movers.contains(role));
        let leaves: Vec<&Tensor> = moved.flat_map(|(.., weights)| weights.iter().map(|(_, leaf)| leaf)).collect();
        let mut gradients = Tensor::run_backward(&[loss], &leaves, true, false).into_iter();
        let (of_g, of_d) = (self.parameter("lr_generator"), self.parameter("lr_discriminator"));
        for (role, _, weights) in self.players.iter().filter(|(role, ..)| movers.contains(role)) {
            let rate = if matches!(role, Role::Generator | Role::Encoder) { of_g } else { of_d };
            let stepped = weights.iter().map(|(name, leaf)| {
                let gradient = gradients.next().unwrap();
                let leaf = if gradient.defined() { leaf.detach() - gradient * rate } else { leaf.detach() };
                (name.clone(), leaf.set_requires_grad(true))
            });
            self.waiting.push((*role, stepped.collect()));
        }
        let rounds = self.made.iter().filter(|made| **made == movers[0]).count() + 1;
        self.made.extend(movers);
        let last = rounds == self.blueprint.train.d_steps as usize;
        if movers.contains(&G) || !last || self.blueprint.train.moves == Moves::Alternating {
            self.catch_up();
        }
        if movers.contains(&G) {
            self.seen.push(self.weights(G).iter().flat_map(|(_, weights)| to_f64(weights)).collect());
        }
    }

    /// Moves the waiting players.
    fn catch_up(&mut self) {
        for (role, stepped) in std::mem::take(&mut self.waiting) {
            self.players.iter_mut().find(|(own, ..)| *own == role).unwrap().2 = stepped;
        }
    }

    /// The weights of a player after its steps.
    pub(super) fn stepped(&mut self, role: Role) -> &mut Weights {
        match self.waiting.iter().position(|(own, _)| *own == role) {
            Some(at) => &mut self.waiting[at].1,
            None => &mut self.players.iter_mut().find(|(own, ..)| *own == role).unwrap().2,
        }
    }

    /// The batches of one step: for each round of the discriminators, then for each of the generator.
    fn rounds(&mut self) -> (Vec<Round>, Vec<Round>) {
        let Train { d_steps, g_steps, fresh_noise, .. } = self.blueprint.train;
        let rounds: Vec<Round> = (0..d_steps).map(|_| self.round(1)).collect();
        // The real samples of the last round, and fresh noise or that of the last round.
        let answer = |_| match (self.round(0), rounds.last()) {
            (_, Some((x, z, draw))) if !fresh_noise => (x.shallow_clone(), z.shallow_clone(), *draw),
            (fresh, _) => fresh,
        };
        let answers = (0..g_steps).map(answer).collect();
        let again = |rounds: &Vec<Round>| {
            rounds.iter().map(|(x, z, draw)| (x.shallow_clone(), z.shallow_clone(), *draw)).collect()
        };
        self.turns = [again(&rounds), again(&answers)];
        (rounds, answers)
    }

    /// The next batch of noise and, if `another`, the next of real samples.
    pub(super) fn round(&mut self, another: u64) -> Round {
        let [data, noise] = &mut self.used;
        (*data, *noise) = (*data + another, *noise + 1);
        let [data, draw] = self.used.map(|used| used - 1);
        (self.random(Purpose::Data, data, self.samples()), self.random(Purpose::Noise, draw, self.samples()), draw)
    }

    pub(super) fn packed(&self, x: &Tensor) -> Tensor {
        x.reshape([-1, 2 * i64::from(self.blueprint.model.pack)])
    }

    /// The logits of real samples with their codes, and of generated samples with their noise.
    pub(super) fn joint(&self, x: &Tensor, z: &Tensor, draw: u64) -> [Tensor; 2] {
        self.pairs(x, z, draw).map(|pairs| self.net(D, &pairs))
    }

    /// Real samples with their codes, and generated samples with their noise.
    pub(super) fn pairs(&self, x: &Tensor, z: &Tensor, draw: u64) -> [Tensor; 2] {
        let moments = self.net(E, x);
        let noise = self.random(Purpose::Inner, draw, self.samples());
        let code = moments.narrow(1, 0, 2) + (moments.narrow(1, 2, 2) / 2.0).exp() * noise;
        let both = |x: &Tensor, z: &Tensor| Tensor::cat(&[self.packed(x), self.packed(z)], 1);
        [both(x, &code), both(&self.net(G, z), z)]
    }

    /// One step.
    pub(super) fn step(&mut self, t: u64) {
        self.made.clear();
        self.play(t);
        self.catch_up();
    }

    fn play(&mut self, t: u64) {
        let mean = |x: Tensor| x.mean(Kind::Double);
        // E log D, E log(1 − D) and E log of a softplus head.
        let log = |d: &Tensor| mean(d.sigmoid().log());
        let log_not = |d: &Tensor| mean((d.sigmoid() * -1.0 + 1.0).log());
        let log_softplus = |d: &Tensor| mean(d.softplus().log());
        let softplus = |d: &Tensor| mean(d.softplus());
        let objective = self.blueprint.objective;
        let (rounds, answers) = self.rounds();
        if let Some(written) = self.written.take() {
            self.play_written(&written, rounds, answers);
            self.written = Some(written);
            return;
        }
        match objective {
            Objective::Gan { .. } | Objective::BGAN | Objective::DRAGAN => {
                for (x, z, draw) in rounds {
                    let fake = self.net(G, &z);
                    let ascended = log(&self.net(D, &x)) + log_not(&self.net(D, &fake));
                    self.descend(&(self.penalty(&x, &fake, draw) - ascended), &[D]);
                }
                for (_, z, _) in answers {
                    let d = self.net(D, &self.net(G, &z));
                    let loss = match objective {
                        Objective::Gan { saturating: true } => log_not(&d),
                        Objective::BGAN => mean((d.sigmoid().log() - (d.sigmoid() * -1.0 + 1.0).log()).square()) / 2.0,
                        _ => -log(&d),
                    };
                    self.descend(&loss, &[G]);
                }
            }
            Objective::D2GAN | Objective::D2ganDfm => {
                let (alpha, beta) = (self.parameter("alpha"), self.parameter("beta"));
                for (x, z, draw) in rounds {
                    let fake = self.net(G, &z);
                    let j = log_softplus(&self.net(D, &x)) * alpha
                        - softplus(&self.net(D, &fake))
                        - softplus(&self.net(D2, &x))
                        + log_softplus(&self.net(D2, &fake)) * beta;
                    self.descend(&-j, &[D, D2]);
                    if objective == Objective::D2ganDfm {
                        self.denoise(&x, draw);
                    }
                }
                for (_, z, _) in answers {
                    let fake = self.net(G, &z);
                    let j = log_softplus(&self.net(D2, &fake)) * beta - softplus(&self.net(D, &fake));
                    let loss = if objective == Objective::D2ganDfm { j + self.denoised(&fake) } else { j };
                    self.descend(&loss, &[G]);
                }
            }
            Objective::LSGAN | Objective::HINGE | Objective::RPGAN | Objective::RAGAN => {
                let moves =
                    rounds.into_iter().map(|round| (round, D)).chain(answers.into_iter().map(|round| (round, G)));
                for ((x, z, _), mover) in moves {
                    let [d, g] =
                        of_pairs(objective, self.parameter("margin"), &self.net(D, &x), &self.net(D, &self.net(G, &z)));
                    self.descend(if mover == D { &d } else { &g }, &[mover]);
                }
            }
            Objective::WGAN | Objective::WGAN_GP | Objective::WGAN_DIV => {
                for (x, z, draw) in rounds {
                    let fake = self.net(G, &z);
                    let loss = mean(self.net(D, &fake)) - mean(self.net(D, &x)) + self.penalty(&x, &fake, draw);
                    self.descend(&loss, &[D]);
                    if objective == Objective::WGAN {
                        let c = self.parameter("clip");
                        for (_, leaf) in self.stepped(D) {
                            *leaf = leaf.detach().clamp(-c, c).set_requires_grad(true);
                        }
                    }
                }
                for (_, z, _) in answers {
                    self.descend(&-mean(self.net(D, &self.net(G, &z))), &[G]);
                }
            }
            Objective::Unrolled { steps } => {
                for (x, z, _) in rounds {
                    let f = log(&self.net(D, &x)) + log_not(&self.net(D, &self.net(G, &z)));
                    self.descend(&-f, &[D]);
                }
                for (x, z, draw) in answers {
                    // Equations 7 to 10: every look-ahead step stays in the graph.
                    let fake = self.net(G, &z);
                    let layers = self.layers(D).to_vec();
                    let mut ahead: Weights =
                        self.weights(D).iter().map(|(name, leaf)| (name.clone(), leaf.shallow_clone())).collect();
                    let f = |ahead: &[(String, Tensor)]| {
                        log(&self.with(D, &layers, ahead, &x)) + log_not(&self.with(D, &layers, ahead, &fake))
                    };
                    // Moves so far; the look-ahead moves are the next ones.
                    let made = self.used[0] as usize;
                    for next in made..made + steps as usize {
                        let now: Vec<&Tensor> = ahead.iter().map(|(_, weight)| weight).collect();
                        let shown = [&x, &fake].map(|samples| self.packed(samples));
                        let judge = |x: &Tensor| self.with(D, &layers, &ahead, x);
                        let penalties = self.penalties_of(shown, next, draw, &judge);
                        let slopes = Tensor::run_backward(&[f(&ahead) - penalties], &now, true, true);
                        for ((_, weight), slope) in ahead.iter_mut().zip(slopes) {
                            *weight = &*weight + slope * self.parameter("lr_discriminator");
                        }
                    }
                    let loss = f(&ahead);
                    self.descend(&loss, &[G]);
                }
            }
            Objective::RegGan => {
                for (x, z, _) in rounds {
                    let ascended = log(&self.net(D, &x)) + log_not(&self.net(D, &self.net(G, &z)));
                    self.descend(&-ascended, &[D]);
                }
                for (x, z, _) in answers {
                    let again = self.net(G, &self.net(E, &x));
                    let loss = apart(&x, &again) * self.parameter("reconstruction")
                        - log(&self.net(D, &again)) * self.parameter("mode_weight")
                        - log(&self.net(D, &self.net(G, &z)));
                    self.descend(&loss, &[G, E]);
                }
            }
            Objective::Mdgan => {
                // Manifold step.
                for (x, ..) in &rounds {
                    let again = self.net(G, &self.net(E, x));
                    self.descend(&-(log(&self.net(D, x)) + log_not(&self.net(D, &again))), &[D]);
                }
                for (x, ..) in &answers {
                    let again = self.net(G, &self.net(E, x));
                    let loss = apart(x, &again) * self.parameter("reconstruction")
                        - log(&self.net(D, &again)) * self.parameter("mode_weight");
                    self.descend(&loss, &[G, E]);
                }
                // Diffusion step.
                for (x, z, _) in &rounds {
                    let again = self.net(G, &self.net(E, x));
                    self.descend(&-(log(&self.net(D2, &again)) + log_not(&self.net(D2, &self.net(G, z)))), &[D2]);
                }
                for (_, z, _) in &answers {
                    self.descend(&-log(&self.net(D2, &self.net(G, z))), &[G]);
                }
            }
            Objective::Dfm => {
                for (x, z, draw) in rounds {
                    let ascended = log(&self.net(D, &x)) + log_not(&self.net(D, &self.net(G, &z)));
                    self.descend(&-ascended, &[D]);
                    self.denoise(&x, draw);
                }
                for (_, z, _) in answers {
                    let fake = self.net(G, &z);
                    let loss = self.denoised(&fake) - log(&self.net(D, &fake));
                    self.descend(&loss, &[G]);
                }
            }
            Objective::ImprovedGan { feature_matching } => {
                for (x, z, _) in rounds {
                    let ascended = log(&self.net(D, &x)) + log_not(&self.net(D, &self.net(G, &z)));
                    self.descend(&-ascended, &[D]);
                }
                for (x, z, _) in answers {
                    let fake = self.net(G, &z);
                    let means = |v: &Tensor| self.features(D, v).mean_dim([0].as_slice(), false, None::<Kind>);
                    let loss = match feature_matching {
                        true => (means(&x) - means(&fake)).square().sum(Kind::Double),
                        false => -log(&self.net(D, &fake)),
                    };
                    self.descend(&loss, &[G]);
                }
            }
            Objective::Began => {
                let loss = |algorithm: &Algorithm, v: &Tensor| mean((algorithm.packed(v) - algorithm.net(D, v)).abs());
                let mut of_real = f64::NAN;
                for (x, z, _) in rounds {
                    let (real, fake) = (loss(self, &x), loss(self, &self.net(G, &z)));
                    of_real = real.double_value(&[]);
                    self.descend(&(real - fake * self.k), &[D]);
                }
                let mut of_fake = f64::NAN;
                for (_, z, _) in answers {
                    let fake = loss(self, &self.net(G, &z));
                    self.descend(&fake, &[G]);
                    of_fake = fake.double_value(&[]);
                }
                let balance = self.parameter("diversity_ratio") * of_real - of_fake;
                self.k = (self.k + self.parameter("balance_rate") * balance).clamp(0.0, 1.0);
            }
            // Here an epoch has one step.
            Objective::Magan { .. } => {
                let count = rounds.len() as f64;
                let mut of_real = 0.0;
                for (x, z, _) in rounds {
                    let real = mean(self.energies(&x));
                    of_real += real.double_value(&[]) / count;
                    let loss = match t {
                        0 | 1 => real,
                        _ => real + mean((self.energies(&self.net(G, &z)) * -1.0 + self.margin).clamp_min(0.0)),
                    };
                    self.descend(&loss, &[D]);
                }
                if t < 2 {
                    self.margin = of_real;
                    return;
                }
                let mut of_fake = 0.0;
                let count = answers.len() as f64;
                for (_, z, _) in answers {
                    let loss = mean(self.energies(&self.net(G, &z)));
                    self.descend(&loss, &[G]);
                    of_fake += loss.double_value(&[]) / count;
                }
                if of_real < self.margin && of_real < of_fake && self.before < of_fake {
                    self.margin = of_real;
                }
                self.before = of_fake;
            }
            Objective::Ali => {
                for (x, z, draw) in rounds {
                    let [encoded, generated] = self.joint(&x, &z, draw);
                    self.descend(&-(log(&encoded) + log_not(&generated)), &[D]);
                }
                for (x, z, draw) in answers {
                    let [encoded, generated] = self.joint(&x, &z, draw);
                    self.descend(&-(log_not(&encoded) + log(&generated)), &[G, E]);
                }
            }
            Objective::Veegan => {
                for (x, z, draw) in rounds {
                    let [of_data, of_noise] = self.shown(D, &x, &z, draw).map(|pairs| self.net(D, &pairs));
                    self.descend(&-(log(&of_noise) + log_not(&of_data)), &[D]);
                }
                for (_, z, _) in answers {
                    let fake = self.net(G, &z);
                    let d = self.net(D, &Tensor::cat(&[self.packed(&fake), self.packed(&z)], 1));
                    let lost = apart(&z, &self.net(E, &fake)) * self.parameter("noise_reconstruction");
                    self.descend(&(mean(d) + lost), &[G, E]);
                }
            }
            Objective::Mgan { generators } => {
                let logit = |output: &Tensor| output.narrow(1, 0, 1);
                for (x, z, _) in rounds {
                    let (real, fake) = (self.net(D, &x), self.net(D, &self.net(G, &z)));
                    let ascended = log(&logit(&real)) + log_not(&logit(&fake));
                    self.descend(&(self.origin(&fake, generators) - ascended), &[D]);
                }
                for (_, z, _) in answers {
                    let fake = self.net(D, &self.net(G, &z));
                    self.descend(&(self.origin(&fake, generators) - log(&logit(&fake))), &[G]);
                }
            }
            Objective::Formula(_) | Objective::Game(_) => unreachable!("no paper's, or left out above"),
        }
    }
}

/// E ‖aₙ − bₙ‖².
pub(super) fn apart(a: &Tensor, b: &Tensor) -> Tensor {
    (a - b).square().sum_dim_intlist([1].as_slice(), false, None::<Kind>).mean(Kind::Double)
}
