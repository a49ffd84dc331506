//! The mistakes in a sweep file: all at once, each with its place and what to do.

use std::collections::HashSet;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan,
    SpanContents,
};

use super::from::{From, Picked};
use super::own_data::{OwnData, Source, Trouble};
use super::settings::Place;
use super::spaces::{self, Odd};
use super::text::acts;
use super::vocabulary::Vocabulary;
use super::yaml::Syntax;

/// Columns for line numbers and the frame.
const MARGIN: usize = 10;
/// Minimum and maximum columns of a message.
const NARROW: usize = 20;
const WIDE: usize = 120;
/// Maximum number reported; a file with more is probably not a sweep file.
const MAX_MISTAKES: usize = 50;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mistake {
    /// The path of the key, such as `variants[1].train.batch`; empty for the whole file.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
    /// What to do, or what was probably meant.
    pub help: Option<String>,
    /// The bytes of the file that it is about.
    pub span: Range<usize>,
}

/// All mistakes of a file, in file order.
#[derive(Clone, Debug)]
pub struct SpecErrors {
    /// The file's name, for messages.
    pub name: String,
    /// The file's text.
    pub text: Arc<str>,
    /// The mistakes; at least one.
    pub mistakes: Vec<Mistake>,
    /// Warnings about losses and networks. They may be the cause of the mistakes.
    pub warnings: Vec<String>,
}

/// Looks up what a sweep file refers to. Reading a file does no I/O itself.
pub trait Outside {
    /// Returns what is at the path of a data set.
    fn look(&self, source: &Source) -> Result<OwnData, Trouble>;

    /// Returns the best cells of another sweep, for a variant of the sweep with this name; `None` if other sweeps are
    /// not available.
    fn pick(&self, sweep: &str, variant: &str, from: &From) -> Option<Result<Picked, Trouble>>;
}

/// Only looks up paths.
impl<F: Fn(&Source) -> Result<OwnData, Trouble>> Outside for F {
    fn look(&self, source: &Source) -> Result<OwnData, Trouble> {
        self(source)
    }

    fn pick(&self, _: &str, _: &str, _: &From) -> Option<Result<Picked, Trouble>> {
        None
    }
}

/// Collects mistakes while a file is read.
#[derive(Default)]
pub(super) struct Mistakes {
    list: Vec<Mistake>,
    seen: HashSet<Mistake>,
    /// `None`: paths and cells of other sweeps are not looked up.
    outside: Option<Rc<dyn Outside>>,
    /// The name of the sweep being read.
    pub(super) sweep: String,
    /// The text being read; empty if there is none.
    pub(super) text: Arc<str>,
    /// The names that are known at the current place.
    pub(super) vocabulary: Vocabulary,
}

impl Mistakes {
    /// Returns an empty collection that looks things up with `outside`.
    pub(super) fn looking(outside: Rc<dyn Outside>) -> Self {
        Mistakes { outside: Some(outside), ..Mistakes::default() }
    }

    /// Returns what is at `source`; `None` after a mistake, or if paths are not looked up.
    pub(super) fn look(&mut self, source: &Source, path: &str, span: &Range<usize>) -> Option<OwnData> {
        let found = self.outside.as_ref()?.look(source);
        self.found(found, path, span)
    }

    /// Returns the best cells of another sweep for a variant; `None` after a mistake, or if other sweeps are not
    /// available.
    pub(super) fn picked(&mut self, from: &From, variant: &str, place: &Place) -> Option<Picked> {
        let found = self.outside.as_ref()?.pick(&self.sweep, variant, from)?;
        self.found(found, &place.path, &place.span)
    }

    fn found<T>(&mut self, found: Result<T, Trouble>, path: &str, span: &Range<usize>) -> Option<T> {
        match found {
            Ok(found) => Some(found),
            Err(Trouble { message, help }) => {
                self.push(path.to_owned(), span, message, help);
                None
            }
        }
    }

    /// Adds a mistake. Duplicates are dropped, since many points of a grid may have the same one.
    pub(super) fn add(&mut self, path: impl Into<String>, span: &Range<usize>, message: impl Into<String>) {
        self.push(path.into(), span, message.into(), None);
    }

    /// Adds a mistake with advice.
    pub(super) fn advise(
        &mut self,
        path: impl Into<String>,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(path.into(), span, message.into(), Some(help.into()));
    }

    /// Adds "`found` is not a …", and suggests the closest name in `known`, or lists all of them.
    pub(super) fn unknown(&mut self, path: &str, span: &Range<usize>, what: &str, found: &str, known: &[&str]) {
        let shown: String =
            if found.chars().count() > 40 { found.chars().take(40).chain(['…']).collect() } else { found.into() };
        let shown = if shown.trim().is_empty() { format!("\"{shown}\"") } else { format!("`{shown}`") };
        self.push(path.to_owned(), span, format!("{shown} is not {what}"), Some(closest(found, known)));
    }

    fn push(&mut self, path: String, span: &Range<usize>, message: String, help: Option<String>) {
        let mistake = Mistake { path, message, help, span: span.clone() };
        if self.seen.insert(mistake.clone()) {
            self.list.push(mistake);
        }
    }

    /// Returns one line per mistake.
    pub(super) fn lines(self, name: &str, text: &Arc<str>) -> Vec<String> {
        if self.list.is_empty() {
            return Vec::new();
        }
        self.error(name, text).to_string().lines().map(str::to_owned).collect()
    }

    /// Adds the mistakes of `others`.
    pub(super) fn append(&mut self, others: Mistakes) {
        others.list.into_iter().for_each(|Mistake { path, message, help, span }| self.push(path, &span, message, help));
    }

    /// Gives this advice to the mistakes from number `from` on.
    pub(super) fn help_from(&mut self, from: usize, help: &str) {
        for mistake in self.list.iter_mut().skip(from) {
            mistake.help = Some(help.to_owned());
        }
    }

    /// Adds a YAML syntax error.
    pub(super) fn syntax(&mut self, text: &str, error: Syntax) {
        match spaces::before(text, error.span.start) {
            Some(Odd { span, message, help }) => self.advise("", &span, message, help),
            None => self.add("", &error.span, error.message),
        }
    }

    /// If the line of a mistake has a character that only looks like a space, reports that character instead.
    pub(super) fn blame_spaces(&mut self, text: &str) {
        for mistake in std::mem::take(&mut self.list) {
            match spaces::on_line(text, mistake.span.start) {
                Some(Odd { span, message, help }) => {
                    let odd = Mistake { path: String::new(), message, help: Some(help.to_owned()), span };
                    if !self.list.contains(&odd) {
                        self.list.push(odd);
                    }
                }
                None => self.list.push(mistake),
            }
        }
    }

    /// Returns all mistakes as text, without their places.
    pub(super) fn words(self) -> String {
        let words = |mistake: Mistake| match mistake.help {
            Some(help) => format!("{} ({help})", mistake.message),
            None => mistake.message,
        };
        self.list.into_iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// Returns the number of mistakes.
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns `value`, or the collected mistakes as an error about this file.
    pub(super) fn or<T>(self, name: &str, text: &Arc<str>, value: T) -> Result<T, SpecErrors> {
        if self.list.is_empty() { Ok(value) } else { Err(self.error(name, text)) }
    }

    /// Returns the collected mistakes as an error about this file.
    pub(super) fn error(mut self, name: &str, text: &Arc<str>) -> SpecErrors {
        self.list.sort_by_key(|mistake| mistake.span.start);
        for Mistake { path, message, help, .. } in &mut self.list {
            for text in [Some(path), Some(message), help.as_mut()].into_iter().flatten() {
                *text = harmless(text);
            }
        }
        SpecErrors { name: harmless(name), text: harmless(text).into(), mistakes: self.list, warnings: Vec::new() }
    }
}

/// Replaces each character of `text` that affects how text is shown by one of the same length, since places are in
/// bytes.
fn harmless(text: &str) -> String {
    let mut next = text.chars().skip(1);
    // The first line begins after a byte order mark, which is invisible.
    let mut first = true;
    let shown = |c: char| {
        let ends_line = next.next() == Some('\n');
        let starts = std::mem::replace(&mut first, false);
        match c {
            '\n' | '\t' => c,
            '\r' if ends_line => c,
            '\u{feff}' if starts => c,
            _ if !acts(c) => c,
            _ => ['?', '·', '\u{fffd}', '\u{1f790}'][c.len_utf8() - 1],
        }
    };
    text.chars().map(shown).collect()
}

/// Returns the known name that is closest to `found`, if one is close.
pub fn near<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = found.to_lowercase();
    let distances = known.iter().map(|&name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), name));
    let near = distances.filter(|(distance, name)| *distance <= 1 + name.chars().count() / 4);
    near.min_by_key(|(distance, _)| *distance).map(|(_, name)| name)
}

/// Returns the known name whose words are all in `found`, or that contains all words of `found`: `epsilon` for
/// `adam_epsilon`, `mode_jsd` for `jsd`.
fn within<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let words = |name: &'a str| name.split('_').collect::<Vec<_>>();
    let of: Vec<&str> = found.split('_').collect();
    let (mut parts, mut wholes) = (Vec::new(), Vec::new());
    for name in known {
        if words(name).iter().all(|word| of.contains(word)) {
            parts.push(*name);
        } else if of.iter().all(|word| words(name).contains(word)) {
            wholes.push(*name);
        }
    }
    let longest = parts.into_iter().max_by_key(|name| name.len());
    longest.or_else(|| wholes.into_iter().min_by_key(|name| name.len()))
}

/// Returns "did you mean" for a name close to a known one, otherwise the list of known names.
fn closest(found: &str, known: &[&str]) -> String {
    let all = || format!("expected one of: {}", known.join(", "));
    match (near(found, known), within(found, known)) {
        (Some(name), _) => format!("did you mean `{name}`?"),
        (None, Some(name)) => format!("did you mean `{name}`? {}", all()),
        (None, None) if known.is_empty() => "there are none".to_owned(),
        (None, None) => all(),
    }
}

impl SpecErrors {
    /// Returns line and column of `mistake`, from 1, in characters.
    pub fn place(&self, mistake: &Mistake) -> (usize, usize) {
        let before = self.text.get(..mistake.span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |at| at + 1);
        (line, before[start..].chars().filter(|c| *c != '\u{feff}').count() + 1)
    }

    /// Renders the mistakes with the lines they are about, for a terminal of `width` columns.
    pub fn render(&self, width: usize, color: bool) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(width.clamp(NARROW, WIDE))
            .with_context_lines(1)
            .without_cause_chain()
            .with_links(false);
        let mut out = String::new();
        for (at, mistake) in self.mistakes.iter().take(MAX_MISTAKES).enumerate() {
            if at > 0 {
                out.push('\n');
            }
            let source = Line { errors: self, mistake, columns: width.clamp(NARROW, WIDE) - MARGIN };
            let report = Report { mistake, source };
            // Writing to a String cannot fail. If miette failed, the plain line would still say everything.
            if handler.render_report(&mut out, &report).is_err() {
                let _ = writeln!(out, "{}", self.line(mistake));
            }
        }
        out.push_str(&self.rest());
        out
    }

    /// Returns the number in words, such as `3 mistakes`.
    pub fn count(&self) -> String {
        match self.mistakes.len() {
            1 => "1 mistake".to_owned(),
            n => format!("{n} mistakes"),
        }
    }

    fn line(&self, mistake: &Mistake) -> String {
        let (line, column) = self.place(mistake);
        let help = mistake.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{}:{line}:{column}: {}{help}", self.name, headline(mistake))
    }

    fn rest(&self) -> String {
        match self.mistakes.len().saturating_sub(MAX_MISTAKES) {
            0 => String::new(),
            more => format!("… and {more} more\n"),
        }
    }
}

fn headline(mistake: &Mistake) -> String {
    if mistake.path.is_empty() { mistake.message.clone() } else { format!("{}: {}", mistake.path, mistake.message) }
}

/// One line per mistake: `file:line:column: path: message (help)`.
impl fmt::Display for SpecErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for mistake in self.mistakes.iter().take(MAX_MISTAKES) {
            writeln!(f, "{}", self.line(mistake))?;
        }
        f.write_str(&self.rest())
    }
}

impl std::error::Error for SpecErrors {}

/// One mistake as a miette diagnostic.
#[derive(Debug)]
struct Report<'a> {
    mistake: &'a Mistake,
    source: Line<'a>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&headline(self.mistake))
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.mistake.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let Range { start, end } = self.source.marked();
        Some(Box::new(std::iter::once(LabeledSpan::new(None, start, end - start))))
    }
}

/// The line of a mistake. miette's own sources also show neighbouring lines, and break if a line is longer than the
/// terminal.
#[derive(Debug)]
struct Line<'a> {
    errors: &'a SpecErrors,
    mistake: &'a Mistake,
    columns: usize,
}

impl Line<'_> {
    /// Returns the line's bytes.
    fn line(&self) -> Range<usize> {
        let text = &self.errors.text;
        let at = self.mistake.span.start.min(text.len());
        let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let end = text[at..].find(['\r', '\n']).map_or(text.len(), |length| at + length);
        // The byte order mark has no width.
        if text[start..end].starts_with('\u{feff}') && at > start {
            start + '\u{feff}'.len_utf8()..end
        } else {
            start..end
        }
    }

    /// Returns the part of the line to show: all of it, or what fits around the mistake.
    fn window(&self) -> Range<usize> {
        let line = self.line();
        let text = &self.errors.text[line.clone()];
        let length = text.chars().count();
        if length <= self.columns {
            return line;
        }
        let at = self.mistake.span.start.clamp(line.start, line.end) - line.start;
        let before = text[..at].chars().count();
        let first = before.saturating_sub(self.columns / 3).min(length - self.columns);
        let byte = |n: usize| text.char_indices().nth(n).map_or(text.len(), |(byte, _)| byte);
        line.start + byte(first)..line.start + byte(first + self.columns)
    }

    /// Returns the part to mark: of a value with several lines, only the first line.
    fn marked(&self) -> Range<usize> {
        let window = self.window();
        let start = self.mistake.span.start.clamp(window.start, window.end);
        start..self.mistake.span.end.clamp(start, window.end)
    }
}

impl SourceCode for Line<'_> {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let (line, column) = self.errors.place(self.mistake);
        // Without context, miette asks only for the place, to print it above the line.
        let place = before == 0 && after == 0;
        let shown = if place { span.offset()..span.offset() + span.len() } else { self.window() };
        let data = self.errors.text.get(shown.clone()).ok_or(MietteError::OutOfBounds)?.as_bytes();
        Ok(Box::new(MietteSpanContents::new_named(
            self.errors.name.clone(),
            data,
            (shown.start, shown.len()).into(),
            line - 1,
            if place { column - 1 } else { 0 },
            1,
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_the_cursor_is_replaced_by_as_many_bytes() {
        let text = "\u{feff}a\x1b[2J\tb\r\nc\rd\u{9b}e\u{202e}f\0é\u{feff}\u{e0041}";
        let shown = harmless(text);
        assert_eq!(shown, "\u{feff}a?[2J\tb\r\nc?d·e\u{fffd}f?é\u{fffd}\u{1f790}");
        assert_eq!(shown.len(), text.len());
    }

    #[test]
    fn a_close_name_is_proposed() {
        assert_eq!(closest("generater", &["generator", "discriminator"]), "did you mean `generator`?");
        assert_eq!(closest("Wassertein", &["wasserstein", "frechet"]), "did you mean `wasserstein`?");
        assert_eq!(closest("size", &["batch", "steps"]), "expected one of: batch, steps");
    }

    #[test]
    fn places_count_characters_from_one() {
        let mut mistakes = Mistakes::default();
        mistakes.add("b", &(6..7), "wrong");
        mistakes.add("b", &(6..7), "wrong");
        let errors = mistakes.or("f.yaml", &Arc::from("é: 1\nü: x"), ()).unwrap_err();
        assert_eq!(errors.to_string(), "f.yaml:2:1: b: wrong\n");
        assert_eq!(errors.count(), "1 mistake");
    }
}
