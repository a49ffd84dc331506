//! Rows into a document, a document into text.
//!
//! ```text
//! store::Results ─► study ─► sections ─► Document ─► terminal | markdown | csv | json
//! ```
//!
//! `study` sorts a sweep's rows by variant and protocol, each section turns it into blocks of a [`document::Document`], and a
//! renderer knows nothing but that. A new format is a file in `render/`.

mod build;
mod cells;
mod curves;
pub mod document;
mod expect;
pub(crate) mod format;
mod grid;
mod options;
mod protocol;
mod published;
pub mod render;
mod stats;
mod study;
#[cfg(test)]
mod tests;
mod variants;
mod verdict;

pub use build::{Report, ReportError, report};
pub use curves::curves_wanted;
pub use expect::Outcome;
pub use options::Options;
