//! The fused trainer: it always trains K models; a single job is a cohort of one.
//!
//! [`trainer::Trainer`] owns one [`game::Game`] per member on a CPU, and one for all members on a GPU: the players with
//! their networks ([`net::Net`], layers in [`nn`]) and optimisers ([`optim`]). An objective ([`objectives`], one paper
//! a file) plays one step of the game: either with the two usual moves ([`moves`]) and losses as formulas on logits
//! ([`loss`]), or by calling its players one after another ([`play`]). [`kernel`] has loops over CPU memory.
//! [`checkpoint`] saves the state; [`trace`] records losses; [`generators`] makes samples once training is over.

mod average;
pub mod checkpoint;
pub mod error;
pub mod formula;
pub mod game;
pub mod generators;
pub mod health;
mod init;
pub mod kernel;
pub mod loss;
pub mod moves;
pub mod net;
pub mod nn;
pub mod objectives;
pub mod optim;
pub mod penalty;
pub mod play;
mod seeking;
pub mod trace;
pub mod trainer;

#[cfg(test)]
mod tests;
