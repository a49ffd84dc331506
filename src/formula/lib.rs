//! Losses as formulas on logits: what a sweep file writes as an `objective:`, and what the program's own objectives are written in.
//!
//! A formula goes one way. [`parse`] reads it into an [`ast::Expr`], with the helpers of `where:` put in their places; [`rewrite`] gives it
//! the forms that neither overflow nor lose their slope in float32; [`program`] checks its kinds (scalars of a member, rows of logits)
//! and makes a list of operations of it, or, where it is a sum of c · mean f(±logit), [`terms`]; [`evaluate`] computes value and slopes;
//! [`lint`] says at plan time what such a loss would do to a GAN.

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
