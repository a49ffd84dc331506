//! Distributions along plane curves that many papers use. They are not mixtures, so they have no modes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Points along plane curves, drawn afresh at each step. The defaults are those of scikit-learn, or of Johnson et al.
/// 2016 for the pinwheel, at the sizes of Grathwohl et al. 2019 (FFJORD). u is uniform on [0, 1), k is uniform over the
/// arms, and all noise is normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "shape", deny_unknown_fields)]
pub enum Toy {
    /// (t cos t, t sin t)/5 with t = 3π/2 + 2π·turns·u: a roll seen from its end.
    SwissRoll {
        /// Turns of the roll.
        turns: f64,
        /// σ of the noise of each coordinate.
        noise: f64,
        /// The size of the data set; `None`: unlimited draws.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// (1 + radial·n, tangential·n′), rotated by 2πk/arms + rate·exp(its first coordinate) and doubled.
    Pinwheel {
        /// Arms.
        arms: u32,
        /// Spread along an arm.
        radial: f64,
        /// Spread across it.
        tangential: f64,
        /// How much an arm is bent.
        rate: f64,
        /// The size of the data set; `None`: unlimited draws.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// (−t cos t, t sin t)/3 with t = 2π·turns·√u, rotated by 2πk/arms.
    Spirals {
        /// Arms.
        arms: u32,
        /// Turns of each.
        turns: f64,
        /// σ of the noise of each coordinate.
        noise: f64,
        /// The size of the data set; `None`: unlimited draws.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Uniformly on one of two circles around the origin.
    Circles {
        /// Radius of the outer one.
        radius: f64,
        /// The radius of the inner circle as a fraction of the outer one's.
        factor: f64,
        /// σ of the noise of each coordinate.
        noise: f64,
        /// The size of the data set; `None`: unlimited draws.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
}

impl Toy {
    /// All shapes with their default settings.
    pub const ALL: [Toy; 4] = [
        Toy::SwissRoll { turns: 1.5, noise: 0.2, limit: None },
        Toy::Pinwheel { arms: 5, radial: 0.3, tangential: 0.1, rate: 0.25, limit: None },
        Toy::Spirals { arms: 2, turns: 1.5, noise: 0.1, limit: None },
        Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.24, limit: None },
    ];

    /// Returns the name in YAML, in the database and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Toy::SwissRoll { .. } => "swiss_roll",
            Toy::Pinwheel { .. } => "pinwheel",
            Toy::Spirals { .. } => "spirals",
            Toy::Circles { .. } => "circles",
        }
    }

    /// Returns the size of the data set; `None`: unlimited draws.
    pub fn limit(&self) -> Option<u32> {
        match *self {
            Toy::SwissRoll { limit, .. }
            | Toy::Pinwheel { limit, .. }
            | Toy::Spirals { limit, .. }
            | Toy::Circles { limit, .. } => limit,
        }
    }

    /// Returns the same distribution without a limit.
    pub fn endless(mut self) -> Toy {
        match &mut self {
            Toy::SwissRoll { limit, .. }
            | Toy::Pinwheel { limit, .. }
            | Toy::Spirals { limit, .. }
            | Toy::Circles { limit, .. } => *limit = None,
        }
        self
    }

    /// Returns the largest absolute coordinate, except for noise beyond three standard deviations.
    pub fn reach(&self) -> f64 {
        match *self {
            Toy::SwissRoll { turns, noise, .. } => std::f64::consts::TAU * (0.75 + turns) / 5.0 + 3.0 * noise,
            Toy::Pinwheel { radial, tangential, .. } => 2.0 * (1.0 + 3.0 * radial).hypot(3.0 * tangential),
            Toy::Spirals { turns, noise, .. } => std::f64::consts::TAU * turns / 3.0 + 3.0 * noise,
            Toy::Circles { radius, noise, .. } => radius + 3.0 * noise,
        }
    }
}

/// As written in a sweep file, on one line.
impl fmt::Display for Toy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        if Toy::ALL.contains(self) {
            return f.write_str(name);
        }
        match self {
            Toy::SwissRoll { turns, noise, .. } => write!(f, "{{{name}: {{turns: {turns}, noise: {noise}")?,
            Toy::Pinwheel { arms, radial, tangential, rate, .. } => {
                write!(f, "{{{name}: {{arms: {arms}, radial: {radial}, tangential: {tangential}, rate: {rate}")?
            }
            Toy::Spirals { arms, turns, noise, .. } => {
                write!(f, "{{{name}: {{arms: {arms}, turns: {turns}, noise: {noise}")?;
            }
            Toy::Circles { radius, factor, noise, .. } => {
                write!(f, "{{{name}: {{radius: {radius}, factor: {factor}, noise: {noise}")?;
            }
        }
        if let Some(limit) = self.limit() {
            write!(f, ", limit: {limit}")?;
        }
        f.write_str("}}")
    }
}
