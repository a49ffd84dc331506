//! Turns rows into a document, and a document into text.
//!
//! ```text
//! store::Results ─► study ─► sections, figures ─► Document ─► terminal | markdown | latex | csv | json | html
//! ```
//!
//! `study` sorts a sweep's rows by variant and protocol, each section turns them into blocks of a
//! [`document::Document`], and renderers know only documents. A new format is a file in `render/`. `inference` decides
//! what a few seeds allow us to conclude.

mod assemble;
mod causes;
mod cells;
mod collapse;
mod comparison;
mod curves;
pub mod document;
mod early;
#[cfg(test)]
mod early_tests;
mod expect;
mod figures;
#[cfg(test)]
mod figures_tests;
mod grid;
mod inference;
mod jobs;
mod options;
mod profiles;
pub mod protocol;
mod published;
pub mod race;
#[cfg(test)]
mod rates_tests;
pub mod render;
#[cfg(test)]
mod replicates_tests;
pub mod search;
#[cfg(test)]
mod search_tests;
mod stats;
mod step;
mod study;
#[cfg(test)]
#[path = "../store/tests/sweeps.rs"]
#[allow(dead_code, reason = "shared by the tests of three crates, each of which needs a part of it")]
mod sweeps;
#[cfg(test)]
mod tests;
mod tuning;
mod variants;
mod verdict;

pub use assemble::{File, Report, ReportError, report};
pub use causes::causes;
pub use curves::curves_wanted;
pub use expect::{Certainty, Outcome};
pub use options::{Options, Step};
pub use step::steps_wanted;
pub use sweep_figure::format;
