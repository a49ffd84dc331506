//! WHAT crosses a process boundary: orders go down, events come up, both as files in a run directory; and where all files of a home directory
//! are.

pub mod agent;
pub mod check;
pub mod control;
pub mod database;
pub mod event;
pub mod home;
pub mod log;
pub mod losses;
pub mod order;
pub mod real;
pub mod shortage;
pub mod spool;
pub mod status;
pub mod task;

/// The version of orders and events. A worker refuses an order of another version. 2: what is measured is no part of jobs, whose ids are
/// others for that. 3: members may go on from what several cohorts left. What an earlier program wrote is still read. Kinds of events
/// that a worker may leave out ([`event::Event::Losses`]) make no new version.
pub const PROTOCOL: u32 = 3;
