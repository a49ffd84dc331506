//! Mean and covariance of features of real samples, as pytorch-fid stores them, for the Fréchet distance.

use std::collections::BTreeSet;
use std::path::Path;

use super::Args;
use super::given::{array, short};
use super::rules::{Kind, check};
use sweep_cli::Failure;
use sweep_data::numbers::Wanted;
use sweep_metrics::frechet::{Gaussian, MomentsError};
use sweep_metrics::rows::Rows;
use sweep_metrics::{Measurement, ScoreValue, scorer};
use sweep_spec::metric::Metric;

/// The mean and covariance of features of real samples.
pub(super) struct Moments {
    path: String,
    fit: Gaussian,
    /// Its short name.
    name: String,
}

impl Moments {
    /// Reads the arrays `mu` and `sigma` of the archive at `path`; `None` if it is another file, or the user named one
    /// of its arrays.
    pub(super) fn read(path: &Path, wanted: Wanted) -> Result<Option<Moments>, Failure> {
        let array = |key| array(path, Wanted { key: Some(key), ..wanted });
        let archive = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("npz"));
        if !archive || wanted.key.is_some() {
            return Ok(None);
        }
        let Some(mean) = array("mu").ok().filter(|mean| mean.dims.len() == 1) else { return Ok(None) };
        let covariance = array("sigma").map_err(Failure::usage)?;
        let mean = mean.values().map_err(Failure::usage)?;
        let (values, width) = covariance.rows().map_err(Failure::usage)?;
        let name = short(mean.iter().chain(&values).copied());
        let path = path.display().to_string();
        let fit = Gaussian::from_moments(&mean, &Rows::new(values, width)).map_err(|error| match error {
            MomentsError::Sizes { .. } | MomentsError::Skew | MomentsError::Negative(_) => {
                Failure::usage(format!("{path}: mu and sigma: {error}"))
            }
            MomentsError::Torch(error) => Failure::internal(error),
        })?;
        Ok(Some(Moments { path, fit, name }))
    }

    /// Computes the Fréchet distance between `generated` features, from a file, and these.
    pub(super) fn compared(&self, args: &Args, (file, generated): (&str, &Rows)) -> Result<Vec<ScoreValue>, Failure> {
        let path = &self.path;
        if let Some(other) = args.metrics.iter().flatten().find(|metric| **metric != Metric::Frechet) {
            let message = format!(
                "{path} has only the mean and covariance of real features (mu, sigma): use \
                 --metrics frechet; {} needs the features themselves",
                other.name()
            );
            return Err(Failure::usage(message));
        }
        let metrics = BTreeSet::from([Metric::Frechet]);
        check(args, Kind::Features, &metrics, false)?;
        let (wide, other) = (generated.width(), self.fit.width());
        if wide != other {
            return Err(Failure::usage(format!(
                "{file} has rows of {wide} values, but {path} has mean and covariance of {other}: \
                 both must have features of the same network"
            )));
        }
        let fit = Gaussian::fit(&generated.shuffled(0).tensor()).map_err(Failure::internal)?;
        let Some(fit) = fit else {
            return Err(Failure::usage(format!("{file}: frechet needs at least 2 rows, found {}", generated.len())));
        };
        let value = self.fit.frechet(&fit).map_err(Failure::internal)?;
        let found = Measurement::of(value).with("features", wide).with("samples", generated.len());
        let found = [(Metric::Frechet, found.with("real", "mean and covariance"))].into();
        Ok(scorer::values(found, &format!("given {}", self.name)))
    }
}
