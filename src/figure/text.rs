//! Shows a figure in a terminal: heat maps as blocks, curves as dots. Other kinds are shown as tables.

use super::format::{count, number};
use super::model::{Cell, Curves, Figure, HeatMap, Kind, Plot};
use super::scale::Scale;
use sweep_spec::text::line;

/// From worst to best.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Height of a plot of curves, in lines.
const LINES: usize = 8;
/// The most columns of a plot of curves.
const COLUMNS: usize = 64;
/// The most curves in one plot: more cannot be told apart.
const CURVES: usize = 6;

/// Returns the figure as text, at most `width` columns wide. `None` for a kind that terminals don't show, or if it does
/// not fit.
pub fn text(figure: &Figure, width: usize) -> Option<String> {
    let clipped = |line: &str| line.chars().take(width).chain(['\n']).collect::<String>();
    Some(whole(figure, width)?.lines().map(clipped).collect())
}

fn whole(figure: &Figure, width: usize) -> Option<String> {
    match &figure.plot {
        Plot::HeatMap(map) => heat_map(map, width),
        Plot::Curves(curves) if !curves.stepped => self::curves(curves, width),
        Plot::Curves(_)
        | Plot::Distribution(_)
        | Plot::Intervals(_)
        | Plot::Parallel(_)
        | Plot::Slices(_)
        | Plot::Scatter(_)
        | Plot::Gallery(_)
        | Plot::Timeline(_) => None,
    }
}

fn heat_map(map: &HeatMap, width: usize) -> Option<String> {
    let (low, high) = map.range()?;
    let names: Vec<String> = map.down.values.iter().map(|value| line(value)).collect();
    let left = names.iter().map(|name| name.chars().count()).max()?.max(map.down.key.chars().count());
    if left + 1 + 3 * map.across.values.len() > width {
        return None;
    }
    let block = |cell: &Cell| match cell {
        Cell::Value { mean, .. } if mean.is_finite() => {
            BLOCKS[(map.share((low, high), *mean) * 7.0).round().clamp(0.0, 7.0) as usize].to_string().repeat(2)
        }
        Cell::Value { .. } | Cell::Lost(_) => "××".into(),
        Cell::Open(_) => "··".into(),
        Cell::Stopped(_) => "††".into(),
        Cell::None => "  ".into(),
    };
    let mut out = String::new();
    for (name, cells) in names.iter().zip(&map.cells) {
        let row: Vec<String> = cells.iter().map(block).collect();
        out.push_str(format!("{name:>left$} {}", row.join(" ")).trim_end());
        out.push('\n');
    }
    let ends = [map.across.values.first(), map.across.values.last()]
        .map(|end| end.map(|value| line(value)).unwrap_or_default());
    let across = if map.across.values.len() > 1 { format!("{} → {}", ends[0], ends[1]) } else { ends[0].clone() };
    out.push_str(&format!("{:>left$} {}: {across}\n", "", line(&map.across.key)));
    let (worst, best) = if map.higher { (low, high) } else { (high, low) };
    let scale = if high > low { format!("▁ {} to █ {}", number(worst), number(best)) } else { number(low) };
    out.push_str(&format!("{}; rows: {}\n", scale, line(&map.down.key)));
    Some(out)
}

fn curves(curves: &Curves, width: usize) -> Option<String> {
    let points = || curves.lines.iter().flat_map(|line| line.points.iter()).filter(|point| point.y.is_finite());
    if curves.lines.len() > CURVES || points().count() < 3 {
        return None;
    }
    let ys = Scale::of(curves.y.kind, points().map(|point| point.y), (4.0 * LINES as f64 - 1.0, 0.0));
    let ticks = ys.ticks(3);
    let left = ticks.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0);
    let names: Vec<String> = curves.lines.iter().map(|line| sweep_spec::text::line(&line.name)).collect();
    let named = names.iter().map(|name| name.chars().count() + 3).max().unwrap_or(0).min(width / 3);
    let columns = COLUMNS.min(width.checked_sub(left + 2 + named)?);
    if columns < 16 {
        return None;
    }
    let (first, last) =
        points().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), point| (a.min(point.x), b.max(point.x)));
    let place = |x: f64| match curves.x.kind {
        Kind::Log if first > 0.0 && last > first => (x / first).ln() / (last / first).ln(),
        _ if last > first => (x - first) / (last - first),
        _ => 0.5,
    };
    let across = |x: f64| place(x) * (2 * columns - 1) as f64;
    let mut grid = vec![vec![0_u8; columns]; LINES];
    for line in &curves.lines {
        let finite: Vec<(f64, f64)> = line
            .points
            .iter()
            .filter(|point| point.y.is_finite())
            .map(|point| (across(point.x), ys.at(point.y)))
            .collect();
        for pair in finite.windows(2) {
            let [(x, y), (to_x, to_y)] = [pair[0], pair[1]];
            let steps = (to_x - x).abs().max((to_y - y).abs()).ceil().max(1.0);
            for step in 0..=steps as usize {
                let share = step as f64 / steps;
                dot(&mut grid, x + share * (to_x - x), y + share * (to_y - y));
            }
        }
        for (x, y) in finite {
            dot(&mut grid, x, y);
        }
    }
    let mut out = String::new();
    for (row, cells) in grid.iter().enumerate() {
        let here = ticks.iter().find(|(value, _)| (ys.at(*value) / 4.0) as usize == row);
        let label = here.map_or("", |(_, text)| text.as_str());
        let dots: String = cells.iter().map(|bits| char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' ')).collect();
        // Show a curve's name where the curve ends.
        let ends = curves.lines.iter().zip(&names).filter(|(line, _)| {
            let last = line.points.iter().rev().find(|point| point.y.is_finite());
            last.is_some_and(|last| (ys.at(last.y).round() / 4.0) as usize == row)
        });
        let ends: Vec<&str> = ends.map(|(_, name)| name.as_str()).collect();
        let ends: String = ends.join(", ").chars().take(named.saturating_sub(3)).collect();
        let dots =
            if ends.is_empty() { dots.trim_end_matches('\u{2800}').to_owned() } else { format!("{dots} ← {ends}") };
        out.push_str(format!("{label:>left$} ┤{dots}").trim_end());
        out.push('\n');
    }
    let whole = |x: f64| if x.fract() == 0.0 && x >= 0.0 { count(x as usize) } else { number(x) };
    out.push_str(&format!("{:>left$} {}: {} to {}\n", "", line(&curves.x.label), whole(first), whole(last)));
    Some(out)
}

/// Sets a dot; each character holds two columns and four rows of dots.
fn dot(grid: &mut [Vec<u8>], x: f64, y: f64) {
    const BITS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
    let (x, y) = (x.round().max(0.0) as usize, y.round().max(0.0) as usize);
    if let Some(cell) = grid.get_mut(y / 4).and_then(|row| row.get_mut(x / 2)) {
        *cell |= BITS[x % 2][y % 4];
    }
}
