//! Objectives: games on logits only (`formula`), and others, one paper a file. Each file has one step of its algorithm.

mod ali;
mod began;
mod d2gan_dfm;
pub(super) mod dfm;
mod formula;
mod improved_gan;
mod magan;
mod mdgan;
mod mgan;
mod reg_gan;
mod unrolled;
mod veegan;

use super::game::Game;
use super::loss::PerMember;
use sweep_spec::objective::games::plain_gan;
use sweep_spec::objective::{Objective, Rules};

/// The losses of one step, `[K]` each.
#[derive(Debug)]
pub struct Losses {
    /// Loss of the discriminators, together.
    pub discriminator: PerMember,
    /// Loss of the generator.
    pub generator: PerMember,
}

/// Plays step `t` (counted from 0) of `objective`.
pub fn step(objective: Objective, game: &mut Game, t: u64) -> Losses {
    game.begin(t);
    let losses = moves(objective, game, t);
    // Needed if the generator does not move.
    game.catch_up();
    losses
}

fn moves(objective: Objective, game: &mut Game, t: u64) -> Losses {
    match objective {
        Objective::Gan { .. } | Objective::Game(_) | Objective::Formula(_) => formula::step(game, t, rules(objective)),
        Objective::Unrolled { steps } => unrolled::step(game, t, plain_gan(), steps),
        Objective::RegGan => reg_gan::step(game, t),
        Objective::Mdgan => mdgan::step(game, t),
        Objective::Dfm => dfm::step(game, t),
        Objective::D2ganDfm => d2gan_dfm::step(game, t),
        Objective::ImprovedGan { feature_matching } => improved_gan::step(game, t, feature_matching),
        Objective::Began => began::step(game, t),
        Objective::Magan { epoch } => magan::step(game, t, epoch),
        Objective::Ali => ali::step(game, t),
        Objective::Veegan => veegan::step(game, t),
        Objective::Mgan { generators } => mgan::step(game, t, generators),
    }
}

fn rules(objective: Objective) -> &'static Rules {
    objective.rules().unwrap_or_else(|| panic!("`{}` has no formulas", objective.name()))
}
