//! HOW to group and place: cohorts of jobs that share a blueprint, and the slots that train them. Pure.

pub mod cohort;
pub mod slot;
