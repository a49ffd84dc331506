//! What stands beside the sections.

use std::sync::Arc;

use super::{Range, keys};
use crate::dataset::Dataset;
use crate::objective::Objective;
use crate::penalty::Penalty;
use crate::value::Value;

keys! { Top:
    /// The real samples.
    DATASET: Dataset = "dataset", dataset().said("gaussians");
    /// The game that generator and discriminators play.
    OBJECTIVE: Objective = "objective", objective().said("d2gan");
    /// What discriminators' losses have beside what logits say: functions of the length r of their slopes at samples, each with its
    /// weight w. `half_square` is w · ½ E r² (with the ½: R1 at `real`, R2 at `fake`), `distance` is w · E (r − target)²,
    /// `excess` is w · E max(0, r − target)² (`target` is 1 where nothing is said), `power` is w · E r^exponent. `at: both` takes the
    /// mean over real and generated samples; `every: 4` has it in each fourth move, times 4. Numbers may be parameters' names, which are swept.
    /// Real and generated is what each discriminator is to tell apart in its own move: samples with their codes of `ali` and `veegan`, whose slopes
    /// are in both; of `mdgan`'s second one, what is made of codes and of noise. The critics of `began` and `magan` give no logit, and have none.
    PENALTIES: Arc<[Penalty]> = "penalties", penalties().always(|| Value::Penalties(Arc::new([])));
    /// w of mode seeking (MSGAN, Mao et al. 2019): the generator's loss has w / (E|G(z1) − G(z2)| / E|z1 − z2| + 1e-5) beside its own, with a second
    /// batch of noise z2, wherever it learns from noise. As in the authors' code, this is one over a ratio of means over the batch and all
    /// numbers; the paper maximises the mean of ratios, which has other gradients. 0: none.
    MODE_SEEKING: f64 = "mode_seeking", number(Range::from(0.0)).since(0.0).always(|| Value::number(0.0));
}
