//! Mixtures of Gaussians in any number of dimensions.

mod written;

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::own_data::MAX_DIMS;
use written::Written;

/// Maximum number of modes of a mixture.
pub(crate) const MAX_MODES: usize = 10_000;
/// Maximum total number of coordinates of all means, which are stored in every blueprint.
pub(crate) const MAX_MEANS: usize = 1 << 16;
/// Maximum number of samples of a limited mixture, and of all their coordinates, which are kept in memory.
pub(crate) const MAX_LIMIT: u64 = 10_000_000;
const MAX_LIMITED: u64 = 1 << 28;
/// The smallest share of a mode.
const LEAST_SHARE: f64 = 1e-9;
/// By how much the sum of weights may differ from 1 without rescaling.
const SUM: f64 = 1e-12;

/// A mixture of Gaussians with a common covariance, drawn afresh at each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Gaussians {
    /// Where the modes are.
    pub layout: Layout,
    /// The covariance of samples around their modes.
    pub covariance: Covariance,
    /// Number of coordinates of a sample.
    pub dims: usize,
    /// The share of each mode, with sum 1. `None`: equal shares.
    pub weights: Option<&'static [f64]>,
    /// The number of samples, which are the same for all jobs. `None`: unlimited draws.
    pub limit: Option<u32>,
}

/// The positions of the modes, in data units. Unless stated otherwise, they differ in the first two coordinates only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// Mode k at (r sin θ, r cos θ), θ = 2πk/modes.
    Ring {
        /// Number of modes.
        modes: u32,
        /// Radius of the circle.
        radius: f64,
    },
    /// side × side modes on a square grid around the origin.
    Grid {
        /// Modes along one side.
        side: u32,
        /// Distance between neighbours.
        spacing: f64,
    },
    /// At these positions, `[modes, dims]`.
    Means(&'static [f64]),
    /// Mode k at (o, o, …, o), with o its offset, and noise in the first coordinates only (Srivastava et al. 2017).
    Manifolds {
        /// The offset of each mode.
        offsets: &'static [f64],
        /// The number of coordinates with noise.
        noise_dims: usize,
    },
}

/// The covariance of samples around their modes, in squared data units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Covariance {
    /// The same variance σ² (not σ) for every coordinate.
    Even(f64),
    /// One variance per coordinate.
    Each(&'static [f64]),
}

/// What is wrong with a mixture: the setting, what was expected and found, and what to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flaw {
    pub setting: &'static str,
    pub message: String,
    pub help: Option<String>,
}

impl Gaussians {
    /// The paper's Figure 2: eight modes on a circle of radius 2, covariance 0.02·I.
    pub const RING: Gaussians = Gaussians::of(Layout::Ring { modes: 8, radius: 2.0 }, 0.02, 2);
    /// The usual 25-mode grid: spacing 2, σ = 0.05.
    pub const GRID: Gaussians = Gaussians::of(Layout::Grid { side: 5, spacing: 2.0 }, 0.0025, 2);
    /// Ten normal distributions of 700 dimensions in a space of 1200 (Srivastava et al. 2017, as in the code of Lin et
    /// al. 2018).
    pub const MANIFOLDS: Gaussians = {
        const OFFSETS: &[f64] = &[-1.0, -0.5, 0.0, 0.5, -2.0, -2.5, 10.0, 0.25, -13.0, -5.5];
        Gaussians::of(Layout::Manifolds { offsets: OFFSETS, noise_dims: 700 }, 1.0, 1200)
    };

    /// Returns a mixture with equal shares and unlimited draws.
    pub const fn of(layout: Layout, variance: f64, dims: usize) -> Gaussians {
        Gaussians { layout, covariance: Covariance::Even(variance), dims, weights: None, limit: None }
    }

    /// Returns one mode at the origin with unit variance.
    pub fn normal(dims: usize) -> Gaussians {
        Gaussians::of(Layout::Means(interned(vec![0.0; dims])), 1.0, dims)
    }

    /// Returns the number of modes.
    pub fn modes(&self) -> usize {
        match self.layout {
            Layout::Ring { modes, .. } => modes as usize,
            Layout::Grid { side, .. } => (side as usize).pow(2),
            Layout::Means(means) => means.len() / self.dims.max(1),
            Layout::Manifolds { offsets, .. } => offsets.len(),
        }
    }

    /// Returns the centres of the modes, `[modes, dims]`.
    pub fn means(&self) -> Vec<f64> {
        let plane: Vec<[f64; 2]> = match self.layout {
            Layout::Ring { modes, radius } => (0..modes)
                .map(|k| {
                    let (sin, cos) = (std::f64::consts::TAU * f64::from(k) / f64::from(modes)).sin_cos();
                    [radius * sin, radius * cos]
                })
                .collect(),
            Layout::Grid { side, spacing } => {
                let at = |i: u32| (f64::from(i) - f64::from(side - 1) / 2.0) * spacing;
                (0..side).flat_map(|i| (0..side).map(move |j| [at(i), at(j)])).collect()
            }
            Layout::Means(means) => return means.to_vec(),
            Layout::Manifolds { offsets, .. } => {
                return offsets.iter().flat_map(|&offset| std::iter::repeat_n(offset, self.dims)).collect();
            }
        };
        let rest = std::iter::repeat_n(0.0, self.dims - 2);
        plane.into_iter().flat_map(|centre| centre.into_iter().chain(rest.clone())).collect()
    }

    /// Returns the first two coordinates of the centres; with one coordinate, the second is 0.
    pub fn centres(&self) -> Vec<[f64; 2]> {
        let first = |mean: &[f64]| [mean[0], mean.get(1).copied().unwrap_or(0.0)];
        self.means().chunks_exact(self.dims).map(first).collect()
    }

    /// Returns the variance of each coordinate around its mode.
    pub fn variances(&self) -> Vec<f64> {
        match self.covariance {
            Covariance::Each(variances) => variances.to_vec(),
            Covariance::Even(variance) => {
                let noisy = |at: usize| if at < self.noise_dims() { variance } else { 0.0 };
                (0..self.dims).map(noisy).collect()
            }
        }
    }

    /// Returns the number of coordinates with noise.
    pub fn noise_dims(&self) -> usize {
        match self.layout {
            Layout::Manifolds { noise_dims, .. } => noise_dims,
            Layout::Ring { .. } | Layout::Grid { .. } | Layout::Means(_) => self.dims,
        }
    }

    /// Returns σ if it is the same for all coordinates with noise.
    pub fn sigma(&self) -> Option<f64> {
        match self.covariance {
            Covariance::Even(variance) => Some(variance.sqrt()),
            Covariance::Each(_) => None,
        }
    }

    /// Returns an error for a mixture that is impossible.
    pub(super) fn check(&self) -> Result<(), Flaw> {
        let flaw = |setting, message: String, help: &str| {
            let help = (!help.is_empty()).then(|| help.to_owned());
            Err(Flaw { setting, message, help })
        };
        let &Gaussians { layout, covariance, dims, limit, weights: _ } = self;
        let (fewest, places) = match layout {
            Layout::Ring { .. } => (2, "modes"),
            Layout::Grid { .. } => (2, "side"),
            Layout::Means(_) => (1, "means"),
            Layout::Manifolds { .. } => (1, "offsets"),
        };
        if !(fewest..=MAX_DIMS).contains(&dims) {
            return flaw("dims", format!("expected {fewest} to {MAX_DIMS} coordinates, found {dims}"), "");
        }
        if !(1..=MAX_MODES).contains(&self.modes()) {
            return flaw(places, format!("expected 1 to {MAX_MODES} modes, found {}", self.modes()), "");
        }
        if let Layout::Means(means) = layout
            && (means.len() > MAX_MEANS || !means.len().is_multiple_of(dims))
        {
            let message = format!("expected at most {MAX_MEANS} coordinates in all, found {}", means.len());
            return flaw("means", message, "use fewer modes or fewer coordinates");
        }
        if let Layout::Manifolds { noise_dims, .. } = layout
            && !(1..=dims).contains(&noise_dims)
        {
            let message = format!("expected noise in 1 to {dims} coordinates, because of `dims`, found {noise_dims}");
            return flaw("noise_dims", message, "");
        }
        if let Some((one, other)) = self.twins() {
            let message = format!("modes {one} and {other} (from 0) are at the same place");
            let help = "a generator could cover both modes with one; give one mode twice the weight with \
                        `weights`";
            return flaw(places, message, help);
        }
        if let Covariance::Each(variances) = covariance
            && variances.len() != dims
        {
            let message = format!("expected {dims} variances, one per coordinate, found {}", variances.len());
            return flaw("covariance", message, "a single number applies to all coordinates");
        }
        if let Some(limit) = limit
            && !(1..=MAX_LIMITED / dims as u64).contains(&limit.into())
        {
            let most = MAX_LIMITED / dims as u64;
            return flaw("limit", format!("expected at most {most} samples of {dims} coordinates, found {limit}"), "");
        }
        Ok(())
    }

    /// Returns the mixture with modes of these weights, which must be above 0.
    pub(super) fn weighted(self, weights: &[f64]) -> Result<Gaussians, Flaw> {
        let flaw = |message| Err(Flaw { setting: "weights", message, help: None });
        if weights.len() != self.modes() {
            return flaw(format!("expected {} weights, one per mode, found {}", self.modes(), weights.len()));
        }
        let weights = shares(weights);
        if let Some((mode, share)) =
            weights.iter().copied().flatten().enumerate().find(|(_, share)| **share < LEAST_SHARE)
        {
            return flaw(format!("expected shares of at least {LEAST_SHARE}, found {share} for mode {mode} (from 0)"));
        }
        Ok(Gaussians { weights, ..self })
    }

    /// Returns two modes at the same place, if there are any.
    fn twins(&self) -> Option<(usize, usize)> {
        let (values, width) = match self.layout {
            Layout::Means(means) => (means, self.dims),
            Layout::Manifolds { offsets, .. } => (offsets, 1),
            Layout::Ring { .. } | Layout::Grid { .. } => return None,
        };
        let row = |k: usize| &values[k * width..(k + 1) * width];
        let mut order: Vec<usize> = (0..values.len() / width).collect();
        let by_place = |&a: &usize, &b: &usize| {
            let differs = row(a).iter().zip(row(b)).map(|(a, b)| a.total_cmp(b)).find(|order| order.is_ne());
            differs.unwrap_or(a.cmp(&b))
        };
        order.sort_unstable_by(by_place);
        order.windows(2).find(|pair| row(pair[0]) == row(pair[1])).map(|pair| (pair[0], pair[1]))
    }
}

/// Scales weights above 0 to the sum 1; returns `None` if all are equal.
fn shares(weights: &[f64]) -> Option<&'static [f64]> {
    if weights.iter().all(|weight| *weight == weights[0]) {
        return None;
    }
    let largest = weights.iter().fold(0.0, |most: f64, &weight| most.max(weight));
    let sum: f64 = weights.iter().sum();
    // Weights that were scaled before stay unchanged, so that a mixture is read back as itself.
    if (sum - 1.0).abs() <= SUM {
        return Some(interned(weights.to_vec()));
    }
    let sum: f64 = weights.iter().map(|weight| weight / largest).sum();
    Some(interned(weights.iter().map(|weight| weight / largest / sum).collect()))
}

/// Returns a copy of the numbers that lives as long as the program, so that blueprints with them stay cheap to copy.
pub(super) fn interned(list: Vec<f64>) -> &'static [f64] {
    static LISTS: Mutex<Vec<&'static [f64]>> = Mutex::new(Vec::new());
    // Turns −0 into 0.
    let list: Vec<f64> = list.into_iter().map(|x| x + 0.0).collect();
    let mut lists = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
    match lists.iter().find(|known| **known == list) {
        Some(known) => known,
        None => {
            let kept: &'static [f64] = Box::leak(list.into());
            lists.push(kept);
            kept
        }
    }
}
