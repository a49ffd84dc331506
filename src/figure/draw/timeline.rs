//! What each slot did, and when.

use super::super::canvas::{Anchor, Canvas, Group, Mark, Paint, Stroke};
use super::super::font::{fitted, width};
use super::super::model::{End, Timeline};
use super::super::scale::Scale;
use super::Look;
use super::frame::{Area, baseline, below, room_below, small};

pub(super) fn draw(data: &Timeline, look: &Look) -> Canvas {
    let widest = data.slots.iter().map(|slot| width(slot, look.size)).fold(0.0, f64::max);
    let names = widest.min(0.3 * look.width);
    let line = 1.8 * look.size;
    let (left, right) = (names + 0.8 * look.size, look.width - 0.9 * look.size);
    let area =
        Area { left, top: 0.3 * look.size, right, bottom: 0.3 * look.size + line * data.slots.len().max(1) as f64 };
    let last = data.bars.iter().map(|bar| bar.to.unwrap_or(bar.from)).filter(|to| to.is_finite()).fold(1e-3, f64::max);
    let (by, unit) = match last {
        seconds if seconds < 180.0 => (1.0, "seconds"),
        seconds if seconds < 3.0 * 3600.0 => (60.0, "minutes"),
        seconds if seconds < 3.0 * 86_400.0 => (3600.0, "hours"),
        _ => (86_400.0, "days"),
    };
    let label = format!("{unit} since the first attempt");
    let mut canvas = Canvas::new(look.width, area.bottom + room_below(&label, look) + 1.5 * look.size);
    let x = Scale::exact((0.0, last / by), area.across());
    for (place, slot) in data.slots.iter().enumerate() {
        let middle = area.top + line * (place as f64 + 0.5);
        canvas.text(
            (names, baseline(middle, look.size)),
            look.size,
            Anchor::End,
            Paint::Ink,
            fitted(slot, look.size, names),
        );
        canvas.line([(left, middle), (right, middle)], Stroke::of(Paint::Rule, 0.5), 1.0);
    }
    for bar in &data.bars {
        let top = area.top + line * bar.slot as f64 + 0.2 * line;
        let (from, to) = (x.at(bar.from / by), x.at(bar.to.unwrap_or(last) / by));
        let at = [from, top, (to - from).max(0.8), 0.6 * line];
        let (word, fill, stroke) = match bar.end {
            End::Finished => ("finished", Some(Paint::Series(0)), None),
            End::Stopped => ("stopped", Some(Paint::Series(4)), None),
            End::Failed => ("did not finish", Some(Paint::Series(1)), None),
            End::Running => ("runs", None, Some(Stroke::of(Paint::Series(0), 1.2))),
        };
        let title = format!("{}: {word}, {:.1} s", bar.name, (bar.to.unwrap_or(last) - bar.from).max(0.0));
        canvas.group(Group { class: "attempt", title: Some(title), ..Group::default() }, |canvas| {
            canvas.push(Mark::Rect { at, fill, stroke, opacity: 0.8 });
        });
    }
    below(&mut canvas, area, &x, &label, look);
    let text = "blue: finished; frame: running; yellow: stopped; red: did not finish";
    let at = (0.0, area.bottom + room_below(&label, look) + 0.9 * look.size);
    canvas.text(at, small(look), Anchor::Start, Paint::Soft, fitted(text, small(look), look.width));
    canvas
}
