//! Samples -> numbers: one formula a file; nets/ holds the scoring networks.
