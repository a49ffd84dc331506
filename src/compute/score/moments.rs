//! Features of real samples of which only mean and covariance are left, as pytorch-fid keeps them: for the Fréchet distance.

use std::collections::BTreeSet;
use std::path::Path;

use super::Args;
use super::given::{array, short};
use super::rules::{Kind, check};
use sweep_cli::Failure;
use sweep_data::numbers::Wanted;
use sweep_metrics::frechet::{Gaussian, MomentsError};
use sweep_metrics::rows::Rows;
use sweep_metrics::{Found, Value, scorer};
use sweep_spec::metric::Metric;

/// A fit to features of real samples.
pub(super) struct Moments {
    path: String,
    fit: Gaussian,
    /// A short name of it.
    name: String,
}

impl Moments {
    /// From the arrays `mu` and `sigma` of the archive at `path`; `None` where it is another file, or somebody names one of its arrays.
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

    /// The Fréchet distance of `generated` features, from a file, to these.
    pub(super) fn compared(&self, args: &Args, (file, generated): (&str, &Rows)) -> Result<Vec<Value>, Failure> {
        let path = &self.path;
        if let Some(other) = args.metrics.iter().flatten().find(|metric| **metric != Metric::Frechet) {
            let message = format!(
                "{path}: of real features there are only mean and covariance (mu, sigma): --metrics frechet is all that these are enough \
                 for; {} needs the features themselves",
                other.name()
            );
            return Err(Failure::usage(message));
        }
        let metrics = BTreeSet::from([Metric::Frechet]);
        check(args, Kind::Features, &metrics, false)?;
        let (wide, other) = (generated.width(), self.fit.width());
        if wide != other {
            return Err(Failure::usage(format!(
                "{file} has rows of {wide} values, {path} mean and covariance of {other}: expected features of one network"
            )));
        }
        let fit = Gaussian::fit(&generated.shuffled(0).tensor()).map_err(Failure::internal)?;
        let Some(fit) = fit else {
            return Err(Failure::usage(format!("{file}: frechet needs at least 2 rows, found {}", generated.len())));
        };
        let value = self.fit.frechet(&fit).map_err(Failure::internal)?;
        let found = Found::of(value).with("features", wide).with("samples", generated.len());
        let found = [(Metric::Frechet, found.with("real", "mean and covariance"))].into();
        Ok(scorer::values(found, &format!("given {}", self.name)))
    }
}
