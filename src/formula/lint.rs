//! What a loss would do to a GAN, told before it is trained: by its value and slopes in float32, at logits from −20 to 20, and, of a discriminator's
//! best logit, from −50 to 50 and, more coarsely, as far as ±10,000.

use super::ast::{Expr, Row};
use super::evaluate::{self, Held};
use super::parse::Mistake;
use super::probability::one_minus_logit;
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
    let named = game.generator.written.rows();
    let unnamed = (0..game.discriminators).filter(|i| !named.contains(&Row { discriminator: *i, real: false }));
    for discriminator in unnamed {
        let name = Row { discriminator, real: false }.name(game.discriminators);
        let (message, fatal) = match named.iter().any(|row| !row.real) {
            true => (
                format!("`{name}` is not in the generator's loss, so that discriminator is trained for nothing"),
                false,
            ),
            false => {
                (format!("`{name}` is not in the generator's loss, so nothing of it changes with the generator"), true)
            }
        };
        let help = "a generator learns from the logits of what it makes";
        add(Whose::Generator, fatal, Mistake::advise(&game.generator.written.place, message, help));
        if fatal {
            break;
        }
    }
    for (whose, loss) in [(Whose::Discriminator, game.discriminator), (Whose::Generator, game.generator)] {
        loss.written.walk(&mut |part| {
            if let Some(what) = one_minus_logit(part, game.discriminators) {
                add(whose, false, what);
            }
        });
    }
    found
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

/// Beyond this no best logit is looked for.
const FAR: f32 = 1e4;

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
        found.extend(who_learns(game, scheduled, &discriminator, &generator));
        let sound = found.iter().all(|finding| !finding.fatal);
        found.extend(endless(game, &discriminator).filter(|_| sound && !scheduled));
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
    let values: Vec<String> = at
        .program
        .parameters
        .iter()
        .zip(&at.parameters)
        .map(|(name, value)| format!("{name} = {}", short(*value)))
        .collect();
    if values.is_empty() { String::new() } else { format!(", with {}", values.join(", ")) }
}

/// With six digits, and a power of ten where there would be many zeros.
fn short(x: f64) -> String {
    let rounded: f64 = format!("{x:.5e}").parse().unwrap_or(x);
    let text = format!("{rounded:?}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Who learns from which samples, and whether the players pull against each other: for each discriminator.
fn who_learns(game: &Game, scheduled: bool, discriminator: &At, generator: &At) -> Vec<Finding> {
    let several = game.discriminators > 1;
    let usual: Vec<f32> = logits().filter(|x| f64::from(*x).abs() <= USUAL).collect();
    let slopes = |at: &At, i, real| -> Vec<f64> {
        usual.iter().map(|&x| at.slope(Row { discriminator: i, real }, Batch::First(x))).collect()
    };
    let moves = |slopes: &[f64]| slopes.iter().any(|slope| *slope != 0.0);
    let oppose = |a: &[f64], b: &[f64]| a.iter().zip(b).any(|(a, b)| a * b < 0.0);
    let mut found = Vec::new();
    let mut add = |whose, fatal, message: String, help: &str| {
        let (loss, at) = match whose {
            Whose::Discriminator => (game.discriminator, discriminator),
            Whose::Generator => (game.generator, generator),
        };
        let what = Mistake::advise(&loss.written.place, message + &with(at), help);
        found.push(Finding { whose, fatal, what });
    };

    let looks = [
        (Whose::Discriminator, discriminator, true),
        (Whose::Discriminator, discriminator, false),
        (Whose::Generator, generator, false),
    ];
    for (whose, at, real) in looks {
        let samples = if real { "real" } else { "generated" };
        let row = |discriminator| Row { discriminator, real };
        let dead: Vec<usize> = (0..game.discriminators).filter(|&i| !moves(&slopes(at, i, real))).collect();
        let help = format!("nothing is learnt from {samples} samples with this loss");
        if scheduled || dead.is_empty() {
            continue;
        }
        if dead.len() == game.discriminators {
            add(whose, true, format!("its slope is 0 at all logits of {samples} samples"), &help);
            continue;
        }
        // What is not named at all was said already.
        for i in dead.into_iter().filter(|&i| at.program.row(row(i)).is_some()) {
            add(
                whose,
                false,
                format!("its slope is 0 at all `{}`", row(i).name(game.discriminators)),
                "nothing is learnt from them with this loss",
            );
        }
    }

    for i in 0..game.discriminators {
        let who = if several { format!("discriminator {}", i + 1) } else { "the discriminator".to_owned() };
        let [of_real, of_fake] = [true, false].map(|real| slopes(discriminator, i, real));
        let pulls = slopes(generator, i, false);
        if moves(&of_real) && moves(&of_fake) && !oppose(&of_real, &of_fake) {
            let message = format!(
                "{who} does not tell samples apart: it moves the logits of real and of generated ones the same way"
            );
            add(Whose::Discriminator, true, message, "both losses are minimised: turn the sign of one part");
        } else if moves(&of_fake) && moves(&pulls) && !oppose(&of_fake, &pulls) {
            let message = format!("the generator helps {who}: both move the logits of generated samples the same way");
            add(Whose::Generator, true, message, "both losses are minimised: turn the sign of one");
        }
    }
    found
}

/// A discriminator whose best logit of a sample, which is real and generated with these weights, lies nowhere.
fn endless(game: &Game, discriminator: &At) -> Option<Finding> {
    if game.bounded {
        return None;
    }
    // Small slopes, such as those of softplus(0.01 x), balance each other far out.
    let beyond = || std::iter::successors(Some(60.0), |x| Some(x * 1.2)).take_while(|x| *x < FAR);
    let mut far: Vec<f32> = logits().chain(beyond()).chain(beyond().map(|x| -x)).collect();
    far.sort_by(f32::total_cmp);
    let ends = |i: usize, (of_real, of_fake): (f64, f64)| {
        let slope = |x: f32| {
            let [real, fake] =
                [true, false].map(|real| discriminator.slope(Row { discriminator: i, real }, Batch::First(x)));
            of_real * real + of_fake * fake
        };
        let slopes: Vec<f64> = far.iter().map(|x| slope(*x)).collect();
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
