//! Figures: data with their meaning, and drawings of them.
//!
//! ```text
//! Figure ─► draw ─► Canvas ─► svg | pdf
//!        ├► csv
//!        └► text (for terminals)
//! ```
//!
//! A [`Figure`] has no pixels: the report builds it, and each renderer draws it in its own way. A canvas is a list of
//! marks with coordinates in points (1/72 inch, y downwards), and both writers make the same picture of it. The same
//! data give the same bytes. Non-finite values are not drawn, but they are in the CSV. To add a kind of figure, add a
//! variant of [`Plot`], a file in `draw/`, and its rows in `csv`.

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
    Axis, Bar, Cell, Curves, Distribution, Dot, End, Figure, Gallery, HeatMap, Interval, Intervals, KeyAxis, KeyValues,
    Kind, Line, Panel, Parallel, Plot, Point, Points, Scatter, Sheet, Single, SingleOf, Slice, Slices, Spread,
    Timeline,
};
pub use pdf::pdf;
pub use scale::bins;
pub use svg::{Colours, escape, svg};
pub use text::text;
