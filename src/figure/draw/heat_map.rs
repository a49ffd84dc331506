//! A value in each cell of a grid.

use super::super::canvas::{Anchor, Canvas, Group, Paint, Stroke};
use super::super::colour::{on, ramp};
use super::super::font::{fitted, width};
use super::super::format::{count, number_in_column, part};
use super::super::model::{Cell, HeatMap};
use super::super::scale::Scale;
use super::Look;
use super::frame::{baseline, room_at_side, small};

/// The most that a cell is higher than it is wide.
const SLIM: f64 = 1.0;

pub(super) fn draw(data: &HeatMap, look: &Look) -> Canvas {
    let (rows, columns) = (data.down.values.len().max(1), data.across.values.len().max(1));
    let (low, high) = data.range().unwrap_or((0.0, 0.0));
    let share = |mean: f64| data.share((low, high), mean);
    let texts = small(look);
    let widest = data.down.values.iter().map(|value| width(value, look.size)).fold(0.0, f64::max);
    let names = widest.min(0.3 * look.width);
    let left = names + 2.2 * look.size;
    let key = key(low, high, look);
    let right = look.width - key.room;
    let wide = (right - left) / columns as f64;
    let most = low.abs().max(high.abs());
    let lines = data.cells.iter().flatten().map(|cell| said(cell, most)).collect::<Vec<_>>();
    // Use as many lines of text as fit into all cells.
    let fits = |n: usize| {
        lines.iter().all(|said| said.iter().take(n).all(|text| width(text, texts) <= wide - 0.3 * look.size))
    };
    let shown = (0..=3).rev().find(|&n| fits(n)).unwrap_or(0);
    let high_enough = (1.25 * shown as f64 + 0.8) * texts;
    let tall = high_enough.max((SLIM * wide).min(3.2 * look.size)).max(4.0);
    let upwards = data.across.values.iter().any(|value| width(value, look.size) > wide - 0.3 * look.size);
    let below = if upwards {
        data.across.values.iter().map(|value| width(value, look.size)).fold(0.0, f64::max).min(0.4 * look.width)
            + 0.6 * look.size
    } else {
        1.5 * look.size
    };
    let top = 0.3 * look.size;
    let bottom = top + tall * rows as f64;
    let mut canvas = Canvas::new(look.width, bottom + below + 1.6 * look.size + states_height(data, look));

    for (row, cells) in data.cells.iter().enumerate() {
        for (column, cell) in cells.iter().enumerate() {
            let at = [left + wide * column as f64, top + tall * row as f64, wide, tall];
            let name = |axis: &super::super::model::KeyValues, at: usize| format!("{} {}", axis.key, axis.values[at]);
            let title =
                format!("{}, {}: {}", name(&data.down, row), name(&data.across, column), told(cell, &data.value));
            canvas.group(Group { class: "cell", title: Some(title), ..Group::default() }, |canvas| {
                one(canvas, at, cell, share, (&said(cell, most), shown, texts));
            });
        }
    }
    for (row, value) in data.down.values.iter().enumerate() {
        let y = top + tall * (row as f64 + 0.5);
        canvas.text(
            (left - 0.4 * look.size, baseline(y, look.size)),
            look.size,
            Anchor::End,
            Paint::Ink,
            fitted(value, look.size, names),
        );
    }
    canvas.upwards(
        (0.95 * look.size, (top + bottom) / 2.0),
        look.size,
        Anchor::Middle,
        Paint::Ink,
        fitted(&data.down.key, look.size, (bottom - top).max(4.0 * look.size)),
    );
    for (column, value) in data.across.values.iter().enumerate() {
        let x = left + wide * (column as f64 + 0.5);
        if upwards {
            let text = fitted(value, look.size, 0.4 * look.width);
            canvas.upwards((x + 0.36 * look.size, bottom + 0.4 * look.size), look.size, Anchor::End, Paint::Ink, text);
        } else {
            canvas.text((x, bottom + 1.2 * look.size), look.size, Anchor::Middle, Paint::Ink, value.as_str());
        }
    }
    let y = bottom + below + 1.0 * look.size;
    canvas.text(
        ((left + right) / 2.0, y),
        look.size,
        Anchor::Middle,
        Paint::Ink,
        fitted(&data.across.key, look.size, right - left),
    );
    scale(&mut canvas, (right + 0.8 * look.size, top, bottom), &key, data.higher, look);
    states(&mut canvas, data, y + 0.5 * look.size, look);
    canvas
}

/// Returns the lines of text in a cell: value, ± and n.
fn said(cell: &Cell, most: f64) -> Vec<String> {
    match cell {
        Cell::Value { mean, std, n, of } => {
            let mut said = vec![number_in_column(*mean, most)];
            said.extend(std.map(|std| format!("± {}", number_in_column(std, most))));
            said.push(format!("n {}", part(*n, *of)));
            said
        }
        Cell::Lost(of) => vec!["×".into(), format!("n 0 of {of}")],
        Cell::Open(of) => vec!["…".into(), format!("n 0 of {of}")],
        Cell::Stopped(step) => vec!["†".into(), format!("at {}", count(*step as usize))],
        Cell::None => Vec::new(),
    }
}

/// Returns the tooltip of a cell.
fn told(cell: &Cell, value: &str) -> String {
    match cell {
        Cell::Value { mean, std, n, of } => {
            let std = std.map_or(String::new(), |std| format!(" ± {}", number_in_column(std, *mean)));
            format!("{value} {}{std} (n = {})", number_in_column(*mean, *mean), part(*n, *of))
        }
        Cell::Lost(of) => format!("all {of} lost"),
        Cell::Open(of) => format!("no scores yet, of {of}"),
        Cell::Stopped(step) => format!("stopped early at step {}", count(*step as usize)),
        Cell::None => "not in the sweep".into(),
    }
}

fn one(
    canvas: &mut Canvas,
    at: [f64; 4],
    cell: &Cell,
    share: impl Fn(f64) -> f64,
    (said, shown, size): (&[String], usize, f64),
) {
    let [x, y, wide, tall] = at;
    let inner = [x + 0.4, y + 0.4, (wide - 0.8).max(0.2), (tall - 0.8).max(0.2)];
    let (ground, ink): (Option<Paint>, Paint) = match cell {
        Cell::Value { mean, .. } if mean.is_finite() => {
            let ground = ramp(share(*mean));
            (Some(ground.into()), on(ground).into())
        }
        Cell::Value { .. } | Cell::Lost(_) | Cell::Open(_) | Cell::Stopped(_) => (None, Paint::Soft),
        Cell::None => (None, Paint::Rule),
    };
    match (ground, cell) {
        (Some(ground), _) => canvas.rect(inner, ground, 1.0),
        (None, Cell::None) => hatch(canvas, inner),
        (None, _) => canvas.push(super::super::canvas::Mark::Rect {
            at: inner,
            fill: None,
            stroke: Some(Stroke::of(Paint::Soft, 0.5)),
            opacity: 1.0,
        }),
    }
    let lines = said.len().min(shown);
    let first = y + tall / 2.0 - 1.2 * size * (lines as f64 - 1.0) / 2.0;
    for (line, text) in said.iter().take(lines).enumerate() {
        let middle = first + 1.2 * size * line as f64;
        canvas.text((x + wide / 2.0, baseline(middle, size)), size, Anchor::Middle, ink, text.as_str());
    }
    if shown == 0 && matches!(cell, Cell::Lost(_)) {
        let [x, y, wide, tall] = inner;
        canvas.line([(x, y), (x + wide, y + tall)], Stroke::of(Paint::Soft, 0.6), 1.0);
        canvas.line([(x, y + tall), (x + wide, y)], Stroke::of(Paint::Soft, 0.6), 1.0);
    }
}

/// Draws slanted lines, for cells that are not in the sweep.
fn hatch(canvas: &mut Canvas, [x, y, wide, tall]: [f64; 4]) {
    let step = 4.0_f64.max((wide + tall) / 40.0);
    let count = ((wide + tall) / step) as usize;
    for n in 1..=count {
        let d = n as f64 * step;
        let from = if d <= tall { (x, y + d) } else { (x + d - tall, y + tall) };
        let to = if d <= wide { (x + d, y) } else { (x + wide, y + d - wide) };
        canvas.line([from, to], Stroke::of(Paint::Rule, 0.6), 1.0);
    }
}

/// The colour bar.
struct Key {
    scale: Option<Scale>,
    ticks: Vec<(f64, String)>,
    room: f64,
}

fn key(low: f64, high: f64, look: &Look) -> Key {
    if low >= high {
        return Key { scale: None, ticks: Vec::new(), room: 0.6 * look.size };
    }
    let scale = Scale::exact((low, high), (1.0, 0.0));
    let ticks = scale.ticks(4);
    let room = 0.8 * look.size + 0.9 * look.size + room_at_side(&ticks, "", look) + 0.2 * look.size;
    Key { scale: Some(scale), ticks, room }
}

fn scale(canvas: &mut Canvas, (x, top, bottom): (f64, f64, f64), key: &Key, higher: bool, look: &Look) {
    let Some(scale) = key.scale else { return };
    const STEPS: usize = 48;
    let tall = (bottom - top) / STEPS as f64;
    for step in 0..STEPS {
        let part = 1.0 - (step as f64 + 0.5) / STEPS as f64;
        let part = if higher { part } else { 1.0 - part };
        canvas.rect([x, top + tall * step as f64, 0.9 * look.size, tall + 0.3], ramp(part), 1.0);
    }
    let mut free = f64::INFINITY;
    for (value, text) in &key.ticks {
        let y = top + (bottom - top) * scale.at(*value);
        if y + 0.6 * look.size <= free {
            free = y - 0.6 * look.size;
            canvas.text(
                (x + 1.3 * look.size, baseline(y, small(look))),
                small(look),
                Anchor::Start,
                Paint::Soft,
                text.as_str(),
            );
        }
    }
}

/// Explains cells without a value, if there are any.
fn explained(data: &HeatMap) -> Vec<&'static str> {
    let any = |is: fn(&Cell) -> bool| data.cells.iter().flatten().any(is);
    let mut said = Vec::new();
    said.extend(any(|cell| matches!(cell, Cell::Lost(_))).then_some("×: all jobs lost"));
    said.extend(any(|cell| matches!(cell, Cell::Open(_))).then_some("…: no score yet"));
    said.extend(any(|cell| matches!(cell, Cell::Stopped(_))).then_some("†: stopped early because others were better"));
    said.extend(any(|cell| matches!(cell, Cell::None)).then_some("hatched: not in the sweep"));
    said
}

fn states_height(data: &HeatMap, look: &Look) -> f64 {
    if explained(data).is_empty() { 0.0 } else { 1.5 * look.size }
}

fn states(canvas: &mut Canvas, data: &HeatMap, top: f64, look: &Look) {
    let said = explained(data).join("; ");
    let text = fitted(&said, small(look), look.width);
    canvas.text((0.0, top + 1.1 * look.size), small(look), Anchor::Start, Paint::Soft, text);
}
