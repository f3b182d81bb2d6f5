//! Two call trees beside each other, with what differs marked.

use super::call_tree::Row;
use crate::console::Paint;

/// Between the two trees.
const GAP: usize = 6;

/// Before every line.
const INDENT: &str = "  ";

/// One tree with its title and what came of it.
pub(super) struct Side {
    pub(super) title: String,
    pub(super) rows: Vec<Row>,
    pub(super) total: String,
}

/// The lines of both sides; plain text stays understandable without colour.
pub(super) fn draw(left: &Side, right: &Side, paint: Paint) -> Vec<String> {
    let texts = |side: &Side| side.rows.iter().map(text).collect::<Vec<_>>();
    let (left_texts, right_texts) = (texts(left), texts(right));
    let all_left = left_texts.iter().chain([&left.title, &left.total]);
    let width = all_left.map(|text| text.chars().count()).max().unwrap_or(0) + GAP;
    let right_width = right_texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let n_rows = left_texts.len().max(right_texts.len());

    let mut lines =
        vec![beside(&paint.bold(&left.title), left.title.chars().count(), width, &paint.bold(&right.title))];
    for index in 0..n_rows {
        let empty = String::new();
        let left_text = left_texts.get(index).unwrap_or(&empty);
        let right_text = right_texts.get(index).unwrap_or(&empty);
        let differs = left.rows.get(index) != right.rows.get(index);
        let shown_right = if differs {
            let n_spaces = right_width.saturating_sub(right_text.chars().count());
            let sandbox = right.rows.get(index).and_then(|row| row.sandbox.as_ref());
            let why = match sandbox {
                Some(sandbox) => format!("◀ the fork of sandbox `{sandbox}`"),
                None => "◀ differs".to_owned(),
            };
            // Only the name is painted, not the branch that leads to it.
            let n_branch = right.rows.get(index).map_or(0, |row| row.branch.len());
            let (branch, name) = right_text.split_at(n_branch.min(right_text.len()));
            format!("{branch}{}{}  {}", paint.fork(name), " ".repeat(n_spaces), paint.fork(why))
        } else {
            right_text.clone()
        };
        lines.push(beside(left_text, left_text.chars().count(), width, &shown_right));
    }
    lines.push(String::new());
    let totals =
        beside(&paint.bold(&left.total), left.total.chars().count(), width, &paint.bold(&right.total));
    lines.push(totals);
    lines
}

/// `│  └─ ◆pricing v2`; the mark is the one that `spur trace` uses.
fn text(row: &Row) -> String {
    let mark = if row.sandbox.is_some() { "◆" } else { "" };
    format!("{}{mark}{} {}", row.branch, row.service, row.version).trim_end().to_owned()
}

fn beside(left: &str, left_chars: usize, width: usize, right: &str) -> String {
    let n_spaces = width.saturating_sub(left_chars);
    format!("{INDENT}{left}{}{right}", " ".repeat(n_spaces)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(branch: &str, service: &str, version: &str, sandbox: Option<&str>) -> Row {
        Row {
            branch: branch.to_owned(),
            service: service.to_owned(),
            version: version.to_owned(),
            sandbox: sandbox.map(str::to_owned),
        }
    }

    fn side(title: &str, pricing: Row, total: &str) -> Side {
        let rows = vec![
            row("", "gw", "", None),
            row("└─ ", "frontend", "v1", None),
            row("   ├─ ", "checkout", "v1", None),
            row("   │  ├─ ", "inventory", "v1", None),
            pricing,
            row("   └─ ", "recommendation", "v1", None),
        ];
        Side { title: title.to_owned(), rows, total: total.to_owned() }
    }

    #[test]
    fn two_ways_stand_side_by_side_and_the_difference_is_marked() {
        let left = side("without a key", row("   │  └─ ", "pricing", "v1", None), "12.00 EUR");
        let right = side(
            "with spur-key: k3x9",
            row("   │  └─ ", "pricing", "v2-cheaper", Some("cheaper")),
            "10.80 EUR",
        );
        insta::assert_snapshot!(draw(&left, &right, Paint::Plain).join("\n"), @"
        without a key                with spur-key: k3x9
        gw                           gw
        └─ frontend v1               └─ frontend v1
           ├─ checkout v1               ├─ checkout v1
           │  ├─ inventory v1           │  ├─ inventory v1
           │  └─ pricing v1             │  └─ ◆pricing v2-cheaper  ◀ the fork of sandbox `cheaper`
           └─ recommendation v1         └─ recommendation v1

        12.00 EUR                    10.80 EUR
        ");
        let coloured = draw(&left, &right, Paint::Colour).join("\n");
        assert!(coloured.contains("└─ \u{1b}[1;35m◆pricing"), "{coloured}");
        assert_eq!(coloured.matches("\u{1b}[1;35m").count(), 2, "the fork and its mark, nothing else");
    }
}
