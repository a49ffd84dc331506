//! Everything that is tested from outside: one binary, whose modules mirror `src/`.

mod data;
