//! The integration tests, in one binary; modules mirror src.

mod metrics;
