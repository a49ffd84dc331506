//! A game as a linter sees it, and what it finds.

use super::ast::Expr;
use super::mistake::Mistake;
use super::program::Program;

/// The two losses of a game, each with what was written and its operations.
#[derive(Clone, Copy, Debug)]
pub struct Game<'a> {
    /// How many discriminators give logits.
    pub discriminators: usize,
    /// What they minimise.
    pub discriminator: Loss<'a>,
    /// What the generator minimises.
    pub generator: Loss<'a>,
    /// Whether a penalty, clipping or spectral normalisation bounds how fast the discriminators' logits change.
    pub bounded: bool,
}

/// One loss.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    /// As it was written, with helpers in their places.
    pub written: &'a Expr,
    /// Its operations.
    pub program: &'a Program,
}

/// Whose loss something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the discriminators.
    Discriminator,
    /// That of the generator.
    Generator,
}

/// Something that is wrong with a loss, or most likely not meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whose loss.
    pub whose: Whose,
    /// Whether nothing sensible can be trained with it.
    pub fatal: bool,
    /// What, and where.
    pub what: Mistake,
    /// The values of the parameters with which it is so, in words; empty where there are none.
    pub values: String,
}
