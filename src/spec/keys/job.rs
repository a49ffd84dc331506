//! Keys outside of the sections.

use std::sync::Arc;

use super::{Range, keys};
use crate::dataset::Dataset;
use crate::objective::Objective;
use crate::penalty::Penalty;
use crate::value::SettingValue;

keys! { Top:
    /// The real samples.
    DATASET: Dataset = "dataset", dataset().said("gaussians");
    /// The game between the generator and the discriminators.
    OBJECTIVE: Objective = "objective", objective().said("d2gan");
    /// Gradient penalties, which are added to the discriminators' losses: functions of the gradient norm r of a
    /// discriminator at samples, each with a weight w. `half_square` is w · ½ E r² (with the ½: R1 at `real`, R2 at
    /// `fake`), `distance` is w · E (r − target)², `excess` is w · E max(0, r − target)² (`target` is 1 by default),
    /// `power` is w · E r^exponent. `at: both` takes the mean over real and generated samples. `every: 4` applies it in
    /// every fourth move, times 4. Numbers may be names of parameters, which can be swept. Real and generated samples
    /// are those that a discriminator tells apart in its own move: for `ali` and `veegan`, samples with their codes,
    /// with the gradient in both; for the second discriminator of `mdgan`, samples made from codes and from noise. The
    /// critics of `began` and `magan` have no logits, and so no penalties.
    PENALTIES: Arc<[Penalty]> = "penalties", penalties().always(|| SettingValue::Penalties(Arc::new([])));
    /// The weight w of mode seeking (MSGAN, Mao et al. 2019), which adds w / (E|G(z1) − G(z2)| / E|z1 − z2| + 1e-5) to
    /// the generator's loss, with a second batch of noise z2, wherever it learns from noise. As in the authors' code,
    /// this is one over a ratio of means over the batch and all numbers; the paper maximises the mean of ratios, which
    /// has other gradients. 0: off.
    MODE_SEEKING: f64 = "mode_seeking", number(Range::from(0.0)).since(0.0).always(|| SettingValue::number(0.0));
}
