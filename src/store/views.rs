//! The views `results` and `history`: made from their descriptions, so that a new parameter or metric needs no migration.
//!
//! - `results`: one row a job and sweep entry. A metric's column holds its value at the job's last planned step, and NULL where that
//!   step was not reached: a half-finished or diverged job never enters an average with an early score. SQL has no NaN: a NaN score is
//!   NULL there too, and `nan_scores` names it (the names of a row's NaN scores, separated by commas; empty where there are none).
//!   Infinite scores stand as they are.
//! - `history`: one row a job, step and metric, with `kind` (`finite`, `nan`, `inf`, `-inf`) beside the value. Where a job stands in
//!   several sweeps or variants, `sweep` and `variant` are their names, separated by commas.

use std::fmt::Write;

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use super::StoreError;
use sweep_spec::keys::parameter_names;
use sweep_spec::metric::Metric;

const NAMES: [&str; 2] = ["results", "history"];

/// What follows `CREATE VIEW name AS`.
fn body(name: &str) -> String {
    if name == "results" { results() } else { history().to_owned() }
}

fn results() -> String {
    let mut sql = String::from(
        "SELECT s.name AS sweep, e.variant AS variant, j.id AS job, b.objective AS objective, b.dataset AS dataset",
    );
    for name in parameter_names() {
        let _ = write!(sql, ",\n  (SELECT value FROM parameters WHERE job = j.id AND name = '{name}') AS {name}");
    }
    sql.push_str(",\n  j.seed AS seed, j.state AS state");
    for name in Metric::ALL.map(Metric::name) {
        let _ = write!(
            sql,
            ",\n  (SELECT c.value FROM asked AS a JOIN scores AS c ON c.metric = a.metric AND c.ask = a.ask \
             WHERE a.scoring = e.scoring AND a.metric = '{name}' AND c.job = j.id AND c.step = b.steps) AS {name}"
        );
    }
    sql.push_str(
        ",\n  coalesce((SELECT group_concat(c.metric) FROM asked AS a JOIN scores AS c ON c.metric = a.metric AND c.ask = a.ask \
         WHERE a.scoring = e.scoring AND c.job = j.id AND c.step = b.steps AND c.kind = 'nan'), '') AS nan_scores\
         ,\n  j.step AS step, b.steps AS steps, j.seconds AS seconds, j.scoring AS scoring_seconds\
         ,\n  (SELECT a.device FROM members AS m JOIN attempts AS a ON a.cohort = m.cohort WHERE m.job = j.id\
         \n   ORDER BY a.started_at DESC LIMIT 1) AS device\
         ,\n  e.axes AS axes\
         \nFROM entries AS e JOIN sweeps AS s ON s.id = e.sweep JOIN jobs AS j ON j.id = e.job JOIN blueprints AS b ON b.id = j.blueprint\
         \nORDER BY s.name, e.ordinal",
    );
    sql
}

fn history() -> &'static str {
    "SELECT c.job AS job, c.step AS step, c.metric AS metric, c.value AS value, c.kind AS kind, c.std AS std, j.seed AS seed,\n  \
     (SELECT group_concat(DISTINCT s.name) FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE e.job = c.job) AS sweep,\n  \
     (SELECT group_concat(DISTINCT e.variant) FROM entries AS e WHERE e.job = c.job) AS variant,\n  \
     b.objective AS objective, b.dataset AS dataset, a.json AS asked, p.json AS protocol\n\
     FROM scores AS c JOIN jobs AS j ON j.id = c.job JOIN blueprints AS b ON b.id = j.blueprint JOIN protocols AS p ON p.id = c.protocol JOIN asks AS a ON a.id = c.ask"
}

/// Makes the views anew where their text has changed.
pub(super) async fn ensure(transaction: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
    for name in NAMES {
        let wanted = format!("CREATE VIEW {name} AS {}", body(name));
        let found: Option<String> =
            sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?")
                .bind(name)
                .fetch_optional(&mut **transaction)
                .await?;
        if found.as_deref() != Some(&wanted) {
            let drop = format!("DROP VIEW IF EXISTS {name}");
            sqlx::query(AssertSqlSafe(drop)).execute(&mut **transaction).await?;
            sqlx::query(AssertSqlSafe(wanted)).execute(&mut **transaction).await?;
        }
    }
    Ok(())
}

/// The same for a connection that may only read: temporary views hide those of another version of the program.
pub(super) async fn ensure_temporary(pool: &SqlitePool) -> Result<(), StoreError> {
    for name in NAMES {
        let found: Option<String> =
            sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?")
                .bind(name)
                .fetch_optional(pool)
                .await?;
        if found != Some(format!("CREATE VIEW {name} AS {}", body(name))) {
            let create = format!("CREATE TEMP VIEW {name} AS {}", body(name));
            sqlx::query(AssertSqlSafe(create)).execute(pool).await?;
        }
    }
    Ok(())
}
