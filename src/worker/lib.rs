//! One process, one cohort after another: the only place where data, train and metrics meet.
//!
//! [`serve`] reads orders from stdin, one path a line. `cohort` trains one of them, `setup` says how, `kit` keeps what cohorts of the same
//! data set share, `report` appends events and tells the orchestrator to look, `traced` gathers
//! losses for it, and `inbox` is what comes from it meanwhile. [`mod@bench`] trains against the clock; `probe` serves orders that
//! only ask how fast that is, `own` those of trainers of the user's own. [`mod@rescore`] scores anew what trained before, and
//! `sample` writes samples of it, which are two of the tasks that [`serve_tasks`] does.

pub mod bench;
mod cohort;
mod inbox;
pub mod kit;
mod own;
mod probe;
mod report;
pub mod rescore;
mod sample;
mod scored;
mod serve;
mod setup;
mod sheet;
pub mod sight;
mod task;
mod traced;

pub use serve::serve;
pub use task::serve_tasks;
