//! Evaluates a loss on one small batch in float32, as in training: its value, and its derivative by one logit.

use super::ast::Row;
use super::evaluate::{self, Held};
use super::game::Loss;
use super::program::{Operation, Program, Reduction, Shape};
use sweep_numerics::math::Float;

/// Numbers that are rounded to float32 by the processor, with functions of the standard library: overflows become
/// infinite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Single(f32);

/// Number of samples in a batch.
const BATCH: usize = 8;
/// Their default logits.
const OTHERS: [f32; BATCH] = [0.3, -0.7, 1.1, -1.3, 0.6, -0.2, 1.9, -2.4];

/// The range of logits in training, in which everything must be finite.
pub(super) const USUAL: f64 = 20.0;

/// Returns logits from −50 to 50, the closest to 0 first.
pub(super) fn logits() -> impl Iterator<Item = f32> + Clone {
    std::iter::once(0.0).chain((1..=100).flat_map(|half| [half as f32 * 0.5, half as f32 * -0.5]))
}

/// The logits of one batch.
#[derive(Clone, Copy)]
pub(super) enum Batch {
    /// The default logits.
    Usual,
    /// The default logits except for the first.
    First(f32),
    /// All the same.
    All(f32),
}

impl Batch {
    fn logits(self) -> [Single; BATCH] {
        std::array::from_fn(|i| {
            Single(match self {
                Batch::First(x) if i == 0 => x,
                Batch::All(x) => x,
                Batch::Usual | Batch::First(_) => OTHERS[i],
            })
        })
    }
}

/// A loss with parameter values.
pub(super) struct Probe<'a> {
    pub loss: Loss<'a>,
    parameters: Vec<f64>,
}

/// The part of a loss that is not finite.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Broken {
    /// The result of the operation at this index.
    Value(usize),
    /// The derivative of the operation at this index.
    Slope(usize),
}

impl Probe<'_> {
    pub(super) fn new<'a>(loss: Loss<'a>, parameter: &impl Fn(&str) -> f64) -> Probe<'a> {
        let parameters = loss.program.parameters.iter().map(|name| parameter(name)).collect();
        Probe { loss, parameters }
    }

    /// Returns the value, and the derivative at the first sample of each row of `program`.
    fn of(&self, program: &Program, batch: impl Fn(Row) -> Batch) -> (f64, Vec<f64>) {
        let rows: Vec<[Single; BATCH]> = program.rows.iter().map(|row| batch(*row).logits()).collect();
        let mut slopes = vec![[Single(0.0); BATCH]; rows.len()];
        let views: Vec<&[Single]> = rows.iter().map(|row| &row[..]).collect();
        let mut out: Vec<&mut [Single]> = slopes.iter_mut().map(|row| &mut row[..]).collect();
        let value = evaluate::evaluate(program, &self.parameters, &views, &mut out);
        let broken = |row: &[Single; BATCH]| row.iter().any(|x| !x.0.is_finite());
        (value, slopes.iter().map(|row| if broken(row) { f64::NAN } else { row[0].to_f64() }).collect())
    }

    /// Returns the derivative at the first sample of `row`, with default logits in the other rows.
    pub(super) fn slope(&self, row: Row, batch: Batch) -> f64 {
        let program = self.loss.program;
        let Some(at) = program.row(row) else { return 0.0 };
        self.of(program, |other| if other == row { batch } else { Batch::Usual }).1[at]
    }

    /// Returns the first part that is not finite, if there is one.
    pub(super) fn broken(&self, batch: impl Fn(Row) -> Batch) -> Option<Broken> {
        let program = self.loss.program;
        let finite = |program: &Program| {
            let (value, slopes) = self.of(program, &batch);
            value.is_finite() && slopes.iter().all(|slope| slope.is_finite())
        };
        if finite(program) {
            return None;
        }
        let rows: Vec<[Single; BATCH]> = program.rows.iter().map(|row| batch(*row).logits()).collect();
        let views: Vec<&[Single]> = rows.iter().map(|row| &row[..]).collect();
        let held = evaluate::forward(program, &self.parameters, &views);
        if let Some(at) = held.iter().position(|held: &Held<_>| !held.is_finite()) {
            return Some(Broken::Value(at));
        }
        let last = program.operations.len() - 1;
        Some(Broken::Slope((0..last).find(|at| !finite(&up_to(program, *at))).unwrap_or(last)))
    }

    /// Returns the parameter values in words.
    pub(super) fn with(&self) -> String {
        let named = self.loss.program.parameters.iter().zip(&self.parameters);
        let values: Vec<String> = named.map(|(name, value)| format!("{name} = {}", short(*value))).collect();
        if values.is_empty() { String::new() } else { format!(", with {}", values.join(", ")) }
    }
}

/// Returns the operations up to this one, and the mean of its result.
fn up_to(program: &Program, at: usize) -> Program {
    let mut part = program.clone();
    part.operations.truncate(at + 1);
    part.shapes.truncate(at + 1);
    part.slopes.truncate(at + 1);
    part.places.truncate(at + 1);
    if part.shapes[at] == Shape::Row {
        part.operations.push(Operation::Reduce(Reduction::Mean, at));
        part.shapes.push(Shape::Scalar);
        part.slopes.push(part.slopes[at]);
        part.places.push(part.places[at].clone());
    }
    part
}

/// Returns the number with six digits, and with a power of ten if there would be many zeros.
fn short(x: f64) -> String {
    let rounded: f64 = format!("{x:.5e}").parse().unwrap_or(x);
    let text = format!("{rounded:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

macro_rules! operators {
    ($($trait:ident $function:ident $sign:tt;)*) => {
        $(impl std::ops::$trait for Single {
            type Output = Single;

            fn $function(self, other: Single) -> Single {
                Single(self.0 $sign other.0)
            }
        })*
    };
}

operators! {
    Add add +;
    Sub sub -;
    Mul mul *;
    Div div /;
}

impl std::ops::Neg for Single {
    type Output = Single;

    fn neg(self) -> Single {
        Single(-self.0)
    }
}

impl std::ops::AddAssign for Single {
    fn add_assign(&mut self, other: Single) {
        self.0 += other.0;
    }
}

impl std::ops::SubAssign for Single {
    fn sub_assign(&mut self, other: Single) {
        self.0 -= other.0;
    }
}

impl std::ops::MulAssign for Single {
    fn mul_assign(&mut self, other: Single) {
        self.0 *= other.0;
    }
}

impl Float for Single {
    fn of(x: f64) -> Self {
        Single(x as f32)
    }

    fn to_f64(self) -> f64 {
        f64::from(self.0)
    }

    fn sqrt(self) -> Self {
        Single(self.0.sqrt())
    }

    fn exp(self) -> Self {
        Single(self.0.exp())
    }

    fn exp_m1(self) -> Self {
        Single(self.0.exp_m1())
    }

    fn ln(self) -> Self {
        Single(self.0.ln())
    }

    fn ln_1p(self) -> Self {
        Single(self.0.ln_1p())
    }

    fn tanh(self) -> Self {
        Single(self.0.tanh())
    }

    fn normal_cdf(self) -> Self {
        Single(Float::normal_cdf(self.0))
    }

    fn normal_pdf(self) -> Self {
        Single(Float::normal_pdf(self.0))
    }
}
