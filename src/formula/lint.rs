//! Predicts what a loss would do to a GAN before it is trained. It uses the loss's value and gradient in float32 at
//! logits from −20 to 20; to find a discriminator's best logit, from −50 to 50 and, more coarsely, up to ±10,000.

use super::ast::Row;
use super::game::{Finding, Game, Whose};
use super::mistake::Mistake;
use super::probability::one_minus_logit;
use super::probe::{Batch, Broken, Probe, USUAL, logits};
use super::program::{Binary, Operation};
use super::pulls::{endless, who_learns};

/// Returns findings that do not depend on the values of parameters.
pub fn form(game: &Game) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |whose, fatal, what| found.push(Finding { whose, fatal, what, values: String::new() });
    for i in 0..game.discriminators {
        for real in [true, false] {
            let row = Row { discriminator: i, real };
            if game.discriminator.program.row(row).is_none() {
                let name = row.name(game.discriminators);
                let message = format!("`{name}` is not in the discriminator's loss");
                let samples = if real { "real" } else { "generated" };
                let help = format!("a discriminator that does not use {samples} samples cannot tell them apart");
                add(Whose::Discriminator, true, Mistake::advise(&game.discriminator.written.place, message, help));
            }
        }
    }
    let named = game.generator.written.rows();
    let fakes: Vec<Row> = (0..game.discriminators).map(|discriminator| Row { discriminator, real: false }).collect();
    let none = named.iter().all(|row| row.real);
    for row in fakes.into_iter().filter(|row| !named.contains(row)).take(if none { 1 } else { usize::MAX }) {
        let why = match none {
            true => "so it does not depend on the generator",
            false => "so that discriminator has no effect on it",
        };
        let message = format!("`{}` is not in the generator's loss, {why}", row.name(game.discriminators));
        let help = "a generator learns from the logits of its samples";
        add(Whose::Generator, none, Mistake::advise(&game.generator.written.place, message, help));
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

/// Returns findings for these parameter values. If some parameters are `scheduled`, these are values at one step, and a
/// gradient that is 0 there may differ at another step.
pub fn values(game: &Game, scheduled: bool, parameter: impl Fn(&str) -> f64) -> Vec<Finding> {
    let [discriminator, generator] = [game.discriminator, game.generator].map(|loss| Probe::new(loss, &parameter));
    let both = [(Whose::Discriminator, &discriminator), (Whose::Generator, &generator)];
    let mut found: Vec<Finding> =
        both.into_iter().filter_map(|(whose, probe)| not_finite(game, whose, probe)).collect();
    // If values are not finite, gradients say nothing.
    if found.is_empty() {
        found = who_learns(game, scheduled, &discriminator, &generator);
        let sound = found.iter().all(|finding| !finding.fatal);
        if sound && !scheduled {
            found.extend(endless(game, &discriminator));
        }
    }
    found
}

/// Which logits are far from 0.
#[derive(Clone, Copy)]
enum Point {
    /// The logits of this row.
    Of(Row),
    /// All logits.
    All,
    /// All logits, with those of real samples on the other side of 0.
    Apart,
}

impl Point {
    /// Returns the logits of `row` if those far from 0 are `x`.
    fn logit(self, row: Row, x: f32) -> Option<f32> {
        match self {
            Point::Of(only) => (only == row).then_some(x),
            Point::All => Some(x),
            Point::Apart => Some(if row.real { -x } else { x }),
        }
    }

    fn words(self, discriminators: usize, x: f32) -> String {
        match self {
            Point::Of(row) => format!("`{}` is {x}", row.name(discriminators)),
            Point::All => format!("all logits are {x}"),
            Point::Apart => format!("logits of real samples are {} and of generated ones {x}", -x),
        }
    }
}

fn not_finite(game: &Game, whose: Whose, probe: &Probe) -> Option<Finding> {
    let program = probe.loss.program;
    let finding = |broken: Broken, message: &str, point: String, help: &str| {
        let (at, part) = match broken {
            Broken::Value(at) => (at, "this"),
            Broken::Slope(at) => (at, "its gradient"),
        };
        let what = Mistake::advise(&program.places[at], format!("{part} is not finite {message}"), help);
        Finding { whose, fatal: true, what, values: point + &probe.with() }
    };
    if let Some(broken) = probe.broken(|_| Batch::Usual) {
        let (Broken::Value(at) | Broken::Slope(at)) = broken;
        let constant = match program.operations[at] {
            Operation::Binary(Binary::Div, _, by) => !program.depends_on_rows(by),
            _ => !program.depends_on_rows(at),
        };
        return Some(match constant {
            true => {
                let help = "bound its parameters: `{default: 2, above: 1}`";
                finding(broken, "whatever the logits", String::new(), help)
            }
            false => finding(broken, "in float32", " for logits between -2.4 and 1.9".to_owned(), STABLE),
        });
    }
    // With equal logits, a standard deviation is 0 and so is the divisor of its gradient. So only the first logit of a
    // batch is set far from 0.
    let batch = |x| if program.needs_two() { Batch::First(x) } else { Batch::All(x) };
    let points = program.rows.iter().map(|row| Point::Of(*row)).chain([Point::All, Point::Apart]);
    // Losses such as e^(4x) become infinite farther out: a member that gets there diverges, and the others continue.
    for x in logits().filter(|x| f64::from(*x).abs() <= USUAL) {
        for point in points.clone() {
            if let Some(broken) = probe.broken(|row| point.logit(row, x).map_or(Batch::Usual, batch)) {
                let first = if program.needs_two() { ", for one sample of a batch" } else { "" };
                let point = format!(" if {}{first}", point.words(game.discriminators, x));
                return Some(finding(broken, "in float32", point, STABLE));
            }
        }
    }
    None
}

const STABLE: &str = "such logits occur in training: write it in a form that stays finite there";
