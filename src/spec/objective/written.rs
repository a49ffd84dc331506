//! Reads objectives written as formulas in a sweep file.
//!
//! ```yaml
//! objective:
//!   discriminator: mean(l(softplus(-real), alpha_d)) + mean(l(softplus(fake), alpha_d))     # both are minimised
//!   generator: mean(l(softplus(-fake), alpha_g))
//!   where: {l(u, a): u * exprel(-(1 - 1/a) * u)}      # helpers
//!   parameters: {alpha_d: 1, alpha_g: {default: 1, above: 0}}
//!   discriminators: 1                                 # with more, logits are real1, fake1, real2, …
//!   combine: mean                                     # if several play the same game: mean, or {softmax: NAME}
//!   clip: 0.01
//! ```

use std::ops::Range as Span;
use std::sync::Arc;

use sweep_formula::mistake::Mistake;
use sweep_formula::parse::{MAX_DISCRIMINATORS, Names, is_name, is_taken};
use sweep_formula::token::calls;

use super::Objective;
use super::placed::{Source, Written};
use super::rules::{Formulas, Loss, Parameter, Rules};
use super::several::{combine, together};
use crate::amount::Amount;
use crate::error::Mistakes;
use crate::keys::{Key, Range, Section};
use crate::level::is_of_files;
use crate::value::{Reader, SettingValue};
use crate::yaml::{Content, Name, Node};

/// Maximum length of a formula, in bytes.
const MAX_FORMULA: usize = 4000;
/// Maximum number of characters in a parameter's name, which is a column of the database.
const MAX_NAME: usize = 64;
/// Maximum number of parameters of an objective.
const MAX_PARAMETERS: usize = 32;
/// Maximum number of helpers of an objective.
const MAX_HELPERS: usize = 32;

/// Returns whether the file's own parameter may have this name, and reports a mistake if not.
pub(crate) fn may_be_called(name: &str, path: &str, span: &Span<usize>, mistakes: &mut Mistakes) -> bool {
    let trouble = if !is_name(name) || name.chars().count() > MAX_NAME {
        format!(
            "`{name}` is not a valid name: use at most {MAX_NAME} letters, digits and _, and do not start with a digit"
        )
    } else if is_taken(name) {
        format!("`{name}` already has a meaning in formulas")
    } else if is_of_files(name) {
        format!("`{name}` already has a meaning in sweep files")
    } else {
        match Key::find(name).as_ref().map(|key| (key, key.described())) {
            Some((Key::Fixed(_), _)) => format!("`{name}` is a built-in key"),
            Some((_, Some(described))) if !described.parameter => {
                format!("`{name}` is a built-in parameter that is not a number")
            }
            _ => return true,
        }
    };
    mistakes.advise(path, span, trouble, "give the parameter another name");
    false
}

/// An entry of a map. Its name may have been split at commas: YAML reads `{l(u, a): x}` as two entries.
struct Entry {
    name: String,
    name_span: Span<usize>,
    /// The text of a scalar, and its place.
    text: Option<(String, Span<usize>)>,
    node: Node,
}

fn is_open(text: &str) -> bool {
    text.matches('(').count() > text.matches(')').count()
}

/// Returns the entries, and rejoins those that were split at commas within parentheses.
fn entries(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Vec<Entry>> {
    let Content::Map(all) = &node.content else {
        mistakes.add(path, &node.span, format!("expected a map, found {}", node.describe()));
        return None;
    };
    let mut found: Vec<Entry> = Vec::new();
    for (Name { text: name, span }, node) in all {
        let text = || node.text().filter(|_| !node.is_nothing()).map(str::to_owned);
        if let Some(last) = found.last_mut() {
            match &mut last.text {
                Some((text, whole)) if is_open(text) && node.is_nothing() => {
                    text.push_str(", ");
                    text.push_str(name);
                    whole.end = span.end;
                    continue;
                }
                None if is_open(&last.name) && last.node.is_nothing() => {
                    last.name.push_str(", ");
                    last.name.push_str(name);
                    last.name_span.end = span.end;
                    last.text = text().map(|text| (text, node.span.clone()));
                    last.node = node.clone();
                    continue;
                }
                Some(_) | None => {}
            }
        }
        found.push(Entry {
            name: name.clone(),
            name_span: span.clone(),
            text: text().map(|text| (text, node.span.clone())),
            node: node.clone(),
        });
    }
    for (at, entry) in found.iter().enumerate() {
        if found[..at].iter().any(|other| other.name == entry.name) {
            mistakes.add(path, &entry.name_span, format!("`{}` is set twice", entry.name));
        }
    }
    Some(found)
}

/// The keys of an objective.
const KEYS: [&str; 7] = ["discriminator", "generator", "where", "parameters", "discriminators", "combine", "clip"];

impl Reader<'_> {
    /// Reads an objective: its name, or its formulas.
    pub(crate) fn objective(&mut self, what: &str, known: &[(&str, SettingValue)]) -> Option<SettingValue> {
        match &self.node.content {
            Content::Map(_) => {
                formulas(self.node, self.path, self.mistakes).map(|written| SettingValue::Formulas(written.into()))
            }
            Content::Scalar { .. } | Content::List(_) => self.named(what, known),
        }
    }
}

fn formulas(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Written> {
    let before = mistakes.len();
    let all = entries(node, path, mistakes)?;
    misplaced(&all, path, mistakes);
    let misspelt = mistakes.len() > before;
    let find = |wanted: &str| all.iter().find(|entry| entry.name == wanted);
    let reader = |entry: &Entry, name: &str| (entry.node.clone(), format!("{path}.{name}"));
    let mut discriminators = 1;
    if let Some((node, path)) = find("discriminators").map(|entry| reader(entry, "discriminators")) {
        discriminators = Reader { node: &node, path: &path, mistakes }.count(1, MAX_DISCRIMINATORS as u64)? as usize;
    }
    let mut parameters = match find("parameters") {
        Some(entry) => parameters(&entry.node, &format!("{path}.parameters"), mistakes)?,
        None => Vec::new(),
    };
    let mut clip = None;
    if let Some((node, path)) = find("clip").map(|entry| reader(entry, "clip")) {
        let example = "`clip: c` here, `c: 0.1` in `parameters`, and `c: {from: 0.1, to: 0.01, shape: linear}` next to \
            the objective";
        let bound = Reader { node: &node, path: &path, mistakes }.amount(Range::above(0.0), example)?;
        if let Amount::Parameter(name) = &bound
            && let Some(parameter) = parameters.iter_mut().find(|parameter| *parameter.name == **name)
        {
            parameter.range = parameter.range.above_0();
            let usual = parameter.usual;
            if !parameter.range.holds(usual) {
                mistakes.add(&*path, &node.span, format!("expected a number above 0, found {name}'s default {usual}"));
                return None;
            }
        }
        clip = Some(bound);
    }
    let combine = match find("combine") {
        Some(entry) => Some(combine(&entry.node, &format!("{path}.combine"), mistakes)?),
        None => None,
    };
    if let (Some(_), 1, Some(entry)) = (&combine, discriminators, find("combine")) {
        let help = "set their number: `discriminators: 3`";
        let message = "there is only one discriminator, so there are no losses to combine";
        mistakes.advise(format!("{path}.combine"), &entry.name_span, message, help);
    }
    let each = if combine.is_some() { 1 } else { discriminators };
    let declared: Vec<Arc<str>> = parameters.iter().map(|parameter| Arc::clone(&parameter.name)).collect();
    let mut names = Names::new(each, Some(declared));
    names.together = combine.is_some();
    let helpers = match find("where") {
        Some(entry) => helpers(&entry.node, &format!("{path}.where"), &mut names, mistakes)?,
        None => Vec::new(),
    };
    let loss = |name: &str, mistakes: &mut Mistakes| {
        let path = format!("{path}.{name}");
        let Some((text, span)) = find(name).and_then(|entry| entry.text.clone()) else {
            no_formula(name, find(name), &path, node, misspelt, mistakes);
            return None;
        };
        let source = Source::new(&path, &text, &span, &mistakes.text);
        let sources: Vec<Source> = [source].into_iter().chain(helpers.iter().cloned()).collect();
        let report = |mistake: Mistake, mistakes: &mut Mistakes| {
            let source = &sources[mistake.place.source.min(sources.len() - 1)];
            tell(&mistake, source, mistakes);
        };
        let written = match names.parse(&text) {
            Ok(_) if text.len() > MAX_FORMULA => {
                let message = format!("the formula has {} bytes, but at most {MAX_FORMULA} are allowed", text.len());
                mistakes.advise(&*path, &span, message, "define repeated parts in `where`");
                return None;
            }
            Ok(written) => written,
            Err(mistake) => {
                report(mistake, mistakes);
                return None;
            }
        };
        // Check the kinds of values in the formula as written.
        match Loss::new(&written) {
            Ok(made) => Some((written, made, sources)),
            Err(mistake) => {
                report(mistake, mistakes);
                None
            }
        }
    };
    let (discriminator, generator) = (loss("discriminator", mistakes), loss("generator", mistakes));
    let ((d, made_d, d_sources), (g, made_g, g_sources)) = (discriminator?, generator?);
    if let Some(entry) = find("where") {
        let texts = |name: &str| find(name).and_then(|entry| entry.text.clone()).map(|(text, _)| text);
        let losses = ["discriminator", "generator"].into_iter().filter_map(texts);
        unused(&entry.node, &format!("{path}.where"), losses.collect(), mistakes);
    }
    if mistakes.len() > before {
        return None;
    }
    // If all discriminators play the same game, lint only one of them.
    let [discriminator, generator] = match &combine {
        None => [made_d.clone(), made_g.clone()],
        Some(combined) => {
            let of = |loss, combined| Loss::new(&together(loss, discriminators, combined)).ok();
            [of(&d, None)?, of(&g, Some(combined))?]
        }
    };
    let softmax = combine.iter().filter_map(|combined| combined.as_ref().and_then(Amount::parameter));
    let named = clip.iter().filter_map(Amount::parameter).chain(softmax).cloned();
    let used: Vec<Arc<str>> = [&d, &g].into_iter().flat_map(|loss| loss.parameters()).chain(named).collect();
    for parameter in &parameters {
        if !used.contains(&parameter.name) {
            let message = format!("no formula uses the parameter `{}`", parameter.name);
            let help = "remove it, or use it; parameters of penalties are set next to the penalties";
            mistakes.advise(
                format!("{path}.parameters"),
                &place(find("parameters"), &parameter.name).unwrap_or(node.span.clone()),
                message,
                help,
            );
        }
    }
    for name in used.iter().filter(|name| parameters.iter().all(|known| known.name != **name)) {
        let help = format!("add `parameters: {{{name}: 1}}` to the objective");
        let of = if clip.as_ref().and_then(Amount::parameter) == Some(name) { "clip" } else { "combine" };
        let span = find(of).map_or(&node.span, |entry| &entry.node.span);
        mistakes.advise(format!("{path}.{of}"), span, format!("the parameter `{name}` is not declared"), help);
    }
    let whole = Names::new(discriminators, None);
    for text in [&discriminator, &generator].map(|loss| loss.formula.text(discriminators)) {
        // The worker must be able to read what it gets.
        if let Err(mistake) = whole.parse(&text) {
            let message = format!("with its helpers and discriminators written out: {}", mistake.message);
            match find("combine") {
                Some(entry) => {
                    mistakes.advise(path, &entry.node.span, message, "use fewer discriminators, or a shorter formula");
                }
                None => mistakes.add(path, &node.span, message),
            }
        }
    }
    if mistakes.len() > before {
        return None;
    }
    let rules = Rules { discriminators, discriminator, generator, penalties: Vec::new(), clip };
    let objective = Objective::Formula(Formulas::new(rules, parameters));
    let sources = [d_sources.into(), g_sources.into()];
    Some(Written { objective, discriminators: each, losses: [d, g], made: [made_d, made_g], sources })
}

/// Reports entries that are not keys of an objective, and where they belong.
fn misplaced(all: &[Entry], path: &str, mistakes: &mut Mistakes) {
    for Entry { name, name_span: span, .. } in all.iter().filter(|entry| !KEYS.contains(&entry.name.as_str())) {
        let path = format!("{path}.{name}");
        let help = match Key::find(name).map(|key| key.section()) {
            Some(section) if section != Section::Top => {
                format!("it belongs in `{0}`, next to the objective: `{0}: {{{name}: …}}`", section.name())
            }
            None if !is_of_files(name) => {
                mistakes.unknown(&path, span, "a key of an objective", name, &KEYS);
                continue;
            }
            _ => "it belongs next to `objective`".to_owned(),
        };
        mistakes.advise(path, span, format!("`{name}` is not a key of an objective"), help);
    }
}

/// Reports a missing formula, unless it may be the `misspelt` entry.
fn no_formula(name: &str, entry: Option<&Entry>, path: &str, whole: &Node, misspelt: bool, mistakes: &mut Mistakes) {
    let (span, message) = match entry.map(|entry| &entry.node) {
        Some(node) if !node.is_nothing() => (&node.span, format!("expected a formula, found {}", node.describe())),
        Some(node) => (&node.span, format!("`{name}` has no formula")),
        None if misspelt => return,
        None => (&whole.span, format!("`{name}` has no formula")),
    };
    mistakes.advise(path, span, message, "set what it minimises, for example `mean(softplus(-fake))`");
}

/// Returns where a name stands in the map of an entry.
fn place(entry: Option<&Entry>, name: &str) -> Option<Span<usize>> {
    let Content::Map(all) = &entry?.node.content else { return None };
    all.iter().find(|(known, _)| known.text == name).map(|(name, _)| name.span.clone())
}

fn tell(mistake: &Mistake, source: &Source, mistakes: &mut Mistakes) {
    let span = source.span(&mistake.place.span);
    match &mistake.help {
        Some(help) => mistakes.advise(&*source.path, &span, &*mistake.message, &**help),
        None => mistakes.add(&*source.path, &span, &*mistake.message),
    }
}

fn parameters(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<Vec<Parameter>> {
    let before = mistakes.len();
    let entries = crate::parts::entries(node, path, mistakes)?;
    if entries.len() > MAX_PARAMETERS {
        mistakes.add(
            path,
            &node.span,
            format!("{} parameters, but at most {MAX_PARAMETERS} are allowed", entries.len()),
        );
        return None;
    }
    let mut found = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        let path = format!("{path}.{}", name.text);
        if !may_be_called(&name.text, &path, &name.span, mistakes) {
            continue;
        }
        if let Some((usual, range)) = parameter(node, &path, mistakes) {
            found.push(Parameter { name: name.text.as_str().into(), usual, range });
        }
    }
    (mistakes.len() == before).then_some(found)
}

/// Reads the default of a parameter and its bounds.
fn parameter(node: &Node, path: &str, mistakes: &mut Mistakes) -> Option<(f64, Range)> {
    let Content::Map(_) = &node.content else {
        let usual = Reader { node, path, mistakes }.number("a number, or `{default: 1, above: 0}`", |_| true)?;
        return Some((usual, Range::any()));
    };
    let (mut usual, mut low, mut high) = (None, None, None);
    let (whole, above) = (node, path);
    for (name, node) in crate::parts::entries(node, path, mistakes)? {
        let path = format!("{path}.{}", name.text);
        let number = |mistakes: &mut Mistakes| Reader { node, path: &path, mistakes }.number("a number", |_| true);
        match name.text.as_str() {
            "default" => usual = Some(number(mistakes)?),
            bound @ ("above" | "from") if low.is_none() => low = Some((number(mistakes)?, bound == "from")),
            bound @ ("below" | "up_to") if high.is_none() => high = Some((number(mistakes)?, bound == "up_to")),
            "above" | "from" | "below" | "up_to" => {
                let side = if matches!(name.text.as_str(), "above" | "from") { "lower" } else { "upper" };
                mistakes.add(
                    &*path,
                    &name.span,
                    format!("a parameter has only one {side} bound, and this is a second one"),
                );
                return None;
            }
            "to" | "shape" | "start" | "end" => {
                let message = "expected a number as the parameter's default, found a schedule";
                let help = "set the schedule next to the objective, under the parameter's name: `a: \
                    {from: 1, to: 0, shape: linear}`";
                mistakes.advise(above, &whole.span, message, help);
                return None;
            }
            text => {
                let known = ["default", "above", "from", "below", "up_to"];
                mistakes.unknown(&path, &name.span, "a key that is allowed here", text, &known);
                return None;
            }
        }
    }
    let range = Range::between(low, high);
    let (least, most) = range.bounds();
    if least > most || least == most && !range.holds(least) {
        mistakes.add(path, &node.span, format!("there is no number between the bounds {least} and {most}"));
        return None;
    }
    match usual {
        Some(usual) if range.holds(usual) => Some((usual, range)),
        Some(usual) => {
            mistakes.add(path, &node.span, format!("expected {range}, found the default {usual}"));
            None
        }
        None => {
            mistakes.advise(path, &node.span, "`default` is missing", "write `{default: 1, above: 0}`");
            None
        }
    }
}

fn helpers(node: &Node, path: &str, names: &mut Names, mistakes: &mut Mistakes) -> Option<Vec<Source>> {
    let before = mistakes.len();
    let all = entries(node, path, mistakes)?;
    if mistakes.len() > before {
        return None;
    }
    if all.len() > MAX_HELPERS {
        mistakes.add(path, &node.span, format!("{} helpers, but at most {MAX_HELPERS} are allowed", all.len()));
        return None;
    }
    let mut sources: Vec<Source> = Vec::with_capacity(all.len());
    for (at, entry) in all.iter().enumerate() {
        let path = format!("{path}.{}", entry.name);
        let Some((text, span)) = &entry.text else {
            mistakes.advise(
                &*path,
                &entry.name_span,
                "the helper has no formula",
                "write `l(u, a): u * exprel(a * u)`",
            );
            continue;
        };
        let source = Source::new(&path, text, span, &mistakes.text);
        names.later = all[at..].iter().map(|entry| head(&entry.name).to_owned()).collect();
        if let Err(mistake) = names.helper(&entry.name, text, at + 1) {
            match (mistake.place.span == (0..0), mistake.place.source) {
                (true, _) => match mistake.help {
                    Some(help) => mistakes.advise(&*path, &entry.name_span, mistake.message, help),
                    None => mistakes.add(&*path, &entry.name_span, mistake.message),
                },
                (false, number) if number == at + 1 => tell(&mistake, &source, mistakes),
                (false, number) => tell(&mistake, sources.get(number - 1).unwrap_or(&source), mistakes),
            }
        }
        sources.push(source);
    }
    (mistakes.len() == before).then_some(sources)
}

/// Returns the name of a helper: `l` for `l(u, a)`.
fn head(helper: &str) -> &str {
    helper.split('(').next().unwrap_or_default().trim()
}

/// Reports helpers that neither the `losses` nor other helpers call.
fn unused(node: &Node, path: &str, losses: Vec<String>, mistakes: &mut Mistakes) {
    let all = entries(node, path, mistakes).unwrap_or_default();
    let helpers = all.iter().filter_map(|entry| Some(&entry.text.as_ref()?.0));
    let called: Vec<String> = losses.iter().chain(helpers).flat_map(|text| calls(text)).collect();
    for entry in &all {
        let name = head(&entry.name);
        if !called.iter().any(|other| other == name) {
            let path = format!("{path}.{}", entry.name);
            mistakes.advise(
                path,
                &entry.name_span,
                format!("no formula calls the helper `{name}`"),
                "remove it, or call it",
            );
        }
    }
}
