//! Ways of scoring, and what they ask for from each metric.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::{Sqlite, Transaction};

use super::StoreError;
use sweep_spec::blueprint::Score;
use sweep_spec::job::Scores;
use sweep_spec::metric::{Measure, Metric};

/// The ids of ways of scoring. New ones get an id, and their requests are stored.
#[derive(Debug, Default)]
pub(super) struct Scorings(HashMap<String, i64>);

impl Scorings {
    /// Returns the id of a way of scoring.
    pub(super) async fn id(
        &mut self,
        transaction: &mut Transaction<'static, Sqlite>,
        scores: &[Arc<Score>],
    ) -> Result<i64, StoreError> {
        let json = serde_json::to_string(scores).map_err(|error| sqlx::Error::Encode(error.into()))?;
        if let Some(&id) = self.0.get(&json) {
            return Ok(id);
        }
        let (id, new) = id(transaction, "scorings", &json).await?;
        if new {
            for (metric, asked) in asked(scores) {
                let (ask, _) = self::id(transaction, "asks", &asked).await?;
                sqlx::query("INSERT INTO asked (scoring, metric, ask) VALUES (?, ?, ?)")
                    .bind(id)
                    .bind(metric.name())
                    .bind(ask)
                    .execute(&mut **transaction)
                    .await?;
            }
        }
        self.0.insert(json, id);
        Ok(id)
    }
}

/// Returns what `scores` ask for from each metric. If several name the same metric, the last one counts.
pub(super) fn asked(scores: &[Arc<Score>]) -> impl Iterator<Item = (Measure, String)> {
    let measures: BTreeSet<Measure> = scores.iter().flat_map(|score| score.measures()).collect();
    measures.into_iter().filter_map(|measure| {
        let last = scores.iter().rev().find(|score| score.measures().any(|other| other == measure))?;
        Some((measure, last.asks(measure).to_string()))
    })
}

/// Returns the ids of requests; new ones get an id.
pub(super) async fn asks(
    transaction: &mut Transaction<'static, Sqlite>,
    used: BTreeSet<&str>,
) -> Result<HashMap<String, i64>, StoreError> {
    let mut ids = HashMap::with_capacity(used.len());
    for json in used {
        ids.insert(json.to_owned(), id(transaction, "asks", json).await?.0);
    }
    Ok(ids)
}

/// Returns the id of the row with this text, and whether it is new.
async fn id(
    transaction: &mut Transaction<'static, Sqlite>,
    table: &'static str,
    json: &str,
) -> Result<(i64, bool), StoreError> {
    let (find, insert) = match table {
        "scorings" => ("SELECT id FROM scorings WHERE json = ?", "INSERT INTO scorings (json) VALUES (?) RETURNING id"),
        _ => ("SELECT id FROM asks WHERE json = ?", "INSERT INTO asks (json) VALUES (?) RETURNING id"),
    };
    // Most are known, so looking first avoids writing to the table each time.
    match sqlx::query_scalar(find).bind(json).fetch_optional(&mut **transaction).await? {
        Some(id) => Ok((id, false)),
        None => Ok((sqlx::query_scalar(insert).bind(json).fetch_one(&mut **transaction).await?, true)),
    }
}

/// Parses a column with a way of scoring.
pub(super) fn parse_scores(json: &str) -> Result<Scores, StoreError> {
    let parsed: Result<Vec<Arc<Score>>, _> = serde_json::from_str(json);
    parsed.map(Scores::from).map_err(|error| {
        StoreError::corrupt("the way of scoring", json, format!("one of this version of the program ({error})"))
    })
}

/// Returns everything `scores` ask for, with each metric once per way of measuring it.
pub(super) fn all_asked<'a>(scores: impl Iterator<Item = &'a Arc<Score>>) -> Scores {
    let mut seen: HashMap<(Metric, String), BTreeSet<u64>> = HashMap::new();
    let new = |score: &Arc<Score>| {
        let is_new = |metric: &&Metric| {
            let every = seen.entry((**metric, score.asked(**metric).to_string())).or_default();
            // Each of them measures at the last step anyway.
            (score.every > 0 || every.is_empty()) && every.insert(score.every)
        };
        let metrics: BTreeSet<Metric> = score.metrics.iter().filter(is_new).copied().collect();
        (!metrics.is_empty()).then(|| Arc::new(Score { metrics, ..Score::clone(score) }))
    };
    scores.filter_map(new).collect()
}
