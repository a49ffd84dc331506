//! The drawing: a list of marks, each drawn over the ones before.

use super::colour::Rgb;

/// A drawing made of marks. Lengths are in points.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// The marks, from the bottom to the top.
    pub marks: Vec<Mark>,
}

/// A colour, named by its purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paint {
    /// The background.
    Paper,
    /// Text.
    Ink,
    /// Secondary text, and axes.
    Soft,
    /// Lines behind everything.
    Rule,
    /// The colour of a series, counted from 0; after the last colour the first one is used again.
    Series(usize),
    /// Exactly this colour, on any background.
    Exact(u8, u8, u8),
}

impl From<Rgb> for Paint {
    fn from(Rgb(red, green, blue): Rgb) -> Self {
        Paint::Exact(red, green, blue)
    }
}

/// How lines are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stroke {
    /// The colour.
    pub paint: Paint,
    /// The width.
    pub width: f64,
    /// The index of its dashes in [`DASHES`].
    pub dash: usize,
}

/// Dashes and gaps in multiples of the line width. An empty list is a solid line.
pub(crate) const DASHES: [&[f64]; 4] = [&[], &[4.0, 2.0], &[1.2, 1.8], &[6.0, 2.0, 1.2, 2.0]];

/// A part of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Segment {
    /// Starts a new part.
    Move(f64, f64),
    /// A straight line.
    Line(f64, f64),
    /// A cubic Bézier curve: two control points, then the end.
    Curve([f64; 6]),
    /// Back to the start of this part.
    Close,
}

/// Where a text is relative to its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It starts there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// Marks that belong together, so a page can show a tooltip for them or hide them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Its class for scripts and styles: `line`, `single`, `dot`.
    pub class: &'static str,
    /// The index of its variant.
    pub variant: Option<usize>,
    /// The start of its job's id.
    pub job: Option<String>,
    /// Its tooltip.
    pub title: Option<String>,
}

/// One mark.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A shape.
    Path {
        /// Its outline.
        path: Vec<Segment>,
        /// Its fill.
        fill: Option<Paint>,
        /// How its outline is drawn.
        stroke: Option<Stroke>,
        /// From 0 (invisible) to 1.
        opacity: f64,
    },
    /// A rectangle: left, top, width, height.
    Rect {
        /// Its position.
        at: [f64; 4],
        /// Its fill.
        fill: Option<Paint>,
        /// How its outline is drawn.
        stroke: Option<Stroke>,
        /// From 0 (invisible) to 1.
        opacity: f64,
    },
    /// A disc: centre and radius.
    Disc {
        /// Its position.
        at: [f64; 3],
        /// Its fill.
        fill: Option<Paint>,
        /// How its outline is drawn.
        stroke: Option<Stroke>,
        /// From 0 (invisible) to 1.
        opacity: f64,
    },
    /// A text on its baseline.
    Text {
        /// The position of its anchor.
        at: (f64, f64),
        /// The font size.
        size: f64,
        /// How it is aligned to its x.
        anchor: Anchor,
        /// Whether it runs upwards.
        upwards: bool,
        /// The colour.
        paint: Paint,
        /// The text.
        text: String,
    },
    /// A PNG: left, top, width, height.
    Image {
        /// Its position.
        at: [f64; 4],
        /// The value of its `href`: a data: URI, or the path of a file relative to the drawing.
        href: String,
        /// The contents of the file.
        png: Vec<u8>,
    },
    /// Starts a group, which ends at the matching [`Mark::Close`].
    Open(Group),
    /// Ends a group.
    Close,
}

/// The largest coordinate, in points, so numbers in files don't have hundreds of digits.
const FAR: f64 = 1e6;

impl Canvas {
    /// Returns an empty drawing.
    pub fn new(width: f64, height: f64) -> Canvas {
        Canvas { width: tamed(width).max(1.0), height: tamed(height).max(1.0), marks: Vec::new() }
    }

    /// Adds a mark, unless one of its coordinates is not finite.
    pub fn push(&mut self, mark: Mark) {
        let of_segment = |segment: &Segment| match segment {
            Segment::Move(x, y) | Segment::Line(x, y) => is_place(&[*x, *y]),
            Segment::Curve(at) => is_place(at),
            Segment::Close => true,
        };
        let is_somewhere = match &mark {
            Mark::Path { path, .. } => !path.is_empty() && path.iter().all(of_segment),
            Mark::Rect { at, .. } | Mark::Image { at, .. } => is_place(at) && at[2] >= 0.0 && at[3] >= 0.0,
            Mark::Disc { at, .. } => is_place(at) && at[2] >= 0.0,
            Mark::Text { at, size, text, .. } => is_place(&[at.0, at.1, *size]) && !text.is_empty(),
            Mark::Open(_) | Mark::Close => true,
        };
        if is_somewhere {
            self.marks.push(mark);
        }
    }

    /// Adds what `draw` draws, as a group.
    pub fn group(&mut self, group: Group, draw: impl FnOnce(&mut Canvas)) {
        self.push(Mark::Open(group));
        draw(self);
        self.push(Mark::Close);
    }

    /// Draws a line through points, with a gap at each point that is not finite.
    pub fn line(&mut self, points: impl IntoIterator<Item = (f64, f64)>, stroke: Stroke, opacity: f64) {
        let (mut path, mut pen) = (Vec::new(), false);
        for (x, y) in points {
            let there = is_place(&[x, y]);
            if there {
                path.push(if pen { Segment::Line(x, y) } else { Segment::Move(x, y) });
            }
            pen = there;
        }
        self.push(Mark::Path { path, fill: None, stroke: Some(stroke), opacity });
    }

    /// Fills the area with these corners.
    pub fn area(&mut self, corners: impl IntoIterator<Item = (f64, f64)>, fill: Paint, opacity: f64) {
        let mut path: Vec<Segment> = Vec::new();
        for (x, y) in corners.into_iter().filter(|(x, y)| is_place(&[*x, *y])) {
            path.push(if path.is_empty() { Segment::Move(x, y) } else { Segment::Line(x, y) });
        }
        if path.len() > 1 {
            path.push(Segment::Close);
            self.push(Mark::Path { path, fill: Some(fill), stroke: None, opacity });
        }
    }

    /// Fills a rectangle.
    pub fn rect(&mut self, at: [f64; 4], fill: impl Into<Paint>, opacity: f64) {
        self.push(Mark::Rect { at, fill: Some(fill.into()), stroke: None, opacity });
    }

    /// Fills a disc.
    pub fn disc(&mut self, at: [f64; 3], fill: Paint, opacity: f64) {
        self.push(Mark::Disc { at, fill: Some(fill), stroke: None, opacity });
    }

    /// Draws a text on its baseline.
    pub fn text(
        &mut self,
        at: (f64, f64),
        size: f64,
        anchor: Anchor,
        paint: impl Into<Paint>,
        text: impl Into<String>,
    ) {
        self.push(Mark::Text { at, size, anchor, upwards: false, paint: paint.into(), text: text.into() });
    }

    /// Draws a text that runs upwards.
    pub fn upwards(&mut self, at: (f64, f64), size: f64, anchor: Anchor, paint: Paint, text: impl Into<String>) {
        self.push(Mark::Text { at, size, anchor, upwards: true, paint, text: text.into() });
    }
}

impl Stroke {
    /// Returns the style of a solid line.
    pub fn of(paint: Paint, width: f64) -> Stroke {
        Stroke { paint, width, dash: 0 }
    }
}

fn is_place(numbers: &[f64]) -> bool {
    numbers.iter().all(|number| number.is_finite() && number.abs() <= FAR)
}

fn tamed(length: f64) -> f64 {
    if length.is_finite() { length.min(FAR) } else { 1.0 }
}
