//! Sample sheets side by side, each at its last step.

use super::super::canvas::{Anchor, Canvas, Group, Mark, Paint, Stroke};
use super::super::font::{fitted, width};
use super::super::model::{Gallery, Sheet};
use super::Look;
use super::frame::{baseline, small};

pub(super) fn draw(data: &Gallery, look: &Look) -> Canvas {
    let Gallery { down, across, .. } = data;
    let widest = down.values.iter().map(|value| width(value, look.size)).fold(0.0, f64::max);
    let left = widest.min(0.25 * look.width) + 2.0 * look.size;
    // Don't blow up a single column.
    let side = ((look.width - left) / across.values.len().max(1) as f64).min(24.0 * look.size);
    let bottom = side * down.values.len().max(1) as f64;
    let right = left + side * across.values.len().max(1) as f64;
    let mut canvas = Canvas::new(look.width, bottom + 3.0 * look.size);
    for sheet in data.sheets.iter().filter(|sheet| sheet.layer == 0) {
        let (row, column) = sheet.place;
        one(&mut canvas, sheet, (left + side * column as f64, side * row as f64, side), look);
    }
    for (row, value) in down.values.iter().enumerate() {
        let at = (left - 0.4 * look.size, baseline(side * (row as f64 + 0.5), look.size));
        canvas.text(at, look.size, Anchor::End, Paint::Ink, fitted(value, look.size, left - 1.6 * look.size));
    }
    let key = fitted(&down.key, look.size, bottom);
    canvas.upwards((0.95 * look.size, bottom / 2.0), look.size, Anchor::Middle, Paint::Ink, key);
    for (column, value) in across.values.iter().enumerate() {
        let at = (left + side * (column as f64 + 0.5), bottom + 1.2 * look.size);
        canvas.text(at, look.size, Anchor::Middle, Paint::Ink, fitted(value, look.size, side));
    }
    let at = ((left + right) / 2.0, bottom + 2.6 * look.size);
    canvas.text(at, look.size, Anchor::Middle, Paint::Ink, fitted(&across.key, look.size, look.width - left));
    canvas
}

fn one(canvas: &mut Canvas, sheet: &Sheet, (left, top, side): (f64, f64, f64), look: &Look) {
    let at = [left + 1.0, top + 1.0, (side - 2.0).max(1.0), (side - 2.0).max(1.0)];
    let group = Group {
        class: "sheet",
        variant: Some(sheet.variant),
        job: Some(sheet.job.clone()),
        title: Some(sheet.name.clone()),
    };
    canvas.group(group, |canvas| {
        match sheet.steps.last().and_then(|(step, path)| look.files.picture(&sheet.job, *step, path)) {
            Some(picture) => canvas.push(Mark::Image { at, href: picture.href, png: picture.png }),
            None => {
                canvas.push(Mark::Rect { at, fill: None, stroke: Some(Stroke::of(Paint::Rule, 0.6)), opacity: 1.0 });
                let middle = (at[0] + at[2] / 2.0, at[1] + at[3] / 2.0);
                canvas.text(middle, small(look), Anchor::Middle, Paint::Soft, fitted("missing", small(look), at[2]));
            }
        }
    });
}
