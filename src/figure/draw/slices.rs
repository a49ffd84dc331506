//! A score against each swept key, with a panel per key.

use super::super::canvas::{Anchor, Canvas, Group, Paint};
use super::super::font::fitted;
use super::super::format::number;
use super::super::model::{Kind, Slice, Slices};
use super::super::scale::Scale;
use super::Look;
use super::distribution::thinned;
use super::frame::{Area, below, room_at_side, room_below, side, small, ticks_up};
use super::parallel;

pub(super) fn draw(data: &Slices, look: &Look) -> Canvas {
    let across = ((look.width / (15.0 * look.size)) as usize).clamp(1, data.slices.len().max(1));
    let rows = data.slices.len().div_ceil(across).max(1);
    let wide = look.width / across as f64;
    let tall = 0.72 * wide.min(24.0 * look.size);
    let values = || data.slices.iter().flat_map(|slice| slice.dots.iter().map(|dot| dot.2));
    let kind = if look.log { Kind::Log } else { data.y.kind };
    let ticks = Scale::of(kind, values(), (tall, 0.0)).ticks(ticks_up(tall, look));
    let left = room_at_side(&ticks, &data.y.label, look);
    let high = tall + room_below("key", look) + 0.8 * look.size;
    let mut canvas = Canvas::new(look.width, high * rows as f64);
    for (place, slice) in data.slices.iter().enumerate() {
        let (column, row) = (place % across, place / across);
        let (x, y) = (wide * column as f64, high * row as f64 + 0.5 * look.size);
        let area = Area { left: x + left, top: y, right: x + wide - 1.1 * look.size, bottom: y + tall };
        let score = Scale::of(kind, values(), area.upwards());
        side(&mut canvas, area, &score, &ticks, &data.y.label, look);
        panel(&mut canvas, slice, area, &score, look);
    }
    canvas
}

fn panel(canvas: &mut Canvas, slice: &Slice, area: Area, score: &Scale, look: &Look) {
    let x = parallel::scale(&slice.x, slice.dots.iter().map(|dot| dot.1), area.across());
    if slice.x.levels.is_empty() {
        below(canvas, area, &x, &slice.x.label, look);
    } else {
        let room = area.width() / slice.x.levels.len() as f64 - 0.3 * look.size;
        for (place, level) in slice.x.levels.iter().enumerate() {
            let at = (x.at(place as f64), area.bottom + 1.3 * look.size);
            canvas.text(at, small(look), Anchor::Middle, Paint::Soft, fitted(level, small(look), room));
        }
        let at = ((area.left + area.right) / 2.0, area.bottom + 2.7 * look.size);
        canvas.text(at, look.size, Anchor::Middle, Paint::Ink, fitted(&slice.x.label, look.size, area.width()));
    }
    let mut ordered: Vec<_> = slice.dots.iter().collect();
    ordered.sort_by(|a, b| a.2.total_cmp(&b.2));
    for (variant, value, y, of) in thinned(ordered.len()).map(|at| ordered[at]) {
        let title = format!("{of}: {}", number(*y));
        canvas.group(Group { class: "dot", variant: Some(*variant), job: None, title: Some(title) }, |canvas| {
            canvas.disc([x.at(*value), score.at(*y), 0.22 * look.size], Paint::Series(*variant), 0.7);
        });
    }
}
