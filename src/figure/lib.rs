//! Figures: data with their meaning, and what is drawn of them.
//!
//! ```text
//! Figure ─► draw ─► Canvas ─► svg | pdf
//!        ├► csv
//!        └► text (a terminal's)
//! ```
//!
//! A [`Figure`] has no pixels: the report puts it together, and every renderer draws it in its own way. A canvas is a list of marks in points
//! (1/72 inch, y downwards), of which both writers make the same picture. The same data give the same bytes; what is not finite is drawn
//! nowhere, and stands in the CSV. A new kind of figure is a variant of [`Plot`], a file in `draw/`, and its rows in `csv`.

mod canvas;
mod colour;
mod csv;
mod draw;
mod font;
pub mod format;
mod model;
mod pdf;
mod scale;
mod svg;
#[cfg(test)]
mod tests;
mod text;

pub use canvas::{Canvas, Group, Mark};
pub use colour::{DARK, LIGHT, Palette, Rgb, SERIES};
pub use csv::{csv, field_text, float};
pub use draw::{CROWD, DOTS, Files, Look, NoFiles, Picture, can_be_log, draw};
pub use font::lacks;
pub use model::{
    Along, Axis, Bar, Cell, Curves, Distribution, Dot, End, Figure, Gallery, HeatMap, Interval, Intervals, Kind, Line,
    Of, Panel, Parallel, Plot, Point, Points, Scatter, Sheet, Single, Slice, Slices, Spread, Thread, Timeline,
};
pub use pdf::pdf;
pub use scale::bins;
pub use svg::{Colours, escape, svg};
pub use text::text;
