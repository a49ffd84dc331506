//! Bounds of a formula for all logits, to find arguments of logarithms that may be 0.

use super::ast::{Expr, Function, Kind, Operator};
use super::mistake::Mistake;

/// The smallest and the largest value.
pub type Bounds = (f64, f64);

const ANY: Bounds = (f64::NEG_INFINITY, f64::INFINITY);

/// Returns the bounds of `expr`, given the bounds of each `parameter`.
pub fn bounds(expr: &Expr, parameter: &impl Fn(&str) -> Bounds) -> Bounds {
    let of = |part: &Expr| bounds(part, parameter);
    match &expr.kind {
        Kind::Number(x) => (*x, *x),
        Kind::Parameter(name) => parameter(name),
        Kind::Row(_) => ANY,
        Kind::Neg(x) => minus(of(x)),
        Kind::Binary(Operator::Add, a, b) => plus(of(a), of(b)),
        Kind::Binary(Operator::Sub, a, b) => plus(of(a), minus(of(b))),
        Kind::Binary(Operator::Mul, a, b) => times(of(a), of(b)),
        Kind::Binary(Operator::Div, a, b) => match of(b) {
            (low, high) if low > 0.0 || high < 0.0 => times(of(a), (1.0 / high, 1.0 / low)),
            _ => ANY,
        },
        Kind::Binary(Operator::Pow, a, b) => match (of(a), of(b)) {
            ((low, _), (least, _)) if low >= 1.0 && least >= 0.0 => (1.0, f64::INFINITY),
            ((low, _), _) if low > 0.0 => (0.0, f64::INFINITY),
            (_, (power, most)) if power == most && power >= 0.0 && (power / 2.0).fract() == 0.0 => (0.0, f64::INFINITY),
            ((low, _), (least, _)) if low >= 0.0 && least >= 0.0 => (0.0, f64::INFINITY),
            _ => ANY,
        },
        Kind::Call(function, arguments) => {
            let x = of(&arguments[0]);
            let rising = |f: fn(f64) -> f64| (f(x.0), f(x.1));
            match function {
                Function::Softplus => rising(softplus),
                Function::LogSoftplus => (softplus(x.0).ln(), softplus(x.1).ln()),
                Function::Sigmoid => rising(|x| 1.0 / (1.0 + (-x).exp())),
                Function::LogSigmoid => (-softplus(-x.0), -softplus(-x.1)),
                Function::Tanh => rising(f64::tanh),
                Function::Exp => rising(f64::exp),
                Function::Expm1 => rising(f64::exp_m1),
                Function::Exprel => (0.0, f64::INFINITY),
                Function::Log => rising(|x| if x <= 0.0 { f64::NEG_INFINITY } else { x.ln() }),
                Function::Log1p => rising(|x| if x <= -1.0 { f64::NEG_INFINITY } else { x.ln_1p() }),
                Function::Sqrt => rising(|x| x.max(0.0).sqrt()),
                Function::Square | Function::Abs => {
                    let far = x.0.abs().max(x.1.abs());
                    let near = if x.0 > 0.0 || x.1 < 0.0 { x.0.abs().min(x.1.abs()) } else { 0.0 };
                    let f = |x: f64| if *function == Function::Abs { x } else { x * x };
                    (f(near), f(far))
                }
                Function::Relu => rising(|x| x.max(0.0)),
                Function::Min => {
                    let y = of(&arguments[1]);
                    (x.0.min(y.0), x.1.min(y.1))
                }
                Function::Max => {
                    let y = of(&arguments[1]);
                    (x.0.max(y.0), x.1.max(y.1))
                }
                Function::Clamp => {
                    let (low, high) = (of(&arguments[1]), of(&arguments[2]));
                    (x.0.min(high.0).max(low.0), x.1.min(high.1).max(low.1))
                }
                Function::Detach | Function::Mean | Function::LogMeanExp => x,
                Function::Std => (0.0, f64::INFINITY),
            }
        }
    }
}

fn minus((low, high): Bounds) -> Bounds {
    (-high, -low)
}

fn plus(a: Bounds, b: Bounds) -> Bounds {
    (a.0 + b.0, a.1 + b.1)
}

fn times(a: Bounds, b: Bounds) -> Bounds {
    // Bounds treat 0 · ∞ as 0.
    let product = |a: f64, b: f64| if a == 0.0 || b == 0.0 { 0.0 } else { a * b };
    let all = [product(a.0, b.0), product(a.0, b.1), product(a.1, b.0), product(a.1, b.1)];
    (all.into_iter().fold(f64::INFINITY, f64::min), all.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

fn softplus(x: f64) -> f64 {
    if x > 30.0 { x } else { x.exp().ln_1p() }
}

/// Returns warnings about logarithms and powers of something that may be 0, in a formula in stable form.
pub fn zero_warnings(stable: &Expr, parameter: &impl Fn(&str) -> Bounds) -> Vec<Mistake> {
    let mut found = Vec::new();
    stable.walk(&mut |part| {
        let least = |x: &Expr| bounds(x, parameter).0;
        let what = match &part.kind {
            Kind::Call(Function::Log, x) if x[0].has_rows() && least(&x[0]) <= 0.0 => "logarithm",
            Kind::Call(Function::Log1p, x) if x[0].has_rows() && least(&x[0]) <= -1.0 => "logarithm",
            Kind::Call(Function::Sqrt, x) if x[0].has_rows() && least(&x[0]) <= 0.0 => "root",
            Kind::Binary(Operator::Pow, a, b) if a.has_rows() && least(a) <= 0.0 => match b.kind {
                Kind::Number(power) if power.fract() == 0.0 && power >= 0.0 => return,
                // Value and derivative are finite at 0.
                _ if least(a) >= 0.0 && least(b) >= 1.0 => return,
                _ => "power",
            },
            _ => return,
        };
        let bound = match &part.kind {
            Kind::Binary(Operator::Pow, a, b) if least(a) >= 0.0 => match &b.kind {
                Kind::Parameter(name) => format!(", or bound its exponent: `{name}: {{default: 2, from: 1}}`"),
                _ => String::new(),
            },
            _ => String::new(),
        };
        found.push(Mistake::advise(
            &part.place,
            format!("the argument of this {what} can be 0 in float32, where its value or gradient is not finite"),
            format!(
                "write it with `log_sigmoid`, `softplus`, `log_softplus` or `log_mean_exp`, or keep its argument \
                above 0: `max(…, 1e-7)`{bound}"
            ),
        ));
    });
    found
}
