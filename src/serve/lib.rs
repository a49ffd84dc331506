//! The live page: one HTML page on this machine's loopback address. It follows the database of a home directory while a
//! run writes to it.
//!
//! ```text
//!            ┌ guard: host, origin, method, token ┐
//!  browser ──┤                                    ├─▶ / and /main ──▶ Pages ────┐
//!            │                                    ├─▶ /status ────▶ status ─────┼──▶ the database, read-only
//!            │                                    ├─▶ /sample/JOB/STEP.png ─────┘        │
//!            └────────────────────────────────────┴─▶ /events ◀── revision ◀── once a second: has anything changed?
//! ```
//!
//! The server only reads. Each statement is a transaction of its own, so it never blocks a run. Expensive values are
//! computed off the threads that answer requests, once for all clients, and not again until five times as long has
//! passed (`cache`). How a page looks is up to its [`Pages`] implementation. The server adds a script and a style
//! sheet to its head; they replace what has changed and show the progress of sweeps.

mod cache;
mod guard;
mod page;
mod reader;
mod routes;
mod sample;
mod server;
pub mod status;

pub use page::{Page, Pages};
pub use reader::Place;
pub use server::Server;
