//! Value and derivatives of a formula, by reverse-mode differentiation of its operations. Rows are computed in the type
//! of the logits, scalars and sums in float64.

use std::borrow::Cow;

use super::ast::{Expr, Function, Kind};
use super::program::{Binary, Operation, Program, Reduction, Shape, Unary};
use super::rows;
use sweep_numerics::math::Float;

/// The result of an operation, or the derivative of the loss by it.
pub(super) enum Held<'a, T: Clone> {
    Scalar(f64),
    Row(Cow<'a, [T]>),
}

impl<T: Float> Held<'_, T> {
    fn scalar(&self) -> f64 {
        match self {
            Held::Scalar(x) => *x,
            Held::Row(_) => unreachable!("kinds were checked"),
        }
    }

    /// Returns whether all of it is finite.
    pub(super) fn is_finite(&self) -> bool {
        match self {
            Held::Scalar(x) => x.is_finite(),
            Held::Row(row) => row.iter().all(|x| x.to_f64().is_finite()),
        }
    }

    /// Returns it as a row of `n` numbers.
    fn row(&self, n: usize) -> Cow<'_, [T]> {
        match self {
            Held::Scalar(x) => vec![T::of(*x); n].into(),
            Held::Row(row) => Cow::Borrowed(row),
        }
    }
}

/// Returns the loss of one member. `parameters` and `rows`, the logits, `[N]` each, are in the program's order. Adds
/// the derivatives by the logits to `slopes`, of the same shapes.
pub fn evaluate<T: Float>(program: &Program, parameters: &[f64], rows: &[&[T]], slopes: &mut [&mut [T]]) -> f64 {
    let held = forward(program, parameters, rows);
    backward(program, &held, rows.first().map_or(0, |row| row.len()), slopes);
    held.last().map_or(0.0, Held::scalar)
}

/// Computes the result of each operation.
pub(super) fn forward<'a, T: Float>(program: &Program, parameters: &[f64], rows: &[&'a [T]]) -> Vec<Held<'a, T>> {
    let n = rows.first().map_or(0, |row| row.len());
    let mut held: Vec<Held<T>> = Vec::with_capacity(program.operations.len());
    for (operation, shape) in program.operations.iter().zip(&program.shapes) {
        let value = match (*operation, shape) {
            (Operation::Number(x), _) => Held::Scalar(x),
            (Operation::Parameter(at), _) => Held::Scalar(parameters[at]),
            (Operation::Row(at), _) => Held::Row(Cow::Borrowed(rows[at])),
            (Operation::Unary(f, x), Shape::Scalar) => Held::Scalar(of_scalar(f, held[x].scalar())),
            (Operation::Unary(f, x), Shape::Row) => {
                let mut y = vec![T::of(0.0); n];
                rows::unary(f, &held[x].row(n), &mut y);
                Held::Row(y.into())
            }
            (Operation::Binary(f, a, b), Shape::Scalar) => {
                Held::Scalar(of_scalars(f, held[a].scalar(), held[b].scalar()))
            }
            (Operation::Binary(f, a, b), Shape::Row) => {
                let mut y = vec![T::of(0.0); n];
                rows::binary(f, &held[a].row(n), &held[b].row(n), &mut y);
                Held::Row(y.into())
            }
            (Operation::Reduce(f, x), _) => Held::Scalar(reduced(f, &held[x].row(n))),
        };
        held.push(value);
    }
    held
}

fn backward<T: Float>(program: &Program, held: &[Held<T>], n: usize, slopes: &mut [&mut [T]]) {
    let mut adjoints: Vec<Option<Held<T>>> = held.iter().map(|_| None).collect();
    if let Some(last) = adjoints.last_mut() {
        *last = Some(Held::Scalar(1.0));
    }
    for (at, operation) in program.operations.iter().enumerate().rev() {
        let Some(adjoint) = adjoints[at].take().filter(|_| program.slopes[at]) else { continue };
        match *operation {
            Operation::Number(_) | Operation::Parameter(_) => {}
            Operation::Row(row) => {
                for (slope, &more) in slopes[row].iter_mut().zip(adjoint.row(n).iter()) {
                    *slope += more;
                }
            }
            Operation::Unary(f, x) => match program.shapes[at] {
                Shape::Scalar => {
                    let (value, mut slope) = (held[x].scalar(), [0.0]);
                    rows::unary_slope(f, (&[value], &[held[at].scalar()]), &[adjoint.scalar()], &mut slope);
                    add(&mut adjoints[x], Held::Scalar(slope[0]));
                }
                Shape::Row => {
                    let mut slope = vec![T::of(0.0); n];
                    rows::unary_slope(f, (&held[x].row(n), &held[at].row(n)), &adjoint.row(n), &mut slope);
                    add(&mut adjoints[x], Held::Row(slope.into()));
                }
            },
            Operation::Binary(f, a, b) => match program.shapes[at] {
                Shape::Scalar => {
                    let (mut da, mut db) = ([0.0], [0.0]);
                    let values = (&[held[a].scalar()][..], &[held[b].scalar()][..], &[held[at].scalar()][..]);
                    rows::binary_slopes(f, values, &[adjoint.scalar()], &mut da, &mut db);
                    for (part, slope) in [(a, da), (b, db)] {
                        if program.slopes[part] {
                            add(&mut adjoints[part], Held::Scalar(slope[0]));
                        }
                    }
                }
                Shape::Row => {
                    let (mut da, mut db) = (vec![T::of(0.0); n], vec![T::of(0.0); n]);
                    let values = (&*held[a].row(n), &*held[b].row(n), &*held[at].row(n));
                    rows::binary_slopes(f, values, &adjoint.row(n), &mut da, &mut db);
                    for (part, slope) in [(a, da), (b, db)] {
                        if program.slopes[part] {
                            let slope = match program.shapes[part] {
                                Shape::Row => Held::Row(slope.into()),
                                Shape::Scalar => Held::Scalar(sum(&slope)),
                            };
                            add(&mut adjoints[part], slope);
                        }
                    }
                }
            },
            Operation::Reduce(f, x) => {
                let slope = spread(f, &held[x].row(n), held[at].scalar(), adjoint.scalar());
                add(&mut adjoints[x], Held::Row(slope.into()));
            }
        }
    }
}

/// Adds `more` to the derivative collected so far.
fn add<'a, T: Float>(sum: &mut Option<Held<'a, T>>, more: Held<'a, T>) {
    *sum = Some(match (sum.take(), more) {
        (None, more) => more,
        (Some(Held::Row(mut sum)), Held::Row(more)) => {
            for (sum, &more) in sum.to_mut().iter_mut().zip(more.iter()) {
                *sum += more;
            }
            Held::Row(sum)
        }
        (Some(sum), more) => Held::Scalar(sum.scalar() + more.scalar()),
    });
}

fn sum<T: Float>(row: &[T]) -> f64 {
    row.iter().map(|x| x.to_f64()).sum()
}

/// Returns the value of `stable`, which must not contain logits, given the value of each `parameter`.
///
/// # Panics
///
/// If it contains logits, or is not in stable form.
pub fn number(stable: &Expr, parameter: &impl Fn(&str) -> f64) -> f64 {
    match &stable.kind {
        Kind::Number(x) => *x,
        Kind::Parameter(name) => parameter(name),
        Kind::Row(_) => panic!("{stable} is no number"),
        Kind::Neg(x) => -number(x, parameter),
        Kind::Binary(operator, a, b) => of_scalars((*operator).into(), number(a, parameter), number(b, parameter)),
        Kind::Call(function, arguments) => {
            let x = number(&arguments[0], parameter);
            match (Function::unary(*function), function) {
                (Some(unary), _) => of_scalar(unary, x),
                (None, Function::Min) => of_scalars(Binary::Min, x, number(&arguments[1], parameter)),
                (None, Function::Max) => of_scalars(Binary::Max, x, number(&arguments[1], parameter)),
                (None, _) => panic!("{stable} is no number in stable forms"),
            }
        }
    }
}

/// f(x).
fn of_scalar(f: Unary, x: f64) -> f64 {
    let mut y = [0.0];
    rows::unary(f, &[x], &mut y);
    y[0]
}

/// f(a, b).
fn of_scalars(f: Binary, a: f64, b: f64) -> f64 {
    let mut y = [0.0];
    rows::binary(f, &[a], &[b], &mut y);
    y[0]
}

fn largest<T: Float>(x: &[T]) -> T {
    x.iter().fold(T::of(f64::NEG_INFINITY), |max, &x| if x > max { x } else { max })
}

fn reduced<T: Float>(f: Reduction, x: &[T]) -> f64 {
    let n = x.len() as f64;
    match f {
        Reduction::Mean => sum(x) / n,
        Reduction::LogMeanExp => {
            let max = largest(x);
            let exps: f64 = x.iter().map(|&x| rows::exp(x - max).to_f64()).sum();
            max.to_f64() + (exps / n).ln()
        }
        Reduction::Std => {
            let mean = sum(x) / n;
            let squares: f64 = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum();
            (squares / (n - 1.0)).sqrt()
        }
    }
}

/// Returns the derivative of a loss by each number of a row, given its derivative `slope` by the result `value` of `f`.
fn spread<T: Float>(f: Reduction, x: &[T], value: f64, slope: f64) -> Vec<T> {
    let n = x.len() as f64;
    match f {
        Reduction::Mean => vec![T::of(slope / n); x.len()],
        Reduction::LogMeanExp => {
            let max = largest(x);
            let all = (value - max.to_f64()).exp() * n;
            x.iter().map(|&x| T::of(slope / all) * rows::exp(x - max)).collect()
        }
        Reduction::Std => {
            let mean = sum(x) / n;
            // All numbers are equal, so the standard deviation has a kink.
            let weight = if value == 0.0 { 0.0 } else { slope / ((n - 1.0) * value) };
            x.iter().map(|x| T::of(weight * (x.to_f64() - mean))).collect()
        }
    }
}
