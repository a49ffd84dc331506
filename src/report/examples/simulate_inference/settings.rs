//! The simulated settings.

use super::draw::Shape;

/// A rival whose cells are compared with a baseline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub name: &'static str,
    /// The distribution of each of the rival's cells.
    pub cells: Shape,
    /// The distribution of its first cell, if different.
    pub first: Option<Shape>,
    pub baseline: Shape,
    /// Standard deviation of the part that all runs of a seed share.
    pub common: f64,
    pub wrong: Wrong,
}

/// Which verdicts are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    /// Any: a run of each is equally likely to be better.
    Any,
    /// Better.
    Better,
    /// Worse.
    Worse,
}

const fn setting(name: &'static str, cells: Shape, baseline: Shape, common: f64, wrong: Wrong) -> Setting {
    Setting { name, cells, first: None, baseline, common, wrong }
}

pub(crate) const NORMAL: Shape = Shape::Normal { mean: 0.0, std: 1.0 };
pub(crate) const WIDE: Shape = Shape::Normal { mean: 0.0, std: 3.0 };
pub(crate) const LONG: Shape = Shape::LogNormal { median: 1.0, sigma: 1.0 };
/// A mean of 1.
pub(crate) const LONG_MEAN: Shape = Shape::LogNormal { median: 0.606_530_659_712_633_4, sigma: 1.0 };
pub(crate) const NARROW: Shape = Shape::Normal { mean: 1.0, std: 0.1 };
/// A mean of 7.4, like the next.
pub(crate) const EIGHT_OR_TWO: Shape = Shape::Some(&[(8.0, 0.9), (2.0, 0.1)]);
pub(crate) const EIGHT_OR_SEVEN: Shape = Shape::Some(&[(8.0, 0.4), (7.0, 0.6)]);
pub(crate) const MODES: Shape = Shape::Some(&[(8.0, 0.6), (7.0, 0.2), (6.0, 0.1), (2.0, 0.1)]);
const WORSE: Shape = Shape::Normal { mean: -3.0, std: 1.0 };

/// The settings of the table of wrong verdicts.
pub(crate) const VERDICTS: [Setting; 17] = [
    setting("alike: normal", NORMAL, NORMAL, 0.0, Wrong::Any),
    setting("alike: lognormal", LONG, LONG, 0.0, Wrong::Any),
    setting("alike: 8 modes (0.9) or 2", EIGHT_OR_TWO, EIGHT_OR_TWO, 0.0, Wrong::Any),
    setting("alike: 8, 7, 6 or 2 modes", MODES, MODES, 0.0, Wrong::Any),
    setting("alike: a third diverges", Shape::Diverging, Shape::Diverging, 0.0, Wrong::Any),
    setting("alike: seeds have SD 2 in common", NORMAL, NORMAL, 2.0, Wrong::Any),
    setting("SD 3 against SD 1", WIDE, NORMAL, 0.0, Wrong::Any),
    setting("SD 1 against SD 3", NORMAL, WIDE, 0.0, Wrong::Any),
    setting("SD 3 against SD 1, seeds in common", WIDE, NORMAL, 2.0, Wrong::Any),
    setting("equal medians: lognormal against N(1, 0.1)", LONG, NARROW, 0.0, Wrong::Any),
    setting("equal means: 8 or 2 against 8 or 7", EIGHT_OR_TWO, EIGHT_OR_SEVEN, 0.0, Wrong::Worse),
    setting("equal means: 8 or 7 against 8 or 2", EIGHT_OR_SEVEN, EIGHT_OR_TWO, 0.0, Wrong::Better),
    setting("equal means: lognormal against N(1, 0.1)", LONG_MEAN, NARROW, 0.0, Wrong::Better),
    setting("equal means: N(1, 0.1) against lognormal", NARROW, LONG_MEAN, 0.0, Wrong::Worse),
    setting("equal, but loses its worst third", Shape::LosesWorst, NORMAL, 0.0, Wrong::Better),
    Setting { first: Some(NORMAL), ..setting("one cell equal, others 3 SD worse", WORSE, NORMAL, 0.0, Wrong::Better) },
    Setting { first: Some(NORMAL), ..setting("one cell equal, others with SD 3", WIDE, NORMAL, 0.0, Wrong::Any) },
];
