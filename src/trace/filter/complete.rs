//! What may come next while a filter is being typed.

use super::field::{Field, FieldFacts, HopClass, Kind, is_name_byte};
use super::lex::{ends_word, is_plain};
use super::value::{GRPC, LEVELS};

/// What may stand in the place of a part of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The first byte of what is replaced, up to the cursor.
    pub offset: usize,
    /// What may stand there, best first.
    pub candidates: Vec<String>,
}

/// Candidates that are offered at once: more than fit a screen.
const CANDIDATES_MAX: usize = 50;

/// Completes a field, or a value of one, before the cursor, a byte of the text. `live` gives values
/// that a field has now; those that the language knows itself come first.
#[must_use]
pub fn complete(text: &str, cursor: usize, live: &dyn Fn(&Field) -> Vec<String>) -> Completion {
    let Some(before) = text.get(..cursor) else { return Completion::default() };
    let offset = word_start(before);
    let typed = &before[offset..];
    let name_len = typed.bytes().take_while(|byte| is_name_byte(*byte)).count();
    let (name, rest) = typed.split_at(name_len);
    let ops = rest.bytes().take_while(|byte| b":=<>~!".contains(byte)).count();
    let (found, offset) = match Field::from_name(name) {
        Some(field) if ops > 0 => {
            let value = &rest[ops..];
            (values(&field, value.trim_start_matches('"'), live), offset + name_len + ops)
        }
        _ if ops > 0 || typed.is_empty() => return Completion { offset, candidates: Vec::new() },
        _ => (fields(typed), offset),
    };
    Completion { offset, candidates: found.into_iter().take(CANDIDATES_MAX).collect() }
}

/// Where the word before the cursor begins. A quote that is open holds it together.
fn word_start(before: &str) -> usize {
    let mut start = 0;
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, c) in before.char_indices() {
        match c {
            '"' if !is_escaped => is_quoted = !is_quoted,
            c if !is_quoted && (ends_word(c) || (c == '!' && at == start)) => start = at + c.len_utf8(),
            _ => {}
        }
        if before[..at + c.len_utf8()].ends_with(">>") && !is_quoted {
            start = at + 1;
        }
        is_escaped = is_quoted && c == '\\' && !is_escaped;
    }
    start
}

fn fields(typed: &str) -> Vec<String> {
    let spelled = |facts: FieldFacts| match facts.name.ends_with('.') {
        true => facts.name.to_owned(),
        false => format!("{}{}", facts.name, first_op(facts.kind)),
    };
    Field::all().filter(|facts| facts.name.starts_with(typed)).map(spelled).collect()
}

/// What is mostly asked of such a field.
fn first_op(kind: Kind) -> &'static str {
    match kind {
        Kind::Duration | Kind::Size => ">",
        Kind::Level => ">=",
        Kind::Text | Kind::Word | Kind::Status | Kind::Grpc | Kind::Flag | Kind::Class => ":",
    }
}

fn values(field: &Field, typed: &str, live: &dyn Fn(&Field) -> Vec<String>) -> Vec<String> {
    let known: Vec<&str> = match field.kind() {
        Kind::Class => HopClass::ALL.map(HopClass::word).to_vec(),
        Kind::Flag => vec!["true", "false"],
        Kind::Status => vec!["2xx", "3xx", "4xx", "5xx"],
        Kind::Grpc => GRPC.to_vec(),
        Kind::Level => LEVELS.map(|(name, ..)| name).to_vec(),
        Kind::Text | Kind::Word | Kind::Duration | Kind::Size => Vec::new(),
    };
    let fits = |value: &str| value.get(..typed.len()).is_some_and(|start| start.eq_ignore_ascii_case(typed));
    let mut found: Vec<String> = known.into_iter().filter(|value| fits(value)).map(str::to_owned).collect();
    for value in live(field).into_iter().filter(|value| fits(value)) {
        let value = if is_plain(&value) { value } else { quoted(&value) };
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::filter::Filter;

    fn check(text: &str, offset: usize, expected: &[&str]) {
        let live = |field: &Field| match field {
            Field::Svc => vec!["checkout".to_owned(), "cart".to_owned()],
            Field::Path => vec!["/a b".to_owned()],
            _ => Vec::new(),
        };
        let found = complete(text, text.len(), &live);
        assert_eq!(
            (found.offset, &*found.candidates),
            (offset, &expected.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>()[..]),
            "{text}"
        );
    }

    #[test]
    fn fields_are_completed_where_a_term_begins() {
        check("st", 0, &["status:"]);
        check("svc:a du", 6, &["dur>"]);
        check("!(re", 2, &["replay:", "req.", "res."]);
        check("svc:a>>ke", 7, &["key:"]);
        check("", 0, &[]);
        check("zzz", 0, &[]);
    }

    #[test]
    fn values_are_those_of_the_language_and_those_that_are_there() {
        check("hop:", 4, &["fork", "base", "split", "lost", "error"]);
        check("{hop!=l", 6, &["lost"]);
        check("svc:c", 4, &["checkout", "cart"]);
        check("svc:CA", 4, &["cart"]);
        check("path:", 5, &["\"/a b\""]);
        check("path:\"/a ", 5, &["\"/a b\""]);
        check("nothing:", 0, &[]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_typed_is_completed_in_its_place(text in "[a-z:>!(){}\"& ü.]{0,20}", cursor in 0_usize..24) {
            let found = complete(&text, cursor, &|_| vec!["a b".to_owned(), "ü\"".to_owned()]);
            prop_assert!(found.offset <= cursor);
            prop_assert!(text.is_char_boundary(found.offset));
        }

        #[test]
        fn a_value_that_is_offered_is_one(value in any::<String>()) {
            let found = complete("svc:", 4, &|_| vec![value.clone()]);
            let filter = Filter::parse(&format!("svc:{}", found.candidates[0])).unwrap();
            prop_assert_eq!(filter, Filter::parse(&format!("svc:{}", quoted(&value))).unwrap());
        }
    }
}
