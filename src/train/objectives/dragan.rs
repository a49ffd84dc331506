//! Kodali et al., "On convergence and stability of GANs", 2017 (DRAGAN), section 2.3. D(x) = σ(d(x)).

use super::{Game, Losses};
use crate::loss::{mean, softplus};
use crate::penalty::{Penalty, Points};

/// One step: the discriminator moves as in the GAN of Goodfellow et al., with λ E (‖∇d(x + δ)‖ − 1)² in its loss; then the generator, with
/// fresh noise, ascends E log D(G(z)).
///
/// The paper's equation (1) has δ ~ N(0, cI). This is the noise of the authors' code, which goes with the spread of the data:
/// δ = ½ std u, u ~ U[0, 1) for each number, std that of the whole batch. (Their code scales δ by one more number from U[0, 1) for each
/// sample.)
pub fn step(game: &mut Game, t: u64) -> Losses {
    let lambda = game.parameter("gradient_penalty");
    let discriminator = game.each_round(t, |game, round| {
        let penalty = Penalty { weight: &lambda, at: Points::AroundReal, of: &|slopes| (slopes.norm() - 1.0).square() };
        game.move_penalised(round, |d| mean(softplus(-d[0].real)) + mean(softplus(d[0].fake)), Some(penalty))
    });
    let generator = game.move_generator(t, |d| mean(softplus(-d[0])));
    Losses { discriminator, generator }
}
