//! One self-contained page: figures as inline SVG, sample sheets as data URIs, and an optional script.
//!
//! Nothing is fetched: its Content-Security-Policy forbids every request and contains the script's checksum. Each sweep
//! is a `<section class="sweep">` of `<main>`: first the verdict in words, then the evidence.

mod figure;
mod jobs;
mod table;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::super::document::{Block, Document};
use figure::{Shown, gallery, picture};
use sweep_figure::{DARK, Figure, Files, LIGHT, Palette, Plot, Rgb, escape};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A page around a document.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    /// What the page is about and when it was made, in words.
    pub made: &'a str,
    /// Sources of pictures in addition to data URIs: a source list of the policy, such as `'self'`.
    pub pictures: &'a str,
    /// Whether the page contains its own policy, as a file must; a server sends the policy as a header.
    pub alone: bool,
}

/// Returns the whole page around the result of [`main`].
pub fn page(title: &str, main: &str, page: &Page) -> String {
    let title = escape(title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         {}<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" \
         content=\"light dark\">\n\
         <meta name=\"referrer\" \
         content=\"no-referrer\">\n<title>{title}</title>\n<style>{}{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1>\n<p class=\"made\">{}</p></header>\n<main>\n{main}</main>\n<dialog \
         id=\"job\"></dialog>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        if page.alone {
            format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\n", policy(page))
        } else {
            String::new()
        },
        colours(),
        escape(page.made),
    )
}

/// Returns the colours of figures as CSS variables, for light and dark screens.
fn colours() -> String {
    let of = |palette: &Palette| {
        let Palette { paper, ink, soft, rule, series } = palette;
        let named =
            [("p", paper), ("i", ink), ("s", soft), ("r", rule)].map(|(name, colour)| (name.to_owned(), colour));
        let series = series.iter().enumerate().map(|(place, colour)| (format!("s{place}"), colour));
        let one = |(name, Rgb(red, green, blue)): (String, &Rgb)| format!("--{name}:#{red:02x}{green:02x}{blue:02x};");
        named.into_iter().chain(series).map(one).collect::<String>()
    };
    format!(":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}\n", of(&LIGHT), of(&DARK))
}

/// Returns the page's Content-Security-Policy.
pub fn policy(page: &Page) -> String {
    let checksum = STANDARD.encode(Sha256::digest(SCRIPT.as_bytes()));
    let pictures = if page.pictures.is_empty() { String::new() } else { format!(" {}", page.pictures) };
    format!(
        "default-src 'none'; img-src data:{pictures}; style-src 'unsafe-inline'; script-src 'sha256-{checksum}'; \
        base-uri 'none'; \
         form-action 'none'"
    )
}

/// Returns the content of the page's `<main>`.
pub fn main(document: &Document, files: &dyn Files) -> String {
    let blocks = &document.blocks;
    let starts: Vec<usize> = (0..blocks.len()).filter(|&at| matches!(blocks[at], Block::Section(_))).collect();
    let mut out = String::new();
    if starts.len() > 1 {
        out.push_str("<nav><ul>\n");
        for &start in &starts {
            if let Block::Section(name) = &blocks[start] {
                out.push_str(&format!("<li><a href=\"#sweep-{0}\">{0}</a></li>\n", escape(name)));
            }
        }
        out.push_str("</ul></nav>\n");
    }
    for (place, &start) in starts.iter().enumerate() {
        let end = starts.get(place + 1).copied().unwrap_or(blocks.len());
        if let Block::Section(name) = &blocks[start] {
            section(&mut out, (place, name), &blocks[start + 1..end], files);
        }
    }
    out
}

/// The table of the file's expectations, which comes first.
const EXPECTATIONS: &str = "expectations";

/// Tables that are folded away, because a figure shows their numbers or few readers need them.
const FOLDED: &[&str] = &["grid", "cells", "curves", "profile", "best_of_n", "collapse", "protocols", "jobs"];

fn section(out: &mut String, (place, name): (usize, &str), blocks: &[Block], files: &dyn Files) {
    out.push_str(&format!(
        "<section class=\"sweep\" id=\"sweep-{0}\" data-sweep=\"{0}\">\n<h2>{0}</h2>\n",
        escape(name)
    ));
    let verdicts = blocks.iter().filter_map(|block| match block {
        Block::Verdict(said) => Some(said),
        Block::Section(_) | Block::Paragraph(_) | Block::Table(_) | Block::Figure(_) | Block::Jobs(_) => None,
    });
    let verdicts: String = verdicts.map(|said| format!("<p>{}</p>\n", prose(said))).collect();
    let verdicts =
        if verdicts.is_empty() { "<p>There is nothing to compare, or not yet.</p>\n".to_owned() } else { verdicts };
    out.push_str(&format!("<div class=\"verdict\">\n{verdicts}</div>\n"));
    let mut rest = blocks.iter().filter(|block| !matches!(block, Block::Verdict(_))).peekable();
    // Paragraphs before the first figure or table.
    while let Some(Block::Paragraph(said)) = rest.next_if(|block| matches!(block, Block::Paragraph(_))) {
        out.push_str(&format!("<p>{}</p>\n", prose(said)));
    }
    let is_first = |block: &&Block| matches!(block, Block::Table(table) if table.name == EXPECTATIONS);
    let mut shown = Shown::of(place);
    for block in blocks.iter().filter(is_first) {
        if let Block::Table(table) = block {
            table::titled(out, table, &shown.key(table.name));
        }
    }
    controls(out, blocks);
    while let Some(block) = rest.next() {
        match block {
            Block::Figure(figure) => {
                let mut figures = vec![figure];
                while let Some(Block::Figure(next)) = rest.next_if(|block| matches!(block, Block::Figure(_))) {
                    figures.push(next);
                }
                group(out, &figures, files, &mut shown);
            }
            Block::Table(table) if table.name == EXPECTATIONS => {}
            Block::Table(table) if FOLDED.contains(&table.name) => {
                let key = shown.key(table.name);
                out.push_str(&format!("<details id=\"{key}\"><summary>{}</summary>\n", escape(&table.title)));
                table::grid(out, table, &key);
                out.push_str("</details>\n");
            }
            Block::Table(table) => {
                table::titled(out, table, &shown.key(table.name));
            }
            Block::Jobs(all) => jobs::jobs(out, all, &mut shown),
            Block::Paragraph(said) => out.push_str(&format!("<p>{}</p>\n", prose(said))),
            Block::Section(_) | Block::Verdict(_) => {}
        }
    }
    out.push_str("</section>\n");
}

/// Adds figures next to each other: the main ones, and folded away those of other scores.
fn group(out: &mut String, figures: &[&Figure], files: &dyn Files, shown: &mut Shown) {
    let (first, others): (Vec<&Figure>, Vec<&Figure>) = figures.iter().copied().partition(|figure| figure.first);
    let mut draw = |out: &mut String, figures: &[&Figure]| {
        out.push_str("<div class=\"figures\">\n");
        for figure in figures {
            match &figure.plot {
                Plot::Gallery(data) => gallery(out, figure, data, files, shown),
                Plot::Curves(_)
                | Plot::HeatMap(_)
                | Plot::Distribution(_)
                | Plot::Intervals(_)
                | Plot::Parallel(_)
                | Plot::Slices(_)
                | Plot::Scatter(_)
                | Plot::Timeline(_) => picture(out, figure, files, shown),
            }
        }
        out.push_str("</div>\n");
    };
    if !first.is_empty() {
        draw(out, &first);
    }
    if !others.is_empty() {
        let mut scores: Vec<&str> = others.iter().filter_map(|figure| figure.score).collect();
        scores.dedup();
        out.push_str(&format!(
            "<details class=\"more\"><summary>The same figures for {}</summary>\n",
            escape(&scores.join(", "))
        ));
        draw(out, &others);
        out.push_str("</details>\n");
    }
}

/// Adds the controls for the script; without the script they stay hidden.
fn controls(out: &mut String, blocks: &[Block]) {
    let figures = || {
        blocks.iter().filter_map(|block| match block {
            Block::Figure(figure) => Some(figure),
            Block::Section(_) | Block::Verdict(_) | Block::Paragraph(_) | Block::Table(_) | Block::Jobs(_) => None,
        })
    };
    if figures().next().is_none() {
        return;
    }
    out.push_str("<form class=\"controls\" hidden>\n");
    let mut scores: Vec<&str> = Vec::new();
    for score in figures().filter_map(|figure| figure.score) {
        if !scores.contains(&score) {
            scores.push(score);
        }
    }
    if scores.len() > 1 {
        out.push_str("<label>Score <select name=\"score\"><option value=\"\">ranking scores</option>");
        for score in scores {
            out.push_str(&format!("<option>{}</option>", escape(score)));
        }
        out.push_str("</select></label>\n");
    }
    let mut variants: Vec<(usize, &str)> = Vec::new();
    for block in blocks {
        if let Block::Jobs(jobs) = block {
            for row in &jobs.rows {
                if !variants.iter().any(|(place, _)| *place == row.variant.0) {
                    variants.push((row.variant.0, &row.variant.1));
                }
            }
        }
    }
    if variants.len() > 1 {
        for (place, name) in &variants {
            out.push_str(&format!(
                "<label><input type=\"checkbox\" data-variant=\"{place}\" checked><i \
                style=\"background:var(--s{})\"></i>{}</label>\n",
                place % sweep_figure::SERIES,
                escape(name)
            ));
        }
        if variants.len() > 3 {
            out.push_str("<button type=\"button\" name=\"every\">all or none</button>\n");
        }
    }
    out.push_str(
        "<label><input type=\"checkbox\" name=\"singles\" checked>single runs</label>\n<label><input type=\"checkbox\" \
        name=\"log\">log scale</label>\n<label>Find <input type=\"search\" name=\"find\" placeholder=\"alpha 0.1, seed \
        3\"></label>\n</form>\n",
    );
}

/// Returns a PNG as a data URI.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// Formats sentences: text between two backticks is code.
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // A backtick without a partner stays a backtick.
    let pairs = parts.len() % 2 == 1;
    let part = |(at, part): (usize, &&str)| match at % 2 {
        1 if pairs || at + 1 < parts.len() => format!("<code>{}</code>", escape(part)),
        1 => format!("`{}", escape(part)),
        _ => escape(part),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Formats JSON for a script element, escaped so nothing in it can end the script.
fn json(value: &serde_json::Value) -> String {
    sweep_spec::text::json(&value.to_string()).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_name_is_markup() {
        assert_eq!(escape("<script>'\"&\x1b[2J"), "&lt;script&gt;&#39;&quot;&amp;\u{fffd}[2J");
        assert_eq!(prose("`sweep show <JOB>` says; a` b"), "<code>sweep show &lt;JOB&gt;</code> says; a` b");
        assert_eq!(json(&serde_json::json!("</script><!--")), "\"\\u003c/script\\u003e\\u003c!--\"");
    }

    #[test]
    fn the_policy_has_the_scripts_checksums() {
        let page = Page { made: "", pictures: "", alone: true };
        let policy = policy(&page);
        // printf %s "$SCRIPT" | openssl dgst -sha256 -binary | base64, which a browser holds to: tests/it.
        assert!(
            policy.starts_with("default-src 'none'; img-src data:; ") && policy.contains("script-src 'sha256-"),
            "{policy}"
        );
        assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
        assert_eq!(data_uri(b"abc"), "data:image/png;base64,YWJj");
    }
}
