//! Moves with losses on any output of players. An objective calls players one after another, as in its paper, and
//! writes its loss with libtorch's operations. Autograd computes the gradients between the players' calls, and each
//! player's explicit backward pass computes its own.

use tch::{Kind, Tensor};

use super::game::{Game, Role, Round};
use super::loss::{Column, Logits, Loss, PerMember, Terms};
use super::nn::{Need, Pass};
use super::penalty;
use sweep_numerics::random::{Purpose, Stream};
use sweep_tensor::transfer::{self, upload};

/// The course of one move. All tensors are `[K, N, ..]`, with K = 1 if members are not computed at once.
pub struct Play<'a> {
    game: &'a mut Game,
    round: Round,
    calls: Vec<Call>,
    /// The generator's noise and the samples it made.
    made: Option<[Tensor; 2]>,
}

/// One player's pass over some batches.
struct Call {
    role: Role,
    /// Number of the player's pass in this move.
    number: usize,
    /// Number of batches.
    batches: usize,
    input: Tensor,
    /// Leaves for autograd: the output, and the input of the last layer.
    leaves: [Tensor; 2],
}

/// The input of a generator, `[K, N, noise]`.
#[derive(Clone, Copy)]
pub enum Latent<'a> {
    /// Noise, as in evaluation: running statistics of batch normalisation follow it.
    Noise(&'a Tensor),
    /// An encoder's codes, which have another distribution: normalised like any batch, but running statistics don't
    /// follow them.
    Code(&'a Tensor),
}

/// A discriminator's output for a batch.
pub struct Opinion {
    /// Its output, `[K, rows, outputs]`; a row is a pack of samples.
    pub output: Tensor,
    /// The input of its last layer, `[K, rows, features]`.
    pub features: Tensor,
}

impl Game {
    /// Makes one move.
    pub fn play<T>(&mut self, round: Round, moves: impl FnOnce(&mut Play) -> T) -> T {
        tch::with_grad(|| moves(&mut Play { game: self, round, calls: Vec::new(), made: None }))
    }
}

impl Play<'_> {
    /// The real samples of this round, `[K, N, features]`.
    pub fn real(&mut self) -> Tensor {
        self.game.draw_real(self.round.batch);
        let packs = self.game.x.narrow(-2, 0, self.game.rows);
        self.lift(&self.game.unpacked(&packs)).copy()
    }

    /// The noise of this round, `[K, N, noise]`.
    pub fn noise(&mut self) -> Tensor {
        self.game.draw_noise(self.round.draw);
        self.lift(&self.game.z).copy()
    }

    /// Standard normal numbers, separate for each member, in the shape of `x` `[K, ..]`; `lane` separates them from
    /// others in this move.
    pub fn normal_like(&self, x: &Tensor, lane: u16) -> Tensor {
        let (seeds, draw, each) = (&self.game.seeds, self.round.draw, x.numel() / self.game.seeds.len());
        let fill = |k: usize, out: &mut [f32]| Stream::lane(seeds[k], Purpose::Inner, lane, draw).fill_normal(out);
        transfer::members(seeds.len(), each, (x.kind(), x.device()), fill).view(x.size().as_slice())
    }

    /// One number per member, to combine with `[K]`.
    pub fn column(&self, column: &Column) -> Tensor {
        let members = column.0.len() as i64;
        upload(&column.0, &[members], (self.game.setup.kind, self.game.setup.device))
    }

    /// A number that each member has in addition to its networks, `[K]`.
    pub fn kept(&mut self, name: &str) -> &mut Tensor {
        self.game.kept(name)
    }

    /// Returns the generator's samples for each batch of noise or codes.
    pub fn generator<const B: usize>(&mut self, batches: [Latent; B]) -> [Tensor; B] {
        let is_code = |&group: &i64| matches!(batches[group as usize], Latent::Code(_));
        let codes: Vec<i64> = (0..B as i64).filter(is_code).collect();
        let noise = batches.iter().position(|batch| matches!(batch, Latent::Noise(_)));
        let batches = batches.map(|(Latent::Noise(batch) | Latent::Code(batch))| batch);
        let made = self.call(Role::Generator, batches, &codes).map(|opinion| opinion.output);
        self.made = noise.map(|at| [batches[at], &made[at]].map(Tensor::shallow_clone)).or(self.made.take());
        made
    }

    /// Returns the encoder's output for a batch of samples.
    pub fn encoder(&mut self, x: &Tensor) -> Tensor {
        let [code] = self.call(Role::Encoder, [x], &[]);
        code.output
    }

    /// Returns the denoiser's output for a batch of features.
    pub fn denoiser(&mut self, x: &Tensor) -> Tensor {
        let [clean] = self.call(Role::Denoiser, [x], &[]);
        clean.output
    }

    /// Returns the output of discriminator `i` for some batches of samples, which are packed first. A discriminator
    /// that moves needs two batches: first those it should take as real, then those it should take as generated.
    pub fn discriminator<const B: usize>(&mut self, i: usize, batches: [&Tensor; B]) -> [Opinion; B] {
        let packed = batches.map(|batch| self.pack(batch));
        self.call(Role::Discriminator(i), packed.each_ref(), &[])
    }

    /// The same for samples and their codes, `(x, z)`.
    pub fn joint_discriminator<const B: usize>(&mut self, i: usize, batches: [(&Tensor, &Tensor); B]) -> [Tensor; B] {
        let packed = batches.map(|(x, z)| Tensor::cat(&[self.pack(x), self.pack(z)], -1));
        self.call(Role::Discriminator(i), packed.each_ref(), &[]).map(|opinion| opinion.output)
    }

    /// Packs samples for a discriminator, `[K, rows, pack · features]`.
    pub fn pack(&self, x: &Tensor) -> Tensor {
        self.game.packed(x)
    }

    /// Records the output of discriminator `i` for real and generated samples, `[K, ..]` each, if this step's losses
    /// are recorded.
    pub fn note(&mut self, i: usize, real: Option<&Tensor>, fake: Option<&Tensor>) {
        self.game.note(i, real, fake);
    }

    /// The value of `formula`, `[K]`, with the logits in `logits`, each `[K, N, 1]`.
    pub fn loss<const B: usize>(&self, logits: [&Tensor; B], formula: impl Fn([Logits; B]) -> Terms) -> Tensor {
        let flat = logits.map(|logits| logits.flatten(1, -1));
        Loss::from(formula(std::array::from_fn(|i| Logits::of(i, 0)))).traced(&flat, 1)
    }

    /// Each player in `movers` descends its gradient of `loss`, `[K]`, discriminators with the game's penalties in
    /// addition; the others stay. Returns the loss.
    pub fn descend(&mut self, loss: &Tensor, movers: &[Role]) -> PerMember {
        let sought = if movers.contains(&Role::Generator) { self.seek() } else { None };
        let loss = &sought.map_or_else(|| loss.shallow_clone(), |sought| loss + sought);
        let calls = std::mem::take(&mut self.calls);
        let leaves: Vec<&Tensor> = calls.iter().flat_map(|call| &call.leaves).collect();
        let mut grads = gradients(&loss.sum(loss.kind()), &leaves);
        let mut moved: Vec<Role> = Vec::new();
        for (i, call) in calls.iter().enumerate().rev() {
            let [dy, dfeatures] = [2 * i, 2 * i + 1].map(|leaf| grads[leaf].take());
            // Nothing before the first mover needs a gradient.
            let leads = calls[..i].iter().any(|earlier| movers.contains(&earlier.role));
            let need = Need { weights: movers.contains(&call.role), input: leads && call.input.requires_grad() };
            if (dy.is_none() && dfeatures.is_none()) || !(need.weights || need.input) {
                continue;
            }
            let dy = self.lower(&dy.unwrap_or_else(|| call.leaves[0].zeros_like()));
            let dfeatures = dfeatures.map(|more| self.lower(&more));
            let player = self.game.player(call.role);
            let before = moved.contains(&call.role).then(|| player.net.grads.copy());
            let tape = &mut player.tapes[call.number];
            let dx = player.net.backward_with_features(tape, dy, dfeatures.as_ref(), need);
            if need.weights {
                moved.push(call.role);
                if let Some(before) = before {
                    let _ = player.net.grads.g_add_(&before);
                }
            }
            if let (true, Some(dx)) = (need.input, dx) {
                let dx = self.lift(&dx).view(call.input.size().as_slice());
                let through = (&call.input * dx).sum(loss.kind());
                for (sum, more) in grads.iter_mut().zip(gradients(&through, &leaves[..2 * i])) {
                    *sum = match (sum.take(), more) {
                        (Some(sum), Some(more)) => Some(sum + more),
                        (sum, more) => sum.or(more),
                    };
                }
            }
        }
        let mut value = self.game.value(loss.detach());
        for &role in movers.iter().filter(|role| moved.contains(role)) {
            let discriminates = matches!(role, Role::Discriminator(_)) && !self.game.penalties.is_empty();
            for call in calls.iter().filter(|call| discriminates && call.role == role) {
                assert_eq!(call.batches, 2, "what it is shown as real, and as generated");
                value = value.plus(&self.penalise(role, &call.input));
            }
            self.game.descend(role);
        }
        value
    }

    /// The mode-seeking term of the generator's loss, `[K]`; `None` if it has none or made no samples of noise.
    fn seek(&mut self) -> Option<Tensor> {
        let [noise, made] = self.made.take().filter(|_| self.game.seeks)?;
        let second = self.lift(&self.game.second_noise(self.round.draw));
        let [other] = self.call(Role::Generator, [&second], &[0]).map(|opinion| opinion.output);
        Some(self.game.seeking([&noise, &second], [&made, &other]))
    }

    /// Adds the gradients of the game's penalties to those of a discriminator with the input `shown`, real rows above
    /// generated ones, `[K, 2N, F]`. Returns the penalties, `[K]`.
    fn penalise(&mut self, role: Role, shown: &Tensor) -> Tensor {
        let points = self.game.penalised_points(&self.lower(shown), self.round);
        let seeds = self.game.seeds.clone();
        let net = &mut self.game.player(role).net;
        let nothing = Tensor::zeros([net.members()], (net.grads.kind(), net.grads.device()));
        points.iter().fold(nothing, |sum, points| sum + penalty::add(net, points, self.round.draw, &seeds))
    }

    /// Runs one pass of a player over some batches, each normalised by itself. Running statistics don't follow the
    /// `untracked` ones.
    fn call<const B: usize>(&mut self, role: Role, batches: [&Tensor; B], untracked: &[i64]) -> [Opinion; B] {
        let number = self.calls.iter().filter(|call| call.role == role).count();
        let input = if B == 1 { batches[0].shallow_clone() } else { Tensor::cat(&batches, -2) };
        let x = self.lower(&input);
        // Each pass has its own dropout masks.
        let draw = self.round.draw | (number as u64) << 48;
        let seeds = self.game.seeds.clone();
        let pass = Pass { training: true, groups: B as i64, untracked, draw, seeds: &seeds };
        let player = self.game.player(role);
        if player.tapes.len() <= number {
            player.tapes.resize_with(number + 1, Default::default);
        }
        let (y, features) = player.net.forward_with_features(&x, &pass, &mut player.tapes[number]);
        let leaves = [y, features].map(|tensor| self.lift(&tensor).detach().set_requires_grad(true));
        let rows = batches.map(|batch| batch.size()[1]);
        let mut first = 0;
        let opinions = rows.map(|rows| {
            let [output, features] = leaves.each_ref().map(|leaf| leaf.narrow(1, first, rows));
            first += rows;
            Opinion { output, features }
        });
        self.calls.push(Call { role, number, batches: B, input, leaves });
        opinions
    }

    /// Converts `[K, N, F]` to the input of a network: without a graph, in its own memory.
    fn lower(&self, x: &Tensor) -> Tensor {
        let x = x.detach().contiguous().copy();
        if self.game.setup.fused { x } else { x.squeeze_dim(0) }
    }

    /// Converts the output of a network to `[K, N, F]`.
    fn lift(&self, x: &Tensor) -> Tensor {
        if self.game.setup.fused { x.shallow_clone() } else { x.unsqueeze(0) }
    }
}

/// The mean over all dimensions except the members: `[K]`, from `[K, ..]` or `[K]`.
pub fn mean(x: &Tensor) -> Tensor {
    x.reshape([x.size()[0], -1]).mean_dim([-1].as_slice(), false, None::<Kind>)
}

/// E ‖aₙ − bₙ‖² over the samples of each member, `[K]`, from `[K, N, F]`.
pub fn squared_distance(a: &Tensor, b: &Tensor) -> Tensor {
    mean(&(a - b).square().sum_dim_intlist([-1].as_slice(), false, None::<Kind>))
}

/// The gradients of `of` with respect to `leaves`; `None` for leaves that it does not depend on.
fn gradients(of: &Tensor, leaves: &[&Tensor]) -> Vec<Option<Tensor>> {
    let grads = Tensor::run_backward(&[of], leaves, true, false);
    grads.into_iter().map(|grad| grad.defined().then_some(grad)).collect()
}
