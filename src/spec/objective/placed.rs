//! Formulas with their places in the file, so that messages point to what is wrong.

use std::fmt;
use std::ops::Range as Span;
use std::sync::Arc;

use sweep_formula::ast::{Expr, Place};
use sweep_formula::game::{self, Finding, Whose};
use sweep_formula::lint;

use super::Objective;
use super::rules::{Loss, Rules};
use crate::error::Mistakes;
use crate::keys::Kind;

/// An objective and where it is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The game.
    pub objective: Objective,
    /// The number of discriminators whose logits the losses name: one if many play the same game.
    pub(super) discriminators: usize,
    /// The losses as written, with helpers expanded.
    pub(super) losses: [Expr; 2],
    /// The compiled losses, with places in this file.
    pub(super) made: [Loss; 2],
    /// The texts of the discriminator's and the generator's loss, each followed by those of the helpers.
    pub(super) sources: [Arc<[Source]>; 2],
}

/// On one line, in the syntax of a sweep file.
impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.objective {
            Objective::Formula(formulas) => {
                let [discriminator, generator] = formulas.texts();
                write!(f, "{{discriminator: {discriminator}, generator: {generator}}}")
            }
            named => f.write_str(named.name()),
        }
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.objective == other.objective
    }
}

/// A text in the file.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub path: Arc<str>,
    /// For each byte of the text, the character of the file that it comes from. The last entry is the end of the text.
    at: Arc<[Span<usize>]>,
}

impl Source {
    /// Locates the text, which stands at `span` of `file`. Parts that cannot be located get the place of the whole
    /// text.
    pub(super) fn new(path: &str, text: &str, span: &Span<usize>, file: &str) -> Source {
        let raw = file.get(span.clone()).unwrap_or("");
        // A YAML block begins with its indicator on a separate line.
        let skipped = if raw.starts_with(['|', '>']) { raw.find('\n').map_or(0, |newline| newline + 1) } else { 0 };
        let start = span.start + skipped;
        let mut rest = raw[skipped..].char_indices();
        let mut at = Vec::with_capacity(text.len() + 1);
        let mut end = start;
        for c in text.chars() {
            // Escaped characters and folded line breaks are not found. They get the place after the previous character.
            let mut tried = rest.clone();
            let found = if c.is_whitespace() { None } else { tried.find(|(_, other)| *other == c) };
            let place = match found {
                Some((offset, _)) => {
                    rest = tried;
                    start + offset..start + offset + c.len_utf8()
                }
                None => end..end,
            };
            end = place.end;
            at.extend((0..c.len_utf8()).map(|_| place.clone()));
        }
        at.push(end..end);
        Source { path: path.into(), at: at.into() }
    }

    /// Returns where a part of the text stands in the file.
    pub(super) fn span(&self, span: &Span<usize>) -> Span<usize> {
        let at = |byte: usize| self.at.get(byte).or(self.at.last()).cloned().unwrap_or_default();
        let start = at(span.start).start;
        // Use the end of the last character, since a line break may follow it.
        let end = if span.is_empty() { start } else { at(span.end - 1).end };
        start..end.max(start)
    }
}

impl Written {
    /// Returns the place of a part of a loss.
    fn place(&self, whose: Whose, place: &Place) -> (Arc<str>, Span<usize>) {
        let sources = &self.sources[whose as usize];
        let source = sources.get(place.source).unwrap_or(&sources[0]);
        (Arc::clone(&source.path), source.span(&place.span))
    }

    /// Returns the game as the linter needs it.
    fn game(&self, rules: &Rules, bounded: bool) -> game::Game<'_> {
        let loss = |i: usize| game::Loss { written: &self.losses[i], program: &self.made[i].program };
        game::Game {
            discriminators: self.discriminators,
            discriminator: loss(0),
            generator: loss(1),
            bounded: bounded || rules.clip.is_some(),
        }
    }

    /// Reports what is wrong or suspicious for any parameter values. Returns whether nothing is wrong.
    pub(crate) fn check(&self, mistakes: &mut Mistakes, warnings: &mut Mistakes) -> bool {
        let Some(rules) = self.objective.rules() else { return true };
        let found = lint::form(&self.game(rules, true));
        for (whose, loss) in [(Whose::Discriminator, &self.made[0]), (Whose::Generator, &self.made[1])] {
            let bounds = |name: &str| {
                let declared = self.objective.declares().parameter(name);
                declared.map_or((f64::NEG_INFINITY, f64::INFINITY), |declared| match &declared.kind {
                    Kind::Number(range) => range.bounds(),
                    _ => (f64::NEG_INFINITY, f64::INFINITY),
                })
            };
            for warning in sweep_formula::bounds::zero_warnings(&loss.formula, &bounds) {
                self.say(&Finding { whose, fatal: false, what: warning, values: String::new() }, mistakes, warnings);
            }
        }
        found.iter().for_each(|finding| self.say(finding, mistakes, warnings));
        found.iter().all(|finding| !finding.fatal)
    }

    /// Returns what is wrong or suspicious for these parameter values.
    pub(crate) fn values(&self, parameter: impl Fn(&str) -> f64, bounded: bool, scheduled: bool) -> Vec<Finding> {
        let Some(rules) = self.objective.rules() else { return Vec::new() };
        lint::values(&self.game(rules, bounded), scheduled, parameter)
    }

    /// Returns the parameters that its losses name, the discriminators' first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.made.iter().flat_map(|loss| loss.program.parameters.iter().map(|name| &**name))
    }

    /// Returns the number of operations in its losses.
    pub(crate) fn size(&self) -> usize {
        self.made.iter().map(|loss| loss.program.operations.len()).sum()
    }

    pub(crate) fn say(&self, finding: &Finding, mistakes: &mut Mistakes, warnings: &mut Mistakes) {
        let Finding { whose, fatal, what, values } = finding;
        let to = if *fatal { mistakes } else { warnings };
        let (path, span) = self.place(*whose, &what.place);
        let message = format!("{}{values}", what.message);
        match &what.help {
            Some(help) => to.advise(&*path, &span, message, &**help),
            None => to.add(&*path, &span, message),
        }
    }
}
