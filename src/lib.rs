//! `sweep` runs experiment sweeps for GAN research: from one YAML file to a comparison for a paper.
//!
//! ```text
//!  sweep.yaml ──spec──▶ jobs ──plan──▶ cohorts ──run──▶ order.json ─▶ ┌ worker ─────────────────────┐
//!                                                  ▲                  │ data ─▶ train ─▶ metrics    │
//!                          sweep.db ◀──store──────run◀── events.jsonl └─────────────────────────────┘
//!                             │
//!                             ├──report──▶ terminal, Markdown, LaTeX, CSV, JSON, a page, figures
//!                             ├──export──▶ CSV, Parquet, TensorBoard, MLflow, Weights & Biases
//!                             └──serve───▶ a live page
//! ```
//!
//! A **job** is a blueprint (everything that fixes shapes and program), parameters (scalars) and a seed; its id is
//! their hash. Jobs with the same blueprint train together as a **cohort**: one batched program in one worker process.
//! A single job is a cohort of one. **Orders** go to the worker and **events** come back, both as files in a run
//! directory. The database is a projection of the events.
//!
//! Each module is a package below `src/`, so the compiler enforces this table:
//!
//! | package | what | imports |
//! |---|---|---|
//! | [`formula`] | losses as formulas on logits: parses, stabilises, checks and evaluates them | numerics |
//! | [`spec`] | what to train: the sweep file, jobs, blueprints, parameters, ids | formula |
//! | [`plan`] | how to group and place: cohorts and slots | spec |
//! | [`system`] | writing whole files, the time, the GPUs of this machine | nothing |
//! | [`wire`] | what processes exchange: orders, events, job states; names in the home directory | spec, plan, system |
//! | [`numerics`] | random streams, elementary functions, pixels | nothing |
//! | [`tensor`] | tch helpers without domain meaning | numerics, system |
//! | [`data`] | real samples | spec, numerics, system |
//! | [`train`] | the fused trainer: layers, optimisers, objectives, checkpoints | spec, formula, tensor |
//! | [`metrics`] | scores of samples | spec, tensor |
//! | [`worker`] | the process that trains cohorts | all of the above |
//! | [`store`] | the SQLite database | spec, plan, wire, system |
//! | [`run`] | the orchestrator, and its agents on other machines | spec, plan, wire, store, system |
//! | [`figure`] | figures as data, and as SVG, PDF, CSV and text | spec |
//! | [`report`] | turns rows into documents with figures, and these into text and pages | spec, wire, store, figure |
//! | [`export`] | turns rows into tables and runs of other trackers | spec, wire, data, store, figure, system |
//! | [`serve`] | the live page, which only reads | spec, wire, store, run, report, system |
//! | [`operations`] | what commands do | spec, plan, wire, data, store, run, figure, report, export, serve, system |
//! | [`cli`] | arguments and printing, without libtorch | operations and its imports; serve |
//! | [`compute`] | the commands that compute with libtorch, in a separate executable | everything |
//!
//! `src/fuzz` holds tests only. `src/python` is the Python package of the wheel, which reads a home directory and links
//! nothing. Rules that the manifests don't express (`tests/it/layout.rs` checks them):
//!
//! - formula, spec, plan, wire, system, numerics, data, store, run, figure, report, export, serve, operations and
//!   cli don't link libtorch, so `sweep` starts at once and works without libtorch. Only store uses sqlx and rusqlite,
//!   and only cli uses clap. Only data and export access the network; only serve listens, on the loopback interface.
//! - operations prints and draws nothing: it returns results and emits events. cli and compute show them.
//! - formula, spec, plan, wire (except its log), the state machine of run, figure and the document of report do no I/O
//!   and read no clock, environment or random numbers.
//! - Only system writes and renames whole files and reads the time of day. Only `wire::home` knows the names in the
//!   home directory.
//! - The worker never opens the database, since it may run on another host.
//! - A job's numbers depend on its blueprint, parameters and seed only: not on its slot, its neighbours or
//!   interruptions.
//! - NaN in a member is an event of that member; the death of a process is an attempt of the cohort.

pub use sweep_cli as cli;
pub use sweep_compute as compute;
pub use sweep_data as data;
pub use sweep_export as export;
pub use sweep_figure as figure;
pub use sweep_formula as formula;
pub use sweep_metrics as metrics;
pub use sweep_numerics as numerics;
pub use sweep_operations as operations;
pub use sweep_plan as plan;
pub use sweep_report as report;
pub use sweep_run as run;
pub use sweep_serve as serve;
pub use sweep_spec as spec;
pub use sweep_store as store;
pub use sweep_system as system;
pub use sweep_tensor as tensor;
pub use sweep_train as train;
pub use sweep_wire as wire;
pub use sweep_worker as worker;
