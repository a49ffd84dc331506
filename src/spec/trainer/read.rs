//! Reads `trainer:` from a file.

use std::collections::BTreeMap;
use std::sync::Arc;

use regex_lite::Regex;

use super::words::{ARGS, ARGS_NO_BOOLEAN_FLAGS, Piece, STANDING, pieces};
use super::{Declared, Reported, ReportedScore, Trainer};
use crate::error::Mistakes;
use crate::metric::{Direction, Measure, Metric, is_name};
use crate::parameters::Plain;
use crate::parts::entries;
use crate::settings::Place;
use crate::value::{MAX_STEPS, Reader};
use crate::yaml::{Content, Node};

/// The name of the built-in trainer.
const BUILT_IN: &str = "built-in";
/// The keys of `trainer:`.
const KEYS: [&str; 7] = ["command", "parameters", "scores", "steps", "version", "at_once", "step_pattern"];
/// Maximum number of processes per slot.
const MAX_AT_ONCE: u64 = 256;
/// Maximum number of arguments of a command, and of parameters and scores.
const MANY: usize = 500;
/// Words in a trainer's output that are not scores.
const SAID: [&str; 4] = ["step", "samples", "diverged", "checkpoint"];

/// The trainer that a file, or one of its variants, declares.
#[derive(Clone, Debug)]
pub(crate) enum Written {
    /// The built-in trainer.
    BuiltIn,
    /// The user's own trainer.
    Own(Box<Parts>),
}

/// What a file says about the user's own trainer; `None` after a mistake.
#[derive(Clone, Debug)]
pub(crate) struct Parts {
    place: Place,
    command: Option<(Vec<String>, Place)>,
    parameters: BTreeMap<String, Plain>,
    scores: Option<BTreeMap<Arc<str>, ReportedScore>>,
    steps: Option<u64>,
    version: Option<u64>,
    at_once: Option<u64>,
    step_pattern: Option<Arc<str>>,
    mistaken: bool,
}

impl Written {
    /// Reads the value at `path`; `None` after a mistake, which is reported.
    pub(crate) fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Written> {
        match &node.content {
            Content::Scalar { text, .. } if text == BUILT_IN => Some(Written::BuiltIn),
            Content::Map(_) => Parts::read(node, path, mistakes).map(Box::new).map(Written::Own),
            Content::Scalar { .. } | Content::List(_) => {
                let message = format!("expected `{BUILT_IN}`, or a map with a `command`, found {}", node.describe());
                let help = "write `trainer: {command: [python3, train.py, \"${args}\"], steps: 5000}`";
                mistakes.advise(path, &node.span, message, help);
                None
            }
        }
    }

    /// Returns the trainer of a variant that declares `own` in a file that declares `base`; `None` for the built-in
    /// one. An error after a mistake.
    pub(crate) fn over(
        own: Option<&Written>,
        base: Option<&Written>,
        mistakes: &mut Mistakes,
    ) -> Result<Option<Arc<Trainer>>, ()> {
        let parts = match (own, base) {
            (Some(Written::BuiltIn) | None, None) | (Some(Written::BuiltIn), _) | (None, Some(Written::BuiltIn)) => {
                return Ok(None);
            }
            (None, Some(Written::Own(parts))) | (Some(Written::Own(parts)), None | Some(Written::BuiltIn)) => {
                parts.clone()
            }
            (Some(Written::Own(own)), Some(Written::Own(base))) => Box::new(own.over(base)),
        };
        parts.whole(mistakes).map(|trainer| Some(Arc::new(trainer))).ok_or(())
    }
}

impl Parts {
    fn read(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Parts> {
        let before = mistakes.len();
        let mut parts = Parts {
            place: Place { path: path.into(), span: node.span.clone() },
            command: None,
            parameters: BTreeMap::new(),
            scores: None,
            steps: None,
            version: None,
            at_once: None,
            step_pattern: None,
            mistaken: false,
        };
        for (name, node) in entries(node, path, mistakes)? {
            let here = format!("{path}.{}", name.text);
            let mut reader = Reader { node, path: &here, mistakes };
            match name.text.as_str() {
                "command" => {
                    let place = Place { path: here.as_str().into(), span: node.span.clone() };
                    parts.command = command(node, &here, mistakes).map(|command| (command, place));
                }
                "parameters" => parts.parameters = parameters(node, &here, mistakes),
                "scores" => parts.scores = Some(scores(node, &here, mistakes)),
                "steps" => parts.steps = reader.count(1, MAX_STEPS),
                "version" => parts.version = reader.count(0, i64::MAX as u64),
                "at_once" => parts.at_once = reader.count(1, MAX_AT_ONCE),
                "step_pattern" => parts.step_pattern = pattern(&mut reader),
                text => mistakes.unknown(&here, &name.span, "a key of `trainer`", text, &KEYS),
            }
        }
        parts.mistaken = mistakes.len() > before;
        Some(parts)
    }

    /// Returns this declaration, with what it does not say taken from `base`, and parameters merged by name.
    fn over(&self, base: &Parts) -> Parts {
        let mut parameters = base.parameters.clone();
        parameters.extend(self.parameters.clone());
        Parts {
            place: self.place.clone(),
            command: self.command.clone().or_else(|| base.command.clone()),
            parameters,
            scores: self.scores.clone().or_else(|| base.scores.clone()),
            steps: self.steps.or(base.steps),
            version: self.version.or(base.version),
            at_once: self.at_once.or(base.at_once),
            step_pattern: self.step_pattern.clone().or_else(|| base.step_pattern.clone()),
            mistaken: self.mistaken || base.mistaken,
        }
    }

    /// Returns the trainer; `None` after a mistake.
    fn whole(self, mistakes: &mut Mistakes) -> Option<Trainer> {
        if self.mistaken {
            return None;
        }
        let Place { path, span } = &self.place;
        let Some(steps) = self.steps else {
            let help =
                "set the number of steps of a whole training: `steps: 5000`, or 1 if the program does not count steps";
            mistakes.advise(format!("{path}.steps"), span, "`steps` is not set", help);
            return None;
        };
        let (command, place) = self.command.unwrap_or_else(|| (Vec::new(), self.place.clone()));
        let mut known: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        known.extend(STANDING);
        let mut sound = true;
        for argument in command.iter().filter(|argument| ![ARGS, ARGS_NO_BOOLEAN_FLAGS].contains(&argument.as_str())) {
            // Syntax mistakes are reported where the command is read.
            for piece in pieces(argument).unwrap_or_default() {
                match piece {
                    Piece::Value(name @ ("args" | "args_no_boolean_flags")) => {
                        let message =
                            format!("`${{{name}}}` stands for several arguments, so it must be an argument by itself");
                        let help = "for example, in a shell script: [bash, -c, 'exec python3 train.py \"$@\"', --, \
                            \"${args}\"]";
                        mistakes.advise(&*place.path, &place.span, message, help);
                        sound = false;
                    }
                    Piece::Value(name) if !known.contains(&name) => {
                        let what = "a parameter of this trainer (`$${` stands for `${` itself)";
                        mistakes.unknown(&place.path, &place.span, what, name, &known);
                        sound = false;
                    }
                    Piece::Value(_) | Piece::Text(_) | Piece::Variable(_) => {}
                }
            }
        }
        let declared = self.parameters.into_iter().map(|(name, usual)| Arc::new(Declared::new(&name, usual)));
        sound.then(|| Trainer {
            command,
            parameters: declared.collect(),
            reported: Reported { scores: self.scores.unwrap_or_default(), step: self.step_pattern },
            version: self.version.unwrap_or(1),
            steps,
            at_once: self.at_once.unwrap_or(1) as usize,
        })
    }
}

fn command(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Vec<String>> {
    let Content::List(nodes) = &node.content else {
        let help = "write the program and each of its arguments: [python3, train.py, \"${args}\"]";
        mistakes.advise(path, &node.span, format!("expected a list of arguments, found {}", node.describe()), help);
        return None;
    };
    if nodes.is_empty() || nodes.len() > MANY {
        mistakes.add(path, &node.span, format!("expected 1 to {MANY} arguments, found {}", nodes.len()));
        return None;
    }
    let mut command = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let path = format!("{path}[{at}]");
        match node.text().filter(|text| !text.contains('\0')) {
            Some(text) => {
                if let Err(message) = pieces(text) {
                    mistakes.add(&*path, &node.span, message);
                }
                command.push(text.to_owned());
            }
            None => mistakes.add(&*path, &node.span, format!("expected an argument, found {}", node.describe())),
        }
    }
    Some(command)
}

/// Returns the entries of a map whose names have letters, digits and `_ - .`.
fn named<'a>(node: &'a Node, path: &str, mistakes: &mut Mistakes) -> Vec<(&'a str, &'a Node)> {
    let entries = entries(node, path, mistakes).unwrap_or_default();
    if entries.len() > MANY {
        mistakes.add(path, &node.span, format!("expected at most {MANY}, found {}", entries.len()));
        return Vec::new();
    }
    let mut found = Vec::new();
    for (name, node) in entries {
        if is_name(&name.text) {
            found.push((name.text.as_str(), node));
        } else {
            let message = format!("expected a name of at most 64 letters, digits and `_ - .`, found \"{}\"", name.text);
            mistakes.add(path, &name.span, message);
        }
    }
    found
}

fn parameters(node: &Node, path: &str, mistakes: &mut Mistakes) -> BTreeMap<String, Plain> {
    let mut parameters = BTreeMap::new();
    for (name, node) in named(node, path, mistakes) {
        let path = format!("{path}.{name}");
        let taken = match name {
            "seed" => Some("each job gets one from `seeds`: as `${seed}`, and as `--seed` in `${args}`"),
            "dataset" => Some(
                "it is a key of the file, and the program gets it in `SWEEP_DATASET`; use another name, such as `data`",
            ),
            _ => None,
        };
        if let Some(help) = taken {
            mistakes.advise(&*path, &node.span, format!("`{name}` cannot be a parameter"), help);
            continue;
        }
        if let Some(value) = (Reader { node, path: &path, mistakes }).plain() {
            parameters.insert(name.to_owned(), value);
        }
    }
    parameters
}

fn scores(node: &Node, path: &str, mistakes: &mut Mistakes) -> BTreeMap<Arc<str>, ReportedScore> {
    let mut scores = BTreeMap::new();
    for (name, node) in named(node, path, mistakes) {
        let path = format!("{path}.{name}");
        if SAID.contains(&name) || Metric::find(name).is_some() {
            let why = match Metric::find(name) {
                Some(_) => "a score that sweep computes itself (from `samples.npy`, with `score: {metrics: …}`)",
                None => "a reserved word in the trainer's output",
            };
            let help = match name {
                "step" => "to read steps, set next to `scores`: `step_pattern: 'step ([0-9]+)'`".to_owned(),
                name => format!("use another name, such as `my_{name}`"),
            };
            mistakes.advise(&*path, &node.span, format!("`{name}` is {why}"), help);
            continue;
        }
        if let Some(score) = score(node, &path, mistakes) {
            scores.insert(Arc::from(name), score);
        }
    }
    scores
}

fn score(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<ReportedScore> {
    let directions = [Direction::Lower, Direction::Higher].map(|direction| (direction.name(), direction));
    let Content::Map(_) = &node.content else {
        let better = Reader { node, path, mistakes }.named("a direction of a score", &directions)?;
        return Some(ReportedScore { better, pattern: None });
    };
    let (mut better, mut regex) = (None, None);
    for (name, node) in entries(node, path, mistakes)? {
        let here = format!("{path}.{}", name.text);
        let mut reader = Reader { node, path: &here, mistakes };
        match name.text.as_str() {
            "better" => better = Some(reader.named("a direction of a score", &directions)?),
            "pattern" => regex = Some(pattern(&mut reader)?),
            text => {
                mistakes.unknown(&here, &name.span, "a key of a score", text, &["better", "pattern"]);
                return None;
            }
        }
    }
    if better.is_none() {
        mistakes.advise(
            path,
            &node.span,
            "`better` is not set",
            "set the direction that is better: `better: lower` or `better: higher`",
        );
    }
    Some(ReportedScore { better: better?, pattern: regex })
}

/// Reads a regular expression whose first group, or whole match, is a number.
fn pattern(reader: &mut Reader) -> Option<Arc<str>> {
    let Some(text) = reader.node.text().filter(|text| !text.is_empty()) else {
        reader.expected("a regular expression, such as 'FID: ([0-9.e+-]+)'");
        return None;
    };
    match Regex::new(text) {
        Ok(_) => Some(text.into()),
        Err(error) => {
            let message = format!("not a regular expression: {error}");
            reader.mistakes.add(reader.path, &reader.node.span, message);
            None
        }
    }
}

/// Returns the directions of all scores of `trainers`; reports a mistake if two differ.
pub(crate) fn directions<'a>(
    trainers: impl Iterator<Item = (&'a Trainer, &'a Place)>,
    mistakes: &mut Mistakes,
) -> Vec<Measure> {
    let mut found: Vec<Measure> = Vec::new();
    for (trainer, place) in trainers {
        for measure in trainer.reported.measures() {
            match found.iter().find(|known| **known == measure) {
                None => found.push(measure),
                Some(known) if known.better() == measure.better() => {}
                Some(_) => {
                    let message =
                        format!("`{}` is declared `lower` in one variant and `higher` in another", measure.name());
                    mistakes.advise(
                        &*place.path,
                        &place.span,
                        message,
                        "both would be in one column of reports: rename one of them",
                    );
                }
            }
        }
    }
    found
}
