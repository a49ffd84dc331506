//! The live page: one HTML page on this machine's loopback, which follows the database of a home directory while a run writes to it.
//!
//! ```text
//!            ┌ guard: host, origin, method, token ┐
//!  browser ──┤                                    ├─▶ / and /main ──▶ Pages ────┐
//!            │                                    ├─▶ /status ────▶ status ─────┼──▶ the database, for reading
//!            │                                    ├─▶ /sample/JOB/STEP.png ─────┘        │
//!            └────────────────────────────────────┴─▶ /events ◀── revision ◀── once a second: has anything changed?
//! ```
//!
//! It only reads, each statement a transaction of its own, so that a run does not notice it. What is dear is computed off the threads that
//! answer, once for everybody who asks, and not again before five times as long has passed (`kept`). What a page looks like is its maker's
//! business ([`Pages`]); its head gets a script and a style, which put what is new in the place of what was, and show how far sweeps are.

mod guard;
mod kept;
mod page;
mod reader;
mod routes;
mod sample;
mod server;
pub mod status;

pub use page::{Page, Pages};
pub use reader::Place;
pub use server::Server;
