//! The views `results` and `history`: made from their descriptions, so that a new parameter or metric needs no migration.
//!
//! - `results`: one row a job and sweep entry. A metric's column holds its value at the job's last planned step, and NULL where that
//!   step was not reached: a half-finished or diverged job never enters an average with an early score. SQL has no NaN: a NaN score is
//!   NULL there too, and `nan_scores` names it (the names of a row's NaN scores, separated by commas; empty where there are none).
//!   Infinite scores stand as they are. Parameters and scores of trainers of the user's own come last, under their names; one whose name is
//!   taken has `_parameter` or `_score` behind it.
//! - `history`: one row a job, step and metric, with `kind` (`finite`, `nan`, `inf`, `-inf`) beside the value. Where a job stands in
//!   several sweeps or variants, `sweep` and `variant` are their names, separated by commas. Losses are in it by the names of their series,
//!   without `asked` and `protocol`.

use std::fmt::Write;

use sqlx::sqlite::SqlitePool;
use sqlx::{AssertSqlSafe, Sqlite, Transaction};

use super::StoreError;
use sweep_spec::keys::parameter_names;
use sweep_spec::metric::{Metric, is_name};

const NAMES: [&str; 2] = ["results", "history"];

/// Columns of what trainers of the user's own have at most: SQLite makes no view of more than 2000. What is beyond stands in the tables.
const MOST: usize = 800;

/// What follows `CREATE VIEW name AS`.
fn body(name: &str, declared: &[Declared]) -> String {
    if name == "results" { results(declared) } else { history().to_owned() }
}

/// A parameter, or a score, of a trainer of the user's own.
#[derive(Debug)]
struct Declared {
    is_score: bool,
    name: String,
}

/// What sweeps have declared, in the order in which they did.
async fn declared<'a>(from: impl sqlx::SqliteExecutor<'a>) -> Result<Vec<Declared>, StoreError> {
    let rows: Vec<(bool, String)> =
        sqlx::query_as("SELECT kind = 'score', name FROM declared ORDER BY id").fetch_all(from).await?;
    // Names stand in the view's text between quotes.
    let rows = rows.into_iter().filter(|(_, name)| is_name(name)).take(MOST);
    Ok(rows.map(|(is_score, name)| Declared { is_score, name }).collect())
}

/// The columns of a view so far.
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

    /// The same of a name that may be any, SQL's own words too, which no other column has; SQLite does not tell `A` from `a`.
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
    let nan = "coalesce((SELECT group_concat(c.metric) FROM asked AS a JOIN scores AS c ON c.metric = a.metric AND c.ask = a.ask \
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
    // One column has the parameters of one name, whosever they are.
    for Declared { is_score, name } in
        declared.iter().filter(|declared| declared.is_score || !known.contains(&&*declared.name))
    {
        if *is_score {
            columns.add_as(&score(name), name, "_score");
        } else {
            columns.add_as(&parameter(name), name, "_parameter");
        }
    }
    let from = "FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep JOIN jobs AS j ON j.id = e.job JOIN blueprints AS b ON b.id = j.blueprint\
         \nORDER BY s.name, e.ordinal";
    format!("SELECT {}\n{from}", columns.sql)
}

fn history() -> &'static str {
    "SELECT c.job AS job, c.step AS step, c.metric AS metric, c.value AS value, c.kind AS kind, c.std AS std, j.seed AS seed,\n  \
     (SELECT group_concat(DISTINCT s.name) FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE e.job = c.job) AS sweep,\n  \
     (SELECT group_concat(DISTINCT e.variant) FROM entries AS e WHERE e.job = c.job) AS variant,\n  \
     b.objective AS objective, b.dataset AS dataset, a.json AS asked, p.json AS protocol\n\
     FROM scores AS c JOIN jobs AS j ON j.id = c.job JOIN blueprints AS b ON b.id = j.blueprint JOIN protocols AS p ON p.id = c.protocol JOIN asks AS a ON a.id = c.ask\n\
     UNION ALL\n\
     SELECT l.job, json_extract(l.steps, '$[' || v.key || ']'), s.key,\n  \
     CASE WHEN v.type <> 'text' THEN v.value WHEN v.value = 'inf' THEN 9e999 WHEN v.value = '-inf' THEN -9e999 END,\n  \
     CASE WHEN v.type = 'text' THEN v.value ELSE 'finite' END, NULL, j.seed,\n  \
     (SELECT group_concat(DISTINCT s.name) FROM entries AS e JOIN sweeps AS s ON s.id = e.sweep WHERE e.job = l.job),\n  \
     (SELECT group_concat(DISTINCT e.variant) FROM entries AS e WHERE e.job = l.job), b.objective, b.dataset, NULL, NULL\n\
     FROM losses AS l JOIN jobs AS j ON j.id = l.job JOIN blueprints AS b ON b.id = j.blueprint\n  \
     JOIN json_each(l.series) AS s JOIN json_each(s.value) AS v WHERE v.type <> 'null'"
}

/// Makes the views anew where their text has changed.
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

/// The same for a connection that may only read: temporary views hide those of another version of the program.
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
