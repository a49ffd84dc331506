//! Metz, Poole, Pfau & Sohl-Dickstein, "Unrolled generative adversarial networks", ICLR 2017. D(x) = σ(d(x)).

use super::{Game, Judged, Losses};
use crate::loss::{Loss, mean, softplus};

/// One step on the loss f of equation (2),
///
/// f(θ_G, θ_D) = E log D(x) + E log(1 − D(G(z))).
///
/// The discriminator ascends f as usual. Then the generator descends f(θ_G, θ_D^K(θ_G, θ_D)) (equations 7 to 10): θ_D^K is the
/// discriminator after `steps` more moves, and its dependence on θ_G counts.
pub fn step(game: &mut Game, t: u64, steps: u32) -> Losses {
    let discriminator = game.move_discriminators(t, negative_f);
    let generator = game.move_generator_unrolled(t, steps, negative_f);
    Losses { discriminator, generator }
}

fn negative_f(d: &[Judged]) -> Loss {
    mean(softplus(-d[0].real)) + mean(softplus(d[0].fake))
}
