//! The views `results`, `history` and `files`. They are generated, so a new parameter or metric needs no migration.
//!
//! - `results`: one row per job and sweep entry. A metric's column holds its value at the job's last planned step,
//!   and NULL if that step was not reached, so a half-finished or diverged job never enters an average with an early
//!   score. SQL has no NaN: a NaN score is NULL, too, and `nan_scores` lists it (the names of the row's NaN scores,
//!   separated by commas; empty if there are none). Infinite scores appear as they are. Parameters and scores of own
//!   trainers come last, under their names; if a name is taken, it gets the suffix `_parameter` or `_score`.
//! - `history`: one row per job, step and metric, with `kind` (`finite`, `nan`, `inf`, `-inf`) next to the value. If
//!   a job belongs to several sweeps or variants, `sweep` and `variant` are their names, separated by commas. Losses
//!   are included under the names of their series, without `asked` and `protocol`.
//! - `files`: one row for each job and each of its cohorts, newest cohort first; a job that was in no cohort has one
//!   row. `directory` is relative to the home directory and `settings` is the blueprint as JSON. `names` are ids that
//!   earlier programs gave the job, and that its files may still have (separated by commas, NULL if there are none).

use std::fmt::Write;

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use super::StoreError;
use sweep_spec::keys::parameter_names;
use sweep_spec::metric::{Metric, is_name};

const NAMES: [&str; 3] = ["results", "history", "files"];

/// Most columns for own trainers: SQLite allows at most 2000 in a view. The rest is only in the tables.
const MOST: usize = 800;

/// Returns the text after `CREATE VIEW name AS`.
fn body(name: &str, declared: &[Declared]) -> String {
    match name {
        "results" => results(declared),
        "history" => history().to_owned(),
        _ => files().to_owned(),
    }
}

/// A parameter or score of an own trainer.
#[derive(Debug)]
struct Declared {
    is_score: bool,
    name: String,
}

/// Returns what sweeps have declared, in order.
async fn declared<'a>(from: impl sqlx::SqliteExecutor<'a>) -> Result<Vec<Declared>, StoreError> {
    let rows: Vec<(bool, String)> =
        sqlx::query_as("SELECT kind = 'score', name FROM declared ORDER BY id").fetch_all(from).await?;
    // Names are quoted in the view's text.
    let rows = rows.into_iter().filter(|(_, name)| is_name(name)).take(MOST);
    Ok(rows.map(|(is_score, name)| Declared { is_score, name }).collect())
}

/// The columns of a view under construction.
#[derive(Default)]
struct Columns {
    sql: String,
    names: Vec<String>,
}

impl Columns {
    fn add(&mut self, value: &str, name: &str) {
        self.add_quoted(value, name, name.to_owned());
    }

    fn add_quoted(&mut self, value: &str, name: &str, quoted: String) {
        let comma = if self.names.is_empty() { "" } else { ",\n  " };
        let _ = write!(self.sql, "{comma}{value} AS {quoted}");
        self.names.push(name.to_ascii_lowercase());
    }

    /// Adds a column with an arbitrary name, SQL keywords included. If the name is taken, it uses `otherwise`; SQLite
    /// does not distinguish `A` from `a`.
    fn add_as(&mut self, value: &str, name: &str, otherwise: &str) {
        let mut free = name.to_owned();
        while self.names.contains(&free.to_ascii_lowercase()) {
            free.push_str(otherwise);
        }
        self.add_quoted(value, &free, format!("\"{free}\""));
    }
}

fn results(declared: &[Declared]) -> String {
    let mut columns = Columns::default();
    let parameter = |name: &str| format!("(SELECT value FROM parameters WHERE job = j.id AND name = '{name}')");
    let score = |name: &str| {
        format!(
            "(SELECT c.value FROM asked AS a JOIN scores AS c ON c.metric = a.metric AND c.ask = a.ask \
             WHERE a.scoring = e.scoring AND a.metric = '{name}' AND c.job = j.id AND c.step = b.steps)"
        )
    };
    let nan = "coalesce((SELECT group_concat(c.metric) FROM asked AS a JOIN scores AS c ON c.metric = a.metric AND \
        c.ask = a.ask \
         WHERE a.scoring = e.scoring AND c.job = j.id AND c.step = b.steps AND c.kind = 'nan'), '')";
    let device = "(SELECT a.device FROM members AS m JOIN attempts AS a ON a.cohort = m.cohort WHERE m.job = j.id\
         \n   ORDER BY a.started_at DESC LIMIT 1)";
    let before = [
        ("s.name", "sweep"),
        ("e.variant", "variant"),
        ("j.id", "job"),
        ("b.objective", "objective"),
        ("b.dataset", "dataset"),
    ];
    let between = [("j.seed", "seed"), ("j.state", "state")];
    let after = [
        (nan, "nan_scores"),
        ("j.step", "step"),
        ("b.steps", "steps"),
        ("j.seconds", "seconds"),
        ("j.scoring", "scoring_seconds"),
        (device, "device"),
        ("e.axes", "axes"),
    ];
    for (value, name) in before {
        columns.add(value, name);
    }
    let known = parameter_names();
    for name in &known {
        columns.add(&parameter(name), name);
    }
    for (value, name) in between {
        columns.add(value, name);
    }
    for name in Metric::ALL.map(Metric::name) {
        columns.add(&score(name), name);
    }
    for (value, name) in after {
        columns.add(value, name);
    }
    // One column holds all parameters of the same name.
    for Declared { is_score, name } in
        declared.iter().filter(|declared| declared.is_score || !known.contains(&&*declared.name))
    {
        if *is_score {
            columns.add_as(&score(name), name, "_score");
        } else {
            columns.add_as(&parameter(name), name, "_parameter");
        }
    }
    let from = "FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep JOIN jobs AS j ON j.id = e.job JOIN blueprints AS \
        b ON b.id = j.blueprint\
         \nORDER BY s.name, e.ordinal";
    format!("SELECT {}\n{from}", columns.sql)
}

fn history() -> &'static str {
    "SELECT c.job AS job, c.step AS step, c.metric AS metric, c.value AS value, c.kind AS kind, c.std AS std, j.seed \
    AS seed,\n  \
     (SELECT group_concat(DISTINCT s.name) FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE e.job = c.job) \
     AS sweep,\n  \
     (SELECT group_concat(DISTINCT e.variant) FROM entries AS e WHERE e.job = c.job) AS variant,\n  \
     b.objective AS objective, b.dataset AS dataset, a.json AS asked, p.json AS protocol\n\
     FROM scores AS c JOIN jobs AS j ON j.id = c.job JOIN blueprints AS b ON b.id = j.blueprint JOIN protocols AS p ON \
     p.id = c.protocol JOIN asks AS a ON a.id = c.ask\n\
     UNION ALL\n\
     SELECT l.job, json_extract(l.steps, '$[' || v.key || ']'), s.key,\n  \
     CASE WHEN v.type <> 'text' THEN v.value WHEN v.value = 'inf' THEN 9e999 WHEN v.value = '-inf' THEN -9e999 END,\n  \
     CASE WHEN v.type = 'text' THEN v.value ELSE 'finite' END, NULL, j.seed,\n  \
     (SELECT group_concat(DISTINCT s.name) FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE e.job = \
     l.job),\n  \
     (SELECT group_concat(DISTINCT e.variant) FROM entries AS e WHERE e.job = l.job), b.objective, b.dataset, NULL, \
     NULL\n\
     FROM losses AS l JOIN jobs AS j ON j.id = l.job JOIN blueprints AS b ON b.id = j.blueprint\n  \
     JOIN json_each(l.series) AS s JOIN json_each(s.value) AS v WHERE v.type <> 'null'"
}

fn files() -> &'static str {
    "SELECT j.id AS job, (SELECT group_concat(r.was) FROM renamed AS r WHERE r.job = j.id) AS names,\n  \
     j.state AS state, j.seed AS seed, c.id AS cohort, c.directory AS directory, b.json AS settings\n\
     FROM jobs AS j JOIN blueprints AS b ON b.id = j.blueprint\n  \
     LEFT JOIN members AS m ON m.job = j.id LEFT JOIN cohorts AS c ON c.id = m.cohort\n\
     ORDER BY j.id, c.ordinal DESC"
}

/// Recreates the views if their text has changed.
pub(super) async fn ensure(transaction: &mut Transaction<'static, Sqlite>) -> Result<(), StoreError> {
    let declared = declared(&mut **transaction).await?;
    for name in NAMES {
        let wanted = format!("CREATE VIEW {name} AS {}", body(name, &declared));
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

/// Creates temporary views for a read-only connection; they hide those of another version of the program.
pub(super) async fn ensure_temporary(pool: &SqlitePool) -> Result<(), StoreError> {
    let declared = declared(pool).await?;
    for name in NAMES {
        let found: Option<String> =
            sqlx::query_scalar("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?")
                .bind(name)
                .fetch_optional(pool)
                .await?;
        let body = body(name, &declared);
        if found != Some(format!("CREATE VIEW {name} AS {body}")) {
            let create = format!("CREATE TEMP VIEW {name} AS {body}");
            sqlx::query(AssertSqlSafe(create)).execute(pool).await?;
        }
    }
    Ok(())
}
