//! The scores against golden values, closed forms and properties, and through the scorer.

mod golden;
mod inception;
mod network;
mod properties;
mod scorer;
