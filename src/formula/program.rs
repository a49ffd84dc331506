//! A formula as a list of operations, each on results of those before it, with the kind of each result checked.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Expr, Function, Kind, Operator, Place, Row};
use super::mistake::Mistake;

/// What a part of a formula gives for each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One number.
    Scalar,
    /// A number for each sample of a batch, `[N]`.
    Row,
}

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// −x.
    Neg,
    /// log(1 + eˣ).
    Softplus,
    /// log log(1 + eˣ).
    LogSoftplus,
    /// σ(x).
    Sigmoid,
    /// tanh x.
    Tanh,
    /// eˣ.
    Exp,
    /// eˣ − 1.
    Expm1,
    /// (eˣ − 1) / x.
    Exprel,
    /// log x.
    Log,
    /// log(1 + x).
    Log1p,
    /// √x.
    Sqrt,
    /// x².
    Square,
    /// |x|.
    Abs,
    /// max(x, 0).
    Relu,
    /// x without its slope.
    Detach,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a · b.
    Mul,
    /// a / b.
    Div,
    /// aᵇ, in which b has no slope.
    Pow,
    /// The smaller.
    Min,
    /// The larger.
    Max,
}

impl From<Operator> for Binary {
    fn from(operator: Operator) -> Self {
        match operator {
            Operator::Add => Binary::Add,
            Operator::Sub => Binary::Sub,
            Operator::Mul => Binary::Mul,
            Operator::Div => Binary::Div,
            Operator::Pow => Binary::Pow,
        }
    }
}

impl Function {
    /// The function of one number that it is, if it is one and has no other stable form.
    pub(super) fn unary(self) -> Option<Unary> {
        Some(match self {
            Function::Softplus => Unary::Softplus,
            Function::LogSoftplus => Unary::LogSoftplus,
            Function::Sigmoid => Unary::Sigmoid,
            Function::Tanh => Unary::Tanh,
            Function::Exp => Unary::Exp,
            Function::Expm1 => Unary::Expm1,
            Function::Exprel => Unary::Exprel,
            Function::Log => Unary::Log,
            Function::Log1p => Unary::Log1p,
            Function::Sqrt => Unary::Sqrt,
            Function::Square => Unary::Square,
            Function::Abs => Unary::Abs,
            Function::Relu => Unary::Relu,
            Function::Detach => Unary::Detach,
            Function::Min
            | Function::Max
            | Function::Mean
            | Function::LogMeanExp
            | Function::Std
            | Function::LogSigmoid
            | Function::Clamp => return None,
        })
    }
}

/// A function of the samples of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// log of the mean of eˣ.
    LogMeanExp,
    /// Their standard deviation, N − 1 below the sum.
    Std,
}

/// One operation; numbers are places of earlier ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A number.
    Number(f64),
    /// The parameter at this place of [`Program::parameters`].
    Parameter(usize),
    /// The logits at this place of [`Program::rows`].
    Row(usize),
    /// A function of one.
    Unary(Unary, usize),
    /// A function of two.
    Binary(Binary, usize, usize),
    /// A row becomes a scalar.
    Reduce(Reduction, usize),
}

/// A loss: one scalar of each member.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The operations; the last one gives the loss.
    pub operations: Vec<Operation>,
    /// What each gives.
    pub shapes: Vec<Shape>,
    /// Whether a slope comes back through each.
    pub slopes: Vec<bool>,
    /// Where each is written first.
    pub places: Vec<Place>,
    /// The logits that it looks at.
    pub rows: Vec<Row>,
    /// The parameters that it needs.
    pub parameters: Vec<Arc<str>>,
}

/// An operation with its numbers as bits, so that equal ones are found.
type Known = HashMap<(u8, u64, u64, u64), usize>;

impl Program {
    /// Whether it has a standard deviation of a batch, which only a batch of two or more has.
    pub fn needs_two(&self) -> bool {
        self.operations.iter().any(|operation| matches!(operation, Operation::Reduce(Reduction::Std, _)))
    }

    /// The operations of `formula`, which is in stable forms.
    ///
    /// # Errors
    ///
    /// Where kinds do not go together: a loss that is a row, a mean of a scalar.
    pub fn new(formula: &Expr) -> Result<Program, Mistake> {
        let mut program = Program {
            operations: Vec::new(),
            shapes: Vec::new(),
            slopes: Vec::new(),
            places: Vec::new(),
            rows: formula.rows(),
            parameters: formula.parameters(),
        };
        let last = program.add(formula, &mut Known::new())?;
        if program.shapes[last] == Shape::Row {
            return Err(Mistake::advise(
                &formula.place,
                "a loss is one number, and this is one for each sample",
                "take the mean of it: `mean(…)`",
            ));
        }
        Ok(program)
    }

    /// Whether logits go into the operation at this place.
    pub(super) fn depends_on_rows(&self, at: usize) -> bool {
        let mut depends = vec![false; at + 1];
        for (i, operation) in self.operations[..=at].iter().enumerate() {
            depends[i] = match *operation {
                Operation::Number(_) | Operation::Parameter(_) => false,
                Operation::Row(_) => true,
                Operation::Unary(_, x) | Operation::Reduce(_, x) => depends[x],
                Operation::Binary(_, a, b) => depends[a] || depends[b],
            };
        }
        depends[at]
    }

    /// Where the logits `row` come in.
    pub fn row(&self, row: Row) -> Option<usize> {
        self.rows.iter().position(|known| *known == row)
    }

    fn add(&mut self, expr: &Expr, known: &mut Known) -> Result<usize, Mistake> {
        let (operation, shape, slope) = match &expr.kind {
            Kind::Number(number) => (Operation::Number(*number), Shape::Scalar, false),
            Kind::Parameter(name) => {
                let at = self.parameters.iter().position(|known| known == name).unwrap_or_default();
                (Operation::Parameter(at), Shape::Scalar, false)
            }
            Kind::Row(row) => (Operation::Row(self.row(*row).unwrap_or_default()), Shape::Row, true),
            Kind::Neg(x) => self.unary(Unary::Neg, x, known)?,
            Kind::Binary(operator, a, b) => {
                if *operator == Operator::Pow && b.has_rows() {
                    return Err(Mistake::advise(
                        &b.place,
                        "an exponent is a number or a parameter, and this depends on logits",
                        "write `exp(y * log(x))` for x^y",
                    ));
                }
                let function = (*operator).into();
                self.binary(function, a, b, known)?
            }
            Kind::Call(function, arguments) => self.call(*function, arguments, expr, known)?,
        };
        let key = match operation {
            Operation::Number(number) => (0, number.to_bits(), 0, 0),
            Operation::Parameter(at) => (1, at as u64, 0, 0),
            Operation::Row(at) => (2, at as u64, 0, 0),
            Operation::Unary(function, x) => (3, function as u64, x as u64, 0),
            Operation::Binary(function, a, b) => (4, function as u64, a as u64, b as u64),
            Operation::Reduce(function, x) => (5, function as u64, x as u64, 0),
        };
        Ok(*known.entry(key).or_insert_with(|| {
            self.operations.push(operation);
            self.shapes.push(shape);
            self.slopes.push(slope);
            self.places.push(expr.place.clone());
            self.operations.len() - 1
        }))
    }

    fn unary(&mut self, function: Unary, x: &Expr, known: &mut Known) -> Result<(Operation, Shape, bool), Mistake> {
        let x = self.add(x, known)?;
        let slope = self.slopes[x] && function != Unary::Detach;
        Ok((Operation::Unary(function, x), self.shapes[x], slope))
    }

    fn binary(
        &mut self,
        function: Binary,
        a: &Expr,
        b: &Expr,
        known: &mut Known,
    ) -> Result<(Operation, Shape, bool), Mistake> {
        let (a, b) = (self.add(a, known)?, self.add(b, known)?);
        let shape = if self.shapes[a] == Shape::Row { Shape::Row } else { self.shapes[b] };
        Ok((Operation::Binary(function, a, b), shape, self.slopes[a] || self.slopes[b]))
    }

    fn call(
        &mut self,
        function: Function,
        arguments: &[Expr],
        of: &Expr,
        known: &mut Known,
    ) -> Result<(Operation, Shape, bool), Mistake> {
        let unary = match (Function::unary(function), function) {
            (Some(unary), _) => unary,
            (None, Function::Min) => return self.binary(Binary::Min, &arguments[0], &arguments[1], known),
            (None, Function::Max) => return self.binary(Binary::Max, &arguments[0], &arguments[1], known),
            (None, Function::Mean) => return self.reduce(Reduction::Mean, &arguments[0], of, known),
            (None, Function::LogMeanExp) => return self.reduce(Reduction::LogMeanExp, &arguments[0], of, known),
            (None, Function::Std) => return self.reduce(Reduction::Std, &arguments[0], of, known),
            (None, _) => unreachable!("`{}` has a stable form", function.name()),
        };
        self.unary(unary, &arguments[0], known)
    }

    fn reduce(
        &mut self,
        function: Reduction,
        x: &Expr,
        of: &Expr,
        known: &mut Known,
    ) -> Result<(Operation, Shape, bool), Mistake> {
        let at = self.add(x, known)?;
        if self.shapes[at] == Shape::Scalar {
            let Kind::Call(called, _) = of.kind else { unreachable!("a reduction is a call") };
            let message = format!("`{}` is of the samples of a batch, and this is one number", called.name());
            return Err(Mistake::advise(&x.place, message, "name logits in it, or leave it out"));
        }
        Ok((Operation::Reduce(function, at), Shape::Scalar, self.slopes[at]))
    }
}
