//! Which of many comparisons are decided, with several looks each.

/// Returns the look, from 0, at which each comparison is decided; `None` if it is not. `crossings(s)` returns the looks
/// at which each comparison alone would be decided, at the level for `s` comparisons. `open` is how many more
/// comparisons there are without any results.
///
/// This is the closed test (Marcus, Peritz & Gabriel 1976) with Bonferroni's method for several comparisons together: a
/// comparison is decided if each set of comparisons that contains it has a member that is decided alone, at the level
/// for the size of the set. With a single look, this is Holm's method. With several looks, it is the same if a higher
/// level never decides later than a lower one (Maurer & Bretz 2013, *Statistics in Biopharmaceutical Research* 5). It
/// also holds if a higher level, having spent more at an early look, has less left for a later one.
pub(crate) fn decided(
    comparisons: usize,
    open: usize,
    crossings: impl Fn(usize) -> Vec<Option<usize>>,
) -> Vec<Option<usize>> {
    let levels: Vec<Vec<Option<usize>>> = (1..=comparisons + open).map(crossings).collect();
    let looks = levels.iter().flatten().flatten().max().map_or(0, |last| last + 1);
    let by = |look: usize, of: usize| {
        levels.iter().enumerate().all(|(place, crossed)| {
            let has = |comparison: usize| crossed[comparison].is_some_and(|at| at <= look);
            let without = open + (0..comparisons).filter(|&other| other != of && !has(other)).count();
            // No set of place + 1 comparisons contains this one and no decided one.
            has(of) || without < place
        })
    };
    (0..comparisons).map(|of| (0..looks).find(|&look| by(look, of))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::holm::holm;
    use super::*;

    #[test]
    fn with_one_look_it_is_holms() {
        // All patterns of five p from a few values, against the step-down correction.
        let values = [0.001, 0.009, 0.011, 0.013, 0.02, 0.03, 0.06];
        for pattern in 0..values.len().pow(5) {
            let ps: Vec<f64> = (0..5).map(|place| values[pattern / values.len().pow(place) % values.len()]).collect();
            for open in [0, 2] {
                let padded: Vec<f64> = ps.iter().copied().chain(std::iter::repeat_n(1.0, open)).collect();
                let expected: Vec<bool> = holm(&padded).into_iter().take(5).map(|p| p <= 0.05).collect();
                let crossings = |s: usize| ps.iter().map(|p| (p * s as f64 <= 0.05).then_some(0)).collect();
                let found: Vec<bool> = decided(5, open, crossings).into_iter().map(|look| look.is_some()).collect();
                assert_eq!(found, expected, "{ps:?}, {open}");
            }
        }
    }

    #[test]
    fn what_is_decided_helps_the_others_also_at_later_looks() {
        // The first is decided at the first look at any level; the second needs the whole level, which it has from the
        // second look on.
        let crossings = |s: usize| vec![Some(0), if s == 1 { Some(1) } else { None }];
        assert_eq!(decided(2, 0, crossings), [Some(0), Some(1)]);
        // Nothing else is decided, so it has only half of the level.
        let crossings = |s: usize| vec![None, if s == 1 { Some(1) } else { None }];
        assert_eq!(decided(2, 0, crossings), [None, None]);
        // Decided at half of the level but not at the whole level is not decided.
        let crossings = |s: usize| vec![None, if s == 2 { Some(1) } else { None }];
        assert_eq!(decided(2, 0, crossings), [None, None]);
        assert_eq!(decided(0, 3, |_| Vec::new()), []);
    }
}
