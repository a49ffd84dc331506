//! SQLite: the only place that names sqlx.
