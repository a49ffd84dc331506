//! The distribution of scores: for each variant a histogram of its runs, with each run as a dot below.

use super::super::canvas::{Anchor, Canvas, Group, Paint, Stroke};
use super::super::font::{fitted, width};
use super::super::format::{number, plural};
use super::super::model::{Distribution, Dot, Spread};
use super::super::scale::Scale;
use super::Look;
use super::frame::{Area, baseline, below, room_below, small};

/// The most dots drawn per row or slice. If there are more, an evenly spaced selection of the sorted values is drawn,
/// including both ends.
pub const DOTS: usize = 500;

/// Returns the indices of the values to draw, out of `count` sorted ones.
pub(super) fn thinned(count: usize) -> impl Iterator<Item = usize> {
    let shown = count.min(DOTS);
    (0..shown).map(move |place| if count <= DOTS { place } else { place * (count - 1) / (DOTS - 1) })
}

pub(super) fn draw(data: &Distribution, look: &Look) -> Canvas {
    let texts = small(look);
    let widest = data.rows.iter().map(|row| width(&row.name, look.size)).fold(0.0, f64::max);
    let names = widest.min(0.32 * look.width);
    let counts: Vec<String> = data.rows.iter().map(counted).collect();
    let counted = counts.iter().map(|text| width(text, texts)).fold(0.0, f64::max);
    let row = 3.4 * look.size;
    let (left, right) = (names.max(counted.min(0.4 * look.width)) + 0.8 * look.size, look.width - 0.9 * look.size);
    let top = 1.4 * look.size;
    let area = Area { left, top, right, bottom: top + row * data.rows.len().max(1) as f64 };
    let mut canvas = Canvas::new(look.width, area.bottom + room_below(&data.x.label, look));
    let values =
        data.rows.iter().flat_map(|row| row.dots.iter().map(|dot| dot.value)).chain(data.edges.iter().copied());
    let x = Scale::of(data.x.kind, values, area.across());

    let shares: Vec<Vec<f64>> = data.rows.iter().map(|row| shares(row, &data.edges)).collect();
    let most = shares.iter().flatten().fold(0.0, |most: f64, share| most.max(*share));
    for (value, _) in x.ticks(super::frame::ticks_along(area.width(), look)) {
        canvas.line([(x.at(value), area.top), (x.at(value), area.bottom)], Stroke::of(Paint::Rule, 0.5), 1.0);
    }
    for (place, (spread, shares)) in data.rows.iter().zip(&shares).enumerate() {
        let floor = area.top + row * place as f64 + 2.2 * look.size;
        let variant = Some(spread.variant);
        canvas.group(Group { class: "row", variant, ..Group::default() }, |canvas| {
            let middle = floor - 0.9 * look.size;
            let at = (left - 0.5 * look.size, baseline(middle, look.size));
            canvas.text(
                at,
                look.size,
                Anchor::End,
                Paint::Ink,
                fitted(&spread.name, look.size, names.max(left - 0.8 * look.size)),
            );
            let at = (left - 0.5 * look.size, baseline(middle + 1.2 * look.size, texts));
            canvas.text(at, texts, Anchor::End, Paint::Soft, fitted(&counts[place], texts, left - 0.8 * look.size));
            for (edges, share) in data.edges.windows(2).zip(shares).filter(|(_, share)| **share > 0.0) {
                let tall = 2.0 * look.size * share / most;
                let (from, to) = (x.at(edges[0]), x.at(edges[1]));
                let title = format!(
                    "{}: {:.0} % of {} from {} to {}",
                    spread.name,
                    100.0 * share,
                    plural(spread.dots.len() + spread.lost, "job"),
                    number(edges[0]),
                    number(edges[1])
                );
                canvas.group(Group { class: "bar", variant, job: None, title: Some(title) }, |canvas| {
                    canvas.rect(
                        [from + 0.3, floor - tall, (to - from - 0.6).max(0.2), tall],
                        Paint::Series(spread.variant),
                        0.75,
                    );
                });
            }
            canvas.line([(left, floor), (right, floor)], Stroke::of(Paint::Rule, 0.5), 1.0);
            strip(canvas, spread, floor, &x, look);
        });
    }
    below(&mut canvas, area, &x, &data.x.label, look);
    if most > 0.0 {
        let is_thinned = data.rows.iter().any(|row| row.dots.len() > DOTS);
        let drawn = if is_thinned { format!("{DOTS} of a row's jobs") } else { "jobs".to_owned() };
        let text = format!(
            "bars: share of a variant's jobs, the highest {:.0} %; dots: {drawn}; line: median of finite scores",
            100.0 * most
        );
        canvas.text((0.0, 0.9 * look.size), texts, Anchor::Start, Paint::Soft, fitted(&text, texts, look.width));
    }
    canvas
}

/// `n 34, 2 lost`
fn counted(row: &Spread) -> String {
    let lost = if row.lost > 0 { format!(", {} lost", row.lost) } else { String::new() };
    format!("n {}{lost}", row.dots.len())
}

/// Returns the share of a row's jobs in each bin. Lost jobs count in the total.
fn shares(row: &Spread, edges: &[f64]) -> Vec<f64> {
    let bins = edges.len().saturating_sub(1);
    let mut counts = vec![0_usize; bins];
    for dot in row.dots.iter().filter(|dot| dot.value.is_finite()) {
        // The last bin includes its upper edge.
        let is_inside = edges.last().is_some_and(|last| dot.value <= *last);
        if let Some(bin) = edges.iter().rposition(|edge| *edge <= dot.value).map(|bin| bin.min(bins.saturating_sub(1)))
            && bins > 0
            && is_inside
        {
            counts[bin] += 1;
        }
    }
    let all = (row.dots.len() + row.lost).max(1) as f64;
    counts.into_iter().map(|count| count as f64 / all).collect()
}

/// Draws each job as a dot, and their median.
fn strip(canvas: &mut Canvas, spread: &Spread, floor: f64, x: &Scale, look: &Look) {
    let variant = Some(spread.variant);
    let mut ordered: Vec<&Dot> = spread.dots.iter().collect();
    ordered.sort_by(|a, b| a.value.total_cmp(&b.value));
    let radius = 0.16 * look.size;
    for (place, dot) in thinned(ordered.len()).map(|at| ordered[at]).enumerate() {
        // Spread dots of equal values vertically, always in the same way.
        let y = floor + (0.35 + 0.5 * ((place * 7) % 11) as f64 / 10.0) * look.size;
        let title = format!("{}, {}: {}", spread.name, dot.of, number(dot.value));
        canvas.group(Group { class: "dot", variant, job: None, title: Some(title) }, |canvas| {
            canvas.disc([x.at(dot.value), y, radius], Paint::Series(spread.variant), 0.65);
        });
    }
    let mut sorted: Vec<f64> = spread.dots.iter().map(|dot| dot.value).filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    if let (Some(a), Some(b)) = (sorted.get(sorted.len().saturating_sub(1) / 2), sorted.get(sorted.len() / 2)) {
        let at = x.at(a / 2.0 + b / 2.0);
        canvas.line([(at, floor - 0.1 * look.size), (at, floor + 0.95 * look.size)], Stroke::of(Paint::Ink, 1.0), 1.0);
    }
}
