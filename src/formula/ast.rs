//! Formulas as trees. How one is written back is its canonical form: equal trees have equal texts, and the text reads as the same tree.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A part of a formula, with its place.
#[derive(Clone, Debug)]
pub struct Expr {
    /// What it is.
    pub kind: Kind,
    /// Where it is written.
    pub place: Place,
}

/// Where a part of a formula is written: places are no part of what it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// 0: in the formula itself; i: in the helper number i, counted from 1.
    pub source: usize,
    /// Bytes of that text.
    pub span: Range<usize>,
}

/// What a part of a formula is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number.
    Number(f64),
    /// A number of each member's own.
    Parameter(Arc<str>),
    /// The logits of a batch, `[N]` of each member.
    Row(Row),
    /// −x.
    Neg(Box<Expr>),
    /// Two parts with an operator between them.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// A function of some parts.
    Call(Function, Vec<Expr>),
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The logits that one discriminator gives to one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// Which discriminator, counted from 0.
    pub discriminator: usize,
    /// Whether the batch is of real samples, or of generated ones.
    pub real: bool,
}

/// What stands between two parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `+`
    Add,
    /// `-`
    Sub,
    /// `*`
    Mul,
    /// `/`
    Div,
    /// `^`
    Pow,
}

macro_rules! functions {
    ($($(#[doc = $about:literal])+ $function:ident = $name:literal, $arguments:literal;)*) => {
        /// A function of formulas.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Function {
            $($(#[doc = $about])+ $function,)*
        }

        impl Function {
            /// All of them.
            pub const ALL: &[Function] = &[$(Function::$function),*];

            /// The name in formulas.
            pub fn name(self) -> &'static str {
                match self {
                    $(Function::$function => $name,)*
                }
            }

            /// How many arguments it has.
            pub fn arguments(self) -> usize {
                match self {
                    $(Function::$function => $arguments,)*
                }
            }

            /// What it is, in words and signs.
            pub fn about(self) -> &'static str {
                match self {
                    $(Function::$function => concat!($($about),+).trim_ascii(),)*
                }
            }
        }
    };
}

functions! {
    /// log(1 + eˣ) = −log(1 − σ(x)); softplus(−x) = −log σ(x).
    Softplus = "softplus", 1;
    /// log log(1 + eˣ).
    LogSoftplus = "log_softplus", 1;
    /// σ(x) = 1 / (1 + e⁻ˣ).
    Sigmoid = "sigmoid", 1;
    /// log σ(x).
    LogSigmoid = "log_sigmoid", 1;
    /// tanh x.
    Tanh = "tanh", 1;
    /// eˣ.
    Exp = "exp", 1;
    /// eˣ − 1.
    Expm1 = "expm1", 1;
    /// (eˣ − 1) / x, and 1 at 0.
    Exprel = "exprel", 1;
    /// The natural logarithm.
    Log = "log", 1;
    /// log(1 + x).
    Log1p = "log1p", 1;
    /// √x.
    Sqrt = "sqrt", 1;
    /// x².
    Square = "square", 1;
    /// |x|; its slope at 0 is 0.
    Abs = "abs", 1;
    /// max(x, 0); its slope at 0 is 0.
    Relu = "relu", 1;
    /// The smaller of two.
    Min = "min", 2;
    /// The larger of two.
    Max = "max", 2;
    /// clamp(x, low, high): x within these bounds.
    Clamp = "clamp", 3;
    /// x, as a number from which no slope comes.
    Detach = "detach", 1;
    /// The mean over the samples of a batch.
    Mean = "mean", 1;
    /// log of the mean of eˣ over the samples of a batch.
    LogMeanExp = "log_mean_exp", 1;
    /// The standard deviation over the samples of a batch, with N − 1 below the sum as in PyTorch.
    Std = "std", 1;
}

impl Expr {
    /// A part that is written where another is.
    pub fn at(kind: Kind, place: &Place) -> Expr {
        Expr { kind, place: place.clone() }
    }

    /// The parts of it.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Number(_) | Kind::Parameter(_) | Kind::Row(_) => Vec::new(),
            Kind::Neg(x) => vec![x],
            Kind::Binary(_, a, b) => vec![a, b],
            Kind::Call(_, arguments) => arguments.iter().collect(),
        }
    }

    /// Itself, and all that is in it.
    pub fn walk(&self, see: &mut impl FnMut(&Expr)) {
        see(self);
        self.parts().into_iter().for_each(|part| part.walk(see));
    }

    /// Whether any logits are in it.
    pub fn has_rows(&self) -> bool {
        matches!(self.kind, Kind::Row(_)) || self.parts().into_iter().any(Expr::has_rows)
    }

    /// The batches that it names, each once, in order.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.walk(&mut |part| rows.extend(if let Kind::Row(row) = part.kind { Some(row) } else { None }));
        rows.sort();
        rows.dedup();
        rows
    }

    /// The parameters that it names, each once, in the order of their names.
    pub fn parameters(&self) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        self.walk(&mut |part| {
            if let Kind::Parameter(name) = &part.kind {
                names.push(Arc::clone(name));
            }
        });
        names.sort();
        names.dedup();
        names
    }
}

/// As it is written where there is one discriminator, or where there are more.
impl Row {
    /// Its name in a formula on so many `discriminators`.
    pub fn name(self, discriminators: usize) -> String {
        let batch = if self.real { "real" } else { "fake" };
        if discriminators == 1 { batch.to_owned() } else { format!("{batch}{}", self.discriminator + 1) }
    }
}

/// How tightly an operator binds.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Level {
    Sum,
    Product,
    Sign,
    Power,
    Part,
}

impl Expr {
    fn level(&self) -> Level {
        match &self.kind {
            Kind::Binary(Operator::Add | Operator::Sub, ..) => Level::Sum,
            Kind::Binary(Operator::Mul | Operator::Div, ..) => Level::Product,
            Kind::Neg(_) => Level::Sign,
            Kind::Number(x) if x.is_sign_negative() => Level::Sign,
            Kind::Binary(Operator::Pow, ..) => Level::Power,
            Kind::Number(_) | Kind::Parameter(_) | Kind::Row(_) | Kind::Call(..) => Level::Part,
        }
    }

    /// The canonical text, where there are so many discriminators.
    pub fn text(&self, discriminators: usize) -> String {
        let mut out = String::new();
        self.write(discriminators, Level::Sum, &mut out);
        out
    }

    /// Writes it where what binds less than `least` stands in parentheses.
    fn write(&self, discriminators: usize, least: Level, out: &mut String) {
        let wrapped = self.level() < least;
        if wrapped {
            out.push('(');
        }
        match &self.kind {
            Kind::Number(x) => out.push_str(&x.to_string()),
            Kind::Parameter(name) => out.push_str(name),
            Kind::Row(row) => out.push_str(&row.name(discriminators)),
            Kind::Neg(x) => {
                out.push('-');
                x.write(discriminators, Level::Power, out);
            }
            Kind::Binary(operator, a, b) => {
                let (sign, left, right) = match operator {
                    Operator::Add => (" + ", Level::Sum, Level::Product),
                    Operator::Sub => (" - ", Level::Sum, Level::Product),
                    Operator::Mul => (" * ", Level::Product, Level::Sign),
                    Operator::Div => (" / ", Level::Product, Level::Sign),
                    Operator::Pow => ("^", Level::Part, Level::Sign),
                };
                a.write(discriminators, left, out);
                out.push_str(sign);
                b.write(discriminators, right, out);
            }
            Kind::Call(function, arguments) => {
                out.push_str(function.name());
                out.push('(');
                for (i, argument) in arguments.iter().enumerate() {
                    if i > 0 {
                        out.push_str(", ");
                    }
                    argument.write(discriminators, Level::Sum, out);
                }
                out.push(')');
            }
        }
        if wrapped {
            out.push(')');
        }
    }
}

/// Its canonical text where there is one discriminator.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(1))
    }
}
