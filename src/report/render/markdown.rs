//! GitHub's Markdown, for a README or an issue.

use super::super::document::{Block, Document, Table};
use super::texts;
use sweep_spec::text::line;

pub(super) fn render(document: &Document) -> String {
    let mut out = format!("# {}\n", escape(&document.title));
    // A Markdown file cannot embed figures; the tables have their numbers.
    for block in document.blocks.iter().filter(|block| !matches!(block, Block::Figure(_) | Block::Jobs(_))) {
        out.push('\n');
        match block {
            Block::Figure(_) | Block::Jobs(_) => {}
            Block::Section(name) => out.push_str(&format!("## {}\n", escape(name))),
            Block::Verdict(paragraph) | Block::Paragraph(paragraph) => out.push_str(&format!("{}\n", prose(paragraph))),
            Block::Table(table) => out.push_str(&grid(table)),
        }
    }
    out
}

fn grid(table: &Table) -> String {
    let mut out = format!("### {}\n\n", escape(&table.title));
    let row = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    out.push_str(&row(&mut table.columns.iter().map(|name| escape(name))));
    let rule = |column: usize| if table.is_numeric(column) { "---:" } else { "---" }.to_owned();
    out.push_str(&row(&mut (0..table.columns.len()).map(rule)));
    for texts in texts(table) {
        out.push_str(&row(&mut texts.iter().map(|text| escape(text))));
    }
    for note in &table.notes {
        out.push_str(&format!("\n{}\n", prose(note)));
    }
    out
}

/// Formats sentences: text between two backticks is code, and the rest is escaped by [`escape`].
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let last = parts.len() - 1;
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => escape(part),
        // Code. A name in a note may contain a backtick, too, alone or next to another.
        _ if index < last && !part.trim().is_empty() => format!("`{}`", line(part)),
        _ if index < last => format!(r"\`{}\`", escape(part)),
        _ => format!(r"\`{}", escape(part)),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Escapes names so nothing in them is taken for Markdown or HTML. An underscore within a word means nothing in
/// GitHub's Markdown.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let characters: Vec<char> = line(text).chars().collect();
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
        assert_eq!(escape("a\x1b[2J\u{202e}b"), "a\u{fffd}\\[2J\u{fffd}b");
    }

    #[test]
    fn what_a_note_has_between_backticks_is_code() {
        assert_eq!(prose("`sweep show JOB` says <more>; `a_b*`"), "`sweep show JOB` says &lt;more&gt;; `a_b*`");
        // A name with a backtick of its own makes no markup of what follows.
        assert_eq!(prose("GAN` *x* rests on"), r"GAN\` \*x\* rests on");
        assert_eq!(prose("a``b *c* `"), r"a\`\`b \*c\* \`");
        assert_eq!(prose("`x` a` <b>"), r"`x` a\` &lt;b&gt;");
    }
}
