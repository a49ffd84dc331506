//! Parses the lines that a trainer of your own prints.
//!
//! ```text
//! sweep: step=100 fid=12.5 coverage_b=0.8      a line on stdout or stderr
//! {"step": 100, "fid": 12.5}                   a line of the file SWEEP_SCORES
//! sweep: samples=samples-100.npy step=100      samples to score at this step
//! sweep: checkpoint step=100                   another attempt would continue from here
//! sweep: diverged the loss is NaN              training has diverged
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use regex_lite::Regex;
use serde_json::Value;

use sweep_spec::metric::{Metric, is_name};
use sweep_spec::trainer::Reported;

/// The prefix of lines for sweep.
const MARK: &str = "sweep:";

/// The content of one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message {
    /// Steps done.
    pub step: Option<u64>,
    /// Scores in the line.
    pub scores: Vec<Found>,
    /// The path of samples.
    pub samples: Option<PathBuf>,
    /// Whether another attempt would continue from here.
    pub checkpoint: bool,
    /// If training has diverged, the trainer's reason.
    pub diverged: Option<String>,
    /// Mistakes in the line, for people.
    pub wrong: Vec<String>,
}

/// A score in a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// The name of the score.
    pub name: String,
    /// The regular expression that found it; `None` if the line itself has the name.
    pub pattern: Option<Arc<str>>,
    /// May be NaN or infinite.
    pub value: f64,
}

/// Parses lines in all ways that an order asks for: sweep files that share jobs may have different patterns.
pub(super) struct Parser<'a> {
    reported: Vec<&'a Reported>,
    /// The regular expressions of scores, each one once.
    patterns: Vec<(&'a str, &'a Arc<str>, Regex)>,
    steps: Vec<Regex>,
}

impl<'a> Parser<'a> {
    pub(super) fn new(reported: impl Iterator<Item = &'a Reported>) -> Self {
        let reported: Vec<&Reported> = reported.collect();
        // The sweep file was checked, so its patterns are valid.
        let regex = |text: &str| Regex::new(text).ok();
        let mut patterns: Vec<(&str, &Arc<str>, Regex)> = Vec::new();
        for (name, score) in reported.iter().flat_map(|reported| &reported.scores) {
            let Some(pattern) = &score.pattern else { continue };
            if patterns.iter().all(|(known, by, _)| (*known, *by) != (&**name, pattern)) {
                patterns.extend(regex(pattern).map(|regex| (&**name, pattern, regex)));
            }
        }
        let steps = reported.iter().filter_map(|reported| regex(reported.step.as_deref()?)).collect();
        Parser { reported, patterns, steps }
    }

    /// Parses a printed line. `None` if it is not for sweep.
    pub(super) fn line(&self, line: &str) -> Option<Message> {
        let mut message = Message::default();
        if let Some(rest) = line.trim().strip_prefix(MARK) {
            self.words(rest.trim(), &mut message);
            return Some(message);
        }
        if let Some(step) = self.steps.iter().find_map(|regex| found(regex, line)) {
            self.put("step", &Value::from(step), &mut message);
        }
        for (name, pattern, regex) in &self.patterns {
            if let Some(value) = found(regex, line) {
                self.score(name, Some(pattern), &Value::from(value), &mut message);
            }
        }
        (message != Message::default()).then_some(message)
    }

    /// Parses a line of the file of scores.
    pub(super) fn json(&self, line: &str) -> Option<Message> {
        let mut message = Message::default();
        if line.trim().is_empty() {
            return None;
        }
        // Python writes NaN and Infinity, which JSON does not allow.
        let parsed = serde_json::from_str(line).or_else(|_| serde_json::from_str(&named_numbers(line)));
        match parsed {
            Ok(Value::Object(fields)) => {
                for (name, value) in &fields {
                    self.put(name, value, &mut message);
                }
            }
            Ok(_) | Err(_) => {
                message.wrong.push("expected a JSON object, such as {\"step\": 100, \"fid\": 12.5}".to_owned())
            }
        }
        Some(message)
    }

    fn words(&self, rest: &str, message: &mut Message) {
        for (at, word) in rest.split_whitespace().enumerate() {
            match word.split_once('=') {
                Some((name, value)) => self.put(name, &Value::from(value), message),
                None if word == "checkpoint" => message.checkpoint = true,
                None if at == 0 && word == "diverged" => {
                    message.diverged = Some(rest["diverged".len()..].trim().to_owned());
                    return;
                }
                None => message.wrong.push(format!("`{word}` is not NAME=VALUE")),
            }
        }
    }

    fn put(&self, name: &str, value: &Value, message: &mut Message) {
        match name {
            "step" => match number(value).filter(|step| *step >= 0.0 && step.fract() == 0.0) {
                Some(step) => message.step = Some(step as u64),
                None => message.wrong.push(format!("`step` must be a whole number, not {}", shown(value))),
            },
            "samples" => match value.as_str().filter(|path| !path.is_empty()) {
                Some(path) => message.samples = Some(path.into()),
                None => {
                    message.wrong.push(format!("`samples` must be the path of a file or folder, not {}", shown(value)))
                }
            },
            "checkpoint" => message.checkpoint = !is_no(value),
            "diverged" if is_no(value) => {}
            "diverged" => message.diverged = Some(value.as_str().unwrap_or_default().to_owned()),
            name => self.score(name, None, value, message),
        }
    }

    fn score(&self, name: &str, pattern: Option<&Arc<str>>, value: &Value, message: &mut Message) {
        let declared = self.reported.iter().any(|reported| reported.scores.contains_key(name));
        if Metric::find(name).is_some() {
            message.wrong.push(format!(
                "sweep computes `{name}` itself, from samples: choose another name, such as `my_{name}`"
            ));
            return;
        }
        if !declared {
            message.wrong.push(format!("`{name}` is not declared in `trainer.scores` ({})", self.declared()));
        }
        match number(value) {
            // An undeclared score is stored, but not shown in reports.
            Some(value) if is_name(name) => {
                message.scores.push(Found { name: name.to_owned(), pattern: pattern.cloned(), value });
            }
            Some(_) => {}
            None => message.wrong.push(format!("`{name}` is not a number: {}", shown(value))),
        }
    }

    fn declared(&self) -> String {
        let names: BTreeSet<&str> =
            self.reported.iter().flat_map(|reported| reported.scores.keys()).map(|name| &**name).collect();
        if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
    }
}

/// What the first group of `regex`, or the whole regex, matches in `line`.
fn found(regex: &Regex, line: &str) -> Option<String> {
    let captures = regex.captures(line)?;
    let found = captures.get(1).or_else(|| captures.get(0))?;
    Some(found.as_str().trim().to_owned())
}

/// Whether a value means "no".
fn is_no(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "none"),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Parses a number as programs write it: `nan` and `inf` in upper or lower case.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 60 { text.chars().take(60).chain(['…']).collect() } else { text }
}

/// The same JSON with NaN and Infinity as strings.
fn named_numbers(line: &str) -> String {
    let (mut out, mut rest, mut in_text) = (String::with_capacity(line.len()), line, false);
    while let Some(c) = rest.chars().next() {
        let name = ["NaN", "-Infinity", "Infinity"].into_iter().find(|name| !in_text && rest.starts_with(name));
        match name {
            Some(name) => {
                out.push_str(&format!("\"{name}\""));
                rest = &rest[name.len()..];
            }
            None => {
                let escaped = in_text && c == '\\';
                in_text ^= c == '"';
                let length =
                    c.len_utf8() + if escaped { rest[1..].chars().next().map_or(0, char::len_utf8) } else { 0 };
                out.push_str(&rest[..length]);
                rest = &rest[length..];
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use sweep_spec::metric::Direction;
    use sweep_spec::trainer::ReportedScore;

    fn reported(patterns: bool) -> Reported {
        let score = |better, pattern: &str| ReportedScore { better, pattern: patterns.then(|| pattern.into()) };
        Reported {
            scores: [
                ("fid".into(), score(Direction::Lower, "FID: ([0-9.e+-]+)")),
                ("a.b-c".into(), score(Direction::Higher, "AB ([a-z0-9.]+)")),
            ]
            .into(),
            step: patterns.then(|| "iter ([0-9]+)".into()),
        }
    }

    fn named(message: &Message) -> Vec<(&str, f64)> {
        message.scores.iter().map(|found| (found.name.as_str(), found.value)).collect()
    }

    #[test]
    fn lines_are_parsed() {
        let reported = reported(false);
        let parser = Parser::new([&reported].into_iter());
        let message = parser.line("sweep: step=100 fid=12.5 a.b-c=nan\n").unwrap();
        assert_eq!((message.step, named(&message)[0], message.wrong.len()), (Some(100), ("fid", 12.5), 0));
        assert!(message.scores[1].value.is_nan());
        assert_eq!(parser.line("step 100, fid 12.5"), None);
        let message = parser.line("  sweep: checkpoint step=3").unwrap();
        assert_eq!((message.checkpoint, message.step), (true, Some(3)));
        assert_eq!(
            parser.line("sweep: step=5 diverged=0 checkpoint=false").unwrap(),
            Message { step: Some(5), ..Message::default() }
        );
        assert_eq!(
            parser.json("{\"diverged\": null, \"step\": 5}").unwrap(),
            Message { step: Some(5), ..Message::default() }
        );
        assert_eq!(parser.line("sweep: diverged the loss is NaN").unwrap().diverged.unwrap(), "the loss is NaN");
        assert_eq!(parser.line("sweep: samples=/a/b.npy step=3").unwrap().samples.unwrap(), PathBuf::from("/a/b.npy"));
        for (line, what) in [
            ("sweep: fdi=3", "`fdi` is not declared in `trainer.scores` (a.b-c, fid)"),
            ("sweep: fid=tensor(3)", "`fid` is not a number: \"tensor(3)\""),
            ("sweep: fid 3", "`fid` is not NAME=VALUE"),
            ("sweep: step=1.5", "`step` must be a whole number, not \"1.5\""),
            ("sweep: frechet=1", "sweep computes `frechet` itself"),
        ] {
            let message = parser.line(line).unwrap();
            assert!(message.wrong[0].starts_with(what), "{line}: {:?}", message.wrong);
        }
        assert_eq!(named(&parser.line("sweep: fdi=3").unwrap()), [("fdi", 3.0)], "stored all the same");
        assert_eq!(parser.line("sweep: frechet=1").unwrap().scores, []);
    }

    #[test]
    fn json_is_parsed() {
        let reported = reported(false);
        let parser = Parser::new([&reported].into_iter());
        let message = parser.json("{\"step\": 100, \"fid\": Infinity, \"a.b-c\": -Infinity}").unwrap();
        assert_eq!((message.step, message.wrong.len()), (Some(100), 0));
        assert_eq!(
            message.scores.iter().map(|found| found.value).collect::<Vec<_>>(),
            [f64::NEG_INFINITY, f64::INFINITY]
        );
        assert_eq!(parser.json("  "), None);
        for line in ["[1]", "{", "{\"fid\": \"NaN \\\" NaN\"}", "{\"fid\": null}", "{\"step\": -1}"] {
            assert_eq!(parser.json(line).unwrap().wrong.len(), 1, "{line}");
        }
        assert_eq!(named_numbers("{\"a NaN \\\" b\": NaN}"), "{\"a NaN \\\" b\": \"NaN\"}");
    }

    #[test]
    fn lines_of_unmodified_scripts_are_parsed() {
        let reported = reported(true);
        let parser = Parser::new([&reported].into_iter());
        let message = parser.line("[iter 300] FID: 1.5e+1, AB nan").unwrap();
        assert_eq!((message.step, message.scores.len()), (Some(300), 2));
        assert!(named(&message).contains(&("fid", 15.0)));
        assert_eq!(parser.line("nothing"), None);
        // Another file parses the same score of the same jobs with another pattern.
        let other = Reported {
            scores: [(
                "fid".into(),
                ReportedScore { better: Direction::Lower, pattern: Some("FID50k ([0-9.]+)".into()) },
            )]
            .into(),
            step: None,
        };
        let both = Parser::new([&reported, &other].into_iter());
        let found = both.line("FID50k 3.5").unwrap().scores;
        assert_eq!((found.len(), found[0].value, found[0].pattern.as_deref()), (1, 3.5, Some("FID50k ([0-9.]+)")));
        assert_eq!(parser.line("AB abc").unwrap().wrong, ["`a.b-c` is not a number: \"abc\""]);
    }
}
