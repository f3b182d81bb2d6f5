//! Operators that are written twice: `!!x` and `--x`.
//!
//! `VisitLogicalNot` and `VisitNegate` in `parser/parser.go` of `github.com/google/cel-go` leave an
//! even number of them out, whatever they stand before; no type is asked for. The evaluator's parser
//! (`cel` 0.13) reads `!!x` as `!x`, and reads `x` twice on the way: 30 of them in each other take
//! hours. So they are taken out of the text before it is parsed, and spaces stand in their place, so
//! that everything else keeps its position.
//!
//! The parser goes on after what is no word of the language, and may see another number of
//! operators then; so such a text is refused here.

use std::borrow::Cow;

use super::words::{self, NoWord, Word};

/// The text without pairs of `!` and of `-` that cancel each other.
///
/// Where no such operator can stand, one is left for the parser to refuse.
pub(super) fn without_pairs(text: &str) -> Result<Cow<'_, str>, NoWord> {
    let words = words::read(text)?;
    let mut blanks = Vec::new();
    let mut run_start = 0;
    while let Some((_, word)) = words.get(run_start) {
        let run_end = run_start + words[run_start..].iter().take_while(|(_, other)| other == word).count();
        if matches!(word, Word::Not | Word::Minus) {
            // After an operand the first minus subtracts.
            let is_first_binary = *word == Word::Minus && ends_operand(&words[..run_start]);
            let unary = run_start + usize::from(is_first_binary)..run_end;
            let is_placed =
                can_stand_after(&words[..unary.start], *word) && can_stand_before(&words[run_end..], *word);
            let n_kept = if is_placed { unary.len() % 2 } else { 1 };
            blanks.extend(words[unary].iter().skip(n_kept).map(|(position, _)| *position));
        }
        run_start = run_end;
    }
    if blanks.is_empty() {
        return Ok(text.into());
    }
    let mut bytes = text.as_bytes().to_vec();
    for position in blanks {
        bytes[position] = b' ';
    }
    Ok(String::from_utf8(bytes).expect("one ASCII character took the place of another").into())
}

fn ends_operand(before: &[(usize, Word)]) -> bool {
    matches!(before.last(), Some((_, Word::Name | Word::Number | Word::Close)))
}

/// Whether one or several unary operators may follow.
fn can_stand_after(before: &[(usize, Word)], operator: Word) -> bool {
    match before.last() {
        None | Some((_, Word::Open | Word::Other)) => true,
        // The binary one, of this run or (`a - !!b`) before it.
        Some((_, Word::Minus)) => operator == Word::Minus || ends_operand(&before[..before.len() - 1]),
        Some((_, Word::Not | Word::Name | Word::Number | Word::Close | Word::Dot)) => false,
    }
}

/// Whether what follows can be what a unary operator is for: a `member` of the grammar, which may be
/// a number with its sign.
fn can_stand_before(after: &[(usize, Word)], operator: Word) -> bool {
    match after {
        [(_, Word::Name | Word::Number | Word::Open | Word::Dot), ..] => true,
        [(_, Word::Minus), (_, Word::Number), ..] => operator == Word::Not,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
