//! Describes how scores were measured.

use serde_json::{Map, Value};

use super::document::{Cell, Table};
use super::study::Study;
use sweep_figure::format::{count, number};

/// How a score was measured.
pub type Protocol = Map<String, Value>;

/// How many characters of a checksum are shown.
const CHECKSUM: usize = 12;

/// Returns what the protocols of all metrics have in common, and what is specific to each.
pub(super) fn table(study: &Study) -> Option<Table> {
    let protocols: Vec<_> =
        study.metrics.iter().filter_map(|&metric| Some((metric, object(study, study.protocol(metric)?)?))).collect();
    let common = common(protocols.iter().map(|(_, protocol)| *protocol))?;
    let mut table = Table::new("protocols", "How the scores were measured", 1, &["score", "protocol"]);
    if !common.is_empty() && protocols.len() > 1 {
        table.rows.push(vec![Cell::Text("all".into()), Cell::Text(words(&common, &Map::new()))]);
    }
    for (metric, protocol) in &protocols {
        let own = if protocols.len() > 1 { words(protocol, &common) } else { words(protocol, &Map::new()) };
        if !own.is_empty() {
            table.rows.push(vec![Cell::Text(metric.name().into()), Cell::Text(own)]);
        }
    }
    table.notes.extend(time(study));
    Some(table)
}

/// Returns how long scoring took compared with training, over the finished jobs.
fn time(study: &Study) -> Option<String> {
    let done: std::collections::BTreeMap<_, _> =
        study.results.entries.iter().filter_map(|entry| Some((entry.job, (entry.seconds?, entry.scoring)))).collect();
    let (training, scoring) = done.values().fold((0.0, 0.0), |(a, b), (training, scoring)| (a + training, b + scoring));
    let share = 100.0 * scoring / (training + scoring);
    (scoring > 0.0).then(|| {
        format!(
            "Sampling and scoring took {} % of the jobs' time: {} s of {} s.",
            number(share),
            number(scoring),
            number(training + scoring)
        )
    })
}

/// Describes how a protocol differs from the one that statistics use: `samples 1,000`.
pub(super) fn differs(study: &Study, protocol: i64, from: i64) -> String {
    let empty = Map::new();
    let (own, usual) = (object(study, protocol).unwrap_or(&empty), object(study, from).unwrap_or(&empty));
    let text = words(own, usual);
    if text.is_empty() { format!("protocol {protocol}") } else { text }
}

fn object<'a>(study: &Study<'a>, protocol: i64) -> Option<&'a Protocol> {
    study.results.protocols.get(&protocol)?.as_object()
}

/// Returns what all protocols have in common; `None` if there is no protocol.
pub fn common<'a>(mut protocols: impl Iterator<Item = &'a Protocol>) -> Option<Protocol> {
    let mut common = protocols.next()?.clone();
    for other in protocols {
        common.retain(|key, value| other.get(key) == Some(value));
    }
    Some(common)
}

/// Lists the keys and values of a protocol that are not in `without`.
pub fn words(protocol: &Protocol, without: &Protocol) -> String {
    let word = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::Number(number) => number.as_u64().map_or_else(|| number.to_string(), |n| count(n as usize)),
            Value::String(text) if key == "checksum" => text.chars().take(CHECKSUM).collect(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        format!("{} {value}", key.replace('_', " "))
    };
    protocol.iter().filter(|(key, value)| without.get(*key) != Some(value)).map(word).collect::<Vec<_>>().join(", ")
}
