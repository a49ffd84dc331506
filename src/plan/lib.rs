//! HOW to group and place jobs: cohorts of jobs with the same blueprint, and the slots that train them. Pure.

pub mod capacity;
pub mod cohort;
mod group;
pub mod measured;
pub mod place;
pub mod slot;
pub mod tpe;

pub use place::{Limits, Own, Placed, Plan, Shape, plan};
