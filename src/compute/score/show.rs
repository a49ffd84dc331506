//! Output of `sweep score`: scores, and progress while they are computed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use sweep_cli::Failure;
use sweep_cli::stderr::bar;
use sweep_cli::table::{self, Align, count};
use sweep_metrics::ScoreValue;
use sweep_report::format::number;
use sweep_report::protocol::{Protocol, common, words};
use sweep_spec::metric::{Metric, Needs};

/// The progress line on a terminal.
pub(super) struct Current(ProgressBar);

impl Current {
    pub(super) fn new() -> Self {
        let bar = bar(0);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        Current(bar)
    }

    /// Shows that `metric` comes next.
    pub(super) fn set(&self, metric: Metric) {
        let together = matches!(metric.needs(), Needs::Neighbours | Needs::Nearest);
        self.say(if together { "nearest neighbours" } else { metric.name() }.to_owned());
    }

    /// Shows that `seen` of `all` samples are done; 0 of 0 means that another process is computing the same.
    pub(super) fn seen(&self, seen: usize, all: usize) -> ControlFlow<()> {
        self.say(match (seen, all) {
            (0, 0) => "waiting for another process".to_owned(),
            _ => format!("{} of {} samples", count(seen), count(all)),
        });
        ControlFlow::Continue(())
    }

    fn say(&self, what: String) {
        self.0.set_message(what);
        self.0.enable_steady_tick(Duration::from_millis(100));
    }
}

/// Removes the line.
impl Drop for Current {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

const TEMPLATE: &str = "{spinner:.green} {msg}, {elapsed}";

/// Each score with its protocol.
fn protocols(found: &[ScoreValue]) -> impl Iterator<Item = (Metric, &Protocol)> {
    found.iter().filter_map(|value| Some((value.metric, value.protocol.as_object()?)))
}

#[derive(serde::Serialize)]
struct Found {
    #[serde(with = "sweep_wire::real")]
    value: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    std: Option<f64>,
}

pub(super) fn as_json(found: &[ScoreValue]) -> Result<String, Failure> {
    // As in the database: a spread that is not finite is left out.
    let spread = |value: &ScoreValue| value.std.filter(|std| std.is_finite());
    let scores: BTreeMap<&str, Found> =
        found.iter().map(|found| (found.metric.name(), Found { value: found.value, std: spread(found) })).collect();
    let common = common(protocols(found).map(|(_, protocol)| protocol)).unwrap_or_default();
    let mut shown = common.clone();
    for (metric, protocol) in protocols(found) {
        let mut own = protocol.clone();
        own.retain(|key, _| !common.contains_key(key));
        if !own.is_empty() {
            shown.insert(metric.name().to_owned(), own.into());
        }
    }
    let text =
        serde_json::to_string_pretty(&json!({"scores": scores, "protocol": shown})).map_err(Failure::internal)?;
    Ok(text + "\n")
}

pub(super) fn as_table(found: &[ScoreValue]) -> String {
    let header = [
        ("score", Align::Left),
        ("value", Align::Right),
        ("std", Align::Right),
        ("better", Align::Left),
        ("how", Align::Left),
    ];
    let common = common(protocols(found).map(|(_, protocol)| protocol)).unwrap_or_default();
    let rows = found.iter().map(|value| {
        let how = value.protocol.as_object().map(|protocol| words(protocol, &common)).unwrap_or_default();
        let std = value.std.map(number).unwrap_or_default();
        vec![value.metric.name().to_owned(), number(value.value), std, value.metric.better().name().to_owned(), how]
    });
    let mut text = table::table(&header, rows);
    if !common.is_empty() {
        text.push_str(&format!("\n{}\n", words(&common, &Protocol::new())));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(metric: Metric, value: f64, std: Option<f64>, protocol: serde_json::Value) -> ScoreValue {
        ScoreValue { metric, value, std, protocol }
    }

    #[test]
    fn the_template_parses() {
        assert!(ProgressStyle::with_template(TEMPLATE).is_ok());
    }

    #[test]
    fn numbers_have_enough_digits_and_protocols_are_shown_once() {
        let found = [
            of(
                Metric::Kid,
                1.23e-7,
                Some(0.5),
                json!({"samples": 2000, "subset": 1000, "checksum": "0123456789abcdef"}),
            ),
            of(Metric::Frechet, 123_456.789, None, json!({"samples": 2000, "checksum": "0123456789abcdef"})),
        ];
        let table = as_table(&found);
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["kid", "1.2e-7", "0.500", "lower", "subset", "1,000"]);
        assert_eq!(lines[2], ["frechet", "123456.8", "lower"]);
        assert_eq!(lines[4], ["checksum", "0123456789ab,", "samples", "2,000"]);
        let json: serde_json::Value = serde_json::from_str(&as_json(&found).unwrap()).unwrap();
        assert_eq!(json["scores"]["kid"], json!({"value": 1.23e-7, "std": 0.5}));
        let protocol = json!({"checksum": "0123456789abcdef", "samples": 2000, "kid": {"subset": 1000}});
        assert_eq!(json["protocol"], protocol);
        let huge = as_json(&[of(Metric::Kid, f64::INFINITY, Some(f64::INFINITY), json!({}))]).unwrap();
        let json: serde_json::Value = serde_json::from_str(&huge).unwrap();
        assert_eq!(json["scores"]["kid"], json!({"value": "inf"}));
    }
}
