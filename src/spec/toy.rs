//! Distributions along curves of the plane that many papers draw: no mixtures, so without modes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Points of the plane along curves, drawn afresh at each step. Each is the usual one where nothing is set: that of scikit-learn, or of Johnson
/// et al. 2016 (the pinwheel), at the sizes of Grathwohl et al. 2019 (FFJORD). u is uniform on [0, 1), k an even choice, and all noise normal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "shape", deny_unknown_fields)]
pub enum Toy {
    /// (t cos t, t sin t)/5 with t = 3π/2 + 2π·turns·u: a roll seen from its end.
    SwissRoll {
        /// Turns of the roll.
        turns: f64,
        /// σ of the noise of each coordinate.
        noise: f64,
        /// How many samples there are in all; none: drawn without end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// (1 + radial·n, tangential·n′), turned by 2πk/arms + rate·exp(its first coordinate) and doubled.
    Pinwheel {
        /// Arms.
        arms: u32,
        /// Spread along an arm.
        radial: f64,
        /// Spread across it.
        tangential: f64,
        /// How much an arm is bent.
        rate: f64,
        /// How many samples there are in all; none: drawn without end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// (−t cos t, t sin t)/3 with t = 2π·turns·√u, turned by 2πk/arms.
    Spirals {
        /// Arms.
        arms: u32,
        /// Turns of each.
        turns: f64,
        /// σ of the noise of each coordinate.
        noise: f64,
        /// How many samples there are in all; none: drawn without end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
    /// Evenly on one of two circles about the origin.
    Circles {
        /// Radius of the outer one.
        radius: f64,
        /// The radius of the inner one as a share of that.
        factor: f64,
        /// σ of the noise of each coordinate.
        noise: f64,
        /// How many samples there are in all; none: drawn without end.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<u32>,
    },
}

impl Toy {
    /// Each of them, as it is where nothing is set.
    pub const ALL: [Toy; 4] = [
        Toy::SwissRoll { turns: 1.5, noise: 0.2, limit: None },
        Toy::Pinwheel { arms: 5, radial: 0.3, tangential: 0.1, rate: 0.25, limit: None },
        Toy::Spirals { arms: 2, turns: 1.5, noise: 0.1, limit: None },
        Toy::Circles { radius: 3.0, factor: 0.5, noise: 0.24, limit: None },
    ];

    /// The name in YAML, in the database and in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Toy::SwissRoll { .. } => "swiss_roll",
            Toy::Pinwheel { .. } => "pinwheel",
            Toy::Spirals { .. } => "spirals",
            Toy::Circles { .. } => "circles",
        }
    }

    /// How many samples there are in all; none: drawn without end.
    pub fn limit(&self) -> Option<u32> {
        match *self {
            Toy::SwissRoll { limit, .. }
            | Toy::Pinwheel { limit, .. }
            | Toy::Spirals { limit, .. }
            | Toy::Circles { limit, .. } => limit,
        }
    }

    /// The same without a limit.
    pub fn endless(mut self) -> Toy {
        match &mut self {
            Toy::SwissRoll { limit, .. }
            | Toy::Pinwheel { limit, .. }
            | Toy::Spirals { limit, .. }
            | Toy::Circles { limit, .. } => *limit = None,
        }
        self
    }

    /// No coordinate is farther out, but for what is beyond three standard deviations.
    pub fn reach(&self) -> f64 {
        match *self {
            Toy::SwissRoll { turns, noise, .. } => std::f64::consts::TAU * (0.75 + turns) / 5.0 + 3.0 * noise,
            Toy::Pinwheel { radial, tangential, .. } => 2.0 * (1.0 + 3.0 * radial).hypot(3.0 * tangential),
            Toy::Spirals { turns, noise, .. } => std::f64::consts::TAU * turns / 3.0 + 3.0 * noise,
            Toy::Circles { radius, noise, .. } => radius + 3.0 * noise,
        }
    }
}

/// As a sweep file would spell it, on one line.
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
