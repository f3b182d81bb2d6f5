//! Where in its text something is wrong with an expression.
//!
//! The parser knows where every expression stands, and tells it only with a fault that it finds
//! itself. So a text is read once more, beside an expression that the parser refuses:
//! `[text, has(1)]`. Faults are written as in `common/error.go` of `github.com/google/cel-go`.

use std::sync::Arc;

use kube_cel::cel::Program;
use kube_cel::cel::common::ast::SourceInfo;

use super::negations;
use super::typing::Fault;
use super::words::NoWord;

/// Longest text of one fault, in characters: types of deep values fill pages.
const FAULT_MAX_CHARS: usize = 1_000;
/// Longest piece of a text that is no word, in characters.
const WORD_MAX_CHARS: usize = 40;

/// Most of a line that is shown with a fault, in characters: a rule may have 8 KiB on one line, and
/// ten faults.
const LINE_MAX_CHARS: usize = 200;

/// A character of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Position {
    /// Counted from 1.
    line: usize,
    /// Counted from 0.
    column: usize,
}

/// The faults of an expression as cel-go tells them, in the order of the text. Needs a large
/// stack.
pub(super) fn describe(text: &str, faults: &[Fault]) -> String {
    let source = read_again(text);
    let position = |fault: &Fault| find(source.as_deref()?, text, fault.expression);
    let mut faults: Vec<(Option<Position>, &Fault)> =
        faults.iter().map(|fault| (position(fault), fault)).collect();
    faults.sort_by_key(|(position, _)| *position);
    let described: Vec<String> =
        faults.into_iter().map(|(position, fault)| describe_one(text, position, fault)).collect();
    described.join("\n")
}

/// The fault of a text that has something that is no word, as the parser tells it.
pub(super) fn describe_no_word(text: &str, fault: NoWord) -> String {
    let (before, rest) = text.split_at(fault.byte);
    let Position { line, column } = Position::after(before);
    let shown: String =
        rest.chars().take_while(|letter| !letter.is_whitespace()).take(WORD_MAX_CHARS).collect();
    format!("ERROR: <input>:{line}:{}: Syntax error: token recognition error at: '{shown}'", column + 1)
}

/// Where the expressions of a text stand, after one character that is not part of it.
fn read_again(text: &str) -> Option<Arc<SourceInfo>> {
    // The text may end with a comment.
    let text = negations::without_pairs(text).ok()?;
    let faults = Program::compile(&format!("[{text}\n, has(1)]")).err()?.errors;
    // With another fault (one level more may be too deep) the numbers are not the same.
    if faults.len() == 1 { faults.into_iter().next()?.source_info } else { None }
}

fn find(source: &SourceInfo, text: &str, expression: u64) -> Option<Position> {
    // The list around the text has the first number and the first character.
    let (start, _) = source.offset_for(expression + 1)?;
    Some(Position::after(text.get(..(start as usize).checked_sub(1)?)?))
}

// === impl Position ===

impl Position {
    /// The character after these.
    fn after(before: &str) -> Self {
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self { line: before.matches('\n').count() + 1, column: before[line_start..].chars().count() }
    }
}

fn describe_one(text: &str, position: Option<Position>, fault: &Fault) -> String {
    let what: String = fault.text.chars().take(FAULT_MAX_CHARS).collect();
    let Some(Position { line, column }) = position else { return format!("ERROR: <input>: {what}") };
    let snippet = text.lines().nth(line - 1).unwrap_or_default().replace('\t', " ");
    let (snippet, shown_column) = around(&snippet, column);
    let pointer = point_to(&snippet, shown_column);
    format!("ERROR: <input>:{line}:{}: {what}\n | {snippet}\n | {pointer}", column + 1)
}

/// The part of a long line that a character stands in, and where it stands there.
fn around(line: &str, column: usize) -> (String, usize) {
    let n_chars = line.chars().count();
    if n_chars <= LINE_MAX_CHARS {
        return (line.to_owned(), column);
    }
    let start = column.saturating_sub(LINE_MAX_CHARS / 2).min(n_chars - LINE_MAX_CHARS);
    let mut shown: String = line.chars().skip(start).take(LINE_MAX_CHARS).collect();
    let before = if start > 0 { "..." } else { "" };
    shown.insert_str(0, before);
    if start + LINE_MAX_CHARS < n_chars {
        shown.push_str("...");
    }
    (shown, column - start + before.len())
}

/// Dots up to a character and a mark below it, which are wide below wide characters.
fn point_to(line: &str, column: usize) -> String {
    let mut chars = line.chars();
    let dots: String = chars.by_ref().take(column).map(|c| if c.is_ascii() { '.' } else { '．' }).collect();
    let mark = if chars.next().is_none_or(|c| c.is_ascii()) { '^' } else { '＾' };
    format!("{dots}{mark}")
}
