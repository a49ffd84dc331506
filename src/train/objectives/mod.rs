//! Objectives: one paper a file, each one step of its algorithm, with losses as formulas on logits ([`super::loss`]).

mod ali;
mod began;
mod bgan;
mod d2gan;
mod d2gan_dfm;
pub(super) mod dfm;
mod dragan;
mod gan;
mod improved_gan;
mod lsgan;
mod magan;
mod mdgan;
mod mgan;
mod reg_gan;
mod unrolled;
mod wgan;
mod wgan_div;
mod wgan_gp;

use super::game::{Game, Judged};
use super::loss::Value;
use sweep_spec::objective::Objective;

/// The losses of one step, `[K]` each.
#[derive(Debug)]
pub struct Losses {
    /// Of the discriminators, together.
    pub discriminator: Value,
    /// Of the generator.
    pub generator: Value,
}

/// Plays step `t` (counted from 0) of `objective`.
pub fn step(objective: Objective, game: &mut Game, t: u64) -> Losses {
    game.step = t;
    let losses = moves(objective, game, t);
    // Where the generator does not move.
    game.catch_up();
    losses
}

fn moves(objective: Objective, game: &mut Game, t: u64) -> Losses {
    match objective {
        Objective::Gan { saturating } => gan::step(game, t, saturating),
        Objective::D2gan => d2gan::step(game, t),
        Objective::Lsgan => lsgan::step(game, t),
        Objective::Wgan => wgan::step(game, t),
        Objective::WganGp => wgan_gp::step(game, t),
        Objective::WganDiv => wgan_div::step(game, t),
        Objective::Dragan => dragan::step(game, t),
        Objective::Bgan => bgan::step(game, t),
        Objective::Unrolled { steps } => unrolled::step(game, t, steps),
        Objective::RegGan => reg_gan::step(game, t),
        Objective::Mdgan => mdgan::step(game, t),
        Objective::Dfm => dfm::step(game, t),
        Objective::D2ganDfm => d2gan_dfm::step(game, t),
        Objective::ImprovedGan { feature_matching } => improved_gan::step(game, t, feature_matching),
        Objective::Began => began::step(game, t),
        Objective::Magan { epoch } => magan::step(game, t, epoch),
        Objective::Ali => ali::step(game, t),
        Objective::Mgan { generators } => mgan::step(game, t, generators),
    }
}
