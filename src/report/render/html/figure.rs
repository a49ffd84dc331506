//! Figures of a page: SVG in the page's colours, and galleries of sample sheets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{escape, json as embedded, prose};
use sweep_figure::format::count;
use sweep_figure::{Canvas, Colours, Figure, Files, Gallery, Look, can_be_log, draw, svg};

/// The width of a figure and its text size, in pixels.
const WIDTH: f64 = 560.0;
const TEXT: f64 = 12.0;

/// The keys used so far in a section.
pub(super) struct Shown {
    section: usize,
    names: BTreeMap<String, usize>,
}

impl Shown {
    pub(super) fn of(section: usize) -> Self {
        Shown { section, names: BTreeMap::new() }
    }

    /// Returns a unique key, which does not change when other things are added before it.
    pub(super) fn key(&mut self, name: &str) -> String {
        let count = self.names.entry(name.to_owned()).or_default();
        *count += 1;
        format!("s{}-{name}-{count}", self.section)
    }
}

/// Adds a figure as SVG; if its scores can be on a log scale, in both versions.
pub(super) fn picture(out: &mut String, figure: &Figure, files: &dyn Files, shown: &mut Shown) {
    let drawn = |log: bool| -> Canvas { draw(figure, &Look { width: WIDTH, size: TEXT, log, files }) };
    let scaled = can_be_log(figure);
    open(out, figure, if scaled { "scaled" } else { "" }, &shown.key("figure"));
    let classed = |log: bool, class: &str| {
        let text = svg(&drawn(log), &figure.title, Colours::OfPage);
        text.replacen("<svg ", &format!("<svg class=\"{class}\" "), 1)
    };
    if scaled {
        out.push_str(&classed(false, "lin"));
        out.push_str(&classed(true, "log"));
    } else {
        out.push_str(&svg(&drawn(false), &figure.title, Colours::OfPage));
    }
    out.push_str("</figure>\n");
}

fn open(out: &mut String, figure: &Figure, class: &str, id: &str) {
    let score = figure.score.map_or(String::new(), |score| format!(" data-score=\"{}\"", escape(score)));
    let first = if figure.first { " data-first" } else { "" };
    out.push_str(&format!(
        "<figure class=\"{class}\" id=\"{id}\" data-name=\"{}\"{score}{first}>\n<figcaption><b>{}</b>",
        escape(&figure.name),
        escape(&figure.title)
    ));
    for note in &figure.notes {
        out.push_str(&format!(" <span class=\"note\">{}</span>", prose(note)));
    }
    out.push_str("</figcaption>\n");
}

/// Adds the sheets in a grid: for each place the newest one of the first layer, and the others for the script.
pub(super) fn gallery(out: &mut String, figure: &Figure, data: &Gallery, files: &dyn Files, shown: &mut Shown) {
    open(out, figure, "samples", &shown.key("figure"));
    let steps: BTreeSet<u64> = data.sheets.iter().flat_map(|sheet| sheet.steps.iter().map(|(step, _)| *step)).collect();
    let steps: Vec<u64> = steps.into_iter().collect();
    // The newest of the first layer come first, because there may not be room for all.
    let mut sources: Vec<Vec<(u64, String)>> = vec![Vec::new(); data.sheets.len()];
    let mut wanted: Vec<(usize, usize, usize)> = Vec::new();
    for (at, sheet) in data.sheets.iter().enumerate() {
        wanted.extend((0..sheet.steps.len()).map(|step| (sheet.steps.len() - 1 - step, sheet.layer, at)));
    }
    wanted.sort_unstable();
    let mut left_out = 0;
    for (age, _, at) in wanted {
        let sheet = &data.sheets[at];
        let (step, path) = &sheet.steps[sheet.steps.len() - 1 - age];
        match files.picture(&sheet.job, *step, path) {
            Some(picture) => sources[at].push((*step, picture.href)),
            None => left_out += 1,
        }
    }
    sources.iter_mut().for_each(|sources| sources.sort());
    out.push_str("<div class=\"steps\" hidden>");
    if data.layers.len() > 1 {
        out.push_str("<label>Seed <select>");
        for (layer, name) in data.layers.iter().enumerate() {
            out.push_str(&format!("<option value=\"{layer}\">{}</option>", escape(name)));
        }
        out.push_str("</select></label>");
    }
    if let (Some(last), true) = (steps.last(), steps.len() > 1) {
        let most = steps.len() - 1;
        out.push_str(&format!(
            "<label>Step <input type=\"range\" min=\"0\" max=\"{most}\" value=\"{most}\"></label><output>step \
            {}</output>",
            count(*last as usize)
        ));
    }
    out.push_str("</div>\n");
    let columns = data.across.values.len();
    out.push_str(&format!(
        "<div class=\"gallery\" style=\"grid-template-columns:minmax(3rem,max-content) repeat({columns},1fr)\">\n"
    ));
    for (row, value) in data.down.values.iter().enumerate() {
        out.push_str(&format!("<span class=\"key\">{} {}</span>", escape(&data.down.key), escape(value)));
        for column in 0..columns {
            let here = data.sheets.iter().position(|sheet| sheet.place == (row, column) && sheet.layer == 0);
            match here.map(|at| (&data.sheets[at], sources[at].last())) {
                Some((sheet, Some((_, href)))) => out.push_str(&format!(
                    "<a tabindex=\"0\" data-p=\"{row},{column}\" data-v=\"{}\" data-j=\"{}\" data-f=\"{2}\" \
                    title=\"{2}\"><img loading=\"lazy\" alt=\"{2}\" src=\"{3}\"></a>",
                    sheet.variant,
                    short(&sheet.job),
                    escape(&sheet.name),
                    escape(href)
                )),
                Some((sheet, None)) => out.push_str(&format!(
                    "<a tabindex=\"0\" data-p=\"{row},{column}\" data-v=\"{}\" data-j=\"{}\" data-f=\"{2}\" \
                    title=\"{2}\"><img alt=\"{2}\"></a>",
                    sheet.variant,
                    short(&sheet.job),
                    escape(&sheet.name)
                )),
                None => out.push_str(&format!("<a data-p=\"{row},{column}\" hidden><img alt=\"\"></a>")),
            }
        }
        out.push('\n');
    }
    out.push_str("<span></span>");
    for value in &data.across.values {
        out.push_str(&format!("<span class=\"foot\">{} {}</span>", escape(&data.across.key), escape(value)));
    }
    out.push_str("\n</div>\n");
    if left_out > 0 {
        out.push_str(&format!(
            "<p class=\"note\">{} missing from this page: the files are gone, or there is no more room for them.</p>\n",
            if left_out == 1 { "1 sheet is".to_owned() } else { format!("{} sheets are", count(left_out)) }
        ));
    }
    let sheets = data.sheets.iter().zip(sources).map(|(sheet, sources)| {
        // Sheets already shown above are not embedded twice.
        let last = sources.len().wrapping_sub(1);
        let source =
            |(at, (step, href)): (usize, (u64, String))| (step, (sheet.layer > 0 || at != last).then_some(href));
        let sources: Vec<_> = sources.into_iter().enumerate().map(source).collect();
        json!([format!("{},{}", sheet.place.0, sheet.place.1), sheet.layer, short(&sheet.job), sheet.name, sources])
    });
    let data = json!({"steps": steps, "sheets": sheets.collect::<Vec<_>>()});
    out.push_str(&format!("<script type=\"application/json\">{}</script>\n</figure>\n", embedded(&data)));
}

/// Returns the start of a job's id, as used everywhere on the page.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
