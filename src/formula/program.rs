//! A formula as a list of operations, each on the results of earlier ones, with the kind of each result checked.

use std::collections::HashMap;
use std::sync::Arc;

use super::ast::{Expr, Function, Kind, Operator, Place, Row};
use super::mistake::Mistake;

/// The kind of a result, for each member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// One number.
    Scalar,
    /// One number per sample of a batch, `[N]`.
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
    /// x without its derivative.
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
    /// aᵇ, without a derivative by b.
    Pow,
    /// The smaller number.
    Min,
    /// The larger number.
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
    /// Returns the function of one number, or `None` if it has several arguments or another stable form.
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

/// A function of all samples of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Their mean.
    Mean,
    /// log of the mean of eˣ.
    LogMeanExp,
    /// Their standard deviation, divided by N − 1.
    Std,
}

/// One operation. Numbers are indices of earlier operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    /// A number.
    Number(f64),
    /// The parameter at this index of [`Program::parameters`].
    Parameter(usize),
    /// The logits at this index of [`Program::rows`].
    Row(usize),
    /// A function of one number.
    Unary(Unary, usize),
    /// A function of two numbers.
    Binary(Binary, usize, usize),
    /// Reduces a row to a scalar.
    Reduce(Reduction, usize),
}

/// A loss: one scalar per member.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The operations; the last one computes the loss.
    pub operations: Vec<Operation>,
    /// The kind of each result.
    pub shapes: Vec<Shape>,
    /// Whether each result has a derivative.
    pub slopes: Vec<bool>,
    /// Where each operation is first written.
    pub places: Vec<Place>,
    /// The logits that it uses.
    pub rows: Vec<Row>,
    /// The parameters that it uses.
    pub parameters: Vec<Arc<str>>,
}

/// Known operations, with numbers as bits, to find equal ones.
type Known = HashMap<(u8, u64, u64, u64), usize>;

impl Program {
    /// Returns whether it contains a standard deviation over a batch, which needs at least two samples.
    pub fn needs_two(&self) -> bool {
        self.operations.iter().any(|operation| matches!(operation, Operation::Reduce(Reduction::Std, _)))
    }

    /// Compiles `formula`, which must be in stable form.
    ///
    /// # Errors
    ///
    /// If kinds do not match: a loss that is a row, or a mean of a scalar.
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
                "a loss must be one number, but this is one per sample",
                "take its mean: `mean(…)`",
            ));
        }
        Ok(program)
    }

    /// Returns whether the operation at this index depends on logits.
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

    /// Returns the index of the logits `row`.
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
                        "an exponent must be a number or a parameter, but this depends on logits",
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
            let message = format!("`{}` works on the samples of a batch, but this is one number", called.name());
            return Err(Mistake::advise(&x.place, message, "use logits in it, or remove it"));
        }
        Ok((Operation::Reduce(function, at), Shape::Scalar, self.slopes[at]))
    }
}
