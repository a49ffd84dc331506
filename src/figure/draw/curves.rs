//! Lines with bands, and single runs behind them.

use super::super::canvas::{Canvas, Group, Paint, Stroke};
use super::super::format::{count, number, plural};
use super::super::model::{Curves, Kind, Line};
use super::super::scale::Scale;
use super::Look;
use super::frame::{Area, Entry, below, legend, room_at_side, room_below, side, stroke_of, ticks_up};

/// With more lines than this, bands and single runs are left out.
pub const CROWD: usize = 8;
/// The most points of a line that get a marker.
const MARKED: usize = 40;

pub(super) fn draw(data: &Curves, look: &Look) -> Canvas {
    let mut canvas = Canvas::new(look.width, 1.0);
    let entries: Vec<Entry> =
        data.lines.iter().map(|line| Entry { name: &line.name, variant: line.variant, series: line.series }).collect();
    let top = legend(&mut canvas, &entries, 0.0, look) + 0.5 * look.size;
    let height = 0.56 * look.width;
    let values = || {
        data.lines.iter().flat_map(|line| {
            let band = line.band.iter().flat_map(|(_, low, high)| [*low, *high]);
            let singles = line.singles.iter().flat_map(|single| single.points.iter().map(|(_, y)| *y));
            line.points.iter().map(|point| point.y).chain(band).chain(singles)
        })
    };
    let xs = || {
        data.lines.iter().flat_map(|line| {
            let singles = line.singles.iter().flat_map(|single| single.points.iter().map(|(x, _)| *x));
            line.points.iter().map(|point| point.x).chain(singles)
        })
    };
    let kind = if look.log && data.y.kind == Kind::Linear { Kind::Log } else { data.y.kind };
    let scale = |range| Scale::of(kind, values(), range);
    let ticks = scale((height, 0.0)).ticks(ticks_up(height, look));
    let left = room_at_side(&ticks, &data.y.label, look);
    let area = Area { left, top, right: look.width - 0.9 * look.size, bottom: top + height };
    canvas.height = area.bottom + room_below(&data.x.label, look);
    let (x, y) = (Scale::of(data.x.kind, xs(), area.across()), scale(area.upwards()));
    side(&mut canvas, area, &y, &ticks, &data.y.label, look);
    below(&mut canvas, area, &x, &data.x.label, look);
    if data.lines.len() <= CROWD {
        for line in &data.lines {
            behind(&mut canvas, data, line, &x, &y);
        }
    }
    for line in &data.lines {
        before(&mut canvas, data, line, &x, &y);
    }
    canvas
}

/// Draws the single runs and the band.
fn behind(canvas: &mut Canvas, data: &Curves, line: &Line, x: &Scale, y: &Scale) {
    let variant = Some(line.variant);
    for single in &line.singles {
        let title = format!("{}, {}", line.name, single.of.words());
        let job = Some(single.job.clone());
        canvas.group(Group { class: "single", variant, job, title: Some(title) }, |canvas| {
            let points = single.points.iter().map(|(at, value)| (x.at(*at), y.at(*value)));
            canvas.line(path(points, data.stepped), Stroke { dash: 0, ..stroke_of(line.series, 0.6) }, 0.35);
        });
    }
    canvas.group(Group { class: "band", variant, ..Group::default() }, |canvas| {
        // Leave out parts of the band that have no position on the axes.
        let there = |&&(at, low, high): &&(f64, f64, f64)| {
            x.at(at).is_finite() && y.at(low).is_finite() && y.at(high).is_finite()
        };
        let upper = line.band.iter().filter(there).map(|(at, _, high)| (x.at(*at), y.at(*high)));
        let lower = line.band.iter().rev().filter(there).map(|(at, low, _)| (x.at(*at), y.at(*low)));
        canvas.area(upper.chain(lower), Paint::Series(line.series), 0.16);
    });
}

/// Draws the line itself.
fn before(canvas: &mut Canvas, data: &Curves, line: &Line, x: &Scale, y: &Scale) {
    let variant = Some(line.variant);
    let group = Group { class: "line", variant, job: None, title: Some(line.name.clone()) };
    canvas.group(group, |canvas| {
        let points = line.points.iter().map(|point| (x.at(point.x), y.at(point.y)));
        canvas.line(path(points, data.stepped), stroke_of(line.series, 1.5), 1.0);
    });
    if data.stepped || line.points.len() > MARKED {
        return;
    }
    for point in &line.points {
        let at = if point.x.fract() == 0.0 && point.x >= 0.0 { count(point.x as usize) } else { number(point.x) };
        let title = format!("{}: {} at {} {at} ({})", line.name, number(point.y), data.x.label, plural(point.n, "run"));
        canvas.group(Group { class: "dot", variant, job: None, title: Some(title) }, |canvas| {
            canvas.disc([x.at(point.x), y.at(point.y), 1.7], Paint::Series(line.series), 1.0);
        });
    }
}

/// Returns the corners of a line. If it is stepped, it keeps its value up to the next point.
fn path(points: impl Iterator<Item = (f64, f64)>, stepped: bool) -> Vec<(f64, f64)> {
    let mut path: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points {
        if let Some(&(_, before)) = path.last().filter(|_| stepped) {
            path.push((x, before));
        }
        path.push((x, y));
    }
    path
}
