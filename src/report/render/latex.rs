//! LaTeX: a fragment for `\input`, with a `booktabs` table for each table. pdfLaTeX with T1 fonts reads it, whatever
//! characters names contain.
//!
//! Bold means that a test supports a difference, and nothing else: the largest number of a column is often there by
//! luck.

use super::super::document::{Block, Cell, Document, Table};
use super::super::inference::LEVEL;
use super::{symbols, texts};
use sweep_spec::text::line;

pub(super) fn render(document: &Document) -> String {
    let mut out = head(&document.title);
    let (mut section, mut labels) = ("", Vec::new());
    // `sweep report --figures` writes each figure as a PDF for the paper to include.
    for block in document.blocks.iter().filter(|block| !matches!(block, Block::Figure(_) | Block::Jobs(_))) {
        out.push('\n');
        match block {
            Block::Section(name) => {
                section = name;
                // No heading: most are bold, and their names are up to the paper.
                out.push_str(&format!("\\par\\noindent\\emph{{{}}}\\par\n", escape(name)));
            }
            Block::Figure(_) | Block::Jobs(_) => {}
            Block::Verdict(paragraph) | Block::Paragraph(paragraph) => out.push_str(&format!("{}\n", prose(paragraph))),
            Block::Table(table) => {
                let label = label(&[section, table.name], &labels);
                out.push_str(&grid(table, &label));
                labels.push(label);
            }
        }
    }
    out
}

/// Returns the instructions for users of the fragment.
fn head(title: &str) -> String {
    format!(
        "% {}\n%\n% A fragment for \\input, by `sweep report --format latex`. The document needs\n%     \
        \\usepackage[T1]{{fontenc}}\n%     \\usepackage[utf8]{{inputenc}}  % before LaTeX of 2018\n%     \
        \\usepackage{{booktabs}}\n% Bold is the mean of a variant that the test finds better than its baseline (p < \
        {LEVEL} after correction), in a table of\n% comparisons. Nothing else is bold, because the highest number of a \
        column is often there by luck.\n",
        line(title)
    )
}

/// Returns a label like `tab:quickstart-best-cells`, with a number after it if another table has the same. It consists
/// of ASCII letters and digits, because a label becomes part of a command.
fn label(names: &[&str], taken: &[String]) -> String {
    let mut words: Vec<&str> = Vec::new();
    for name in names {
        words.extend(name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()));
    }
    let label = format!("tab:{}", words.join("-"));
    let numbered = (2_u32..).map(|n| format!("{label}-{n}"));
    let mut free = std::iter::once(label.clone()).chain(numbered).filter(|label| !taken.contains(label));
    free.next().unwrap_or_default()
}

fn grid(table: &Table, label: &str) -> String {
    let skip = usize::from(table.grouped);
    let columns = skip..table.columns.len();
    let sides: String = columns.clone().map(|column| if table.is_numeric(column) { 'r' } else { 'l' }).collect();
    let row = |cells: Vec<String>| format!("{} \\\\\n", cells.join(" & "));
    let mut out = format!(
        "\\begin{{table}}[htbp]\n\\centering\n\\caption{{{}}}\n\\label{{{label}}}\n\
         \\begin{{tabular}}{{{sides}}}\n\\toprule\n",
        escape(&table.title)
    );
    out.push_str(&row(table.columns[skip..].iter().map(|name| escape(name)).collect()));
    out.push_str("\\midrule\n");
    let texts = texts(table);
    for (at, words) in texts.iter().enumerate() {
        if table.grouped && (at == 0 || texts[at - 1][0] != words[0]) {
            let space = if at == 0 { "" } else { "\\addlinespace\n" };
            let heading = escape(&words[0]);
            out.push_str(&format!("{space}\\multicolumn{{{}}}{{l}}{{\\itshape {heading}}} \\\\\n", columns.len()));
        }
        let bold = is_better(table, at);
        let text = |column: usize| cell(&table.rows[at][column], &words[column], bold);
        out.push_str(&row(columns.clone().map(text).collect()));
    }
    out.push_str("\\bottomrule\n\\end{tabular}\n");
    if !table.notes.is_empty() {
        let notes: Vec<String> = table.notes.iter().map(|note| prose(note)).collect();
        let notes = notes.join("\\par\n");
        out.push_str(&format!(
            "\\par\\smallskip\n\\begin{{minipage}}{{\\linewidth}}\\footnotesize\n{notes}\n\\end{{minipage}}\n"
        ));
    }
    out.push_str("\\end{table}\n");
    out
}

/// Whether this row's verdict is that a variant is better than its baseline.
fn is_better(table: &Table, row: usize) -> bool {
    let verdict = table.columns.iter().position(|name| name == "verdict").map(|column| &table.rows[row][column]);
    table.name == "comparisons" && matches!(verdict, Some(Cell::Text(verdict)) if verdict == "better")
}

/// Formats a cell: measured numbers in math, for a proper minus; if a mean is bold, only the mean itself.
fn cell(cell: &Cell, text: &str, bold: bool) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Mean { .. } => numbers(text, bold),
        Cell::Number(_) | Cell::Interval { .. } | Cell::Probability(_) => numbers(text, false),
        // A published figure is such text.
        Cell::Text(text) if text.contains(" ± ") => numbers(text, false),
        Cell::Text(_)
        | Cell::Count(_)
        | Cell::Part { .. }
        | Cell::Share { .. }
        | Cell::Percentage { .. }
        | Cell::Rate { .. } => escape(text),
    }
}

/// Puts numbers, `±` and `<` in math: `8.12 ± 0.30 (3 of 4)` becomes `$8.12 \pm 0.30$ (3 of 4)`.
fn numbers(text: &str, bold: bool) -> String {
    let shown = line(text);
    let words: Vec<(Option<String>, &str)> = shown.split(' ').map(|word| (math(word), word)).collect();
    let parts = words.chunk_by(|(a, _), (b, _)| a.is_some() == b.is_some()).enumerate().map(|(at, words)| {
        let maths: Vec<&str> = words.iter().filter_map(|(math, _)| math.as_deref()).collect();
        match maths.split_first() {
            Some((first, rest)) if bold && at == 0 => {
                let rest: String = rest.iter().map(|word| format!(" {word}")).collect();
                format!("$\\mathbf{{{first}}}{rest}$")
            }
            Some(_) => format!("${}$", maths.join(" ")),
            None => escape(&words.iter().map(|(_, word)| *word).collect::<Vec<_>>().join(" ")),
        }
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// Returns a word of [`numbers`] in math; `None` if it is not math.
fn math(word: &str) -> Option<String> {
    match word {
        "±" => Some("\\pm".into()),
        "<" => Some("<".into()),
        "∞" => Some("\\infty".into()),
        "−∞" => Some("-\\infty".into()),
        "NaN" => Some("\\mathrm{NaN}".into()),
        number => {
            let number = number.replace('−', "-");
            let is_number = number.ends_with(|c: char| c.is_ascii_digit()) && number.parse::<f64>().is_ok();
            is_number.then(|| match number.split_once('e') {
                Some((digits, exponent)) => format!("{digits} \\times 10^{{{exponent}}}"),
                None => number,
            })
        }
    }
}

/// Formats sentences: text between two backticks is code.
fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let last = parts.len() - 1;
    let part = |(index, part): (usize, &&str)| match index % 2 {
        0 => escape(part),
        _ if index < last && !part.trim().is_empty() => format!("\\texttt{{{}}}", escape(part)),
        // A backtick in a name: alone, or next to another.
        _ if index < last => format!("{0}{1}{0}", escape("`"), escape(part)),
        _ => format!("{}{}", escape("`"), escape(part)),
    };
    parts.iter().enumerate().map(part).collect()
}

/// Escapes text so nothing is a command. Characters that pdfLaTeX lacks in T1 fonts become their code: `[U+4E2D]`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in line(text).chars() {
        let piece = match c {
            '\\' => "\\textbackslash{}".into(),
            '^' => "\\textasciicircum{}".into(),
            '~' => "\\textasciitilde{}".into(),
            '`' => "\\textasciigrave{}".into(),
            '"' => "\\textquotedbl{}".into(),
            '<' => "\\textless{}".into(),
            '>' => "\\textgreater{}".into(),
            '|' => "\\textbar{}".into(),
            '#' | '$' | '%' | '&' | '_' | '{' | '}' => format!("\\{c}"),
            // After the end of a row, these would be its argument or its star.
            '[' | ']' | '*' => format!("{{{c}}}"),
            '\u{a0}' => "~".into(),
            '–' => "--".into(),
            '—' => "---".into(),
            // They only control how neighbouring characters join.
            '\u{200c}' | '\u{200d}' => continue,
            c if symbols::is_text(c) => c.to_string(),
            c => match (symbols::in_math(c), symbols::bar(c)) {
                (Some(math), _) => format!("${math}$"),
                (None, Some(bar)) => bar,
                (None, None) => format!("{{[}}U+{:04X}{{]}}", u32::from(c)),
            },
        };
        // Two of these in a row would form a ligature.
        if ['-', ',', '\''].iter().any(|&twin| out.ends_with(twin) && piece.starts_with(twin)) {
            out.push_str("{}");
        }
        out.push_str(&piece);
    }
    out
}

#[cfg(test)]
#[path = "latex_tests.rs"]
mod tests;
