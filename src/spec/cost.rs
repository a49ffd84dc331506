//! What a blueprint costs: parameters, floating-point operations and bytes of one member.

use super::arch::Layer;
use super::blueprint::{BuiltIn, Optimizer};
use super::objective::{Objective, Rules};
use super::penalty::{At, Penalty};

/// Discriminator passes that a penalty costs: forward, back to the input, and backward through both.
const PENALTY: u64 = 6;

impl BuiltIn {
    /// Returns each network of one member with its optimiser and its number of updates per step.
    fn networks(&self) -> impl Iterator<Item = (&[Layer], Optimizer, u64)> {
        let (model, train) = (&self.model, &self.train);
        let (d_steps, g_steps) = (u64::from(train.d_steps), u64::from(train.g_steps));
        let discriminators = (0..self.objective.declares().discriminators)
            .map(move |_| (model.discriminator.as_slice(), train.discriminator, d_steps));
        [
            (model.generator.as_slice(), train.generator, g_steps),
            (model.encoder.as_slice(), train.generator, g_steps),
            (model.denoiser.as_slice(), train.discriminator, d_steps),
        ]
        .into_iter()
        .chain(discriminators)
    }

    /// Returns the number of trainable parameters of one member, over all players.
    pub fn parameters(&self) -> usize {
        self.networks().flat_map(|(layers, ..)| layers).map(Layer::parameters).sum()
    }

    /// Returns the bytes of one member's float32 weights, gradients and moments.
    pub fn state_bytes(&self) -> u64 {
        let bytes = |(layers, optimizer, _): (&[Layer], Optimizer, u64)| {
            layers.iter().map(|layer| layer.parameters() as u64).sum::<u64>() * (2 + optimizer.moments()) * 4
        };
        self.networks().map(bytes).sum()
    }

    /// Returns the bytes of one member's checkpoint: float32 weights and moments.
    pub fn kept_bytes(&self) -> u64 {
        let bytes = |(layers, optimizer, _): (&[Layer], Optimizer, u64)| {
            layers.iter().map(|layer| layer.parameters() as u64).sum::<u64>() * (1 + optimizer.moments()) * 4
        };
        self.networks().map(bytes).sum()
    }

    /// Returns the least bytes that one training step of one member moves if its networks do not fit into a cache. Each
    /// optimiser step reads a float32 weight, its gradient and its moments, and writes all of them. Activations,
    /// batches and the weights that matrix products read are not counted.
    pub fn step_bytes(&self) -> u64 {
        let bytes = |(layers, optimizer, steps): (&[Layer], Optimizer, u64)| {
            let parameters: u64 = layers.iter().map(|layer| layer.parameters() as u64).sum();
            parameters * (2 + optimizer.moments()) * 2 * 4 * steps
        };
        self.networks().map(bytes).sum()
    }

    /// Returns the floating-point operations of one training step of one member. Only products count: one for a forward
    /// pass, and one each for the weights and the input in a backward pass.
    pub fn step_flops(&self) -> u64 {
        self.of_a_step(Layer::flops)
    }

    /// Returns how many values one training step of one member gathers under convolution kernels, for the products that
    /// [`BuiltIn::step_flops`] counts.
    pub fn step_patches(&self) -> u64 {
        self.of_a_step(Layer::patches)
    }

    /// Returns the total of `cost` over one training step of one member, where `cost` is per layer and sample.
    fn of_a_step(&self, cost: fn(&Layer) -> u64) -> u64 {
        let sum = |layers: &[Layer]| layers.iter().map(cost).sum::<u64>();
        // The first product of a network needs no gradient of its input if that input is data or noise.
        let first = |layers: &[Layer]| Layer::first_product(layers, cost);
        let pack = u64::from(self.model.pack);
        let (g, e, r) = (sum(&self.model.generator), sum(&self.model.encoder), sum(&self.model.denoiser));
        // Per sample: a discriminator gets `pack` samples at a time.
        let d = sum(&self.model.discriminator) / pack;
        let learn_d = 3 * d - first(&self.model.discriminator) / pack;
        let learn_g = 3 * g - first(&self.model.generator);
        let all = self.objective.declares().discriminators as u64;
        // The discriminator's move has a real and a generated batch, the generator's move a generated one.
        let (plain_d, plain_g) = (g + all * 2 * learn_d, learn_g + all * 2 * d);
        let (d_step, g_step) = match self.objective {
            Objective::Gan { .. }
            | Objective::Game(_)
            | Objective::Formula(_)
            | Objective::Began
            | Objective::Magan { .. }
            | Objective::Mgan { .. } => (plain_d, plain_g),
            // Each unrolled move is a step, and gradients flow back through it.
            Objective::Unrolled { steps } => (plain_d, learn_g + 2 * d * (3 + 9 * u64::from(steps))),
            Objective::RegGan => (plain_d, plain_g + 3 * (g + e) + 2 * d),
            // Two games with one discriminator each: one on codes, one on codes and noise.
            Objective::Mdgan => (2 * e + 3 * g + 4 * learn_d, 3 * (g + e) + learn_g + 4 * d),
            Objective::Dfm | Objective::D2ganDfm => (plain_d + d + 3 * r, plain_g + r),
            Objective::ImprovedGan { feature_matching } => (plain_d, plain_g + if feature_matching { d } else { 0 }),
            Objective::Ali => (plain_d + e, learn_g + 3 * e + 4 * d),
            // The generator's loss has no term for real samples.
            Objective::Veegan => (plain_d + e, learn_g + 3 * e + 2 * d),
        };
        // One penalty pass for each kind of point at which gradients are penalised, in each move that has the penalty.
        let batches = |penalty: &Penalty| if penalty.at == At::Both { 2 } else { 1 };
        let penalties: u64 =
            self.penalties().map(|penalty| all * PENALTY * d * batches(penalty) / u64::from(penalty.every)).sum();
        // The generator's loss may include real samples.
        let uses_real = self.objective.rules().is_some_and(Rules::generator_uses_real);
        let g_step = g_step + if uses_real { all * d } else { 0 };
        // Unrolled moves have the penalties too, and the generator's gradient flows back through them.
        let g_step = g_step + 3 * u64::from(self.objective.ahead()) * penalties;
        let (d_steps, g_steps) = (u64::from(self.train.d_steps), u64::from(self.train.g_steps));
        u64::from(self.train.batch) * (d_steps * (d_step + penalties) + g_steps * g_step)
    }

    /// Returns how many player passes in a step are separated by a gradient request to autograd. Each such pass costs
    /// time of its own in addition to its products.
    pub fn traced_passes(&self) -> u64 {
        // Per discriminator move and per generator move.
        let (d, g) = match self.objective {
            Objective::Gan { .. } | Objective::Game(_) | Objective::Formula(_) => (0, 0),
            Objective::Unrolled { steps } => (0, 2 + 2 * u64::from(steps)),
            Objective::RegGan => (0, 3),
            Objective::Mdgan => (6, 5),
            Objective::Dfm => (2, 3),
            Objective::D2ganDfm => (2, 4),
            Objective::ImprovedGan { feature_matching } => (0, if feature_matching { 2 } else { 0 }),
            Objective::Began | Objective::Magan { .. } | Objective::Mgan { .. } => (2, 2),
            Objective::Ali | Objective::Veegan => (3, 3),
        };
        let d_steps = u64::from(self.train.d_steps);
        let all = self.objective.declares().discriminators as u64;
        let penalties = |moves: u64| -> u64 {
            self.penalties().map(|penalty| (2 * all * moves).div_ceil(u64::from(penalty.every))).sum()
        };
        let g_steps = u64::from(self.train.g_steps);
        d_steps * d + g_steps * g + penalties(d_steps + g_steps * u64::from(self.objective.ahead()))
    }

    /// Returns the number of pairwise differences that minibatch discrimination computes in a step, forward and
    /// backward.
    pub fn comparisons(&self) -> u64 {
        let rows = u64::from(self.train.batch / self.model.pack);
        let each = |layer: &Layer| match *layer {
            Layer::MinibatchDiscrimination { kernels, dims, .. } => u64::from(kernels) * u64::from(dims),
            _ => 0,
        };
        let numbers: u64 = self.model.discriminator.iter().map(each).sum();
        // Each discriminator move has a real and a generated batch, each generator move a generated one.
        2 * rows * rows * numbers * (2 * u64::from(self.train.d_steps) + u64::from(self.train.g_steps))
    }
}
