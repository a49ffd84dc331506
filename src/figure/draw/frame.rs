//! Parts that most figures share: axes with ticks, legends, and texts fitted to their space.

use super::super::canvas::{Anchor, Canvas, Paint, Stroke};
use super::super::colour::SERIES;
use super::super::font::{CAPITAL, fitted, width};
use super::super::scale::Scale;
use super::Look;

/// The area that data are drawn in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Area {
    pub(super) fn width(&self) -> f64 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f64 {
        self.bottom - self.top
    }

    pub(super) fn across(&self) -> (f64, f64) {
        (self.left, self.right)
    }

    pub(super) fn upwards(&self) -> (f64, f64) {
        (self.bottom, self.top)
    }
}

/// Returns the baseline of a text whose middle is at `y`.
pub(super) fn baseline(y: f64, size: f64) -> f64 {
    y + CAPITAL * size / 2.0
}

/// Returns the font size of ticks and other secondary texts.
pub(super) fn small(look: &Look) -> f64 {
    0.88 * look.size
}

/// Returns how lines of a series are drawn.
pub(super) fn stroke_of(series: usize, width: f64) -> Stroke {
    Stroke { paint: Paint::Series(series), width, dash: series / SERIES }
}

/// Returns about how many ticks fit along a horizontal axis.
pub(super) fn ticks_along(length: f64, look: &Look) -> usize {
    ((length / (5.5 * look.size)) as usize).clamp(2, 8)
}

/// Returns about how many ticks fit along a vertical axis.
pub(super) fn ticks_up(length: f64, look: &Look) -> usize {
    ((length / (2.6 * look.size)) as usize).clamp(2, 8)
}

/// Returns the width that the ticks and the label of a vertical axis take.
pub(super) fn room_at_side(ticks: &[(f64, String)], label: &str, look: &Look) -> f64 {
    let widest = ticks.iter().map(|(_, text)| width(text, small(look))).fold(0.0, f64::max);
    widest + 0.5 * look.size + if label.is_empty() { 0.0 } else { 1.5 * look.size }
}

/// Returns the height that the ticks and the label of a horizontal axis take.
pub(super) fn room_below(label: &str, look: &Look) -> f64 {
    1.5 * look.size + if label.is_empty() { 0.0 } else { 1.4 * look.size }
}

/// Draws grid lines at the ticks of the vertical axis, the tick labels, and the axis label.
pub(super) fn side(canvas: &mut Canvas, area: Area, scale: &Scale, ticks: &[(f64, String)], label: &str, look: &Look) {
    for (value, text) in ticks {
        let y = scale.at(*value);
        canvas.line([(area.left, y), (area.right, y)], Stroke::of(Paint::Rule, 0.5), 1.0);
        let at = (area.left - 0.4 * look.size, baseline(y, small(look)));
        canvas.text(at, small(look), Anchor::End, Paint::Soft, text.as_str());
    }
    if !label.is_empty() {
        let x = area.left - room_at_side(ticks, label, look) + 0.95 * look.size;
        let text = fitted(label, look.size, area.height() + 3.0 * look.size);
        canvas.upwards((x, (area.top + area.bottom) / 2.0), look.size, Anchor::Middle, Paint::Ink, text);
    }
}

/// Draws the horizontal axis, its ticks with labels, and the axis label.
pub(super) fn below(canvas: &mut Canvas, area: Area, scale: &Scale, label: &str, look: &Look) {
    canvas.line([(area.left, area.bottom), (area.right, area.bottom)], Stroke::of(Paint::Soft, 0.6), 1.0);
    let mut free = f64::NEG_INFINITY;
    for (value, text) in scale.ticks(ticks_along(area.width(), look)) {
        let x = scale.at(value);
        canvas.line([(x, area.bottom), (x, area.bottom + 0.3 * look.size)], Stroke::of(Paint::Soft, 0.6), 1.0);
        let half = width(&text, small(look)) / 2.0;
        // Keep labels inside the picture, and don't let them overlap.
        let x = x.min(area.right + 0.8 * look.size - half);
        if x - half > free {
            free = x + half + 0.5 * look.size;
            canvas.text((x, area.bottom + 1.3 * look.size), small(look), Anchor::Middle, Paint::Soft, text);
        }
    }
    if !label.is_empty() {
        let text = fitted(label, look.size, area.width() + 4.0 * look.size);
        let x = (area.left + area.right) / 2.0;
        canvas.text((x, area.bottom + 2.7 * look.size), look.size, Anchor::Middle, Paint::Ink, text);
    }
}

/// One entry of a legend: a name, its variant, and its series.
pub(super) struct Entry<'a> {
    pub name: &'a str,
    pub variant: usize,
    pub series: usize,
}

/// Draws a legend from `top` down, as wide as the canvas. Returns its height.
pub(super) fn legend(canvas: &mut Canvas, entries: &[Entry], top: f64, look: &Look) -> f64 {
    let (line, swatch, gap) = (1.45 * look.size, 1.8 * look.size, 1.2 * look.size);
    let room = look.width - swatch - 1.0 * look.size;
    let names: Vec<String> = entries.iter().map(|entry| fitted(entry.name, look.size, room)).collect();
    let (mut x, mut y) = (0.0, top);
    for (entry, name) in entries.iter().zip(names) {
        let long = swatch + 0.4 * look.size + width(&name, look.size);
        if x > 0.0 && x + long > look.width {
            (x, y) = (0.0, y + line);
        }
        let middle = y + line / 2.0;
        let group = super::super::canvas::Group { class: "entry", variant: Some(entry.variant), ..Default::default() };
        canvas.group(group, |canvas| {
            canvas.line([(x, middle), (x + swatch, middle)], stroke_of(entry.series, 1.6), 1.0);
            let at = (x + swatch + 0.4 * look.size, baseline(middle, look.size));
            canvas.text(at, look.size, Anchor::Start, Paint::Ink, name.as_str());
        });
        x += long + gap;
    }
    if entries.is_empty() { 0.0 } else { y + line - top }
}
