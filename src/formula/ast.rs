//! Formulas as trees. The text of a tree is its canonical form: equal trees have equal texts, and the text is read back
//! as the same tree.

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

/// Where a part of a formula is written. Places do not matter for equality.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// 0 for the formula itself; i for helper number i, counted from 1.
    pub source: usize,
    /// A range of bytes in that text.
    pub span: Range<usize>,
}

/// What a part of a formula is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A number.
    Number(f64),
    /// A number that each member has its own value of.
    Parameter(Arc<str>),
    /// The logits of a batch, `[N]` of each member.
    Row(Row),
    /// −x.
    Neg(Box<Expr>),
    /// Two parts with an operator in between.
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// A function of one or more parts.
    Call(Function, Vec<Expr>),
}

impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// The logits that one discriminator outputs for one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// The discriminator, counted from 0.
    pub discriminator: usize,
    /// Whether the batch has real samples; otherwise generated ones.
    pub real: bool,
}

/// A binary operator.
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
            /// All functions.
            pub const ALL: &[Function] = &[$(Function::$function),*];

            /// Returns the name in formulas.
            pub fn name(self) -> &'static str {
                match self {
                    $(Function::$function => $name,)*
                }
            }

            /// Returns the number of arguments.
            pub fn arguments(self) -> usize {
                match self {
                    $(Function::$function => $arguments,)*
                }
            }

            /// Returns a description in words and symbols.
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
    /// |x|; its derivative at 0 is 0.
    Abs = "abs", 1;
    /// max(x, 0); its derivative at 0 is 0.
    Relu = "relu", 1;
    /// The smaller of two numbers.
    Min = "min", 2;
    /// The larger of two numbers.
    Max = "max", 2;
    /// clamp(x, low, high): x limited to this range.
    Clamp = "clamp", 3;
    /// x, but without a gradient.
    Detach = "detach", 1;
    /// The mean over the samples of a batch.
    Mean = "mean", 1;
    /// log of the mean of eˣ over the samples of a batch.
    LogMeanExp = "log_mean_exp", 1;
    /// The standard deviation over the samples of a batch, divided by N − 1 as in PyTorch.
    Std = "std", 1;
}

impl Expr {
    /// Makes a part at the place of another.
    pub fn at(kind: Kind, place: &Place) -> Expr {
        Expr { kind, place: place.clone() }
    }

    /// Returns its direct parts.
    pub fn parts(&self) -> Vec<&Expr> {
        match &self.kind {
            Kind::Number(_) | Kind::Parameter(_) | Kind::Row(_) => Vec::new(),
            Kind::Neg(x) => vec![x],
            Kind::Binary(_, a, b) => vec![a, b],
            Kind::Call(_, arguments) => arguments.iter().collect(),
        }
    }

    /// Calls `see` for this part and all parts inside it.
    pub fn walk(&self, see: &mut impl FnMut(&Expr)) {
        see(self);
        self.parts().into_iter().for_each(|part| part.walk(see));
    }

    /// Returns whether it contains logits.
    pub fn has_rows(&self) -> bool {
        matches!(self.kind, Kind::Row(_)) || self.parts().into_iter().any(Expr::has_rows)
    }

    /// Returns the batches of logits that it names, each once, in order.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        self.walk(&mut |part| rows.extend(if let Kind::Row(row) = part.kind { Some(row) } else { None }));
        rows.sort();
        rows.dedup();
        rows
    }

    /// Returns the parameters that it names, each once, sorted.
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

/// Names depend on whether there is one discriminator or several.
impl Row {
    /// Returns its name in a formula with this number of `discriminators`.
    pub fn name(self, discriminators: usize) -> String {
        let batch = if self.real { "real" } else { "fake" };
        if discriminators == 1 { batch.to_owned() } else { format!("{batch}{}", self.discriminator + 1) }
    }
}

/// The precedence of an operator.
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

    /// Returns the canonical text for this number of discriminators.
    pub fn text(&self, discriminators: usize) -> String {
        let mut out = String::new();
        self.write(discriminators, Level::Sum, &mut out);
        out
    }

    /// Writes it, with parentheses around parts of lower precedence than `least`.
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

/// Its canonical text for one discriminator.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(1))
    }
}
