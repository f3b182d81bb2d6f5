//! The server's `Table` as aligned text.
//!
//! The server decides what stands in the cells; here are only widths. As
//! `kubectl`, columns are three spaces apart and the names in capitals.

use serde_json::Value;
use spur_api::meta;
use spur_trace::sanitize_for_terminal;

/// Which columns are shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Columns {
    /// Those that the server ranks below the first, too.
    pub(crate) is_wide: bool,
    /// The namespace, first.
    pub(crate) has_namespace: bool,
    /// The labels, last.
    pub(crate) has_labels: bool,
}

/// Text in columns. Widths only grow, so that rows of a watch stand below the first ones.
#[derive(Debug, Default)]
pub(crate) struct Aligned {
    widths: Vec<usize>,
}

/// The header and rows of a `Table`, as texts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

// === impl Rows ===

impl Rows {
    /// Reads a `Table`. Rows of a watch come without column definitions, hence `shown`.
    pub(crate) fn read(table: &Value, columns: Columns, shown: &mut Vec<usize>) -> Self {
        let definitions = meta::list(table, "/columnDefinitions");
        if !definitions.is_empty() {
            let is_shown = |column: &Value| columns.is_wide || meta::number(column, "/priority") == Some(0);
            *shown = (0..definitions.len()).filter(|index| is_shown(&definitions[*index])).collect();
        }
        let mut header: Vec<String> = shown
            .iter()
            .filter_map(|index| definitions.get(*index))
            .map(|column| meta::text(column, "/name").to_uppercase())
            .collect();
        if !header.is_empty() {
            if columns.has_namespace {
                header.insert(0, "NAMESPACE".to_owned());
            }
            if columns.has_labels {
                header.push("LABELS".to_owned());
            }
        }
        let rows = meta::list(table, "/rows").iter().map(|row| texts(row, columns, shown)).collect();
        Self { header, rows }
    }
}

fn texts(row: &Value, columns: Columns, shown: &[usize]) -> Vec<String> {
    let cells = meta::list(row, "/cells");
    let mut texts: Vec<String> =
        shown.iter().map(|index| cells.get(*index).map_or_else(String::new, text)).collect();
    let object = &row["object"];
    if columns.has_namespace {
        texts.insert(0, meta::namespace(object).to_owned());
    }
    if columns.has_labels {
        let labels = meta::labels(object).filter(|labels| !labels.is_empty());
        texts.push(labels.map_or_else(
            || "<none>".to_owned(),
            |labels| {
                let pairs: Vec<String> =
                    labels.iter().map(|(key, value)| format!("{key}={}", text(value))).collect();
                pairs.join(",")
            },
        ));
    }
    texts
}

fn text(cell: &Value) -> String {
    match cell {
        Value::Null => String::new(),
        Value::String(text) => sanitize_for_terminal(text).into_owned(),
        other => other.to_string(),
    }
}

// === impl Aligned ===

impl Aligned {
    /// Makes room for these lines.
    pub(crate) fn fit<'a>(&mut self, lines: impl IntoIterator<Item = &'a Vec<String>>) {
        for line in lines {
            for (index, cell) in line.iter().enumerate() {
                let width = cell.chars().count();
                match self.widths.get_mut(index) {
                    Some(known) => *known = width.max(*known),
                    None => self.widths.push(width),
                }
            }
        }
    }

    /// One line, without spaces at its end.
    pub(crate) fn line(&self, cells: &[String]) -> String {
        /// Between columns, as `kubectl` (`printers.GetNewTabWriter`: padding 3).
        const GAP: usize = 3;
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            line.push_str(cell);
            if index + 1 < cells.len() {
                let width = self.widths.get(index).copied().unwrap_or(0);
                let n_spaces = width.saturating_sub(cell.chars().count()) + GAP;
                line.extend(std::iter::repeat_n(' ', n_spaces));
            }
        }
        line.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Value {
        json!({
            "kind": "Table",
            "columnDefinitions": [
                {"name": "Name", "priority": 0}, {"name": "Ready", "priority": 0},
                {"name": "Restarts", "priority": 0}, {"name": "IP", "priority": 1},
            ],
            "rows": [
                {"cells": ["web-1", "1/1", 0, "127.0.0.1"],
                 "object": {"metadata": {"namespace": "shop", "labels": {"app": "web"}}}},
                {"cells": ["much-longer-name", "0/1", 12, "\u{1b}[31m"],
                 "object": {"metadata": {"namespace": "default"}}},
            ],
        })
    }

    fn drawn(columns: Columns) -> String {
        let Rows { header, rows } = Rows::read(&table(), columns, &mut Vec::new());
        let mut aligned = Aligned::default();
        aligned.fit([&header]);
        aligned.fit(&rows);
        let lines: Vec<String> =
            std::iter::once(&header).chain(&rows).map(|line| aligned.line(line)).collect();
        lines.join("\n")
    }

    #[test]
    fn columns_stand_three_spaces_apart() {
        insta::assert_snapshot!(drawn(Columns::default()), @r"
        NAME               READY   RESTARTS
        web-1              1/1     0
        much-longer-name   0/1     12
        ");
    }

    #[test]
    fn a_wide_table_has_every_column_and_no_escapes() {
        let columns = Columns { is_wide: true, has_namespace: true, has_labels: true };
        insta::assert_snapshot!(drawn(columns), @r"
        NAMESPACE   NAME               READY   RESTARTS   IP          LABELS
        shop        web-1              1/1     0          127.0.0.1   app=web
        default     much-longer-name   0/1     12         \x1b[31m    <none>
        ");
    }

    #[test]
    fn later_rows_stand_below_the_first() {
        let mut shown = Vec::new();
        let first = Rows::read(&table(), Columns::default(), &mut shown);
        let mut aligned = Aligned::default();
        aligned.fit([&first.header]);
        aligned.fit(&first.rows);
        let next = json!({"rows": [{"cells": ["x", "1/1", 3, "hidden"]}]});
        let next = Rows::read(&next, Columns::default(), &mut shown);
        assert_eq!(aligned.line(&next.rows[0]), "x                  1/1     3");
    }
}
