//! Writes a canvas as PDF: one page of the same size. Text becomes outlines, so no font is needed.

use std::collections::BTreeSet;
use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use pdf_writer::types::{LineCapStyle, LineJoinStyle};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect, Ref, TextStr};

use super::canvas::{Anchor, Canvas, Mark, Paint, Segment, Stroke};
use super::colour::{LIGHT, Rgb};
use super::font::{outlines, width};
use super::svg::{dashes, rgb};

/// Distance of the control points from the ends of a quarter circle of radius 1.
const QUARTER: f64 = 0.552_284_75;

/// Returns the file. It contains no date, so the same picture gives the same bytes.
pub fn pdf(canvas: &Canvas, title: &str) -> Vec<u8> {
    let mut ids = (1..).map(Ref::new);
    let mut next = || ids.next().expect("there are as many ids as wanted");
    let (catalog, pages, page, content, info) = (next(), next(), next(), next(), next());
    let opacities: BTreeSet<u8> = canvas.marks.iter().filter_map(opacity).collect();
    let states: Vec<(u8, Ref)> = opacities.into_iter().map(|opacity| (opacity, next())).collect();
    let images: Vec<Option<Picture>> = canvas
        .marks
        .iter()
        .filter_map(|mark| match mark {
            Mark::Image { png, .. } => Some(Picture::read(png)),
            _ => None,
        })
        .collect();
    let image_ids: Vec<Ref> = images.iter().map(|_| next()).collect();

    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut sheet = pdf.page(page);
    sheet.parent(pages).media_box(Rect::new(0.0, 0.0, canvas.width as f32, canvas.height as f32)).contents(content);
    let mut resources = sheet.resources();
    let mut graphics = resources.ext_g_states();
    for (opacity, id) in &states {
        graphics.pair(Name(state(*opacity).as_bytes()), *id);
    }
    graphics.finish();
    let mut objects = resources.x_objects();
    for (at, id) in image_ids.iter().enumerate() {
        objects.pair(Name(image(at).as_bytes()), *id);
    }
    objects.finish();
    resources.finish();
    sheet.finish();
    for (opacity, id) in &states {
        let share = f32::from(*opacity) / 100.0;
        pdf.ext_graphics(*id).non_stroking_alpha(share).stroking_alpha(share);
    }
    for (picture, id) in images.iter().zip(image_ids) {
        let Some(Picture { width, height, bytes }) = picture else {
            // An image that cannot be read becomes a white pixel.
            let mut white = pdf.image_xobject(id, &[255; 3]);
            white.width(1).height(1).bits_per_component(8).color_space().device_rgb();
            continue;
        };
        let packed = deflated(bytes);
        let mut shown = pdf.image_xobject(id, &packed);
        shown.width(*width as i32).height(*height as i32).bits_per_component(8);
        shown.color_space().device_rgb();
        shown.filter(Filter::FlateDecode);
    }
    let mut pen = Pen { content: Content::new(), height: canvas.height, images: 0 };
    pen.content.set_line_cap(LineCapStyle::ButtCap).set_line_join(LineJoinStyle::RoundJoin);
    for mark in &canvas.marks {
        pen.mark(mark);
    }
    let drawn = deflated(&pen.content.finish());
    pdf.stream(content, &drawn).filter(Filter::FlateDecode);
    pdf.document_info(info).title(TextStr(title)).creator(TextStr("sweep"));
    pdf.finish()
}

/// Returns the opacity of a mark in percent. `None` if it is opaque.
fn opacity(mark: &Mark) -> Option<u8> {
    match mark {
        Mark::Path { opacity, .. } | Mark::Rect { opacity, .. } | Mark::Disc { opacity, .. } => {
            Some((opacity.clamp(0.0, 1.0) * 100.0).round() as u8).filter(|opacity| *opacity < 100)
        }
        Mark::Text { .. } | Mark::Image { .. } | Mark::Open(_) | Mark::Close => None,
    }
}

fn state(opacity: u8) -> String {
    format!("o{opacity}")
}

fn image(at: usize) -> String {
    format!("i{at}")
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The pixels of a PNG.
struct Picture {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
}

impl Picture {
    fn read(png: &[u8]) -> Option<Picture> {
        let image = image::load_from_memory_with_format(png, image::ImageFormat::Png).ok()?.into_rgb8();
        let (width, height) = image.dimensions();
        Some(Picture { width, height, bytes: image.into_raw() })
    }
}

/// Writes the page. In PDF, y points upwards.
struct Pen {
    content: Content,
    height: f64,
    images: usize,
}

impl Pen {
    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Path { path, fill, stroke, .. } => self.shape(mark, *fill, *stroke, |pen| {
                for segment in path {
                    pen.segment(*segment, |x, y| (x, y));
                }
            }),
            Mark::Rect { at: [x, y, width, height], fill, stroke, .. } => self.shape(mark, *fill, *stroke, |pen| {
                let bottom = (pen.height - y - height) as f32;
                pen.content.rect(*x as f32, bottom, *width as f32, *height as f32);
            }),
            Mark::Disc { at: [x, y, radius], fill, stroke, .. } => self.shape(mark, *fill, *stroke, |pen| {
                let (r, c) = (*radius, *radius * QUARTER);
                pen.segment(Segment::Move(x + r, *y), |x, y| (x, y));
                for [a, b, d, e, f, g] in
                    [[r, c, c, r, 0.0, r], [-c, r, -r, c, -r, 0.0], [-r, -c, -c, -r, 0.0, -r], [c, -r, r, -c, r, 0.0]]
                {
                    pen.segment(Segment::Curve([x + a, y + b, x + d, y + e, x + f, y + g]), |x, y| (x, y));
                }
                pen.segment(Segment::Close, |x, y| (x, y));
            }),
            Mark::Text { at, size, anchor, upwards, paint, text } => {
                let text = sweep_spec::text::line(text);
                let long = width(&text, *size);
                let start = match anchor {
                    Anchor::Start => 0.0,
                    Anchor::Middle => -long / 2.0,
                    Anchor::End => -long,
                };
                self.shape(mark, Some(*paint), None, |pen| {
                    for segment in outlines(&text) {
                        pen.segment(segment, |x, y| {
                            let (along, up) = (start + x * size, y * size);
                            if *upwards { (at.0 - up, at.1 - along) } else { (at.0 + along, at.1 - up) }
                        });
                    }
                });
            }
            Mark::Image { at: [x, y, width, height], .. } => {
                let bottom = (self.height - y - height) as f32;
                self.content.save_state();
                self.content.transform([*width as f32, 0.0, 0.0, *height as f32, *x as f32, bottom]);
                self.content.x_object(Name(image(self.images).as_bytes()));
                self.content.restore_state();
                self.images += 1;
            }
            Mark::Open(_) | Mark::Close => {}
        }
    }

    fn shape(&mut self, mark: &Mark, fill: Option<Paint>, stroke: Option<Stroke>, draw: impl FnOnce(&mut Pen)) {
        self.content.save_state();
        if let Some(opacity) = opacity(mark) {
            self.content.set_parameters(Name(state(opacity).as_bytes()));
        }
        let colour = |paint| {
            let Rgb(red, green, blue) = rgb(paint, &LIGHT);
            [red, green, blue].map(|byte| f32::from(byte) / 255.0)
        };
        if let Some([red, green, blue]) = fill.map(colour) {
            self.content.set_fill_rgb(red, green, blue);
        }
        if let Some(Stroke { paint, width, dash }) = stroke {
            let [red, green, blue] = colour(paint);
            self.content.set_stroke_rgb(red, green, blue).set_line_width(width as f32);
            self.content.set_dash_pattern(dashes(dash, width).into_iter().map(|length| length as f32), 0.0);
        }
        draw(self);
        match (fill, stroke) {
            (Some(_), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(_), None) => self.content.fill_nonzero(),
            (None, Some(_)) => self.content.stroke(),
            (None, None) => self.content.end_path(),
        };
        self.content.restore_state();
    }

    fn segment(&mut self, segment: Segment, place: impl Fn(f64, f64) -> (f64, f64)) {
        let at = |x: f64, y: f64, height: f64| {
            let (x, y) = place(x, y);
            // Two decimals are enough, and shorter.
            ((x * 100.0).round() as f32 / 100.0, ((height - y) * 100.0).round() as f32 / 100.0)
        };
        match segment {
            Segment::Move(x, y) => {
                let (x, y) = at(x, y, self.height);
                self.content.move_to(x, y);
            }
            Segment::Line(x, y) => {
                let (x, y) = at(x, y, self.height);
                self.content.line_to(x, y);
            }
            Segment::Curve([a, b, c, d, e, f]) => {
                let ((a, b), (c, d), (e, f)) = (at(a, b, self.height), at(c, d, self.height), at(e, f, self.height));
                self.content.cubic_to(a, b, c, d, e, f);
            }
            Segment::Close => {
                self.content.close_path();
            }
        }
    }
}
