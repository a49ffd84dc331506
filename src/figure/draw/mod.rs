//! Drawing: one function per kind of figure.

mod curves;
mod distribution;
mod frame;
mod gallery;
mod heat_map;
mod intervals;
mod parallel;
mod scatter;
mod slices;
mod timeline;

pub use curves::CROWD;
pub use distribution::DOTS;

use super::canvas::Canvas;
use super::model::{Figure, Kind, Plot};

/// How a figure is drawn.
#[derive(Clone, Copy)]
pub struct Look<'a> {
    /// The width in points. The height follows from the data.
    pub width: f64,
    /// The size of text, in points.
    pub size: f64,
    /// Whether the score axis is logarithmic, if all scores are above 0.
    pub log: bool,
    /// Access to sample sheets and points.
    pub files: &'a dyn Files,
}

/// Contents of figures that are in files.
pub trait Files {
    /// Returns the sample sheet of a job (given by id) at a step: a PNG in the home directory.
    fn picture(&self, job: &str, step: u64, path: &str) -> Option<Picture>;
    /// Returns the points of an .npy file in the home directory.
    fn points(&self, path: &str) -> Option<Vec<[f64; 2]>>;
}

/// A PNG.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// What refers to it: a data: URI, or the path of a file.
    pub href: String,
    /// The contents of the file.
    pub png: Vec<u8>,
}

/// Finds no files.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn picture(&self, _: &str, _: u64, _: &str) -> Option<Picture> {
        None
    }

    fn points(&self, _: &str) -> Option<Vec<[f64; 2]>> {
        None
    }
}

/// Draws a figure.
pub fn draw(figure: &Figure, look: &Look) -> Canvas {
    match &figure.plot {
        Plot::Curves(data) => curves::draw(data, look),
        Plot::HeatMap(data) => heat_map::draw(data, look),
        Plot::Distribution(data) => distribution::draw(data, look),
        Plot::Intervals(data) => intervals::draw(data, look),
        Plot::Parallel(data) => parallel::draw(data, look),
        Plot::Slices(data) => slices::draw(data, look),
        Plot::Scatter(data) => scatter::draw(data, look),
        Plot::Gallery(data) => gallery::draw(data, look),
        Plot::Timeline(data) => timeline::draw(data, look),
    }
}

/// Returns whether [`Look::log`] changes how the figure looks.
pub fn can_be_log(figure: &Figure) -> bool {
    let positive = |values: &mut dyn Iterator<Item = f64>| {
        let mut finite = values.filter(|value| value.is_finite()).peekable();
        finite.peek().is_some() && finite.all(|value| value > 0.0)
    };
    match &figure.plot {
        Plot::Curves(data) => {
            let points = data.lines.iter().flat_map(|line| line.points.iter().map(|point| point.y));
            let bands = data.lines.iter().flat_map(|line| line.band.iter().flat_map(|(_, low, high)| [*low, *high]));
            let singles = data
                .lines
                .iter()
                .flat_map(|line| line.singles.iter().flat_map(|single| single.points.iter().map(|(_, y)| *y)));
            data.y.kind == Kind::Linear && positive(&mut points.chain(bands).chain(singles))
        }
        Plot::Slices(data) => {
            data.y.kind == Kind::Linear
                && positive(&mut data.slices.iter().flat_map(|slice| slice.dots.iter().map(|dot| dot.2)))
        }
        Plot::HeatMap(_)
        | Plot::Distribution(_)
        | Plot::Intervals(_)
        | Plot::Parallel(_)
        | Plot::Scatter(_)
        | Plot::Gallery(_)
        | Plot::Timeline(_) => false,
    }
}
