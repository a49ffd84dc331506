//! What commands do, as functions.
//!
//! They print nothing, draw nothing and know no command line. They [report](Tell) their progress as [`Event`]s, and the
//! caller decides how to show them: as bars on a terminal, as lines elsewhere. If they fail, a [`Failure`] says why.

pub mod agent;
mod best_cells;
pub mod budget;
pub mod busy_gpus;
pub mod cohort_sizes;
pub mod computer;
pub mod data_files;
pub mod database;
pub mod decisions;
pub mod doctor;
pub mod early_stopping;
pub mod environment;
mod event;
pub mod export;
mod failure;
mod file_changes;
pub mod home_files;
pub mod inception;
pub mod interim_looks;
mod job_choice;
mod locks;
pub mod memory;
pub mod networks;
pub mod own_trainers;
mod places;
pub mod plan;
pub mod prepare;
mod previous_sweep;
pub mod rebuild;
pub mod report;
pub mod rescore;
pub mod run;
pub mod sample;
pub mod score_settings;
mod search;
pub mod serve;
mod shorter_jobs;
pub mod slots;
pub mod sweep_file;
pub mod unneeded;
pub mod verify;

pub use event::{Drawing, Event, Exporting, Learning, Retraining, Scoring, Tell};
pub use failure::{Failure, Kind};
pub use places::{Places, absolute};
