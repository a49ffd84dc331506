//! The training steps at which losses are saved: few enough that the losses of ten thousand jobs stay small.

/// Maximum number of points per series and job.
pub const MOST: u64 = 256;

/// Names of the saved series.
pub const NAMES: [&str; 6] = ["loss_d", "loss_g", "output_real", "output_fake", "output_real_2", "output_fake_2"];

/// Returns the stride at which losses of a training of `steps` steps are saved: the smallest power of two that gives at
/// most [`MOST`] points. So a longer training saves a subset of the steps that a shorter one saves.
pub fn stride(steps: u64) -> u64 {
    steps.div_ceil(MOST).max(1).next_power_of_two()
}

/// Returns whether losses are saved at `step` (from 1) of a training of `steps` steps.
pub fn is_kept(step: u64, steps: u64) -> bool {
    step > 0 && step <= steps && step.is_multiple_of(stride(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_training_has_too_many_points_and_none_has_few() {
        for steps in (1..5000).chain([25_000, 100_000, 1_000_000_000, 1 << 60]) {
            let points = steps / stride(steps);
            assert!(points <= MOST && (points >= MOST / 2 || points == steps), "{points} of {steps}");
        }
        assert_eq!([1, 256, 257, 512, 513, 1000].map(stride), [1, 1, 2, 2, 4, 4]);
    }

    #[test]
    fn what_is_kept_of_a_longer_training_is_kept_of_a_shorter_one() {
        for (shorter, longer) in [(50, 110), (256, 257), (300, 70_000), (1000, 1001)] {
            let kept = |steps: u64| (0..=shorter).filter(move |&step| is_kept(step, steps));
            assert!(kept(longer).all(|step| is_kept(step, shorter)), "{shorter} {longer}");
            assert!(kept(longer).eq(kept(shorter).filter(|&step| is_kept(step, longer))));
        }
    }
}
