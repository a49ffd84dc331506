//! A mixture as written in a blueprint and in a sweep file.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Covariance, Flaw, Gaussians, Layout, interned};

/// A mixture as stored in a blueprint.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    layout: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modes: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    radius: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    side: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spacing: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    means: Option<Vec<Vec<f64>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offsets: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    noise_dims: Option<usize>,
    covariance: Variances,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dims: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weights: Option<Vec<f64>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    limit: Option<u32>,
}

/// The name of a layout.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Ring,
    Grid,
    Means,
    Manifolds,
}

/// One variance for all coordinates, or one per coordinate.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Variances {
    Even(f64),
    Each(Vec<f64>),
}

impl From<Gaussians> for Written {
    fn from(mixture: Gaussians) -> Written {
        let Gaussians { layout, covariance, dims, weights, limit } = mixture;
        let covariance = match covariance {
            Covariance::Even(variance) => Variances::Even(variance),
            Covariance::Each(variances) => Variances::Each(variances.to_vec()),
        };
        let empty = |layout| Written {
            layout,
            modes: None,
            radius: None,
            side: None,
            spacing: None,
            means: None,
            offsets: None,
            noise_dims: None,
            covariance: covariance.clone(),
            // Points are in the plane by default.
            dims: (dims != 2).then_some(dims),
            weights: weights.map(<[f64]>::to_vec),
            limit,
        };
        match layout {
            Layout::Ring { modes, radius } => Written { modes: Some(modes), radius: Some(radius), ..empty(Word::Ring) },
            Layout::Grid { side, spacing } => Written { side: Some(side), spacing: Some(spacing), ..empty(Word::Grid) },
            Layout::Means(means) => {
                let means = means.chunks(dims).map(<[f64]>::to_vec).collect();
                Written { means: Some(means), dims: None, ..empty(Word::Means) }
            }
            Layout::Manifolds { offsets, noise_dims } => Written {
                offsets: Some(offsets.to_vec()),
                noise_dims: Some(noise_dims),
                dims: Some(dims),
                ..empty(Word::Manifolds)
            },
        }
    }
}

impl TryFrom<Written> for Gaussians {
    type Error = String;

    fn try_from(written: Written) -> Result<Gaussians, String> {
        let Written {
            layout,
            modes,
            radius,
            side,
            spacing,
            means,
            offsets,
            noise_dims,
            covariance,
            dims,
            weights,
            limit,
        } = written;
        let (layout, dims) = match (layout, modes, radius, side, spacing, means, offsets, noise_dims) {
            (Word::Ring, Some(modes), Some(radius), None, None, None, None, None) => {
                (Layout::Ring { modes, radius }, dims.unwrap_or(2))
            }
            (Word::Grid, None, None, Some(side), Some(spacing), None, None, None) => {
                (Layout::Grid { side, spacing }, dims.unwrap_or(2))
            }
            (Word::Means, None, None, None, None, Some(means), None, None) if dims.is_none() => {
                let dims = means.first().map_or(0, Vec::len);
                if means.iter().any(|mean| mean.len() != dims) {
                    return Err("all means must have the same number of coordinates".to_owned());
                }
                (Layout::Means(interned(means.concat())), dims)
            }
            (Word::Manifolds, None, None, None, None, None, Some(offsets), Some(noise_dims)) => {
                (Layout::Manifolds { offsets: interned(offsets), noise_dims }, dims.unwrap_or(0))
            }
            _ => return Err("a mixture must have exactly the settings of its layout".to_owned()),
        };
        let covariance = match covariance {
            Variances::Even(variance) => Covariance::Even(variance),
            Variances::Each(variances) => Covariance::Each(interned(variances)),
        };
        let mixture = Gaussians { layout, covariance, dims, weights: None, limit };
        let flawed = |flaw: Flaw| format!("{}: {}", flaw.setting, flaw.message);
        mixture.check().map_err(flawed)?;
        match weights {
            Some(weights) if !weights.iter().all(|&weight| weight > 0.0 && weight.is_finite()) => {
                Err("weights must be above 0".to_owned())
            }
            Some(weights) => mixture.weighted(&weights).map_err(flawed),
            None => Ok(mixture),
        }
    }
}

/// As written in a sweep file, on one line.
impl fmt::Display for Gaussians {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[f64]| values.iter().map(f64::to_string).collect::<Vec<_>>().join(", ");
        if *self == Gaussians::RING {
            return f.write_str("gaussians");
        }
        f.write_str("{gaussians: {layout: ")?;
        match self.layout {
            Layout::Ring { modes, radius } => write!(f, "ring, modes: {modes}, radius: {radius}")?,
            Layout::Grid { side, spacing } => write!(f, "grid, side: {side}, spacing: {spacing}")?,
            Layout::Means(means) => {
                let means = means.chunks(self.dims).map(|mean| format!("[{}]", list(mean))).collect::<Vec<_>>();
                write!(f, "means, means: [{}]", means.join(", "))?;
            }
            Layout::Manifolds { offsets, noise_dims } => {
                write!(f, "manifolds, offsets: [{}], noise_dims: {noise_dims}", list(offsets))?;
            }
        }
        match self.covariance {
            Covariance::Even(variance) => write!(f, ", covariance: {variance}")?,
            Covariance::Each(variances) => write!(f, ", covariance: [{}]", list(variances))?,
        }
        match self.layout {
            Layout::Manifolds { .. } => write!(f, ", dims: {}", self.dims)?,
            Layout::Ring { .. } | Layout::Grid { .. } if self.dims != 2 => write!(f, ", dims: {}", self.dims)?,
            Layout::Ring { .. } | Layout::Grid { .. } | Layout::Means(_) => {}
        }
        if let Some(weights) = self.weights {
            write!(f, ", weights: [{}]", list(weights))?;
        }
        if let Some(limit) = self.limit {
            write!(f, ", limit: {limit}")?;
        }
        f.write_str("}}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn mixtures_of_the_plane_are_written_as_they_were_before_there_were_others() {
        for (mixture, json) in [
            (Gaussians::RING, r#"{"layout":"ring","modes":8,"radius":2.0,"covariance":0.02}"#),
            (Gaussians::GRID, r#"{"layout":"grid","side":5,"spacing":2.0,"covariance":0.0025}"#),
        ] {
            assert_eq!(serde_json::to_string(&mixture).unwrap(), json);
            assert_eq!(serde_json::from_str::<Gaussians>(json).unwrap(), mixture);
        }
    }

    #[test]
    fn what_cannot_be_a_mixture_does_not_read() {
        let ring = r#"{"layout":"ring","modes":2,"radius":2.0,"covariance":0.02}"#;
        for (of, with) in [
            ("\"modes\":2", "\"modes\":0"),
            ("\"modes\":2", "\"side\":2"),
            ("\"modes\":2", "\"modes\":2,\"side\":2"),
            ("\"modes\":2", "\"modes\":2,\"sides\":2"),
            ("0.02", "0.02,\"dims\":1"),
            ("0.02", "0.02,\"weights\":[0.5]"),
            ("0.02", "0.02,\"weights\":[0.5,0.5,0.5]"),
            ("0.02", "0.02,\"weights\":[1.0,0.0]"),
            ("0.02", "[0.02]"),
            ("0.02", "0.02,\"limit\":0"),
            (ring, r#"{"layout":"means","means":[],"covariance":1.0}"#),
            (ring, r#"{"layout":"means","means":[[1.0],[1.0]],"covariance":1.0}"#),
            (ring, r#"{"layout":"means","means":[[1.0],[1.0,2.0]],"covariance":1.0}"#),
            (ring, r#"{"layout":"means","means":[[1.0]],"dims":1,"covariance":1.0}"#),
            (ring, r#"{"layout":"manifolds","offsets":[1.0],"noise_dims":3,"covariance":1.0}"#),
            (ring, r#"{"layout":"manifolds","offsets":[1.0],"noise_dims":3,"dims":2,"covariance":1.0}"#),
        ] {
            assert!(serde_json::from_str::<Gaussians>(&ring.replace(of, with)).is_err(), "{with}");
        }
        assert!(serde_json::from_str::<Gaussians>(ring).is_ok());
    }

    /// The code of Lin et al. 2018: all 1200 coordinates at the offset, and noise in the first 700.
    #[test]
    fn the_manifolds_are_those_that_were_published() {
        let mixture = Gaussians::MANIFOLDS;
        let (means, variances) = (mixture.means(), mixture.variances());
        assert_eq!((mixture.dims, mixture.modes(), means.len(), variances.len()), (1200, 10, 12_000, 1200));
        let published = [-1.0, -0.5, 0.0, 0.5, -2.0, -2.5, 10.0, 0.25, -13.0, -5.5];
        for (mean, offset) in means.chunks(1200).zip(published) {
            assert!(mean.iter().all(|&x| x == offset));
        }
        assert!(variances[..700].iter().all(|&v| v == 1.0) && variances[700..].iter().all(|&v| v == 0.0));
        assert_eq!(mixture.check(), Ok(()));
    }

    #[test]
    fn other_coordinates_of_a_ring_or_grid_are_0() {
        for plane in [Gaussians::RING, Gaussians::GRID] {
            let wide = Gaussians { dims: 5, ..plane };
            let expected: Vec<f64> = plane.means().chunks(2).flat_map(|c| [c[0], c[1], 0.0, 0.0, 0.0]).collect();
            assert_eq!((wide.means(), wide.centres()), (expected, plane.centres()));
            assert_eq!(wide.variances(), [plane.variances()[0]; 5]);
        }
    }

    fn mixtures() -> impl Strategy<Value = Gaussians> {
        let numbers = |n| prop::collection::vec(-1e6..1e6f64, n);
        let layout = (1..6usize, 1..5usize, numbers(20), numbers(5), 0..4);
        let rest =
            (prop::collection::vec(1e-3..1e3f64, 5), prop::collection::vec(1e-3..1e3f64, 25), any::<[bool; 3]>());
        (layout, rest, 1..5u32).prop_map(
            |((modes, dims, places, offsets, which), (variances, weights, with), small)| {
                let (layout, dims) = match which {
                    0 => (Layout::Ring { modes: modes as u32, radius: variances[0] }, dims + 1),
                    1 => (Layout::Grid { side: small, spacing: variances[0] }, dims + 1),
                    2 => (Layout::Means(interned(places[..modes.min(20 / dims) * dims].to_vec())), dims),
                    _ => (
                        Layout::Manifolds { offsets: interned(offsets[..modes].to_vec()), noise_dims: 1.max(dims / 2) },
                        dims,
                    ),
                };
                let mut mixture = Gaussians::of(layout, variances[0], dims);
                if with[0] && which < 3 {
                    mixture.covariance = Covariance::Each(interned(variances[..dims].to_vec()));
                }
                if with[1] {
                    mixture = mixture.weighted(&weights[..mixture.modes()]).unwrap();
                }
                Gaussians { limit: with[2].then_some(7), ..mixture }
            },
        )
    }

    proptest! {
        /// Exact to the last digit, because the id of a job depends on it.
        #[test]
        fn a_mixture_reads_as_itself(mixture in mixtures()) {
            prop_assert_eq!(mixture.check(), Ok(()));
            let json = serde_json::to_string(&mixture).unwrap();
            prop_assert_eq!(serde_json::from_str::<Gaussians>(&json).unwrap(), mixture);
            let sum: f64 = mixture.weights.unwrap_or(&[1.0]).iter().sum();
            prop_assert!((sum - 1.0).abs() < 1e-12);
        }
    }
}
