//! The forms of a report.

use std::fmt::Write;

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Table,
    /// For documents.
    Markdown,
    /// For programs.
    Json,
}

/// Rows of text under a heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    heading: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    /// No rows yet.
    pub fn new(heading: impl Into<Vec<String>>) -> Self {
        Self { heading: heading.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: impl Into<Vec<String>>) {
        self.rows.push(row.into());
    }

    /// Whether there is nothing under the heading.
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// In columns as wide as their widest cell.
    pub fn to_table(&self) -> String {
        let lines = || std::iter::once(&self.heading).chain(&self.rows);
        let columns = lines().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            lines().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in lines() {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        text
    }

    /// As a table of Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("| {} |\n|{}\n", self.heading.join(" | "), "---|".repeat(self.heading.len()));
        for row in &self.rows {
            let _ = writeln!(text, "| {} |", row.join(" | "));
        }
        text
    }
}

/// Three digits that count: more would be of noise.
pub fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        size if size >= 0.9995 => format!("{value:.2}"),
        size if size >= 0.0995 => format!("{value:.3}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_are_shown() {
        let shown = [1234.5, 51.26, 2.345, 0.5214, 0.01234].map(digits);
        assert_eq!(shown, ["1234", "51.3", "2.35", "0.521", "0.0123"]);
    }

    #[test]
    fn rows_are_columns_or_markdown() {
        let mut rows = Rows::new(["query", "ms"].map(str::to_owned));
        assert!(rows.is_empty());
        rows.push(["newest 20", "0.5"].map(str::to_owned));
        assert_eq!(rows.to_table(), "query      ms\nnewest 20  0.5\n");
        assert_eq!(rows.to_markdown(), "| query | ms |\n|---|---|\n| newest 20 | 0.5 |\n");
    }
}
