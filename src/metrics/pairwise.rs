//! Computes all distances between two sets, block by block, on as many threads as libtorch uses.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use multiversion::multiversion;

use super::rows::{Rows, distance};

/// About how many distances a thread keeps in memory at a time: they fit in a processor's cache.
const BLOCK: usize = 1 << 17;
/// Columns processed together: enough to fill vector registers twice.
const LANES: usize = 16;
/// Rows processed together.
const DEEP: usize = 4;

/// How distance is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The squared distance, for rows for which [`Rows::has_safe_squares`] is true.
    Squares,
    /// The distance itself, for any rows.
    Distances,
}

/// Calls `work` with the distances `[rows, b]` between each block of rows of `a` and the rows of `b`. `work` also gets
/// the index of the first row and the number of rows. Returns the results in order.
pub(crate) fn by_block<T: Send>(
    a: &Rows,
    b: &Rows,
    measure: Measure,
    work: impl Fn(usize, usize, &mut [f64]) -> T + Sync,
) -> Vec<T> {
    let panels = panels(b);
    let block = (BLOCK / b.len().max(1)).next_multiple_of(DEEP).max(DEEP);
    let blocks = a.len().div_ceil(block);
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        let mut distances = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= blocks {
                return done;
            }
            let first = index * block;
            let rows = block.min(a.len() - first);
            distances.resize(rows * b.len(), 0.0);
            match measure {
                Measure::Squares => {
                    let values = &a.values()[first * a.width()..(first + rows) * a.width()];
                    squares(values, a.width(), &panels, b.len(), &mut distances);
                }
                Measure::Distances => {
                    for (place, out) in distances.iter_mut().enumerate() {
                        *out = distance(a.row(first + place / b.len()), b.row(place % b.len()));
                    }
                }
            }
            done.push((index, work(first, rows, &mut distances)));
        }
    };
    let threads = NonZero::new(tch::get_num_threads() as usize).map_or(1, NonZero::get).min(blocks.max(1));
    let mut done = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(some)).collect();
        let mut done = some();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, made)| made).collect()
}

/// Returns the rows in panels of [`LANES`], each stored feature by feature. The last panel is padded with zeros.
fn panels(rows: &Rows) -> Vec<[f64; LANES]> {
    let mut out = vec![[0.0; LANES]; rows.len().div_ceil(LANES) * rows.width()];
    for (i, row) in rows.values().chunks_exact(rows.width()).enumerate() {
        for (value, lanes) in row.iter().zip(&mut out[i / LANES * rows.width()..]) {
            lanes[i % LANES] = *value;
        }
    }
    out
}

/// Computes squared distances `[rows, columns]` between `rows` `[rows, width]` and those in `panels`. Sums go over
/// features in order, without fused multiply-add, so every processor gives the same bits.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn squares(rows: &[f64], width: usize, panels: &[[f64; LANES]], columns: usize, out: &mut [f64]) {
    for (p, panel) in panels.chunks_exact(width).enumerate() {
        let (at, many) = (p * LANES, LANES.min(columns - p * LANES));
        for (group, out) in rows.chunks(DEEP * width).zip(out.chunks_mut(DEEP * columns)) {
            let mut sums = [[0.0; LANES]; DEEP];
            if group.len() == DEEP * width {
                let (a, rest) = group.split_at(width);
                let (b, rest) = rest.split_at(width);
                let (c, d) = rest.split_at(width);
                for ((((lanes, a), b), c), d) in panel.iter().zip(a).zip(b).zip(c).zip(d) {
                    for (sum, x) in sums.iter_mut().zip([a, b, c, d]) {
                        for lane in 0..LANES {
                            sum[lane] += (x - lanes[lane]) * (x - lanes[lane]);
                        }
                    }
                }
            } else {
                for (row, sum) in group.chunks_exact(width).zip(&mut sums) {
                    for (x, lanes) in row.iter().zip(panel) {
                        for lane in 0..LANES {
                            sum[lane] += (x - lanes[lane]) * (x - lanes[lane]);
                        }
                    }
                }
            }
            for (out, sum) in out.chunks_mut(columns).zip(&sums) {
                out[at..at + many].copy_from_slice(&sum[..many]);
            }
        }
    }
}
