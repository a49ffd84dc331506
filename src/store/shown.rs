//! Reads what figures and pages show in addition to scores: sample sheets and the timeline of slots.

use super::register::parse_id;
use super::results::find;
use super::{AttemptOutcome, Results, Store, StoreError};
use sweep_spec::id::CohortId;
use sweep_system::clock::now;

/// One attempt at a cohort of a sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// The cohort.
    pub cohort: CohortId,
    /// Counts from 1 in each cohort.
    pub number: u32,
    /// How many jobs train together in it.
    pub members: usize,
    /// The slot it ran in.
    pub slot: String,
    /// When it started, in seconds since the Unix epoch.
    pub started_at: f64,
    /// When it ended, in seconds since the Unix epoch.
    pub ended_at: Option<f64>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<AttemptOutcome>,
    /// A message for people.
    pub message: String,
}

impl Store {
    /// Reads the sample sheets of all entries, their cohorts, and the attempts at these.
    pub async fn read_shown(&self, results: &mut Results) -> Result<(), StoreError> {
        let sql = "SELECT e.ordinal, p.step, p.path FROM sweeps AS s CROSS JOIN entries AS e CROSS JOIN samples AS p \
                   WHERE s.name = ? AND e.sweep = s.id AND p.job = e.job ORDER BY e.ordinal, p.step";
        let (entries, mut at) = (&mut results.entries, 0);
        self.scan(sql, [&results.sweep.name], |row| {
            if let Some(entry) = find(entries, &mut at, row.get(0)?) {
                entry.sheets.push((row.get::<_, i64>(1)? as u64, row.get(2)?));
            }
            Ok(())
        })
        .await?;
        let sql = "SELECT e.ordinal, m.cohort FROM sweeps AS s CROSS JOIN entries AS e CROSS JOIN members AS m \
                   WHERE s.name = ? AND e.sweep = s.id AND m.job = e.job ORDER BY e.ordinal, m.cohort";
        let (entries, mut at) = (&mut results.entries, 0);
        self.scan(sql, [&results.sweep.name], |row| {
            if let Some(entry) = find(entries, &mut at, row.get(0)?) {
                entry.cohorts.push(parse_id(&row.get::<_, String>(1)?)?);
            }
            Ok(())
        })
        .await?;
        let sql = "SELECT a.cohort, a.number, (SELECT count(*) FROM members AS m WHERE m.cohort = a.cohort), a.slot, \
            a.started_at, \
                   a.ended_at, a.outcome, a.message FROM attempts AS a WHERE a.cohort IN (SELECT m.cohort FROM sweeps \
                   AS s \
                   JOIN entries AS e ON e.sweep = s.id JOIN members AS m ON m.job = e.job WHERE s.name = ?) \
                   ORDER BY a.started_at, a.cohort, a.number";
        results.as_of = Some(now());
        let attempts = &mut results.attempts;
        self.scan(sql, [&results.sweep.name], |row| {
            let outcome = row.get::<_, Option<String>>(6)?;
            attempts.push(Span {
                cohort: parse_id(&row.get::<_, String>(0)?)?,
                number: row.get(1)?,
                members: row.get::<_, i64>(2)? as usize,
                slot: row.get(3)?,
                started_at: row.get(4)?,
                ended_at: row.get(5)?,
                outcome: outcome.as_deref().map(AttemptOutcome::parse).transpose()?,
                message: row.get(7)?,
            });
            Ok(())
        })
        .await
    }
}
