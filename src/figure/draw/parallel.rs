//! Many keys at once: a vertical axis for each key, a line for each cell. The better a cell, the lighter its line.

use super::super::canvas::{Anchor, Canvas, Group, Paint, Stroke};
use super::super::colour::ramp;
use super::super::font::fitted;
use super::super::format::number;
use super::super::model::{KeyAxis, Parallel};
use super::super::scale::Scale;
use super::Look;
use super::frame::{baseline, small};

pub(super) fn draw(data: &Parallel, look: &Look) -> Canvas {
    let count = data.axes.len().max(1);
    let texts = small(look);
    let (top, tall) = (2.2 * look.size, 0.5 * look.width);
    let bottom = top + tall;
    let room = look.width / count as f64;
    let mut canvas = Canvas::new(look.width, bottom + 2.0 * look.size);
    let of = |axis: usize| data.lines.iter().filter_map(move |(_, values)| *values.get(axis)?);
    let scales: Vec<Scale> =
        data.axes.iter().enumerate().map(|(at, axis)| scale(axis, of(at), (bottom, top))).collect();
    let x = |axis: usize| room * (axis as f64 + 0.5);

    // Draw by score, so the best lines are on top.
    let score = |values: &[Option<f64>]| values.last().copied().flatten().filter(|value| value.is_finite());
    let mut ordered: Vec<&(String, Vec<Option<f64>>)> = data.lines.iter().collect();
    ordered.sort_by(|(_, a), (_, b)| {
        let (a, b) = (score(a), score(b));
        let order = a.unwrap_or(f64::NAN).partial_cmp(&b.unwrap_or(f64::NAN));
        let order = order.unwrap_or_else(|| a.is_some().cmp(&b.is_some()));
        if data.higher || a.is_none() || b.is_none() { order } else { order.reverse() }
    });
    let scored = ordered.iter().filter(|(_, values)| score(values).is_some()).count();
    let first = ordered.len() - scored;
    for (place, (name, values)) in ordered.iter().enumerate() {
        let is_scored = place >= first;
        let share = if scored > 1 { place.saturating_sub(first) as f64 / (scored - 1) as f64 } else { 1.0 };
        let title = format!("{name}: {}", score(values).map_or("no score".into(), number));
        canvas.group(Group { class: "thread", title: Some(title), ..Group::default() }, |canvas| {
            let points = values
                .iter()
                .enumerate()
                .map(|(axis, value)| (x(axis), value.map_or(f64::NAN, |value| scales[axis].at(value))));
            let paint = if is_scored { Paint::from(ramp(share)) } else { Paint::Rule };
            canvas.line(points, Stroke::of(paint, 0.8 + 0.6 * share), 0.8);
        });
    }
    for (at, axis) in data.axes.iter().enumerate() {
        canvas.line([(x(at), top), (x(at), bottom)], Stroke::of(Paint::Soft, 0.8), 1.0);
        canvas.text(
            (x(at), 1.0 * look.size),
            look.size,
            Anchor::Middle,
            Paint::Ink,
            fitted(&axis.label, look.size, room - 0.4 * look.size),
        );
        let mut free = f64::INFINITY;
        for (value, text) in ticks(axis, &scales[at], look) {
            let y = scales[at].at(value);
            if y + 0.6 * look.size <= free {
                free = y - 0.6 * look.size;
                canvas.line([(x(at) - 1.5, y), (x(at) + 1.5, y)], Stroke::of(Paint::Soft, 0.6), 1.0);
                let text = fitted(&text, texts, room - look.size);
                // The label of the last axis only has space on its left.
                let (anchor, side) = if at + 1 == count { (Anchor::End, -1.0) } else { (Anchor::Start, 1.0) };
                let wide = super::super::font::width(&text, texts);
                let left = if side > 0.0 { x(at) + 3.0 } else { x(at) - 3.0 - wide };
                canvas.rect([left - 0.5, y - 0.5 * texts, wide + 1.0, texts], Paint::Paper, 0.7);
                canvas.text((x(at) + 3.0 * side, baseline(y, texts)), texts, anchor, Paint::Soft, text);
            }
        }
    }
    let better = if data.higher {
        "lines: cells; lighter means a higher score"
    } else {
        "lines: cells; lighter means a lower score"
    };
    canvas.text((0.0, bottom + 1.5 * look.size), texts, Anchor::Start, Paint::Soft, fitted(better, texts, look.width));
    canvas
}

/// Returns the scale of one key.
pub(super) fn scale(axis: &KeyAxis, values: impl Iterator<Item = f64>, range: (f64, f64)) -> Scale {
    match axis.levels.len() {
        0 => Scale::of(axis.kind, values, range),
        levels => Scale::exact((-0.5, levels as f64 - 0.5), range),
    }
}

/// Returns the tick labels of one key's axis.
fn ticks(axis: &KeyAxis, scale: &Scale, look: &Look) -> Vec<(f64, String)> {
    if axis.levels.is_empty() {
        scale.ticks(super::frame::ticks_up(0.5 * look.width, look).min(5))
    } else {
        axis.levels.iter().enumerate().map(|(place, level)| (place as f64, level.clone())).collect()
    }
}
