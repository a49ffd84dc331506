//! What a trainer of the user's own says: the words of its lines.
//!
//! ```text
//! sweep: step=100 fid=12.5 coverage_b=0.8      a line on stdout or stderr
//! {"step": 100, "fid": 12.5}                   a line of the file SWEEP_SCORES
//! sweep: samples=samples-100.npy step=100      samples to be scored at this step
//! sweep: checkpoint step=100                   another attempt would go on from here
//! sweep: diverged the loss is NaN              training is not finite any more
//! ```

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use regex_lite::Regex;
use serde_json::Value;

use sweep_spec::metric::{Metric, is_name};
use sweep_spec::trainer::Reported;

/// What the lines that are meant for this program begin with.
const MARK: &str = "sweep:";

/// What one line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    /// Steps done.
    pub step: Option<u64>,
    /// Its scores.
    pub scores: Vec<Found>,
    /// Where samples are.
    pub samples: Option<PathBuf>,
    /// Another attempt would go on from here.
    pub checkpoint: bool,
    /// Training is not finite any more, and what it says of that.
    pub diverged: Option<String>,
    /// What is wrong with the line, in words.
    pub wrong: Vec<String>,
}

/// A score in a line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// What it is called.
    pub name: String,
    /// The regular expression that has found it; none of one that the line names itself.
    pub pattern: Option<Arc<str>>,
    /// May be NaN or infinite.
    pub value: f64,
}

/// Understands lines, by all ways in which an order wants them understood: files that share jobs may have other patterns.
pub(super) struct Ear<'a> {
    reported: Vec<&'a Reported>,
    /// The regular expressions of scores, each once.
    patterns: Vec<(&'a str, &'a Arc<str>, Regex)>,
    steps: Vec<Regex>,
}

impl<'a> Ear<'a> {
    pub(super) fn new(reported: impl Iterator<Item = &'a Reported>) -> Self {
        let reported: Vec<&Reported> = reported.collect();
        // Those of a sweep file were read as regular expressions before.
        let regex = |text: &str| Regex::new(text).ok();
        let mut patterns: Vec<(&str, &Arc<str>, Regex)> = Vec::new();
        for (name, score) in reported.iter().flat_map(|reported| &reported.scores) {
            let Some(pattern) = &score.pattern else { continue };
            if patterns.iter().all(|(known, by, _)| (*known, *by) != (&**name, pattern)) {
                patterns.extend(regex(pattern).map(|regex| (&**name, pattern, regex)));
            }
        }
        let steps = reported.iter().filter_map(|reported| regex(reported.step.as_deref()?)).collect();
        Ear { reported, patterns, steps }
    }

    /// What a printed line says; nothing where it is not meant for this program.
    pub(super) fn line(&self, line: &str) -> Option<Said> {
        let mut said = Said::default();
        if let Some(rest) = line.trim().strip_prefix(MARK) {
            self.words(rest.trim(), &mut said);
            return Some(said);
        }
        if let Some(step) = self.steps.iter().find_map(|regex| found(regex, line)) {
            self.put("step", &Value::from(step), &mut said);
        }
        for (name, pattern, regex) in &self.patterns {
            if let Some(value) = found(regex, line) {
                self.score(name, Some(pattern), &Value::from(value), &mut said);
            }
        }
        (said != Said::default()).then_some(said)
    }

    /// What a line of the file of scores says.
    pub(super) fn json(&self, line: &str) -> Option<Said> {
        let mut said = Said::default();
        if line.trim().is_empty() {
            return None;
        }
        // Python writes numbers that JSON does not have.
        let parsed = serde_json::from_str(line).or_else(|_| serde_json::from_str(&named_numbers(line)));
        match parsed {
            Ok(Value::Object(fields)) => {
                for (name, value) in &fields {
                    self.put(name, value, &mut said);
                }
            }
            Ok(_) | Err(_) => {
                said.wrong.push("expected a JSON object, such as {\"step\": 100, \"fid\": 12.5}".to_owned())
            }
        }
        Some(said)
    }

    fn words(&self, rest: &str, said: &mut Said) {
        for (at, word) in rest.split_whitespace().enumerate() {
            match word.split_once('=') {
                Some((name, value)) => self.put(name, &Value::from(value), said),
                None if word == "checkpoint" => said.checkpoint = true,
                None if at == 0 && word == "diverged" => {
                    said.diverged = Some(rest["diverged".len()..].trim().to_owned());
                    return;
                }
                None => said.wrong.push(format!("`{word}` is not NAME=VALUE")),
            }
        }
    }

    fn put(&self, name: &str, value: &Value, said: &mut Said) {
        match name {
            "step" => match number(value).filter(|step| *step >= 0.0 && step.fract() == 0.0) {
                Some(step) => said.step = Some(step as u64),
                None => said.wrong.push(format!("`step` is a whole number, not {}", shown(value))),
            },
            "samples" => match value.as_str().filter(|path| !path.is_empty()) {
                Some(path) => said.samples = Some(path.into()),
                None => said.wrong.push(format!("`samples` is the path of a file or folder, not {}", shown(value))),
            },
            "checkpoint" => said.checkpoint = !is_no(value),
            "diverged" if is_no(value) => {}
            "diverged" => said.diverged = Some(value.as_str().unwrap_or_default().to_owned()),
            name => self.score(name, None, value, said),
        }
    }

    fn score(&self, name: &str, pattern: Option<&Arc<str>>, value: &Value, said: &mut Said) {
        let declared = self.reported.iter().any(|reported| reported.scores.contains_key(name));
        if Metric::find(name).is_some() {
            said.wrong.push(format!(
                "`{name}` is a score that sweep computes itself, of samples: give yours another name, such as `my_{name}`"
            ));
            return;
        }
        if !declared {
            said.wrong
                .push(format!("`{name}` is none of the scores that `trainer.scores` declares ({})", self.declared()));
        }
        match number(value) {
            // What nobody has declared is kept, and not shown in reports.
            Some(value) if is_name(name) => {
                said.scores.push(Found { name: name.to_owned(), pattern: pattern.cloned(), value });
            }
            Some(_) => {}
            None => said.wrong.push(format!("`{name}` is no number: {}", shown(value))),
        }
    }

    fn declared(&self) -> String {
        let names: BTreeSet<&str> =
            self.reported.iter().flat_map(|reported| reported.scores.keys()).map(|name| &**name).collect();
        if names.is_empty() { "none".to_owned() } else { names.into_iter().collect::<Vec<_>>().join(", ") }
    }
}

/// What the first group of `regex`, or all of it, has found in `line`.
fn found(regex: &Regex, line: &str) -> Option<String> {
    let captures = regex.captures(line)?;
    let found = captures.get(1).or_else(|| captures.get(0))?;
    Some(found.as_str().trim().to_owned())
}

/// Whether a value says that something is not so.
fn is_no(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => matches!(text.to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "none"),
        Value::Bool(true) | Value::Array(_) | Value::Object(_) => false,
    }
}

/// A number, as programs write it: `nan` and `inf` in whatever case.
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

/// The same JSON with numbers that it does not have as texts.
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

    fn named(said: &Said) -> Vec<(&str, f64)> {
        said.scores.iter().map(|found| (found.name.as_str(), found.value)).collect()
    }

    #[test]
    fn lines_are_understood() {
        let reported = reported(false);
        let ear = Ear::new([&reported].into_iter());
        let said = ear.line("sweep: step=100 fid=12.5 a.b-c=nan\n").unwrap();
        assert_eq!((said.step, named(&said)[0], said.wrong.len()), (Some(100), ("fid", 12.5), 0));
        assert!(said.scores[1].value.is_nan());
        assert_eq!(ear.line("step 100, fid 12.5"), None);
        let said = ear.line("  sweep: checkpoint step=3").unwrap();
        assert_eq!((said.checkpoint, said.step), (true, Some(3)));
        assert_eq!(
            ear.line("sweep: step=5 diverged=0 checkpoint=false").unwrap(),
            Said { step: Some(5), ..Said::default() }
        );
        assert_eq!(ear.json("{\"diverged\": null, \"step\": 5}").unwrap(), Said { step: Some(5), ..Said::default() });
        assert_eq!(ear.line("sweep: diverged the loss is NaN").unwrap().diverged.unwrap(), "the loss is NaN");
        assert_eq!(ear.line("sweep: samples=/a/b.npy step=3").unwrap().samples.unwrap(), PathBuf::from("/a/b.npy"));
        for (line, what) in [
            ("sweep: fdi=3", "`fdi` is none of the scores that `trainer.scores` declares (a.b-c, fid)"),
            ("sweep: fid=tensor(3)", "`fid` is no number: \"tensor(3)\""),
            ("sweep: fid 3", "`fid` is not NAME=VALUE"),
            ("sweep: step=1.5", "`step` is a whole number, not \"1.5\""),
            ("sweep: frechet=1", "`frechet` is a score that sweep computes itself"),
        ] {
            let said = ear.line(line).unwrap();
            assert!(said.wrong[0].starts_with(what), "{line}: {:?}", said.wrong);
        }
        assert_eq!(named(&ear.line("sweep: fdi=3").unwrap()), [("fdi", 3.0)], "kept all the same");
        assert_eq!(ear.line("sweep: frechet=1").unwrap().scores, []);
    }

    #[test]
    fn json_is_understood() {
        let reported = reported(false);
        let ear = Ear::new([&reported].into_iter());
        let said = ear.json("{\"step\": 100, \"fid\": Infinity, \"a.b-c\": -Infinity}").unwrap();
        assert_eq!((said.step, said.wrong.len()), (Some(100), 0));
        assert_eq!(said.scores.iter().map(|found| found.value).collect::<Vec<_>>(), [f64::NEG_INFINITY, f64::INFINITY]);
        assert_eq!(ear.json("  "), None);
        for line in ["[1]", "{", "{\"fid\": \"NaN \\\" NaN\"}", "{\"fid\": null}", "{\"step\": -1}"] {
            assert_eq!(ear.json(line).unwrap().wrong.len(), 1, "{line}");
        }
        assert_eq!(named_numbers("{\"a NaN \\\" b\": NaN}"), "{\"a NaN \\\" b\": \"NaN\"}");
    }

    #[test]
    fn scripts_that_know_nothing_of_this_are_understood() {
        let reported = reported(true);
        let ear = Ear::new([&reported].into_iter());
        let said = ear.line("[iter 300] FID: 1.5e+1, AB nan").unwrap();
        assert_eq!((said.step, said.scores.len()), (Some(300), 2));
        assert!(named(&said).contains(&("fid", 15.0)));
        assert_eq!(ear.line("nothing"), None);
        // Another file reads the same score of the same jobs in another way.
        let other = Reported {
            scores: [(
                "fid".into(),
                ReportedScore { better: Direction::Lower, pattern: Some("FID50k ([0-9.]+)".into()) },
            )]
            .into(),
            step: None,
        };
        let both = Ear::new([&reported, &other].into_iter());
        let found = both.line("FID50k 3.5").unwrap().scores;
        assert_eq!((found.len(), found[0].value, found[0].pattern.as_deref()), (1, 3.5, Some("FID50k ([0-9.]+)")));
        assert_eq!(ear.line("AB abc").unwrap().wrong, ["`a.b-c` is no number: \"abc\""]);
    }
}
