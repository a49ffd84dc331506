//! One binary for all integration tests; modules mirror src.

mod cli;
mod run;
