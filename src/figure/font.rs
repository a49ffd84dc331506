//! The font of figures: text widths and outlines.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::canvas::Segment;

/// Made by `scripts/font`: glyphs with the widths of Helvetica and Arial.
static BYTES: &[u8] = include_bytes!("font/sans.ttf");

static FACE: LazyLock<Face<'static>> = LazyLock::new(|| Face::parse(BYTES, 0).expect("the font in the program is one"));

/// Font families for browsers, all with the same widths.
pub(crate) const FAMILY: &str = "Helvetica, Arial, Liberation Sans, sans-serif";

/// The height of digits and capitals, as a fraction of the font size.
pub(crate) const CAPITAL: f64 = 0.716;

fn glyph(character: char) -> GlyphId {
    FACE.glyph_index(character).or_else(|| FACE.glyph_index('□')).unwrap_or(GlyphId(0))
}

/// Returns whether the font lacks a character of `text`. A PDF shows □ for it; programs that show SVG or HTML use
/// another font.
pub fn lacks(text: &str) -> bool {
    text.chars().any(|character| FACE.glyph_index(character).is_none())
}

/// Returns the width of a character at size 1.
fn advance(character: char) -> f64 {
    f64::from(FACE.glyph_hor_advance(glyph(character)).unwrap_or(0)) / f64::from(FACE.units_per_em())
}

/// Returns the width of `text`.
pub(crate) fn width(text: &str, size: f64) -> f64 {
    size * text.chars().map(advance).sum::<f64>()
}

/// Returns `text`, shortened in the middle if it is wider than `room`.
pub(crate) fn fitted(text: &str, size: f64, room: f64) -> String {
    if text.is_empty() || width(text, size) <= room {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let keep = |n: usize| {
        let (head, tail) = (n.div_ceil(2), n / 2);
        let start: String = characters[..head].iter().collect();
        let end: String = characters[characters.len() - tail..].iter().collect();
        format!("{}…{}", start.trim_end(), end.trim_start())
    };
    // Find the most characters that fit.
    let (mut fits, mut over) = (0, characters.len());
    while fits + 1 < over {
        let middle = (fits + over) / 2;
        if width(&keep(middle), size) <= room { fits = middle } else { over = middle }
    }
    keep(fits)
}

/// Returns the outlines of `text` at size 1. It starts at the origin on its baseline; y points upwards.
pub(crate) fn outlines(text: &str) -> Vec<Segment> {
    let mut outline =
        Outline { at: 0.0, unit: 1.0 / f64::from(FACE.units_per_em()), last: (0.0, 0.0), path: Vec::new() };
    for character in text.chars() {
        FACE.outline_glyph(glyph(character), &mut outline);
        outline.at += advance(character);
    }
    outline.path
}

struct Outline {
    at: f64,
    unit: f64,
    last: (f64, f64),
    path: Vec<Segment>,
}

impl Outline {
    fn place(&self, x: f32, y: f32) -> (f64, f64) {
        (self.at + f64::from(x) * self.unit, f64::from(y) * self.unit)
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.last = self.place(x, y);
        self.path.push(Segment::Move(self.last.0, self.last.1));
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.last = self.place(x, y);
        self.path.push(Segment::Line(self.last.0, self.last.1));
    }

    /// Converted to a cubic curve: PDF has no quadratic ones.
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (from, by, to) = (self.last, self.place(x1, y1), self.place(x, y));
        let towards = |a: f64, b: f64| a + (b - a) * 2.0 / 3.0;
        let (a, b) = ((towards(from.0, by.0), towards(from.1, by.1)), (towards(to.0, by.0), towards(to.1, by.1)));
        self.last = to;
        self.path.push(Segment::Curve([a.0, a.1, b.0, b.1, to.0, to.1]));
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let (a, b, to) = (self.place(x1, y1), self.place(x2, y2), self.place(x, y));
        self.last = to;
        self.path.push(Segment::Curve([a.0, a.1, b.0, b.1, to.0, to.1]));
    }

    fn close(&mut self) {
        self.path.push(Segment::Close);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_match_helvetica() {
        // From Adobe's Helvetica.afm: widths in thousandths.
        for (text, thousandths) in [("0", 556), ("A", 667), ("i", 222), (" ", 278), ("m", 833), ("−", 584), ("%", 889)]
        {
            assert!((width(text, 1000.0) - f64::from(thousandths)).abs() < 1.0, "{text}: {}", width(text, 1000.0));
        }
        assert!(!lacks("αβ 7.33 ± 2.00 × → ≥ − “GAN” Größe … □") && lacks("模型"));
        assert_eq!(width("模", 10.0), width("□", 10.0));
    }

    #[test]
    fn wide_texts_are_shortened_in_the_middle() {
        assert_eq!(fitted("short", 8.0, 100.0), "short");
        let cut = fitted(&format!("{}END", "x".repeat(200)), 8.0, 60.0);
        assert!(width(&cut, 8.0) <= 60.0 && cut.contains('…') && cut.ends_with("END"), "{cut}");
        assert!(width(&cut, 8.0) > 50.0, "as much as fits");
        assert_eq!(fitted("abc", 8.0, 0.0), "…");
        assert_eq!(fitted("", 8.0, -5.0), "");
    }

    #[test]
    fn outlines_are_where_the_text_is() {
        let path = outlines("HI");
        let x: Vec<f64> = path
            .iter()
            .filter_map(|segment| match segment {
                Segment::Move(x, _) | Segment::Line(x, _) => Some(*x),
                Segment::Curve(at) => Some(at[4]),
                Segment::Close => None,
            })
            .collect();
        let most = x.iter().fold(0.0, |most: f64, x| most.max(*x));
        assert!(most > width("H", 1.0) && most < width("HI", 1.0), "{most}");
    }
}
