//! Finds a mistake that public libraries trained with: `1 - fake`, which is right for a probability, although `fake` is
//! a logit.

use super::ast::{Expr, Function, Kind, Operator, Row};
use super::mistake::Mistake;

/// Returns a mistake if 1 − logit, or log(1 + −logit), is the argument of a function of probabilities, or of one that
/// makes them.
pub(super) fn one_minus_logit(expr: &Expr, discriminators: usize) -> Option<Mistake> {
    let Kind::Call(function, arguments) = &expr.kind else { return None };
    let argument = &arguments[0];
    let Line { constant, logits } = line(argument)?;
    let [(row, slope)] = logits[..] else { return None };
    let near = |x: f64, y: f64| (x - y).abs() < 1e-3;
    let one_minus = |constant: f64| near(constant, 1.0) && near(slope, -1.0);
    let found = match function {
        Function::Sigmoid | Function::LogSigmoid | Function::Log => one_minus(constant),
        Function::Log1p => one_minus(constant + 1.0),
        // log σ(1 − x) = −softplus(x − 1).
        Function::Softplus | Function::LogSoftplus => one_minus(constant) || near(constant, -1.0) && near(slope, 1.0),
        _ => false,
    };
    found.then(|| {
        let name = row.name(discriminators);
        let call = format!("{}({})", function.name(), argument.text(discriminators));
        let message = format!("in `{call}`, `{name}` is a logit, not a probability");
        let help = format!(
            "1 − σ({name}) is `sigmoid(-{name})`, and its logarithm is `-softplus({name})`; if you want a margin of 1, \
            make it a parameter"
        );
        Mistake::advise(&expr.place, message, help)
    })
}

/// c + Σ aᵢ xᵢ with logits xᵢ of the sample itself, ignoring terms from means over other samples.
struct Line {
    constant: f64,
    logits: Vec<(Row, f64)>,
}

impl Line {
    fn times(mut self, factor: f64) -> Line {
        self.constant *= factor;
        self.logits.iter_mut().for_each(|(_, slope)| *slope *= factor);
        self
    }

    fn plus(mut self, other: Line) -> Line {
        self.constant += other.constant;
        for (row, slope) in other.logits {
            match self.logits.iter_mut().find(|(known, _)| *known == row) {
                Some((_, sum)) => *sum += slope,
                None => self.logits.push((row, slope)),
            }
        }
        self
    }
}

/// Returns `expr` as a linear function, ignoring bounds around it, or `None` if it is not linear.
fn line(expr: &Expr) -> Option<Line> {
    let number = |constant| Line { constant, logits: Vec::new() };
    Some(match &expr.kind {
        Kind::Number(x) => number(*x),
        Kind::Row(row) => Line { constant: 0.0, logits: vec![(*row, 1.0)] },
        Kind::Neg(x) => line(x)?.times(-1.0),
        Kind::Binary(operator, a, b) => {
            let (a, b) = (line(a)?, line(b)?);
            match operator {
                Operator::Add => a.plus(b),
                Operator::Sub => a.plus(b.times(-1.0)),
                Operator::Mul if a.logits.is_empty() => b.times(a.constant),
                Operator::Mul if b.logits.is_empty() => a.times(b.constant),
                Operator::Div if b.logits.is_empty() => a.times(1.0 / b.constant),
                Operator::Mul | Operator::Div | Operator::Pow => return None,
            }
        }
        Kind::Call(Function::Mean, arguments) => number(line(&arguments[0])?.constant),
        Kind::Call(Function::Min | Function::Max | Function::Clamp | Function::Detach, arguments) => {
            line(arguments.iter().find(|argument| argument.has_rows())?)?
        }
        Kind::Parameter(_) | Kind::Call(..) => return None,
    })
}
