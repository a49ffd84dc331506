//! Where workers are.
