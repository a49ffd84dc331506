//! Stable forms. Formulas as in a paper overflow in float32 or lose their gradient: log(1 − σ(17)) is −∞ there. These
//! rules give the same function of the logits in forms that do not:
//!
//! | written | becomes |
//! |---|---|
//! | 1 − σ(x) | σ(−x) |
//! | log σ(x), log_sigmoid(x) | −softplus(−x) |
//! | log softplus(x) | log_softplus(x) |
//! | log eˣ | x |
//! | log(1 + eˣ), log1p(eˣ) | softplus(x) |
//! | log of a product, a quotient, a power or a root of these | their sum, difference, multiple |
//! | σ(x)^s, √σ(x) | e^(−s · softplus(−x)) |
//! | log mean eˣ | log_mean_exp(x) |
//! | eˣ − 1 | expm1(x) |
//! | x^1, x^2 | x, square(x) |
//! | clamp(x, a, b) | max(min(x, b), a) |
//! | −−x, a − −x, a + −x, mean(−x) | x, a + x, a − x, −mean(x) |
//!
//! Nothing else is rewritten. The order of additions is kept, since it affects the last bits.

use super::ast::{Expr, Function, Kind, Operator};

/// Returns `expr` in stable form; stable parts stay as they are.
pub fn stable(expr: &Expr) -> Expr {
    let kind = match &expr.kind {
        Kind::Number(_) | Kind::Parameter(_) | Kind::Row(_) => expr.kind.clone(),
        Kind::Neg(x) => return negative(stable(x), expr),
        Kind::Binary(operator, a, b) => return binary(*operator, stable(a), stable(b), expr),
        Kind::Call(function, arguments) => {
            return call(*function, arguments.iter().map(stable).collect(), expr);
        }
    };
    Expr::at(kind, &expr.place)
}

/// Returns −x at the place of `of`.
fn negative(x: Expr, of: &Expr) -> Expr {
    match x.kind {
        Kind::Neg(inner) => *inner,
        // −0 and 0 are the same number here.
        Kind::Number(number) => Expr::at(Kind::Number(0.0 - number), &of.place),
        Kind::Parameter(_) | Kind::Row(_) | Kind::Binary(..) | Kind::Call(..) => {
            Expr::at(Kind::Neg(Box::new(x)), &of.place)
        }
    }
}

fn made(operator: Operator, a: Expr, b: Expr, of: &Expr) -> Expr {
    Expr::at(Kind::Binary(operator, Box::new(a), Box::new(b)), &of.place)
}

fn called(function: Function, x: Expr, of: &Expr) -> Expr {
    Expr::at(Kind::Call(function, vec![x]), &of.place)
}

/// Returns x if `expr` is `function` of x.
fn inside(expr: &Expr, function: Function) -> Option<&Expr> {
    match &expr.kind {
        Kind::Call(found, arguments) if *found == function => arguments.first(),
        _ => None,
    }
}

fn negated(expr: &Expr) -> Option<&Expr> {
    match &expr.kind {
        Kind::Neg(x) => Some(x),
        _ => None,
    }
}

fn number(expr: &Expr) -> Option<f64> {
    match expr.kind {
        Kind::Number(number) => Some(number),
        _ => None,
    }
}

/// Returns x if `a` + `b` is 1 + f(x) for this f, in either order.
fn one_and<'a>(a: &'a Expr, b: &'a Expr, f: impl Fn(&'a Expr) -> Option<&'a Expr>) -> Option<&'a Expr> {
    match (number(a), number(b)) {
        (Some(1.0), _) => f(b),
        (_, Some(1.0)) => f(a),
        _ => None,
    }
}

fn binary(operator: Operator, a: Expr, b: Expr, of: &Expr) -> Expr {
    let sigmoid = |x: &Expr| call(Function::Sigmoid, vec![negative(x.clone(), of)], of);
    match operator {
        Operator::Add => {
            if let Some(x) = one_and(&a, &b, |part| inside(negated(part)?, Function::Sigmoid)) {
                return sigmoid(x);
            }
            match b.kind {
                Kind::Neg(b) => made(Operator::Sub, a, *b, of),
                _ => made(Operator::Add, a, b, of),
            }
        }
        Operator::Sub => {
            if let (Some(1.0), Some(x)) = (number(&a), inside(&b, Function::Sigmoid)) {
                return sigmoid(x);
            }
            if let (Some(x), Some(1.0)) = (inside(&a, Function::Exp), number(&b)) {
                return called(Function::Expm1, x.clone(), of);
            }
            match b.kind {
                Kind::Neg(b) => made(Operator::Add, a, *b, of),
                _ => made(Operator::Sub, a, b, of),
            }
        }
        Operator::Pow => match (number(&b), inside(&a, Function::Sigmoid)) {
            (Some(1.0), _) => a,
            // σ(x)^s = e^(s · log σ(x)).
            (_, Some(x)) if !b.has_rows() => {
                let log = log_sigmoid(x, of);
                called(Function::Exp, product(b, log, of), of)
            }
            (Some(2.0), None) => called(Function::Square, a, of),
            (_, _) => made(Operator::Pow, a, b, of),
        },
        Operator::Mul | Operator::Div => made(operator, a, b, of),
    }
}

/// Returns a · b, with the sign of b in front.
fn product(a: Expr, b: Expr, of: &Expr) -> Expr {
    match b.kind {
        Kind::Neg(b) => made(Operator::Mul, negative(a, of), *b, of),
        _ => made(Operator::Mul, a, b, of),
    }
}

/// Returns log σ(x) = −softplus(−x).
fn log_sigmoid(x: &Expr, of: &Expr) -> Expr {
    negative(called(Function::Softplus, negative(x.clone(), of), of), of)
}

fn call(function: Function, mut arguments: Vec<Expr>, of: &Expr) -> Expr {
    match (function, arguments.as_slice()) {
        (Function::LogSigmoid, [x]) => return log_sigmoid(x, of),
        (Function::Log, [x]) => {
            if let Some(log) = log(x, of) {
                return log;
            }
        }
        (Function::Log1p, [x]) => {
            if let Some(x) = inside(x, Function::Exp) {
                return called(Function::Softplus, x.clone(), of);
            }
            if let Some(x) = negated(x).and_then(|x| inside(x, Function::Sigmoid)) {
                return log_sigmoid(&negative(x.clone(), of), of);
            }
        }
        (Function::Mean, [x]) => {
            if let Some(x) = negated(x) {
                return negative(called(Function::Mean, x.clone(), of), of);
            }
        }
        (Function::Sqrt, [x]) => {
            if let Some(x) = inside(x, Function::Sigmoid) {
                let half = Expr::at(Kind::Number(0.5), &of.place);
                return called(Function::Exp, product(half, log_sigmoid(x, of), of), of);
            }
        }
        (Function::Clamp, [_, _, _]) => {
            let high = arguments.pop().unwrap_or_else(|| unreachable!("three"));
            let low = arguments.pop().unwrap_or_else(|| unreachable!("three"));
            arguments.push(high);
            let within = Expr::at(Kind::Call(Function::Min, arguments), &of.place);
            return Expr::at(Kind::Call(Function::Max, vec![within, low]), &of.place);
        }
        _ => {}
    }
    Expr::at(Kind::Call(function, arguments), &of.place)
}

/// Returns log x if it has a known stable form.
fn log(x: &Expr, of: &Expr) -> Option<Expr> {
    match &x.kind {
        Kind::Call(Function::Sigmoid, _) => Some(log_sigmoid(inside(x, Function::Sigmoid)?, of)),
        Kind::Call(Function::Softplus, _) => {
            Some(called(Function::LogSoftplus, inside(x, Function::Softplus)?.clone(), of))
        }
        Kind::Call(Function::Exp, _) => inside(x, Function::Exp).cloned(),
        Kind::Call(Function::Mean, _) => {
            let inner = inside(inside(x, Function::Mean)?, Function::Exp)?;
            Some(called(Function::LogMeanExp, inner.clone(), of))
        }
        Kind::Call(Function::Sqrt, _) => {
            let half = Expr::at(Kind::Number(0.5), &of.place);
            Some(product(half, log(inside(x, Function::Sqrt)?, of)?, of))
        }
        Kind::Call(Function::Square, _) => {
            let two = Expr::at(Kind::Number(2.0), &of.place);
            Some(product(two, log(inside(x, Function::Square)?, of)?, of))
        }
        Kind::Binary(Operator::Add, a, b) => {
            let x = one_and(a, b, |part| inside(part, Function::Exp))?;
            Some(called(Function::Softplus, x.clone(), of))
        }
        Kind::Binary(Operator::Mul, a, b) => Some(binary(Operator::Add, log(a, of)?, log(b, of)?, of)),
        Kind::Binary(Operator::Div, a, b) => {
            let below = log(b, of)?;
            match number(a) {
                Some(1.0) => Some(negative(below, of)),
                _ => Some(binary(Operator::Sub, log(a, of)?, below, of)),
            }
        }
        Kind::Binary(Operator::Pow, a, b) if !b.has_rows() => Some(product((**b).clone(), log(a, of)?, of)),
        _ => None,
    }
}
