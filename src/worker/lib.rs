//! The worker process trains one cohort after another. It is the only place where data, training and metrics meet.
//!
//! - [`serve`] reads orders from stdin, one path a line. `cohort` trains the jobs of one order, `own` those of a
//!   trainer of your own, and `probe` only measures how fast an order trains.
//! - `setup` prepares the device, `dataset_cache` keeps what cohorts of the same data set share, and `scoring_network`
//!   opens or trains the network that scores images.
//! - `report` appends events to the log and notifies the orchestrator, `pending_losses` collects losses for it, and
//!   `inbox` reads what the orchestrator asks for meanwhile.
//! - [`mod@bench`] measures training speed. [`mod@rescore`] scores finished jobs again and `sample` writes their
//!   samples: two of the tasks of [`serve_tasks`].

pub mod bench;
mod cohort;
pub mod dataset_cache;
mod inbox;
mod own;
mod pending_losses;
mod probe;
mod report;
pub mod rescore;
mod sample;
mod scoring;
pub mod scoring_network;
mod serve;
mod setup;
mod sheet;
mod task;

pub use serve::serve;
pub use task::serve_tasks;
