use proptest::prelude::*;

use super::super::super::document::{Document, Means};
use super::super::{Format, render};
use super::*;

/// Commands that a fragment may contain.
const COMMANDS: [&str; 24] = [
    "begin",
    "end",
    "centering",
    "caption",
    "label",
    "toprule",
    "midrule",
    "bottomrule",
    "addlinespace",
    "multicolumn",
    "itshape",
    "footnotesize",
    "linewidth",
    "par",
    "smallskip",
    "noindent",
    "texttt",
    "mbox",
    "textbackslash",
    "textasciicircum",
    "textasciitilde",
    "textasciigrave",
    "textquotedbl",
    "textless",
];
const OTHERS: [&str; 8] = ["emph", "rule", "textgreater", "textbar", "mathbf", "mathrm", "pm", "times"];

fn text(blocks: Vec<Block>) -> String {
    render(&Document { title: "Title".into(), blocks }, Format::Latex)
}

/// Reads a fragment as TeX does, and fails at an unknown command, an unmatched brace or dollar, an unescaped special
/// character, a character that pdfLaTeX lacks, or a row with the wrong number of cells.
fn check(fragment: &str) {
    let (mut environments, mut columns): (Vec<String>, usize) = (Vec::new(), 0);
    for line in fragment.lines().filter(|line| !line.starts_with('%')) {
        let (mut depth, mut is_math, mut cells, mut is_row) = (0_i32, false, 1, false);
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let name: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
                    rest = &rest[name.len()..];
                    if name.is_empty() {
                        let next = rest.chars().next().unwrap_or_else(|| panic!("a lone backslash in {line}"));
                        rest = &rest[next.len_utf8()..];
                        assert!("#$%&_{}\\,".contains(next), "\\{next} in {line}");
                        is_row |= next == '\\';
                        continue;
                    }
                    let is_symbol = is_math && symbols::has_command(&name);
                    let known = COMMANDS.contains(&name.as_str()) || OTHERS.contains(&name.as_str()) || is_symbol;
                    assert!(known || is_math && name == "infty", "\\{name} in {line}");
                    let argument = || rest.split(['{', '}']).nth(1).unwrap_or_default().to_owned();
                    match name.as_str() {
                        "begin" => {
                            environments.push(argument());
                            columns = rest.split(['{', '}']).nth(3).map_or(columns, str::len);
                        }
                        "end" => assert_eq!(environments.pop(), Some(argument()), "{line}"),
                        "multicolumn" => {
                            assert_eq!(argument(), columns.to_string());
                            cells = columns;
                        }
                        _ => {}
                    }
                }
                '{' => depth += 1,
                '}' => depth -= 1,
                '$' => is_math = !is_math,
                '&' => cells += 1,
                '_' | '^' => assert!(is_math, "{c} in {line}"),
                '#' | '%' | '"' | '|' | '`' => panic!("{c} in {line}"),
                '<' | '>' if !is_math => panic!("{c} in {line}"),
                c => assert!(symbols::is_text(c), "{c} in {line}"),
            }
            assert!(depth >= 0, "{line}");
        }
        assert!(depth == 0 && !is_math, "{line}");
        // A bracket at the start of a row would be an argument of the previous row's end.
        assert!(!is_row || !line.trim_start().starts_with(['[', '*']), "{line}");
        assert!(if is_row { cells == columns } else { cells == 1 }, "{cells} cells for {columns} columns: {line}");
    }
    assert!(environments.is_empty(), "{environments:?} are open");
}

#[test]
fn nothing_in_a_name_is_a_command() {
    for (found, expected) in [
        (
            r"a_b & 50 % of $x^2$ #1 {c} \d~",
            r"a\_b \& 50 \% of \$x\textasciicircum{}2\$ \#1 \{c\} \textbackslash{}d\textasciitilde{}",
        ),
        ("α=0.2, β ≥ 1 × −2", r"$\alpha$=0.2, $\beta$ $\geq$ 1 $\times$ $-$2"),
        ("[0, 1] * |x| <y>", r"{[}0, 1{]} {*} \textbar{}x\textbar{} \textless{}y\textgreater{}"),
        ("--lr 1 -–- ,, ''", r"-{}-lr 1 -{}--{}- ,{}, '{}'"),
        ("Müller \"中\" – Łódź", r"Müller \textquotedbl{}{[}U+4E2D{]}\textquotedbl{} -- Łódź"),
        ("▁█", r"\rule{0.4em}{0.2ex}\rule{0.4em}{1.6ex}"),
        ("a\x1b[2J\u{202e}\nb\u{200d}c", "a{[}U+FFFD{]}{[}2J{[}U+FFFD{]} bc"),
    ] {
        assert_eq!(escape(found), expected);
    }
    assert_eq!(
        prose("`sweep show JOB` says a_b; GAN` rests"),
        r"\texttt{sweep show JOB} says a\_b; GAN\textasciigrave{} rests"
    );
}

#[test]
fn numbers_stand_in_math() {
    for (found, expected) in [
        ("8.12 ± 0.30", r"$8.12 \pm 0.30$"),
        ("−0.500", "$-0.500$"),
        ("1.2e-5", r"$1.2 \times 10^{-5}$"),
        ("8.12 (3 of 4)", "$8.12$ (3 of 4)"),
        ("−0.5 to ∞", r"$-0.5$ to $\infty$"),
        ("NaN", r"$\mathrm{NaN}$"),
        ("< 0.001", "$< 0.001$"),
        ("817.40 ± 37.91 (SE, n = 50)", r"$817.40 \pm 37.91$ (SE, n = 50)"),
        ("A_1 ± inf", r"A\_1 $\pm$ inf"),
    ] {
        assert_eq!(numbers(found, false), expected);
    }
    assert_eq!(numbers("8.12 ± 0.30", true), r"$\mathbf{8.12} \pm 0.30$");
}

#[test]
fn bold_is_what_a_test_bears_out_and_nothing_else() {
    let mean = |mean: f64| Cell::Mean { mean, std: Some(0.25), n: 3, of: 3 };
    let row = |name: &str, value: f64, verdict: &str| {
        vec![Cell::Text("score".into()), Cell::Text(name.into()), mean(value), Cell::Text(verdict.into())]
    };
    let mut table = Table::new("comparisons", "How likely", 2, &["score", "variant", "mean ± std", "verdict"]);
    table.grouped = true;
    table.rows =
        [("GAN", 1.0, "(baseline)"), ("better", 2.0, "better"), ("high", 9.0, "can't tell"), ("low", 0.0, "worse")]
            .map(|(name, value, verdict)| row(name, value, verdict))
            .to_vec();
    let shown = text(vec![Block::Table(table.clone())]);
    check(&shown);
    assert!(shown.contains("better & $\\mathbf{2.00} \\pm 0.25$ & better \\\\\n"), "{shown}");
    assert_eq!(shown.matches("mathbf").count(), 1, "{shown}");
    let elsewhere = text(vec![Block::Table(Table { name: "scores", ..table })]);
    assert!(!elsewhere.contains("mathbf") && elsewhere.contains("$2.00 \\pm 0.25$"), "{elsewhere}");
}

#[test]
fn every_table_has_a_label_of_its_own() {
    let table = |name| Block::Table(Table::new(name, "A table", 1, &["a"]));
    let section = |name: &str| Block::Section(name.into());
    let blocks = [section("a_b"), table("best_cells"), table("grid"), table("grid"), section("a b"), table("grid")];
    let shown = text(blocks.to_vec());
    check(&shown);
    let labels: Vec<&str> = shown.lines().filter(|line| line.starts_with("\\label")).collect();
    let expected =
        ["a-b-best-cells", "a-b-grid", "a-b-grid-2", "a-b-grid-3"].map(|name| format!("\\label{{tab:{name}}}"));
    assert_eq!(labels, expected);
}

fn words() -> impl Strategy<Value = String> {
    let special = proptest::collection::vec(
        proptest::sample::select("\\^~`\"<>|#$%&_{}[]*-–,'±αé中▃−× \n\u{1b}\u{202e}a1".chars().collect::<Vec<_>>()),
        0..12,
    );
    prop_oneof![special.prop_map(|all| all.into_iter().collect()), any::<String>()]
}

proptest! {
    #[test]
    fn any_names_make_a_fragment(
        title in words(),
        section in words(),
        said in words(),
        columns in proptest::collection::vec(words(), 2..5),
        cells in proptest::collection::vec(words(), 12),
        notes in proptest::collection::vec(words(), 0..3),
        grouped in any::<bool>(),
    ) {
        let names: Vec<&str> = columns.iter().map(String::as_str).collect();
        let mut table = Table { grouped, notes, means: Means::WithN, ..Table::new("scores", said.clone(), 1, &names) };
        table.rows = cells.chunks_exact(names.len()).map(|row| row.iter().cloned().map(Cell::Text).collect()).collect();
        let blocks = vec![Block::Section(section), Block::Paragraph(said), Block::Table(table)];
        check(&render(&Document { title, blocks }, Format::Latex));
    }
}
