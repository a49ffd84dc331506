//! Hands the results of sweeps to other programs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use crate::database::with_store;
use crate::{Event, Exporting, Failure, Places, Tell};
pub use sweep_export::Format;
use sweep_export::{Done, ExportError, Run, exporter};
use sweep_store::Store;

/// Jobs that are in memory at a time.
const AT_ONCE: usize = 100;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Request {
    /// Sweeps by name; without one, that which was run last.
    pub sweeps: Vec<String>,
    /// What is written.
    pub format: Format,
    /// Where: a folder, or the address of a server.
    pub out: PathBuf,
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// So many sweeps.
    pub sweeps: usize,
    /// Jobs that were written.
    pub written: usize,
    /// Jobs that an earlier export had left as they are.
    pub same: usize,
    /// Jobs that have not begun, for which the format has no place.
    pub not_begun: usize,
}

/// Exports sweeps.
///
/// # Errors
///
/// There is no such sweep, the format is not built, or something cannot be read or written.
pub fn export(places: &Places, request: &Request, tell: &Tell) -> Result<Exported, Failure> {
    with_store(places, async |store| {
        let exported = all(&store, request, tell).await;
        tell.event(Event::Exporting(Exporting::Ended));
        exported
    })
}

async fn all(store: &Store, request: &Request, tell: &Tell) -> Result<Exported, Failure> {
    let mut outlines = BTreeMap::new();
    let names = if request.sweeps.is_empty() { vec![None] } else { request.sweeps.iter().map(Some).collect() };
    for name in names {
        let sweep = store.sweep(name.map(String::as_str)).await?;
        outlines.insert(sweep.name.clone(), store.outline(&sweep).await?);
    }
    let outlines: Vec<_> = outlines.into_values().collect();
    let jobs = outlines.iter().map(|outline| outline.entries).sum();
    let mut exporter = exporter(request.format, &request.out, &outlines)?;
    tell.event(Event::Exporting(Exporting::Begun { jobs }));
    let mut exported = Exported { sweeps: outlines.len(), ..Exported::default() };
    for outline in &outlines {
        exporter.sweep(outline)?;
        let mut from = 0;
        loop {
            let entries = store.exported(&outline.sweep.name, from, AT_ONCE).await?;
            let Some(last) = entries.last() else { break };
            from = last.ordinal + 1;
            for entry in entries {
                let start = Instant::now();
                match exporter.run(&Run::new(outline, entry))? {
                    Done::Written => exported.written += 1,
                    Done::Same => exported.same += 1,
                    Done::NotBegun => exported.not_begun += 1,
                }
                tell.event(Event::Exporting(Exporting::Exported { seconds: start.elapsed().as_secs_f64() }));
            }
        }
    }
    exporter.finish()?;
    Ok(exported)
}

impl From<ExportError> for Failure {
    fn from(error: ExportError) -> Self {
        if error.is_usage() { Failure::usage(error) } else { Failure::environment(error) }
    }
}
