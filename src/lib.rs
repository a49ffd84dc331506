//! `sweep`: experiment sweeps for GAN research. One YAML file in, a comparison that goes into a paper out.
//!
//! ```text
//!  sweep.yaml ──spec──▶ jobs ──plan──▶ cohorts ──run──▶ order.json ─▶ ┌ worker ─────────────────────┐
//!                                                  ▲                  │ data ─▶ train ─▶ metrics    │
//!                          sweep.db ◀──store──────run◀── events.jsonl └─────────────────────────────┘
//!                             │
//!                             └──report──▶ terminal, Markdown, CSV, JSON
//! ```
//!
//! A **job** is a blueprint (everything that fixes shapes and program), knobs (scalars) and a seed; its id is their hash. Jobs of
//! one blueprint train together as a **cohort**, in one worker process, as one batched program; a solo run is a cohort of one.
//! **Orders** go down and **events** come up, both as files in a run directory; the database is a projection of the events.
//!
//! | module | what | imports |
//! |---|---|---|
//! | [`spec`] | what to train: the sweep file, jobs, blueprints, knobs, ids | nothing |
//! | [`plan`] | how to group and place: cohorts and slots | spec |
//! | [`wire`] | what crosses a process boundary: orders, events, job states | spec, plan |
//! | [`tensor`] | tch helpers without domain meaning; random streams | nothing |
//! | [`data`] | real samples | spec, tensor |
//! | [`train`] | the fused trainer: layers, optimisers, objectives, checkpoints | spec, tensor |
//! | [`metrics`] | samples to numbers | spec, tensor |
//! | [`worker`] | the process that trains cohorts | all of the above |
//! | [`store`] | the SQLite database | spec, plan, wire |
//! | [`run`] | the orchestrator | spec, plan, wire, store |
//! | [`report`] | rows to documents to text | spec, store |
//! | [`cli`] | the command line | everything |
//!
//! What must stay so (`tests/it/layout.rs` reads the sources and holds it):
//!
//! - `tch` is named only in tensor, data, train, metrics and worker; `sqlx` and `rusqlite` only in store; `tokio` only in run, store
//!   and cli; `clap` only in cli.
//! - spec, plan, wire (but its log), the state machine of run and the document of report do no I/O and read no clock, environment or
//!   random numbers.
//! - The worker never opens the database; it may run on another host.
//! - A job's numbers depend on its blueprint, knobs and seed: not on its slot, its neighbours, or how often it was interrupted.
//! - A member's NaN is an event of that member; a process's death is an attempt of the cohort.

pub mod cli;
pub mod data;
#[cfg(test)]
mod fuzz;
pub mod metrics;
pub mod plan;
pub mod report;
pub mod run;
pub mod spec;
pub mod store;
pub mod tensor;
pub mod train;
pub mod wire;
pub mod worker;
