//! Decisions about jobs, by users or by early stopping. A file of the home directory records them, too, because
//! workers' logs do not.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use serde::{Deserialize, Serialize};
use sqlx::{Sqlite, Transaction};

use super::attempt::change;
use super::register::{parse_id, parse_status};
use super::scorings::Scorings;
use super::{Store, StoreError};
use sweep_spec::id::{CohortId, JobId};
use sweep_spec::job::Scores;
use sweep_system::clock::now;
use sweep_system::whole;
use sweep_wire::home::Home;
use sweep_wire::status::{Change, Early};

/// What happens to a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is no longer trained. A cohort that has begun continues without it.
    Cancel,
    /// It failed or was cancelled, and is retried. A cancelled job then counts as new: it is in no started cohort.
    Retry,
    /// It is done, and is trained again for scores at steps that are gone.
    Again,
    /// It is stopped early. A cohort that has begun continues without it.
    Stop(Stopped),
    /// It was stopped early, and a sweep that does not stop it needs it. It then counts as new: it is in no started
    /// cohort.
    Reopen,
}

/// Why a job is stopped early.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// The kind of early stopping.
    pub early: Early,
    /// Its results at this step led to the decision.
    pub step: u64,
    /// The reason, for people.
    pub why: String,
}

impl From<&Decision> for Change {
    fn from(decision: &Decision) -> Change {
        match decision {
            Decision::Cancel => Change::Cancel,
            Decision::Retry => Change::Retry,
            Decision::Again => Change::Again,
            Decision::Stop(stopped) => Change::Stop(stopped.early),
            Decision::Reopen => Change::Reopen,
        }
    }
}

/// A line of `decisions.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    /// Seconds since the Unix epoch.
    at: f64,
    #[serde(flatten)]
    what: What,
    jobs: Vec<JobId>,
    /// The attempts that were training these jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    taken: Vec<Taken>,
}

/// How much of an attempt's log came before a decision. Times do not tell: reports are read later, or when the next run
/// begins, and a worker on another machine may have another clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The cohort.
    pub cohort: CohortId,
    /// The attempt.
    pub attempt: u32,
    /// The number of events.
    pub events: u64,
}

/// A decision about jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// What happens to them.
    Change(Decision),
    /// Which scores a sweep asks for.
    Ask(Ask),
}

/// The scores a sweep asks for from now on, until its file is run again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ask {
    /// The sweep.
    pub sweep: String,
    /// The scores it asked for before. Only entries with these are changed.
    pub before: Scores,
    /// The scores it asks for now.
    pub now: Scores,
}

/// Seconds between two consecutive times; large enough for floats in this century.
const APART: f64 = 1e-6;

impl Store {
    /// Applies a user's decision to those `jobs` whose state allows it, and returns them. Records it in
    /// `decisions.jsonl` of the home directory first, for [`super::rebuild()`].
    ///
    /// # Errors
    ///
    /// If that file or the database cannot be written.
    pub async fn decide(&self, home: &Home, jobs: &[JobId], decision: Decision) -> Result<Vec<JobId>, StoreError> {
        // Later than everything in the database, even if that comes from a machine whose clock is ahead: a rebuild uses
        // this order.
        let at = now().max(self.known_until().await? + APART);
        let mut transaction = self.write().await?;
        let mut concerned = Vec::new();
        for &job in jobs {
            let state: Option<String> = sqlx::query_scalar("SELECT state FROM jobs WHERE id = ?")
                .bind(job.to_string())
                .fetch_optional(&mut *transaction)
                .await?;
            let Some(state) = state else { continue };
            if parse_status(&state)?.after((&decision).into()).is_some() && !concerned.contains(&job) {
                concerned.push(job);
            }
        }
        if !concerned.is_empty() {
            let (what, jobs) = (What::Change(decision.clone()), concerned.clone());
            let taken = taken(&mut transaction, &jobs).await?;
            append(home, &[Line { at, what, jobs, taken }])?;
            apply(&mut transaction, &concerned, &decision).await?;
        }
        transaction.commit().await?;
        Ok(concerned)
    }

    /// Changes the scores that a sweep asks for from `jobs`. Records it in `decisions.jsonl` first.
    ///
    /// # Errors
    ///
    /// If that file or the database cannot be written.
    pub async fn ask(&self, home: &Home, jobs: &[JobId], asked: Ask) -> Result<(), StoreError> {
        let at = now().max(self.known_until().await? + APART);
        let mut transaction = self.write().await?;
        append(home, &[Line { at, what: What::Ask(asked.clone()), jobs: jobs.to_vec(), taken: Vec::new() }])?;
        ask(&mut transaction, jobs, &asked, at).await?;
        Ok(transaction.commit().await?)
    }
}

/// Returns how much of their logs the open attempts on any of `jobs` have in the database. Their workers may have
/// reported more.
async fn taken(transaction: &mut Transaction<'static, Sqlite>, jobs: &[JobId]) -> Result<Vec<Taken>, StoreError> {
    let open: Vec<(String, u32, i64, String)> = sqlx::query_as(
        "SELECT a.cohort, a.number, a.log_events, m.job FROM attempts AS a JOIN members AS m ON m.cohort = a.cohort \
        AND m.gone = 0 \
         WHERE a.ended_at IS NULL ORDER BY a.started_at",
    )
    .fetch_all(&mut **transaction)
    .await?;
    let mut found: Vec<Taken> = Vec::new();
    let jobs: HashSet<String> = jobs.iter().map(JobId::to_string).collect();
    for (cohort, attempt, events, _) in open.into_iter().filter(|(.., job)| jobs.contains(job)) {
        let taken = Taken { cohort: parse_id(&cohort)?, attempt, events: events as u64 };
        if found.last() != Some(&taken) {
            found.push(taken);
        }
    }
    Ok(found)
}

/// Changes the scores that a sweep asks for from `jobs`, if it was run before `at`.
async fn ask(
    transaction: &mut Transaction<'static, Sqlite>,
    jobs: &[JobId],
    Ask { sweep, before, now }: &Ask,
    at: f64,
) -> Result<(), StoreError> {
    let mut scorings = Scorings::default();
    let before = scorings.id(transaction, before).await?;
    let now = scorings.id(transaction, now).await?;
    for job in jobs {
        sqlx::query(
            "UPDATE entries SET scoring = ? WHERE job = ? AND scoring = ? AND sweep IN (SELECT id FROM sweeps WHERE \
            name = ? AND updated_at <= ?)",
        )
        .bind(now)
        .bind(job.to_string())
        .bind(before)
        .bind(sweep)
        .bind(at)
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Jobs, the decision about them, and how much of the logs of attempts on them the database gets before.
pub type Decided = (Vec<JobId>, Decision, Vec<Taken>);

/// Records decisions in `decisions.jsonl` of the home directory, for [`super::rebuild()`]; [`super::Write::Decided`]
/// then puts them into the database. [`Store::decide`] does both. `at` must be after all known attempts.
///
/// # Errors
///
/// If the file cannot be written.
pub fn note((home, at): (&Home, f64), decided: &[Decided]) -> Result<(), StoreError> {
    let line = |(jobs, decision, taken): &Decided| {
        let what = What::Change(decision.clone());
        Line { at, what, jobs: jobs.clone(), taken: taken.clone() }
    };
    append(home, &decided.iter().map(line).collect::<Vec<_>>())
}

/// Applies a decision in the database only.
pub(super) async fn apply(
    transaction: &mut Transaction<'static, Sqlite>,
    jobs: &[JobId],
    decision: &Decision,
) -> Result<(), StoreError> {
    let why = if let Decision::Stop(stopped) = decision { stopped.why.as_str() } else { "" };
    for job in change(transaction, jobs, decision.into(), why).await? {
        let leaves = match decision {
            // A job that is trained again counts as new: its old cohort would measure the old scores.
            Decision::Cancel | Decision::Again => true,
            Decision::Stop(Stopped { step, .. }) => {
                // It may have trained beyond the step of the decision.
                sqlx::query("UPDATE jobs SET step = ? WHERE id = ?")
                    .bind(*step as i64)
                    .bind(job.to_string())
                    .execute(&mut **transaction)
                    .await?;
                true
            }
            Decision::Retry | Decision::Reopen => false,
        };
        if leaves {
            sqlx::query("UPDATE members SET gone = 1 WHERE job = ?")
                .bind(job.to_string())
                .execute(&mut **transaction)
                .await?;
        }
    }
    Ok(())
}

/// Appends lines and makes them durable.
fn append(home: &Home, lines: &[Line]) -> Result<(), StoreError> {
    let path = home.decisions();
    let write = || {
        let lines = lines.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
        whole::append_line(&path, lines.join("\n").as_bytes())
    };
    write().map_err(|source| StoreError::File { path: path.clone(), source })
}

/// Decisions to apply to a new database.
#[derive(Debug, Default)]
pub(super) struct Decisions {
    /// Decisions not yet applied, in the order they were made. No time is before that of an earlier line.
    lines: Vec<Line>,
}

impl Decisions {
    /// Loads the decisions of a home directory. Adds a warning for each invalid line.
    pub(super) fn load(home: &Home, warnings: &mut Vec<String>) -> Result<Decisions, StoreError> {
        let path = home.decisions();
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other.map_err(|source| StoreError::File { path: path.clone(), source })?,
        };
        let mut lines: Vec<Line> = Vec::new();
        let texts = (1..).zip(text.split(|&byte| byte == b'\n'));
        for (number, text) in texts.filter(|(_, text)| !text.trim_ascii().is_empty()) {
            match serde_json::from_slice::<Line>(text) {
                Ok(mut line) => {
                    // The clock may have been set back between them.
                    line.at = lines.last().map_or(line.at, |before| line.at.max(before.at));
                    lines.push(line);
                }
                Err(error) => warnings.push(format!("{}, line {number}: not a decision: {error}", path.display())),
            }
        }
        Ok(Decisions { lines })
    }

    /// Translates them to today's job ids. A job with several former ids, under which it was trained several times, is
    /// cancelled under each of them.
    pub(super) fn of(mut self, renamed: &HashMap<JobId, JobId>) -> Decisions {
        let mut cancelled: HashSet<JobId> = HashSet::new();
        for line in &self.lines {
            match &line.what {
                What::Change(Decision::Cancel | Decision::Stop(_)) => cancelled.extend(&line.jobs),
                What::Change(Decision::Retry | Decision::Again | Decision::Reopen) => {
                    cancelled.retain(|job| !line.jobs.contains(job));
                }
                What::Ask(_) => {}
            }
        }
        let mut open: HashMap<JobId, usize> = HashMap::new();
        for (was, job) in renamed {
            *open.entry(*job).or_default() += usize::from(!cancelled.contains(was));
        }
        let mut names: HashMap<JobId, usize> = HashMap::new();
        renamed.values().for_each(|job| *names.entry(*job).or_default() += 1);
        for line in &mut self.lines {
            line.jobs.retain(|job| {
                let Some(today) = renamed.get(job) else { return true };
                names[today] == 1 || open[today] == 0
            });
            for job in &mut line.jobs {
                *job = renamed.get(job).copied().unwrap_or(*job);
            }
        }
        self.lines.retain(|line| !line.jobs.is_empty());
        self
    }

    /// Keeps only those made later than `since`.
    pub(super) fn since(mut self, since: f64) -> Decisions {
        self.lines.retain(|line| line.at > since);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Returns the time of the first decision about any of `jobs` that is not applied yet, and how many events of this
    /// attempt came before it, if known.
    pub(super) fn next(&self, attempt: (CohortId, u32), jobs: &HashSet<JobId>) -> Option<(f64, Option<u64>)> {
        let line = self.lines.iter().find(|line| line.jobs.iter().any(|job| jobs.contains(job)))?;
        let taken = line.taken.iter().find(|taken| (taken.cohort, taken.attempt) == attempt);
        Some((line.at, taken.map(|taken| taken.events)))
    }

    /// Applies the decisions up to `until`, about these jobs or about all.
    pub(super) async fn replay(
        &mut self,
        store: &Store,
        until: f64,
        about: Option<&HashSet<JobId>>,
    ) -> Result<(), StoreError> {
        let mut transaction = store.write().await?;
        for line in self.lines.iter_mut().take_while(|line| line.at <= until) {
            let due = |job: &mut JobId| about.is_none_or(|about| about.contains(job));
            let jobs: Vec<JobId> = line.jobs.extract_if(.., due).collect();
            match &line.what {
                What::Change(decision) => apply(&mut transaction, &jobs, decision).await?,
                What::Ask(asked) => ask(&mut transaction, &jobs, asked, line.at).await?,
            }
        }
        transaction.commit().await?;
        self.lines.retain(|line| !line.jobs.is_empty());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_several_names_is_cancelled_where_it_was_under_each() {
        let [one, other, alone] = ["one", "other", "alone"].map(|name| JobId::of(name.as_bytes()));
        let [both, single] = ["both", "single"].map(|name| JobId::of(name.as_bytes()));
        let renamed = [(one, both), (other, both), (alone, single)].into();
        let line = |decision, jobs: &[JobId]| {
            let (what, jobs) = (What::Change(decision), jobs.to_vec());
            Line { at: 1.0, what, jobs, taken: Vec::new() }
        };
        let of = |lines: Vec<Line>| -> Vec<Vec<JobId>> {
            Decisions { lines }.of(&renamed).lines.into_iter().map(|line| line.jobs).collect()
        };
        assert_eq!(of(vec![line(Decision::Cancel, &[one, alone])]), [[single]]);
        assert_eq!(of(vec![line(Decision::Cancel, &[one]), line(Decision::Cancel, &[other])]), [[both], [both]]);
        let taken_back = [line(Decision::Cancel, &[one, other]), line(Decision::Retry, &[other])];
        assert!(of(taken_back.to_vec()).is_empty());
        assert_eq!(of(vec![line(Decision::Cancel, &[both])]), [[both]], "who is called so today");
    }
}
