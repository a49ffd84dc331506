//! Mixtures of Gaussians in any number of dimensions.

mod written;

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::own::MAX_DIMS;
use written::Written;

/// Modes of a mixture at most.
pub(crate) const MAX_MODES: usize = 10_000;
/// Coordinates of all means of a mixture together at most: they are in every blueprint.
pub(crate) const MAX_MEANS: usize = 1 << 16;
/// Draws of a limited number at most, and their coordinates together: they are in memory.
pub(crate) const MAX_LIMIT: u64 = 10_000_000;
const MAX_LIMITED: u64 = 1 << 28;
/// The smallest share of a mode.
const LEAST_SHARE: f64 = 1e-9;
/// By how much weights may miss a sum of 1 and stay as they are.
const SUM: f64 = 1e-12;

/// A mixture of Gaussians of one covariance, drawn afresh at each step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Gaussians {
    /// Where the modes lie.
    pub layout: Layout,
    /// How far samples are from their modes.
    pub covariance: Covariance,
    /// Coordinates of a sample.
    pub dims: usize,
    /// The share of each mode; they sum to 1. None: even shares.
    pub weights: Option<&'static [f64]>,
    /// How many samples there are in all: draws that are the same for all jobs. None: drawn without end.
    pub limit: Option<u32>,
}

/// Where the modes of a mixture lie, in data units: in the first two coordinates, unless it says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Layout {
    /// Mode k at (r sin θ, r cos θ), θ = 2πk/modes.
    Ring {
        /// Number of modes.
        modes: u32,
        /// Radius of the circle.
        radius: f64,
    },
    /// side × side modes on a square grid about the origin.
    Grid {
        /// Modes along one side.
        side: u32,
        /// Distance between neighbours.
        spacing: f64,
    },
    /// At these places, `[modes, dims]`.
    Means(&'static [f64]),
    /// Mode k at (o, o, …, o), o its offset, with noise in the first coordinates alone (Srivastava et al. 2017).
    Manifolds {
        /// The offset of each mode.
        offsets: &'static [f64],
        /// Coordinates with noise.
        noise_dims: usize,
    },
}

/// The covariance of samples about their modes, in squared data units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Covariance {
    /// The variance σ² of every coordinate (not σ).
    Even(f64),
    /// That of each.
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
    /// Ten normals of 700 dimensions in a space of 1200 (Srivastava et al. 2017, by the code of Lin et al. 2018).
    pub const MANIFOLDS: Gaussians = {
        const OFFSETS: &[f64] = &[-1.0, -0.5, 0.0, 0.5, -2.0, -2.5, 10.0, 0.25, -13.0, -5.5];
        Gaussians::of(Layout::Manifolds { offsets: OFFSETS, noise_dims: 700 }, 1.0, 1200)
    };

    /// Even shares, without end.
    pub const fn of(layout: Layout, variance: f64, dims: usize) -> Gaussians {
        Gaussians { layout, covariance: Covariance::Even(variance), dims, weights: None, limit: None }
    }

    /// One mode at the origin, of unit variance.
    pub fn normal(dims: usize) -> Gaussians {
        Gaussians::of(Layout::Means(interned(vec![0.0; dims])), 1.0, dims)
    }

    /// How many modes it has.
    pub fn modes(&self) -> usize {
        match self.layout {
            Layout::Ring { modes, .. } => modes as usize,
            Layout::Grid { side, .. } => (side as usize).pow(2),
            Layout::Means(means) => means.len() / self.dims.max(1),
            Layout::Manifolds { offsets, .. } => offsets.len(),
        }
    }

    /// The centres of the modes, `[modes, dims]`.
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

    /// The first two coordinates of the centres; of one coordinate the second is 0.
    pub fn centres(&self) -> Vec<[f64; 2]> {
        let first = |mean: &[f64]| [mean[0], mean.get(1).copied().unwrap_or(0.0)];
        self.means().chunks_exact(self.dims).map(first).collect()
    }

    /// The variance of each coordinate about its mode.
    pub fn variances(&self) -> Vec<f64> {
        match self.covariance {
            Covariance::Each(variances) => variances.to_vec(),
            Covariance::Even(variance) => {
                let noisy = |at: usize| if at < self.noise_dims() { variance } else { 0.0 };
                (0..self.dims).map(noisy).collect()
            }
        }
    }

    /// Coordinates with noise.
    pub fn noise_dims(&self) -> usize {
        match self.layout {
            Layout::Manifolds { noise_dims, .. } => noise_dims,
            Layout::Ring { .. } | Layout::Grid { .. } | Layout::Means(_) => self.dims,
        }
    }

    /// σ of the coordinates, where all with noise have one.
    pub fn sigma(&self) -> Option<f64> {
        match self.covariance {
            Covariance::Even(variance) => Some(variance.sqrt()),
            Covariance::Each(_) => None,
        }
    }

    /// What can't be, whoever wrote it.
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
            return flaw("means", message, "take fewer modes or fewer coordinates");
        }
        if let Layout::Manifolds { noise_dims, .. } = layout
            && !(1..=dims).contains(&noise_dims)
        {
            let message = format!("expected 1 to {dims} coordinates with noise, as `dims` says, found {noise_dims}");
            return flaw("noise_dims", message, "");
        }
        if let Some((one, other)) = self.twins() {
            let message = format!("modes {one} and {other}, counted from 0, are in one place");
            let help = "a generator that makes both would cover two modes with one; give one mode twice the weight with \
                        `weights`";
            return flaw(places, message, help);
        }
        if let Covariance::Each(variances) = covariance
            && variances.len() != dims
        {
            let message = format!("expected {dims} variances, one a coordinate, found {}", variances.len());
            return flaw("covariance", message, "one number stands for all coordinates");
        }
        if let Some(limit) = limit
            && !(1..=MAX_LIMITED / dims as u64).contains(&limit.into())
        {
            let most = MAX_LIMITED / dims as u64;
            return flaw("limit", format!("expected at most {most} samples of {dims} coordinates, found {limit}"), "");
        }
        Ok(())
    }

    /// With modes of these weights, numbers above 0.
    pub(super) fn weighted(self, weights: &[f64]) -> Result<Gaussians, Flaw> {
        let flaw = |message| Err(Flaw { setting: "weights", message, help: None });
        if weights.len() != self.modes() {
            return flaw(format!("expected {} weights, one a mode, found {}", self.modes(), weights.len()));
        }
        let weights = shares(weights);
        if let Some((mode, share)) =
            weights.iter().copied().flatten().enumerate().find(|(_, share)| **share < LEAST_SHARE)
        {
            return flaw(format!(
                "expected shares of {LEAST_SHARE} at least, found {share} for mode {mode}, counted from 0"
            ));
        }
        Ok(Gaussians { weights, ..self })
    }

    /// Two modes that were given one place.
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

/// Shares that sum to 1, of numbers above 0; none where all are the same.
fn shares(weights: &[f64]) -> Option<&'static [f64]> {
    if weights.iter().all(|weight| *weight == weights[0]) {
        return None;
    }
    let largest = weights.iter().fold(0.0, |most: f64, &weight| most.max(weight));
    let sum: f64 = weights.iter().sum();
    // What has been divided once stays as it is, so that a mixture reads as itself.
    if (sum - 1.0).abs() <= SUM {
        return Some(interned(weights.to_vec()));
    }
    let sum: f64 = weights.iter().map(|weight| weight / largest).sum();
    Some(interned(weights.iter().map(|weight| weight / largest / sum).collect()))
}

/// The same numbers, once for as long as the program runs: so that blueprints with them are as easily copied as others.
pub(super) fn interned(list: Vec<f64>) -> &'static [f64] {
    static LISTS: Mutex<Vec<&'static [f64]>> = Mutex::new(Vec::new());
    // −0 is 0.
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
