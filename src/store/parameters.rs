//! Parameters of jobs as rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{Sqlite, Transaction};

use super::{NewSweep, StoreError, views};
use sweep_spec::keys::parameter_names;
use sweep_spec::parameters::Plain;

/// The columns of one parameter for [`plain`]: its name, its number, and any other value as JSON.
pub(super) const COLUMNS: &str =
    "p.name, CAST(p.value AS REAL), coalesce(p.json, iif(typeof(p.value) = 'integer', CAST(p.value AS TEXT), NULL))";

/// Returns a parameter from its number or its other value.
pub(super) fn plain(number: f64, json: Option<&str>) -> Result<Plain, StoreError> {
    match json {
        None => Ok(Plain::Number(number)),
        Some(json) => serde_json::from_str(json)
            .map_err(|_| StoreError::corrupt("a parameter", json, "a number, a text, a flag, a list or a schedule")),
    }
}

/// The content of the columns `value` and `json`.
pub(super) enum Stored {
    Number(f64),
    Whole(i64),
    Text(String, String),
    Flag(bool, String),
}

impl Stored {
    pub(super) fn of(value: &Plain) -> Stored {
        let json = || serde_json::json!(value).to_string();
        match value {
            Plain::Number(number) => Stored::Number(*number),
            Plain::Whole(whole) => Stored::Whole(*whole),
            Plain::Flag(flag) => Stored::Flag(*flag, json()),
            Plain::Text(text) => Stored::Text(text.to_string(), json()),
            Plain::List(_) => Stored::Text(json(), json()),
            Plain::Schedule(schedule) => Stored::Text(schedule.to_string(), json()),
        }
    }
}

/// Records the parameters and scores of `sweep` that own trainers and own objectives define, so they get columns.
pub(super) async fn declare(
    transaction: &mut Transaction<'static, Sqlite>,
    sweep: &NewSweep,
) -> Result<(), StoreError> {
    let (mut names, mut seen): (BTreeSet<(&str, &str)>, BTreeSet<_>) = Default::default();
    let known = parameter_names();
    for entry in &sweep.entries {
        // Many jobs have the same shape and so the same names.
        let shape = Arc::as_ptr(&entry.job.blueprint);
        if seen.insert((entry.variant.as_str(), entry.scores.as_ptr(), shape)) {
            let own = entry.job.blueprint.own().is_some();
            let new = entry.job.parameters.iter().filter(|(name, _)| own || !known.contains(name));
            names.extend(new.map(|(name, _)| ("parameter", name)));
            let scores = entry.scores.iter().flat_map(|score| score.reported.scores.keys());
            names.extend(scores.map(|name| ("score", &**name)));
        }
    }
    let mut new = 0;
    for (kind, name) in names {
        let insert = sqlx::query("INSERT OR IGNORE INTO declared (kind, name) VALUES (?, ?)").bind(kind).bind(name);
        new += insert.execute(&mut **transaction).await?.rows_affected();
    }
    if new > 0 {
        views::ensure(transaction).await?;
    }
    Ok(())
}
