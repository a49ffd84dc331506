//! Games on logits only: their losses are formulas ([`sweep_spec::objective::games`], or those of the sweep file).

use super::{Game, Losses};
use sweep_spec::objective::Rules;

/// One step: the discriminators descend their loss and its penalties, as often as the blueprint says. If the game clips
/// weights, they are cut to [−c, c] after each move. Then the generator, with fresh noise, descends its own loss.
pub(super) fn step(game: &mut Game, t: u64, rules: &'static Rules) -> Losses {
    let loss = game.discriminators_loss(&rules.discriminator);
    let clip = rules.clip.as_ref().map(|clip| game.amount(clip));
    let discriminator = game.each_round(t, |game, round| {
        let value = game.descend_discriminators(round, &loss);
        if let Some(clip) = &clip {
            game.clip_discriminators(clip);
        }
        value
    });
    let generator = game.move_generator_by(t, &rules.generator);
    Losses { discriminator, generator }
}
