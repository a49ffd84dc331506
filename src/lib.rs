//! `sweep`: experiment sweeps for GAN research. One YAML file in, a comparison that goes into a paper out.
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
//! A **job** is a blueprint (everything that fixes shapes and program), parameters (scalars) and a seed; its id is their hash. Jobs of
//! one blueprint train together as a **cohort**, in one worker process, as one batched program; a solo run is a cohort of one.
//! **Orders** go down and **events** come up, both as files in a run directory; the database is a projection of the events.
//!
//! Each module is a package of its own below `src/`, so that the compiler holds this table:
//!
//! | package | what | imports |
//! |---|---|---|
//! | [`formula`] | losses as formulas on logits: read, made stable, checked, evaluated | numerics |
//! | [`spec`] | what to train: the sweep file, jobs, blueprints, parameters, ids | formula |
//! | [`plan`] | how to group and place: cohorts and slots | spec |
//! | [`system`] | whole files, the time, which GPUs there are | nothing |
//! | [`wire`] | what crosses a process boundary: orders, events, job states; where everything is in a home directory | spec, plan, system |
//! | [`numerics`] | random streams, elementary functions, pixels | nothing |
//! | [`tensor`] | tch helpers without domain meaning | numerics, system |
//! | [`data`] | real samples | spec, numerics, system |
//! | [`train`] | the fused trainer: layers, optimisers, objectives, checkpoints | spec, formula, tensor |
//! | [`metrics`] | samples to numbers | spec, tensor |
//! | [`worker`] | the process that trains cohorts | all of the above |
//! | [`store`] | the SQLite database | spec, plan, wire, system |
//! | [`run`] | the orchestrator, and its agents on other machines | spec, plan, wire, store, system |
//! | [`figure`] | figures as data, and as SVG, PDF, CSV and text | spec |
//! | [`report`] | rows to documents with figures, documents to text and pages | spec, wire, store, figure |
//! | [`export`] | rows to tables and to runs of other trackers | spec, wire, data, store, figure, system |
//! | [`serve`] | the live page, which only reads | spec, wire, store, run, report, system |
//! | [`operations`] | what commands do: functions that print nothing and tell events | spec, plan, wire, data, store, run, figure, report, export, serve, system |
//! | [`cli`] | arguments and printing, without libtorch | operations, and what it is made of; serve |
//! | [`compute`] | the commands that compute with libtorch, in an executable of their own | everything |
//!
//! `src/fuzz` is for tests alone. What must stay so, beside what the manifests say (`tests/it/layout.rs` holds it):
//!
//! - formula, spec, plan, wire, system, numerics, data, store, run, figure, report, export, serve, operations and cli link no libtorch, so that `sweep` starts at
//!   once, and works where libtorch does not; sqlx and rusqlite are in store alone, clap in cli alone. Data and export alone ask the network; serve alone listens, on
//!   the loopback.
//! - Operations print nothing and draw nothing: they return results and tell events. Cli and compute show these.
//! - formula, spec, plan, wire (but its log), the state machine of run, figure and the document of report do no I/O and read no clock, environment or
//!   random numbers.
//! - system alone writes whole files, renames them and reads the time of day; `wire::home` alone knows names of the home directory.
//! - The worker never opens the database; it may run on another host.
//! - A job's numbers depend on its blueprint, parameters and seed: not on its slot, its neighbours, or how often it was interrupted.
//! - A member's NaN is an event of that member; a process's death is an attempt of the cohort.

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
