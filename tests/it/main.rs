//! Everything that is tested from outside: one binary, whose modules mirror `src/`.

mod metrics;
mod plan;
mod spec;
