//! Values from 0 to 1 with their intervals.

use super::super::canvas::{Anchor, Canvas, Group, Paint, Stroke};
use super::super::font::{fitted, width};
use super::super::model::{Intervals, Panel};
use super::super::scale::Scale;
use super::Look;
use super::frame::{Area, baseline, small};

pub(super) fn draw(data: &Intervals, look: &Look) -> Canvas {
    let texts = small(look);
    let rows = || data.panels.iter().flat_map(|panel| &panel.rows);
    let widest = |text: &mut dyn Iterator<Item = f64>| text.fold(0.0, f64::max);
    let names = widest(&mut rows().map(|row| width(&row.name, look.size))).min(0.36 * look.width);
    let said = widest(&mut rows().map(|row| width(&row.said, texts))).min(0.3 * look.width);
    let (left, right) = (names + 0.8 * look.size, look.width - said - 1.2 * look.size);
    let line = 1.6 * look.size;
    let mut canvas = Canvas::new(look.width, 1.0);
    let mut y = 0.0;
    for panel in &data.panels {
        canvas.text(
            (0.0, y + 1.1 * look.size),
            look.size,
            Anchor::Start,
            Paint::Ink,
            fitted(&panel.title, look.size, look.width),
        );
        let top = y + 1.7 * look.size;
        let area = Area { left, top, right, bottom: top + line * panel.rows.len() as f64 };
        let x = Scale::exact((0.0, 1.0), area.across());
        ground(&mut canvas, panel, area, &x, look);
        for (place, row) in panel.rows.iter().enumerate() {
            let middle = top + line * (place as f64 + 0.5);
            let title = match row.interval {
                Some((low, high)) => format!(
                    "{}: {} ({} to {}) {}",
                    row.name,
                    tick(panel, row.value),
                    tick(panel, low),
                    tick(panel, high),
                    row.said
                ),
                None => format!("{}: {} {}", row.name, tick(panel, row.value), row.said),
            };
            canvas.group(
                Group { class: "interval", variant: Some(row.variant), job: None, title: Some(title) },
                |canvas| {
                    canvas.text(
                        (names, baseline(middle, look.size)),
                        look.size,
                        Anchor::End,
                        Paint::Ink,
                        fitted(&row.name, look.size, names),
                    );
                    if let Some((low, high)) = row.interval {
                        canvas.line(
                            [(x.at(low), middle), (x.at(high), middle)],
                            Stroke::of(Paint::Series(row.variant), 1.6),
                            1.0,
                        );
                        for end in [low, high] {
                            let reach = 0.25 * look.size;
                            canvas.line(
                                [(x.at(end), middle - reach), (x.at(end), middle + reach)],
                                Stroke::of(Paint::Series(row.variant), 1.0),
                                1.0,
                            );
                        }
                    }
                    canvas.disc([x.at(row.value), middle, 0.28 * look.size], Paint::Series(row.variant), 1.0);
                    let at = (right + 0.9 * look.size, baseline(middle, texts));
                    canvas.text(at, texts, Anchor::Start, Paint::Soft, fitted(&row.said, texts, said));
                },
            );
        }
        y = area.bottom + 1.8 * look.size + if panel.ends.is_some() { 1.3 * look.size } else { 0.0 };
    }
    canvas.height = y.max(look.size);
    canvas
}

/// Draws the axis, and the line of no difference.
fn ground(canvas: &mut Canvas, panel: &Panel, area: Area, x: &Scale, look: &Look) {
    let texts = small(look);
    for value in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let at = x.at(value);
        canvas.line([(at, area.top), (at, area.bottom)], Stroke::of(Paint::Rule, 0.5), 1.0);
        canvas.text((at, area.bottom + 1.2 * look.size), texts, Anchor::Middle, Paint::Soft, tick(panel, value));
    }
    if let Some(reference) = panel.reference {
        canvas.line(
            [(x.at(reference), area.top), (x.at(reference), area.bottom)],
            Stroke { paint: Paint::Soft, width: 1.0, dash: 1 },
            1.0,
        );
    }
    if let Some((lower, upper)) = &panel.ends {
        let y = area.bottom + 2.5 * look.size;
        let room = area.width() / 2.0 - look.size;
        canvas.text((area.left, y), texts, Anchor::Start, Paint::Soft, fitted(&format!("← {lower}"), texts, room));
        canvas.text((area.right, y), texts, Anchor::End, Paint::Soft, fitted(&format!("{upper} →"), texts, room));
    }
}

/// Formats a share as this panel shows it: in percent or as a fraction.
fn tick(panel: &Panel, value: f64) -> String {
    if panel.percent { format!("{:.0} %", 100.0 * value) } else { format!("{value:.2}") }
}
