//! SQLite: the only package that uses sqlx and rusqlite.
//!
//! The database is a projection of files in the home directory: `sweeps/<name>.json` ([`NewSweep`]) and
//! `runs/<cohort>/attempt-<n>/{order.json, events.jsonl, end.json}`, with `runs/<cohort>/rescore-<n>.jsonl`
//! ([`RescoreLog`]) and `decisions.jsonl` ([`Decision`]); [`rebuild`] recreates it from them. It has one writer, the
//! orchestrator, or a rescoring while none runs; everybody else opens it read-only.

// Tests of other crates share src/store/tests/sweeps.rs, which uses this name.
#[cfg(test)]
extern crate self as sweep_store;

#[macro_use]
mod row;

mod attempt;
mod attempt_state;
mod bulk;
mod catch_up;
mod decisions;
mod error;
mod exported;
mod files;
mod finished_jobs;
mod former_ids;
mod generators;
mod history;
mod home;
mod ingest;
mod job;
mod live;
mod losses;
mod open;
mod parameters;
mod progress;
mod query;
mod rebuild;
mod register;
mod rescoring;
mod results;
mod resume;
mod scan;
mod scorings;
mod shown;
mod sweep;
#[cfg(test)]
mod tests;
mod unknown_attempts;
mod views;
mod write;

pub use attempt::{AttemptEnd, AttemptOutcome, Members};
pub use decisions::{Ask, Decided, Decision, Stopped, Taken, note};
pub use error::StoreError;
pub use exported::{Exported, Outline, Stretch};
pub use generators::generators_in;
pub use history::History;
pub use job::{Attempt, JobDetails};
pub use live::Watched;
pub use losses::Series;
pub use open::Store;
pub use progress::{Left, Progress, Running};
pub use query::{Sink, SqlValue};
pub use rebuild::{Rebuilt, rebuild};
pub use register::Registered;
pub use rescoring::{DoneCohort, Measured, RescoreLog};
pub use results::{Entry, Results, Scored, Sweep};
pub use resume::Resumable;
pub use shown::Span;
pub use sweep::{NewEntry, NewSweep, Scripts};
pub use unknown_attempts::orphaned_attempts;
pub use write::{NewAttempt, Write};
