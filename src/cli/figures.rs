//! `sweep report --figures`: each figure as SVG, PDF and CSV.

use std::fs;
use std::path::Path;

use super::Failure;
use super::stdout::print;
use sweep_figure::{Colours, Figure, LIGHT, Look, csv, draw, lacks, pdf, svg};
use sweep_operations::home_files::InHome;
use sweep_report::document::{Block, Document};
use sweep_report::format::plural;
use sweep_system::whole::{self, Survives};

/// Text size of figures in points, as in a paper's captions.
const TEXT: f64 = 7.5;
/// Points in an inch.
const INCH: f64 = 72.0;

/// The width of figures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Width(f64);

impl Width {
    /// Parses `3.3in`, `84mm`, `8.4cm` or `240pt`.
    pub(crate) fn parse(text: &str) -> Result<Width, String> {
        let expected = "expected a length such as `3.3in`, `84mm`, `8.4cm` or `240pt`";
        let split = text.find(|c: char| c.is_alphabetic()).ok_or(expected)?;
        let (number, unit) = text.split_at(split);
        let unit = match unit {
            "in" => INCH,
            "mm" => INCH / 25.4,
            "cm" => INCH / 2.54,
            "pt" => 1.0,
            _ => return Err(expected.into()),
        };
        let points = number.trim().parse::<f64>().map_err(|_| expected)? * unit;
        if !(INCH..=100.0 * INCH).contains(&points) {
            return Err("expected a width from 1in to 100in".into());
        }
        Ok(Width(points))
    }
}

/// Writes all figures of a document into a folder, and prints their names.
pub(crate) fn write(document: &Document, folder: &Path, width: Width, home: &Path) -> Result<(), Failure> {
    let figures: Vec<&Figure> = document
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            Block::Section(_) | Block::Verdict(_) | Block::Paragraph(_) | Block::Table(_) | Block::Jobs(_) => None,
        })
        .collect();
    if figures.is_empty() {
        return print("no figures yet: there are no scores\n");
    }
    let failure = |path: &Path, error| Failure::environment(format!("cannot write {}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(|error| failure(folder, error))?;
    let look = Look { width: width.0, size: TEXT, log: false, files: &InHome(home) };
    let mut said = String::new();
    for figure in &figures {
        let canvas = draw(figure, &look);
        let files: [(&str, Vec<u8>); 3] = [
            ("svg", svg(&canvas, &figure.title, Colours::Fixed(LIGHT)).into_bytes()),
            ("pdf", pdf(&canvas, &figure.title)),
            ("csv", csv(figure).into_bytes()),
        ];
        for (ending, bytes) in files {
            let path = folder.join(format!("{}.{ending}", figure.name));
            whole::write(&path, &bytes, Survives::Kill).map_err(|error| failure(&path, error))?;
        }
        said.push_str(&format!("{}: {}\n", figure.name, figure.title));
        if canvas.marks.iter().any(|mark| matches!(mark, sweep_figure::Mark::Text { text, .. } if lacks(text))) {
            said.push_str("  its PDF shows □ for characters that its font lacks; the SVG shows them\n");
        }
    }
    print(&format!(
        "{said}\n{} in {}, each as .svg, .pdf and .csv\n",
        plural(figures.len(), "figure"),
        folder.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_have_units() {
        let points = |text| Width::parse(text).map(|width| (width.0 * 1000.0).round() / 1000.0);
        assert_eq!(points("3.3in"), Ok(237.6));
        assert_eq!(points("254mm"), Ok(720.0));
        assert_eq!(points("2.54cm"), Ok(72.0));
        assert_eq!(points("240pt"), Ok(240.0));
        for text in ["", "3.3", "in", "3.3 inches", "0in", "-3in", "NaNin", "1e9in", "infin"] {
            assert!(Width::parse(text).is_err(), "{text}");
        }
    }
}
