//! In which direction players move logits, and where logits settle.

use super::ast::Row;
use super::game::{Finding, Game, Whose};
use super::mistake::Mistake;
use super::probe::{Batch, Probe, USUAL, logits};

/// The limit up to which a best logit is searched.
const FAR: f32 = 1e4;
/// If the last nonzero derivative is below this fraction of the maximum, the loss keeps falling and its derivative only
/// underflows. If it is larger, the loss has reached a floor.
const FADED: f64 = 1e-4;

/// How the losses of two players compare.
#[derive(Default)]
struct Both {
    /// Both fall or both rise somewhere.
    agree: bool,
    /// One falls and the other rises somewhere.
    oppose: bool,
}

/// Varies one logit among default ones, and all at once, since a loss may only depend on the mean.
fn points(at: impl Iterator<Item = f32> + Clone) -> impl Iterator<Item = Batch> {
    at.clone().map(Batch::First).chain(at.map(Batch::All))
}

fn usual() -> impl Iterator<Item = f32> + Clone {
    logits().filter(|x| f64::from(*x).abs() <= USUAL)
}

/// Close to 0 in small steps: LSGAN's players only oppose each other between their targets.
fn close() -> impl Iterator<Item = f32> + Clone {
    (-320..=320).map(|x| x as f32 / 128.0)
}

/// Far beyond usual logits, from left to right.
fn wide() -> Vec<f32> {
    let beyond = || std::iter::successors(Some(60.0), |x| Some(x * 1.2)).take_while(|x| *x < FAR);
    let mut wide: Vec<f32> = logits().chain(beyond()).chain(beyond().map(|x| -x)).collect();
    wide.sort_by(f32::total_cmp);
    wide
}

/// Returns whether a loss depends on a logit of `row` anywhere.
fn moves(probe: &Probe, row: Row) -> bool {
    let moved = |slope: f64| slope != 0.0 && slope.is_finite();
    probe.loss.program.row(row).is_some()
        && points(usual()).chain(points(close())).any(|batch| moved(probe.slope(row, batch)))
}

fn compared(a: (&Probe, Row), b: (&Probe, Row)) -> Both {
    let slopes = |batch| [a, b].map(|(probe, row)| probe.slope(row, batch));
    let turns = |before: f64, after: f64| before * after <= 0.0 && (before, after) != (0.0, 0.0);
    let mut both = Both::default();
    let mut look = |[a, b]: [f64; 2]| {
        both.agree |= a * b > 0.0;
        both.oppose |= a * b < 0.0;
        both.oppose
    };
    if points(usual()).any(|batch| look(slopes(batch))) || points(close()).any(|batch| look(slopes(batch))) {
        return both;
    }
    for batch in [Batch::First, Batch::All] {
        let seen: Vec<(f32, [f64; 2])> = wide().into_iter().map(|x| (x, slopes(batch(x)))).collect();
        for pair in seen.windows(2) {
            let ((low, [a0, b0]), (high, [a1, b1])) = (pair[0], pair[1]);
            look([a1, b1]);
            // Both change direction here, possibly one before the other.
            if turns(a0, a1) && turns(b0, b1) {
                let turn = |player: usize| {
                    let (mut low, mut high, sign) = (low, high, [a1, b1][player].signum());
                    for _ in 0..40 {
                        let middle = f32::midpoint(low, high);
                        if slopes(batch(middle))[player] * sign > 0.0 {
                            high = middle;
                        } else {
                            low = middle;
                        }
                    }
                    high
                };
                look(slopes(batch(f32::midpoint(turn(0), turn(1)))));
            }
        }
    }
    both
}

/// Reports which player does not learn from which samples, and whether players pull in the same direction, for each
/// discriminator.
pub(super) fn who_learns(game: &Game, scheduled: bool, discriminator: &Probe, generator: &Probe) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |whose, fatal, message: String, help: &str| {
        let of = if whose == Whose::Discriminator { discriminator } else { generator };
        let what = Mistake::advise(&of.loss.written.place, message, help);
        found.push(Finding { whose, fatal, what, values: of.with() });
    };
    let looks = [
        (Whose::Discriminator, discriminator, true),
        (Whose::Discriminator, discriminator, false),
        (Whose::Generator, generator, false),
    ];
    // What has no gradient at one step may have one at another.
    for (whose, probe, real) in looks.into_iter().filter(|_| !scheduled) {
        let samples = if real { "real" } else { "generated" };
        let row = |discriminator| Row { discriminator, real };
        let dead: Vec<usize> = (0..game.discriminators).filter(|&i| !moves(probe, row(i))).collect();
        let help = format!("with this loss, nothing is learnt from {samples} samples");
        if dead.len() == game.discriminators {
            add(whose, true, format!("its gradient is 0 at all logits of {samples} samples"), &help);
            continue;
        }
        // Logits that are not used at all were already reported.
        for i in dead.into_iter().filter(|&i| probe.loss.program.row(row(i)).is_some()) {
            let message = format!("the loss does not change with `{}`", row(i).name(game.discriminators));
            add(whose, false, message, "with this loss, nothing is learnt from them");
        }
    }
    for i in 0..game.discriminators {
        let who = name(game, i);
        let [real, fake] = [true, false].map(|real| Row { discriminator: i, real });
        let apart = compared((discriminator, real), (discriminator, fake));
        if apart.agree && !apart.oppose {
            let message = format!(
                "{who} does not tell samples apart: it moves the logits of real and generated ones in the same \
                direction"
            );
            add(Whose::Discriminator, true, message, "both losses are minimised: reverse the sign of one part");
            continue;
        }
        let against = compared((discriminator, fake), (generator, fake));
        if against.agree && !against.oppose {
            let message =
                format!("the generator helps {who}: both move the logits of generated samples in the same direction");
            add(Whose::Generator, true, message, "both losses are minimised: reverse the sign of one of them");
        }
    }
    found
}

fn name(game: &Game, i: usize) -> String {
    if game.discriminators > 1 { format!("discriminator {}", i + 1) } else { "the discriminator".to_owned() }
}

/// Where one logit settles under a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rest {
    /// At a finite value.
    Here,
    /// Nowhere: the loss keeps falling towards one side.
    Beyond,
    /// Nowhere: the loss falls towards both sides.
    OnBothSides,
}

/// Returns where a logit settles under a loss with these derivatives, from left to right.
pub(super) fn rest(slopes: &[f64]) -> Rest {
    let most = slopes.iter().fold(0.0f64, |most, slope| most.max(slope.abs()));
    let turned = |slope: &&f64| **slope != 0.0;
    let (Some(&first), Some(&last)) = (slopes.iter().find(turned), slopes.iter().rfind(turned)) else {
        return Rest::Here;
    };
    // The loss falls towards one side without reaching a floor.
    let goes_on = |slope: f64, end: Option<&f64>| slope.abs() < FADED * most || end.is_some_and(|end| *end != 0.0);
    match (first > 0.0 && goes_on(first, slopes.first()), last < 0.0 && goes_on(last, slopes.last())) {
        (false, false) => Rest::Here,
        (true, true) => Rest::OnBothSides,
        _ => Rest::Beyond,
    }
}

/// Finds discriminators whose best logit is infinite for a sample that is real and generated with some weights.
pub(super) fn endless(game: &Game, discriminator: &Probe) -> Vec<Finding> {
    if game.bounded {
        return Vec::new();
    }
    // Small derivatives, such as those of softplus(0.01 x), only balance far out.
    let wide = wide();
    let find = |i: usize| {
        let slopes = [true, false].map(|real| {
            let row = Row { discriminator: i, real };
            wide.iter().map(|x| discriminator.slope(row, Batch::First(*x))).collect::<Vec<f64>>()
        });
        let [of_real, of_fake] = &slopes;
        // A derivative that is 0 everywhere was already reported.
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
                format!("the loss of {who} falls without end on both sides: should it be maximised?"),
                "both losses are minimised: reverse the sign of the whole loss",
            ),
            _ => (
                format!(
                    "the loss of {who} falls without end as a logit grows or shrinks, and no penalty, `clip` or \
                    spectral normalisation bounds it"
                ),
                "as for Wasserstein distances, add `penalties: [{at: between, distance: 10}]` next to the objective, \
                or `clip: 0.01` inside it",
            ),
        };
        let what = Mistake::advise(&discriminator.loss.written.place, message, help);
        Some(Finding { whose: Whose::Discriminator, fatal: false, what, values: discriminator.with() })
    };
    (0..game.discriminators).filter_map(find).collect()
}
