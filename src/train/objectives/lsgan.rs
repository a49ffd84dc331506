//! Mao et al., "Least squares generative adversarial networks", ICCV 2017, with a = 0, b = c = 1 (equation 9).

use super::{Game, Losses};
use crate::loss::{mean, squared};

/// One step: the discriminator descends ½ E (D(x) − 1)² + ½ E D(G(z))²; then the generator, with fresh noise, ½ E (D(G(z)) − 1)².
pub fn step(game: &mut Game, t: u64) -> Losses {
    let discriminator =
        game.move_discriminators(t, |d| mean(0.5 * squared(d[0].real, 1.0)) + mean(0.5 * squared(d[0].fake, 0.0)));
    let generator = game.move_generator(t, |d| mean(0.5 * squared(d[0], 1.0)));
    Losses { discriminator, generator }
}
