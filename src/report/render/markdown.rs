//! GitHub's Markdown, for a README or an issue.

use super::super::document::{Block, Document, Table};
use super::texts;

pub(super) fn render(document: &Document) -> String {
    let mut out = format!("# {}\n", escape(&document.title));
    for block in &document.blocks {
        out.push('\n');
        match block {
            Block::Section(name) => out.push_str(&format!("## {}\n", escape(name))),
            Block::Paragraph(paragraph) => out.push_str(&format!("{}\n", escape(paragraph))),
            Block::Table(table) => out.push_str(&grid(table)),
        }
    }
    out
}

fn grid(table: &Table) -> String {
    let mut out = format!("### {}\n\n", escape(&table.title));
    let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    out.push_str(&line(&mut table.columns.iter().map(|name| escape(name))));
    let rule = |column: usize| if table.is_numeric(column) { "---:" } else { "---" }.to_owned();
    out.push_str(&line(&mut (0..table.columns.len()).map(rule)));
    for row in texts(table) {
        out.push_str(&line(&mut row.iter().map(|text| escape(text))));
    }
    for note in &table.notes {
        out.push_str(&format!("\n{}\n", escape(note)));
    }
    out
}

/// So that nothing in a name is taken for Markdown or HTML. An underscore within a word means nothing in GitHub's Markdown.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let characters: Vec<char> = text.chars().collect();
    let within = |index: usize| {
        let alphanumeric =
            |index: Option<usize>| index.and_then(|index| characters.get(index)).is_some_and(|c| c.is_alphanumeric());
        alphanumeric(index.checked_sub(1)) && alphanumeric(Some(index + 1))
    };
    for (index, &c) in characters.iter().enumerate() {
        match c {
            '_' if within(index) => out.push(c),
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' => out.extend(['\\', c]),
            // At the start of a line these begin a heading or a list.
            '#' | '+' | '-' if index == 0 => out.extend(['\\', c]),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        assert_eq!(
            escape("a|b <script> *x* `y` [z](u) _e_ mode_score"),
            r"a\|b &lt;script&gt; \*x\* \`y\` \[z\](u) \_e\_ mode_score"
        );
        assert_eq!(escape("# a\nb"), r"\# a b");
    }
}
