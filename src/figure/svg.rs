//! Writes a canvas as SVG. Text stays text.

use std::fmt::Write;

use super::canvas::{Anchor, Canvas, DASHES, Group, Mark, Paint, Segment, Stroke};
use super::colour::{Palette, Rgb, SERIES};
use super::font::FAMILY;
use sweep_spec::text::line;

/// Where an SVG takes its colours from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Colours {
    /// They are in the SVG itself, for a separate file.
    Fixed(Palette),
    /// From the page that contains it, by class: `f` or `k` (filled, stroked) with `p`, `i`, `s`, `r` (paper, ink,
    /// soft, rule) or the index of a series.
    OfPage,
}

/// Returns the picture, with `title` as its text for screen readers.
pub fn svg(canvas: &Canvas, title: &str, colours: Colours) -> String {
    let (width, height, title) = (number(canvas.width), number(canvas.height), escape(title));
    let mut out = match colours {
        Colours::Fixed(palette) => format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}pt\" height=\"{height}pt\" viewBox=\"0 0 {width} \
            {height}\" \
             font-family=\"{FAMILY}\" role=\"img\">\n<title>{title}</title>\n<rect width=\"{width}\" \
             height=\"{height}\" fill=\"{}\"/>\n",
            hex(Paint::Paper, &palette)
        ),
        Colours::OfPage => format!(
            "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
            aria-label=\"{title}\">\n"
        ),
    };
    let writer = Writer { colours };
    for mark in &canvas.marks {
        writer.mark(&mut out, mark);
    }
    out.push_str("</svg>\n");
    out
}

struct Writer {
    colours: Colours,
}

impl Writer {
    fn mark(&self, out: &mut String, mark: &Mark) {
        // Writing to a string cannot fail.
        let _ = match mark {
            Mark::Path { path, fill, stroke, opacity } => {
                writeln!(out, "<path d=\"{}\"{}/>", data(path), self.look(*fill, *stroke, *opacity))
            }
            Mark::Rect { at: [x, y, width, height], fill, stroke, opacity } => writeln!(
                out,
                "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{}/>",
                number(*x),
                number(*y),
                number(*width),
                number(*height),
                self.look(*fill, *stroke, *opacity)
            ),
            Mark::Disc { at: [x, y, radius], fill, stroke, opacity } => writeln!(
                out,
                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>",
                number(*x),
                number(*y),
                number(*radius),
                self.look(*fill, *stroke, *opacity)
            ),
            Mark::Text { at: (x, y), size, anchor, upwards, paint, text } => {
                let (x, y) = (number(*x), number(*y));
                let anchor = match anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                let turn = if *upwards { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
                let fill = self.look(Some(*paint), None, 1.0);
                writeln!(
                    out,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{}\"{anchor}{turn}{fill}>{}</text>",
                    number(*size),
                    escape(text)
                )
            }
            Mark::Image { at: [x, y, width, height], href, .. } => writeln!(
                out,
                "<image x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" href=\"{}\"/>",
                number(*x),
                number(*y),
                number(*width),
                number(*height),
                escape(href)
            ),
            Mark::Open(group) => {
                out.push_str(&open(group));
                Ok(())
            }
            Mark::Close => writeln!(out, "</g>"),
        };
    }

    fn look(&self, fill: Option<Paint>, stroke: Option<Stroke>, opacity: f64) -> String {
        let mut out = String::new();
        match self.colours {
            Colours::Fixed(palette) => {
                let fill = fill.map_or_else(|| "none".to_owned(), |paint| hex(paint, &palette));
                out.push_str(&format!(" fill=\"{fill}\""));
                if let Some(stroke) = stroke {
                    out.push_str(&format!(" stroke=\"{}\"", hex(stroke.paint, &palette)));
                }
            }
            Colours::OfPage => {
                let exact = |name: &str, paint: Paint| match paint {
                    Paint::Exact(red, green, blue) => format!(" {name}=\"#{red:02x}{green:02x}{blue:02x}\""),
                    _ => String::new(),
                };
                let classes: Vec<String> = [("f", fill), ("k", stroke.map(|stroke| stroke.paint))]
                    .into_iter()
                    .filter_map(|(letter, paint)| Some(format!("{letter}{}", class(paint?)?)))
                    .collect();
                if !classes.is_empty() {
                    out.push_str(&format!(" class=\"{}\"", classes.join(" ")));
                }
                match fill {
                    Some(fill) => out.push_str(&exact("fill", fill)),
                    None => out.push_str(" fill=\"none\""),
                }
                if let Some(stroke) = stroke {
                    out.push_str(&exact("stroke", stroke.paint));
                }
            }
        }
        if let Some(Stroke { width, dash, .. }) = stroke {
            out.push_str(&format!(" stroke-width=\"{}\"", number(width)));
            let dashes = dashes(dash, width);
            if !dashes.is_empty() {
                let dashes: Vec<String> = dashes.into_iter().map(number).collect();
                out.push_str(&format!(" stroke-dasharray=\"{}\"", dashes.join(" ")));
            }
        }
        if opacity < 1.0 {
            out.push_str(&format!(" opacity=\"{}\"", number(opacity)));
        }
        out
    }
}

fn open(group: &Group) -> String {
    let mut out = format!("<g class=\"{}\"", group.class);
    if let Some(variant) = group.variant {
        out.push_str(&format!(" data-v=\"{variant}\""));
    }
    if let Some(job) = &group.job {
        out.push_str(&format!(" data-j=\"{}\"", escape(job)));
    }
    out.push('>');
    if let Some(title) = &group.title {
        out.push_str(&format!("<title>{}</title>", escape(title)));
    }
    out.push('\n');
    out
}

/// Returns the letters of a colour's class. `None` for a colour that is the same on every page.
fn class(paint: Paint) -> Option<String> {
    match paint {
        Paint::Paper => Some("p".into()),
        Paint::Ink => Some("i".into()),
        Paint::Soft => Some("s".into()),
        Paint::Rule => Some("r".into()),
        Paint::Series(place) => Some((place % SERIES).to_string()),
        Paint::Exact(..) => None,
    }
}

/// Returns the colour of a paint.
pub(crate) fn rgb(paint: Paint, palette: &Palette) -> Rgb {
    match paint {
        Paint::Paper => palette.paper,
        Paint::Ink => palette.ink,
        Paint::Soft => palette.soft,
        Paint::Rule => palette.rule,
        Paint::Series(place) => palette.series[place % SERIES],
        Paint::Exact(red, green, blue) => Rgb(red, green, blue),
    }
}

fn hex(paint: Paint, palette: &Palette) -> String {
    let Rgb(red, green, blue) = rgb(paint, palette);
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// Returns the lengths of dashes and gaps for a line of this width.
pub(crate) fn dashes(dash: usize, width: f64) -> Vec<f64> {
    DASHES[dash % DASHES.len()].iter().map(|length| length * width.max(0.5)).collect()
}

fn data(path: &[Segment]) -> String {
    let mut out = String::with_capacity(12 * path.len());
    for segment in path {
        match segment {
            Segment::Move(x, y) => out.push_str(&format!("M{} {}", number(*x), number(*y))),
            Segment::Line(x, y) => out.push_str(&format!("L{} {}", number(*x), number(*y))),
            Segment::Curve(at) => out.push_str(&format!("C{}", at.map(number).join(" "))),
            Segment::Close => out.push('Z'),
        }
    }
    out
}

/// Formats a number with up to two decimals.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Escapes text for XML and HTML, including attributes. Characters that these don't allow are replaced.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
