//! `sweep doctor`.

use serde_json::json;

use super::stdout::{print, print_json};
use super::table::{self, Align};
use super::{Exit, Failure, Global, events, hints};
use sweep_operations::doctor::{Check, Status, examine};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Machine-readable output
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Exit, Failure> {
    let mut checks = examine(&global.places, &events::tell());
    let failed = checks.iter().any(|check| check.status == Status::Fail);
    checks.iter_mut().for_each(|check| check.advice = hints::complete(&check.advice));
    if args.json {
        print_json(&as_json(&checks, !failed))?
    } else {
        print(&as_table(&checks))?
    }
    Ok(if failed { Exit::Environment } else { Exit::Ok })
}

fn as_table(checks: &[Check]) -> String {
    let row = |check: &Check| {
        let found = if check.advice.is_empty() {
            check.found.clone()
        } else {
            format!("{}\n→ {}", check.found, check.advice)
        };
        vec![check.status.word().to_owned(), check.name.to_string(), found]
    };
    let header = [("", Align::Left), ("check", Align::Left), ("found", Align::Left)];
    let table = table::table(&header, checks.iter().map(row));
    let count = |status| checks.iter().filter(|check| check.status == status).count();
    let verdict = match (count(Status::Fail), count(Status::Warn)) {
        (0, 0) => "Everything works.".to_owned(),
        (0, warnings) => format!("Everything that is needed works; {warnings} to check."),
        (failures, warnings) => format!("{failures} broken, {warnings} to check."),
    };
    format!("{table}\n{verdict}\n")
}

fn as_json(checks: &[Check], ok: bool) -> String {
    let checks: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name,
                "status": check.status.word().to_lowercase(),
                "found": check.found,
                "advice": check.advice,
            })
        })
        .collect();
    format!("{:#}\n", json!({"ok": ok, "checks": checks}))
}
