//! A game as the linter gets it, and what the linter finds.

use super::ast::Expr;
use super::mistake::Mistake;
use super::program::Program;

/// The two losses of a game.
#[derive(Clone, Copy, Debug)]
pub struct Game<'a> {
    /// The number of discriminators that output logits.
    pub discriminators: usize,
    /// The discriminators' loss.
    pub discriminator: Loss<'a>,
    /// The generator's loss.
    pub generator: Loss<'a>,
    /// Whether a penalty, clipping or spectral normalisation limits how fast the discriminators' logits change.
    pub bounded: bool,
}

/// One loss.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    /// The formula as written, with helpers expanded.
    pub written: &'a Expr,
    /// Its operations.
    pub program: &'a Program,
}

/// The player whose loss it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The discriminators.
    Discriminator,
    /// The generator.
    Generator,
}

/// Something that is wrong with a loss, or suspicious.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The player whose loss it is about.
    pub whose: Whose,
    /// Whether training with it cannot work.
    pub fatal: bool,
    /// What is wrong, and where.
    pub what: Mistake,
    /// The parameter values for which it holds, in words; empty if there are none.
    pub values: String,
}
