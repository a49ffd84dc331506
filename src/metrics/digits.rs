//! Scores of images of three stacked digits: each channel is seen by itself.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::json;

use super::error::MetricError;
use super::features::Found;
use super::modes;
use super::nets::{Network, Outputs, Watch};
use super::posterior::Posterior;
use sweep_spec::metric::Metric;

/// What sees the digits.
#[derive(Debug)]
pub struct Digits(pub Rc<Network>);

impl Digits {
    /// The scores of `samples` `[n, 3, 28, 28]`, pixels in [−1, 1].
    pub fn scores(&self, samples: &[f32], watch: &mut Watch) -> Result<BTreeMap<Metric, Found>, MetricError> {
        let Outputs { logits, .. } = self.0.run(samples, watch)?;
        let posterior = Posterior::from_logits(logits, self.0.classes());
        let hits = modes::hit_stacked(&posterior);
        let (name, checksum) = (self.0.name(), self.0.checksum());
        let protocol =
            json!({"samples": posterior.len() / 3, "network": name, "checksum": checksum, "modes": hits.len()});
        let values = [(Metric::ModesCovered, modes::covered(&hits)), (Metric::ModeKl, modes::kl_to_uniform(&hits))];
        Ok(values.map(|(metric, value)| (metric, (value, None, protocol.clone()))).into())
    }
}
