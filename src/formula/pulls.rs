//! Which way players move logits, and where they come to rest.

use super::ast::Row;
use super::lint::{Finding, Game, USUAL, Whose, logits};
use super::parse::Mistake;
use super::probe::{Batch, Probe};

/// Beyond this no best logit is looked for.
const FAR: f32 = 1e4;
/// A slope that ends with less than this share of the largest has faded away; with more, it is 0 from there on.
const FADED: f64 = 1e-4;

/// How the losses of two players change with a logit.
#[derive(Default)]
struct Both {
    /// Somewhere both fall, or both rise.
    agree: bool,
    /// Somewhere one falls where the other rises.
    oppose: bool,
}

/// Of one logit among others as they may be, and of all at once: a loss may be of the mean alone.
fn points(at: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = Batch> {
    at.clone().map(Batch::First).chain(at.map(Batch::All))
}

fn usual() -> impl Iterator<Item = f32> + Clone {
    logits().filter(|x| f64::from(*x).abs() <= USUAL)
}

/// Close to 0 in narrow steps: LSGAN's players oppose each other between their targets alone.
fn close() -> impl Iterator<Item = f32> + Clone {
    (-320..=320).map(|x| x as f32 / 128.0)
}

/// Whether a loss changes with a logit of `row` anywhere.
fn moves(probe: &Probe, row: Row) -> bool {
    let named = probe.loss.program.row(row).is_some();
    named && points(usual()).chain(points(close())).any(|batch| probe.slope(row, batch) != 0.0)
}

fn compared(a: (&Probe, Row), b: (&Probe, Row)) -> Both {
    let mut both = Both::default();
    let mut look = |batch: Batch| {
        let product = a.0.slope(a.1, batch) * b.0.slope(b.1, batch);
        both.agree |= product > 0.0;
        both.oppose |= product < 0.0;
        both.oppose
    };
    let _ = points(usual()).any(&mut look) || points(close()).any(&mut look);
    both
}

/// Who learns from which samples, and whether the players pull against each other: for each discriminator.
pub(super) fn who_learns(game: &Game, scheduled: bool, discriminator: &Probe, generator: &Probe) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |whose, fatal, message: String, help: &str| {
        let of = if whose == Whose::Discriminator { discriminator } else { generator };
        let what = Mistake::advise(&of.loss.written.place, message, help);
        found.push(Finding { whose, fatal, what, values: of.with() });
    };
    for (whose, probe, real) in [
        (Whose::Discriminator, discriminator, true),
        (Whose::Discriminator, discriminator, false),
        (Whose::Generator, generator, false),
    ] {
        let samples = if real { "real" } else { "generated" };
        let row = |discriminator| Row { discriminator, real };
        let dead: Vec<usize> = (0..game.discriminators).filter(|&i| !moves(probe, row(i))).collect();
        let help = format!("nothing is learnt from {samples} samples with this loss");
        if scheduled || dead.is_empty() {
            continue;
        }
        if dead.len() == game.discriminators {
            add(whose, true, format!("its slope is 0 at all logits of {samples} samples"), &help);
            continue;
        }
        // What is not named at all was said already.
        for i in dead.into_iter().filter(|&i| probe.loss.program.row(row(i)).is_some()) {
            let message = format!("its slope is 0 at all `{}`", row(i).name(game.discriminators));
            add(whose, false, message, "nothing is learnt from them with this loss");
        }
    }
    for i in 0..game.discriminators {
        let who = name(game, i);
        let [real, fake] = [true, false].map(|real| Row { discriminator: i, real });
        let apart = compared((discriminator, real), (discriminator, fake));
        if apart.agree && !apart.oppose {
            let message = format!(
                "{who} does not tell samples apart: it moves the logits of real and of generated ones the same way"
            );
            add(Whose::Discriminator, true, message, "both losses are minimised: turn the sign of one part");
            continue;
        }
        let against = compared((discriminator, fake), (generator, fake));
        if against.agree && !against.oppose {
            let message = format!("the generator helps {who}: both move the logits of generated samples the same way");
            add(Whose::Generator, true, message, "both losses are minimised: turn the sign of one");
        }
    }
    found
}

fn name(game: &Game, i: usize) -> String {
    if game.discriminators > 1 { format!("discriminator {}", i + 1) } else { "the discriminator".to_owned() }
}

/// Where a loss of one logit, of these slopes from left to right, comes to rest.
#[derive(Clone, Copy, PartialEq)]
enum Rest {
    /// Somewhere.
    Here,
    /// Nowhere: it falls on and on to one side.
    Beyond,
    /// Nowhere: it falls to both sides.
    OnBothSides,
}

fn rest(slopes: &[f64]) -> Rest {
    let most = slopes.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
    let (first, last) = (slopes.iter().find(|slope| **slope != 0.0), slopes.iter().rfind(|slope| **slope != 0.0));
    let (Some(&first), Some(&last)) = (first, last) else { return Rest::Here };
    let ends = slopes.first().zip(slopes.last());
    // It falls to the left, or to the right, and does not stop before a floor.
    let goes_on = |slope: f64, end: Option<&f64>| slope.abs() < FADED * most || end.is_some_and(|end| *end != 0.0);
    let left = first > 0.0 && goes_on(first, ends.map(|(left, _)| left));
    let right = last < 0.0 && goes_on(last, ends.map(|(_, right)| right));
    match (left, right) {
        (false, false) => Rest::Here,
        (true, true) => Rest::OnBothSides,
        _ => Rest::Beyond,
    }
}

/// Discriminators whose best logit of a sample, which is real and generated with some weights, lies nowhere.
pub(super) fn endless(game: &Game, discriminator: &Probe) -> Vec<Finding> {
    if game.bounded {
        return Vec::new();
    }
    // Small slopes, such as those of softplus(0.01 x), balance each other far out.
    let beyond = || std::iter::successors(Some(60.0), |x| Some(x * 1.2)).take_while(|x| *x < FAR);
    let mut far: Vec<f32> = logits().chain(beyond()).chain(beyond().map(|x| -x)).collect();
    far.sort_by(f32::total_cmp);
    let find = |i: usize| {
        let slopes = [true, false].map(|real| {
            let row = Row { discriminator: i, real };
            far.iter().map(|x| discriminator.slope(row, Batch::First(*x))).collect::<Vec<f64>>()
        });
        let [of_real, of_fake] = &slopes;
        if slopes.iter().any(|slopes| slopes.iter().all(|slope| *slope == 0.0)) {
            return None;
        }
        let of = |real: f64, fake: f64| {
            let both = of_real.iter().zip(of_fake).map(|(a, b)| real * a + fake * b);
            rest(&both.filter(|slope| slope.is_finite()).collect::<Vec<_>>())
        };
        let who = name(game, i);
        let (message, help) = match (of(1.0, 0.5), of(0.5, 1.0)) {
            (Rest::Here, Rest::Here) => return None,
            (Rest::OnBothSides, Rest::OnBothSides) => (
                format!("the loss of {who} falls without end to both sides: is it to be maximised?"),
                "both losses are minimised: turn the sign of all of it",
            ),
            _ => (
                format!(
                    "the best logit of a sample is not finite for {who}, and neither a penalty of a weight above 0 nor `clip` bounds it"
                ),
                "add `penalties: [{at: between, distance: 10}]`, or `clip: 0.01`, as for Wasserstein distances",
            ),
        };
        let what = Mistake::advise(&discriminator.loss.written.place, message, help);
        Some(Finding { whose: Whose::Discriminator, fatal: false, what, values: discriminator.with() })
    };
    (0..game.discriminators).filter_map(find).collect()
}
