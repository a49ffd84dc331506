//! What is drawn: marks, one over the other.

use super::colour::Rgb;

/// A picture of marks, in points.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
    /// From the bottom to the top.
    pub marks: Vec<Mark>,
}

/// A colour by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paint {
    /// The ground.
    Paper,
    /// Text.
    Ink,
    /// Text of the second rank, and axes.
    Soft,
    /// Lines behind everything.
    Rule,
    /// That of a series, from 0 on; after the last colour the first comes again.
    Series(usize),
    /// This one, on whatever paper.
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
    /// In which colour.
    pub paint: Paint,
    /// How wide.
    pub width: f64,
    /// The place of its dashes in [`DASHES`].
    pub dash: usize,
}

/// Dashes and gaps, in widths of the line; none is a whole line.
pub(crate) const DASHES: [&[f64]; 4] = [&[], &[4.0, 2.0], &[1.2, 1.8], &[6.0, 2.0, 1.2, 2.0]];

/// A part of a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Segment {
    /// Begins another part.
    Move(f64, f64),
    /// A straight line.
    Line(f64, f64),
    /// A cubic Bézier curve: two control points, and the end.
    Curve([f64; 6]),
    /// Back to the beginning of this part.
    Close,
}

/// Where a text stands by its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// It begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// What belongs together, for those who point at it or switch it off.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// What it is, for scripts and styles: `line`, `single`, `dot`.
    pub class: &'static str,
    /// The variant that it is of.
    pub variant: Option<usize>,
    /// The beginning of the id of the job that it is of.
    pub job: Option<String>,
    /// What it says when it is pointed at.
    pub title: Option<String>,
}

/// One mark.
#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    /// A shape.
    Path {
        /// Its outline.
        path: Vec<Segment>,
        /// What it is filled with.
        fill: Option<Paint>,
        /// What its outline is drawn with.
        stroke: Option<Stroke>,
        /// From 0, nothing, to 1.
        opacity: f64,
    },
    /// A rectangle: left, top, width, height.
    Rect {
        /// Where.
        at: [f64; 4],
        /// What it is filled with.
        fill: Option<Paint>,
        /// What its outline is drawn with.
        stroke: Option<Stroke>,
        /// From 0, nothing, to 1.
        opacity: f64,
    },
    /// A disc: centre and radius.
    Disc {
        /// Where.
        at: [f64; 3],
        /// What it is filled with.
        fill: Option<Paint>,
        /// What its outline is drawn with.
        stroke: Option<Stroke>,
        /// From 0, nothing, to 1.
        opacity: f64,
    },
    /// A text on its baseline.
    Text {
        /// Where.
        at: (f64, f64),
        /// How large.
        size: f64,
        /// How it stands by its x.
        anchor: Anchor,
        /// Whether it goes upwards.
        upwards: bool,
        /// In which colour.
        paint: Paint,
        /// The text.
        text: String,
    },
    /// A PNG: left, top, width, height.
    Image {
        /// Where.
        at: [f64; 4],
        /// What an `href` says of it: a data: URI, or the path of a file beside the picture.
        href: String,
        /// The file.
        png: Vec<u8>,
    },
    /// All up to its [`Mark::Close`].
    Open(Group),
    /// Ends a group.
    Close,
}

/// Points at most, so that no number in a file has hundreds of digits.
const FAR: f64 = 1e6;

impl Canvas {
    /// An empty one.
    pub fn new(width: f64, height: f64) -> Canvas {
        Canvas { width: tamed(width).max(1.0), height: tamed(height).max(1.0), marks: Vec::new() }
    }

    /// Adds a mark; not one with a coordinate that is no place.
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

    /// What `draw` adds, as a group.
    pub fn group(&mut self, group: Group, draw: impl FnOnce(&mut Canvas)) {
        self.push(Mark::Open(group));
        draw(self);
        self.push(Mark::Close);
    }

    /// A line from point to point; broken where one is no place.
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

    /// A filled area with these corners.
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

    /// A filled rectangle.
    pub fn rect(&mut self, at: [f64; 4], fill: impl Into<Paint>, opacity: f64) {
        self.push(Mark::Rect { at, fill: Some(fill.into()), stroke: None, opacity });
    }

    /// A filled disc.
    pub fn disc(&mut self, at: [f64; 3], fill: Paint, opacity: f64) {
        self.push(Mark::Disc { at, fill: Some(fill), stroke: None, opacity });
    }

    /// A text on its baseline.
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

    /// A text that goes upwards.
    pub fn upwards(&mut self, at: (f64, f64), size: f64, anchor: Anchor, paint: Paint, text: impl Into<String>) {
        self.push(Mark::Text { at, size, anchor, upwards: true, paint, text: text.into() });
    }
}

impl Stroke {
    /// A whole line.
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
