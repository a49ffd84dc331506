//! What stands beside the sections.

use super::keys;
use crate::dataset::Dataset;
use crate::objective::Objective;

keys! { Top:
    /// The real samples.
    DATASET: Dataset = "dataset", dataset().said("gaussians");
    /// The game that generator and discriminators play.
    OBJECTIVE: Objective = "objective", choice().said("d2gan");
}
