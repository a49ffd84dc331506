//! Metz, Poole, Pfau & Sohl-Dickstein, "Unrolled generative adversarial networks", ICLR 2017. D(x) = σ(d(x)).

use super::{Game, Losses};
use sweep_spec::objective::Rules;

/// One step on the loss f of equation (2),
///
/// f(θ_G, θ_D) = E log D(x) + E log(1 − D(G(z))),
///
/// which the discriminator of `gan` ascends, here too. Then the generator descends f(θ_G, θ_D^K(θ_G, θ_D)) (equations 7
/// to 10): θ_D^K is the discriminator after `steps` more moves, and its dependence on θ_G counts.
pub(super) fn step(game: &mut Game, t: u64, gan: &'static Rules, steps: u32) -> Losses {
    let negative_f = game.discriminators_loss(&gan.discriminator);
    let discriminator = game.each_round(t, |game, round| game.descend_discriminators(round, &negative_f));
    let generator = game.move_generator_unrolled(t, steps, &negative_f);
    Losses { discriminator, generator }
}
