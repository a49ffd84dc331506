//! THE fused trainer: it always trains K models; a solo run is a cohort of one.
//!
//! [`trainer::Trainer`] owns a [`game::Game`]: the players with their networks ([`net::Net`], layers in [`nn`]) and optimisers
//! ([`optim`]). An objective ([`objectives`], one paper a file) plays one step of the game. [`checkpoint`] makes it durable.

pub mod checkpoint;
pub mod game;
pub mod net;
pub mod nn;
pub mod objectives;
pub mod optim;
pub mod trainer;

#[cfg(test)]
mod tests;
