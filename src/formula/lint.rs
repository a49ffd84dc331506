//! What a loss would do to a GAN, told before it is trained: by its value and slopes in float32, at logits from −20 to 20, and, of a discriminator's
//! best logit, from −50 to 50.

use super::ast::{Expr, Function, Kind, Operator, Row};
use super::evaluate::{self, Held};
use super::parse::Mistake;
use super::program::Program;
use sweep_numerics::math::Float;

/// The two losses of a game, each with what was written and its operations.
#[derive(Clone, Copy, Debug)]
pub struct Game<'a> {
    /// How many discriminators give logits.
    pub discriminators: usize,
    /// What they minimise.
    pub discriminator: Loss<'a>,
    /// What the generator minimises.
    pub generator: Loss<'a>,
    /// Whether a penalty or clipping keeps the discriminators' logits within bounds.
    pub bounded: bool,
}

/// One loss.
#[derive(Clone, Copy, Debug)]
pub struct Loss<'a> {
    /// As it was written, with helpers in their places.
    pub written: &'a Expr,
    /// Its operations.
    pub program: &'a Program,
}

/// Whose loss something is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the discriminators.
    Discriminator,
    /// That of the generator.
    Generator,
}

/// Something that is wrong with a loss, or most likely not meant.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Whose loss.
    pub whose: Whose,
    /// Whether nothing sensible can be trained with it.
    pub fatal: bool,
    /// What, and where.
    pub what: Mistake,
}

/// What does not depend on the values of parameters.
pub fn form(game: &Game) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |whose, fatal, what| found.push(Finding { whose, fatal, what });
    for i in 0..game.discriminators {
        for real in [true, false] {
            let row = Row { discriminator: i, real };
            if game.discriminator.program.row(row).is_none() {
                let name = row.name(game.discriminators);
                let message = format!("`{name}` is not in the discriminator's loss");
                let samples = if real { "real" } else { "generated" };
                let help = format!("a discriminator that does not look at {samples} samples cannot tell them apart");
                add(Whose::Discriminator, true, Mistake::advise(&game.discriminator.written.place, message, help));
            }
        }
    }
    if game.generator.written.rows().iter().all(|row| row.real) {
        let name = Row { discriminator: 0, real: false }.name(game.discriminators);
        let message = format!("`{name}` is not in the generator's loss, so nothing of it changes with the generator");
        let help = "a generator learns from the logits of what it makes";
        add(Whose::Generator, true, Mistake::advise(&game.generator.written.place, message, help));
    }
    for (whose, loss) in [(Whose::Discriminator, game.discriminator), (Whose::Generator, game.generator)] {
        loss.written.walk(&mut |part| {
            if let Some((row, of)) = one_minus_logit(part) {
                let name = row.name(game.discriminators);
                let message = format!("`1 - {name}` under `{of}`: `{name}` is a logit, not a probability");
                let help = format!("1 − σ({name}) is `sigmoid(-{name})`, and its logarithm is `-softplus({name})`");
                add(whose, false, Mistake::advise(&part.place, message, help));
            }
        });
    }
    found
}

/// The logits in `f(1 - logits)`, for functions that are of probabilities, or make some.
fn one_minus_logit(expr: &Expr) -> Option<(Row, &'static str)> {
    let Kind::Call(function, arguments) = &expr.kind else { return None };
    match function {
        Function::Softplus | Function::LogSoftplus | Function::Sigmoid | Function::LogSigmoid | Function::Log => {}
        _ => return None,
    }
    let Kind::Binary(Operator::Sub, one, row) = &arguments[0].kind else { return None };
    match (&one.kind, &row.kind) {
        (Kind::Number(1.0), Kind::Row(row)) => Some((*row, function.name())),
        _ => None,
    }
}

/// Numbers as a processor rounds them in float32, by the standard library: what overflows is infinite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
struct Single(f32);

/// Samples in a batch, of which one is looked at.
const BATCH: usize = 8;
/// What the others have.
const OTHERS: [f32; BATCH] = [0.3, -0.7, 1.1, -1.3, 0.6, -0.2, 1.9, -2.4];
/// Logits that discriminators have in training: here all must be finite.
const USUAL: f64 = 20.0;

/// The logits of one batch: all as `OTHERS`, but for the first, or for all.
#[derive(Clone, Copy)]
enum Batch {
    Usual,
    First(f32),
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

/// A loss with its parameters' values.
struct At<'a> {
    program: &'a Program,
    parameters: Vec<f64>,
}

impl At<'_> {
    fn new<'a>(loss: Loss<'a>, parameter: &impl Fn(&str) -> f64) -> At<'a> {
        let parameters = loss.program.parameters.iter().map(|name| parameter(name)).collect();
        At { program: loss.program, parameters }
    }

    /// Value, and the slope at the first sample of each row of the program.
    fn slopes(&self, batch: impl Fn(Row) -> Batch) -> (f64, Vec<f64>) {
        let rows: Vec<[Single; BATCH]> = self.program.rows.iter().map(|row| batch(*row).logits()).collect();
        let mut slopes = vec![[Single(0.0); BATCH]; rows.len()];
        let views: Vec<&[Single]> = rows.iter().map(|row| &row[..]).collect();
        let mut out: Vec<&mut [Single]> = slopes.iter_mut().map(|row| &mut row[..]).collect();
        let value = evaluate::evaluate(self.program, &self.parameters, &views, &mut out);
        let broken = |row: &[Single; BATCH]| row.iter().any(|x| !x.0.is_finite());
        (value, slopes.iter().map(|row| if broken(row) { f64::NAN } else { row[0].to_f64() }).collect())
    }

    /// The slope at the first sample of `row`.
    fn slope(&self, row: Row, batch: Batch) -> f64 {
        let Some(at) = self.program.row(row) else { return 0.0 };
        self.slopes(|other| if other == row { batch } else { Batch::Usual }).1[at]
    }

    fn is_finite(&self, batch: impl Fn(Row) -> Batch) -> bool {
        let (value, slopes) = self.slopes(batch);
        value.is_finite() && slopes.iter().all(|slope| slope.is_finite())
    }

    /// The part that is not finite first.
    fn culprit(&self, batch: impl Fn(Row) -> Batch) -> Option<usize> {
        let rows: Vec<[Single; BATCH]> = self.program.rows.iter().map(|row| batch(*row).logits()).collect();
        let views: Vec<&[Single]> = rows.iter().map(|row| &row[..]).collect();
        evaluate::forward(self.program, &self.parameters, &views).iter().position(|held: &Held<_>| !held.is_finite())
    }
}

/// What a game does with these values of its parameters. Where these are those of a moment, since some of them are `scheduled`, what has no
/// slope then may have one at another.
pub fn values(game: &Game, scheduled: bool, parameter: impl Fn(&str) -> f64) -> Vec<Finding> {
    let mut found = Vec::new();
    let discriminator = At::new(game.discriminator, &parameter);
    let generator = At::new(game.generator, &parameter);
    for (whose, loss, at) in
        [(Whose::Discriminator, game.discriminator, &discriminator), (Whose::Generator, game.generator, &generator)]
    {
        found.extend(not_finite(game, whose, loss, at));
    }
    // Where they are not finite, slopes say nothing.
    if found.iter().all(|finding| !finding.fatal) {
        found.extend(who_helps(game, scheduled, &discriminator, &generator));
        found.extend(endless(game, &discriminator).filter(|_| !scheduled));
    }
    found
}

/// From −50 to 50, the nearest to 0 first.
fn logits() -> impl Iterator<Item = f32> {
    (0..=100).flat_map(|half| [half as f32 * 0.5, half as f32 * -0.5])
}

fn not_finite(game: &Game, whose: Whose, loss: Loss, at: &At) -> Option<Finding> {
    // Of equal logits a standard deviation is 0, and divides by itself.
    let batch = |x| if at.program.needs_two() { Batch::First(x) } else { Batch::All(x) };
    // Losses such as e^(4x) have their end farther out: a member that gets there diverges, and the others go on.
    for x in logits().filter(|x| f64::from(*x).abs() <= USUAL) {
        let each =
            loss.program.rows.iter().map(|row| (format!("`{}` is {x}", row.name(game.discriminators)), Some(*row)));
        let all = [("all logits are".to_owned() + &format!(" {x}"), None)];
        for (point, only) in each.chain(all) {
            let batches = |row: Row| if only.is_none_or(|only| only == row) { batch(x) } else { Batch::Usual };
            if at.is_finite(batches) {
                continue;
            }
            let place = at.culprit(batches).map_or(&loss.written.place, |part| &loss.program.places[part]);
            let part = if at.culprit(batches).is_some() { "this" } else { "its slope" };
            let message = format!("{part} is no finite number in float32 where {point}{}", with(at));
            let help = "discriminators say so in training: write it in a form that stays finite there";
            return Some(Finding { whose, fatal: true, what: Mistake::advise(place, message, help) });
        }
    }
    None
}

/// The values of the parameters, in words.
fn with(at: &At) -> String {
    let values: Vec<String> =
        at.program.parameters.iter().zip(&at.parameters).map(|(name, value)| format!("{name} = {value}")).collect();
    if values.is_empty() { String::new() } else { format!(", with {}", values.join(", ")) }
}

/// A generator or a discriminator that learns nothing from generated samples, or a generator that pulls where the discriminator pulls.
fn who_helps(game: &Game, scheduled: bool, discriminator: &At, generator: &At) -> Option<Finding> {
    let (mut g_moves, mut d_moves, mut opposes) = (false, false, false);
    for i in 0..game.discriminators {
        let fake = Row { discriminator: i, real: false };
        for x in logits().filter(|x| f64::from(*x).abs() <= USUAL) {
            let (g, d) = (generator.slope(fake, Batch::First(x)), discriminator.slope(fake, Batch::First(x)));
            g_moves |= g != 0.0;
            d_moves |= d != 0.0;
            opposes |= g * d < 0.0;
        }
    }
    let nothing = |whose, at: &At, loss: Loss| {
        let message = format!("its slope is 0 at all logits of generated samples{}", with(at));
        let help = "nothing is learnt from generated samples with this loss";
        Some(Finding { whose, fatal: true, what: Mistake::advise(&loss.written.place, message, help) })
    };
    match (g_moves, d_moves, opposes) {
        (_, _, true) => None,
        (false, _, _) | (_, false, _) if scheduled => None,
        (false, _, _) => nothing(Whose::Generator, generator, game.generator),
        (_, false, _) => nothing(Whose::Discriminator, discriminator, game.discriminator),
        (true, true, false) => {
            let message = format!(
                "the generator helps the discriminator: both move the logits of generated samples the same way{}",
                with(generator)
            );
            let help = "both losses are minimised: turn the sign of one";
            let what = Mistake::advise(&game.generator.written.place, message, help);
            Some(Finding { whose: Whose::Generator, fatal: true, what })
        }
    }
}

/// A discriminator whose best logit of a sample, which is real and generated with these weights, lies nowhere.
fn endless(game: &Game, discriminator: &At) -> Option<Finding> {
    if game.bounded {
        return None;
    }
    let ends = |i: usize, (of_real, of_fake): (f64, f64)| {
        let slope = |x: f32| {
            let [real, fake] =
                [true, false].map(|real| discriminator.slope(Row { discriminator: i, real }, Batch::First(x)));
            of_real * real + of_fake * fake
        };
        let slopes: Vec<f64> = (-100..=100).map(|half| slope(half as f32 * 0.5)).collect();
        // Down at first, and up in the end.
        let falls = slopes.iter().position(|slope| *slope < 0.0);
        let rises = slopes.iter().rposition(|slope| *slope > 0.0);
        matches!((falls, rises), (Some(falls), Some(rises)) if falls < rises)
    };
    let all = (0..game.discriminators).all(|i| ends(i, (1.0, 0.5)) && ends(i, (0.5, 1.0)));
    let what = || {
        Mistake::advise(
            &game.discriminator.written.place,
            format!(
                "the discriminator's best logit of a sample is not finite{}, and neither a penalty nor `clip` bounds it",
                with(discriminator)
            ),
            "add `penalties: [{at: between, distance: 10}]`, or `clip: 0.01`, as for Wasserstein distances",
        )
    };
    (!all).then(|| Finding { whose: Whose::Discriminator, fatal: false, what: what() })
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
