//! Losses as formulas of logits, as a sweep file writes them in `objective:`. The built-in objectives are written in
//! them too.
//!
//! A formula passes through these steps. [`parse`] reads it into an [`ast::Expr`] and expands the helpers of `where:`.
//! [`rewrite`] turns it into forms that do not overflow or lose their gradient in float32. [`program`] checks its kinds
//! (scalars per member, rows of logits) and makes a list of operations; for a sum of c · mean f(±logit), [`terms`]
//! makes a list of terms. [`evaluate`] computes value and derivatives. [`lint`] predicts before training what the loss
//! would do to a GAN.

pub mod ast;
pub mod bounds;
pub mod evaluate;
pub mod game;
pub mod kernel;
pub mod lint;
pub mod mistake;
pub mod parse;
mod probability;
mod probe;
pub mod program;
mod pulls;
pub mod rewrite;
mod rows;
pub mod terms;
pub mod token;

#[cfg(test)]
mod lint_tests;
#[cfg(test)]
mod tests;
