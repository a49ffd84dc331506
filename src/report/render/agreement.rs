//! Checks that all formats have the same numbers: each is read back and compared with the document.

use proptest::prelude::*;
use serde_json::Value;

use super::super::document::{Block, Cell, Document, Means, Table};
use super::{Format, render};

/// Compares the tables in all formats with those of the document.
pub(crate) fn agree(document: &Document) {
    let tables: Vec<&Table> = document.blocks.iter().filter_map(table).collect();
    csv_agrees(document);
    json_agrees(document, &tables);
    let shown = markdown_agrees(&render(document, Format::Markdown), &tables);
    let terminal = render(document, Format::Terminal { width: None, colours: false });
    terminal_agrees(&terminal, &tables, &shown);
    latex_agrees(&render(document, Format::Latex), &tables, &shown);
}

fn table(block: &Block) -> Option<&Table> {
    if let Block::Table(table) = block { Some(table) } else { None }
}

fn same(said: f64, meant: f64) -> bool {
    said == meant || said.is_nan() && meant.is_nan()
}

/// Returns the numbers of a cell for programs, as the fields value, std, n and of, for one or more lines.
fn lines(cell: &Cell) -> Vec<[Option<f64>; 4]> {
    let alone = |value: f64| [Some(value), None, None, None];
    let part = |count: usize, of: usize| [Some(count as f64), None, None, Some(of as f64)];
    match *cell {
        Cell::Empty | Cell::Text(_) => Vec::new(),
        Cell::Count(n) => vec![alone(n as f64)],
        Cell::Number(value) | Cell::Probability(value) => vec![alone(value)],
        Cell::Mean { mean, std, n, of } => vec![[Some(mean), std, Some(n as f64), Some(of as f64)]],
        Cell::Part { count, of } | Cell::Share { count, of } | Cell::Percentage { count, of } => vec![part(count, of)],
        Cell::Rate { count, of, low, high } => vec![part(count, of), alone(low), alone(high)],
        Cell::Interval { low, high } => vec![alone(low), alone(high)],
    }
}

fn csv_agrees(document: &Document) {
    let text = render(document, Format::Csv);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names: Vec<&str> = document.blocks.iter().filter_map(table).map(|table| table.name).collect();
    let of_tables = |record: &csv::StringRecord| names.contains(&&record[1]) && &record[3] != "note";
    let mut records = reader.records().map(Result::unwrap).filter(of_tables);
    for table in document.blocks.iter().filter_map(table) {
        for cell in table.rows.iter().flat_map(|row| &row[table.keys..]) {
            if let Cell::Text(text) = cell {
                // An empty text has no line.
                assert!(text.is_empty() || records.next().is_some_and(|record| record[4].ends_with(text)), "{text}");
            }
            for expected in lines(cell) {
                let record = records.next().unwrap();
                for (field, expected) in (4..8).zip(expected) {
                    let found: Option<f64> = (!record[field].is_empty()).then(|| record[field].parse().unwrap());
                    let right = found.zip(expected).map_or(found == expected, |(a, b)| same(a, b));
                    assert!(right, "{record:?}: {found:?} for {expected:?} of {cell:?}");
                }
            }
        }
    }
    assert!(records.next().is_none());
}

fn json_agrees(document: &Document, tables: &[&Table]) {
    let all: Value = serde_json::from_str(&render(document, Format::Json)).unwrap();
    let sections = all["sections"].as_array().unwrap();
    let found: Vec<&Value> = sections.iter().flat_map(|section| section["tables"].as_array().unwrap()).collect();
    assert_eq!(found.len(), tables.len());
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| value.as_str().unwrap().parse().unwrap());
    for (found, table) in found.iter().zip(tables) {
        assert_eq!(found["rows"].as_array().unwrap().len(), table.rows.len());
        for (at, row) in table.rows.iter().enumerate() {
            for (column, cell) in row.iter().enumerate() {
                let found = &found["rows"][at][found["columns"][column].as_str().unwrap()];
                let field = |name: &str| (!found[name].is_null()).then(|| number(&found[name]));
                let found: Vec<[Option<f64>; 4]> = match cell {
                    Cell::Empty | Cell::Text(_) => Vec::new(),
                    Cell::Count(_) | Cell::Number(_) | Cell::Probability(_) => {
                        vec![[Some(number(found)), None, None, None]]
                    }
                    Cell::Mean { .. } => vec![[field("mean"), field("std"), field("n"), field("of")]],
                    Cell::Part { .. } | Cell::Share { .. } | Cell::Percentage { .. } => {
                        vec![[field("count"), None, None, field("of")]]
                    }
                    Cell::Rate { .. } => {
                        let end = |name| [field(name), None, None, None];
                        vec![[field("count"), None, None, field("of")], end("low"), end("high")]
                    }
                    Cell::Interval { .. } => ["low", "high"].map(|end| [field(end), None, None, None]).to_vec(),
                };
                let expected = lines(cell);
                let pairs = found.iter().flatten().zip(expected.iter().flatten());
                let right = |(a, b): (&Option<f64>, &Option<f64>)| a.zip(*b).map_or(a == b, |(a, b)| same(a, b));
                assert!(found.len() == expected.len() && pairs.into_iter().all(right), "{found:?} for {cell:?}");
            }
        }
    }
}

/// Returns the numbers of a cell that people see.
fn seen(cell: &Cell, means: Means) -> Vec<f64> {
    let percent = |count: usize, of: usize| 100.0 * count as f64 / of as f64;
    let part = |count: usize, of: usize| if count == of { vec![of as f64] } else { vec![count as f64, of as f64] };
    match *cell {
        Cell::Empty | Cell::Text(_) => Vec::new(),
        Cell::Count(n) => vec![n as f64],
        Cell::Number(value) => vec![value],
        Cell::Mean { mean, std, n, of } => match means {
            Means::WithStd => [mean].into_iter().chain(std).collect(),
            Means::Alone => vec![mean],
            Means::WithN => [vec![mean], part(n, of)].concat(),
        },
        Cell::Part { count, of } => part(count, of),
        Cell::Share { count: 0, .. } => vec![0.0],
        Cell::Share { count, of } => vec![count as f64, percent(count, of)],
        Cell::Percentage { count, of } => vec![percent(count, of)],
        Cell::Rate { count, of, low, high } => vec![count as f64, of as f64, 100.0 * low, 100.0 * high],
        Cell::Interval { low, high } => vec![low, high],
        Cell::Probability(p) => vec![p],
    }
}

/// Returns the numbers in a text, each with half a unit of its last digit.
fn numbers(text: &str) -> Vec<(f64, f64)> {
    let text = text.replace('−', "-").replace(',', "").replace(['–', '(', ')'], " ");
    let number = |word: &str| {
        let step = |digits: &str, exponent: i32| {
            let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len() as i32);
            format!("0.5e{}", exponent - decimals).parse::<f64>().unwrap()
        };
        match word {
            "∞" => Some((f64::INFINITY, 0.0)),
            "-∞" => Some((f64::NEG_INFINITY, 0.0)),
            "NaN" => Some((f64::NAN, 0.0)),
            word if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') => {
                let (digits, exponent) = word.split_once('e').unwrap_or((word, "0"));
                Some((word.parse().ok()?, step(digits, exponent.parse().ok()?)))
            }
            _ => None,
        }
    };
    text.split_whitespace().filter_map(number).collect()
}

/// Returns the cells of all tables, as Markdown shows them.
fn markdown_agrees(markdown: &str, tables: &[&Table]) -> Vec<Vec<Vec<String>>> {
    let mut rows = markdown.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let mut shown = Vec::new();
    for table in tables {
        assert_eq!(rows.by_ref().take(2).count(), 2, "a header and a rule");
        let cells = |row: &Vec<Cell>| {
            let line = rows.next().unwrap();
            let texts: Vec<String> = line.split(" | ").map(plain).collect();
            assert_eq!(texts.len(), row.len(), "{line}");
            for (text, cell) in texts.iter().zip(row) {
                let (found, expected) = (numbers(text), seen(cell, table.means));
                if matches!(cell, Cell::Text(_) | Cell::Empty) {
                    continue;
                }
                assert_eq!(found.len(), expected.len(), "{text} for {cell:?}");
                let below = matches!(cell, Cell::Probability(p) if *p < 0.001);
                for ((found, half), expected) in found.into_iter().zip(expected) {
                    let near = (found - expected).abs() <= half * (1.0 + 1e-9);
                    assert!(
                        if below { text == "< 0.001" } else { near || same(found, expected) },
                        "{text} for {cell:?}"
                    );
                }
            }
            texts
        };
        shown.push(table.rows.iter().map(cells).collect());
    }
    assert!(rows.next().is_none());
    shown
}

/// Removes the escapes of Markdown.
fn plain(text: &str) -> String {
    text.trim().replace('\\', "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Checks that a terminal shows every row as Markdown does.
fn terminal_agrees(terminal: &str, tables: &[&Table], shown: &[Vec<Vec<String>>]) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = terminal.lines().map(words);
    for (table, rows) in tables.iter().zip(shown) {
        for row in rows {
            let expected = words(&row[usize::from(table.grouped)..].join(" "));
            assert!(lines.any(|line| line == expected), "{expected:?} in its place in\n{terminal}");
        }
    }
}

/// Checks that LaTeX shows every row as Markdown does, and in bold only what is better by a test.
fn latex_agrees(latex: &str, tables: &[&Table], shown: &[Vec<Vec<String>>]) {
    let is_row = |line: &&str| line.ends_with(" \\\\") && !line.starts_with("\\multicolumn");
    let mut fragments = latex.split("\\begin{tabular}").skip(1);
    for (table, rows) in tables.iter().zip(shown) {
        let fragment = fragments.next().unwrap();
        // The first row has the column names.
        let found = fragment.lines().filter(is_row).skip(1).map(|line| {
            let cells = line.trim_end_matches('\\').strip_suffix(' ').unwrap_or_default().split(" & ");
            cells.map(without_commands).collect::<Vec<_>>()
        });
        let skip = usize::from(table.grouped);
        let expected: Vec<Vec<String>> = rows.iter().map(|row| row[skip..].to_vec()).collect();
        assert_eq!(found.collect::<Vec<_>>(), expected, "in\n{fragment}");
    }
    assert_eq!(fragments.next(), None);
    let verdicts = tables.iter().filter(|table| table.name == "comparisons").flat_map(|table| &table.rows);
    let better = verdicts.filter(|row| row.last() == Some(&Cell::Text("better".into()))).count();
    assert_eq!(latex.matches("\\mathbf").count(), better, "{latex}");
}

/// Returns the text of a LaTeX cell, for the symbols that occur here.
fn without_commands(cell: &str) -> String {
    // Math uses other symbols.
    let parts = cell.split('$').enumerate().map(|(at, part)| match at % 2 {
        1 => part.replace('-', "−").replace(" \\times 10^{−", "e-{").replace(" \\times 10^{", "e{"),
        _ => part.replace("--", "–"),
    });
    let signs = [
        ("\\rule{0.4em}{0.2ex}", "▁"),
        ("\\rule{0.4em}{0.4ex}", "▂"),
        ("\\rule{0.4em}{0.6ex}", "▃"),
        ("\\rule{0.4em}{0.8ex}", "▄"),
        ("\\rule{0.4em}{1.0ex}", "▅"),
        ("\\rule{0.4em}{1.2ex}", "▆"),
        ("\\rule{0.4em}{1.4ex}", "▇"),
        ("\\rule{0.4em}{1.6ex}", "█"),
        ("\\pm", "±"),
        ("\\infty", "∞"),
        ("\\mathrm", ""),
        ("\\mathbf", ""),
        ("\\textless", "<"),
        ("\\textgreater", ">"),
        ("\\textbar", "|"),
        ("\\textquotedbl", "\""),
        ("\\", ""),
        ("{", ""),
        ("}", ""),
    ];
    let text = parts.collect::<String>();
    signs.iter().fold(text, |text, (command, sign)| text.replace(command, sign)).trim().to_owned()
}

fn cell() -> impl Strategy<Value = Cell> {
    let number = || prop_oneof![8 => -1e4..1e4f64, 2 => -1e-6..1e-6f64, 1 => any::<f64>(), 1 => Just(0.0)];
    let share = || (0usize..3000, 0usize..3000).prop_map(|(a, b)| (a.min(b), a.max(b).max(1)));
    let unit = || (0.0..1.0f64, 0.0..1.0f64);
    prop_oneof![
        Just(Cell::Empty),
        (0usize..10_000_000).prop_map(Cell::Count),
        number().prop_map(Cell::Number),
        (number(), proptest::option::of(0.0..1e3f64), share()).prop_map(|(mean, std, (n, of))| Cell::Mean {
            mean,
            std,
            n,
            of
        }),
        share().prop_map(|(count, of)| Cell::Part { count, of }),
        share().prop_map(|(count, of)| Cell::Share { count, of }),
        share().prop_map(|(count, of)| Cell::Percentage { count, of }),
        (share(), unit()).prop_map(|((count, of), (low, high))| Cell::Rate { count, of, low, high }),
        (number(), number()).prop_map(|(low, high)| Cell::Interval { low, high }),
        (0.0..1.0f64).prop_map(|p| Cell::Probability(p * p * p)),
    ]
}

fn any_table() -> impl Strategy<Value = Table> {
    let means = prop_oneof![Just(Means::WithStd), Just(Means::Alone), Just(Means::WithN)];
    let rows = (1usize..5, 1usize..6)
        .prop_flat_map(|(columns, rows)| proptest::collection::vec(proptest::collection::vec(cell(), columns), rows));
    (rows, means, any::<bool>(), any::<bool>()).prop_map(|(rows, means, grouped, alike)| {
        let names: Vec<String> = (0..rows[0].len()).map(|at| format!("column{}", at + 1)).collect();
        let names: Vec<&str> = ["group", "row"].into_iter().chain(names.iter().map(String::as_str)).collect();
        let name = |at: usize| [Cell::Text(format!("group{}", at / 2)), Cell::Text(format!("row{at}"))];
        let rows = rows.into_iter().enumerate().map(|(at, row)| name(at).into_iter().chain(row).collect());
        Table { means, grouped, alike, rows: rows.collect(), ..Table::new("drawn", "Drawn", 2, &names) }
    })
}

proptest! {
    #[test]
    fn all_formats_say_the_same_numbers(tables in proptest::collection::vec(any_table(), 1..3)) {
        let section = Block::Section("section".to_owned());
        let blocks = [section].into_iter().chain(tables.into_iter().map(Block::Table)).collect();
        agree(&Document { title: "Title".to_owned(), blocks });
    }
}
