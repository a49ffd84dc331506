//! Generated points over the modes.

use super::super::canvas::{Anchor, Canvas, Group, Mark, Paint, Stroke};
use super::super::font::fitted;
use super::super::model::Scatter;
use super::super::scale::Scale;
use super::Look;
use super::frame::small;

/// The most points drawn per panel.
const POINTS: usize = 1000;

pub(super) fn draw(data: &Scatter, look: &Look) -> Canvas {
    let across = ((look.width / (9.0 * look.size)) as usize).clamp(1, data.panels.len().clamp(1, 6));
    // Best, median and worst run of a variant are side by side.
    let across = if across > 3 { across / 3 * 3 } else { across };
    let rows = data.panels.len().div_ceil(across).max(1);
    let wide = look.width / across as f64;
    let side = wide - 0.6 * look.size;
    let high = side + 3.4 * look.size;
    let mut canvas = Canvas::new(look.width, high * rows as f64);
    let clouds: Vec<Vec<[f64; 2]>> =
        data.panels.iter().map(|panel| look.files.points(&panel.path).unwrap_or_default()).collect();
    // The visible range depends on the modes alone, if there are any. Otherwise runs with points far away would shrink
    // the rest.
    let farthest = |points: &mut dyn Iterator<Item = &[f64; 2]>| {
        points.flatten().filter(|x| x.is_finite()).fold(0.0, |most: f64, x| most.max(x.abs()))
    };
    let range = match data.centres.as_slice() {
        [] => 1.05 * farthest(&mut clouds.iter().flatten()),
        centres => 1.25 * (farthest(&mut centres.iter()) + data.radius),
    };
    let range = if range > 0.0 && range.is_finite() { range } else { 1.0 };
    for (place, (panel, points)) in data.panels.iter().zip(&clouds).enumerate() {
        let (left, top) = (wide * (place % across) as f64, high * (place / across) as f64);
        let x = Scale::exact((-range, range), (left, left + side));
        let y = Scale::exact((-range, range), (top + side, top));
        canvas.group(
            Group { class: "cloud", variant: Some(panel.variant), job: None, title: Some(panel.title.clone()) },
            |canvas| {
                canvas.push(Mark::Rect {
                    at: [left, top, side, side],
                    fill: None,
                    stroke: Some(Stroke::of(Paint::Rule, 0.6)),
                    opacity: 1.0,
                });
                let radius = data.radius / (2.0 * range) * side;
                for centre in &data.centres {
                    let at = [x.at(centre[0]), y.at(centre[1]), radius];
                    canvas.push(Mark::Disc {
                        at,
                        fill: None,
                        stroke: Some(Stroke::of(Paint::Soft, 0.6)),
                        opacity: 1.0,
                    });
                }
                let (inside, outside): (Vec<&[f64; 2]>, Vec<&[f64; 2]>) =
                    points.iter().take(POINTS).partition(|point| point.iter().all(|x| x.abs() <= range));
                if !outside.is_empty() {
                    let text = format!("{} of {} outside", outside.len(), outside.len() + inside.len());
                    let at = (left + 0.4 * look.size, top + 1.1 * small(look));
                    canvas.text(at, small(look), Anchor::Start, Paint::Soft, fitted(&text, small(look), side));
                }
                for point in inside {
                    canvas.disc([x.at(point[0]), y.at(point[1]), 0.75], Paint::Series(panel.variant), 0.4);
                }
                if points.is_empty() {
                    let at = (left + side / 2.0, top + side / 2.0);
                    canvas.text(at, small(look), Anchor::Middle, Paint::Soft, "points not saved");
                }
                // A title may have two lines, separated by a line break.
                for (line, text) in panel.title.split('\n').take(2).enumerate() {
                    let at = (left + side / 2.0, top + side + (1.1 + 1.15 * line as f64) * look.size);
                    canvas.text(at, small(look), Anchor::Middle, Paint::Ink, fitted(text, small(look), side));
                }
            },
        );
    }
    canvas
}
