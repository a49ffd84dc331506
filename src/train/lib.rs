//! THE fused trainer: it always trains K models; a solo run is a cohort of one.
//!
//! [`trainer::Trainer`] owns one [`game::Game`] a member on a CPU, and one of all members on a GPU: the players with their networks
//! ([`net::Net`], layers in [`nn`]) and optimisers ([`optim`]). An objective ([`objectives`], one paper a file) plays one step of the
//! game: by the usual two moves ([`moves`]) with losses as formulas on logits ([`loss`]), or, where there is more to it, by calling its
//! players one after another ([`play`]). [`kernel`] has the loops over CPU memory. [`checkpoint`] makes the state
//! durable; [`trace`] is what is kept of losses; [`generators`] makes samples from what is left of it when training is over.

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
