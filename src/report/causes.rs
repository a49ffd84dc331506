//! Groups failures by cause.

use std::collections::BTreeMap;

use super::document::{Cell, Table};
use super::study::Study;
use sweep_figure::format::list;
use sweep_spec::id::JobId;
use sweep_wire::status::Status;

/// Returns the causes of failures with their jobs, most frequent first. Messages that differ only in numbers and ids
/// are one cause, shown by the first of them.
pub fn causes<'a>(failed: impl IntoIterator<Item = (JobId, &'a str)>) -> Vec<(&'a str, Vec<JobId>)> {
    let mut found: Vec<(String, &str, Vec<JobId>)> = Vec::new();
    for (job, message) in failed {
        let line = message.lines().next().unwrap_or_default();
        let kind = without_numbers(line);
        match found.iter_mut().find(|(other, ..)| *other == kind) {
            Some((.., jobs)) => jobs.push(job),
            None => found.push((kind, line, vec![job])),
        }
    }
    found.sort_by_key(|(.., jobs)| std::cmp::Reverse(jobs.len()));
    found.into_iter().map(|(_, line, jobs)| (line, jobs)).collect()
}

/// Replaces each word that has a digit (numbers, ids, paths of runs) with `#`.
fn without_numbers(text: &str) -> String {
    let word =
        |word: &str| if word.bytes().any(|byte| byte.is_ascii_digit()) { "#".to_owned() } else { word.to_owned() };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Returns the table of failed jobs by cause; `None` if none failed.
pub(super) fn table(study: &Study) -> Option<Table> {
    let runs = || study.everyone().flat_map(|variant| variant.all().map(move |run| (variant.name, run)));
    let failed = || runs().filter(|(_, run)| run.status == Status::Failed);
    // A job may belong to several variants.
    let once: BTreeMap<JobId, &str> = failed().map(|(_, run)| (run.job, run.message)).collect();
    let causes = causes(once);
    if causes.is_empty() {
        return None;
    }
    let mut table = Table::new("failures", "Failed jobs by cause", 1, &["cause", "jobs", "variants", "one of them"]);
    for (cause, jobs) in causes {
        let mut variants: Vec<String> =
            failed().filter(|(_, run)| jobs.contains(&run.job)).map(|(variant, _)| variant.to_owned()).collect();
        variants.dedup();
        let cause = if cause.is_empty() { "unknown" } else { cause };
        table.rows.push(vec![
            Cell::Text(cause.to_owned()),
            Cell::Count(jobs.len()),
            Cell::Text(list(&variants)),
            Cell::Text(jobs[0].short()),
        ]);
    }
    table.notes.push(
        "`sweep show JOB` shows the end of the worker's log; `sweep retry --failed` retries these \
        jobs."
            .into(),
    );
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_differ_in_numbers_are_one_cause() {
        let job = |n: u8| JobId::of(&[n]);
        let messages = [
            (job(1), "out of memory: 805 bytes wanted"),
            (job(2), "the worker died (exit code 3)\nand more"),
            (job(3), "the worker died (exit code 7)"),
            (job(4), ""),
        ];
        let found = causes(messages);
        let expected = [
            ("the worker died (exit code 3)", vec![job(2), job(3)]),
            ("out of memory: 805 bytes wanted", vec![job(1)]),
            ("", vec![job(4)]),
        ];
        assert_eq!(found, expected);
    }
}
