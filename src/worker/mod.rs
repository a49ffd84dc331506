//! One process, one cohort after another: the only place where data, train and metrics meet.

pub mod sheet;
