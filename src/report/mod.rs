//! Rows -> document (plain data) -> terminal, Markdown, CSV, JSON.
