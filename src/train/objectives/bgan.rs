//! Hjelm et al., "Boundary-seeking generative adversarial networks", ICLR 2018, for continuous data (section 4). D(x) = σ(d(x)).

use super::{Game, Losses};
use crate::loss::{mean, softplus, squared};

/// One step: the discriminator moves as in the GAN of Goodfellow et al.; then the generator, with fresh noise, descends
/// ½ E (log D(G(z)) − log(1 − D(G(z))))² = ½ E d(G(z))² (equation 11): it seeks the boundary, where D = ½.
pub fn step(game: &mut Game, t: u64) -> Losses {
    let discriminator = game.move_discriminators(t, |d| mean(softplus(-d[0].real)) + mean(softplus(d[0].fake)));
    let generator = game.move_generator(t, |d| mean(0.5 * squared(d[0], 0.0)));
    Losses { discriminator, generator }
}
