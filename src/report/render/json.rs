//! JSON: the whole document. Control characters are escaped. Floats that are not finite are the strings `nan`, `inf`
//! and `-inf`.

use serde_json::{Map, Value, json};

use super::super::document::{Block, Cell, Document, Table};
use super::program;
use sweep_figure::format::distinct;
use sweep_spec::text;

pub(super) fn render(document: &Document) -> String {
    let mut sections: Vec<Value> = Vec::new();
    for block in &document.blocks {
        if let Block::Section(name) = block {
            sections.push(json!({"name": name, "text": [], "tables": [], "figures": []}));
        }
        let Some(section) = sections.last_mut() else { continue };
        let (list, value) = match block {
            Block::Section(_) | Block::Jobs(_) => continue,
            Block::Verdict(text) | Block::Paragraph(text) => ("text", json!(text)),
            Block::Table(table) => ("tables", grid(table)),
            // Numbers in it that are not finite are null.
            Block::Figure(figure) => ("figures", json!(figure)),
        };
        if let Some(list) = section[list].as_array_mut() {
            list.push(value);
        }
    }
    text::json(&format!("{:#}\n", json!({"title": document.title, "sections": sections})))
}

fn grid(table: &Table) -> Value {
    // A variant may have the name of another column, and keys of an object must differ.
    let columns = distinct(&table.columns.iter().map(|name| program(name).to_owned()).collect::<Vec<_>>());
    let row = |row: &Vec<Cell>| {
        let cells = columns.iter().zip(row).map(|(name, value)| (name.clone(), cell(value)));
        Value::Object(cells.collect::<Map<_, _>>())
    };
    json!({
        "name": table.name,
        "title": table.title,
        "columns": columns,
        "rows": table.rows.iter().map(row).collect::<Vec<_>>(),
        "notes": table.notes,
    })
}

fn cell(cell: &Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Text(text) => json!(text),
        Cell::Count(n) => json!(n),
        Cell::Number(value) => float(*value),
        Cell::Mean { mean, std, n, of } => json!({"mean": float(*mean), "std": std.map(float), "n": n, "of": of}),
        Cell::Rate { count, of, low, high } => {
            json!({"count": count, "of": of, "low": float(*low), "high": float(*high)})
        }
        Cell::Interval { low, high } => json!({"low": float(*low), "high": float(*high)}),
        Cell::Probability(p) => float(*p),
        Cell::Part { count, of } | Cell::Share { count, of } | Cell::Percentage { count, of } => {
            json!({"count": count, "of": of})
        }
    }
}

fn float(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("nan"),
        f64::INFINITY => json!("inf"),
        f64::NEG_INFINITY => json!("-inf"),
        value => json!(value),
    }
}
