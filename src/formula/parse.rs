//! Parses formulas: `+ - * / ^`, parentheses, functions, and names. `^` binds more tightly than a sign and is
//! right-associative: −x^2 is −(x²), x^y^z is x^(y^z).

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::ast::{Expr, Function, Kind, Operator, Place, Row};
use super::mistake::Mistake;
use super::token::{Token, in_name, tokens};

/// Maximum size of a formula, in bytes.
const MAX_BYTES: usize = 30_000;
/// Maximum number of tokens of a formula.
const MAX_TOKENS: usize = 4000;
/// Maximum nesting depth.
const MAX_DEPTH: usize = 100;
/// Maximum number of parts of a formula once its helpers are expanded.
const MAX_PARTS: usize = 1000;
/// Maximum number of discriminators.
pub const MAX_DISCRIMINATORS: usize = 8;

/// The names that a formula can use in addition to the functions.
#[derive(Clone, Debug)]
pub struct Names {
    /// The number of discriminators that output logits.
    pub discriminators: usize,
    /// The parameters; `None`: any other name is a parameter.
    pub parameters: Option<Vec<Arc<str>>>,
    /// Whether all discriminators play the same game, so that formulas name the logits of one.
    pub together: bool,
    /// The names of the helper being read and of those below it.
    pub later: Vec<String>,
    helpers: BTreeMap<String, Helper>,
}

/// A function that the file defines.
#[derive(Clone, Debug)]
struct Helper {
    arguments: Vec<String>,
    /// Its body, in which the arguments are still names.
    body: Raw,
}

/// A formula in which names are not resolved yet.
#[derive(Clone, Debug)]
enum RawKind {
    Number(f64),
    Name(String),
    Neg(Box<Raw>),
    Binary(Operator, Box<Raw>, Box<Raw>),
    Call(String, Vec<Raw>),
}

#[derive(Clone, Debug)]
struct Raw {
    kind: RawKind,
    place: Place,
}

impl Names {
    /// Names for the logits of `discriminators` discriminators and these parameters.
    pub fn new(discriminators: usize, parameters: Option<Vec<Arc<str>>>) -> Names {
        Names { discriminators, parameters, together: false, later: Vec::new(), helpers: BTreeMap::new() }
    }

    /// Adds helper number `source` with the head `f(x, y)`. It may use the helpers before it.
    ///
    /// # Errors
    ///
    /// If the head or the body is invalid. Places refer to the body; the head has no place.
    pub fn helper(&mut self, head: &str, body: &str, source: usize) -> Result<(), Mistake> {
        let start = Place { source, span: 0..0 };
        let wrong = || {
            let message = format!("`{head}` is not the head of a helper");
            Mistake::advise(&start, message, "write a name and its arguments: `l(u, a): u * exprel(a * u)`")
        };
        let (name, rest) = head.trim().split_once('(').ok_or_else(wrong)?;
        let arguments = rest.trim_end().strip_suffix(')').ok_or_else(wrong)?;
        let arguments: Vec<String> = arguments.split(',').map(|name| name.trim().to_owned()).collect();
        let name = name.trim();
        let repeated = |at: usize| arguments[..at].contains(&arguments[at]);
        if arguments == [""] {
            let help = "a helper without arguments is a number: declare it in `parameters`, or write it out";
            return Err(Mistake::advise(&start, format!("the helper `{name}` has no argument"), help));
        }
        if !is_name(name) || !arguments.iter().all(|name| is_name(name)) {
            return Err(wrong());
        }
        if let Some(at) = (0..arguments.len()).find(|at| repeated(*at)) {
            let message = format!("`{name}` has the argument `{}` twice", arguments[at]);
            return Err(Mistake::advise(&start, message, "rename one of them"));
        }
        if function(name).is_some() || self.helpers.contains_key(name) {
            let message = format!("`{name}` is already a function");
            return Err(Mistake::advise(&start, message, "rename the helper"));
        }
        // An argument with the name of a parameter hides it within the helper, but hiding logits would be confusing.
        if let Some(argument) = arguments.iter().find(|argument| self.row(argument).is_some()) {
            return Err(Mistake::new(&start, format!("the argument `{argument}` of `{name}` has the name of logits")));
        }
        let body = read(body, source)?;
        // Check the body here, even if the helper is never called.
        let stand_in = Expr::at(Kind::Number(1.0), &start);
        let bound = arguments.iter().map(|argument| (argument.as_str(), &stand_in)).collect();
        self.resolve(&body, &bound, &mut 0)?;
        self.helpers.insert(name.to_owned(), Helper { arguments, body });
        Ok(())
    }

    /// Parses a formula and expands helpers.
    ///
    /// # Errors
    ///
    /// If it is invalid, or uses unknown names.
    pub fn parse(&self, text: &str) -> Result<Expr, Mistake> {
        self.resolve(&read(text, 0)?, &BTreeMap::new(), &mut 0)
    }

    /// Returns the logits with this name.
    fn row(&self, name: &str) -> Option<Row> {
        let (real, number) = match (name.strip_prefix("real"), name.strip_prefix("fake")) {
            (Some(number), _) => (true, number),
            (_, Some(number)) => (false, number),
            (None, None) => return None,
        };
        let discriminator = match (number, self.discriminators) {
            ("", 1) => 0,
            (number, more) if more > 1 => number.parse::<usize>().ok().filter(|n| (1..=more).contains(n))? - 1,
            _ => return None,
        };
        // `real01` is not a valid name.
        (Row { discriminator, real }.name(self.discriminators) == name).then_some(Row { discriminator, real })
    }

    fn resolve(&self, raw: &Raw, bound: &BTreeMap<&str, &Expr>, parts: &mut usize) -> Result<Expr, Mistake> {
        *parts += 1;
        if *parts > MAX_PARTS {
            let message = format!("more than {MAX_PARTS} parts (those of helpers count for each call)");
            return Err(Mistake::new(&raw.place, message));
        }
        let kind = match &raw.kind {
            RawKind::Number(x) => Kind::Number(*x),
            RawKind::Name(name) => match bound.get(name.as_str()) {
                Some(value) => {
                    value.walk(&mut |_| *parts += 1);
                    return Ok((*value).clone());
                }
                None => match self.row(name) {
                    Some(row) => Kind::Row(row),
                    None if self.parameters.as_ref().is_none_or(|known| known.iter().any(|p| **p == **name)) => {
                        Kind::Parameter(name.as_str().into())
                    }
                    None => return Err(self.unknown(name, bound, &raw.place)),
                },
            },
            RawKind::Neg(x) => Kind::Neg(Box::new(self.resolve(x, bound, parts)?)),
            RawKind::Binary(operator, a, b) => {
                let (a, b) = (self.resolve(a, bound, parts)?, self.resolve(b, bound, parts)?);
                Kind::Binary(*operator, Box::new(a), Box::new(b))
            }
            RawKind::Call(name, given) => {
                let values: Vec<Expr> =
                    given.iter().map(|part| self.resolve(part, bound, parts)).collect::<Result<_, _>>()?;
                let wanted = match (function(name), self.helpers.get(name)) {
                    (Some(function), _) => function.arguments(),
                    (None, Some(helper)) => helper.arguments.len(),
                    (None, None) => return Err(self.no_function(name, &raw.place)),
                };
                if values.len() != wanted {
                    let plural = if wanted == 1 { "" } else { "s" };
                    let message = format!("`{name}` takes {wanted} argument{plural}, but has {} here", values.len());
                    return Err(Mistake::new(&raw.place, message));
                }
                match (function(name), self.helpers.get(name)) {
                    (Some(function), _) => Kind::Call(function, values),
                    (None, Some(helper)) => {
                        let bound = helper.arguments.iter().map(String::as_str).zip(&values).collect();
                        return self.resolve(&helper.body, &bound, parts);
                    }
                    (None, None) => unreachable!("looked up above"),
                }
            }
        };
        Ok(Expr { kind, place: raw.place.clone() })
    }

    fn unknown(&self, name: &str, bound: &BTreeMap<&str, &Expr>, place: &Place) -> Mistake {
        if function(name).is_some() || self.helpers.contains_key(name) {
            return Mistake::new(place, format!("`{name}` is a function: its arguments are missing"));
        }
        let rows: Vec<String> = (0..self.discriminators)
            .flat_map(|discriminator| [true, false].map(|real| Row { discriminator, real }.name(self.discriminators)))
            .collect();
        let help = match (name, self.discriminators) {
            ("real" | "fake", more) if more > 1 => {
                format!("with {more} discriminators, each has its own: `{name}1` to `{name}{more}`")
            }
            _ if is_taken(name) && self.together => {
                "with `combine`, all play the same game, so formulas use `real` and `fake`".to_owned()
            }
            _ if is_taken(name) => {
                let number = name.trim_start_matches(|c: char| !c.is_ascii_digit()).parse::<usize>();
                match (number, self.discriminators) {
                    (Ok(number @ 2..=MAX_DISCRIMINATORS), has) if number > has => {
                        format!("for this many, set `discriminators: {number}`")
                    }
                    (_, 1) => {
                        "a single discriminator has `real` and `fake`; for more, set `discriminators: 2`".to_owned()
                    }
                    (_, more) => {
                        format!("with {more} discriminators, use `real1` and `fake1` to `real{more}` and `fake{more}`")
                    }
                }
            }
            _ => {
                let known: Vec<&str> = rows.iter().map(String::as_str).collect();
                let parameters = self.parameters.iter().flatten().map(|name| &**name);
                let all = known.into_iter().chain(parameters).chain(bound.keys().copied());
                let known: Vec<&str> = all.collect();
                let declared = format!("declare others in `parameters`: `{name}: 1`");
                match near(name, &known) {
                    Some(near) => format!("did you mean `{near}`? {declared}"),
                    None => format!("known names are {}; {declared}", known.join(", ")),
                }
            }
        };
        Mistake::advise(place, format!("`{name}` is neither logits nor a parameter of this objective"), help)
    }

    fn no_function(&self, name: &str, place: &Place) -> Mistake {
        let all = Function::ALL.iter().map(|known| known.name()).chain(self.helpers.keys().map(String::as_str));
        let known: Vec<&str> = all.collect();
        let help = match name {
            "logsigmoid" => "it is called `log_sigmoid` here".to_owned(),
            "ln" => "it is called `log` here".to_owned(),
            "sum" => "losses are means here, so that they do not depend on the batch size: use `mean`".to_owned(),
            "pow" => "write `x ^ 2`".to_owned(),
            _ if self.later.first().is_some_and(|own| own == name) => "a helper cannot call itself".to_owned(),
            _ if self.later.iter().any(|later| later == name) => {
                format!("a helper may only call those above it, and `{name}` is below")
            }
            _ => match near(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the functions are {}", known.join(", ")),
            },
        };
        Mistake::advise(place, format!("`{name}` is not a function"), help)
    }
}

/// Returns the known name that is closest, if one is close.
fn near<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let distances = known.iter().map(|name| (strsim::damerau_levenshtein(found, name), *name));
    // Single letters are all close to each other, so they do not count.
    let letters = |name: &str| name.chars().count();
    let near = distances.filter(|(distance, name)| *distance <= 1 + letters(name) / 4 && *distance < letters(name));
    near.min().map(|(_, name)| name)
}

/// Returns the function with this name.
fn function(name: &str) -> Option<Function> {
    Function::ALL.iter().copied().find(|function| function.name() == name)
}

/// Returns whether this is a valid name for a parameter, a helper or an argument.
pub fn is_name(text: &str) -> bool {
    text.chars().enumerate().all(|(at, c)| in_name(c, at)) && !text.is_empty()
}

/// Returns whether a function or logits have this name, so that a parameter cannot.
pub fn is_taken(name: &str) -> bool {
    let digits = name.strip_prefix("real").or_else(|| name.strip_prefix("fake"));
    function(name).is_some() || digits.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
}

fn read(text: &str, source: usize) -> Result<Raw, Mistake> {
    let place = |span: Range<usize>| Place { source, span };
    if text.len() > MAX_BYTES {
        let message = format!("the formula has {} bytes, but at most {MAX_BYTES} are allowed", text.len());
        return Err(Mistake::new(&place(0..0), message));
    }
    let tokens = tokens(text, source)?;
    if tokens.len() > MAX_TOKENS {
        let message =
            format!("the formula has {} numbers, names and signs, but at most {MAX_TOKENS} are allowed", tokens.len());
        return Err(Mistake::new(&place(0..0), message));
    }
    if tokens.is_empty() {
        return Err(Mistake::new(&place(0..text.len()), "the formula is empty"));
    }
    let mut reader = Reader { tokens: &tokens, at: 0, depth: 0, source, end: text.len() };
    let raw = reader.sum()?;
    match reader.peek() {
        None => Ok(raw),
        Some(Token::Sign(')')) => Err(Mistake::new(&reader.place(), "a `)` without its `(`")),
        Some(_) => Err(Mistake::advise(
            &reader.place(),
            "expected an operator or the end of the formula here",
            "products are written with `*`",
        )),
    }
}

struct Reader<'a> {
    tokens: &'a [(Token, Range<usize>)],
    at: usize,
    depth: usize,
    source: usize,
    end: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _)| token)
    }

    /// Returns the place of the next token.
    fn place(&self) -> Place {
        let span = self.tokens.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone());
        Place { source: self.source, span }
    }

    /// Returns whether `sign` comes next, and skips it if so.
    fn take(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn whole(&self, start: usize) -> Place {
        let end = self.tokens[self.at - 1].1.end;
        Place { source: self.source, span: start..end }
    }

    fn binary(&self, operator: Operator, a: Raw, b: Raw) -> Raw {
        let place = self.whole(a.place.span.start);
        Raw { kind: RawKind::Binary(operator, Box::new(a), Box::new(b)), place }
    }

    fn sum(&mut self) -> Result<Raw, Mistake> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign('+')) => Operator::Add,
                Some(Token::Sign('-')) => Operator::Sub,
                _ => return Ok(left),
            };
            self.at += 1;
            let right = self.product()?;
            left = self.binary(operator, left, right);
        }
    }

    fn product(&mut self) -> Result<Raw, Mistake> {
        let mut left = self.signed()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign('*')) => Operator::Mul,
                Some(Token::Sign('/')) => Operator::Div,
                _ => return Ok(left),
            };
            self.at += 1;
            if operator == Operator::Mul && self.peek() == Some(&Token::Sign('*')) {
                return Err(Mistake::advise(&self.place(), "`**` is not an operator", "powers are written with `^`"));
            }
            let right = self.signed()?;
            left = self.binary(operator, left, right);
        }
    }

    fn signed(&mut self) -> Result<Raw, Mistake> {
        let start = self.place().span.start;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Mistake::new(&self.place(), format!("parts are nested more than {MAX_DEPTH} deep")));
        }
        let raw = if self.take('-') {
            let x = self.signed()?;
            Raw { kind: RawKind::Neg(Box::new(x)), place: self.whole(start) }
        } else {
            self.take('+');
            self.power()?
        };
        self.depth -= 1;
        Ok(raw)
    }

    fn power(&mut self) -> Result<Raw, Mistake> {
        let base = self.part()?;
        if !self.take('^') {
            return Ok(base);
        }
        let exponent = self.signed()?;
        Ok(self.binary(Operator::Pow, base, exponent))
    }

    fn part(&mut self) -> Result<Raw, Mistake> {
        let place = self.place();
        let start = place.span.start;
        let Some(token) = self.peek().cloned() else {
            let last = self.tokens.last().map_or(place.span, |(_, span)| span.clone());
            let last = Place { span: last, ..place };
            return Err(Mistake::new(&last, "the formula ends here, but a number, a name or a `(` should follow"));
        };
        self.at += 1;
        let kind = match token {
            Token::Number(x) => RawKind::Number(x),
            Token::Name(name) if self.take('(') => {
                let mut arguments = vec![self.sum()?];
                while self.take(',') {
                    arguments.push(self.sum()?);
                }
                self.close(start)?;
                RawKind::Call(name, arguments)
            }
            Token::Name(name) => RawKind::Name(name),
            Token::Sign('(') => {
                let inside = self.sum()?;
                self.close(start)?;
                return Ok(Raw { place: self.whole(start), ..inside });
            }
            Token::Sign(sign) => {
                let message = format!("expected a number, a name or a `(`, found `{sign}`");
                return Err(Mistake::new(&place, message));
            }
        };
        Ok(Raw { kind, place: self.whole(start) })
    }

    fn close(&mut self, start: usize) -> Result<(), Mistake> {
        if self.take(')') {
            return Ok(());
        }
        let open = Place { source: self.source, span: start..self.place().span.start };
        Err(match self.peek() {
            None => Mistake::new(&open, "a `(` without its `)`"),
            Some(_) => Mistake::new(&self.place(), "expected an operator, a `,` or a `)`"),
        })
    }
}
