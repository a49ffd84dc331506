//! What a blueprint costs: parameters, floating-point operations and bytes of one member.

use super::arch::Layer;
use super::blueprint::{BuiltIn, Optimizer};
use super::objective::{Objective, Rules};
use super::penalty::{At, Penalty};

/// Passes of a penalty through a discriminator: forward, back to its input, and through both of these.
const PENALTY: u64 = 6;

impl BuiltIn {
    /// Each network of one member, with its optimiser and how often it is updated in a step.
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

    /// Trainable parameters of one member, all players together.
    pub fn parameters(&self) -> usize {
        self.networks().flat_map(|(layers, ..)| layers).map(Layer::parameters).sum()
    }

    /// Bytes of the float32 weights, gradients and moments of one member.
    pub fn state_bytes(&self) -> u64 {
        let bytes = |(layers, optimizer, _): (&[Layer], Optimizer, u64)| {
            layers.iter().map(|layer| layer.parameters() as u64).sum::<u64>() * (2 + optimizer.moments()) * 4
        };
        self.networks().map(bytes).sum()
    }

    /// Bytes of what is kept of one member to go on from: float32 weights and moments.
    pub fn kept_bytes(&self) -> u64 {
        let bytes = |(layers, optimizer, _): (&[Layer], Optimizer, u64)| {
            layers.iter().map(|layer| layer.parameters() as u64).sum::<u64>() * (1 + optimizer.moments()) * 4
        };
        self.networks().map(bytes).sum()
    }

    /// Bytes that one training step of one member must move at least, where its networks do not fit into a cache: every optimiser
    /// step reads a float32 weight, its gradient and its moments, and writes all of them. Activations, batches and the products'
    /// own reads of the weights are not counted.
    pub fn step_bytes(&self) -> u64 {
        let bytes = |(layers, optimizer, steps): (&[Layer], Optimizer, u64)| {
            let parameters: u64 = layers.iter().map(|layer| layer.parameters() as u64).sum();
            parameters * (2 + optimizer.moments()) * 2 * 4 * steps
        };
        self.networks().map(bytes).sum()
    }

    /// Floating-point operations of one training step of one member, products only: a forward pass costs one, a backward pass
    /// one for the weights and one for the input.
    pub fn step_flops(&self) -> u64 {
        self.of_a_step(Layer::flops)
    }

    /// Values that one training step of one member gathers under the kernels of convolutions, for the products of [`BuiltIn::step_flops`].
    pub fn step_patches(&self) -> u64 {
        self.of_a_step(Layer::patches)
    }

    /// What a training step of one member has of something that each product of one sample has `cost` of.
    fn of_a_step(&self, cost: fn(&Layer) -> u64) -> u64 {
        let sum = |layers: &[Layer]| layers.iter().map(cost).sum::<u64>();
        // The first product of a network needs no gradient of its input where that is data or noise.
        let first = |layers: &[Layer]| Layer::first_product(layers, cost);
        let pack = u64::from(self.model.pack);
        let (g, e, r) = (sum(&self.model.generator), sum(&self.model.encoder), sum(&self.model.denoiser));
        // Of a sample: a discriminator sees `pack` at a time.
        let d = sum(&self.model.discriminator) / pack;
        let learn_d = 3 * d - first(&self.model.discriminator) / pack;
        let learn_g = 3 * g - first(&self.model.generator);
        let all = self.objective.declares().discriminators as u64;
        // A real and a generated batch; then a generated one.
        let (plain_d, plain_g) = (g + all * 2 * learn_d, learn_g + all * 2 * d);
        let (d_step, g_step) = match self.objective {
            Objective::Gan { .. }
            | Objective::Game(_)
            | Objective::Formula(_)
            | Objective::Began
            | Objective::Magan { .. }
            | Objective::Mgan { .. } => (plain_d, plain_g),
            // Each move ahead is a step, and is gone back through.
            Objective::Unrolled { steps } => (plain_d, learn_g + 2 * d * (3 + 9 * u64::from(steps))),
            Objective::RegGan => (plain_d, plain_g + 3 * (g + e) + 2 * d),
            // Two games of a discriminator each: with codes, and with codes and noise.
            Objective::Mdgan => (2 * e + 3 * g + 4 * learn_d, 3 * (g + e) + learn_g + 4 * d),
            Objective::Dfm | Objective::D2ganDfm => (plain_d + d + 3 * r, plain_g + r),
            Objective::ImprovedGan { feature_matching } => (plain_d, plain_g + if feature_matching { d } else { 0 }),
            Objective::Ali => (plain_d + e, learn_g + 3 * e + 4 * d),
            // The generator's loss has no real samples.
            Objective::Veegan => (plain_d + e, learn_g + 3 * e + 2 * d),
        };
        // A pass over each point where slopes are looked at, in as many moves as have it.
        let batches = |penalty: &Penalty| if penalty.at == At::Both { 2 } else { 1 };
        let penalties: u64 =
            self.penalties().map(|penalty| all * PENALTY * d * batches(penalty) / u64::from(penalty.every)).sum();
        // The generator's loss may look at real samples.
        let sees_real = self.objective.rules().is_some_and(Rules::generator_sees_real);
        let g_step = g_step + if sees_real { all * d } else { 0 };
        // Each move ahead has the penalties, too, and the generator's gradient goes back through it.
        let g_step = g_step + 3 * u64::from(self.objective.ahead()) * penalties;
        let (d_steps, g_steps) = (u64::from(self.train.d_steps), u64::from(self.train.g_steps));
        u64::from(self.train.batch) * (d_steps * (d_step + penalties) + g_steps * g_step)
    }

    /// Passes of players in a step between which autograd is asked for gradients: each has a time of its own beside its products.
    pub fn traced_passes(&self) -> u64 {
        // In each of the discriminators' moves, and in each of the generator's.
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

    /// Differences of two numbers in a step of minibatch discrimination, there and back.
    pub fn comparisons(&self) -> u64 {
        let rows = u64::from(self.train.batch / self.model.pack);
        let each = |layer: &Layer| match *layer {
            Layer::MinibatchDiscrimination { kernels, dims, .. } => u64::from(kernels) * u64::from(dims),
            _ => 0,
        };
        let numbers: u64 = self.model.discriminator.iter().map(each).sum();
        // A real and a generated batch in each of the discriminator's moves, then a generated one in each of the generator's.
        2 * rows * rows * numbers * (2 * u64::from(self.train.d_steps) + u64::from(self.train.g_steps))
    }
}
