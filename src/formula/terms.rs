//! Losses that are sums of c · mean f(±d). Most losses are, and their value and gradient need only one pass over the
//! logits.

use super::ast::{Expr, Function, Kind, Operator, Row};
use super::evaluate::number;

/// A number per member: a sign and a product of parts without logits, from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct Coefficient {
    /// 1 or −1.
    pub sign: f64,
    /// The parts, with whether each is a divisor.
    pub parts: Vec<(Expr, bool)>,
}

/// A function of one logit d, or of −d.
#[derive(Clone, Debug, PartialEq)]
pub enum Of {
    /// log(1 + eᵈ).
    Softplus,
    /// log log(1 + eᵈ).
    LogSoftplus,
    /// d.
    Identity,
    /// (d − target)².
    Squared {
        /// The target of d; has no logits.
        target: Coefficient,
    },
}

/// A term of a sum.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A number per member.
    Constant(Coefficient),
    /// c · mean f(±d).
    Mean {
        /// c.
        coefficient: Coefficient,
        /// f.
        of: Of,
        /// The logits d.
        row: Row,
        /// Whether −d is used instead of d.
        negative: bool,
    },
}

impl Coefficient {
    fn one() -> Coefficient {
        Coefficient { sign: 1.0, parts: Vec::new() }
    }

    fn negated(mut self) -> Coefficient {
        self.sign = -self.sign;
        self
    }

    fn with(mut self, part: &Expr, divides: bool) -> Coefficient {
        match &part.kind {
            Kind::Neg(x) => self.negated().with(x, divides),
            _ => {
                self.parts.push((part.clone(), divides));
                self
            }
        }
    }

    /// Returns its value, given the value of each `parameter`.
    pub fn value(&self, parameter: impl Fn(&str) -> f64) -> f64 {
        let times = |product: f64, (part, divides): &(Expr, bool)| {
            let value = number(part, &parameter);
            if *divides { product / value } else { product * value }
        };
        self.parts.iter().fold(1.0, times) * self.sign
    }
}

/// Returns the terms of `formula`, which must be in stable form, in the order in which they are written. `None` if it
/// is not such a sum.
pub fn terms(formula: &Expr) -> Option<Vec<Term>> {
    let mut terms = Vec::new();
    sum(formula, Coefficient::one(), false, &mut terms)?;
    Some(terms)
}

/// Adds the terms of c · `expr`. `averaged` says whether it is inside a mean.
fn sum(expr: &Expr, c: Coefficient, averaged: bool, terms: &mut Vec<Term>) -> Option<()> {
    if !expr.has_rows() {
        terms.push(Term::Constant(c.with(expr, false)));
        return Some(());
    }
    match &expr.kind {
        Kind::Neg(x) => sum(x, c.negated(), averaged, terms),
        Kind::Binary(Operator::Add, a, b) => {
            sum(a, c.clone(), averaged, terms)?;
            sum(b, c, averaged, terms)
        }
        Kind::Binary(Operator::Sub, a, b) => {
            sum(a, c.clone(), averaged, terms)?;
            sum(b, c.negated(), averaged, terms)
        }
        Kind::Binary(Operator::Mul, a, b) if !a.has_rows() => sum(b, c.with(a, false), averaged, terms),
        Kind::Binary(Operator::Mul, a, b) if !b.has_rows() => sum(a, c.with(b, false), averaged, terms),
        Kind::Binary(Operator::Div, a, b) if !b.has_rows() => sum(a, c.with(b, true), averaged, terms),
        Kind::Call(Function::Mean, x) if !averaged => sum(&x[0], c, true, terms),
        _ if averaged => {
            let (of, row, negative) = function(expr)?;
            terms.push(Term::Mean { coefficient: c, of, row, negative });
            Some(())
        }
        Kind::Number(_) | Kind::Parameter(_) | Kind::Row(_) | Kind::Binary(..) | Kind::Call(..) => None,
    }
}

fn function(expr: &Expr) -> Option<(Of, Row, bool)> {
    match &expr.kind {
        Kind::Row(row) => Some((Of::Identity, *row, false)),
        Kind::Call(Function::Softplus, x) => logit(&x[0]).map(|(row, negative)| (Of::Softplus, row, negative)),
        Kind::Call(Function::LogSoftplus, x) => logit(&x[0]).map(|(row, negative)| (Of::LogSoftplus, row, negative)),
        Kind::Call(Function::Square, x) => squared(&x[0]),
        _ => None,
    }
}

/// ±d.
fn logit(expr: &Expr) -> Option<(Row, bool)> {
    match &expr.kind {
        Kind::Row(row) => Some((*row, false)),
        Kind::Neg(x) => logit(x).map(|(row, negative)| (row, !negative)),
        _ => None,
    }
}

/// (±d ± target)².
fn squared(expr: &Expr) -> Option<(Of, Row, bool)> {
    let target = |part: &Expr| Coefficient::one().with(part, false);
    let of = |(row, negative), target| Some((Of::Squared { target }, row, negative));
    if let Some(plain) = logit(expr) {
        return of(plain, target(&Expr::at(Kind::Number(0.0), &expr.place)));
    }
    match &expr.kind {
        Kind::Binary(Operator::Sub, a, b) if !b.has_rows() => of(logit(a)?, target(b)),
        Kind::Binary(Operator::Add, a, b) if !b.has_rows() => of(logit(a)?, target(b).negated()),
        Kind::Binary(Operator::Add, a, b) if !a.has_rows() => of(logit(b)?, target(a).negated()),
        Kind::Binary(Operator::Sub, a, b) if !a.has_rows() => {
            let (row, negative) = logit(b)?;
            of((row, !negative), target(a).negated())
        }
        _ => None,
    }
}
