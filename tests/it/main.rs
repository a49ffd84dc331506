//! Everything that is tested from outside: one binary, whose modules mirror `src/`.

mod browser;
mod cli;
mod complete;
mod data;
mod earlier;
mod endtoend;
mod front;
mod layout;
mod longer;
mod metrics;
mod own;
mod page;
mod plan;
mod precision;
mod report;
mod rescore;
mod run;
mod score;
mod serve;
mod slurm;
mod spec;
mod store;
mod terminal;
mod trainer;
mod tutorial;
mod verify;
