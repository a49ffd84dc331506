//! What stands beside the sections.

use std::sync::Arc;

use super::keys;
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
    PENALTIES: Arc<[Penalty]> = "penalties", penalties().always(|| Value::Penalties(Arc::new([])));
}
